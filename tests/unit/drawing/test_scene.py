"""Scenes: what is kept out of files, which face looks at the camera, and the drawn camera."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.unit.drawing.scenes import AROUND, BEHIND, CHAIR, HEIGHT, NEGATIVE, SINK, WIDTH, K, frame, scene
from vgcli_core.drawing.scene import APART, FRUSTUM_METRES, Exchange, facing, frustum, make_scene
from vgcli_core.geometry.boxes import FACES, OrientedBox, as_array, corners
from vgcli_core.geometry.camera import project


def test_frames_without_boxes_are_not_shown_unless_no_frame_has_any():
    assert [one.position for one in scene(frame(0), frame(1, SINK), frame(2)).shown] == [1]
    assert [one.position for one in scene(frame(0), frame(1)).shown] == [0]


def test_boxes_of_two_frames_stand_apart_and_the_scene_says_so():
    assert APART in scene(frame(0, SINK), frame(1, CHAIR)).notes
    assert APART not in scene(frame(0, SINK, CHAIR), frame(1)).notes


def test_a_negative_size_is_the_same_solid():
    (kept,) = scene(frame(0, NEGATIVE)).frames[0].boxes
    assert kept.box.size == (0.4, 0.5, 0.6)
    assert_allclose(
        np.sort(corners(as_array([kept.box]))[0], axis=0),
        np.sort(corners(as_array([NEGATIVE]))[0], axis=0),
        atol=1e-12,
    )


@pytest.mark.parametrize(
    ("center", "size"),
    [
        ((0.0, 0.0, 1001.0), (1.0, 1.0, 1.0)),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 2001.0)),
        ((1e308, 0.0, 1e308), (1.0, 1.0, 1.0)),
        ((0.0, 0.0, 2.0), (1e308, 1e308, 1e308)),
        ((0.0, 0.0, float("nan")), (1.0, 1.0, 1.0)),
        ((0.0, float("-inf"), 0.0), (1.0, 1.0, 1.0)),
    ],
)
def test_a_box_that_no_file_can_hold_is_left_out_with_a_note(center, size):
    made = scene(frame(0, SINK, OrientedBox(center, size, (0.0, 0.0, 0.0), "sun"), CHAIR))
    assert [one.box.label for one in made.frames[0].boxes] == ["sink", "chair"]
    assert [note for note in made.notes if "1 of 3 boxes in camera 0 of frame 0 are left out" in note]


def test_texts_lose_what_no_file_can_hold():
    odd = replace(SINK, label="a\nsink\x00\ud800")
    made = make_scene("a\tb\u2028c", [replace(frame(0, odd), name="camera\n0")], ["first\nsecond"])
    texts = [made.title, made.frames[0].name, made.frames[0].boxes[0].box.label, *made.notes]
    assert texts[1] == "camera 0"
    assert texts[2].startswith("a sink")
    assert texts[3] == "first second"
    for text in texts:
        assert text.isprintable()
        text.encode("utf-8")


def test_the_face_that_looks_at_the_camera_is_the_one_before_it():
    ahead = OrientedBox((0.0, 0.0, 3.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    behind = OrientedBox((0.0, 0.0, -3.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    left = OrientedBox((-3.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    rows = as_array([ahead, behind, left, AROUND])
    found = facing(rows).tolist()
    assert found[3] == -1
    middles = [corners(rows)[place][list(FACES[face])].mean(axis=0) for place, face in enumerate(found[:3])]
    assert_allclose(middles, [[0, 0, 2.5], [0, 0, -2.5], [-2.5, 0, 0]], atol=1e-12)
    assert facing(as_array([])).shape == (0,)


def test_no_corner_of_the_facing_face_is_farther_than_the_far_side():
    rows = as_array([SINK, CHAIR, BEHIND])
    for points, face in zip(corners(rows), facing(rows), strict=True):
        distance = np.linalg.norm(points, axis=1)
        assert distance[list(FACES[face])].mean() < distance.mean()


@pytest.mark.parametrize("focal", [5.0, 50.0, 5000.0])
def test_the_drawn_camera_spans_its_image_and_keeps_its_size(focal):
    matrix = np.array([[focal, 0, 20.0], [0, 1.1 * focal, 30.0], [0, 0, 1]])
    points = frustum(replace(frame(0), intrinsics=matrix))
    assert_allclose(points[0], 0)
    pixels, depth = project(points[1:5], matrix)
    assert_allclose(pixels, [[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], atol=1e-9)
    assert_allclose(depth, depth[0])
    assert np.linalg.norm(points[1:5], axis=1).max() == pytest.approx(FRUSTUM_METRES)
    assert points[5, 1] < points[1, 1]  # y is down, so the tip is above


def test_the_scene_does_not_share_its_numbers_with_the_input():
    before = frame(0, NEGATIVE)
    scene(before)
    assert before.boxes[0].box == NEGATIVE
    assert_allclose(before.intrinsics, K)


def test_questions_and_answers_keep_their_lines_and_lose_what_no_file_can_hold():
    made = make_scene("kitchen.mp4", [frame(0)], exchanges=[Exchange("a\nb", "c\x00\ud800")])
    assert made.exchanges == (Exchange("a\nb", "c\ufffd?"),)
