"""Angles, corners and moved boxes against recordings of pytorch3d, scipy and the reference's generators.

`data/angles.json` is a small copy, so that these tests run in every clone; the last one reads the whole shared folder.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from vgcli_core.geometry.boxes import corners, rotations, to_intrinsic, transform

COPY = json.loads((Path(__file__).parent / "data" / "angles.json").read_text())
EXAMPLES = COPY["convention_examples"]
ROWS = COPY["rows"]


def with_angles(angles) -> np.ndarray:
    return np.array([[1, 2, 3, 0.5, 0.6, 0.7, *angles]], dtype=np.float64)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["angles"]))
def test_in_memory_angles_are_intrinsic_zxy(example):
    expected = example["R_intrinsic_ZXY_pytorch3d_and_scipy_upper"]
    np.testing.assert_allclose(rotations(np.array([example["angles"]], dtype=float))[0], expected, atol=1e-9)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["angles"]))
def test_extrinsic_angles_keep_their_rotation_when_they_become_intrinsic(example):
    box = to_intrinsic(with_angles(example["angles"]), "zxy")
    np.testing.assert_allclose(rotations(box[:, 6:])[0], example["R_extrinsic_zxy_scipy_lower"], atol=1e-9)
    np.testing.assert_array_equal(box[:, :6], with_angles(example["angles"])[:, :6])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["angles"]))
def test_corners_stand_where_pytorch3d_puts_them(example):
    expected = example["corners_for_center_1_2_3_size_05_06_07"]  # recorded in float32
    np.testing.assert_allclose(corners(with_angles(example["angles"]))[0], expected, atol=2e-6)


def check_rows(rows) -> None:
    for row in rows:
        box = np.array([row["box"]])
        np.testing.assert_allclose(rotations(box[:, 6:])[0], row["rotation_matrix"], atol=1e-9)

        # Angles are compared as matrices: at gimbal lock several triples say the same.
        world_to_camera = np.linalg.inv(row["extrinsic"])
        moved, expected = transform(box, world_to_camera), np.array([row["box_in_camera"]])
        np.testing.assert_allclose(moved[:, :6], expected[:, :6], atol=1e-9)
        np.testing.assert_allclose(rotations(moved[:, 6:]), rotations(expected[:, 6:]), atol=1e-7)

        if not row["gimbal_lock"]:  # the recording has no extrinsic angles there
            old = np.array([[*row["box"][:6], *row["extrinsic_zxy_of_the_same_rotation"]]])
            read = to_intrinsic(old, "zxy")
            np.testing.assert_allclose(rotations(read[:, 6:])[0], row["rotation_matrix"], atol=1e-7)

        # The source counts corners in binary, z fastest; ours go around each x face.
        np.testing.assert_allclose(corners(box)[0], np.array(row["corners_ZXY"])[[0, 1, 3, 2, 4, 5, 7, 6]], atol=1e-9)


def test_boxes_move_to_the_camera_as_the_reference_moves_them():
    assert sum(row["gimbal_lock"] for row in ROWS) == 2
    check_rows(ROWS)


def test_all_recorded_rows_and_examples_of_the_shared_folder_agree(golden):
    check_rows(json.loads((golden / "gen2" / "generators" / "euler.json").read_text())["rows"])
    examples = json.loads((golden / "metrics" / "scanrefer_summary.json").read_text())["convention_examples"]
    assert examples
    for example in examples:
        test_in_memory_angles_are_intrinsic_zxy(example)
        test_extrinsic_angles_keep_their_rotation_when_they_become_intrinsic(example)
        test_corners_stand_where_pytorch3d_puts_them(example)
