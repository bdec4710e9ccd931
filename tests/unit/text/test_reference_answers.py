"""The strict reading: what a line must be, what counts as a box, and Python's own rules for a literal."""

import ast
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgcli_core.geometry.boxes import OrientedBox
from vgcli_core.text.answers import read_detection, read_grounding
from vgcli_core.text.python_literals import read_python_dictionary
from vgcli_core.text.reference_answers import read_detection_as_reference, read_grounding_as_reference

NINE = "[1, 2, 3, 4, 5, 6, 0.1, 0.2, 0.3]"
CHAIR = f'{{"label": "chair", "bbox_3d": {NINE}}}'
AT_7 = f'{{"frame": 7, "bbox_3d": {NINE}}}'
BOX = OrientedBox((1, 2, 3), (4, 5, 6), (0.1, 0.2, 0.3), "chair")

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(st.text(), inner)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.text(), plain))
def test_what_python_writes_is_read_as_python_reads_it(value):
    assert read_python_dictionary(repr(value)) == value


VALUES = [
    *("1", "-1", "+1.5", "1.", ".5", "1e5", "1E-3", "00", "01.5", "(1)", "(1,)", "()", "[1, 2,]", "((1, 2), 3)"),
    *("True", "None", "{'x': {}}", r"'\'\"\\\n\t\x41\u0041\U00000041\101'", '"a\'b"', "1 # one", "'# no'", "\f1"),
]
NO_VALUES = [
    *("NaN", "true", "null", "inf", "01", "1_000x", "[,]", "[1 2]", "(1]", "[1,,2]", "--", "'open", "1j2", "f(", "="),
    *(r"'\x4'", r"'\u00'", r"'\U00110000'", "1 + ", "x", "é", "\N{NO-BREAK SPACE}1", "]", ":", "{'a' 1}", "{1}}", ""),
]


@pytest.mark.parametrize("text", VALUES + NO_VALUES)
def test_a_value_is_read_if_python_takes_it_for_a_literal(text):
    line = "{'k': " + text + "\n}"
    try:
        expected = ast.literal_eval(line)
    except (SyntaxError, ValueError):
        expected = None
    assert read_python_dictionary(line) == expected
    assert (expected is None) == (text in NO_VALUES)


def test_an_escape_that_python_does_not_know_keeps_its_backslash():
    assert read_python_dictionary(r"{'k': '\/\q'}") == {"k": r"\/\q"}


@pytest.mark.parametrize(
    "text",
    ["[1]", "'x'", "{} {}", "{},", "{'k': 1}x", "{'k': 1+1}", "{'k': f()}", "{'k': [0]*9}", "{1: 2}", "{1, 2}", ""],
)
def test_anything_but_one_dictionary_is_refused(text):
    assert read_python_dictionary(text) is None


def test_literals_too_deep_or_too_long_are_refused():
    def nested(depth):
        return "{'k': " + "[" * depth + "]" * depth + "}"

    assert read_python_dictionary(nested(63)) is not None
    assert read_python_dictionary(nested(64)) is None
    assert read_python_dictionary("{" * 100_000) is None
    assert read_python_dictionary("{'k': '" + "x" * 70_000 + "'}") is None
    assert read_python_dictionary("{'k': " + "9" * 641 + "}") is None


def test_only_the_first_line_with_a_box_is_tried():
    assert read_grounding_as_reference(f"Here:\n```json\n\t{AT_7}\n```", 8).frame == 7
    late = f"the bbox_3d is\n{AT_7}"
    assert read_grounding_as_reference(late, 8).status == "invalid"
    assert read_grounding(late, 8).status == "ok"
    assert read_grounding_as_reference("none", 8).status == "none"


@pytest.mark.parametrize("text", [f"{AT_7},", f"[{AT_7}]", AT_7.replace("[1,", "[1,\n"), AT_7.replace(NINE, "(1,2)")])
def test_grounding_needs_exactly_one_dictionary_on_the_line(text):
    reading = read_grounding_as_reference(text, 8)
    assert (reading.status, reading.boxes) == ("invalid", ())
    assert reading.reason == reading.dropped[0] != ""


@pytest.mark.parametrize(
    ("frame", "expected"),
    [("0", 0), ("True", 1), ("False", 0), ("8", None), ("-1", None), ("2.0", None), ("'2'", None)],
)
def test_booleans_pass_as_frames_and_other_kinds_do_not(frame, expected):
    reading = read_grounding_as_reference(f"{{'frame': {frame}, 'bbox_3d': {NINE}}}", 8)
    assert reading.frame == expected
    assert type(reading.frame) in (int, type(None))


def test_numbers_in_quotes_pass_as_angles_only():
    assert read_grounding_as_reference(AT_7.replace("0.3", "'0.3'"), 8).boxes == (
        OrientedBox((1, 2, 3), (4, 5, 6), (0.1, 0.2, 0.3)),
    )
    assert read_grounding_as_reference(AT_7.replace("[1,", "['1',"), 8).status == "invalid"
    assert read_grounding_as_reference(AT_7.replace("0.3", "'wide'"), 8).status == "invalid"


@pytest.mark.parametrize("value", ["1e999", "9" * 400, "None", "[3]"])
def test_what_cannot_be_overlapped_is_invalid(value):
    assert read_grounding_as_reference(AT_7.replace("0.3", value), 8).status == "invalid"


def test_letters_of_json_are_trimmed_at_both_ends():
    assert read_grounding_as_reference(f"sonj{AT_7}nosj", 8).frame == 7
    assert read_grounding_as_reference(f"sonj{AT_7}nosy", 8).status == "invalid"


def test_detection_reads_one_object_on_a_line():
    lines = f"```json\n[\n\t{CHAIR},\r\n\t{CHAIR}\n]```"
    assert read_detection_as_reference(lines).boxes == (BOX, BOX)
    assert read_detection_as_reference(f"[{CHAIR}, {CHAIR}]").reason == "the line is not one Python dictionary"
    assert read_detection(f"[{CHAIR}, {CHAIR}]").boxes == (BOX, BOX)


@pytest.mark.parametrize(
    "values", ["[1, 2]", "[]", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", "[1, 2, 3, 4, 5, 6, 7, 8, 1e999]"]
)
def test_a_labelled_line_without_nine_numbers_still_counts_as_a_box(values):
    reading = read_detection_as_reference(CHAIR.replace(NINE, values))
    (box,) = reading.boxes
    assert box.label == "chair"
    assert all(map(math.isnan, (*box.center, *box.size, *box.angles)))
    assert reading.dropped == ()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f'{{"bbox_3d": {NINE}}}', "label missing or not one value"),
        ('{"label": "chair"}', "no bbox_3d"),
        (CHAIR.replace(NINE, "{}"), "not numbers"),
        (CHAIR.replace(NINE, '["a"]'), "not numbers"),
        ('"label": "chair",', "the line is not one Python dictionary"),
    ],
)
def test_lines_that_are_no_labelled_box_are_dropped_and_named(line, reason):
    reading = read_detection_as_reference(f"{CHAIR}\n{line}")
    assert (reading.status, reading.boxes, reading.dropped) == ("ok", (BOX,), (reason,))
    assert read_detection_as_reference(line).status == "invalid"


def test_tuples_nested_lists_and_numbers_as_labels_count_in_detection():
    for values in (NINE.replace("[", "(").replace("]", ")"), f"[{NINE}]"):
        assert read_detection_as_reference(CHAIR.replace(NINE, values)).boxes == (BOX,)
    assert read_detection_as_reference(CHAIR.replace('"chair"', "7")).boxes[0].label == "7"


@pytest.mark.parametrize(
    ("text", "status"), [("[]", "ok"), ("```json\n[\n\t\n]```", "ok"), ("nothing", "none"), ("", "none")]
)
def test_an_empty_list_is_an_answer_and_no_list_is_none(text, status):
    reading = read_detection_as_reference(text)
    assert (reading.status, reading.boxes) == (status, ())


@given(st.text() | st.text(alphabet="{}[]()\"':,.-+0123456789eE bbox_3d frame label\\\n#"))
def test_no_text_raises(text):
    assert read_python_dictionary(text) is None or text
    assert read_grounding_as_reference(text, 8).status in ("ok", "none", "invalid")
    assert read_detection_as_reference(text).status in ("ok", "none", "invalid")
