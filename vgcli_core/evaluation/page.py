"""A run as one HTML page that people publish: headlines first, then every score, answers to look at, and the record.

It needs nothing else: no network, no script; for desks and phones, in light and in dark. The same run gives the same
page.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vgcli_core.atomic import write_text
from vgcli_core.drawing.html import card_html, cut, document, keys_html, text
from vgcli_core.evaluation import tables
from vgcli_core.evaluation.answer_card import legend
from vgcli_core.evaluation.gallery import PICTURES, cards, shelves
from vgcli_core.evaluation.page_bars import bar, marks_legend, scale_of
from vgcli_core.evaluation.page_record import last_start, record_html
from vgcli_core.evaluation.page_scores import lost, paper_cells, published_values, scores_html, scroll, value_cell
from vgcli_core.evaluation.page_style import STYLE
from vgcli_core.evaluation.results import Result

_SHOWN = 6  # best answers of a benchmark, and as many worst ones
_SHORT_NOTE = 40  # characters


def write_page(
    target: Path, results: Sequence[Result], record: Mapping[str, Any], *, title: str, shown: int = _SHOWN
) -> None:
    """Write the page of a run.

    Args:
        target: replaced if it is there.
        results: benchmarks in the order in which they are shown.
        record: what the run says of itself, plain data.
        title: of the page.
        shown: best answers of each benchmark to show, and as many worst ones: about 1.5 MB for 6.

    Raises:
        OutputError: `target` cannot be written.
    """
    write_text(target, document(title, _page(results, record, title, shown), style=STYLE))


def _page(results: Sequence[Result], record: Mapping[str, Any], title: str, shown: int) -> Iterator[str]:
    models = _models(results)
    yield f'<header><h1 dir="auto">{text(title)}</h1>'
    yield from _facts(results, record)
    yield (
        "<p>Scores are in percent, larger is better; what is in metres or degrees has its unit. The interval holds the "
        "score in 95 % of bootstrap draws of whole scenes or videos. An answer that could not be read counts as an "
        "empty one. Unless said otherwise, scores follow the rules behind the paper's numbers.</p>"
    )
    yield f'<ul class="legend">{"".join(marks_legend(models))}</ul></header><main>'
    if len(results) > 1:
        yield from _overview(results, models)
    for result in results:
        yield from _section(result, shown)
    yield from record_html(results, record)
    yield "</main><footer>Made by vgllm eval. The same numbers are in report.json, and every answer in the folder of "
    yield "its benchmark.</footer>"


def _facts(results: Sequence[Result], record: Mapping[str, Any]) -> Iterator[str]:
    """Yield who was asked, when, on what; whatever of it is recorded."""
    start, model, recheck = last_start(record), _table(record, "model"), _table(record, "recheck")
    code = _table(start, "code")
    commit = str(code.get("commit", ""))[:12] + (", with local changes" if code.get("modified") else "")
    facts = {
        "Model": model.get("name"),
        "Benchmarks": len(results),
        "Samples": f"{sum(result.report.n for result in results):,}",
        "Started": start.get("time"),
        "Device": start.get("device"),
        "Precision": start.get("dtype"),
        "Attention": start.get("attention"),
        "vgllm": code.get("vgllm"),
        "Commit": commit,
    }
    if recheck.get("asked"):
        facts["Asked again one by one"] = f"{recheck.get('different')} of {recheck['asked']} answers differ"
    items = (f"<li><span>{name}</span><b>{text(cut(str(fact)))}</b></li>" for name, fact in facts.items() if fact)
    yield f'<ul class="facts">{"".join(items)}</ul>'


def _overview(results: Sequence[Result], models: list[str]) -> Iterator[str]:
    """Yield one table with every headline, and what was lost on the way to it."""
    yield '<section id="overview"><h2>All benchmarks</h2>'
    heads = "".join(f'<th scope="col">paper {text(model)}</th>' for model in models)
    rows = []
    for result in results:
        report = result.report
        link = f'<a href="#{_anchor(result)}">{text(result.benchmark.name)}</a>'
        missing = tables.why_no_headline(report)
        if missing:
            rows.append(
                f'<tr><th scope="row" class="words">{link}</th><td class="words metric">no score</td><td>-</td>'
                f'<td class="drawn"></td>{paper_cells({}, models)}<td>{report.n:,}</td>'
                f'<td class="words notes">{text("; ".join(missing))}</td></tr>'
            )
        losses = [f"{count:,} {what}" for count, what in lost(report) if count]
        found = [score for metric in report.headline if (score := report.rules[0].get(metric))]
        for place, score in enumerate(found):
            known = published_values(report, score.metric)
            name = link if place == 0 else ""
            scale = scale_of([score], known.values())
            notes = "; ".join(dict.fromkeys([*losses, *map(_short, report.notes)])) if place == 0 else ""
            rows.append(
                f'<tr><th scope="row" class="words">{name}</th><td class="words metric">{text(score.metric)}</td>'
                f'{value_cell(score)}<td class="drawn">{bar(score, known, scale=scale)}</td>'
                f'{paper_cells(known, models)}<td>{score.n:,}</td><td class="words notes">{text(notes)}</td></tr>'
            )
    yield scroll(
        "headline scores",
        "<table><caption>Headline scores by the published rules, percent.</caption>"
        '<thead><tr><th class="words">benchmark</th><th class="words">score</th><th scope="col">this run</th>'
        f'<th class="drawn"></th>{heads}<th scope="col">n</th><th class="words">lost answers, notes</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>",
    )
    yield "</section>"


def _section(result: Result, shown: int) -> Iterator[str]:
    report = result.report
    yield f'<section id="{_anchor(result)}"><h2 dir="auto">{text(report.title)}</h2>'
    yield f'<p class="faded"><code>{text(report.benchmark)}</code></p>'
    yield from scores_html(report)
    yield from keys_html(legend({sample.task for sample in result.samples.values()}))
    for shelf in shelves(result, shown):
        yield f"<h3>{text(shelf.title)}</h3>"
        yield '<div class="cards">'
        for card in cards(result, shelf):
            yield from card_html(card, PICTURES, level=4)
        yield "</div>"
    yield "</section>"


def _short(note: str) -> str:
    """Return the beginning of a note, which stands in full in the section of its benchmark."""
    first = note.partition(":")[0]
    return first if len(first) <= _SHORT_NOTE else "see its notes"


def _anchor(result: Result) -> str:
    return f"benchmark-{result.benchmark.name}"


def _models(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(model for result in results for model in tables.models(result.report)))


def _table(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = record.get(key)
    return found if isinstance(found, Mapping) else {}
