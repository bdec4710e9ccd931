"""Pages that need nothing else: pictures inside, no script, no network; for phones and desks, in light and in dark.

Everything that comes from data or from a model is text: escaped, in its own direction, and cut where it is long.
"""

import base64
import io
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from PIL import Image

from vgcli_core.drawing.boxes import Pixels
from vgcli_core.drawing.cards import Card, Key, Paragraph, Picture, cells
from vgcli_core.drawing.wrapping import clean, more

_QUALITY = 82
_SHORT = 700  # characters that are seen at once
_LITTLE = 200  # characters that are not worth unfolding
_LONG = 20_000  # characters that can be unfolded
_TITLE = 200

_STYLE = """
:root { color-scheme: light dark; --paper: #f1f2f4; --card: #fff; --ink: #1b1d22; --faded: #5c6370; --accent: #0b57b0;
  --line: #d9dce2; --plain: #e6e8ec; --good: #cdeeda; --good-ink: #0d4a26; --bad: #ffe0bd; --bad-ink: #6b3200;
  --warning: #8a4b00; }
@media (prefers-color-scheme: dark) { :root { --paper: #141518; --card: #24262c; --ink: #ececf0; --faded: #a8adb8;
  --accent: #8cbeff; --line: #3a3d46; --plain: #3c404a; --good: #1c5c34; --good-ink: #d6ffe0; --bad: #7a3e0c;
  --bad-ink: #ffe8c8; --warning: #ffc85a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 110rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.45rem; line-height: 1.25; margin: 0 0 .35rem; }
p { margin: .25rem 0; }
header p, figcaption { color: var(--faded); font-size: .85rem; }
header p { max-width: 75ch; }
.tags, .keys { list-style: none; display: flex; flex-wrap: wrap; gap: .3rem .45rem; margin: .5rem 0; padding: 0; }
.tags li { background: var(--plain); border-radius: 1rem; padding: .05rem .65rem; font-size: .8rem; }
.tags .good { background: var(--good); color: var(--good-ink); }
.tags .bad { background: var(--bad); color: var(--bad-ink); }
.keys { font-size: .85rem; gap: .2rem .9rem; }
.keys li { display: flex; align-items: center; gap: .4rem; }
.keys i { flex: none; width: .9rem; height: .9rem; border: 1px solid #0008; border-radius: 2px; background: var(--c); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 33rem), 1fr)); gap: 1rem;
  align-items: start; margin-top: 1rem; }
article { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .9rem; min-width: 0; }
.title { font-size: 1.05rem; margin: 0; }
.name { font-size: .8rem; font-weight: 600; color: var(--accent); margin: .75rem 0 .1rem; }
.frames { display: grid; gap: .4rem; grid-template-columns: var(--columns); max-width: var(--used); margin: 0 auto;
  align-content: start; }
.leads figure:first-child { grid-row: span var(--rows); }
figure { margin: 0; min-width: 0; }
figure img { display: block; width: 100%; height: auto; border-radius: .25rem; }
figcaption { line-height: 1.3; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.text { white-space: pre-wrap; margin: 0; }
summary { cursor: pointer; color: var(--accent); font-size: .85rem; }
.remark { color: var(--warning); font-size: .85rem; }
@media (max-width: 34rem) { body { padding: .6rem; } article { padding: .7rem; }
  .leads { grid-template-columns: repeat(var(--rows), 1fr); max-width: none; }
  .leads figure:first-child { grid-row: auto; grid-column: 1 / -1; } }
"""


def document(title: str, body: Iterable[str], *, style: str = "") -> str:
    """Return a whole page.

    Args:
        title: of the window.
        body: HTML.
        style: CSS that the page needs beside that of cards.
    """
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            # Whatever a text might smuggle in: nothing is loaded, nothing runs.
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
            "style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{text(title)}</title><style>{_STYLE}{style}</style></head><body>",
            *body,
            "</body></html>",
            "",
        ]
    )


def text(value: str) -> str:
    """Return what shows `value` as it is, in an element or an attribute."""
    return escape(clean(value), quote=True)


def cut(value: str, most: int = _TITLE) -> str:
    """Return a text of at most `most` characters, and how many more there were."""
    return value if len(value) <= most else value[:most] + more(len(value) - most)


def card_html(card: Card, width: int, *, level: int = 2) -> Iterator[str]:
    """Yield a card.

    Args:
        card: with pictures that are `width` pixels wide together.
        width: of them.
        level: of the heading with its title; its texts have headings below.
    """
    yield f'<article><h{level} class="title" dir="auto">{text(cut(card.title))}</h{level}>'
    if card.tags:
        tags = (f'<li dir="auto" class="{tag.tone}">{text(cut(tag.text))}</li>' for tag in card.tags)
        yield f'<ul class="tags">{"".join(tags)}</ul>'
    yield from _pictures(card, width)
    yield from keys_html(card.keys)
    for paragraph in card.paragraphs:
        yield f'<h{level + 1} class="name">{text(paragraph.name)}</h{level + 1}>'
        yield from _paragraph(paragraph)
    for remark in card.remarks:
        yield f'<p class="remark" dir="auto">{text(cut(remark, _SHORT))}</p>'
    yield "</article>"


def keys_html(keys: Sequence[Key]) -> Iterator[str]:
    """Yield what colours mean; nothing for none."""
    if keys:
        items = (f'<li><i style="--c: rgb{key.color}"></i><bdi>{text(cut(key.text))}</bdi></li>' for key in keys)
        yield f'<ul class="keys">{"".join(items)}</ul>'


def _pictures(card: Card, width: int) -> Iterator[str]:
    """Lay the pictures out as `cells` does, with widths as shares."""
    if not card.pictures:
        return
    shape = card.pictures[0].image.shape
    places = cells(len(card.pictures), shape[0] / shape[1], width, leads=card.leads)
    lefts = {cell.left: cell.width for cell in places}
    used = max(left + wide for left, wide in lefts.items()) - min(lefts)
    columns = " ".join(f"{wide}fr" for _, wide in sorted(lefts.items()))
    style = f"--columns: {columns}; --used: {used / width:.1%}; --rows: {max(len(places) - 1, 1)}"
    leads = " leads" if card.leads and len(places) > 1 else ""
    yield f'<div class="frames{leads}" style="{style}">'
    yield from map(_figure, card.pictures)
    yield "</div>"


def _figure(picture: Picture) -> str:
    height, width = picture.image.shape[:2]
    caption, words = text(cut(picture.caption)), text(cut(picture.description, 2 * _TITLE))
    return (
        f'<figure><img width="{width}" height="{height}" alt="{words}" title="{words}" src="{_data(picture.image)}">'
        f'<figcaption dir="auto">{caption}</figcaption></figure>'
    )


def _paragraph(paragraph: Paragraph) -> Iterator[str]:
    kept = clean(paragraph.text[:_LONG])
    beyond = len(paragraph.text[_LONG:])
    if len(kept) <= _SHORT + _LITTLE:
        yield f'<p class="text" dir="auto">{text(kept)}</p>'
        return
    rest = text(kept[_SHORT:]) + (more(beyond) if beyond else "")
    yield f'<p class="text" dir="auto">{text(kept[:_SHORT])}</p>'
    yield f"<details><summary>{more(len(kept) - _SHORT + beyond)}</summary>"
    yield f'<p class="text" dir="auto">{rest}</p></details>'


def _data(image: Pixels) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
