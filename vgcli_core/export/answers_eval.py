"""Read a `predictions.jsonl` of `vgllm eval` for an export. The form of a truth tells what was asked for."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vgcli_core.data.prediction_lines import KEYS, Entry, entries, read_bytes, stated_convention
from vgcli_core.errors import PredictionsError
from vgcli_core.export.answers import Answered, Answers, Placed, Task
from vgcli_core.geometry.boxes import as_array, as_boxes, to_intrinsic
from vgcli_core.text.answers import read_caption, read_choice, read_detection, read_grounding, read_number

_TASKS: tuple[Task, ...] = ("ground", "detect", "caption", "ask")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# "(B)" is how CV-Bench and BLINK write an answer, which go up to F; the others write "B", and go up to D.
_LETTER = re.compile(r"(\()?[A-Z](?(1)\))")


def read_evaluation(path: Path, *, euler_convention: str | None = None) -> Answers:
    """Read a file of predictions.

    Args:
        path: JSON lines; each needs its truth.
        euler_convention: of angles in texts, where lines do not say it.

    Raises:
        PredictionsError: it cannot be read, or a line does not say what was asked for.
        ConventionError: a text holds boxes, and nobody says which convention their angles follow.
    """
    rows = [_row(entry, euler_convention) for entry in entries(read_bytes(path), path, KEYS, None)]
    if not rows:
        raise PredictionsError("there is no prediction in it", where=str(path), fix="one JSON object per line")
    return Answers(path.name, tuple(rows))


def _row(entry: Entry, stated: str | None) -> Answered:
    task, truth = _task(entry)
    row = Answered(entry.id, entry.benchmark or "", task, "", entry.text, "ok", truth=truth)
    if entry.failed:
        return replace(row, status="failed", reason=entry.failed)
    if task in ("ground", "detect"):
        return _with_boxes(row, entry, truth, stated)
    value, reason = _value(entry.text, task, truth)
    return replace(row, value=value) if value else replace(row, status="none", reason=reason)


def _task(entry: Entry) -> tuple[Task, Mapping[str, Any]]:
    """Return what was asked for, and the truth in the form of that task."""
    truth = entry.truth
    if not isinstance(truth, dict):
        fix = 'add "truth", as `vgllm eval` writes it: its form tells a box from a number'
        raise PredictionsError("the line has no truth", where=entry.where, fix=fix)
    for task in _TASKS:
        if isinstance(truth.get(task), dict):  # rooms: a truth under the name of its task
            return task, truth[task]
    known: dict[str, Task] = {"camera_to_world": "ground", "boxes": "detect", "references": "caption"}
    for key, task in known.items():
        if isinstance(truth.get(key), list):
            return task, truth
    return "ask", truth


def _with_boxes(row: Answered, entry: Entry, truth: Mapping[str, Any], stated: str | None) -> Answered:
    if row.task == "ground":
        cameras = truth.get("camera_to_world")
        if not isinstance(cameras, list):
            fix = "give one for each frame, null where it is not known: they tell how many frames there were"
            raise PredictionsError("the truth has no list 'camera_to_world'", where=entry.where, fix=fix)
        reading = read_grounding(entry.text, len(cameras))
    else:
        reading = read_detection(entry.text)
    row = replace(row, status=reading.status, dropped=reading.dropped)
    if reading.status != "ok":
        return replace(row, reason=reading.reason or next(iter(reading.notes), "no box in the text"))
    if not reading.boxes:
        return row
    convention = stated_convention(entry, stated)
    rows = to_intrinsic(as_array(reading.boxes), convention)
    boxes = as_boxes(rows, [box.label for box in reading.boxes])
    placed = tuple(Placed(box, reading.frame or 0) for box in boxes)
    return replace(row, boxes=placed, convention=convention)


def _value(text: str, task: Task, truth: Mapping[str, Any]) -> tuple[str, str]:
    """Return what an answer in words says, "" where it cannot be read, and then why."""
    letters = "" if task == "caption" else _letters(truth)
    if letters:
        return read_choice(text, letters) or "", f"no letter of {letters[0]} to {letters[-1]}"
    if task == "ask" and _is_number(truth.get("ground_truth")):
        number = read_number(text)
        return ("" if number is None else f"{number:.15g}"), "no number in the text"
    return read_caption(text), "no words"


def _letters(truth: Mapping[str, Any]) -> str:
    """Return the letters of the options; "" where the answer is no letter."""
    lists = [truth[key] for key in ("options", "choices") if isinstance(truth.get(key), list)]
    count = len(lists[0]) if lists else sum(f"a{place}" in truth for place in range(len(_ALPHABET)))
    right = truth.get("ground_truth", truth.get("answer"))
    if not count and isinstance(right, str) and _LETTER.fullmatch(right):
        count = 6 if right.startswith("(") else 4
    return _ALPHABET[:count]


def _is_number(value: object) -> bool:
    try:
        return math.isfinite(float(str(value)))
    except ValueError:
        return False
