"""Answers to be written for other programs, from `vgllm eval` or `vgllm predict`: one type for both."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vgcli_core.geometry.boxes import EulerConvention, Floats, OrientedBox, as_array, to_extrinsic
from vgcli_core.geometry.conventions import IN_WORDS

Status = Literal["ok", "none", "invalid", "failed"]
Task = Literal["ask", "ground", "detect", "caption"]

EULER_IN_WORDS: Mapping[EulerConvention, str] = {
    "ZXY": IN_WORDS["euler"],
    "zxy": "extrinsic zxy: R = Ry(c) @ Rx(b) @ Rz(a) for angles [a, b, c]",
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A box (metres, radians, intrinsic Z-X-Y) in the camera of frame `frame`; `time` in seconds, or None."""

    box: OrientedBox
    frame: int
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer, read.

    Attributes:
        id: unique among the answers.
        benchmark: whose sample it is; empty for `vgllm predict`.
        task: what was asked for.
        question: empty where the file does not hold it.
        text: what the model wrote.
        status: "ok"; "none": the text holds no answer; "invalid": one that cannot be used; "failed": never asked.
        reason: why it is not "ok".
        value: the letter, number or words that were read; empty for boxes.
        boxes: in the order of the text.
        dropped: why others were left out.
        truth: what it is scored against, as it stands in the file; None for `vgllm predict`.
        convention: of the angles inside `text`; None where there are no boxes, or nobody needs to know.
    """

    id: str
    benchmark: str
    task: Task
    question: str
    text: str
    status: Status
    reason: str = ""
    value: str = ""
    boxes: tuple[Placed, ...] = ()
    dropped: tuple[str, ...] = ()
    truth: Mapping[str, Any] | None = None
    convention: EulerConvention | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame that a model saw: its position among them, its name and its time in seconds where they are known."""

    position: int
    name: str = ""
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """All answers of a file.

    Attributes:
        source: the file's name.
        rows: the answers in the order of the file.
        video: of `vgllm predict`, what all answers are about; empty where each has frames of its own.
        pictures: the frames of that video.
        size: their height and width in pixels; None where it is not known.
        intrinsics: [3, 3] of these frames, in pixels; None where they are not known, or a mere assumption.
        intrinsics_from: given, fov or exif; empty without intrinsics.
    """

    source: str
    rows: tuple[Answered, ...]
    video: str = ""
    pictures: tuple[Picture, ...] = ()
    size: tuple[int, int] | None = None
    intrinsics: Floats | None = None
    intrinsics_from: str = ""

    def counts(self) -> dict[str, int]:
        """Return how many answers and boxes there are, answers by status, and boxes that were dropped."""
        by_status = Counter(row.status for row in self.rows)
        return {
            "answers": len(self.rows),
            "ok": by_status["ok"],
            "none": by_status["none"],
            "invalid": by_status["invalid"],
            "failed": by_status["failed"],
            "boxes": sum(len(row.boxes) for row in self.rows),
            "boxes_dropped": sum(len(row.dropped) for row in self.rows),
        }


def written_boxes(row: Answered, angles: EulerConvention) -> list[list[float]]:
    """Return the nine numbers of each box, the angles in the convention that is asked for."""
    boxes = as_array([placed.box for placed in row.boxes])
    numbers: list[list[float]] = (boxes if angles == "ZXY" else to_extrinsic(boxes)).tolist()
    return numbers
