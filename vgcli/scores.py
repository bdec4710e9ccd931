"""Reports and comparisons as tables for people: percent, 80 columns, no colour needed. Pure: prints nothing."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vgcli.readable import one_line
from vgcli.sheets import Sheet
from vgcli_core.evaluation import tables
from vgcli_core.evaluation.tables import UNDEFINED, ends, percent

if TYPE_CHECKING:
    from vgcli_core.evaluation.benchmark import AnyBenchmark
    from vgcli_core.evaluation.compare import Comparison
    from vgcli_core.evaluation.report import Report, Rules

_MOST_CHANGES = 8
_MOST_REASONS = 5


def report(found: "Report") -> Iterator[RenderableType]:
    """Yield the headline table, what could not be read, and a table for classes or question types."""
    yield Text(f"{one_line(found.benchmark)}: {one_line(found.title)}", style="bold")
    yield Text(f"{tables.of_groups(found)}; percent, with 95 % bootstrap intervals")
    missing = tables.why_no_headline(found)
    yield Text(f"no score: {one_line('; '.join(missing))}", style="bold") if missing else _headline(found)
    yield from _remarks(found)
    yield from _more(found)
    yield from _rows(found)


def overview(found: Sequence["Report"]) -> Iterator[RenderableType]:
    """Yield one table with the headlines of several benchmarks, and what each reader must know of them."""
    models = list(dict.fromkeys(model for one in found for model in tables.models(one)))
    papers = [f"paper {model}" for model in models]
    table = Sheet("benchmark", "score", "found", "95 % interval", "n", *papers, names=("score",), kept=("n",))
    for one in found:
        if tables.why_no_headline(one):
            name = Text(one.benchmark, style="bold")
            table.add_row(name, "no score", UNDEFINED, UNDEFINED, f"{one.n:,}", *[""] * len(models))
        for place, metric in enumerate(one.headline):
            score, known = one.rules[0].get(metric), tables.published(one, metric)
            if score is None:
                continue
            numbers = [percent(known.values.get(model), 1) if known else "" for model in models]
            name = Text(one.benchmark if place == 0 else "", style="bold")
            table.add_row(name, metric, tables.shown(score), tables.shown_ends(score), f"{score.n:,}", *numbers)
    yield table
    for one in found:
        unread = sum(one.rules[0].unparsed.values())
        counts = ((unread, "not read"), (sum(one.failed.values()), "not asked"), (one.cut_off, "cut off"))
        said = [f"{count:,} {what}" for count, what in counts if count]
        remarks = [one_line(note) for note in (*tables.why_no_headline(one), *one.notes)]
        if said or remarks:
            yield Text(f"{one.benchmark}: {'; '.join([*said, *remarks])}")
    yield Text(f"percent, by the {found[0].rules[0].name} rules; everything else is in the report", style="dim")


def comparison(found: "Comparison") -> Iterator[RenderableType]:
    """Yield the differences of all scores of the whole benchmark, and the samples that changed most."""
    yield Text(f"{one_line(found.benchmark)}, {found.protocol} rules: {found.n:,} shared samples", style="bold")
    left_out = found.only_first + found.only_second
    if left_out:
        yield Text(
            f"left out: {found.only_first:,} samples only in the first, {found.only_second:,} only in the second"
        )
    table = Sheet("score", "first", "second", "gain", "95 % interval", "p")
    shown = [gain for gain in found.gains if gain.metric in found.headline and not gain.of] or found.gains
    for gain in shown:
        name = f"{gain.metric}: {gain.of}" if gain.of else gain.metric
        chance = "-" if gain.p is None else f"{gain.p:.3f}"
        table.add_row(
            Text(one_line(name)),
            percent(gain.first),
            percent(gain.second),
            _signed(gain.gain),
            ends(gain.ci95),
            chance,
        )
    yield table
    if len(shown) < len(found.gains):
        yield Text(f"{len(found.gains) - len(shown)} more scores with --json", style="dim")
    yield Text(f"better {found.better:,}, worse {found.worse:,}, equal {found.equal:,} samples")
    for note in found.notes:
        yield Text(f"note: {one_line(note)}")
    if found.changes:
        changes = Sheet("sample", "first", "second")
        for change in found.changes[:_MOST_CHANGES]:
            changes.add_row(Text(one_line(change.id)), f"{change.first:.2f}", f"{change.second:.2f}")
        yield changes
    if len(found.changes) > _MOST_CHANGES:
        yield Text(f"and {len(found.changes) - _MOST_CHANGES:,} more samples that differ (all of them with --json)")


def listing(benchmarks: Sequence["AnyBenchmark"]) -> Iterator[RenderableType]:
    """Yield a table of all benchmarks with the paper's first headline number."""
    table = Sheet("name", "what", "headline", "4B", "8B", names=("what", "headline"))
    for one in benchmarks:
        known = next((number for number in one.published if number.metric == one.headline[0] and not number.of), None)
        models = known.values if known else {}
        table.add_row(one.name, one.title, one.headline[0], *(percent(models.get(model), 1) for model in ("4B", "8B")))
    yield table
    yield Text(
        "4B and 8B: percent, arXiv 2505.24625v3. vgllm eval NAME --example prints lines to start from.", style="dim"
    )


def _headline(found: "Report") -> Sheet:
    models = tables.models(found)
    papers = [f"paper {model}" for model in models]
    table = Sheet("score", "rules", "found", "95 % interval", *papers, names=("rules",))
    for metric in found.headline:
        for place, rules in enumerate(found.rules):
            score = rules.get(metric)
            if score is None:
                continue
            known = tables.published(found, metric) if place == 0 else None
            numbers = [percent(known.values.get(model), 1) if known else "" for model in models]
            name = Text(metric if place == 0 else "", style="bold")
            style = "bold" if place == 0 else "dim"
            table.add_row(name, rules.name, Text(tables.shown(score), style=style), tables.shown_ends(score), *numbers)
    return table


def _more(found: "Report") -> Iterator[RenderableType]:
    """Yield the scores of the whole benchmark that are not its headline."""
    more = tables.more_scores(found)
    if not more:
        return
    models = tables.models(found)
    papers = [f"paper {model}" for model in models]
    table = Sheet(f"more, {found.rules[0].name} rules", "found", "95 % interval", *papers)
    for score in more:
        known = tables.published(found, score.metric)
        numbers = [percent(known.values.get(model), 1) if known else "" for model in models]
        table.add_row(Text(one_line(score.metric)), tables.shown(score), tables.shown_ends(score), *numbers)
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
    grid.add_row("range", Text(tables.score_range(found)))
    for rules in found.rules:
        for name, count in tables.counts(rules):
            grid.add_row("count", Text(f"{rules.name}: {count:,} {one_line(name)}"))
    for note in tables.notes(found):
        grid.add_row("note", Text(one_line(note)))
    yield grid


def _rows(found: "Report") -> Iterator[RenderableType]:
    """Yield one table for each group of classes or types that share their metrics, by the published rules."""
    rules = found.rules[0]
    for metrics, rows in tables.class_tables(rules):
        known = {name: [tables.published(found, metric, name) for metric in metrics] for name in rows}
        has_paper = any(number for numbers in known.values() for number in numbers)
        task = tables.shared_word(metrics)
        headings = [metric.removeprefix(task) for metric in metrics]
        table = Sheet("of", "n", *headings, *(("paper 4B",) if has_paper else ()), kept=("n",))
        for name, scores in rows.items():
            paper = next((number.values.get("4B") for number in known[name] if number), None)
            values = [tables.shown(scores[metric]) for metric in metrics]
            tail = (percent(paper, 1),) if has_paper else ()
            table.add_row(Text(one_line(name)), f"{max(s.n for s in scores.values()):,}", *values, *tail)
        yield Padding(Text(f"{task}{rules.name} rules", style="dim"), (1, 0, 0, 0))
        yield table
        if any(tables.counts_as_absent(scores) for scores in rows.values()):
            yield Text(f"n = 0: {tables.ABSENT}", style="dim")


def _unparsed(rules: "Rules", n: int) -> str:
    return _counted(rules.unparsed, n) if rules.unparsed else "every answer could be read"


def _counted(found: dict[str, int], n: int) -> str:
    reasons = [f"{one_line(reason)} {count:,}" for reason, count in list(found.items())[:_MOST_REASONS]]
    if len(found) > _MOST_REASONS:
        reasons.append(f"{len(found) - _MOST_REASONS} more reasons with --json")
    return f"{sum(found.values()):,} of {n:,} answers ({', '.join(reasons)})"


def _signed(value: float | None) -> str:
    return UNDEFINED if value is None else f"{100 * value:+.2f}"
