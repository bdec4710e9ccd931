"""What a prediction is: one Result per run, one Answer per question, and their documented JSON form.

A result must be understood alone, years later and on another machine: it carries the coordinate frame and the Euler
convention of every box, the frames and their times, the text really sent, the raw answer, the model and the versions.
Coordinate frame "camera k": OpenCV axes (x right, y down, z forward) of the camera of frame k of `frames`, in metres.
"""

import json
import math
import re
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any, Literal

from vgcli_core.geometry.boxes import OrientedBox
from vgcli_core.geometry.conventions import IN_WORDS
from vgcli_core.text.prompts import Task

SCHEMA = "vgllm.prediction/1"

# What JSON would leave as it is: controls, line separators, direction overrides, and the halves of surrogate pairs
# that file names which are not UTF-8 are read as.
_UNSHOWABLE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# What became of the text: an answer that could be used, text without an answer, an answer that cannot be used.
Status = Literal["ok", "none", "invalid"]


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """A frame the model saw: `position` in the result's list, `index` in the source, `time` in seconds or None."""

    position: int
    index: int
    time: float | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class FoundBox:
    """A box of an answer, in metres and radians (intrinsic Z-X-Y), in the camera of frame `frame` of the result."""

    box: OrientedBox
    frame: int
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    Attributes:
        id: the caller's name for the question; empty when none was given.
        question: what the user asked.
        task: ask, ground, detect or caption.
        reason: why `auto` chose the task and how the question was reworded; empty when the user chose.
        prompt: the text sent after the frames, exactly; frames are marked separately by `frame_names`.
        frame_names: whether "Frame-i: " stood before each frame.
        text: the model's raw text.
        status: "ok", "none" (no answer of the task's form in the text), or "invalid" (there was one, not usable).
        boxes: boxes of ground (one) and detect.
        unusable: one reason for each box that was found and dropped.
        new_tokens: how many tokens were generated, the end token included.
        complete: False when `max_new_tokens` cut the text off.
        max_new_tokens: the limit in force.
        choice: the letter that was read, where options were given.
        number: the first number in an answer in words, where there is one.
        frames: positions in the result's `frames` of those sent with this question, in order; frame numbers inside
            `text` count along this list, all others along the result's.
        remarks: what else a reader should know of the text: a cut-off end, an odd size, no letter to read.
    """

    id: str
    question: str
    task: Task
    reason: str
    prompt: str
    frame_names: bool
    text: str
    status: Status
    boxes: tuple[FoundBox, ...]
    unusable: tuple[str, ...]
    new_tokens: int
    complete: bool
    max_new_tokens: int
    choice: str | None = None
    number: float | None = None
    frames: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model answered, and how its weights and its data are to be read.

    `untrained` is True for the tiny random demo. `layout` names the weight layout (generation-1, generation-2, plain).
    `conventions_from` says where `euler_convention` and `prompt_revision` come from: the checkpoint, a known name, an
    assumption, or the user. `weights_left_out` counts parameters of the files that nothing needs, by reason.
    """

    name: str
    path: str
    layout: str
    backbone: str
    geometry_encoder: str
    fusion: str
    reference_frame: str
    euler_convention: str | None
    prompt_revision: int | None
    conventions_from: str
    untrained: bool
    parameters: int
    device: str
    dtype: str
    attention: str
    weights_left_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """Pinhole intrinsics in pixels of the source frames, and where they come from: given, fov, exif or assumed."""

    fx: float
    fy: float
    cx: float
    cy: float
    source: str

    def horizontal_fov(self, width: int) -> float:
        """Return the angle in degrees that an image of this width in pixels spans."""
        return math.degrees(math.atan(self.cx / self.fx) + math.atan((width - self.cx) / self.fx))


@dataclass(frozen=True, slots=True)
class Result:
    """Everything one run of `predict` found out about one source."""

    source: str
    frames: tuple[FrameInfo, ...]
    frame_size: tuple[int, int]
    total_frames: int
    decoder: str
    answers: tuple[Answer, ...]
    model: ModelInfo
    notes: tuple[str, ...]
    timings: dict[str, float]
    counts: dict[str, int]
    generation: dict[str, Any]
    versions: dict[str, str]
    seed: int
    intrinsics: Intrinsics | None = None
    drawn: tuple[str, ...] = field(default=())

    @property
    def text(self) -> str:
        """The raw text of the first answer: the common case of one question."""
        return self.answers[0].text

    @property
    def boxes(self) -> tuple[FoundBox, ...]:
        """The boxes of all answers, in order."""
        return tuple(found for answer in self.answers for found in answer.boxes)

    def __str__(self) -> str:
        """Return the answers in a few lines; an untrained model's are marked."""
        lines = [line for answer in self.answers for line in _lines(answer)]
        warning = ["(untrained weights: the answers mean nothing)"] if self.model.untrained else []
        return "\n".join([*warning, *lines])

    def as_dict(self) -> dict[str, Any]:
        """Return the documented JSON form (schema vgllm.prediction/1) as plain lists, dicts, numbers and strings."""
        plain = asdict(self)
        plain["frame_size"] = {"height": self.frame_size[0], "width": self.frame_size[1]}
        for row, answer in zip(plain["answers"], self.answers, strict=True):
            row["boxes"] = [_box_row(found) for found in answer.boxes]
        return {
            "schema": SCHEMA,
            "conventions": {
                **IN_WORDS,
                "coordinate_frame": "camera of the frame whose position in `frames` the box names",
            },
            **plain,
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return `as_dict` as strict JSON text (no NaN) that any terminal can show and any UTF-8 file can hold."""
        text = json.dumps(self.as_dict(), indent=indent, ensure_ascii=False, allow_nan=False)
        return _UNSHOWABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)

    def _repr_html_(self) -> str:
        """Show answers and boxes as a small table in a notebook; every text is escaped."""
        rows = "".join(_html_rows(answer) for answer in self.answers)
        warning = "<p><b>untrained weights: the answers mean nothing</b></p>" if self.model.untrained else ""
        head = "<tr><th>question</th><th>answer</th><th>frame</th><th>centre (m)</th><th>size (m)</th></tr>"
        return f"{warning}<table>{head}{rows}</table><p>{escape(self.source)} · {escape(self.model.name)}</p>"


def _lines(answer: Answer) -> list[str]:
    asked = answer.question or answer.task
    if not answer.boxes:
        return [
            f"{asked}: {answer.text.strip() or '(no text)'}" + ("" if answer.status == "ok" else f" ({answer.status})")
        ]
    return [
        f"{asked}: {found.box.label or 'box'} at ({_metres(found.box.center)}) m, size ({_metres(found.box.size)}) m, "
        f"in the camera of frame {found.frame}" + (f" ({found.time:.2f} s)" if found.time is not None else "")
        for found in answer.boxes
    ]


def _box_row(found: FoundBox) -> dict[str, Any]:
    box = found.box
    return {
        "label": box.label,
        "frame": found.frame,
        "time": found.time,
        "coordinate_frame": f"camera {found.frame}",
        "bbox_3d": [*box.center, *box.size, *box.angles],
    }


def _html_rows(answer: Answer) -> str:
    question = f"<td>{escape(answer.question or answer.task)}</td>"
    if not answer.boxes:
        return f'<tr>{question}<td colspan="4">{escape(answer.text)} <i>({answer.status})</i></td></tr>'
    return "".join(
        f"<tr>{question}<td>{escape(found.box.label)}</td><td>{found.frame}</td>"
        f"<td>{_metres(found.box.center)}</td><td>{_metres(found.box.size)}</td></tr>"
        for found in answer.boxes
    )


def _metres(values: tuple[float, float, float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)
