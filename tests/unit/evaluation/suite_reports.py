"""Reports as a run of the suite would give them, with the scores that a test names."""

from collections.abc import Mapping

from vgcli_core.evaluation.benchmarks import BENCHMARKS
from vgcli_core.evaluation.report import Report, Rules, Scored
from vgcli_core.evaluation.suite import suite_benchmarks
from vgcli_core.evaluation.suite_roles import ROLES


def report(
    name: str,
    scores: Mapping[tuple[str, str], float],
    *,
    n: int = 1000,
    notes: tuple[str, ...] = (),
    failed: Mapping[str, int] | None = None,
    unparsed: Mapping[str, int] | None = None,
    cut_off: int = 0,
) -> Report:
    """Return a report with scores by (metric, of), each with an interval of 1 point to either side."""
    benchmark = BENCHMARKS[name]
    scored = tuple(Scored(metric, of, value, (value - 0.01, value + 0.01), n) for (metric, of), value in scores.items())
    return Report(
        benchmark=name,
        title=benchmark.title,
        n=n,
        groups=10,
        rules=(Rules("published", "", scored, dict(unparsed or {}), {}, ()),),
        headline=benchmark.headline,
        published=benchmark.published,
        oracle={},
        silent={},
        notes=notes,
        failed=dict(failed or {}),
        cut_off=cut_off,
    )


def whole(name: str) -> int:
    """Return how many samples the whole of a benchmark has, 2,068 for Scan2Cap, which states it elsewhere."""
    return 2068 if name == "scan2cap" else (BENCHMARKS[name].sizes or (1000,))[0]


def shifted(role: str, by: float) -> dict[str, Report]:
    """Return the reports of a role that scores `by` (a fraction) more than is published of its size everywhere."""
    size = ROLES[role].size
    return {
        name: report(
            name,
            {(one.metric, one.of): one.values[size] + by for one in BENCHMARKS[name].published if size in one.values},
            n=whole(name),
        )
        for name in suite_benchmarks([role])[role]
    }
