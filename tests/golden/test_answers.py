"""Readings of model outputs against the golden "safe" readings; letters and numbers against the reference's.

`data/parse_strings.jsonl` holds the safe columns of golden/metrics/parse_strings.jsonl, so that these tests run in
every clone.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from vgcli_core.text.answers import has_non_positive_size, read_choice, read_detection, read_grounding, read_number

COPY = Path(__file__).parent / "data" / "parse_strings.jsonl"
CASES = [json.loads(line) for line in COPY.read_text().splitlines()]


def row(box) -> dict[str, Any]:
    return {
        "bbox_3d": [*box.center, *box.size, *box.angles],
        "has_non_positive_size": has_non_positive_size(box),
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["kind"])
def test_grounding_answers_read_as_in_the_golden_file(case):
    reading = read_grounding(case["text"], case["n_frames"])
    found: dict[str, Any] = {"status": reading.status}
    if reading.status == "ok":
        found |= {"frame": reading.frame, **row(reading.boxes[0])}
    if reading.status == "invalid":
        found["reason"] = reading.reason
    assert found == case["safe_scanrefer"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["kind"])
def test_detection_answers_read_as_in_the_golden_file(case):
    reading = read_detection(case["text"])
    boxes = [{"label": box.label, **row(box)} for box in reading.boxes]
    assert {"boxes": boxes, "dropped": list(reading.dropped)} == case["safe_threedod"]


def test_all_texts_of_the_shared_folder_read_as_recorded(golden):
    lines = (golden / "metrics" / "parse_strings.jsonl").read_text().splitlines()
    assert lines
    for line in lines:
        case = json.loads(line)
        test_grounding_answers_read_as_in_the_golden_file(case)
        test_detection_answers_read_as_in_the_golden_file(case)


def test_numbers_that_the_strict_rule_reads_are_read_the_same(golden):
    for line in (golden / "metrics" / "number_extraction.jsonl").read_text().splitlines():
        case = json.loads(line)
        # "nan" and "inf" are no answer to a question, and "1_0" is ten to Python only.
        if isinstance(case["value"], float) and case["text"] != "1_0":
            assert read_number(case["text"]) == case["value"], case
        elif case["value_lmms_eval_0.7.3"] is not None and case["text"] not in ("1,000", "1_0"):
            assert math.isclose(read_number(case["text"]), case["value_lmms_eval_0.7.3"]), case


def test_letters_that_the_first_word_rule_reads_are_read_the_same(golden):
    letters = 0
    for line in (golden / "metrics" / "letter_extraction.jsonl").read_text().splitlines():
        case = json.loads(line)
        first = case["reference_vsibench_first_word"].upper()
        if first in ("A", "B", "C", "D"):
            letters += 1
            assert read_choice(case["text"], "ABCD") == first, case
    assert letters
