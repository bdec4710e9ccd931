"""One score of ours in a table of the paper: as text, with its interval, and against the published number."""

from collections.abc import Callable, Iterator

from vgcli_core.evaluation.benchmarks import BENCHMARKS
from vgcli_core.evaluation.benchmarks.scan2cap import OBJECTS
from vgcli_core.evaluation.report import Report, Scored
from vgcli_core.evaluation.suite_published import Column, Number
from vgcli_core.evaluation.tables import UNDEFINED, percent

PART = "†"  # marks numbers of a part of a benchmark, which compare with nothing published


class Place:
    """Our score in one column of one row, and what the row and the rows below say of it.

    Args:
        column: of the table.
        report: of its benchmark, None where it was not run.
        first: this is the first of the columns with this benchmark, the one that carries its remarks.
    """

    def __init__(self, column: Column, report: Report | None, *, first: bool) -> None:
        self.column = column
        self.report = report
        self.first = first
        self.plain = None if report is None else report.rules[0].get(column.metric, column.of)
        self.refined = None if report is None or not column.refined else report.rules[0].get(column.refined)
        self.part = report is not None and _is_part(report)

    def value(self) -> str:
        """Return the score."""
        if self.report is None:
            return "not run" if self.first else ""
        return self._show(lambda score: percent(score.value, 1)) + (PART if self.part else "")

    def interval(self) -> str:
        """Return the ends of its 95 % interval."""
        return self._show(_interval)

    def n(self) -> str:
        """Return how many samples are behind it."""
        return "" if self.plain is None else f"{self.plain.n:,}"

    def difference(self, published: Number) -> str:
        """Return ours minus the published number, "" where there is none."""
        plain = _difference(self.plain, published.plain)
        refined = _difference(self.refined, published.refined)
        if plain is None:
            return ""
        return f"{plain:+.1f}" + ("" if refined is None else f" ({refined:+.1f})") + (PART if self.part else "")

    def remark(self, role: str) -> str:
        """Return what a reader should know of the benchmark's scores, "" for nothing."""
        if self.report is None or not self.first:
            return ""
        found = list(_remarks(self.report))
        if self.column.refined and self.refined is None:
            found.append(f"not refined, which needs {BENCHMARKS[self.report.benchmark].needs['proposals']}")
        return f"{role}, {self.report.benchmark}: {'; '.join(found)}" if found else ""

    def _show(self, text: Callable[[Scored], str]) -> str:
        if self.plain is None:
            return UNDEFINED if self.report else ""
        return text(self.plain) + (f" ({text(self.refined)})" if self.refined else "")


def as_printed(number: Number) -> str:
    """Return a published number as the paper prints it."""
    if number.plain is None:
        return UNDEFINED
    return f"{number.plain:.1f}" + ("" if number.refined is None else f" ({number.refined:.1f})")


def points(score: Scored | None) -> float | None:
    """Return a score in percent, as printed; None where there is none or it is undefined."""
    return None if score is None or score.value is None else round(100 * score.value, 1)


def _is_part(report: Report) -> bool:
    # How rare a word is counts over all objects, so Scan2Cap has no valid parts.
    sizes = (OBJECTS,) if report.benchmark == "scan2cap" else BENCHMARKS[report.benchmark].sizes
    return bool(sizes and report.n not in sizes) or any(note.startswith("--limit") for note in report.notes)


def _remarks(report: Report) -> Iterator[str]:
    yield from dict.fromkeys((*report.notes, *report.rules[0].notes))
    for what, reasons in (
        ("samples could not be asked and count as empty answers", report.failed),
        ("answers could not be read", report.rules[0].unparsed),
    ):
        if reasons:
            counted = ", ".join(f"{reason}: {count:,}" for reason, count in reasons.items())
            yield f"{sum(reasons.values()):,} of {report.n:,} {what} ({counted})"
    if report.cut_off:
        yield f"{report.cut_off:,} of {report.n:,} answers ended at the limit of their tokens"


def _difference(ours: Scored | None, published: float | None) -> float | None:
    found = points(ours)
    return None if found is None or published is None else round(found - published, 1) + 0.0


def _interval(score: Scored) -> str:
    low, high = score.ci95 or (None, None)
    return UNDEFINED if low is None else f"{percent(low, 1)}–{percent(high, 1)}"
