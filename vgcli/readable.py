"""A Result as text for people: one block per question, a table for boxes, 80 columns, no colour needed.

Pure: returns rich renderables and prints nothing. Lengths in metres; angles in degrees here, radians in the JSON.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from vgcli_core.predict.result import Answer, FoundBox, FrameInfo, Intrinsics, Result

UNTRAINED = (
    "this model's weights are random and untrained: the answer means nothing; give a real checkpoint with --model"
)

# C0 and C1 controls except newline and tab, line separators, direction overrides, halves of surrogate pairs.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST_PROMPT = 480
_LONGEST_ANSWER = 1200
_MOST_REMARKS = 5

_BOX_LEGEND = (
    "centre x y z in the camera of the row's frame: x right, y down, z forward; "
    "size: full edges; rotation: intrinsic Z-X-Y, about z, then x, then y"
)


def clean(text: str) -> str:
    """Return `text` with control characters spelled out (`\\x1b`); newlines and tabs stay."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: str) -> str:
    """Return `text` cleaned, on one line: runs of white space become one space."""
    return clean(" ".join(text.split()))


def blocks(result: "Result") -> Iterator[RenderableType]:
    """Yield what to print, in order: the warning for random weights, then one block per answer."""
    if result.model.untrained:
        yield Text(f"WARNING: {UNTRAINED}.", style="bold red")
        yield Text()
    for number, answer in enumerate(result.answers, start=1):
        if number > 1:
            yield Text()
        yield _block(answer, f"question {number}" if len(result.answers) > 1 else "question", result.frames)


def footer(result: "Result") -> RenderableType:
    """Return a few lines: what answered, what it looked at, with which camera, and how long each part took."""
    model = result.model
    height, width = result.frame_size
    times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in result.timings.items())
    return _pairs(
        [
            ("model", Text(one_line(f"{model.name} ({model.layout}, {_count(model.parameters)} parameters)"))),
            ("", Text(one_line(f"{model.device}, {model.dtype}, attention {model.attention}"))),
            (
                "frames",
                Text(one_line(f"{len(result.frames)} of {result.total_frames}, {width}x{height}, {result.decoder}")),
            ),
            *_camera(result.intrinsics, width),
            ("time", Text(one_line(times))),
        ],
        style="dim",
    )


def _camera(camera: "Intrinsics | None", width: int) -> list[tuple[str, Text]]:
    if camera is None:
        return []
    return [("camera", Text(f"{camera.horizontal_fov(width):.1f} degrees across ({camera.source})"))]


def _block(answer: "Answer", heading: str, frames: "Sequence[FrameInfo]") -> RenderableType:
    rows: list[tuple[str, Text]] = []
    if answer.id:
        rows.append(("id", Text(one_line(answer.id))))
    rows.append((heading, Text(one_line(answer.question) or "(every object)", style="bold")))
    reason = one_line(answer.reason).removeprefix(f"task {answer.task}: ")
    rows.append(("task", Text(f"{answer.task}: {reason}" if reason else answer.task)))
    rows.append(("sent", Text(_sent(answer), style="dim")))
    rows.append(("answer", Text(_headline(answer), style="bold")))
    parts: list[RenderableType] = []
    if answer.boxes:
        parts += [_box_table(answer.boxes, frames), Padding(Text(_BOX_LEGEND, style="dim"), (0, 0, 0, 2))]
    remarks = list(_remarks(answer))
    if remarks:
        parts.append(_pairs(remarks))
    return Group(_pairs(rows), *parts)


def _headline(answer: "Answer") -> str:
    if answer.task in ("ground", "detect"):
        if answer.boxes:
            return "1 box" if len(answer.boxes) == 1 else f"{len(answer.boxes)} boxes"
        return "no box" if answer.status == "none" else "no usable box"
    text = _cut(clean(answer.text).strip(), _LONGEST_ANSWER) or "(empty)"
    if answer.choice is not None and answer.choice != answer.text.strip():
        return f"{text}  (read as option {clean(answer.choice)})"
    return text


def _remarks(answer: "Answer") -> Iterator[tuple[str, Text]]:
    """Yield what is wrong with an answer, and its raw text when the boxes do not show all of it."""
    if not answer.complete:
        yield "cut off", Text(f"after {answer.new_tokens} tokens; allow more with --max-new-tokens")
    if answer.unusable:
        yield "unusable", Text(str(len(answer.unusable)))
        for remark in answer.unusable[:_MOST_REMARKS]:
            yield "", Text(one_line(remark))
        if len(answer.unusable) > _MOST_REMARKS:
            yield "", Text(f"and {len(answer.unusable) - _MOST_REMARKS} more (all of them with --json)")
    for number, remark in enumerate(answer.remarks):
        yield "remark" if number == 0 else "", Text(one_line(remark))
    if answer.task in ("ground", "detect") and (answer.status != "ok" or answer.unusable):
        yield "raw text", Text(_cut(clean(answer.text).strip(), _LONGEST_ANSWER) or "(empty)")


def _box_table(boxes: Iterable["FoundBox"], frames: "Sequence[FrameInfo]") -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    table.add_column("label", overflow="fold")
    for heading in ("frame", "centre (m)", "size (m)", "rotation (deg)"):
        table.add_column(heading, no_wrap=True)
    for found in boxes:
        # The position among the frames sent, then where that frame is in the source.
        place = f"{found.frame} (#{frames[found.frame].index})" if found.frame < len(frames) else str(found.frame)
        time = "" if found.time is None else f" {found.time:.2f} s"
        angles = tuple(math.degrees(angle) for angle in found.box.angles)
        table.add_row(
            Text(one_line(found.box.label) or "-"),
            f"{place}{time}",
            _numbers(found.box.center, 2),
            _numbers(found.box.size, 2),
            _numbers(angles, 1),
        )
    return table


def _sent(answer: "Answer") -> str:
    layout = '"Frame-i: " before each frame, then: ' if answer.frame_names else ""
    return layout + _cut(one_line(answer.prompt), _LONGEST_PROMPT)


def _numbers(values: Iterable[float], digits: int) -> str:
    # Adding 0.0 turns the -0.0 that rounding leaves into 0.0.
    return " ".join(f"{round(value, digits) + 0.0:.{digits}f}" for value in values)


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[:longest]} ... ({len(text) - longest} more characters, all of them with --json)"


def _count(number: int) -> str:
    for size, name in ((1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand")):
        if number >= size:
            return f"{number / size:.3g} {name}"
    return str(number)


def _pairs(rows: Iterable[tuple[str, Text]], style: str = "") -> Table:
    """Return two columns: a short name, and a value that wraps beside it."""
    grid = Table.grid(padding=(0, 2), expand=False)
    grid.add_column(no_wrap=True, style=style or "cyan", min_width=10)
    grid.add_column(overflow="fold", style=style)
    for name, value in rows:
        grid.add_row(name, value)
    return grid
