"""A contact sheet of a prepared set: some samples of every kind, with questions, answers and boxes drawn.

People look before they train. A sheet is one picture (.png, .jpg) or one page (.html) that needs nothing else.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from vgcli_core.atomic import atomic_path, write_text
from vgcli_core.data.frame_store import FRAMES
from vgcli_core.data.prepared import Prepared, open_prepared
from vgcli_core.data.show_card import LEGEND, READING, card_of
from vgcli_core.data.show_choice import Choice, choose
from vgcli_core.data.show_html import PICTURES, page
from vgcli_core.drawing.cards import CARD, Card, card_sheet
from vgcli_core.drawing.wrapping import clean, drawable
from vgcli_core.errors import DataError, UsageError

MOST = 100  # samples on a sheet; a picture of more would be too tall for most viewers
REPLACED = 'Letters that the font lacks are shown as plain ones or as "?"; an .html sheet shows them as they are.'
_PICTURE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_PAGES = (".html", ".htm")
_JPEG_QUALITY = 90
_PROBED = 2000  # characters of a text, more than a card shows
_MOST_REMARKS = 5
_TALLEST_JPEG = 65_500  # pixels, by the format


def show(root: Path, out: Path, *, count: int = 12, split: str | None = None, seed: int = 0) -> list[str]:
    """Write a sheet of samples of the set in `root`; the same set and arguments give the same bytes.

    Args:
        root: folder of a finished set.
        out: the sheet: .png, .jpg or .html; replaced if it is there.
        count: samples on the sheet, 1 to MOST; fewer if the set has fewer.
        split: only samples of this one; None for all.
        seed: another seed, other samples.

    Returns:
        Remarks: how many of the set's samples are shown, and what could not be shown on how many cards.

    Raises:
        UsageError: the ending of `out` is unknown, `count` out of range, or `out` would replace a frame of the set.
        DataError: the folder holds no finished set, the split is unknown, there are no samples, or a line is damaged.
        OutputError: `out` cannot be written.
    """
    ending = out.suffix.lower()
    if ending not in _PICTURE_FORMATS and ending not in _PAGES:
        raise UsageError(
            f"a sheet cannot be written as {out.suffix or 'a file without an ending'!r}",
            where=str(out),
            fix="let the name end in .png, .jpg or .html",
        )
    if not 1 <= count <= MOST:
        raise UsageError(f"{count} samples do not fit a sheet", fix=f"choose 1 to {MOST}")
    if (root / FRAMES).resolve() in out.resolve().parents:
        raise UsageError("the sheet would lie among the frames of the set", where=str(out), fix="choose another place")
    prepared = open_prepared(root)
    splits = prepared.splits if split is None else (split,)
    if split is not None and split not in prepared.splits:
        raise DataError(
            f"there is no split {split!r}", where=str(root), fix=f"choose from {', '.join(prepared.splits)}"
        )
    choice = choose(prepared, splits, count, seed)
    if not choice.samples:
        raise DataError(
            "there are no samples to show", where=str(root), fix="look at the drops in manifest.json: they say why"
        )
    title, lines = _heading(prepared, splits, choice, seed)
    width = PICTURES if ending in _PAGES else CARD
    cards = [card_of(prepared, sample, width) for sample in choice.samples]
    if ending in _PAGES:
        write_text(out, page(cards, title=title, lines=lines, reading=READING, legend=LEGEND))
    else:
        lines += [REPLACED] * (not _is_drawable(cards))
        _write_picture(cards, out, title=title, lines=[*lines, *READING])
    return [*lines, *_remarks(cards)]


def _write_picture(cards: Sequence[Card], out: Path, *, title: str, lines: Sequence[str]) -> None:
    sheet = Image.fromarray(card_sheet(cards, title=title, lines=lines, legend=LEGEND))
    form = _PICTURE_FORMATS[out.suffix.lower()]
    if form == "JPEG" and sheet.height > _TALLEST_JPEG:
        raise UsageError(
            f"{len(cards)} samples do not fit a JPEG", where=str(out), fix="write a .png or .html, or show fewer"
        )
    with atomic_path(out) as temporary:
        sheet.save(temporary, form, **({"quality": _JPEG_QUALITY} if form == "JPEG" else {}))


def _is_drawable(cards: Sequence[Card]) -> bool:
    texts = (text for card in cards for text in (card.title, *(paragraph.text for paragraph in card.paragraphs)))
    return all(clean(text[:_PROBED]) == drawable(text[:_PROBED]) for text in texts)


def _heading(prepared: Prepared, splits: Sequence[str], choice: Choice, seed: int) -> tuple[str, list[str]]:
    total = sum(prepared.count(split) for split in splits)
    counts = ", ".join(f"{split} {prepared.count(split):,}" for split in splits)
    looked = f", chosen from {choice.looked_at:,} random ones" if choice.looked_at < total else ""
    first = f"{len(choice.samples)} of {total:,} samples ({counts}){looked}; seed {seed}"
    title = prepared.manifest.get("title") or prepared.manifest.get("dataset") or prepared.root.name
    return str(title), [first]


def _remarks(cards: Sequence[Card]) -> list[str]:
    """Return the most frequent remarks of the cards, with the number of cards, and how many others there are."""
    found = Counter(remark for card in cards for remark in dict.fromkeys(card.remarks)).most_common()
    shown = [f"{remark} ({number} of {len(cards)} cards)" for remark, number in found[:_MOST_REMARKS]]
    left = len(found) - len(shown)
    return [*shown, f"{left} further remarks stand on the cards"] if left else shown
