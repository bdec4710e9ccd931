"""The parts of a model card that tell of training: its runs with their recipes, the data, and the terms of the data."""

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from vgcli_core.export.licences import data_terms
from vgcli_core.export.markdown import inline, table
from vgcli_core.export.provenance import Provenance, Run

# What a recipe says of a part that learns, and how that reads behind its name.
_LEARNS = {"full": "", "lora": " (low-rank adapters)", "True": ""}


def training_section(found: Provenance) -> str:
    """Return what is recorded of the training of a model."""
    blocks = ["## Training"]
    if found.published:
        blocks.append(f"Published as {inline(found.published)}: see its page for what it was trained on.")
    elif not found.runs:
        blocks.append("Nothing is recorded of its training.")
    elif len(found.runs) > 1:
        blocks.append(f"In {len(found.runs)} runs, the oldest first.")
    return "\n\n".join((*blocks, *("\n".join(_run(run)) for run in found.runs)))


def data_section(runs: Sequence[Run]) -> Iterator[str]:
    """Yield the terms of the data that runs were trained on."""
    terms, strangers = data_terms(runs)
    rows = [
        (name, one.what, f"[{one.owner}]({one.url})", one.terms or "none stated")
        for name, needs in terms.items()
        for one in needs
    ]
    made = [name for name, needs in terms.items() if not needs]
    if rows:
        yield ""
        yield "Terms of the training data:"
        yield ""
        yield from table(("set", "what", "from", "terms"), rows)
    if made:
        yield ""
        yield f"Data made by vgllm itself, from nothing of others: {', '.join(made)}."
    if strangers:
        yield ""
        yield f"Sets whose terms are **not known**: {', '.join(map(inline, strangers))}."


def _run(run: Run) -> Iterator[str]:
    recipe = run.recipe
    description = str(recipe.get("description") or "")
    yield f"**{inline(run.name)}**{': ' + inline(description) if description else ''}"
    yield ""
    rows = []
    for one in run.data:
        used = "-" if one.trained_on is None else f"{one.trained_on:,}"
        rows.append((*map(inline, (one.key, one.dataset, one.split)), f"{one.samples:,}", used))
    yield from table(("data", "set", "split", "samples in it", "trained on"), rows, right=(3, 4))
    yield ""
    yield from table(("", ""), [(name, inline(value)) for name, value in _facts(run) if value])
    yield ""
    yield "<details><summary>The whole recipe</summary>"
    yield ""
    yield "```yaml"
    yield yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True).replace("```", "` ` `").rstrip()
    yield "```"
    yield ""
    yield "</details>"


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    trained, start = run.recipe.get("trained"), run.start
    parts = {key.replace("_", " "): _LEARNS.get(str(value)) for key, value in _table(trained).items()}
    yield "what learnt", ", ".join(part + how for part, how in parts.items() if how is not None)
    yield "what stayed", ", ".join(part for part, how in parts.items() if how is None)
    step = "" if run.step is None else f"{run.step:,}"
    yield "steps", f"{step} ({run.state})" if run.state and run.state != "finished" else step
    yield "machine", _joined(start, "device", "precision")
    yield "processes", str(start.get("world") or "")
    yield "vgllm", _joined(_table(start.get("code")), "vgllm", "commit")
    yield "torch, transformers", _joined(_table(start.get("versions")), "torch", "transformers")


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _joined(facts: dict[str, Any], *keys: str) -> str:
    return ", ".join(str(facts[key]) for key in keys if facts.get(key))
