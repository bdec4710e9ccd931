"""The lines of a file of predictions, read one by one: what scoring and exporting share.

A line is {"benchmark": "scanrefer", "id": "...", "text": "...", "truth": {...}, "euler_convention": "ZXY"}; what its
keys mean stands in `evaluation/predictions.py`.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from vgcli_core.errors import PredictionsError
from vgcli_core.geometry.boxes import EulerConvention
from vgcli_core.geometry.conventions import convention_of

K = TypeVar("K", str, bool)

KEYS = ("benchmark", "id", "text", "truth", "euler_convention", "failed", "cut_off", "info")
HOW_TO_STATE = 'add "euler_convention" to every line, or give --euler-convention'


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: `where` it stands; `truth` and `euler_convention` as they are written, not checked."""

    id: str
    where: str
    benchmark: str | None
    text: str
    truth: Any
    euler_convention: str | None
    failed: str = ""
    cut_off: bool = False


def entries(raw: bytes, path: Path, keys: tuple[str, ...], benchmark: str | None) -> Iterator[Entry]:
    """Yield the lines of a file.

    Args:
        raw: its bytes.
        path: of the file, for errors.
        keys: that a line may have.
        benchmark: whose lines these must be; None for any.

    Raises:
        PredictionsError: a line that is no JSON object, an unknown key, an id twice, a value of another kind.
    """
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
        entry = Entry(
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


def stated_convention(entry: Entry, stated: str | None, *, how: str = HOW_TO_STATE) -> EulerConvention:
    """Return the convention of the angles in a line's text.

    Args:
        entry: what the line says wins.
        stated: what the command says, where the line says nothing.
        how: to state it, for the error.

    Raises:
        PredictionsError: line and command contradict each other.
        ConventionError: neither says it, or what is said is no convention.
    """
    declared = entry.euler_convention
    if declared is not None and stated is not None and declared != stated:
        raise PredictionsError(
            f"the line says euler_convention {declared!r}, the command {stated!r}",
            where=entry.where,
            fix="leave out --euler-convention",
        )
    return convention_of(stated if declared is None else declared, where=entry.where, how=how)


def read_bytes(path: Path) -> bytes:
    """Return a file of lines. Raises PredictionsError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        what = f"cannot read the file: {error.strerror or error}"
        raise PredictionsError(what, where=str(path), fix="give a file of JSON lines, one per sample") from error


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
