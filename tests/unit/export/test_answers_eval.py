"""Answers of `vgllm eval`, read for an export."""

import numpy as np
import pytest

from tests.unit.export.answer_files import BOX, DETECT, GROUND, NUMBER, boxes_line, number_line, write_lines
from vgcli_core.errors import ConventionError, PredictionsError
from vgcli_core.export.answers import written_boxes
from vgcli_core.export.answers_eval import read_evaluation
from vgcli_core.geometry.boxes import to_extrinsic


def read(tmp_path, *lines, **options):
    return read_evaluation(write_lines(tmp_path / "predictions.jsonl", *lines), **options)


def test_a_grounding_answer_is_one_box_in_the_frame_it_names(tmp_path):
    (row,) = read(tmp_path, boxes_line("a", GROUND, {"frame": 2, "bbox_3d": BOX})).rows
    assert (row.task, row.status, row.boxes[0].frame) == ("ground", "ok", 2)
    assert written_boxes(row, "ZXY") == [pytest.approx(BOX)]


@pytest.mark.parametrize("stated_in", ["line", "command"])
def test_angles_of_the_first_generation_are_the_same_solid_and_can_be_written_as_they_were(tmp_path, stated_in):
    """Ry(c) Rx(b) Rz(a), composed here by hand."""
    a, b, c = BOX[6:]
    cos, sin = np.cos([a, b, c]), np.sin([a, b, c])
    rz = np.array([[cos[0], -sin[0], 0], [sin[0], cos[0], 0], [0, 0, 1]])
    rx = np.array([[1, 0, 0], [0, cos[1], -sin[1]], [0, sin[1], cos[1]]])
    ry = np.array([[cos[2], 0, sin[2]], [0, 1, 0], [-sin[2], 0, cos[2]]])
    convention, option = ("zxy", {}) if stated_in == "line" else (None, {"euler_convention": "zxy"})
    found = read(tmp_path, boxes_line("a", DETECT, [{"label": "x", "bbox_3d": BOX}], convention=convention), **option)
    assert written_boxes(found.rows[0], "zxy") == [pytest.approx(BOX, abs=1e-9)]
    (written,) = written_boxes(found.rows[0], "ZXY")
    assert written[:6] == BOX[:6]
    assert written[6:] != pytest.approx(BOX[6:], abs=0.1)
    za, xb, yc = written[6:]
    np.testing.assert_allclose((ry @ rx @ rz)[2, 1], np.sin(xb), atol=1e-9)  # R = Rz Rx Ry has sin(b) there
    np.testing.assert_allclose((ry @ rx @ rz)[:2, 1], [-np.sin(za) * np.cos(xb), np.cos(za) * np.cos(xb)], atol=1e-9)
    np.testing.assert_allclose(to_extrinsic(np.array([written])), [BOX], atol=1e-9)
    assert np.isfinite(yc)


def test_a_convention_that_nobody_states_is_refused_where_there_are_boxes(tmp_path):
    with pytest.raises(ConventionError):
        read(tmp_path, boxes_line("a", DETECT, [{"label": "x", "bbox_3d": BOX}], convention=None))
    assert read(tmp_path, boxes_line("a", DETECT, "[]", convention=None)).rows[0].status == "ok"


def test_every_answer_is_counted_whatever_became_of_it(tmp_path):
    found = read(
        tmp_path,
        boxes_line("a", DETECT, [{"label": "x", "bbox_3d": BOX}, {"label": "y", "bbox_3d": [1]}]),
        boxes_line("b", DETECT, "I see nothing."),
        boxes_line("c", GROUND, {"frame": 3, "bbox_3d": BOX}),
        boxes_line("d", GROUND, "", failed="a frame is gone"),
        number_line("e", "four chairs"),
        number_line("f", "many"),
    )
    assert found.counts() == {
        "answers": 6,
        "ok": 2,
        "none": 2,
        "invalid": 1,
        "failed": 1,
        "boxes": 1,
        "boxes_dropped": 2,
    }
    assert [row.reason for row in found.rows] == [
        "",
        "no box in the text",
        "frame out of range",
        "a frame is gone",
        "",
        "no number in the text",
    ]
    assert found.rows[4].value == "4"


@pytest.mark.parametrize(
    ("truth", "text", "value"),
    [
        ({**NUMBER, "ground_truth": "B"}, "The answer is B.", "B"),
        ({"answer": "(F)"}, "F", "F"),
        ({"answer": "C"}, "F", ""),
        ({"answer": "(A)", "choices": ["one", "two"]}, "C", ""),
        ({"answer": 1, "a0": "x", "a1": "y", "a2": "z", "a3": "u", "a4": "v"}, "E. v", "E"),
        ({"answer": "two", "question_type": "how"}, " two\n chairs ", "two chairs"),
        ({"references": ["a chair"], "iou": 1, "scene": "s"}, "A chair.", "A chair."),
        ({"ask": NUMBER}, "1,000", "1000"),
    ],
)
def test_the_form_of_the_truth_tells_what_is_read(tmp_path, truth, text, value):
    (row,) = read(tmp_path, {"id": "a", "text": text, "truth": truth}).rows
    assert (row.value, row.status) == (value, "ok" if value else "none")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [{"id": "a", "text": "4"}],
        [{"id": "a", "text": "4", "truth": [1]}],
        [{"id": "a", "text": "4", "truth": {"ground": {}}}],
    ],
)
def test_a_file_without_answers_or_truths_is_refused(tmp_path, lines):
    with pytest.raises(PredictionsError) as refused:
        read(tmp_path, *lines)
    assert refused.value.fix
