"""Wrapped text: nothing lost without a count, no line too wide, whatever the words are."""

import pytest
from PIL import ImageFont

from vgcli_core.drawing.wrapping import clean, drawable, wrap

FONT = ImageFont.load_default(size=20)
WORDS = "The quick brown fox jumps over the lazy dog, twice: "


@pytest.mark.parametrize("width", [60, 150, 400])
@pytest.mark.parametrize("text", [WORDS * 5, "x" * 300, f"{WORDS}{'y' * 90} {WORDS}", "a\n\nb"])
def test_every_line_fits_and_no_letter_is_lost(text, width):
    lines = wrap(text, FONT, width, 1000)
    assert all(FONT.getlength(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_words_stay_whole_where_they_fit():
    lines = wrap(WORDS.strip(), FONT, 200, 9)
    assert " ".join(lines) == WORDS.strip()
    assert len(lines) > 2


def test_newlines_and_indents_stay():
    assert wrap('[\n    {"a": 1},\n\n]', FONT, 400, 9) == ["[", '    {"a": 1},', "", "]"]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_the_count_is_of_the_characters_that_are_missing(most):
    text = WORDS * 20
    lines = wrap(text, FONT, 300, most)
    assert len(lines) == most
    assert FONT.getlength(lines[-1]) <= 300
    shown, missing = " ".join(lines).split("... (+")
    assert text.startswith(shown)
    assert int(missing.removesuffix(" characters)").replace(",", "")) == len(text) - len(shown)


def test_text_without_end_is_measured_at_its_start_only():
    (line,) = wrap("z" * 10_000_000, FONT, 400, 1)
    shown = line.partition("...")[0]
    assert line.endswith(f"(+{10_000_000 - len(shown):,} characters)")


def test_a_line_narrower_than_a_letter_takes_a_letter():
    assert wrap("abc", FONT, 1, 9) == ["a", "b", "c"]


def test_empty_text_is_an_empty_line():
    assert wrap("", FONT, 100, 3) == [""]


def test_clean_text_can_be_written_and_keeps_its_letters():
    assert clean("Ä中\n\x1b[0m\x00\ud800\u202e") == "Ä中\n�[0m�?�"


def test_drawable_text_has_the_same_length_and_plain_letters():
    assert drawable("Straße é 3×4 – 中\n\x07") == "Strase e 3x4 - ?\n?"
