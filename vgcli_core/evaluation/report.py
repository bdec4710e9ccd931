"""The report of one benchmark: every score with its interval, under every set of rules, beside the published numbers.

Pure: it takes items and returns data. Scores are fractions here and in the file (CIDEr may exceed 1); only tables for
people multiply by 100. `report.json` holds everything a table shows and more; its form is `SCHEMA`.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

from vgcli_core.evaluation.benchmark import Benchmark, Extras, Item, Outcome, Published, T
from vgcli_core.evaluation.metrics.tally import REPLICATES, SEED

SCHEMA = "vgllm.report/1"


@dataclass(frozen=True, slots=True)
class Scored:
    """One score.

    Attributes:
        metric: its name; `of`: the class or question type, "" for the whole benchmark.
        value: None where it is undefined, for example a mean over no samples.
        ci95: the ends of the bootstrap interval, or None where there are fewer than two groups.
        n: samples behind it.
        unit: of a score that is no fraction, for example "m"; "" for fractions.
    """

    metric: str
    of: str
    value: float | None
    ci95: tuple[float, float] | None
    n: int
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything one set of rules says.

    Attributes:
        name: of the rules: "published", "corrected", ...
        differs: how they differ from the published ones.
        scores: headline metrics first.
        unparsed: why answers could not be read, with how many; empty where all could.
        counts: what else to know, by name.
        notes: the same in words.
    """

    name: str
    differs: str
    scores: tuple[Scored, ...]
    unparsed: dict[str, int]
    counts: dict[str, int]
    notes: tuple[str, ...]

    def get(self, metric: str, of: str = "") -> Scored | None:
        """Return a score by name, or None."""
        return next((score for score in self.scores if (score.metric, score.of) == (metric, of)), None)


class SampleScore(NamedTuple):
    """How good one answer is by itself, by the published rules; why it could not be read, or not be asked, else ""."""

    id: str
    value: float
    unparsed: str
    failed: str


@dataclass(frozen=True, slots=True)
class Report:
    """The scores of one file of predictions on one benchmark; `to_json` is its documented form.

    Attributes:
        rules: the published ones first.
        oracle: what perfect answers would score by the published rules, by headline metric.
        silent: what empty answers would score.
        groups: how many scenes or videos the samples are of; they are what the bootstrap draws.
        source: the file that was scored: name, sha256, samples without prediction, predictions without truth.
        versions: of this package and of what computed with it.
        failed: why samples could not be asked, with how many; they count as empty answers.
        cut_off: how many answers ended at the limit of their tokens.
        samples: by id; not part of the JSON.
    """

    benchmark: str
    title: str
    n: int
    groups: int
    rules: tuple[Rules, ...]
    headline: tuple[str, ...]
    published: tuple[Published, ...]
    oracle: dict[str, float]
    silent: dict[str, float]
    notes: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    cut_off: int = 0
    samples: tuple[SampleScore, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return {
            "schema": SCHEMA,
            "benchmark": self.benchmark,
            "title": self.title,
            "units": "fractions (CIDEr may exceed 1) where no unit is given; the papers print them times 100",
            "n": self.n,
            "groups": self.groups,
            "bootstrap": {"replicates": REPLICATES, "seed": SEED, "drawn": "groups (scenes or videos)"},
            "headline": list(self.headline),
            "protocols": {one.name: {k: v for k, v in asdict(one).items() if k != "name"} for one in self.rules},
            "published": [asdict(one) for one in self.published],
            "range": {"oracle": self.oracle, "silent": self.silent},
            "failed": self.failed,
            "cut_off": self.cut_off,
            "notes": list(self.notes),
            "predictions": dict(self.source),
            "versions": dict(self.versions),
        }

    def to_json(self) -> str:
        """Return the report as JSON; undefined numbers are null."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"


def report_of(plain: Mapping[str, Any]) -> Report:
    """Return the report that `to_dict` gave, without its samples.

    Raises:
        KeyError, TypeError: the dict is of another form.
    """
    rules = (
        Rules(
            name,
            scores=tuple(
                Scored(**{**one, "ci95": None if one["ci95"] is None else tuple(one["ci95"])})
                for one in said.pop("scores")
            ),
            notes=tuple(said.pop("notes")),
            **said,
        )
        for name, said in ((name, dict(found)) for name, found in plain["protocols"].items())
    )
    return Report(
        rules=tuple(rules),
        headline=tuple(plain["headline"]),
        published=tuple(Published(**one) for one in plain["published"]),
        notes=tuple(plain["notes"]),
        source=plain["predictions"],
        **plain["range"],
        **{name: plain[name] for name in ("benchmark", "title", "n", "groups", "versions", "failed", "cut_off")},
    )


def score(
    benchmark: Benchmark[T],
    items: Sequence[Item[T]],
    extras: Extras | None = None,
    *,
    source: Mapping[str, Any] | None = None,
    versions: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    failed: Mapping[str, str] | None = None,
    cut_off: Collection[str] = (),
) -> Report:
    """Score items under every set of rules of a benchmark.

    Args:
        benchmark: which.
        items: at least one; their order does not matter.
        extras: what some scores need beside the answers.
        source: kept in the report.
        versions: kept in the report.
        notes: remarks on the input, kept in the report before the benchmark's own.
        failed: why samples could not be asked, by id.
        cut_off: ids of answers that ended at the limit of their tokens.
    """
    items = sorted(items, key=lambda item: item.id)
    groups = [item.truth.group() for item in items]
    outcomes = {name: rules(items, extras or Extras()) for name, rules in benchmark.protocols.items()}
    span = benchmark.range([item.truth for item in items])
    first = next(iter(outcomes.values()))
    problems = failed or {}

    def without(outcome: Outcome) -> Outcome:
        """Count what could not be asked as that alone, and not as unread too."""
        unread = zip(items, outcome.unparsed, strict=True)
        return replace(outcome, unparsed=tuple("" if item.id in problems else why for item, why in unread))

    return Report(
        benchmark=benchmark.name,
        title=benchmark.title,
        n=len(items),
        groups=len(set(groups)),
        rules=tuple(_rules(name, benchmark, without(outcome), groups) for name, outcome in outcomes.items()),
        headline=benchmark.headline,
        published=benchmark.published,
        oracle=dict(span.oracle),
        silent=dict(span.silent),
        notes=(*notes, *benchmark.inspect(items), *_size_note(benchmark, len(items))),
        source=source or {},
        versions=versions or {},
        failed=_counted(problems.values()),
        cut_off=len(cut_off),
        samples=tuple(
            SampleScore(item.id, float(value), why, problems.get(item.id, ""))
            for item, value, why in zip(items, first.values, without(first).unparsed, strict=True)
        ),
    )


def _size_note(benchmark: Benchmark[T], n: int) -> tuple[str, ...]:
    if not benchmark.sizes or n in benchmark.sizes:
        return ()
    whole = f"{benchmark.sizes[0]:,}"
    return (f"a part of the benchmark: {n:,} samples, the whole has {whole}; published numbers are of the whole",)


def _rules(name: str, benchmark: Benchmark[T], outcome: Outcome, groups: Sequence[str]) -> Rules:
    values, ends = outcome.tally.scores(), outcome.tally.intervals(groups)
    scores = [
        Scored(
            metric.name,
            metric.of,
            _number(value),
            _interval(low, high),
            metric.n,
            benchmark.units.get(metric.name, ""),
        )
        for metric, value, (low, high) in zip(outcome.tally.metrics, values, ends, strict=True)
    ]
    order = {metric: place for place, metric in enumerate(benchmark.headline)}
    scores.sort(key=lambda one: (one.of != "", order.get(one.metric, len(order)) if not one.of else 0))
    return Rules(
        name,
        benchmark.differs.get(name, ""),
        tuple(scores),
        _counted(outcome.unparsed),
        dict(outcome.counts),
        tuple(outcome.notes),
    )


def _counted(reasons: Iterable[str]) -> dict[str, int]:
    """Return how often each reason is given, the most frequent first."""
    counts = Counter(reason for reason in reasons if reason)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _interval(low: float, high: float) -> tuple[float, float] | None:
    return (float(low), float(high)) if math.isfinite(low) and math.isfinite(high) else None
