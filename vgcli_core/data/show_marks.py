"""What can be drawn for a sample: its boxes, its point, and the way to the cameras of its frames."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vgcli_core.data.sample import FramedBox, Sample
from vgcli_core.drawing.boxes import PREDICTION
from vgcli_core.drawing.labels import Color
from vgcli_core.geometry.boxes import Floats, OrientedBox, as_array, as_boxes, transform
from vgcli_core.geometry.camera import is_usable, relative_pose

TARGET: Color = PREDICTION
POINT: Color = (255, 70, 200)
# Far apart from each other and from wood, walls and carpets; then the same ones darker.
_BRIGHT: tuple[Color, ...] = (
    *((60, 230, 90), (255, 196, 0), (70, 160, 255), (255, 80, 80), (190, 110, 255), (0, 220, 220)),
    *((255, 130, 30), (255, 120, 205), (190, 235, 50), (140, 150, 255), (225, 170, 110), (245, 245, 245)),
)
PALETTE: tuple[Color, ...] = _BRIGHT + tuple((r * 5 // 9, g * 5 // 9, b * 5 // 9) for r, g, b in _BRIGHT)
SCAN = -1  # stands for the coordinate frame of the aligned scan where a position of a frame is expected

_POINT = re.compile(r"\[\s*([-+.\deE]+)\s*,\s*([-+.\deE]+)\s*,\s*([-+.\deE]+)\s*\]")


@dataclass(frozen=True)
class Marks:
    """Boxes and a point, each in the camera of the frame that it names, or in the aligned scan (SCAN).

    Attributes:
        boxes: those of the answer; of an evaluation sample for grounding, the true one.
        colors: one for each box; boxes of a detection answer that share a label share a colour.
        point: [3] what a caption is asked for, None for other tasks.
        point_frame: whose camera the point is in.
        anchors: frames that a reader wants to see, the most wanted one first.
        remarks: what cannot be drawn, and why.
    """

    boxes: tuple[FramedBox, ...] = ()
    colors: tuple[Color, ...] = ()
    point: Floats | None = None
    point_frame: int = 0
    anchors: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()


def marks_of(sample: Sample) -> Marks:
    """Return what can be drawn for a sample."""
    boxes = sample.boxes or _true_box(sample)
    kept = tuple(one for one in boxes if SCAN <= one.frame < len(sample.frames))
    anchors = [one.frame for one in kept if one.frame != SCAN]
    if not anchors:
        anchors += frames_of_truth(sample)[:1]
    point, point_frame = _point(sample)
    if point is not None:
        anchors.insert(0, point_frame)
    remarks = []
    if len(kept) < len(boxes):
        remarks.append("boxes left out: they name frames that the sample does not have")
    if any(one.frame == SCAN for one in kept) and not any(has_pose(sample, p) for p in range(len(sample.frames))):
        remarks.append("true box not drawn: it is in the scan, and no camera pose is known")
    return Marks(
        kept,
        colors_of([one.box.label for one in kept]) if sample.task == "detect" else (TARGET,) * len(kept),
        point,
        point_frame,
        tuple(dict.fromkeys(anchors)) if sample.frames else (),
        tuple(remarks),
    )


def colors_of(labels: Sequence[str]) -> tuple[Color, ...]:
    """Return a colour for each label: one for each distinct label, PALETTE begins again at its end."""
    known = {label: PALETTE[place % len(PALETTE)] for place, label in enumerate(dict.fromkeys(labels))}
    return tuple(known[label] for label in labels)


def frames_of_truth(sample: Sample) -> list[int]:
    """Return the positions of the frames that show the target, if an evaluation sample lists them."""
    listed = None if sample.truth is None else sample.truth.get("visible_frames")
    return [place for place in listed if place in range(len(sample.frames))] if isinstance(listed, list) else []


def has_pose(sample: Sample, position: int) -> bool:
    """Tell whether the pose of a frame is known and usable."""
    poses = () if sample.cameras is None else sample.cameras.camera_to_world
    return position < len(poses) and is_usable(poses[position])


def boxes_seen_from(sample: Sample, boxes: Sequence[FramedBox], position: int) -> list[OrientedBox | None]:
    """Return boxes in the camera of the frame at `position`; None where a pose is not known that leads there."""
    found: list[OrientedBox | None] = []
    for one in boxes:
        way = way_to(sample, one.frame, position)
        moved = None if way is None else as_boxes(transform(as_array([one.box]), way), [one.box.label])[0]
        found.append(one.box if one.frame == position else moved)
    return found


def point_seen_from(sample: Sample, marks: Marks, position: int) -> Floats | None:
    """Return the point [3] in the camera of the frame at `position`, None where no known pose leads there."""
    way = way_to(sample, marks.point_frame, position)
    if marks.point is None or way is None:
        return None
    moved: Floats = way[:3, :3] @ marks.point + way[:3, 3]
    return moved


def way_to(sample: Sample, source: int, position: int) -> Floats | None:
    """Return the matrix [4, 4] from one frame's camera (or SCAN) to another's, None where a pose is not known."""
    if source == position:
        return np.eye(4)
    if sample.cameras is None or not has_pose(sample, position) or not (source == SCAN or has_pose(sample, source)):
        return None
    poses = sample.cameras.camera_to_world
    return relative_pose(np.eye(4) if source == SCAN else poses[source], poses[position])


def _true_box(sample: Sample) -> tuple[FramedBox, ...]:
    """Return the box that an answer to a grounding question is scored against, in the aligned scan."""
    if sample.task != "ground" or sample.truth is None:
        return ()
    row = _numbers(sample.truth.get("bbox_3d"), 9)
    if row is None or sample.truth.get("euler_convention") != "ZXY":
        return ()
    return tuple(FramedBox(box, SCAN) for box in as_boxes(row[None], ["target"]))


def _point(sample: Sample) -> tuple[Floats | None, int]:
    """Return the point of a caption's question, as the model reads it, and the frame whose camera it is in."""
    if sample.task != "caption":
        return None, 0
    last = sample.info.get("reference_frame") == "last"
    found = _POINT.search(sample.question)
    point = None if found is None else _numbers(list(found.groups()), 3)
    return point, len(sample.frames) - 1 if last else 0


def _numbers(row: Any, count: int) -> Floats | None:
    try:
        numbers = np.array(row, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return numbers if numbers.shape == (count,) and np.isfinite(numbers).all() else None
