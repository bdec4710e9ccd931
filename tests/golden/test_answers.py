"""Readings of model outputs against the golden readings, safe and strict; letters and numbers against the reference's.

`data/metrics/parse_strings.jsonl` holds all but the longest texts of golden/metrics/parse_strings.jsonl, so that these
tests run in every clone.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from vgcli_core.text.answers import has_non_positive_size, read_choice, read_detection, read_grounding, read_number
from vgcli_core.text.reference_answers import read_detection_as_reference, read_grounding_as_reference

COPY = Path(__file__).parent / "data" / "metrics" / "parse_strings.jsonl"
CASES = [json.loads(line) for line in COPY.read_text().splitlines()]

# The reference computed such values because it ran the text as code; here they are unreadable.
ARITHMETIC = re.compile(r"(?<=[\[,(])[^\[\],\"']*[\d)] *[-+*/%] *[\d(]")


def nine(box) -> list[float]:
    return [*box.center, *box.size, *box.angles]


def row(box) -> dict[str, Any]:
    return {
        "bbox_3d": nine(box),
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["kind"])
def test_grounding_answers_read_as_strictly_as_the_reference_reads_them(case):
    reading = read_grounding_as_reference(case["text"], case["n_frames"])
    recorded = case["reference_scanrefer"]
    if isinstance(recorded, str) or not recorded["accepted"]:  # a string tells that the text was not executed
        assert reading.status != "ok"
    elif any(isinstance(value, str) for value in recorded["bbox_3d"][:6]) or ARITHMETIC.search(case["text"]):
        # Accepted, but a length in quotes fails on the way to the overlap; and nothing computes here.
        assert reading.status == "invalid"
    else:
        # A string in the slots of an angle passes the reference's rotation library as a number.
        values = [float(value) for value in recorded["bbox_3d"]]
        assert (reading.status, reading.frame, nine(reading.boxes[0])) == ("ok", recorded["frame"], values)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["kind"])
def test_detection_answers_read_as_strictly_as_the_reference_reads_them(case):
    reading = read_detection_as_reference(case["text"])
    recorded = case["reference_threedod"]
    if isinstance(recorded, str) or ARITHMETIC.search(case["text"]):
        assert not reading.boxes
        return
    # The recording holds the boxes label by label; one with a wrong number of values is only ever a false positive.
    labels = list(dict.fromkeys(box.label for box in reading.boxes))
    found = sorted(reading.boxes, key=lambda box: labels.index(box.label))
    assert [box.label for box in found] == [str(box["label"]) for box in recorded["boxes"]]
    for box, expected in zip(found, recorded["boxes"], strict=True):
        assert nine(box) == expected["bbox_3d"] or (len(expected["bbox_3d"]) != 9 and math.isnan(sum(nine(box))))
    assert len(reading.dropped) == recorded["errors"]


def test_all_texts_of_the_shared_folder_read_as_recorded(golden):
    lines = (golden / "metrics" / "parse_strings.jsonl").read_text().splitlines()
    assert lines
    for line in lines:
        case = json.loads(line)
        test_grounding_answers_read_as_in_the_golden_file(case)
        test_detection_answers_read_as_in_the_golden_file(case)
        test_grounding_answers_read_as_strictly_as_the_reference_reads_them(case)
        test_detection_answers_read_as_strictly_as_the_reference_reads_them(case)


def test_numbers_that_the_strict_rule_reads_are_read_the_same(golden):
    for line in (golden / "metrics" / "number_extraction.jsonl").read_text().splitlines():
        case = json.loads(line)
        # "nan" and "inf" are no answer to a question, "1_0" is ten to Python only, and commas and composed number
        # words are read in other ways.
        plain = re.search(r"[0-9]", case["text"]) and not re.search(r"[0-9][_,][0-9]", case["text"])
        words = re.search(r"(?i)hundred|thousand|(twen|thir|for|fif|six|seven|eigh|nine)ty|teen", case["text"])
        if not plain or words:
            continue
        if isinstance(case["value"], float):
            assert read_number(case["text"]) == case["value"], case
        elif case["value_lmms_eval_0.7.3"] is not None:
            assert math.isclose(read_number(case["text"]), case["value_lmms_eval_0.7.3"]), case


def test_letters_that_the_first_word_rule_reads_are_read_the_same(golden):
    letters = 0
    for line in (golden / "metrics" / "letter_extraction.jsonl").read_text().splitlines():
        case = json.loads(line)
        first = case["reference_vsibench_first_word"].upper()
        article = case["text"].split()[:1] == ["a"] and len(case["text"].split()) > 1
        if first in ("A", "B", "C", "D") and not article:
            letters += 1
            assert read_choice(case["text"], "ABCD") == first, case
    assert letters
