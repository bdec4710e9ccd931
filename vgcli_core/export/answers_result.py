"""Read a `result.json` of `vgllm predict` for an export."""

import json
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat, NonNegativeInt, PositiveInt, ValidationError

from vgcli_core.errors import PredictionsError
from vgcli_core.export.answers import Answered, Answers, Picture, Placed, Task
from vgcli_core.geometry.boxes import OrientedBox

SCHEMA = "vgllm.prediction/1"

_F = FiniteFloat


class _Part(BaseModel):
    """What an export needs of a part of the file; it holds more."""

    model_config = ConfigDict(frozen=True)


class _Box(_Part):
    label: str
    frame: NonNegativeInt
    time: _F | None
    bbox_3d: tuple[_F, _F, _F, _F, _F, _F, _F, _F, _F]

    def placed(self) -> Placed:
        x, y, z, dx, dy, dz, a, b, c = self.bbox_3d
        return Placed(OrientedBox((x, y, z), (dx, dy, dz), (a, b, c), self.label), self.frame, self.time)


class _Answer(_Part):
    id: str
    question: str
    task: Task
    text: str
    status: Literal["ok", "none", "invalid"]
    boxes: tuple[_Box, ...]
    unusable: tuple[str, ...]
    remarks: tuple[str, ...]
    choice: str | None
    number: _F | None


class _Frame(_Part):
    position: NonNegativeInt
    time: _F | None
    name: str


class _Size(_Part):
    height: PositiveInt
    width: PositiveInt


class _Intrinsics(_Part):
    fx: _F
    fy: _F
    cx: _F
    cy: _F
    source: str


class _File(_Part):
    source: str
    frames: tuple[_Frame, ...]
    frame_size: _Size
    answers: tuple[_Answer, ...]
    intrinsics: _Intrinsics | None


def read_result(path: Path, text: str) -> Answers:
    """Read the text of a result. Raises PredictionsError where it is not in the form that `vgllm predict` writes."""
    try:
        # Names of files that are no UTF-8 hold halves of surrogate pairs, which a model of pydantic refuses.
        whole = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace")
        found = _File.model_validate_json(whole)
        for answer in found.answers:
            for box in answer.boxes:
                if box.frame >= len(found.frames):
                    raise _refused(path, f"a box is in frame {box.frame} of {len(found.frames)}")
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise _refused(path, f"{place}: {problem['msg']}") from None
    known = found.intrinsics if found.intrinsics is not None and found.intrinsics.source != "assumed" else None
    return Answers(
        path.name,
        tuple(_row(answer, place, len(found.answers)) for place, answer in enumerate(found.answers)),
        video=found.source,
        pictures=tuple(Picture(one.position, one.name, one.time) for one in found.frames),
        size=(found.frame_size.height, found.frame_size.width),
        intrinsics=None if known is None else np.array([[known.fx, 0, known.cx], [0, known.fy, known.cy], [0, 0, 1.0]]),
        intrinsics_from="" if known is None else known.source,
    )


def _row(answer: _Answer, place: int, count: int) -> Answered:
    number = "" if answer.number is None else f"{answer.number:.15g}"
    words = " ".join(answer.text.split()) if answer.task in ("ask", "caption") and answer.status == "ok" else ""
    reason = next(iter((*answer.unusable, *answer.remarks)), "no answer in the text")
    name = answer.id or str(place)
    return Answered(
        # Ids are the caller's, and may be equal.
        f"{place}:{name}" if answer.id and count > 1 else name,
        "",
        answer.task,
        answer.question,
        answer.text,
        answer.status,
        reason="" if answer.status == "ok" else reason,
        value=answer.choice or number or words,
        boxes=tuple(box.placed() for box in answer.boxes),
        dropped=answer.unusable,
    )


def _refused(path: Path, what: str) -> PredictionsError:
    fix = "give the result.json that `vgllm predict --out` wrote, unchanged"
    return PredictionsError(what, where=str(path), fix=fix)
