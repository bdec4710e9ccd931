"""Readers of numbers, and mean relative accuracy against its definition."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgcli_core.evaluation.metrics.numbers import BOUNDS, first_number, mean_relative_accuracy, strict_number


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3", 3), ("3 chairs", 3), ("2.5.", 2.5), ("1_0", 10), ("１２", 12), ("-1e2", -100), ("inf", math.inf)],
)
def test_the_strict_reader_takes_what_python_reads_in_the_first_word(text, expected):
    assert strict_number(text) == expected


@pytest.mark.parametrize("text", ["", " 3", "3m", "about 3", "1,000", "two", "(3)", "3\nmetres", "1/2"])
def test_the_strict_reader_takes_nothing_else(text):
    assert strict_number(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There are 3 boxes, or 4", 3),
        ("about -2.5m", -2.5),
        ("1,000", 1),
        ("1e3", 1),
        ("One apple in room 2", 1),
        ("room 2 has one apple", 2),
        ("twenty-one", 21),
        ("three hundred and twenty-one", 321),
        ("two thousand five hundred", 2500),
        ("hundred", 100),
        ("two of three", 2),  # another word ends the run
        ("someone", None),
        ("nan", None),
        ("", None),
    ],
)
def test_the_later_reader_takes_the_first_number_in_digits_or_words(text, expected):
    assert first_number(text) == expected


@given(st.text())
def test_no_text_breaks_a_reader(text):
    for read in (strict_number, first_number):
        assert read(text) is None or isinstance(read(text), float)


def test_the_bounds_are_ten_and_fall_by_a_twentieth():
    assert np.array(BOUNDS) == pytest.approx(np.arange(50, 0, -5) / 100)
    assert len(BOUNDS) == 10


@pytest.mark.parametrize(
    ("prediction", "target", "expected"),
    [
        (10, 10, 1.0),
        (10.4, 10, 1.0),  # an error of 4 %, inside all ten bounds
        (9, 10, 0.9),  # exactly 10 %: outside the last bound only
        (7, 10, 0.5),  # 30 %: inside 50, 45, 40, 35 and 30 %
        (5, 10, 0.1),  # 50 %: inside the first alone
        (15.1, 10, 0.0),
        (-10, 10, 0.0),
        (math.inf, 10, 0.0),
        (math.nan, 10, 0.0),
        (0, 0, 1.0),
        (0.001, 0, 0.0),
    ],
)
def test_relative_accuracy_is_the_share_of_levels_passed(prediction, target, expected):
    assert mean_relative_accuracy(prediction, target) == expected


@given(st.integers(1, 500), st.integers(1, 500))
def test_relative_accuracy_follows_its_definition_away_from_the_bounds(prediction, target):
    error = Fraction(abs(prediction - target), target)
    levels = [Fraction(percent, 100) for percent in range(50, 0, -5)]
    if error not in levels:
        assert mean_relative_accuracy(prediction, target) == pytest.approx(sum(error < level for level in levels) / 10)


def test_a_looping_number_word_ends_at_infinity():
    assert first_number("hundred " * 5000) == math.inf
    assert first_number("thousand " * 5000 + "hundred " * 5000) == math.inf
