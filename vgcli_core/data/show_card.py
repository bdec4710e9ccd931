"""One sample as a card: its pictures, its conversation, its boxes in words, and what must be known to read it."""

import json
from collections import Counter
from collections.abc import Iterator
from string import ascii_uppercase
from typing import Any

from vgcli_core.data.prepared import Prepared
from vgcli_core.data.sample import IMAGE, Sample
from vgcli_core.data.show_marks import POINT, SCAN, TARGET, Marks, colors_of, marks_of
from vgcli_core.data.show_views import ASSUMED_FOV, views_of
from vgcli_core.drawing.cards import Card, Key, Paragraph, Tag
from vgcli_core.text.prompts import with_letters

LEGEND = (
    Key(TARGET, "the answer's box (of evaluation samples: the true one)"),
    Key(POINT, "the point that the question names"),
)
READING = (
    "Frames are counted from 0. The frame that the boxes or the point belong to is the large one; where camera poses "
    "are known, they are drawn on the other frames too, even behind walls.",
    "Boxes are in metres, in the camera of their frame: x right, y down, z forward. The side that faces the camera is "
    "bold, hidden edges are dashed. In detection each label has its own colour, named below the frames. Dots and "
    f"frames that SPAR's questions speak of belong to its pictures. Without cameras, {ASSUMED_FOV:.0f}° are assumed.",
)
_MOST_TURNS = 6
_MOST_KEYS = 24


def card_of(prepared: Prepared, sample: Sample, width: int) -> Card:
    """Return the card of a sample of the set, with pictures that are `width` pixels wide together."""
    marks = marks_of(sample)
    views = views_of(prepared, sample, marks, width)
    return Card(
        sample.id,
        tuple(_tags(sample)),
        views.pictures,
        views.leads,
        tuple(_keys(sample, marks)) if views.pictures else (),
        tuple(_paragraphs(sample)),
        (*marks.remarks, *views.remarks),
    )


def _tags(sample: Sample) -> Iterator[Tag]:
    yield Tag(sample.split)
    yield Tag(sample.task)
    if sample.question_type:
        yield Tag(sample.question_type)
    yield Tag(f"scene {sample.scene}")
    yield Tag(f"{len(sample.frames)} frame{'s' * (len(sample.frames) != 1)}")
    if sample.target_visible is not None:
        yield Tag("target visible", "good") if sample.target_visible else Tag("target in no frame", "bad")
    elif sample.task in ("ground", "caption"):
        yield Tag("visibility not known")


def _keys(sample: Sample, marks: Marks) -> Iterator[Key]:
    if marks.point is not None:
        x, y, z = marks.point.tolist()
        yield Key(POINT, f"point ({x:.2f}, {y:.2f}, {z:.2f}) m in frame {marks.point_frame}")
    if sample.task == "detect":
        counts = Counter(one.box.label for one in marks.boxes)
        keys = [Key(color, counted(label, counts[label])) for label, color in _label_colors(marks)]
    else:
        keys = [
            Key(color, measured(one.box.label, one.box.size, one.frame))
            for one, color in zip(marks.boxes, marks.colors, strict=True)
        ]
    yield from keys[:_MOST_KEYS]
    if len(keys) > _MOST_KEYS:
        yield Key((128, 128, 128), f"and {len(keys) - _MOST_KEYS} more")


def _label_colors(marks: Marks) -> list[tuple[str, tuple[int, int, int]]]:
    labels = list(dict.fromkeys(one.box.label for one in marks.boxes))
    return list(zip(labels, colors_of(labels), strict=True))


def counted(label: str, count: int) -> str:
    """Return a label, and how often it occurs where that is not once."""
    return f"{label or 'no label'} ×{count}" if count > 1 else label or "no label"


def measured(label: str, size: tuple[float, float, float], frame: int) -> str:
    """Return a box in words: its label, its edges in metres, and the camera (or SCAN) that it is in."""
    where = "in the scan" if frame == SCAN else f"in frame {frame}"
    return f"{label or 'no label'}, {' × '.join(f'{edge:.2f}' for edge in size)} m, {where}"


def asked(sample: Sample) -> Iterator[Paragraph]:
    """Yield the question of a sample, and its options where the question does not name them."""
    yield Paragraph("Question", sample.question.strip(), lines=10)
    if any(option not in sample.question for option in sample.options):
        yield Paragraph("Options", "\n".join(with_letters(sample.options)), lines=8)


def _paragraphs(sample: Sample) -> Iterator[Paragraph]:
    turns = sample.conversations[:_MOST_TURNS]
    for place, turn in enumerate(turns):
        if place == 0:
            yield from asked(sample)
        elif turn.speaker == "human":
            yield Paragraph("Question", turn.text.replace(IMAGE, "").strip(), lines=10)
        elif turn.text:
            yield Paragraph("Answer", turn.text + meaning(turn.text, sample.options), lines=6)
    if len(sample.conversations) > len(turns):
        yield Paragraph("And", f"{len(sample.conversations) - len(turns)} more turns", lines=1)
    if not sample.answer:
        truth = "none" if sample.truth is None else json.dumps(_rounded(dict(sample.truth)), ensure_ascii=False)
        yield Paragraph("Answer: none to learn. Truth to score against", truth, lines=6)


def _rounded(value: Any) -> Any:
    """Return a truth with numbers of three decimals: enough to look at, and it fits the card."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return [_rounded(entry) for entry in value] if isinstance(value, list) else value


def meaning(answer: str, options: tuple[str, ...]) -> str:
    """Return which option a letter stands for: " = the chair" after "B"."""
    if answer not in ascii_uppercase or len(answer) != 1 or ascii_uppercase.index(answer) >= len(options):
        return ""
    option = options[ascii_uppercase.index(answer)]
    return f"  =  {option}"
