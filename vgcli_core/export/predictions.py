"""Answers of `vgllm eval` or `vgllm predict` as one file that other programs read."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vgcli_core.atomic import write_text
from vgcli_core.errors import OutputError, PredictionsError, UsageError
from vgcli_core.export.answers import EULER_IN_WORDS, Answers
from vgcli_core.export.answers_benchmark import as_benchmark
from vgcli_core.export.answers_coco import as_coco
from vgcli_core.export.answers_csv import as_csv
from vgcli_core.export.answers_eval import read_evaluation
from vgcli_core.export.answers_result import SCHEMA, read_result
from vgcli_core.geometry.boxes import EulerConvention

Format = Literal["coco", "csv", "benchmark"]

FORMATS: Mapping[Format, Callable[[Answers, EulerConvention], str]] = {
    "coco": as_coco,
    "csv": as_csv,
    "benchmark": as_benchmark,
}
_NAMES = ("predictions.jsonl", "result.json")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: `counts` of answers by status and of boxes, `notes` in words."""

    file: Path
    format: Format
    counts: Mapping[str, int]
    notes: tuple[str, ...]


def find_predictions(name: str) -> Path | None:
    """Return the file of predictions that an argument names, itself or as its folder; None where it names no such file.

    Raises:
        UsageError: a run folder with predictions of several benchmarks.
    """
    path = Path(name)
    if path.is_dir() and not (path / "config.json").exists():
        own = [path / one for one in _NAMES if (path / one).is_file()]
        found = own or sorted(path.glob(f"*/{_NAMES[0]}"))
        if len(found) > 1:
            files = ", ".join(str(one) for one in found)
            raise UsageError(f"there are {len(found)} files of predictions", where=name, fix=f"give one of {files}")
        return found[0] if found else None
    is_lines = path.suffix == ".jsonl" and path.is_file()
    return path if is_lines or (path.suffix == ".json" and path.is_file() and _is_result(path)) else None


def export_predictions(
    path: Path,
    out: Path,
    format: Format,
    *,
    angles: EulerConvention = "ZXY",
    euler_convention: str | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write the answers of a file in another form, whole or not at all.

    Args:
        path: as `find_predictions` returns it.
        out: the new file.
        format: of it.
        angles: the Euler convention to write angles in.
        euler_convention: of angles in the texts of `vgllm eval`, where lines do not say it.
        overwrite: replace `out`.

    Raises:
        PredictionsError, ConventionError: the file cannot be read.
        UsageError: there is no such file for its benchmark.
        OutputError: `out` exists, or cannot be written.
    """
    if out.is_dir() or (out.exists() and not overwrite):
        fix = "name a file" if out.is_dir() else "--overwrite, or another name"
        raise OutputError(f"{out.name} exists already", where=f"--out {out}", fix=fix)
    if out.resolve() == path.resolve():
        raise OutputError("the predictions would be overwritten", where=f"--out {out}", fix="choose another name")
    if path.suffix == ".json":
        answers = read_result(path, path.read_text(encoding="utf-8"))
    else:
        answers = read_evaluation(path, euler_convention=euler_convention)
    write_text(out, FORMATS[format](answers, angles))
    return Exported(out, format, answers.counts(), _notes(answers, format, angles))


def _notes(answers: Answers, format: Format, angles: EulerConvention) -> tuple[str, ...]:
    counts, notes = answers.counts(), []
    if counts["boxes"]:
        notes.append(f"angles are {EULER_IN_WORDS[angles]}")
    unread = counts["none"] + counts["invalid"]
    if unread:
        notes.append(f"{unread:,} of {counts['answers']:,} answers could not be read; they are in the file, with why")
    if counts["failed"]:
        notes.append(f"{counts['failed']:,} samples could not be asked; they are in the file, with why")
    if counts["boxes_dropped"]:
        notes.append(f"{counts['boxes_dropped']:,} boxes inside answers could not be used, and are left out")
    if format == "coco" and counts["boxes"] and answers.intrinsics is None:
        notes.append("no 2D boxes: the intrinsics of the frames are not known")
    if format == "benchmark" and any(row.boxes and row.convention != angles for row in answers.rows):
        notes.append("texts with boxes are written anew, with the other angles; all others are untouched")
    return tuple(notes)


def _is_result(path: Path) -> bool:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    schema = found.get("schema") if isinstance(found, dict) else None
    if isinstance(schema, str) and schema.startswith("vgllm.prediction/") and schema != SCHEMA:
        raise PredictionsError(f"unknown schema {schema!r}", where=str(path), fix=f"this version reads {SCHEMA!r}")
    return schema == SCHEMA
