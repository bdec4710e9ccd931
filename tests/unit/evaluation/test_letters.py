"""Readers of option letters: each takes what its rule says, and no text breaks one or slows it down."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgcli_core.evaluation.metrics.letters import (
    best_ranked,
    first_capital,
    first_word,
    first_word_letter,
    last_named,
    leading_letter,
    stated_letter,
)

OPTIONS = {"A": "a red chair", "B": "a blue table", "C": "red", "D": "lamp", "E": ""}
READERS = {
    "first word": first_word_letter,
    "first capital": lambda text: first_capital(text, "ABCD"),
    "best ranked": lambda text: best_ranked(text, "ABCD"),
    "stated": lambda text: stated_letter(text, "ABCD"),
    "leading": leading_letter,
    "last named": lambda text: last_named(text, OPTIONS),
}
PIECES = st.sampled_from(
    ["A", "B", "b", "(C)", "D.", "answer is", "option", " ", "\n", "...", "'", "red chair", "é", "½"]
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("B", "B"), ("b. table", "B"), ("B\n", "B"), (" B", None), ("(B)", None), ("B\nBecause", None), ("Bed", None)],
)
def test_the_first_word_counts_only_if_it_is_a_letter(text, expected):
    assert first_word_letter(text) == expected


def test_the_first_word_ends_at_a_blank_and_not_at_a_line_break():
    assert first_word("3\nmeters tall") == "3\nmeters"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is C", "C"),  # the phrase goes, with its "T"
        ("Answer: C", "A"),  # the phrase is not in the list, and starts with a capital
        ("Best answer: C", "B"),  # in the list, but glued to its neighbour
        ("Both, so C", "B"),
        ("c", None),
        ("E", None),
    ],
)
def test_the_first_capital_counts_once_stock_phrases_are_gone(text, expected):
    assert first_capital(text, "ABCD") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A, not (B)", "A"),  # a letter at the start beats every other form
        ("not (B) but C", "C"),  # then one at the end
        ("the answer is B. Or A) maybe", "A"),  # the later letter behind a lead-in
        ("either (B) or (C) here", "C"),  # the later of two in the same form
        ("x A: y B) z", "A"),  # a colon beats a parenthesis
        ("xAyB z", "B"),  # before a blank, though inside a word
        ("xByA", "A"),  # anywhere at all: the last
        ("e", None),
    ],
)
def test_the_surest_form_counts_and_the_last_letter_in_it(text, expected):
    assert best_ranked(text, "ABCD") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b)", "B"),
        ("The answer is B. No, the answer: C", "C"),
        ("Say (B) or (C)", "C"),
        ("(b) or so", "B"),
        ("I say B", None),
        ("Answer: E", "A"),  # E is no option, so the first letter of the text remains
    ],
)
def test_the_stated_letter_counts_before_the_first_one(text, expected):
    assert stated_letter(text, "ABCD") == expected


def test_the_leading_letter_may_be_the_start_of_a_word():
    assert leading_letter(" (table)") == "T"
    assert leading_letter("**B**") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(A) or (C)", "C"),
        ("A or C.", "C"),
        ("OPTION C ", "C"),
        ("A.B.", "B"),  # the last dot is stripped, so B stands before a blank
        ("A.B.x", "A"),  # both before dots: the first option
        ("a red chair", None),  # too short to look for words
        ("it must be the blue table or a blue table", "E"),  # an empty option is in every text, behind everything
    ],
)
def test_the_option_named_last_counts(text, expected):
    assert last_named(text, OPTIONS) == expected


def test_words_of_an_option_count_in_longer_texts_and_the_later_ones_win():
    options = {"A": "a red chair", "B": "a blue table"}
    assert last_named("there is a blue table and a red chair", options) == "A"
    assert last_named("there is nothing of the kind in sight", options) is None


@pytest.mark.parametrize("reader", READERS)
@given(text=st.one_of(st.text(), st.lists(PIECES).map("".join)))
def test_every_reader_returns_one_capital_or_nothing(reader, text):
    found = READERS[reader](text)
    assert found is None or (len(found) == 1 and found in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("unit", [" ", "(", "answer ", "A.", "answer\n", ".,", "the answer is "])
def test_a_long_text_takes_time_in_proportion_to_its_length(reader, unit):
    READERS[reader](unit)
    times = []
    for length in (20_000, 200_000):
        text = (unit * length)[:length]
        start = time.perf_counter()
        READERS[reader](text)
        times.append(time.perf_counter() - start)
    # Ten times the text: a quadratic reader would take a hundred times as long.
    assert times[1] < 40 * max(times[0], 0.002)
