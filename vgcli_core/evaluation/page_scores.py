"""The scores of one benchmark as HTML: headline tiles, what was lost, every rule beside the others, classes."""

from collections.abc import Iterator, Mapping

from vgcli_core.drawing.html import cut, text
from vgcli_core.evaluation import tables
from vgcli_core.evaluation.metrics.frame_ceiling import CEILING, IN_VIEW
from vgcli_core.evaluation.page_bars import bar, paper_numbers, scale_of
from vgcli_core.evaluation.report import Report, Rules, Scored
from vgcli_core.evaluation.tables import percent

_REFINED = "refined "
_NONE: Mapping[str, float] = {}


def scores_html(report: Report) -> Iterator[str]:
    """Yield everything that a report says, under headings of level 3."""
    for note in report.notes:
        yield f'<p class="notice" dir="auto">{text(note)}</p>'
    yield from _tiles(report)
    yield from _lost(report)
    yield from _whole(report)
    yield from _classes(report)
    yield from _remarks(report)


def published_values(report: Report, metric: str, of: str = "") -> Mapping[str, float]:
    """Return the published fractions of a score by model, none where nothing is published."""
    known = tables.published(report, metric, of)
    return known.values if known else _NONE


def scroll(label: str, table: str) -> str:
    """Return a table that scrolls by itself where it is wider than the page, with keys as well."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{text(label)}">{table}</div>'


def lost(report: Report) -> Iterator[tuple[int, str]]:
    """Yield how many answers were lost, and how; zeros as well."""
    yield sum(report.rules[0].unparsed.values()), "not read"
    yield sum(report.failed.values()), "not asked"
    yield report.cut_off, "cut off"


def value_cell(score: Scored | None) -> str:
    """Return a cell with a value and its interval, empty where the rules have no such score."""
    if score is None:
        return "<td></td>"
    interval = f'<span class="interval">{tables.shown_ends(score)}</span>' if score.ci95 else ""
    return f"<td>{tables.shown(score)}{interval}</td>"


def paper_cells(values: Mapping[str, float], models: list[str]) -> str:
    """Return a cell for each model, empty where nothing is published."""
    return "".join(f"<td>{percent(values[model], 1) if model in values else ''}</td>" for model in models)


def _tiles(report: Report) -> Iterator[str]:
    """Yield a tile for each headline metric, and for its refined form beside it."""
    rules = report.rules[0]
    names = [name for metric in report.headline for name in (metric, _REFINED + metric)]
    found = [score for name in names if (score := rules.get(name))]
    missing = tables.why_no_headline(report)
    if missing:
        yield f'<p class="notice">No score: {text("; ".join(missing))}</p>'
        return
    yield '<div class="tiles">'
    for score in found:
        known = published_values(report, score.metric)
        interval = f"95 %: {tables.shown_ends(score)}" if score.ci95 else "no interval: fewer than two scenes or videos"
        unit = "<small> %</small>" if score.value is not None and not score.unit else ""
        yield f'<div class="tile"><p class="metric">{text(score.metric)}</p>'
        yield f'<p class="number">{tables.shown(score)}{unit}</p>'
        yield f'<p class="interval">{interval if score.value is not None else "undefined: nothing to average"}</p>'
        yield bar(score, known, scale=scale_of([score], known.values()))
        yield from paper_numbers(known)
        yield "</div>"
    yield "</div>"
    for ceiling in (score for score in rules.scores if CEILING in score.metric and not score.of):
        seen = "in view of a frame (occlusion ignored)" if IN_VIEW in ceiling.metric else "visible in a frame"
        if ceiling.value is not None:
            yield (
                f"<p>Frame ceiling: <b>{percent(ceiling.value)} %</b> of {ceiling.n:,} objects are {seen} that the "
                "model is shown; the others can only be guessed.</p>"
            )
    sources = dict.fromkeys(number.source for number in report.published)
    if sources:
        yield f'<p class="faded">Published numbers: {text("; ".join(sources))}.</p>'


def _lost(report: Report) -> Iterator[str]:
    spoken = {"not read": "could not be read", "not asked": "could not be asked for", "cut off": "were cut off"}
    n = report.n
    items = [f"<li>{text(tables.of_groups(report))}</li>"]
    for count, what in lost(report):
        share = f" ({count / n:.0%})" if count and n else ""
        items.append(f'<li class="{"bad" if count else "good"}">{count:,} of {n:,} {spoken[what]}{share}</li>')
    yield f'<ul class="tags">{"".join(items)}</ul>'
    rows = [(rules.name, reason, count) for rules in report.rules for reason, count in rules.unparsed.items()]
    rows += [("not asked", reason, count) for reason, count in report.failed.items()]
    if rows:
        yield f"<details><summary>Why ({len(rows)} reason{'s' * (len(rows) > 1)})</summary>"
        cells = "".join(
            f'<tr><td class="words">{text(who)}</td><td class="words">{text(cut(why))}</td><td>{count:,}</td></tr>'
            for who, why, count in rows
        )
        head = '<tr><th class="words">rules</th><th class="words">reason</th><th>answers</th></tr>'
        yield scroll("reasons", f"<table><thead>{head}</thead><tbody>{cells}</tbody></table>")
        yield "<p>Answers that could not be read or asked for count as empty ones; none is left out.</p></details>"


def _whole(report: Report) -> Iterator[str]:
    """Yield all scores of the whole benchmark, a column for each set of rules."""
    models = tables.models(report)
    metrics = dict.fromkeys(
        [*report.headline, *(score.metric for rules in report.rules for score in rules.scores if not score.of)]
    )
    yield "<h3>All scores</h3>"
    heads = "".join(f'<th scope="col">{text(rules.name)}</th>' for rules in report.rules)
    heads += "".join(f'<th scope="col">paper {text(model)}</th>' for model in models)
    rows = []
    for metric in metrics:
        found = [rules.get(metric) for rules in report.rules]
        if any(found):
            cells = "".join(map(value_cell, found)) + paper_cells(published_values(report, metric), models)
            rows.append(f'<tr><th scope="row" class="words">{text(metric)}</th>{cells}</tr>')
    yield scroll(
        f"all scores of {report.benchmark}",
        f"<table><caption>Percent, with 95 % intervals; a column for each set of rules.</caption><thead><tr><th></th>"
        f"{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>",
    )
    differing = [f"<li><b>{text(r.name)}</b>: {text(r.differs)}</li>" for r in report.rules[1:] if r.differs]
    if differing:
        yield '<p class="faded">How other rules differ from the published ones:</p>'
        yield f'<ul class="list">{"".join(differing)}</ul>'
    yield f'<p class="faded">By the published rules, {text(tables.score_range(report))}.</p>'


def _classes(report: Report) -> Iterator[str]:
    rules = report.rules[0]
    task = ""
    for place, table in enumerate(tables.class_tables(rules)):
        if place == 0:
            yield "<h3>By class or kind</h3>"
        before, task = task, tables.shared_word(table.metrics)
        if task and task != before:
            yield f"<h4>{text(task.strip())}</h4>"
        yield scroll(f"{task}classes or kinds of {report.benchmark}", _class_table(report, rules, table))
        if any(map(tables.counts_as_absent, table.rows.values())):
            yield f'<p class="faded">* {tables.ABSENT}</p>'


def _class_table(report: Report, rules: Rules, table: tables.ClassTable) -> str:
    drawn = _drawn(report, table)
    papers = {name: published_values(report, drawn, name) for name in table.rows}
    models = [model for model in tables.models(report) if any(model in values for values in papers.values())]
    scale = scale_of(
        [scores[drawn] for scores in table.rows.values()],
        [number for values in papers.values() for number in values.values()],
    )
    task = tables.shared_word(table.metrics)
    heads = "".join(f'<th scope="col">{text(metric.removeprefix(task))}</th>' for metric in table.metrics)
    heads += f'<th scope="col" class="words drawn">{text(drawn.removeprefix(task))}, 0 to {percent(scale, 0)}</th>'
    heads += "".join(
        f'<th scope="col">paper {text(model)}<br>{text(drawn.removeprefix(task))}</th>' for model in models
    )
    rows = []
    for name, scores in table.rows.items():
        absent = tables.counts_as_absent(scores)
        cells = "".join(
            f"<td>{tables.shown(scores[metric])}*</td>" if absent else value_cell(scores[metric])
            for metric in table.metrics
        )
        drawing = "" if absent else bar(scores[drawn], papers[name], scale=scale)
        rows.append(
            f'<tr><th scope="row" class="words" dir="auto">{text(cut(name))}</th>'
            f"<td>{max(score.n for score in scores.values()):,}</td>{cells}"
            f'<td class="drawn">{drawing}</td>'
            f"{paper_cells(papers[name], models)}</tr>"
        )
    return (
        f"<table><caption>Percent, with 95 % intervals, {text(rules.name)} rules.</caption>"
        f'<thead><tr><th></th><th scope="col">n</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _drawn(report: Report, table: tables.ClassTable) -> str:
    """Return the metric to draw: a fraction, best one that is published by class, or one of the headline."""
    fractions = [m for m in table.metrics if not any(scores[m].unit for scores in table.rows.values())]
    published = [m for m in fractions if any(published_values(report, m, name) for name in table.rows)]
    headline = [m for m in report.headline if m in fractions]
    return next(iter([*published, *headline, *fractions, *table.metrics]))


def _remarks(report: Report) -> Iterator[str]:
    notes = [note for note in tables.notes(report) if note not in report.notes]
    said = [f"<li>{text(note)}</li>" for note in notes]
    said += [
        f"<li>{count:,} {text(name)} ({text(rules.name)} rules)</li>"
        for rules in report.rules
        for name, count in tables.counts(rules)
    ]
    if said:
        yield f'<h3>Remarks and counts</h3><ul class="list">{"".join(said)}</ul>'
