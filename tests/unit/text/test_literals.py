"""Objects found in text: what is accepted, what is not, where the search goes on, and how long it takes."""

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgcli_core.text.literals import MAX_DEPTH, MAX_LENGTH, find_objects


def objects(text):
    return find_objects(text, "k").objects


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text().filter(lambda key: key != "k"), inner),
    max_leaves=10,
)


@given(plain, st.booleans())
def test_json_is_read_as_json_reads_it(value, escaped):
    assert objects("so: " + json.dumps({"a": value, "k": value}, ensure_ascii=escaped)) == [{"a": value, "k": value}]


pythonic = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(alphabet="ab'\"\\ \n{}[]"),
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, min_size=2, max_size=4).map(tuple),
    max_leaves=10,
)


def as_lists(value):
    return [as_lists(item) for item in value] if isinstance(value, list | tuple) else value


@given(pythonic)
def test_python_literals_are_read_as_python_reads_them(value):
    assert objects(repr({"k": value})) == [{"k": as_lists(value)}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("+1", 1),
        ("+.5", 0.5),
        ("-5.", -5.0),
        ("1E+3", 1000.0),
        ("true", True),
        ("None", None),
        ("-Infinity", -math.inf),
        ("inf", math.inf),
        ("[1, 2,]", [1, 2]),
        ("(1, 2)", [1, 2]),
        ("()", []),
        (r"'it\'s'", "it's"),
        (r'"\u00e9\n\"\\\/"', 'é\n"\\/'),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\ud83d"', "\ufffd"),
        (r"'\xe9\x'", "éx"),
        ('{"x": {"y": 1}}', {"x": {"y": 1}}),
    ],
)
def test_a_value_may_be_json_or_nearly_so(text, value):
    assert objects('{"k": ' + text + "}") == [{"k": value}]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "1+1",
            "2*3",
            "f()",
            "x",
            "x.y",
            "[i for i in y]",
            "",
            "[,]",
            "[1 2]",
            "(1]",
            '"a" "b"',
            "1_000",
            "0x1",
            "9" * 641,
        ),
        *('{"x" 1}', "{1: 2}", '{"x": 1,,}', "lambda: 0", "--1", "'open", '"line\nbreak"', "\N{SUPERSCRIPT TWO}"),
    ],
)
def test_anything_else_is_no_value(text):
    assert objects('{"k": ' + text + "}") == []


def test_not_a_number_is_read_as_such():
    assert math.isnan(objects('{"k": NaN}')[0]["k"])


def test_a_later_key_overrules_an_earlier_one():
    assert objects('{"k": 1, "k": 2}') == [{"k": 2}]


def test_an_object_with_the_key_is_taken_whole_and_one_without_is_searched():
    assert objects('{"a": [{"k": 1}, {"b": {"k": 2}}], "c": 3} {"k": {"k": 4}}') == [
        {"k": 1},
        {"k": 2},
        {"k": {"k": 4}},
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": f(), "b": {"k": 1}}',
        '{"a": [{"k": 1}, x',
        '{"k": 0, "b": {"k": 1}, oops}',
        "it's {here: {'k': 1}",
        '{"label: "chair", "b": {"k": 1}}',
        '{"a": "chair, "b": {"k": 1}}',
        '{"a": "no end, {"k": 1}',
        "{'a': 'no end\n{\"k\": 1}",
        '{"a": "x", "b: [2]}, {"k": 1}',
        '{{{"k": 1}}}',
        '\\{"k": 1}',
    ],
)
def test_the_search_goes_on_inside_what_cannot_be_read(text):
    assert objects(text) == [{"k": 1}]


@pytest.mark.parametrize("whole", ['{"k": [1, "x y", {"a": -2.5}], "b": null}'])
def test_every_cut_is_noticed_and_keeps_what_was_whole_before(whole):
    for cut in range(1, len(whole)):
        scan = find_objects(f'[{{"k": 0}}, {whole[:cut]}', "k")
        assert scan.objects == [{"k": 0}], whole[:cut]
        assert scan.cut_off, whole[:cut]
    assert not find_objects(f'[{{"k": 0}}, {whole}', "k").cut_off


def test_objects_deeper_than_the_limit_are_given_up_and_inner_ones_kept():
    def nested(depth):
        return '{"a":' * depth + '{"k": 1}' + "}" * depth

    assert find_objects(nested(MAX_DEPTH - 1), "k").exceeded == 0
    deep = find_objects(nested(MAX_DEPTH + 9), "k")
    assert deep.objects == [{"k": 1}]
    assert deep.exceeded == 10
    assert objects('{"k": ' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}") == []


def test_objects_longer_than_the_limit_are_given_up_and_inner_ones_kept():
    many = ", ".join(['{"k": 1}'] * 10_000)
    assert len(many) > MAX_LENGTH
    long = find_objects('{"objects": [' + many + "]}", "k")
    assert len(long.objects) == 10_000
    assert long.exceeded == 1
    assert find_objects('{"k": "' + "x" * MAX_LENGTH + '"}', "k").objects == []


@given(st.text(alphabet="{}[](),:'\"\\ k1-eN\n", max_size=80) | st.text())
def test_no_text_raises(text):
    find_objects(text, "k")


HOSTILE = {
    "braces": "{" * 200_000,
    "nested objects": '{"a":' * 40_000,
    "nested lists": '{"a":' + "[" * 200_000,
    "brace and quote": '{"' * 100_000,
    "brace and both quotes": "{'{\"" * 50_000,
    "strings with braces": '{"a{' * 50_000,
    "escaped quotes": '{"\\"' * 50_000,
    "one open string of braces": '{"a":"' + "{'b" * 60_000,
    "backslashes": '{"' + "\\" * 200_000,
    "a long number": '{"a":' + "9" * 200_000,
    "blanks": "{" + " " * 200_000,
    "blanks after strings": ('{"{"' + " " * 12_000) * 16,
    "one long object": '{"a":1,' * 28_000,
    "many small objects": '{"k":1}' * 28_000,
    "objects in a wrong list": '{"k":[{"k":1}],' * 14_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_no_faster_than_the_text(name):
    def seconds(text):
        start = time.perf_counter()
        find_objects(text, "k")
        return time.perf_counter() - start

    text = HOSTILE[name]
    # The fastest of several: the machine may be busy with something else.
    eighth = min(seconds(text[: len(text) // 8]) for _ in range(3))
    whole = min(seconds(text) for _ in range(3))
    assert whole < 20 * eighth + 0.05, "quadratic time would take 64 times as long"
