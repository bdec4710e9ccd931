"""Answers in COCO's form: the keys that its readers index, boxes in 3D, and rectangles where they can be known."""

import json

import numpy as np
import pytest

from tests.unit.export.answer_files import BOX, DETECT, GROUND, boxes_line, number_line, write_lines, write_result
from vgcli_core.export.answers_coco import as_coco
from vgcli_core.export.answers_eval import read_evaluation
from vgcli_core.export.answers_result import read_result
from vgcli_core.geometry.boxes import OrientedBox

CUBE = OrientedBox((0.0, 0.0, 5.0), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0), "chair")


def coco_of_lines(tmp_path, *lines, angles="ZXY"):
    return indexed(as_coco(read_evaluation(write_lines(tmp_path / "p.jsonl", *lines)), angles))


def coco_of_result(tmp_path, *boxes, **options):
    path = write_result(tmp_path / "result.json", *boxes, **options)
    return indexed(as_coco(read_result(path, path.read_text(encoding="utf-8")), "ZXY"))


def indexed(text):
    """Read as COCO's readers do: ids are unique, and those that annotations name are there."""
    found = json.loads(text, parse_constant=pytest.fail)
    for kind in ("images", "categories", "annotations"):
        ids = [one["id"] for one in found[kind]]
        assert len(set(ids)) == len(ids)
        found[kind] = {one["id"]: one for one in found[kind]}
    for one in found["annotations"].values():
        assert one["image_id"] in found["images"]
        assert one["category_id"] in found["categories"]
        assert one["frame"] == found["images"][one["image_id"]]["frame"]
    return found


def test_answers_of_a_benchmark_have_an_image_for_each_frame_they_name(tmp_path):
    found = coco_of_lines(
        tmp_path,
        boxes_line("a", DETECT, [{"label": "sofa", "bbox_3d": BOX}, {"label": "chair", "bbox_3d": BOX}]),
        boxes_line("b", GROUND, {"frame": 2, "bbox_3d": BOX}),
        boxes_line("c", GROUND, "no idea"),
        number_line("d", "4"),
    )
    names = {number: one["name"] for number, one in found["categories"].items()}
    labels = [(names[one["category_id"]], one["answer"], one["frame"]) for one in found["annotations"].values()]
    assert labels == [("sofa", "a", 0), ("chair", "a", 0), ("object", "b", 2)]
    assert [one["file_name"] for one in found["images"].values()] == ["a#0", "b#0", "b#2", "c#0", "d#0"]
    assert [one["status"] for one in found["answers"]] == ["ok", "ok", "none", "ok"]
    assert found["answers"][2]["reason"] == "no box in the text"
    assert found["info"]["counts"]["none"] == 1
    assert not any("bbox" in one for one in found["annotations"].values())


def test_corners_are_those_of_the_solid_whatever_the_angles_are_written_in(tmp_path):
    line = boxes_line("a", DETECT, [{"label": "x", "bbox_3d": BOX}])
    new, old = (coco_of_lines(tmp_path, line, angles=angles) for angles in ("ZXY", "zxy"))
    first, second = (found["annotations"][1] for found in (new, old))
    assert first["corners"] == second["corners"]
    assert first["bbox_3d"] == pytest.approx(BOX)
    assert second["bbox_3d"][6:] != pytest.approx(BOX[6:], abs=0.1)
    assert new["info"]["conventions"]["euler_convention"] == "ZXY"
    assert old["info"]["conventions"]["euler"].startswith("extrinsic zxy: R = Ry(c)")
    solid = np.array(first["corners"])
    np.testing.assert_allclose(solid.mean(axis=0), BOX[:3], atol=1e-9)
    edges = [np.linalg.norm(solid[end] - solid[0]) for end in (4, 3, 1)]  # along the box's x, y and z
    np.testing.assert_allclose(edges, BOX[3:6], atol=1e-9)


def test_a_result_has_all_frames_with_their_intrinsics_and_rectangles(tmp_path):
    found = coco_of_result(tmp_path, CUBE)
    assert len(found["images"]) == 32
    image, (one,) = found["images"][3], found["annotations"].values()
    assert (image["width"], image["height"], image["frame"]) == (640, 480, 2)
    assert image["intrinsics"] == [[500, 0, 320], [0, 500, 240], [0, 0, 1]]
    # The near face is 4 m away and 2 m wide: 500 * 1 / 4 = 125 pixels to either side of the middle.
    assert one["bbox"] == pytest.approx([195, 115, 250, 250])
    assert one["area"] == pytest.approx(62500)


def test_an_assumed_focal_length_is_not_a_known_one(tmp_path):
    found = coco_of_result(tmp_path, CUBE, source="assumed")
    assert "bbox" not in found["annotations"][1]
    assert "intrinsics" not in found["images"][1]


@pytest.mark.parametrize(("number", "corners"), [(1e200, True), (1.7e308, False)])
def test_numbers_near_the_end_of_floats_range_are_written_and_have_no_rectangle(tmp_path, number, corners):
    found = coco_of_result(tmp_path, OrientedBox((number, 0.0, 5.0), (number, 1.0, 1.0), (0.0, 0.0, 0.0), "chair"))
    one = found["annotations"][1]
    assert one["bbox_3d"][0] == number
    assert ("corners" in one) == corners
