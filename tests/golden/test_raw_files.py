"""Pickles, `.pth` files and sparse matrices recorded beside the same content as JSON: read without pickle or torch."""

import json
from pathlib import Path

import numpy as np
import pytest

from vgcli_core.data.raw.embodiedscan import read_scans
from vgcli_core.data.raw.labels import read_nyu40
from vgcli_core.data.raw.object_boxes import object_boxes, scan_vertices
from vgcli_core.data.raw.proposals import mask_boxes
from vgcli_core.data.raw.pth import load_pth
from vgcli_core.data.raw.unpickle import load_pickle

INPUTS = Path("gen2") / "generators" / "inputs"


def twins(golden: Path, pattern: str) -> list[tuple[Path, dict]]:
    """Files of a form, each with the content of the JSON file of the same name."""
    found = sorted((golden / INPUTS).rglob(pattern))
    assert found, pattern
    return [(path, json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))) for path in found]


def same(found: object, expected: object) -> None:
    if isinstance(expected, dict):
        assert isinstance(found, dict) and list(found) == list(expected)
        for key, value in expected.items():
            same(found[key], value)
    elif isinstance(found, np.ndarray):
        np.testing.assert_allclose(found, np.array(expected), rtol=1e-6, atol=1e-9)
    elif isinstance(expected, list):
        assert isinstance(found, list | tuple) and len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    else:
        assert found == expected


def test_embodiedscan_pickles_hold_what_their_json_twins_hold(golden):
    for path, expected in twins(golden, "*.pkl"):
        same(load_pickle(path), expected)


def test_scans_are_those_of_scannet_with_the_json_twins_values(golden):
    for path, expected in twins(golden, "*.pkl"):
        names = {number: name for name, number in expected["metainfo"]["categories"].items()}
        listed = [one for one in expected["data_list"] if one["sample_idx"].startswith("scannet/")]
        scans = list(read_scans(path))
        assert [scan.name for scan in scans] == [one["sample_idx"] for one in listed]
        for scan, one in zip(scans, listed, strict=True):
            np.testing.assert_array_equal(scan.alignment, one["axis_align_matrix"])
            np.testing.assert_array_equal(scan.intrinsics, one["cam2img"])
            posed = [image for image in one["images"] if np.isfinite(image["cam2global"]).all()]
            for frame, image in zip(scan.frames, posed, strict=True):
                assert frame.path == image["img_path"] and list(frame.visible) == image["visible_instance_ids"]
                np.testing.assert_array_equal(frame.camera_to_scan, image["cam2global"])
            for instance, row in zip(scan.instances, one.get("instances") or [], strict=True):
                assert (instance.label, instance.id) == (names[row["bbox_label_3d"]], row["bbox_id"])
                np.testing.assert_array_equal(instance.box, row["bbox_3d"])


def test_pth_files_hold_what_their_json_twins_hold(golden):
    for path, expected in twins(golden, "*.pth"):
        found = load_pth(path)
        for key, value in expected.items():
            np.testing.assert_allclose(found[key], value, rtol=1e-6)


def test_boxes_of_objects_are_those_of_the_recorded_corners(golden):
    for path, expected in twins(golden, "*.pth"):
        boxes = object_boxes(golden / INPUTS, path.stem)
        assert list(boxes) == expected["aabb_obj_ids"]
        for box, corners in zip(boxes.values(), np.array(expected["aabb_corner_xyz"]), strict=True):
            middle, extent = corners.mean(axis=0), np.ptp(corners, axis=0)
            np.testing.assert_allclose(box, [*middle, *extent], atol=1e-6)


def test_masks_select_the_recorded_points(golden):
    for path, expected in twins(golden, "*.mask.npz"):
        scene = path.name.removesuffix(".mask.npz")
        vertices = scan_vertices(golden / INPUTS, scene)[0]
        boxes, empty = mask_boxes(path, vertices)
        rows = [vertices[row] for row in expected["rows"][:50] if row]
        assert empty == sum(not row for row in expected["rows"][:50])
        np.testing.assert_allclose(boxes[:, :3], [(row.min(axis=0) + row.max(axis=0)) / 2 for row in rows])
        np.testing.assert_allclose(boxes[:, 3:], [np.ptp(row, axis=0) for row in rows])


def test_the_table_of_labels_has_every_row(golden):
    paths = sorted((golden / INPUTS).rglob("*.combined.tsv"))
    for path in paths:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
        assert read_nyu40(path) == {row[1]: int(row[4]) for row in rows if row[4].strip()}
    if not paths:
        pytest.skip("no table of labels among the golden files")
