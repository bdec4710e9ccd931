"""Two sets of answers to the same questions: the paired difference of every score, and which samples changed.

Both are scored on the samples they share, and every bootstrap replicate draws the same scenes for both, so what the
two have in common (hard scenes) cancels out of the difference.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vgcli_core.errors import PredictionsError
from vgcli_core.evaluation.benchmark import Benchmark, Extras, Item, T
from vgcli_core.evaluation.metrics.tally import Metric, Tally, interval, replicate

SCHEMA = "vgllm.comparison/1"
_CHANGED = 1e-9


@dataclass(frozen=True, slots=True)
class Gain:
    """The difference of one score, second minus first.

    `ci95` is the paired bootstrap interval and `p` the two-sided bootstrap probability of a difference on the other
    side of 0 (at least 1 / replicates); both None with fewer than two groups.
    """

    metric: str
    of: str
    first: float | None
    second: float | None
    gain: float | None
    ci95: tuple[float, float] | None
    p: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """A sample whose own score differs: from `first` to `second`, in [0, 1]."""

    id: str
    first: float
    second: float
    first_text: str
    second_text: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs on the samples they share.

    Attributes:
        headline: the metrics that count first.
        only_first, only_second: how many samples only one of them has; they are left out.
        better, worse, equal: how many shared samples the second scores higher, lower and the same on.
        changes: all samples that differ, the largest change first.
        notes: remarks on either file, and those of the scores, marked "first" or "second".
    """

    benchmark: str
    protocol: str
    headline: tuple[str, ...]
    n: int
    groups: int
    only_first: int
    only_second: int
    gains: tuple[Gain, ...]
    better: int
    worse: int
    equal: int
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the comparison as JSON, schema `SCHEMA`."""
        found: dict[str, Any] = {"schema": SCHEMA, **asdict(self)}
        return json.dumps(found, indent=1, allow_nan=False) + "\n"


def compare(
    benchmark: Benchmark[T],
    first: Sequence[Item[T]],
    second: Sequence[Item[T]],
    extras: Extras | None = None,
    notes: Sequence[str] = (),
) -> Comparison:
    """Compare two sets of answers by the published rules.

    Raises:
        PredictionsError: they share no sample, or one sample has two truths.
    """
    ones, others = ({item.id: item for item in items} for items in (first, second))
    shared = sorted(ones.keys() & others.keys())
    if not shared:
        raise PredictionsError("the two files share no sample id", fix="compare runs of one benchmark on the same data")
    for key in shared:
        if ones[key].truth != others[key].truth:
            raise PredictionsError(
                f"sample {key!r} has another truth in each file", fix="score both against one --truth FILE"
            )
    protocol, rules = next(iter(benchmark.protocols.items()))
    groups = [ones[key].truth.group() for key in shared]
    one, other = (rules([items[key] for key in shared], extras or Extras()) for items in (ones, others))
    moved = other.values - one.values
    changed = [i for i in np.argsort(-np.abs(moved), kind="stable") if abs(moved[i]) > _CHANGED]
    return Comparison(
        benchmark=benchmark.name,
        protocol=protocol,
        headline=benchmark.headline,
        n=len(shared),
        groups=len(set(groups)),
        only_first=len(ones) - len(shared),
        only_second=len(others) - len(shared),
        gains=_gains(one.tally, other.tally, groups),
        better=int((moved > _CHANGED).sum()),
        worse=int((moved < -_CHANGED).sum()),
        equal=len(shared) - len(changed),
        changes=tuple(
            Change(key, float(one.values[i]), float(other.values[i]), ones[key].text, others[key].text)
            for i in changed
            for key in (shared[i],)
        ),
        notes=(
            *notes,
            *(f"{place}: {note}" for place, run in (("first", one), ("second", other)) for note in run.notes),
        ),
    )


def _gains(one: Tally, other: Tally, groups: Sequence[str]) -> tuple[Gain, ...]:
    places = {(metric.name, metric.of): place for place, metric in enumerate(other.metrics)}
    pairs = [
        (metric, left, places[metric.name, metric.of])
        for left, metric in enumerate(one.metrics)
        if (metric.name, metric.of) in places
    ]
    # The same seed and groups draw the same scenes for both.
    drawn, drawn_other = replicate(one, groups), replicate(other, groups)
    before, after = one.scores(), other.scores()
    return tuple(
        _gain(metric, before[left], after[right], drawn_other[:, right] - drawn[:, left])
        for metric, left, right in pairs
    )


def _gain(metric: Metric, before: float, after: float, drawn: "np.ndarray[Any, np.dtype[np.float64]]") -> Gain:
    known = np.isfinite(before) and np.isfinite(after)
    drawn = drawn[np.isfinite(drawn)]
    ends, p = None, None
    if known and len(drawn):
        low, high = interval(drawn[:, None])[0]
        ends = (float(low), float(high))
        beyond = min((drawn <= 0).mean(), (drawn >= 0).mean())
        p = float(min(1.0, max(2 * beyond, 1 / len(drawn))))
    return Gain(
        metric.name,
        metric.of,
        float(before) if np.isfinite(before) else None,
        float(after) if np.isfinite(after) else None,
        float(after - before) if known else None,
        ends,
        p,
    )
