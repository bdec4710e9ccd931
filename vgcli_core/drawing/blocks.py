"""Blocks of text on paper, and blocks below each other: what cards and sheets are put together from."""

from collections.abc import Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from vgcli_core.drawing.labels import Color, Font, line_height
from vgcli_core.drawing.wrapping import wrap


def text_block(text: str, width: int, size: int, color: Color, most: int, *, paper: Color) -> Image.Image | None:
    """Return a text in lines, or None where there is none.

    Args:
        text: characters that the font lacks are replaced.
        width: of the block, in pixels.
        size: of the letters, in pixels.
        color: of the letters.
        most: lines, at least 1; where there would be more, the last says how many characters are missing.
        paper: colour around the letters.
    """
    if not text.strip():
        return None
    font = font_of(size)
    lines = wrap(text.strip(), font, width, most)
    step = round(line_height(font) * 1.25)
    block = Image.new("RGB", (width, step * len(lines)), paper)
    draw = ImageDraw.Draw(block)
    for place, line in enumerate(lines):
        draw.text((0, place * step + rise(font)), line, fill=color, font=font, anchor="ls")
    return block


def stacked(blocks: Sequence[Image.Image | None], gap: int, *, paper: Color) -> Image.Image:
    """Put blocks below each other, `gap` pixels apart, leaving out those that are not there; at least one is."""
    there = [block for block in blocks if block is not None]
    height = sum(block.height for block in there) + gap * (len(there) - 1)
    stack = Image.new("RGB", (max(block.width for block in there), height), paper)
    top = 0
    for block in there:
        stack.paste(block, (0, top))
        top += block.height + gap
    return stack


@cache
def font_of(size: int) -> Font:
    """Return Pillow's own font with letters of this size in pixels."""
    return ImageFont.load_default(size=size)


def rise(font: Font) -> int:
    """Return how far the baseline is below the top of a line, in pixels."""
    return round(line_height(font) * 0.8)
