"""Short texts on coloured plates, kept inside the picture and apart from each other."""

from collections.abc import Sequence

from PIL import ImageDraw, ImageFont

Color = tuple[int, int, int]
Plate = tuple[int, int, int, int]  # left, top, right, bottom in pixels, right and bottom excluded
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_DARK: Color = (0, 0, 0)
_LIGHT: Color = (255, 255, 255)


def font_for(width: int, height: int) -> Font:
    """Return Pillow's own font in a size that reads well on a picture of this size."""
    return ImageFont.load_default(size=max(9, round((width * height) ** 0.5 / 32)))


def draw_label(
    draw: ImageDraw.ImageDraw,
    text: str,
    place: tuple[float, float],
    color: Color,
    *,
    font: Font,
    size: tuple[int, int],
    taken: Sequence[Plate],
) -> Plate:
    """Write one line of text on a plate.

    Args:
        draw: where to draw.
        text: shortened when it is wider than the picture.
        place: where the left of the plate's bottom should be, in pixels; moved if it does not fit there.
        color: of the plate; the text is black or white, whichever reads better.
        font: of the text.
        size: width and height of the picture.
        taken: plates that are there already.

    Returns:
        The new plate.
    """
    pad = max(2, round(line_height(font) / 6))
    text = fit(text, font, size[0] - 2 * pad)
    wide, high = round(font.getlength(text)) + 2 * pad, line_height(font) + 2 * pad
    left = round(min(max(place[0], 0), size[0] - wide))
    top = round(min(max(place[1] - high, 0), size[1] - high))
    left, top, right, bottom = _free((left, top, left + wide, top + high), size[1], taken)
    draw.rectangle((left, top, right - 1, bottom - 1), fill=color)
    # "ls": the left end of the baseline, so that words with and without tails stand level.
    ascent = round(line_height(font) * 0.8)
    draw.text((left + pad, top + pad + ascent), text, fill=_readable_on(color), font=font, anchor="ls")
    return left, top, right, bottom


def line_height(font: Font) -> int:
    """Return the height of a line of text in pixels, tails included."""
    top, bottom = font.getbbox("Ágy")[1::2]
    return round(bottom - top)


def fit(text: str, font: Font, width: float) -> str:
    """Return `text` on one line, cut with "..." where it is wider than `width` pixels."""
    # A character that cannot be written as UTF-8 would be refused by the font.
    text = " ".join(text.encode("utf-8", "replace").decode().split())[:500]
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


def _free(wanted: Plate, height: int, taken: Sequence[Plate]) -> Plate:
    """Return `wanted` moved up or down by as little as clears the plates that are taken, if that can be done."""
    left, top, right, bottom = wanted
    high = bottom - top
    tops = [top, *(plate[1] - high for plate in taken), *(plate[3] for plate in taken)]
    for place in sorted(tops, key=lambda candidate: abs(candidate - top)):
        if 0 <= place <= height - high and not any(_overlap((left, place, right, place + high), old) for old in taken):
            return left, place, right, place + high
    return wanted


def _overlap(one: Plate, other: Plate) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _readable_on(color: Color) -> Color:
    # Perceived brightness: the weights of ITU-R BT.601.
    brightness = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    return _DARK if brightness > 140 else _LIGHT
