"""A report as rows of tables for people, and its numbers as text: in percent, for the terminal and for pages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # the command line imports this file at its start
    from vgcli_core.evaluation.benchmark import Published
    from vgcli_core.evaluation.report import Report, Rules, Scored

UNDEFINED = "-"
ABSENT = "absent from these scenes; counts as 0 by the published rules"


class ClassTable(NamedTuple):
    """Scores of classes or question types that have the same metrics: by name of the class, then of the metric."""

    metrics: tuple[str, ...]
    rows: "Mapping[str, Mapping[str, Scored]]"


def percent(value: float | None, digits: int = 2) -> str:
    """Return a fraction in percent, without a sign."""
    return UNDEFINED if value is None else f"{100 * value + 0.0:.{digits}f}"


def ends(interval: tuple[float, float] | None) -> str:
    """Return the ends of an interval in percent."""
    return UNDEFINED if interval is None else f"{percent(interval[0], 1)} to {percent(interval[1], 1)}"


def shown(score: "Scored") -> str:
    """Return a score in percent, without a sign, or in its own unit."""
    if not score.unit or score.value is None:
        return percent(score.value)
    return f"{score.value:.2f} {score.unit}"


def shown_ends(score: "Scored") -> str:
    """Return the ends of a score's interval, in percent or in its own unit."""
    if not score.unit or score.ci95 is None:
        return ends(score.ci95)
    return f"{score.ci95[0]:.2f} to {score.ci95[1]:.2f}"


def models(report: "Report") -> list[str]:
    """Return the models that numbers are published of."""
    return list(dict.fromkeys(model for number in report.published for model in number.values))


def published(report: "Report", metric: str, of: str = "") -> "Published | None":
    """Return what is published of a score, None for nothing."""
    return next((one for one in report.published if (one.metric, one.of) == (metric, of)), None)


def more_scores(report: "Report") -> "list[Scored]":
    """Return the scores of the whole benchmark that are not its headline, by the published rules."""
    return [score for score in report.rules[0].scores if not score.of and score.metric not in report.headline]


def class_tables(rules: "Rules") -> list[ClassTable]:
    """Return the scores of classes and question types, in one table where they share their metrics."""
    by_class: dict[str, dict[str, Scored]] = {}
    for score in rules.scores:
        if score.of:
            by_class.setdefault(score.of, {})[score.metric] = score
    shapes: dict[tuple[str, ...], dict[str, dict[str, Scored]]] = {}
    for name, scores in by_class.items():
        shapes.setdefault(tuple(scores), {})[name] = scores
    return [ClassTable(metrics, rows) for metrics, rows in shapes.items()]


def shared_word(metrics: Sequence[str]) -> str:
    """Return the first word of all names, with its blank, where they have one in common: of rooms it is the task."""
    words = {metric.partition(" ")[0] + " " for metric in metrics if " " in metric}
    return words.pop() if len(words) == 1 and all(" " in metric for metric in metrics) else ""


def counts_as_absent(scores: "Mapping[str, Scored]") -> bool:
    """Return whether a class has scores although no sample is behind them."""
    return all(score.n == 0 for score in scores.values()) and any(score.value is not None for score in scores.values())


def why_no_headline(report: "Report") -> tuple[str, ...]:
    """Return why a report has no headline score at all, nothing where it has one."""
    rules = report.rules[0]
    if any(rules.get(metric) for metric in report.headline):
        return ()
    return rules.notes or (f"nothing to work out {', '.join(report.headline)} from",)


def of_groups(report: "Report") -> str:
    """Return how many samples of how many scenes or videos there are."""
    samples = f"{report.n:,} sample{'' if report.n == 1 else 's'}"
    return f"{samples} of {report.groups:,} {'scene or video' if report.groups == 1 else 'scenes or videos'}"


def counts(rules: "Rules") -> Iterator[tuple[str, int]]:
    """Yield what else is counted, where there is any."""
    return ((name, count) for name, count in rules.counts.items() if count)


def notes(report: "Report") -> list[str]:
    """Return what a reader should know in words, each remark once."""
    return list(dict.fromkeys((*report.notes, *(note for rules in report.rules for note in rules.notes))))


def score_range(report: "Report") -> str:
    """Return what perfect and empty answers would score."""

    def spoken(numbers: Mapping[str, float]) -> str:
        return ", ".join(f"{name} {percent(numbers[name])}" for name in report.headline if name in numbers) or "unknown"

    return f"perfect answers would score {spoken(report.oracle)}; empty ones {spoken(report.silent)}"
