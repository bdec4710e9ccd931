"""Long text in lines that fit a width, cut where there are too many, with the number of characters that are missing."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from PIL import ImageFont

from vgcli_core.drawing.labels import Font

# Text beyond this is never shown, only counted: measuring it would take long.
_MOST_CHARACTERS = 6000

# Unicode does not call these alike.
_ALIKE = {"×": "x", "–": "-", "—": "-", "−": "-", "•": "*", "→": ">", "ß": "s", "ø": "o", "ł": "l", "\ufffd": "?"}

Span = tuple[int, int]


def clean(text: str) -> str:
    """Return text that can be drawn and written: no control characters but newlines, nothing that UTF-8 cannot hold."""
    whole = text.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\t", "    ")
    return "".join(sign if sign == "\n" or sign.isprintable() else "\ufffd" for sign in whole)


def drawable(text: str) -> str:
    """Return `clean` text of the same length in which characters that Pillow's font lacks are others: é is e, 中 is ?.

    The font holds ASCII and little else.
    """
    return "".join(sign if sign == "\n" else _drawn_as(sign) for sign in clean(text))


def more(missing: int) -> str:
    """Return what stands where `missing` characters were left out."""
    return f"... (+{missing:,} characters)"


def wrap(text: str, font: Font, width: float, most: int) -> list[str]:
    """Return the lines of a text.

    Args:
        text: newlines are kept, words that are wider than a line are broken, characters replaced as by `drawable`.
        font: Pillow's own, of any size.
        width: of a line, in pixels.
        most: lines, at least 1; where there would be more, the last one ends with "... (+123 characters)".
    """
    shown = drawable(text[:_MOST_CHARACTERS])
    total = len(shown) + max(0, len(text) - _MOST_CHARACTERS)
    spans: list[Span] = []
    for span in _lines(shown, font, width):
        spans.append(span)
        if len(spans) > most:
            break
    if len(spans) <= most and total == len(shown):
        return [shown[start:end] for start, end in spans]
    *kept, (start, end) = spans[:most]
    while end > start and (shown[end - 1].isspace() or font.getlength(shown[start:end] + more(total - end)) > width):
        end -= 1
    return [*(shown[first:last] for first, last in kept), shown[start:end] + more(total - end)]


def _lines(text: str, font: Font, width: float) -> Iterator[Span]:
    """Yield the lines as parts of the text; indents stay, spaces at a break are in none."""
    begin = 0
    for paragraph in text.split("\n"):
        start = end = begin
        for word in re.finditer(r"\S+", paragraph):
            first, last = begin + word.start(), begin + word.end()
            if font.getlength(text[start:last]) > width and end > start:
                yield start, end
                start = first
            while font.getlength(text[start:last]) > width and last - start > 1:
                reach = _reach(text, (start, last), font, width)
                yield start, reach
                start = reach
            end = last
        yield start, end
        begin += len(paragraph) + 1


def _reach(text: str, span: Span, font: Font, width: float) -> int:
    """Return how far from the start of the span a line reaches: at least one character."""
    start, high = span
    low = start + 1
    while low < high:
        middle = (low + high + 1) // 2
        if font.getlength(text[start:middle]) <= width:
            low = middle
        else:
            high = middle - 1
    return low


@cache
def _drawn_as(sign: str) -> str:
    if sign.isascii():
        return sign
    font = ImageFont.load_default(size=20)
    # U+FFFF is no character, so every font shows what it shows for characters that it lacks.
    if bytes(font.getmask(sign)) != bytes(font.getmask("\uffff")):
        return sign
    plain = _ALIKE.get(sign, unicodedata.normalize("NFKD", sign)[:1])
    return plain if plain.isascii() else "?"
