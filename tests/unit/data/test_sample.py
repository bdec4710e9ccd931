"""A sample and its line: there and back, the same bytes, and lines that are refused."""

import json

import numpy as np
import pytest

from vgcli_core.data.sample import Cameras, FramedBox, Sample, Turn, from_line, human_turn, to_line, truth_of
from vgcli_core.errors import DataError
from vgcli_core.geometry.boxes import OrientedBox

LOST = np.full((4, 4), np.nan)
SAMPLE = Sample(
    id="scene0/1",
    dataset="scanrefer",
    split="val",
    scene="scene0",
    task="ground",
    frames=("a/0.jpg", "a/1.jpg"),
    conversations=(human_turn("Where?\nÄ", 2, newline="\n", names=0), Turn("gpt", "There.")),
    question_type="unique",
    boxes=(FramedBox(OrientedBox((0.1, 0.2, 0.3), (1.0, 2.0, 3.0), (0.1, -0.0, 3.0), "desk"), 1),),
    cameras=Cameras(np.eye(3), np.stack([np.eye(4), LOST]), np.diag([1.0, -1.0, -1.0, 1.0]), (640, 480)),
    truth={"bbox_3d": [1, 2, 3, 4, 5, 6, 0, 0, 0], "euler_convention": "ZXY", "scene": "scene0"},
    target_visible=False,
    info={"object_id": "7"},
    pack="val/scene0.tar",
)


def test_a_line_gives_the_sample_back():
    again = from_line(to_line(SAMPLE))
    assert to_line(again) == to_line(SAMPLE)
    np.testing.assert_array_equal(again.cameras.camera_to_world, SAMPLE.cameras.camera_to_world)
    assert (again.boxes, again.target_visible, again.pack) == (SAMPLE.boxes, False, "val/scene0.tar")


def test_values_that_are_not_there_are_left_out_and_false_is_not():
    row = json.loads(to_line(Sample("1", "d", "train", "s", "ask", ("a.jpg",), (Turn("human", "<image>Q"),))))
    assert list(row) == ["id", "dataset", "split", "scene", "task", "frames", "conversations", "tag"]
    assert json.loads(to_line(SAMPLE))["target_visible"] is False


def test_the_first_turn_names_frames_and_separates_them_as_published():
    assert human_turn("Q", 2).text == "<image><image>Q"
    assert human_turn("Q", 2, separator="\n", newline="\n").text == "<image>\n<image>\nQ"
    assert human_turn("Q", 2, newline="\n", names=1).text == "Frame-1: <image>Frame-2: <image>\nQ"


def test_question_and_answer_are_the_words_without_the_frames():
    assert (SAMPLE.question, SAMPLE.answer) == ("Where?\nÄ", "There.")


def test_a_truth_to_ground_holds_the_cameras_and_lost_ones_are_null():
    truth = truth_of(SAMPLE)
    assert truth["camera_to_world"] == [np.eye(4).tolist(), None]
    assert "camera_to_world" not in SAMPLE.truth


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row.pop("task"), "missing 'task'"),
        (lambda row: row.update(colour="red"), "unknown key 'colour'"),
        (lambda row: row.update(task="dance"), "'dance' is no task"),
        (lambda row: row.update(conversations=[]), "without turns"),
        (lambda row: row.update(euler_convention="zxy"), "Euler convention 'zxy'"),
        (lambda row: row.update(frames=[1]), "1 is no text"),
        (lambda row: row["boxes"][0].update(bbox_3d=[1, 2]), "wrong form"),
        (lambda row: row["conversations"][0].update({"from": "robot"}), "'robot'"),
        (lambda row: row["cameras"].update(intrinsics=[1, 2]), "wrong form"),
    ],
)
def test_a_line_of_another_form_is_refused_with_its_place(change, said):
    row = json.loads(to_line(SAMPLE))
    change(row)
    with pytest.raises(DataError, match=said) as caught:
        from_line(json.dumps(row), where="val.jsonl, line 3")
    assert caught.value.where == "val.jsonl, line 3"


@pytest.mark.parametrize("line", ["", "{", "[1]", "[" * 100_000, '{"id": NaN'])
def test_a_line_that_is_no_object_is_refused(line):
    with pytest.raises(DataError):
        from_line(line)
