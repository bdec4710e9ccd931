"""Cards: pictures in their cells, columns that end together, texts and colours on the sheet."""

import numpy as np
import pytest

from vgcli_core.drawing.cards import CAPTION, CARD, Card, Key, Paragraph, Picture, Tag, card_sheet, cells

RED, GREEN, BLUE, YELLOW = (220, 0, 0), (0, 220, 0), (0, 0, 220), (220, 220, 0)


def picture(color, height=60, width=80) -> Picture:
    return Picture(np.full((height, width, 3), color, np.uint8), "#0")


def span(sheet, color):
    """Return top, bottom, left and right of a colour."""
    rows, columns = np.nonzero((np.abs(sheet.astype(int) - color) < 4).all(axis=2))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize("ratio", [0.3, 0.5625, 0.75, 1, 1.78])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_cells_keep_their_proportions_and_never_overlap(count, ratio, leads):
    places = cells(count, ratio, 800, leads=leads)
    assert len(places) == count
    for cell in places:
        assert cell.height == pytest.approx(cell.width * ratio, abs=1.5)
        assert cell.left >= 0
        assert cell.left + cell.width <= 801
    for one in places:
        for other in places:
            if one is not other:
                beside = one.left + one.width <= other.left or other.left + other.width <= one.left
                below = one.top + one.height + CAPTION <= other.top or other.top + other.height + CAPTION <= one.top
                assert beside or below
    assert max(cell.top + cell.height + CAPTION for cell in places) <= 0.8 * 800 + CAPTION + 2


@pytest.mark.parametrize("others", [1, 2, 3])
def test_the_column_beside_a_leading_picture_ends_where_it_ends(others):
    first, *column = cells(others + 1, 0.75, 800, leads=True)
    assert column[-1].top + column[-1].height == pytest.approx(first.height, abs=2)
    assert all(cell.width < first.width or others == 1 for cell in column)


def test_pictures_stand_in_their_cells():
    sheet = card_sheet([Card("one", pictures=[picture(RED), picture(GREEN), picture(BLUE)], leads=True)], title="t")
    places = cells(3, 0.75, CARD, leads=True)
    spans = [span(sheet, color) for color in (RED, GREEN, BLUE)]
    # Pictures smaller than their cells stand in the middle of them.
    middles = [((left + right) / 2, (top + bottom) / 2) for top, bottom, left, right in spans]
    expected = [(cell.left + cell.width / 2, cell.top + cell.height / 2) for cell in places]
    shift = np.subtract(middles[0], expected[0])
    np.testing.assert_allclose(np.subtract(middles, shift), expected, atol=1)
    assert {(bottom - top, right - left) for top, bottom, left, right in spans} == {(60, 80)}


def test_large_pictures_are_scaled_down_into_their_cells():
    sheet = card_sheet([Card("one", pictures=[picture(RED, 1500, 2000)])], title="t")
    top, bottom, left, right = span(sheet, RED)
    assert (bottom - top, right - left) == (CARD * 3 // 4, CARD)


def test_cards_fill_the_column_that_is_shortest():
    tall = Card("tall", pictures=[picture(RED, 600, 780)])
    cards = [tall, *(Card("low", pictures=[picture(color, 90, 780)]) for color in (GREEN, BLUE, YELLOW))]
    sheet = card_sheet(cards, title="t")
    red, green, blue, yellow = (span(sheet, color) for color in (RED, GREEN, BLUE, YELLOW))
    assert green[2] == blue[2] == yellow[2] > red[3]
    assert green[1] < blue[0] < blue[1] < yellow[0]


def test_one_card_makes_a_narrow_sheet():
    one = card_sheet([Card("one")], title="t")
    two = card_sheet([Card("one"), Card("two")], title="t")
    assert CARD < one.shape[1] < two.shape[1] / 1.8


def test_keys_and_the_legend_show_their_colours():
    sheet = card_sheet([Card("one", keys=[Key(RED, "a chair")])], title="t", legend=[Key(GREEN, "a box")])
    assert span(sheet, GREEN)[1] < span(sheet, RED)[0]


def test_many_tags_and_keys_take_several_rows_inside_the_card():
    few = Card("one", [Tag("word")], keys=[Key(RED, "label")])
    many = Card("one", [Tag("a longer word")] * 20, keys=[Key(RED, "a longer label")] * 20)
    low, high = (card_sheet([card], title="t") for card in (few, many))
    assert low.shape[1] == high.shape[1]
    assert high.shape[0] > low.shape[0] + 100
    assert span(high, RED)[3] < high.shape[1] - 16


def test_long_paragraphs_end_at_their_lines():
    heights = [
        card_sheet([Card("one", paragraphs=[Paragraph("q", "word " * words, lines=3)])], title="t").shape[0]
        for words in (100, 10_000)
    ]
    assert heights[0] == heights[1]


def test_odd_texts_do_not_stop_a_sheet():
    odd = "\x00\ud800 中 \u202e" + "w" * 5000
    card = Card(
        odd, [Tag(odd)], [Picture(picture(RED).image, odd)], False, [Key(RED, odd)], [Paragraph(odd, odd)], [odd]
    )
    assert card_sheet([card], title=odd, lines=[odd], legend=[Key(RED, odd)]).shape[1] < CARD + 100
