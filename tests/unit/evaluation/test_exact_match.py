"""Normalising short answers, rule by rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgcli_core.evaluation.metrics.exact_match import first_line, normalise, normalise_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Brown  Chair ", "brown chair"),
        ("letf", "left"),
        ("let's", "left's"),  # the slip is a word of its own
        ("3", "three"),
        ("none", "zero"),
        ("23", "twenty-three"),
        ("21", "21"),
        ("mat2", "mat"),
        ("mat21", "mat21"),
        ("3 o'  clock", "three o'clock"),
        ("oclock", "o'clock"),
        ("the chair", "chair"),
        ("an old chair", "old chair"),
        ("a", "a"),  # an article goes only before a word
        ("backwards!", "backward"),
        ("black/white", "blackwhite"),
        ("left .", "left "),  # the blank was there before the dot went
    ],
)
def test_each_rule_of_the_published_normalisation(text, expected):
    assert normalise(text) == expected


def test_words_alone_have_no_stray_blanks_marks_or_articles():
    assert normalise_words("left .") == "left"
    assert normalise_words("to the left, a the chair") == "to left chair"
    assert normalise_words("a") == "a"


def test_only_the_first_line_is_read():
    assert first_line("\n brown \nbecause it is") == "brown "


@given(st.text())
def test_no_text_breaks_the_normalisation(text):
    assert "".join(normalise(text).split()).isascii()  # white space of any script stays
    assert normalise_words(text) == " ".join(normalise_words(text).split())
