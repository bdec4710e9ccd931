"""One sample: a line of a prepared JSONL file. Frames, the conversation as trained, and the truth of its task.

Coordinate frames: boxes of a sample are in the camera of the frame that they name (OpenCV axes: x right, y down, z
forward), metres, angles intrinsic Z-X-Y in radians. `camera_to_world` leads to the aligned scan (z up).

The conversation keeps the published form: `<image>` stands where a frame stands, and one newline after each `<image>`
is dropped when the sample is tokenised, in training and in evaluation alike (formats of media, section 3).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from vgcli_core.errors import DataError
from vgcli_core.geometry.boxes import Floats, OrientedBox
from vgcli_core.text.prompts import Task

FORMAT = "vgllm.sample/1"
IMAGE = "<image>"

Speaker = Literal["human", "gpt"]
Tag = Literal["2d", "3d"]

_FRAME_NAME = re.compile(r"Frame-\d+: \Z")  # see `human_turn`
_REQUIRED = ("id", "dataset", "split", "scene", "task", "frames", "conversations")
_OPTIONAL = (
    *("question_type", "tag", "options", "boxes", "cameras", "markers", "square", "truth", "target_visible"),
    *("info", "pack", "euler_convention"),
)
_TASKS = ("ask", "ground", "detect", "caption")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation: who speaks, and the text."""

    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class FramedBox:
    """A box in the camera of frame `frame`, a position in `Sample.frames`."""

    box: OrientedBox
    frame: int


@dataclass(frozen=True)
class Cameras:
    """The cameras of a sample's frames.

    Attributes:
        intrinsics: [3, 3], pixels of the stored frames.
        camera_to_world: [F, 4, 4] to the aligned scan, metres; rows of NaN where a pose is not known; [0, 4, 4] where
            poses were not asked for.
        alignment: [4, 4] from the scan as it was recorded to the aligned scan.
        size: width and height in pixels, None where not known.
    """

    intrinsics: Floats
    camera_to_world: Floats
    alignment: Floats
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample.

    Attributes:
        id: unique within a split of a dataset.
        dataset: a key of DATASETS.
        split: for example "train".
        scene: scan or video that the frames are of; samples of one scene are not independent.
        task: what kind of answer is asked for.
        frames: paths relative to the folder `frames/` of the prepared set, with "/", in the order the model sees them.
        conversations: turns, the first one human with one `<image>` for each frame. The answer of an evaluation
            sample may be empty.
        question_type: the dataset's own kind of question, "" where it has none.
        tag: batches never mix tags; "3d" for all but LLaVA-Hound.
        options: choices to answer by letter.
        boxes: the boxes of the answer, unrounded.
        cameras: of the frames, where known: intrinsics, and poses if they were asked for.
        markers: points and boxes that are drawn on the frames when they are read (`media.markers`), else None.
        square: frames of different sizes are cut to centred squares when they are read (BLINK).
        truth: what a benchmark scores an answer against, see `truth_of`; None for training samples.
        target_visible: whether any frame shows the target; None where that is not known or makes no sense.
        info: what else the source says: ids, areas, overlaps; "reference_frame" names the frame that a caption's point
            is in the camera of, and "order" the place in the published file.
        pack: tar file in `frames/` that holds the frames; "" where they are files.
    """

    id: str
    dataset: str
    split: str
    scene: str
    task: Task
    frames: tuple[str, ...]
    conversations: tuple[Turn, ...]
    question_type: str = ""
    tag: Tag = "3d"
    options: tuple[str, ...] = ()
    boxes: tuple[FramedBox, ...] = ()
    cameras: Cameras | None = None
    markers: Mapping[str, Any] | None = None
    square: bool = False
    truth: Mapping[str, Any] | None = None
    target_visible: bool | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    pack: str = ""

    @property
    def question(self) -> str:
        """The text of the first human turn without its `<image>` tags and the newlines and names that go with them."""
        before, tag, rest = self.conversations[0].text.replace(f"{IMAGE}\n", IMAGE).partition(IMAGE)
        return _FRAME_NAME.sub("", before) + rest.rpartition(IMAGE)[2] if tag else before

    @property
    def layout(self) -> str:
        """The first human turn up to its last `<image>`, as it is tokenised: equal layouts give equal beginnings."""
        return layout_of(next(turn.text for turn in self.conversations if turn.speaker == "human"))

    @property
    def answer(self) -> str:
        """The last turn of the model, "" where there is none."""
        last = self.conversations[-1]
        return last.text if last.speaker == "gpt" else ""


def to_line(sample: Sample) -> str:
    """Return the sample as one line of JSON, without the newline; the same bytes for the same sample."""
    row: dict[str, Any] = {
        "id": sample.id,
        "dataset": sample.dataset,
        "split": sample.split,
        "scene": sample.scene,
        "task": sample.task,
        "frames": list(sample.frames),
        "conversations": [{"from": turn.speaker, "value": turn.text} for turn in sample.conversations],
        "question_type": sample.question_type,
        "tag": sample.tag,
        "options": list(sample.options),
        "boxes": [
            {"label": one.box.label, "frame": one.frame, "bbox_3d": [*one.box.center, *one.box.size, *one.box.angles]}
            for one in sample.boxes
        ],
        "euler_convention": "ZXY" if sample.boxes or (sample.truth and "euler_convention" in sample.truth) else None,
        "cameras": _cameras_row(sample.cameras),
        "markers": None if sample.markers is None else dict(sample.markers),
        "square": sample.square or None,
        "truth": None if sample.truth is None else dict(sample.truth),
        "target_visible": sample.target_visible,
        "info": dict(sample.info),
        "pack": sample.pack,
    }
    kept = {key: value for key, value in row.items() if key in _REQUIRED or value not in (None, "", [], {})}
    return json.dumps(kept, ensure_ascii=False, allow_nan=False)


def from_line(line: str, *, where: str = "") -> Sample:
    """Return the sample that `to_line` wrote.

    Raises:
        DataError: not JSON, a key is missing or unknown, or a value has another type.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"no JSON: {line[:60]!r}", where) from error
    if not isinstance(row, dict):
        raise _wrong(f"not a JSON object but {type(row).__name__}", where)
    missing = [key for key in _REQUIRED if key not in row]
    unknown = [key for key in row if key not in _REQUIRED + _OPTIONAL]
    if missing or unknown:
        raise _wrong(f"missing {missing[0]!r}" if missing else f"unknown key {unknown[0]!r}", where)
    if row["task"] not in _TASKS:
        raise _wrong(f"{row['task']!r} is no task", where)
    if not row["conversations"]:
        raise _wrong("a conversation without turns", where)
    if row.get("boxes") and row.get("euler_convention") != "ZXY":
        raise _wrong(f"boxes with the Euler convention {row.get('euler_convention')!r} instead of 'ZXY'", where)
    try:
        return Sample(
            id=_text(row["id"]),
            dataset=_text(row["dataset"]),
            split=_text(row["split"]),
            scene=_text(row["scene"]),
            task=row["task"],
            frames=tuple(_text(name) for name in row["frames"]),
            conversations=tuple(_turn(turn) for turn in row["conversations"]),
            question_type=_text(row.get("question_type", "")),
            tag=row.get("tag", "3d"),
            options=tuple(_text(option) for option in row.get("options", ())),
            boxes=tuple(_framed(box) for box in row.get("boxes", ())),
            cameras=_cameras(row.get("cameras")),
            markers=row.get("markers"),
            square=bool(row.get("square", False)),
            truth=row.get("truth"),
            target_visible=row.get("target_visible"),
            info=row.get("info", {}),
            pack=_text(row.get("pack", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _wrong(f"a value of the wrong form: {type(error).__name__} {error}", where) from error


def layout_of(text: str) -> str:
    """Return a human turn up to its last `<image>`, as it is tokenised."""
    before, tag, _ = text.replace(f"{IMAGE}\n", IMAGE).rpartition(IMAGE)
    return before + tag


def truth_of(sample: Sample) -> dict[str, Any] | None:
    """Return what a benchmark scores the sample against, in the form of its `Truth`; None for training samples.

    A grounding truth needs the cameras, which `Sample.truth` does not repeat: they are put in here.
    """
    if sample.truth is None:
        return None
    truth = dict(sample.truth)
    if sample.task == "ground" and sample.cameras is not None and "camera_to_world" not in truth:
        truth["camera_to_world"] = _poses_row(sample.cameras.camera_to_world)
    return truth


def human_turn(text: str, num_frames: int, *, separator: str = "", newline: str = "", names: int | None = None) -> Turn:
    """Return the first turn: one `<image>` for each frame, then `text`.

    Args:
        text: what follows the last frame.
        num_frames: how many frames stand before it.
        separator: between two frames ("" or a newline, which is dropped again when the sample is tokenised).
        newline: after the last frame.
        names: number of the first frame, when each one is named ("Frame-0: <image>"); None for no names.
    """
    tags = [IMAGE if names is None else f"Frame-{names + place}: {IMAGE}" for place in range(num_frames)]
    return Turn("human", separator.join(tags) + newline + text)


def _cameras_row(cameras: Cameras | None) -> dict[str, Any] | None:
    if cameras is None:
        return None
    row: dict[str, Any] = {
        "intrinsics": cameras.intrinsics.tolist(),
        "camera_to_world": _poses_row(cameras.camera_to_world),
        "alignment": cameras.alignment.tolist(),
    }
    if cameras.size is not None:
        row["size"] = list(cameras.size)
    return row


def _poses_row(poses: Floats) -> list[list[list[float]] | None]:
    return [pose.tolist() if np.isfinite(pose).all() else None for pose in poses]


def _cameras(row: Mapping[str, Any] | None) -> Cameras | None:
    if row is None:
        return None
    lost = np.full((4, 4), np.nan)
    poses: Sequence[Any] = row["camera_to_world"]
    stacked = np.array([lost if pose is None else pose for pose in poses], dtype=np.float64).reshape(-1, 4, 4)
    size = row.get("size")
    return Cameras(
        np.array(row["intrinsics"], dtype=np.float64).reshape(3, 3),
        stacked,
        np.array(row["alignment"], dtype=np.float64).reshape(4, 4),
        None if size is None else (int(size[0]), int(size[1])),
    )


def _framed(row: Mapping[str, Any]) -> FramedBox:
    x, y, z, dx, dy, dz, a, b, c = (float(value) for value in row["bbox_3d"])
    return FramedBox(OrientedBox((x, y, z), (dx, dy, dz), (a, b, c), _text(row["label"])), int(row["frame"]))


def _turn(row: Mapping[str, Any]) -> Turn:
    speaker = row["from"]
    if speaker not in ("human", "gpt"):
        raise ValueError(f"{speaker!r} is neither human nor gpt")
    return Turn(speaker, _text(row["value"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value


def _wrong(what: str, where: str) -> DataError:
    return DataError(what, where=where, fix="prepare the dataset again with this version of vgllm")
