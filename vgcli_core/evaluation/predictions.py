"""The file of predictions: JSON lines, one per sample, raw text kept, so that any score can be computed again.

A line is {"benchmark": "scanrefer", "id": "...", "text": "...", "truth": {...}, "euler_convention": "ZXY"}:

- `id` is unique in the file; `text` is what the model wrote, untouched;
- `truth` is what it is scored against, in the benchmark's own closed form; it may also come from a second file of lines
  {"id": "...", "truth": {...}}, and samples that only that file names count as empty answers;
- `euler_convention` says how angles inside `text` are to be read, for benchmarks whose answers hold boxes;
- `failed` says why the sample could not be asked (a frame that cannot be read); its text is then empty;
- `cut_off` is true where the answer ended at the limit of its tokens;
- `info` may hold anything else and is never looked at.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from vgcli_core.data.prediction_lines import KEYS, Entry, entries, read_bytes, stated_convention
from vgcli_core.errors import PredictionsError
from vgcli_core.evaluation.benchmark import Benchmark, Item, Truth
from vgcli_core.geometry.boxes import EulerConvention

T = TypeVar("T", bound=Truth)

_TRUTH_KEYS = ("benchmark", "id", "truth", "info")


@dataclass(frozen=True, slots=True)
class Predictions:
    """What was read: items in the order of their ids, and what a reader should know of the file.

    Attributes:
        items: sorted by id, so that no score depends on the order of lines.
        source: for the report: the file's name and sha256, and how many samples of the truth file have no prediction
            (they are among the items, with empty text) or predictions no truth (they are left out).
        notes: the same in words, and what else to know.
        failed: why samples could not be asked, by id; they are among the items, with empty text.
        cut_off: ids of answers that ended at the limit of their tokens.
    """

    items: tuple[Item[Any], ...]
    source: dict[str, Any]
    notes: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    cut_off: frozenset[str] = frozenset()


def read_predictions(
    path: Path, benchmark: Benchmark[T], *, truth: Path | None = None, euler_convention: str | None = None
) -> Predictions:
    """Read a predictions file for `benchmark`.

    Args:
        path: JSON lines.
        benchmark: whose form of truth the lines must have.
        truth: a file with the truths; then those on the lines are ignored.
        euler_convention: of angles in `text`, where lines do not say it; a line that says another one is an error.

    Raises:
        PredictionsError: a line that is no JSON object, an unknown key, an id twice, a truth that does not fit.
        ConventionError: answers may hold boxes, and nobody says which convention their angles follow.
    """
    raw = read_bytes(path)
    lines = {entry.id: entry for entry in entries(raw, path, KEYS, benchmark.name)}
    if not lines:
        raise PredictionsError("there is no prediction in it", where=str(path), fix="one JSON object per line")
    missing, surplus = 0, 0
    if truth is not None:
        known = {entry.id: entry for entry in entries(read_bytes(truth), truth, _TRUTH_KEYS, benchmark.name)}
        if not known:
            raise PredictionsError(
                "there is no truth in it", where=str(truth), fix='lines of {"id": ..., "truth": ...}'
            )
        surplus = len(lines.keys() - known.keys())
        missing = len(known.keys() - lines.keys())
        if surplus == len(lines):
            raise PredictionsError(
                "no id of the predictions is in the truth file",
                where=f"{path} and {truth}",
                fix=f"ids must be the same in both; here {min(lines)!r} and there {min(known)!r}",
            )
        truths = {key: (entry.truth, entry.where) for key, entry in known.items()}
    else:
        truths = {key: (entry.truth, entry.where) for key, entry in lines.items()}
    notes = []
    if missing:
        notes.append(f"{missing:,} samples of the truth file have no answer, and count as empty answers")
    if surplus:
        notes.append(f"{surplus:,} answers are of samples that the truth file does not name, and are left out")
    source = {
        "name": path.name,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "without_answer": missing,
        "without_truth": surplus,
    }
    items = [_item(key, lines.get(key), truths[key], benchmark, euler_convention) for key in sorted(truths)]
    asked = [lines[item.id] for item in items if item.id in lines]
    return Predictions(
        tuple(items),
        source,
        tuple(notes),
        failed={entry.id: entry.failed for entry in asked if entry.failed},
        cut_off=frozenset(entry.id for entry in asked if entry.cut_off),
    )


def benchmark_of(path: Path) -> str:
    """Return the benchmark that the first line of a predictions file names. Raises PredictionsError."""
    for entry in entries(read_bytes(path), path, KEYS, None):
        if entry.benchmark:
            return entry.benchmark
        break
    raise PredictionsError(
        "the first line names no benchmark",
        where=str(path),
        fix='add "benchmark": "scanrefer" (or another) to each line',
    )


def line(
    benchmark: str,
    item: Item[Any],
    *,
    failed: str = "",
    cut_off: bool = False,
    info: Mapping[str, Any] | None = None,
) -> str:
    """Return the line of an item, without the newline: the inverse of reading."""
    found: dict[str, Any] = {"benchmark": benchmark, "id": item.id, "text": item.text}
    if item.euler_convention is not None:
        found["euler_convention"] = item.euler_convention
    found["truth"] = item.truth.model_dump(mode="json", exclude_defaults=True)
    found |= {"failed": failed} if failed else {}
    found |= {"cut_off": True} if cut_off else {}
    found |= {"info": dict(info)} if info else {}
    return json.dumps(found, allow_nan=False)


def _item(
    key: str, entry: Entry | None, truth: tuple[Any, str], benchmark: Benchmark[T], stated: str | None
) -> Item[T]:
    value, where = truth
    if value is None:
        raise PredictionsError(
            "the line has no truth to score against",
            where=where,
            fix=f'add "truth" (vgllm eval {benchmark.name} --example shows its form), or give --truth FILE',
        )
    try:
        checked = benchmark.truth.model_validate(value)
    except ValidationError as error:
        raise _wrong_truth(error, benchmark, where) from None
    convention: EulerConvention | None = None
    if entry is not None and benchmark.boxes_in_text:
        convention = stated_convention(entry, stated)
    elif benchmark.boxes_in_text:
        convention = "ZXY"  # an empty answer has no angles
    return Item(key, entry.text if entry is not None else "", checked, convention)


def _wrong_truth(error: ValidationError, benchmark: Benchmark[T], where: str) -> PredictionsError:
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in ("truth", *problem["loc"]))
    # pydantic speaks of its own types; a file holds lists.
    said = problem["msg"].removeprefix("Value error, ").replace(" after validation", "")
    what = f"{place}: {said[:1].lower()}{said[1:]}".replace("tuple", "list")
    known = list(benchmark.truth.model_fields)
    hint = f"known keys: {', '.join(known)}; "
    if problem["type"] == "extra_forbidden" and problem["loc"]:
        near = get_close_matches(str(problem["loc"][-1]), known, n=1)
        hint = (f"did you mean {near[0]!r}? " if near else "") + hint
    return PredictionsError(what, where=where, fix=f"{hint}vgllm eval {benchmark.name} --example shows the form")
