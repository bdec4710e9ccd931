"""Reports and comparisons as tables for people: percent, 80 columns, no colour needed. Pure: prints nothing."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vgcli.readable import one_line

if TYPE_CHECKING:
    from vgcli_core.evaluation.benchmark import AnyBenchmark, Published
    from vgcli_core.evaluation.compare import Comparison
    from vgcli_core.evaluation.report import Report, Rules, Scored

_MOST_CHANGES = 8
_MOST_REASONS = 5


def report(found: "Report") -> Iterator[RenderableType]:
    """Yield the headline table, what could not be read, and a table for classes or question types."""
    yield Text(f"{one_line(found.benchmark)}: {one_line(found.title)}", style="bold")
    yield Text(f"{_of_groups(found)}; percent, with 95 % bootstrap intervals")
    yield _headline(found)
    yield from _remarks(found)
    yield from _more(found)
    yield from _rows(found)


def comparison(found: "Comparison") -> Iterator[RenderableType]:
    """Yield the differences of all scores of the whole benchmark, and the samples that changed most."""
    yield Text(f"{one_line(found.benchmark)}, {found.protocol} rules: {found.n:,} shared samples", style="bold")
    left_out = found.only_first + found.only_second
    if left_out:
        yield Text(
            f"left out: {found.only_first:,} samples only in the first, {found.only_second:,} only in the second"
        )
    table = _table("score", "first", "second", "gain", "95 % interval", "p")
    shown = [gain for gain in found.gains if gain.metric in found.headline and not gain.of] or found.gains
    for gain in shown:
        name = f"{gain.metric}: {gain.of}" if gain.of else gain.metric
        chance = "-" if gain.p is None else f"{gain.p:.3f}"
        table.add_row(
            Text(one_line(name)),
            _percent(gain.first),
            _percent(gain.second),
            _signed(gain.gain),
            _ends(gain.ci95),
            chance,
        )
    yield table
    if len(shown) < len(found.gains):
        yield Text(f"{len(found.gains) - len(shown)} more scores with --json", style="dim")
    yield Text(f"better {found.better:,}, worse {found.worse:,}, equal {found.equal:,} samples")
    for note in found.notes:
        yield Text(f"note: {one_line(note)}")
    if found.changes:
        changes = _table("sample", "first", "second")
        for change in found.changes[:_MOST_CHANGES]:
            changes.add_row(Text(one_line(change.id)), f"{change.first:.2f}", f"{change.second:.2f}")
        yield changes
    if len(found.changes) > _MOST_CHANGES:
        yield Text(f"and {len(found.changes) - _MOST_CHANGES:,} more samples that differ (all of them with --json)")


def listing(benchmarks: Sequence["AnyBenchmark"]) -> Iterator[RenderableType]:
    """Yield a table of all benchmarks with the paper's first headline number."""
    table = _table("name", "what", "headline", "4B", "8B")
    for one in benchmarks:
        known = next((number for number in one.published if number.metric == one.headline[0] and not number.of), None)
        models = known.values if known else {}
        table.add_row(one.name, one.title, one.headline[0], *(_percent(models.get(model), 1) for model in ("4B", "8B")))
    yield table
    yield Text(
        "4B and 8B: percent, arXiv 2505.24625v3. vgllm eval NAME --example prints lines to start from.", style="dim"
    )


def _headline(found: "Report") -> Table:
    models = _models(found)
    table = _table("score", "rules", "found", "95 % interval", *(f"paper {model}" for model in models))
    for metric in found.headline:
        for place, rules in enumerate(found.rules):
            score = rules.get(metric)
            if score is None:
                continue
            known = _published(found, metric, "") if place == 0 else None
            numbers = [_percent(known.values.get(model), 1) if known else "" for model in models]
            name = Text(metric if place == 0 else "", style="bold")
            style = "bold" if place == 0 else "dim"
            table.add_row(name, rules.name, Text(_percent(score.value), style=style), _ends(score.ci95), *numbers)
    return table


def _more(found: "Report") -> Iterator[RenderableType]:
    """Yield the scores of the whole benchmark that are not its headline."""
    more = [score for score in found.rules[0].scores if not score.of and score.metric not in found.headline]
    if not more:
        return
    models = _models(found)
    table = _table(
        f"more, {found.rules[0].name} rules", "found", "95 % interval", *(f"paper {model}" for model in models)
    )
    for score in more:
        known = _published(found, score.metric, "")
        numbers = [_percent(known.values.get(model), 1) if known else "" for model in models]
        table.add_row(Text(one_line(score.metric)), _percent(score.value), _ends(score.ci95), *numbers)
    yield table


def _remarks(found: "Report") -> Iterator[RenderableType]:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="cyan")
    grid.add_column(overflow="fold")
    for rules in found.rules:
        grid.add_row("not read", Text(f"{rules.name}: {_unparsed(rules, found.n)}"))
    if found.failed:
        grid.add_row("not asked", Text(f"{_counted(found.failed, found.n)}; they count as empty answers"))
    if found.cut_off:
        grid.add_row("cut off", Text(f"{found.cut_off:,} of {found.n:,} answers ended at the limit of their tokens"))
    for rules in found.rules[1:]:
        if rules.differs:
            grid.add_row("rules", Text(f"{rules.name}: {one_line(rules.differs)}"))
    sources = list(dict.fromkeys(number.source for number in found.published))
    if sources:
        grid.add_row("paper", Text("; ".join(sources)))
    grid.add_row("range", Text(_range(found)))
    for rules in found.rules:
        for name, count in rules.counts.items():
            if count:
                grid.add_row("count", Text(f"{rules.name}: {count:,} {one_line(name)}"))
    said: list[str] = []
    for remark in (*found.notes, *(note for rules in found.rules for note in rules.notes)):
        if remark not in said:
            said.append(remark)
            grid.add_row("note", Text(one_line(remark)))
    yield grid


def _rows(found: "Report") -> Iterator[RenderableType]:
    """Yield one table for each group of classes or types that share their metrics, by the published rules."""
    rules = found.rules[0]
    by_class: dict[str, dict[str, Scored]] = {}
    for score in rules.scores:
        if score.of:
            by_class.setdefault(score.of, {})[score.metric] = score
    shapes: dict[tuple[str, ...], list[str]] = {}
    for name, scores in by_class.items():
        shapes.setdefault(tuple(scores), []).append(name)
    for metrics, names in shapes.items():
        known = {name: [_published(found, metric, name) for metric in metrics] for name in names}
        has_paper = any(number for numbers in known.values() for number in numbers)
        table = _table("of", "n", *metrics, *(("paper 4B",) if has_paper else ()))
        for name in names:
            scores = by_class[name]
            paper = next((number.values.get("4B") for number in known[name] if number), None)
            values = [_percent(scores[metric].value) for metric in metrics]
            tail = (_percent(paper, 1),) if has_paper else ()
            table.add_row(Text(one_line(name)), f"{max(s.n for s in scores.values()):,}", *values, *tail)
        yield Padding(Text(f"{rules.name} rules", style="dim"), (1, 0, 0, 0))
        yield table


def _models(found: "Report") -> list[str]:
    return list(dict.fromkeys(model for number in found.published for model in number.values))


def _of_groups(found: "Report") -> str:
    samples, groups = (
        f"{number:,} {name}{'' if number == 1 else 's'}"
        for number, name in ((found.n, "sample"), (found.groups, "scene or video"))
    )
    return f"{samples} of {groups.replace('scene or videos', 'scenes or videos')}"


def _unparsed(rules: "Rules", n: int) -> str:
    return _counted(rules.unparsed, n) if rules.unparsed else "every answer could be read"


def _counted(found: dict[str, int], n: int) -> str:
    reasons = [f"{one_line(reason)} {count:,}" for reason, count in list(found.items())[:_MOST_REASONS]]
    if len(found) > _MOST_REASONS:
        reasons.append(f"{len(found) - _MOST_REASONS} more reasons with --json")
    return f"{sum(found.values()):,} of {n:,} answers ({', '.join(reasons)})"


def _range(found: "Report") -> str:
    def spoken(numbers: dict[str, float]) -> str:
        return ", ".join(f"{name} {_percent(numbers[name])}" for name in found.headline if name in numbers) or "unknown"

    return f"perfect answers would score {spoken(found.oracle)}; empty ones {spoken(found.silent)}"


def _published(found: "Report", metric: str, of: str) -> "Published | None":
    return next((one for one in found.published if (one.metric, one.of) == (metric, of)), None)


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    for place, heading in enumerate(headings):
        text = place == 0 or heading in ("rules", "what", "headline")
        wraps = heading in ("what", "sample", "of")
        table.add_column(heading, justify="left" if text else "right", overflow="fold", no_wrap=not wraps)
    return table


def _percent(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{100 * value + 0.0:.{digits}f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.2f}"


def _ends(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None else f"{100 * ends[0] + 0.0:.1f} to {100 * ends[1] + 0.0:.1f}"
