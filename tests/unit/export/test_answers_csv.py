"""Answers as a table, read back strictly."""

import csv
import io

import pytest

from tests.unit.export.answer_files import BOX, DETECT, boxes_line, number_line, write_lines
from vgcli_core.export.answers_csv import COLUMNS, as_csv
from vgcli_core.export.answers_eval import read_evaluation


def table(tmp_path, *lines):
    text = as_csv(read_evaluation(write_lines(tmp_path / "p.jsonl", *lines)), "ZXY")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True)), text


def test_a_box_is_a_row_and_an_answer_without_one_is_a_row(tmp_path):
    found = [{"label": "chair", "bbox_3d": BOX}, {"label": "sofa, red", "bbox_3d": BOX[::-1]}]
    rows, text = table(tmp_path, boxes_line("a", DETECT, found), boxes_line("b", DETECT, "none"), number_line("c", "4"))
    assert [(row["id"], row["box"], row["label"], row["status"]) for row in rows] == [
        ("a", "0", "chair", "ok"),
        ("a", "1", "sofa, red", "ok"),
        ("b", "", "", "none"),
        ("c", "", "", "ok"),
    ]
    names = ("x", "y", "z", "dx", "dy", "dz", "a", "b", "c")
    assert [float(rows[0][name]) for name in names] == pytest.approx(BOX)
    assert (rows[0]["euler_convention"], rows[0]["coordinate_frame"]) == ("ZXY", "camera 0")
    assert rows[3]["answer"] == "4"
    assert text.startswith(",".join(COLUMNS) + "\r\n")
    assert all(None not in row and None not in row.values() for row in rows)  # as many cells as columns


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1"])
def test_no_cell_is_a_formula(tmp_path, text):
    rows, _ = table(tmp_path, number_line("=id", text))
    assert rows[0]["text"] == "'" + text
    assert rows[0]["id"] == "'=id"


@pytest.mark.parametrize("number", ["-2.5", "-3"])
def test_a_negative_number_stays_a_number(tmp_path, number):
    rows, _ = table(tmp_path, number_line("a", number))
    assert (rows[0]["answer"], rows[0]["text"]) == (number, number)


def test_quotes_line_ends_and_odd_characters_come_back(tmp_path):
    text = 'say "4", then\r\nstop \u2028 \U0001f600'
    rows, written = table(tmp_path, number_line("a", text), number_line("b", "4" + chr(0xD83D) + "\0"))
    assert rows[0]["text"] == text
    assert rows[1]["text"] == "4\\ud83d\\0"
    assert written.encode("utf-8")
