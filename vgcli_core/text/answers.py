"""Read a model's answer: boxes, a letter, a number or a caption. Any text is read, none raises, none is executed.

Boxes come out with the numbers as written: which Euler convention their angles follow is a property of the weights,
so the caller passes them through `geometry.boxes.to_intrinsic`. Lengths are metres in a camera's coordinate frame.

The rules for boxes are those of the golden readings ("safe" in golden/metrics): an object counts as an answer when it
holds "bbox_3d"; its box is usable when that is a list of exactly nine finite numbers.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vgcli_core.geometry.boxes import OrientedBox
from vgcli_core.text.literals import Scan, Value, find_objects

KEY = "bbox_3d"

_EMPTY_LIST = re.compile(r"\s*+(?:```\w*+)?+\s*+\[\s*+\]\s*+(?:```)?+\s*+")

# Whole numbers that models write out; beyond twenty they use digits.
_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_NUMBER = re.compile(
    # A minus after a letter, digit or dot is a dash; commas stand between thousands; "3D" is no number.
    r"((?:(?<![\w.])[+-])?(?:\d{1,3}(?:,\d{3})++(?!\d)|\d++)(?:\.\d++)?(?:[eE][+-]?\d{1,3}(?!\w))?(?![dD]\b)"
    r"|(?:(?<![\w.])[+-])?\.\d++)"
    rf"|(?<![\w-])({'|'.join(_WORDS)})(?![\w-])",
    re.IGNORECASE,
)
# "two hundred" and "twenty five" are left unread: half of them would be a wrong number.
_COMPOSED = re.compile(rf"[\s-]++(?:and\s++)?(?:{'|'.join(_WORDS)}|hundred|thousand|million)\b", re.IGNORECASE)
_LONGEST_NUMBER = 300  # more digits than a float holds

# A small letter needs a sign that it is not a word: "the answer is a chair" names no option.
_ANSWER_IS = re.compile(r"\b(?i:answer|option|choice)\b(?:\s+is)?+[\s:*]*+\(?+([A-Z]\b|[a-z](?=[.):*]|\s*+\Z))")
_PARENTHESISED = re.compile(r"\(([A-Za-z])\)")
_STANDING_ALONE = re.compile(r"(?<![A-Za-z0-9_'’])([A-Z])(?![A-Za-z0-9_'’])")


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer with boxes says.

    Attributes:
        status: "ok"; "none": no answer of this form in the text; "invalid": there is one, and it cannot be used.
        boxes: the usable boxes in the order of the text, angles as written.
        frame: position of the frame whose camera the box is in; None for detection, where it is the first frame.
        dropped: for each object that was found and not used, why.
        reason: why the status is "invalid"; empty otherwise.
        notes: remarks for the user: a cut-off end, odd sizes, limits exceeded.
    """

    status: Literal["ok", "none", "invalid"]
    boxes: tuple[OrientedBox, ...] = ()
    frame: int | None = None
    dropped: tuple[str, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()


def read_grounding(text: str, num_frames: int) -> Reading:
    """Read a grounding answer: the first usable box that names a frame in [0, num_frames)."""
    scan = find_objects(text, KEY)
    dropped: list[str] = []
    for item in scan.objects:
        found = _box(item)
        frame = item.get("frame")
        if isinstance(found, str):
            dropped.append(found)
        elif not isinstance(frame, int) or isinstance(frame, bool):
            dropped.append("frame missing or not an integer")
        elif not 0 <= frame < num_frames:
            dropped.append("frame out of range")
        else:
            return Reading("ok", (found,), frame, tuple(dropped), notes=_notes(text, scan, (found,)))
    notes = _notes(text, scan, ())
    if dropped:
        return Reading("invalid", dropped=tuple(dropped), reason=dropped[0], notes=notes)
    return Reading("none", notes=notes)


def read_detection(text: str) -> Reading:
    """Read a detection answer: every usable box that has a label. An empty list is an answer with no boxes."""
    scan = find_objects(text, KEY)
    boxes: list[OrientedBox] = []
    dropped: list[str] = []
    for item in scan.objects:
        found = _box(item)
        if isinstance(found, str):
            dropped.append(found)
        elif not found.label:
            dropped.append("label missing or not a string")
        else:
            boxes.append(found)
    return detection_status(text, boxes, dropped, notes=_notes(text, scan, boxes))


def detection_status(
    text: str, boxes: Sequence[OrientedBox], dropped: Sequence[str], *, notes: tuple[str, ...] = ()
) -> Reading:
    """Return the reading of a text in which `boxes` were found and others dropped; without either it may be "[]"."""
    if boxes:
        return Reading("ok", tuple(boxes), dropped=tuple(dropped), notes=notes)
    if dropped:
        return Reading("invalid", dropped=tuple(dropped), reason=dropped[0], notes=notes)
    if _EMPTY_LIST.fullmatch(text):
        return Reading("ok", notes=("the model lists no objects",))
    return Reading("none", notes=notes)


def has_non_positive_size(box: OrientedBox) -> bool:
    """Tell whether an edge is zero or negative: the box is kept, but a reader should know."""
    return min(box.size) <= 0


def read_choice(text: str, letters: Sequence[str]) -> str | None:
    """Return the option letter that `text` settles on, in upper case, or None.

    The first word counts if it is a letter ("B", "b.", "(B) chair"), as in the reference's scoring; then "the answer
    is B"; then a letter in parentheses or standing alone, if there is only one.
    """
    known = {letter.upper() for letter in letters}
    text = text.rpartition("</think>")[2]
    words = text.split(maxsplit=1)
    first = words[0].strip("()[]{}.,:;*\"'`") if words else ""
    # "a chair" starts with an article, "a" or "a." is an answer.
    if first.upper() in known and (first.isupper() or words[0] != first or len(words) == 1):
        return first.upper()
    for pattern in (_ANSWER_IS, _PARENTHESISED, _STANDING_ALONE):
        found = {match[1].upper() for match in pattern.finditer(text)} & known
        if len(found) == 1:
            return found.pop()
    return None


def read_number(text: str) -> float | None:
    """Return the first number in `text`, in digits ("1,000", "-2.5") or as a word up to twenty, or None."""
    for match in _NUMBER.finditer(text):
        if match[2] and _COMPOSED.match(text, match.end()):
            return None
        if match[2]:
            return float(_WORDS.index(match[2].lower()))
        if len(match[1]) <= _LONGEST_NUMBER:
            value = float(match[1].replace(",", ""))
            if math.isfinite(value):
                return value
    return None


def read_caption(text: str) -> str:
    """Return the caption on one line, without blanks around it."""
    return " ".join(text.split())


def _box(item: dict[str, Value]) -> OrientedBox | str:
    """Return the object's box, or why it is not usable."""
    values = item[KEY]
    if not isinstance(values, list):
        return "not a list"
    if len(values) != 9:
        return "length"
    numbers = [_number(value) for value in values]
    if not all(isinstance(number, float) for number in numbers):
        return "not numbers"
    x, y, z, dx, dy, dz, a, b, c = (number for number in numbers if number is not None)
    if not all(map(math.isfinite, (x, y, z, dx, dy, dz, a, b, c))):
        return "not finite"
    label = item.get("label")
    return OrientedBox((x, y, z), (dx, dy, dz), (a, b, c), label if isinstance(label, str) else "")


def _number(value: Value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return math.inf


def _notes(text: str, scan: Scan, boxes: Sequence[OrientedBox]) -> tuple[str, ...]:
    notes = [
        f"box {position} ({box.label or 'no label'}) has an edge that is not positive"
        for position, box in enumerate(boxes)
        if has_non_positive_size(box)
    ]
    if scan.cut_off:
        notes.append("the text ends inside an object, which is left out")
    if scan.exceeded:
        notes.append(f"nested too deeply or too long, and left out: {scan.exceeded} objects")
    if not scan.objects and "box_3d" in text and find_objects(text, "box_3d").objects:
        notes.append('the box is under "box_3d" instead of "bbox_3d", and is not used')
    return tuple(notes)
