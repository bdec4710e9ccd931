"""The record of a run as HTML: whatever it holds, as nested lists of terms; how to run it again; prompts as asked."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vgcli_core.data.sample import IMAGE
from vgcli_core.drawing.html import cut, text
from vgcli_core.evaluation.results import Result
from vgcli_core.evaluation.tables import UNDEFINED

_LONG = 20_000  # characters of one entry
_IMAGES = re.compile(rf"((?:Frame-\d+: )?){IMAGE}(?:\n?(?:Frame-\d+: )?{IMAGE})*")


def record_html(results: Sequence[Result], record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the record, folded, under a heading of level 2."""
    yield '<section id="record"><h2>Run record</h2>'
    yield "<p>What is needed to judge these numbers, and to get them again.</p>"
    command = last_start(record).get("command")
    if isinstance(command, str) and command:
        yield f"<h3>Run it again</h3><pre>{text(cut(command, _LONG))}</pre>"
        yield '<p class="faded">In the same folder it goes on with what is missing; another --out starts anew.</p>'
    yield '<details class="record"><summary>Prompts: one as the model reads it, of each benchmark</summary>'
    for result in results:
        yield f"<h3>{text(result.benchmark.name)}</h3><pre>{text(cut(example_prompt(result), _LONG))}</pre>"
    yield "</details>"
    yield '<details class="record"><summary>Model, settings, data, versions: everything recorded</summary>'
    yield nested(record)
    yield "</details></section>"


def last_start(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the facts of the last start of a run, nothing where none is recorded."""
    starts = record.get("starts")
    last = starts[-1] if isinstance(starts, Sequence) and starts else None
    return last if isinstance(last, Mapping) else {}


def example_prompt(result: Result) -> str:
    """Return the human turn of the first sample, its frames as one "[<image> x 32]"."""
    first = next(iter(result.samples.values()), None)
    return "(no sample)" if first is None else _IMAGES.sub(_shortened, first.conversations[0].text)


def nested(value: Any) -> str:
    """Return plain data as HTML: tables as lists of terms, lists as lists, everything else as text."""
    if isinstance(value, Mapping) and value:
        return f"<dl>{''.join(_entry(key, entry) for key, entry in value.items())}</dl>"
    if isinstance(value, list | tuple) and any(isinstance(entry, Mapping | list | tuple) for entry in value):
        return f"<ol>{''.join(f'<li>{nested(entry)}</li>' for entry in value)}</ol>"
    return text(cut(_plain(value), _LONG))


def _entry(key: str, value: Any) -> str:
    inner = nested(value)
    kind = ' class="nested"' if inner.startswith(("<dl>", "<ol>")) else ""
    return f"<div{kind}><dt>{text(cut(str(key)))}</dt><dd>{inner}</dd></div>"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value)) or UNDEFINED
    return UNDEFINED if value is None or value in ({}, "") else str(value)


def _shortened(found: re.Match[str]) -> str:
    count = found[0].count(IMAGE)
    return f"{found[1]}[{IMAGE} x {count}]" if count > 1 else found[0]
