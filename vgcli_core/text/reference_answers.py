"""Read boxes as strictly as the published evaluation does, so that scores can be compared with the paper's.

Its rules, quirks included: the text is trimmed of white space, backticks and any of the letters j, s, o and n at both
ends; then a box counts only where a whole line is one Python dictionary. Grounding tries the first line with "bbox_3d"
and no other. Detection tries every line with "bbox_3d" or "label", less one comma at its end. `answers.py` is the
reading without these quirks.

The published evaluation executes such lines as code. Here nothing is executed, so what only code can say (1+1 for 2,
calls, names) is unreadable.

Source: golden/metrics/README.md, "Reading the text" and "Quirks"; parse_strings.jsonl records what the reference read.
"""

import math

from vgcli_core.geometry.boxes import OrientedBox
from vgcli_core.text.answers import KEY, Reading, detection_status
from vgcli_core.text.python_literals import PyValue, read_python_dictionary

_NOT_A_DICTIONARY = "the line is not one Python dictionary"
_NOWHERE = (math.nan, math.nan, math.nan)


def read_grounding_as_reference(text: str, num_frames: int) -> Reading:
    """Read a grounding answer as the published evaluation does: the first line with "bbox_3d", or nothing.

    True and False pass as frames 1 and 0, and strings that hold a number pass as angles. What would be read and then
    fail on the way to the overlap (other values that are no finite numbers) is "invalid" here: both score IoU 0.
    """
    line = next((line for line in _lines(text) if KEY in line), None)
    if line is None:
        return Reading("none")
    found = _grounded(read_python_dictionary(line), num_frames)
    if isinstance(found, str):
        return Reading("invalid", dropped=(found,), reason=found)
    frame, box = found
    return Reading("ok", (box,), frame)


def read_detection_as_reference(text: str) -> Reading:
    """Read a detection answer as the published evaluation does: one object on a line, each with any label.

    A readable line counts as a box even if its values cannot make one: it stands among the boxes with nine NaN, which
    overlap nothing, so it is a false positive. A label that is no string is written as one. `dropped` has an entry
    for each line that could not be read or has no label.
    """
    boxes: list[OrientedBox] = []
    dropped: list[str] = []
    for line in _lines(text):
        if KEY in line or "label" in line:
            found = _detected_box(line.strip().removesuffix(","))
            if isinstance(found, str):
                dropped.append(found)
            else:
                boxes.append(found)
    return detection_status(text, boxes, dropped)


def _lines(text: str) -> list[str]:
    # Only the backticks and the word "json" of a code fence were meant; strip() takes letters, not words.
    return text.strip().strip("`").strip("json").strip().split("\n")


def _grounded(answer: dict[str, PyValue] | None, num_frames: int) -> tuple[int, OrientedBox] | str:
    """Return frame and box, or why there are none."""
    if answer is None:
        return _NOT_A_DICTIONARY
    frame = answer.get("frame")
    if not isinstance(frame, int):
        return "frame missing or not an integer"
    if not 0 <= frame < num_frames:
        return "frame out of range"
    box = _nine_in_a_list(answer.get(KEY))
    return box if isinstance(box, str) else (int(frame), box)


def _nine_in_a_list(values: PyValue) -> OrientedBox | str:
    if not isinstance(values, list):
        return "not a list"
    if len(values) != 9:
        return "length"
    numbers = [_number(value) for value in values]
    if any(isinstance(value, str) for value in values[:6]) or not all(map(math.isfinite, numbers)):
        return "not finite numbers"
    return _box(numbers, "")


def _detected_box(line: str) -> OrientedBox | str:
    answer = read_python_dictionary(line)
    if answer is None:
        return _NOT_A_DICTIONARY
    if KEY not in answer:
        return "no bbox_3d"
    label = answer.get("label", [])
    if isinstance(label, list | dict):
        return "label missing or not one value"
    numbers = _flat(answer[KEY])
    if numbers is None:
        return "not numbers"
    usable = len(numbers) == 9 and all(map(math.isfinite, numbers))
    return _box(numbers, str(label)) if usable else OrientedBox(_NOWHERE, _NOWHERE, _NOWHERE, str(label))


def _flat(value: PyValue) -> list[float] | None:
    """Return the numbers in lists inside lists, in order; None where something in them is no number."""
    if isinstance(value, list | tuple):
        parts = [_flat(item) for item in value]
        return None if None in parts else [number for part in parts if part is not None for number in part]
    if isinstance(value, dict):
        return None
    number = _number(value)
    return None if isinstance(value, str) and math.isnan(number) else [number]


def _number(value: PyValue) -> float:
    """Return a number, or a string or boolean that converts to one; NaN for all else."""
    if not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):  # not a number, or an integer of more than 308 digits
        return math.nan


def _box(numbers: list[float], label: str) -> OrientedBox:
    x, y, z, dx, dy, dz, a, b, c = numbers
    return OrientedBox((x, y, z), (dx, dy, dz), (a, b, c), label)
