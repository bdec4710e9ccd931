"""Cards: pictures with the texts that belong to them, and a sheet of many cards.

A card shows either one leading picture with the others in a column beside it, or all pictures in a grid of equal cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from vgcli_core.drawing.blocks import font_of, rise, stacked, text_block
from vgcli_core.drawing.boxes import Pixels
from vgcli_core.drawing.labels import Color, fit, line_height
from vgcli_core.drawing.wrapping import drawable

CARD = 780  # pixels, inner width of a card on a sheet; two columns scaled to 1000 pixels keep text of 13 pixels
CAPTION = 26  # pixels below a picture, for its caption

_GAP = 8
_PAD = 16
_COLUMNS = 2
_TALLEST = 0.8  # of the width: pictures of a card are no higher together
_TITLE, _TEXT, _SMALL = 26, 22, 18  # sizes of letters in pixels
_TITLE_LINES, _NOTE_LINES = 2, 4
_PAPER, _CARD_PAPER, _HOLLOW = (20, 21, 24), (38, 40, 46), (28, 29, 33)
_INK, _FADED, _ACCENT, _WARNING = (238, 238, 240), (176, 180, 190), (140, 190, 255), (255, 200, 90)

Tone = Literal["plain", "good", "bad"]
_TONES: dict[Tone, tuple[Color, Color]] = {
    "plain": ((62, 66, 76), _INK),
    "good": ((28, 92, 52), (214, 255, 224)),
    "bad": ((122, 62, 12), (255, 232, 200)),
}


class Picture(NamedTuple):
    """[H, W, 3] RGB, its caption, and what it shows, in words."""

    image: Pixels
    caption: str
    description: str = ""


class Tag(NamedTuple):
    """A short word about a card."""

    text: str
    tone: Tone = "plain"


class Key(NamedTuple):
    """What a colour means."""

    color: Color
    text: str


class Paragraph(NamedTuple):
    """A text with a name; more lines than `lines` are cut."""

    name: str
    text: str
    lines: int = 8


@dataclass(frozen=True, slots=True)
class Card:
    """One card.

    Attributes:
        title: one or two lines.
        tags: below the title.
        pictures: sized by `cells`; others are scaled down to fit.
        leads: the first picture is the large one.
        keys: what the colours in the pictures mean.
        paragraphs: texts.
        remarks: what a reader must know to read the card right.
    """

    title: str
    tags: Sequence[Tag] = ()
    pictures: Sequence[Picture] = ()
    leads: bool = False
    keys: Sequence[Key] = ()
    paragraphs: Sequence[Paragraph] = ()
    remarks: Sequence[str] = ()


class Cell(NamedTuple):
    """A place for a picture, in pixels; its caption stands below."""

    left: int
    top: int
    width: int
    height: int


def cells(count: int, ratio: float, width: int, *, leads: bool) -> list[Cell]:
    """Return places for pictures, none for none.

    Args:
        count: of pictures.
        ratio: height of a picture divided by its width.
        width: of all together, in pixels.
        leads: a large first one, and the others in a column beside it, which ends where the large one ends.
    """
    ratio = min(max(ratio, 0.2), 2.5)
    if count == 0:
        return []
    return _beside_leader(count - 1, ratio, width) if leads and count > 1 else _grid(count, ratio, width)


def card_sheet(cards: Sequence[Card], *, title: str, lines: Sequence[str] = (), legend: Sequence[Key] = ()) -> Pixels:
    """Return one picture with all cards, each in the column that is shortest so far.

    Args:
        cards: at least one.
        title: of the sheet.
        lines: below the title, one paragraph each.
        legend: colours that mean the same on all cards.

    Returns:
        [H, W, 3] RGB, two cards wide; one if there is only one.
    """
    columns = min(_COLUMNS, len(cards))
    outer = CARD + 2 * _PAD
    width = columns * outer + (columns + 1) * _PAD
    head = _head(title, lines, legend, width - 2 * _PAD)
    bottoms = [head.height + 2 * _PAD] * columns
    placed = []
    for picture in (_padded(_drawn(card)) for card in cards):
        column = bottoms.index(min(bottoms))
        placed.append((picture, (_PAD + column * (outer + _PAD), bottoms[column])))
        bottoms[column] += picture.height + _PAD
    sheet = Image.new("RGB", (width, max(bottoms)), _PAPER)
    sheet.paste(head, (_PAD, _PAD))
    for picture, place in placed:
        sheet.paste(picture, place)
    return np.array(sheet)


def _beside_leader(others: int, ratio: float, width: int) -> list[Cell]:
    # Both columns are `high` with their captions, and as wide together as there is room:
    # (high - CAPTION) / ratio + _GAP + (high - others * CAPTION - (others - 1) * _GAP) / (others * ratio) = width
    gaps = (others - 1) * _GAP
    high = (ratio * (width - _GAP) + 2 * CAPTION + gaps / others) / (1 + 1 / others)
    high = min(high, _TALLEST * width)
    large = high - CAPTION
    small = max((high - others * CAPTION - gaps) / others, 16)
    left = round((width - large / ratio - _GAP - small / ratio) / 2)
    beside = left + round(large / ratio) + _GAP
    step = small + CAPTION + _GAP
    return [
        Cell(left, 0, round(large / ratio), round(large)),
        *(Cell(beside, round(place * step), round(small / ratio), round(small)) for place in range(others)),
    ]


def _grid(count: int, ratio: float, width: int) -> list[Cell]:
    columns = count if count <= 3 else ceil(sqrt(count))
    rows = ceil(count / columns)
    wide = (width - (columns - 1) * _GAP) / columns
    high = min(wide * ratio, (_TALLEST * width - (rows - 1) * _GAP) / rows - CAPTION)
    wide = high / ratio
    left = (width - columns * wide - (columns - 1) * _GAP) / 2
    return [
        Cell(
            round(left + place % columns * (wide + _GAP)),
            round(place // columns * (high + CAPTION + _GAP)),
            round(wide),
            round(high),
        )
        for place in range(count)
    ]


def _drawn(card: Card) -> Image.Image:
    blocks = [
        _text(card.title, _TITLE, _INK, _TITLE_LINES),
        _tags(card.tags),
        _pictures(card),
        _keys(card.keys, CARD),
        *(
            stacked(
                [_text(one.name, _SMALL, _ACCENT, 1), _text(one.text, _TEXT, _INK, one.lines)], 3, paper=_CARD_PAPER
            )
            for one in card.paragraphs
        ),
        *(_text(remark, _SMALL, _WARNING, _NOTE_LINES) for remark in card.remarks),
    ]
    return stacked(blocks, 12, paper=_CARD_PAPER)


def _head(title: str, lines: Sequence[str], legend: Sequence[Key], width: int) -> Image.Image:
    texts = [text_block(line, width, _SMALL, _FADED, _NOTE_LINES, paper=_PAPER) for line in lines]
    heading = text_block(title, width, round(_TITLE * 1.2), _INK, 2, paper=_PAPER)
    return stacked([heading, *texts, _keys(legend, width, _PAPER)], 9, paper=_PAPER)


def _text(text: str, size: int, color: Color, most: int) -> Image.Image | None:
    return text_block(text, CARD, size, color, most, paper=_CARD_PAPER)


def _padded(card: Image.Image) -> Image.Image:
    size = CARD + 2 * _PAD, card.height + 2 * _PAD
    paper = Image.new("RGB", size, _PAPER)
    ImageDraw.Draw(paper).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius=10, fill=_CARD_PAPER)
    paper.paste(card, (_PAD, _PAD))
    return paper


def _tags(tags: Sequence[Tag]) -> Image.Image | None:
    """Words on plates, as many in a row as fit."""
    font = font_of(_SMALL)
    high = line_height(font) + 10
    shown = [(fit(drawable(tag.text), font, CARD - 20), _TONES[tag.tone]) for tag in tags]
    rows = _flow([round(font.getlength(text)) + 20 for text, _ in shown], CARD)
    block = Image.new("RGB", (CARD, _height(rows, high)), _CARD_PAPER)
    draw = ImageDraw.Draw(block)
    for (text, (plate, ink)), (left, row) in zip(shown, rows, strict=True):
        top = row * (high + _GAP)
        right = left + round(font.getlength(text)) + 19
        draw.rounded_rectangle((left, top, right, top + high - 1), radius=high // 2, fill=plate)
        draw.text((left + 10, top + 5 + rise(font)), text, fill=ink, font=font, anchor="ls")
    return block if shown else None


def _keys(keys: Sequence[Key], width: int, paper: Color = _CARD_PAPER) -> Image.Image | None:
    """Swatches with their meaning, as many in a row as fit."""
    font = font_of(_SMALL)
    high = line_height(font) + 4
    swatch = high - 6
    shown = [(fit(drawable(key.text), font, width - swatch - 24), key.color) for key in keys]
    rows = _flow([swatch + 22 + round(font.getlength(text)) for text, _ in shown], width)
    block = Image.new("RGB", (width, _height(rows, high)), paper)
    draw = ImageDraw.Draw(block)
    for (text, color), (left, row) in zip(shown, rows, strict=True):
        top = row * (high + _GAP)
        draw.rectangle((left, top + 2, left + swatch - 1, top + swatch + 1), fill=color)
        draw.text((left + swatch + 8, top + 2 + rise(font)), text, fill=_INK, font=font, anchor="ls")
    return block if shown else None


def _flow(widths: Sequence[int], width: int) -> list[tuple[int, int]]:
    """Return left and row of things that stand side by side until the next one does not fit."""
    places, left, row = [], 0, 0
    for wide in widths:
        if left and left + wide > width:
            left, row = 0, row + 1
        places.append((left, row))
        left += wide + _GAP
    return places


def _height(rows: Sequence[tuple[int, int]], high: int) -> int:
    count = rows[-1][1] + 1 if rows else 1
    return count * high + (count - 1) * _GAP


def _pictures(card: Card) -> Image.Image | None:
    if not card.pictures:
        return None
    height, width = card.pictures[0].image.shape[:2]
    places = cells(len(card.pictures), height / width, CARD, leads=card.leads)
    font = font_of(_SMALL)
    block = Image.new("RGB", (CARD, max(cell.top + cell.height for cell in places) + CAPTION), _CARD_PAPER)
    draw = ImageDraw.Draw(block)
    for picture, cell in zip(card.pictures, places, strict=True):
        left, top, wide, high = cell
        image = Image.fromarray(picture.image)
        if image.width > wide or image.height > high:
            image.thumbnail((wide, high), Image.Resampling.LANCZOS)
        if image.size != (wide, high):
            draw.rectangle((left, top, left + wide - 1, top + high - 1), fill=_HOLLOW)
        block.paste(image, (left + (wide - image.width) // 2, top + (high - image.height) // 2))
        caption = fit(drawable(picture.caption), font, wide)
        draw.text((left, top + high + 5 + rise(font)), caption, fill=_FADED, font=font, anchor="ls")
    return block
