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
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from vgcli_core.errors import PredictionsError
from vgcli_core.evaluation.benchmark import Benchmark, Item, Truth
from vgcli_core.geometry.boxes import EulerConvention
from vgcli_core.geometry.conventions import convention_of

T = TypeVar("T", bound=Truth)
K = TypeVar("K", str, bool)

KEYS = ("benchmark", "id", "text", "truth", "euler_convention", "failed", "cut_off", "info")
_TRUTH_KEYS = ("benchmark", "id", "truth", "info")
_STATE = 'add "euler_convention" to every line, or give --euler-convention'


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
    raw = _bytes(path)
    lines = {entry.id: entry for entry in _entries(raw, path, KEYS, benchmark.name)}
    if not lines:
        raise PredictionsError("there is no prediction in it", where=str(path), fix="one JSON object per line")
    missing, surplus = 0, 0
    if truth is not None:
        known = {entry.id: entry for entry in _entries(_bytes(truth), truth, _TRUTH_KEYS, benchmark.name)}
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
    for entry in _entries(_bytes(path), path, KEYS, None):
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


@dataclass(frozen=True, slots=True)
class _Entry:
    id: str
    where: str
    benchmark: str | None
    text: str
    truth: Any
    euler_convention: str | None
    failed: str = ""
    cut_off: bool = False


def _item(
    key: str, entry: _Entry | None, truth: tuple[Any, str], benchmark: Benchmark[T], stated: str | None
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
        declared = entry.euler_convention
        if declared is not None and stated is not None and declared != stated:
            raise PredictionsError(
                f"the line says euler_convention {declared!r}, the command {stated!r}",
                where=entry.where,
                fix="leave out --euler-convention",
            )
        convention = convention_of(stated if declared is None else declared, where=entry.where, how=_STATE)
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


def _entries(raw: bytes, path: Path, keys: tuple[str, ...], benchmark: str | None) -> Iterator[_Entry]:
    seen: dict[str, int] = {}
    rows = raw.split(b"\n")
    for number, row in enumerate(rows, start=1):
        if not row.strip():
            continue
        where = f"{path}, line {number}"
        found = _object(row, where, last=number == len(rows))
        for key in found:
            if key not in keys:
                near = get_close_matches(key, keys, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise PredictionsError(
                    f"unknown key {key!r}",
                    where=where,
                    fix=f'{hint}known: {", ".join(keys)}; anything else goes into "info"',
                )
        entry = _Entry(
            _string(found, "id", where),
            where,
            found.get("benchmark"),
            _string(found, "text", where) if "text" in keys else "",
            found.get("truth"),
            found.get("euler_convention"),
            _of_kind(found, "failed", "", where),
            _of_kind(found, "cut_off", False, where),
        )
        if not isinstance(entry.benchmark, str | None):
            raise PredictionsError(
                f"'benchmark' is no text but {entry.benchmark!r:.60}", where=where, fix="name one, or leave it out"
            )
        if benchmark is not None and entry.benchmark not in (None, benchmark):
            raise PredictionsError(
                f"the line is of benchmark {entry.benchmark!r}, not {benchmark!r}",
                where=where,
                fix=f"vgllm eval {entry.benchmark} --predictions {path.name}, or one file per benchmark",
            )
        if entry.id in seen:
            raise PredictionsError(
                f"id {entry.id!r} occurs twice, on lines {seen[entry.id]} and {number}",
                where=str(path),
                fix="keep one line per sample",
            )
        seen[entry.id] = number
        yield entry


def _of_kind(found: dict[str, Any], key: str, default: K, where: str) -> K:
    value = found.get(key, default)
    if not isinstance(value, type(default)):
        what = f"{key!r} is {value!r:.60}"
        raise PredictionsError(
            what, where=where, fix=f"leave it out, or write {'true' if default is False else 'text'}"
        )
    return value


def _object(row: bytes, where: str, *, last: bool) -> dict[str, Any]:
    try:
        found = json.loads(row, object_pairs_hook=_without_repeats)
    except _RepeatedKey as error:
        what = f"the key {str(error)!r:.60} stands twice in one object"
        raise PredictionsError(what, where=where, fix="keep one of them") from None
    except (ValueError, RecursionError) as error:
        fix = "each line must be one JSON object, in UTF-8"
        if last:
            fix = "the file ends inside a line, as after an interrupted run: remove that last line, or finish the run"
        what = "bytes that are no UTF-8" if isinstance(error, UnicodeDecodeError) else "no JSON"
        raise PredictionsError(f"{what}: {row[:60].decode('utf-8', 'replace')!r}", where=where, fix=fix) from None
    if not isinstance(found, dict):
        raise PredictionsError(
            f"not a JSON object but {type(found).__name__}", where=where, fix="each line must be {...}"
        )
    return found


class _RepeatedKey(Exception):
    """JSON lets the last of two equal keys win; here that would hide half of a line."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RepeatedKey(next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number])))
    return found


def _string(found: dict[str, Any], key: str, where: str) -> str:
    value = found.get(key)
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18
    if key == "id" and (whole or (isinstance(value, float) and math.isfinite(value))):
        return str(value)  # VSI-Bench numbers its questions
    if not isinstance(value, str):
        what = f"{key!r} is missing" if key not in found else f"{key!r} is no text but {value!r:.60}"
        raise PredictionsError(what, where=where, fix='each line needs "id" and "text", the raw answer of the model')
    return value


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        what = f"cannot read the file: {error.strerror or error}"
        raise PredictionsError(what, where=str(path), fix="give a file of JSON lines, one per sample") from error
