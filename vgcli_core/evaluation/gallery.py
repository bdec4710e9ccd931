"""Which answers a page shows: the best and the worst, of several scenes and kinds, and some that nobody could read.

The same scores give the same choice: what is equal is ordered by id.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil
from typing import NamedTuple

from vgcli_core.data.sample import Sample
from vgcli_core.drawing.cards import Card
from vgcli_core.evaluation.answer_card import WITH_BOXES, answer_card, answered_boxes
from vgcli_core.evaluation.report import SampleScore
from vgcli_core.evaluation.results import Result
from vgcli_core.geometry.boxes import as_array
from vgcli_core.geometry.camera import project

PICTURES = 720  # pixels, width of a card's pictures together; a card is about 100 KB

_POOL = (
    3  # times as many answers as are shown are looked at for other scenes, or a tenth of all; at most the better half
)
_DIGITS = 2  # of a score; what is equal so far is chosen for what there is to see
_SPREAD = 3  # at most a third of the shown ones are of one scene, and of one kind of question, if there are others


class Shelf(NamedTuple):
    """Answers to show together, under a title."""

    title: str
    scores: tuple[SampleScore, ...]


def shelves(result: Result, count: int) -> list[Shelf]:
    """Return up to `count` best and as many worst answers, and half as many of those that could not be read."""
    read = [one for one in result.report.samples if not (one.unparsed or one.failed)]
    lost = [one for one in result.report.samples if one.unparsed or one.failed]
    plain = {one.id for one in read if _is_plain(result, one)}
    values = {_rounded(one) for one in read}
    best = spread(sorted(read, key=lambda one: (-_rounded(one), one.id in plain, one.id)), result.samples, count)
    found = [Shelf("Best answers", best)]
    if len(values) == 1:
        found = [Shelf(f"Examples: every answer that could be read scores {values.pop():.2f}", best)]
    elif len(read) > 1:
        rest = sorted(set(read) - set(best), key=lambda one: (_rounded(one), one.id in plain, one.id))
        found.append(Shelf("Worst answers", spread(rest[: ceil(len(read) / 2)], result.samples, count)))
    some = spread(sorted(lost, key=lambda one: (bool(one.failed), one.id)), result.samples, ceil(count / 2))
    return [
        shelf for shelf in (*found, Shelf("Answers that could not be read, or not be asked for", some)) if shelf.scores
    ]


def spread(ranked: Sequence[SampleScore], samples: Mapping[str, Sample], count: int) -> tuple[SampleScore, ...]:
    """Return `count` of the first scores, in their order, of several scenes and kinds of question where there are any.

    Args:
        ranked: the most wanted first.
        samples: by id.
        count: how many; fewer where there are fewer.
    """
    pool = list(ranked[: max(min(_POOL * count, len(ranked) // 2), len(ranked) // 10, count, 1)])
    pool += [one for one in ranked[len(pool) :] if _rounded(one) == _rounded(pool[-1])]
    keys = [_crowds(one, samples[one.id]) for one in pool]
    taken: Counter[tuple[str, str]] = Counter()
    left = set(range(len(pool)))
    for _ in range(min(count, len(pool))):
        nearest = min(left, key=lambda place: (sum(taken[key] >= ceil(count / _SPREAD) for key in keys[place]), place))
        left.remove(nearest)
        taken.update(keys[nearest])
    return tuple(one for place, one in enumerate(pool) if place not in left)


def cards(result: Result, shelf: Shelf) -> list[Card]:
    """Return the cards of a shelf, with pictures of PICTURES pixels."""
    return [answer_card(result, one, PICTURES) for one in shelf.scores]


def _crowds(score: SampleScore, sample: Sample) -> list[tuple[str, str]]:
    """Return what others of a shelf should not all have in common with an answer."""
    keys = [
        ("task", sample.task),
        ("scene", sample.scene),
        ("kind", f"{sample.task} {sample.question_type}" if sample.question_type else ""),
        ("why", score.failed or score.unparsed),
    ]
    return [key for key in keys if key[1]]


def _rounded(score: SampleScore) -> float:
    return round(score.value, _DIGITS)


def _is_plain(result: Result, score: SampleScore) -> bool:
    """Tell whether the large frame of an answer's card would show no box of the model, where others do."""
    sample = result.samples[score.id]
    if sample.task not in WITH_BOXES or sample.cameras is None:
        return False
    centers = as_array([one.box for one in answered_boxes(sample, result.items[score.id])])[:, :3]
    pixels, _ = project(centers, sample.cameras.intrinsics)
    # A principal point is near the middle of a picture.
    return not ((pixels > 0) & (pixels < 2 * sample.cameras.intrinsics[:2, 2])).all(axis=1).any()
