"""Answers as trained, letter for letter, and read back unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgcli_core.geometry.boxes import OrientedBox
from vgcli_core.text.answer_format import format_detection, format_grounding
from vgcli_core.text.answers import read_detection, read_grounding
from vgcli_core.text.reference_answers import read_detection_as_reference, read_grounding_as_reference

BAG = OrientedBox((0.1012, -0.2487, 1.5), (0.3004, 0.25, 0.2), (1.5021, 0.9, -3.0), "bag")
DOOR = OrientedBox((1.2, -0.1, 2.4), (0.9, 0.1, 2.0), (-0.07, 0.9, -3.0), "door")


def test_grounding_answers_look_as_in_training():
    assert format_grounding(7, BAG) == (
        '```json\n\t{"frame": 7, "bbox_3d": [0.1, -0.25, 1.5, 0.3, 0.25, 0.2, 1.5, 0.9, -3.0]}\n```'
    )


def test_detection_answers_look_as_in_training():
    assert format_detection([BAG, DOOR]) == (
        "```json\n[\n"
        '\t{"label": "bag", "bbox_3d": [0.1, -0.25, 1.5, 0.3, 0.25, 0.2, 1.5, 0.9, -3.0]},\n'
        '\t{"label": "door", "bbox_3d": [1.2, -0.1, 2.4, 0.9, 0.1, 2.0, -0.07, 0.9, -3.0]}\n'
        "]```"
    )
    assert format_detection([]) == "```json\n[\n\t\n]```"


def test_a_whole_metre_keeps_its_decimal_point_and_a_small_minus_its_sign():
    box = OrientedBox((1, 2, 3), (4, 5, 6), (-0.001, 0, 0))
    assert "[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -0.0, 0.0, 0.0]" in format_grounding(0, box)


def triples(numbers):
    return st.tuples(numbers, numbers, numbers)


def boxes(numbers):
    # Python reads a character beyond 16 bits, which JSON writes as two, as two characters.
    labels = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1)
    return st.builds(OrientedBox, triples(numbers), triples(numbers), triples(numbers), labels)


any_number = st.floats(allow_nan=False, allow_infinity=False)
two_decimals = st.floats(-100, 100).map(lambda value: round(value, 2))


@pytest.mark.parametrize("read", [read_detection, read_detection_as_reference])
@given(found=st.lists(boxes(any_number), max_size=4), short=st.lists(boxes(two_decimals), max_size=4))
def test_what_detection_writes_is_read_back(read, found, short):
    assert read(format_detection(found, decimals=None)).boxes == tuple(found)
    assert read(format_detection(short)).boxes == tuple(short)


@pytest.mark.parametrize("read", [read_grounding, read_grounding_as_reference])
@given(frame=st.integers(0, 31), found=boxes(any_number), short=boxes(two_decimals))
def test_what_grounding_writes_is_read_back(read, frame, found, short):
    for box, decimals in ((found, None), (short, 2)):
        reading = read(format_grounding(frame, box, decimals=decimals), 32)
        assert reading.frame == frame
        assert reading.boxes == (OrientedBox(box.center, box.size, box.angles),)


def test_numbers_may_all_have_two_decimals():
    box = OrientedBox((0.5, -0.001, 2.0), (1.0, 0.25, 0.333), (0.0, -0.1, 3.0), "bed")
    numbers = "[0.50, 0.00, 2.00, 1.00, 0.25, 0.33, 0.00, -0.10, 3.00]"
    assert format_grounding(2, box, zeros=True) == f'```json\n\t{{"frame": 2, "bbox_3d": {numbers}}}\n```'
    assert f'"label": "bed", "bbox_3d": {numbers}}}' in format_detection([box], zeros=True)
