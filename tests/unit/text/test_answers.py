"""Answers as models write them, cut off, garbled or hostile."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgcli_core.geometry.boxes import OrientedBox
from vgcli_core.text.answers import (
    has_non_positive_size,
    read_caption,
    read_choice,
    read_detection,
    read_grounding,
    read_number,
)

NINE = "[1, 2, 3, 4, 5, 6, 0.1, 0.2, 0.3]"
CHAIR = f'{{"label": "chair", "bbox_3d": {NINE}}}'
BOX = OrientedBox((1, 2, 3), (4, 5, 6), (0.1, 0.2, 0.3), "chair")


def test_a_grounding_answer_names_a_frame_and_a_box():
    reading = read_grounding(f'```json\n\t{{"frame": 7, "bbox_3d": {NINE}}}\n```', 8)
    assert (reading.status, reading.frame, reading.notes) == ("ok", 7, ())
    assert reading.boxes == (OrientedBox((1, 2, 3), (4, 5, 6), (0.1, 0.2, 0.3)),)


def test_the_first_usable_box_wins_and_the_others_are_named():
    text = f'{{"frame": 9, "bbox_3d": {NINE}}} {{"frame": 1, "bbox_3d": [1]}} {{"frame": 2, "bbox_3d": {NINE}}}'
    reading = read_grounding(text, 8)
    assert reading.frame == 2
    assert reading.dropped == ("frame out of range", "length")


def test_a_list_cut_off_in_the_middle_keeps_its_whole_boxes_and_says_so():
    reading = read_detection(f"```json\n[\n\t{CHAIR},\n\t{CHAIR[:30]}")
    assert reading.boxes == (BOX,)
    assert any("ends inside" in note for note in reading.notes)


def test_a_whole_list_says_nothing_about_its_end():
    reading = read_detection(f"```json\n[\n\t{CHAIR},\n\t{CHAIR}\n]```")
    assert reading.boxes == (BOX, BOX)
    assert (reading.status, reading.dropped, reading.notes) == ("ok", (), ())


@pytest.mark.parametrize("text", ["[]", "```json\n[\n\t\n]```", "```\n[ ]\n```\n"])
def test_an_empty_list_is_an_answer_without_boxes(text):
    reading = read_detection(text)
    assert (reading.status, reading.boxes) == ("ok", ())
    assert "no objects" in reading.notes[0]


@pytest.mark.parametrize("text", ["", "I see nothing.", "[1, 2]", "the list is []"])
def test_text_without_objects_is_no_answer(text):
    assert read_detection(text).status == "none"
    assert read_grounding(text, 8).status == "none"


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ("null", "not a list"),
        ('"x"', "not a list"),
        ("[1, 2]", "length"),
        ("[1, 2, 3, 4, 5, 6, 7, 8, true]", "not numbers"),
        ("[1, 2, 3, 4, 5, 6, 7, 8, [9]]", "not numbers"),
        ("[1, 2, 3, 4, 5, 6, 7, 8, 1e999]", "not finite"),
        (f"[1, 2, 3, 4, 5, 6, 7, 8, 1{'0' * 400}]", "not finite"),
    ],
)
def test_a_box_that_cannot_be_used_is_named(box, reason):
    text = f'{{"frame": 0, "label": "chair", "bbox_3d": {box}}}'
    for reading in (read_grounding(text, 8), read_detection(text)):
        assert (reading.status, reading.boxes, reading.reason, reading.dropped) == ("invalid", (), reason, (reason,))


def test_odd_sizes_are_kept_and_remarked():
    reading = read_detection('{"label": "rug", "bbox_3d": [1, 2, 3, 4, -5, 0, 0, 0, 0]}')
    assert has_non_positive_size(reading.boxes[0])
    assert not has_non_positive_size(BOX)
    assert "rug" in reading.notes[0]


def test_the_other_key_is_not_used_but_mentioned():
    reading = read_grounding(f'{{"frame": 0, "box_3d": {NINE}}}', 8)
    assert reading.status == "none"
    assert "box_3d" in reading.notes[0]
    assert read_detection(CHAIR).notes == ()


def test_exceeded_limits_are_counted():
    assert "2 objects" in read_detection('{"a":' * 66).notes[-1]


numbers = st.lists(st.floats(-100, 100), min_size=9, max_size=9)


@given(st.integers(0, 31), numbers, st.text(), st.text(alphabet=st.characters(exclude_characters="{"), max_size=20))
def test_what_json_writes_is_read_back(frame, values, label, prose):
    text = prose + json.dumps({"frame": frame, "label": label, "bbox_3d": values})
    reading = read_grounding(text, 32)
    assert reading.frame == frame
    box = reading.boxes[0]
    assert [*box.center, *box.size, *box.angles] == values
    assert box.label == label


@given(st.text() | st.text(alphabet="{}[]\"':,.-0123456789eE bbox_3d frame label\\\n"))
def test_no_text_raises(text):
    assert read_grounding(text, 8).status in ("ok", "none", "invalid")
    assert read_detection(text).status in ("ok", "none", "invalid")
    assert read_choice(text, "ABCD") in (None, "A", "B", "C", "D")
    value = read_number(text)
    assert value is None or math.isfinite(value)
    assert "\n" not in read_caption(text)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        (" B. chair\n", "B"),
        ("(b) chair", "B"),
        ("**B**", "B"),
        ("A chair", "A"),
        ("The answer is B.", "B"),
        ("Answer: c", "C"),
        ("The correct option is (D), the lamp", "D"),
        ("I would say (C) because of the lamp", "C"),
        ("It must be C", "C"),
        ("答案是A", "A"),
        ("<think>maybe B</think>A", "A"),
        ("a chair stands there", None),
        ("the answer is a chair", None),
        ("A's", None),
        ("A or B? I think B or A", "A"),
        ("either B or C", None),
        ("E", None),
        ("Bed", None),
        ("", None),
    ],
)
def test_the_letter_an_answer_settles_on(text, letter):
    assert read_choice(text, "ABCD") == letter


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("about 2.5m", 2.5),
        ("-2", -2),
        ("1,000 chairs", 1000),
        ("1,234,567.5", 1234567.5),
        ("1, 2 and 3", 1),
        ("Two chairs", 2),
        ("there are twenty", 20),
        ("zero", 0),
        ("twenty-one", None),
        ("someone", None),
        (".5", 0.5),
        ("1.2e+01", 12),
        ("3D has 2", 2),
        ("room-4", 4),
        ("1e999, or 5", 5),
        ("9" * 400 + " 7", 7),
        ("nan", None),
        ("none", None),
        ("", None),
    ],
)
def test_the_first_number_of_an_answer(text, value):
    assert read_number(text) == value


def test_a_caption_comes_on_one_line():
    assert read_caption("  This is a chair.\nit is  brown. ") == "This is a chair. it is brown."


@pytest.mark.parametrize("text", ["9" * 500_000, "1." * 250_000, ",000" * 120_000, "A " * 250_000, "answer " * 70_000])
def test_long_answers_are_read_without_trouble(text):
    read_number(text)
    read_choice(text, "ABCD")
    read_caption(text)


@pytest.mark.parametrize("text", ["two hundred", "one hundred and fifty", "twenty five", "About one thousand"])
def test_composed_number_words_are_left_unread_and_not_read_as_their_first_half(text):
    assert read_number(text) is None


@pytest.mark.parametrize(
    ("text", "number"), [("one chair and two tables", 1), ("two, three", 2), ("ten or twenty", 10)]
)
def test_a_number_word_that_another_does_not_complete_is_read(text, number):
    assert read_number(text) == number
