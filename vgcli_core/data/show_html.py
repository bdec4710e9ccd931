"""A sheet of cards as one HTML page."""

from collections.abc import Sequence

from vgcli_core.drawing.cards import Card, Key
from vgcli_core.drawing.html import card_html, document, keys_html, text

PICTURES = 960  # pixels, width of a card's pictures together: sharp on dense screens, about 120 KB of JPEG


def page(
    cards: Sequence[Card], *, title: str, lines: Sequence[str], reading: Sequence[str], legend: Sequence[Key]
) -> str:
    """Return the page.

    Args:
        cards: with pictures made for PICTURES pixels of width.
        title: of the page.
        lines: below the title.
        reading: how cards are to be read, in paragraphs.
        legend: colours that mean the same on all cards.
    """
    body = [
        f'<header><h1 dir="auto">{text(title)}</h1>',
        *(f'<p dir="auto">{text(line)}</p>' for line in lines),
        *keys_html(legend),
        *(f"<p>{text(line)}</p>" for line in reading),
        '</header><main class="cards">',
        *(part for card in cards for part in card_html(card, PICTURES)),
        "</main>",
    ]
    return document(title, body)
