"""Declared Euler conventions: followed box by box, and doubted where furniture would stand askew."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vgcli_core.errors import ConventionError
from vgcli_core.evaluation.benchmark import Item
from vgcli_core.evaluation.benchmarks import scannet_det, scanrefer
from vgcli_core.evaluation.declared_boxes import convention_of_answer, intrinsic
from vgcli_core.evaluation.report import score
from vgcli_core.geometry.boxes import as_boxes, rotations, to_extrinsic, transform
from vgcli_core.text.answer_format import format_detection, format_grounding


def camera(tilt: float) -> np.ndarray:
    """Camera to a scan with z up: it looks along y, and down by `tilt`."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.column_stack([[1, 0, 0], [0, -np.sin(tilt), -np.cos(tilt)], [0, np.cos(tilt), -np.sin(tilt)]])
    return matrix


def furniture(count: int, seed: int) -> np.ndarray:
    """Upright boxes in the scan, turned about the vertical in all ways."""
    rng = np.random.default_rng(seed)
    yaw = rng.uniform(-3, 3, (count, 1))
    return np.hstack([rng.uniform(-2, 2, (count, 3)), rng.uniform(0.3, 2, (count, 3)), yaw, np.zeros((count, 2))])


def test_each_box_is_read_in_its_own_convention():
    boxes = furniture(4, 0)
    boxes[:, 6:] = np.random.default_rng(1).uniform(-1, 1, (4, 3))
    mixed = np.vstack([boxes[:2], to_extrinsic(boxes[2:])])
    read = intrinsic(mixed, ["ZXY", "ZXY", "zxy", "zxy"])
    assert_allclose(rotations(read[:, 6:]), rotations(boxes[:, 6:]), atol=1e-12)


def test_an_answer_that_declares_nothing_is_refused():
    with pytest.raises(ConventionError, match="does not declare"):
        convention_of_answer(Item("a", "", scannet_det.BENCHMARK.example))


@pytest.mark.parametrize(("declared", "warnings"), [("ZXY", 0), ("zxy", 2)])
def test_detection_doubts_a_declaration_that_turns_furniture_over(declared, warnings):
    items = []
    for scene in range(6):
        boxes = transform(furniture(5, scene), np.linalg.inv(camera(0.5)))
        true = [{"label": "chair", "bbox_3d": row} for row in boxes.tolist()]
        truth = scannet_det.DetectionTruth.model_validate(
            {"boxes": true, "euler_convention": declared, "scene": f"s{scene}"}
        )
        items.append(Item(f"{scene}", format_detection(as_boxes(boxes, ["chair"] * 5)), truth, declared))
    notes = [note for note in score(scannet_det.BENCHMARK, items).notes if "look like 'ZXY'" in note]
    assert len(notes) == warnings
    assert all("check euler_convention" in note for note in notes)


@pytest.mark.parametrize(("declared", "warnings"), [("ZXY", 0), ("zxy", 1)])
def test_grounding_doubts_it_through_the_poses(declared, warnings):
    items = []
    for number, box in enumerate(furniture(12, 3)):
        pose = camera(0.1 + 0.05 * number)
        seen = transform(box[None], np.linalg.inv(pose))
        truth = scanrefer.GroundingTruth.model_validate(
            {"bbox_3d": box.tolist(), "euler_convention": "ZXY", "camera_to_world": [pose.tolist()], "scene": "s"}
        )
        items.append(Item(f"{number}", format_grounding(0, as_boxes(seen, [""])[0]), truth, declared))
    assert len([note for note in score(scanrefer.BENCHMARK, items).notes if "look like" in note]) == warnings
