"""The frames of a sample that a sheet shows, with boxes, points and markers drawn on them.

Boxes are drawn on every shown frame that they can be moved to, whether or not something stands before them there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from vgcli_core.data.prepared import Prepared
from vgcli_core.data.sample import Sample
from vgcli_core.data.show_marks import POINT, Marks, boxes_seen_from, frames_of_truth, point_seen_from
from vgcli_core.drawing.boxes import draw_boxes, in_view
from vgcli_core.drawing.cards import Cell, Picture, cells
from vgcli_core.drawing.points import draw_point
from vgcli_core.drawing.wrapping import drawable
from vgcli_core.errors import VgllmError
from vgcli_core.geometry.boxes import Floats
from vgcli_core.geometry.camera import SCANNET_FOV_DEGREES, intrinsics_from_fov, project
from vgcli_core.media.images import Pixels

MOST_FRAMES = 4
ASSUMED_FOV = SCANNET_FOV_DEGREES
ASSUMED = f"cameras are not in the sample: a horizontal angle of view of {ASSUMED_FOV:.0f}° is assumed"
_LABELS_FROM = 260  # pixels: on narrower pictures labels would cover what they name


@dataclass(frozen=True)
class Views:
    """Pictures for a card, and remarks on them; `leads`: the first one is the large one."""

    pictures: tuple[Picture, ...] = ()
    leads: bool = False
    remarks: tuple[str, ...] = ()


def views_of(prepared: Prepared, sample: Sample, marks: Marks, width: int) -> Views:
    """Return up to MOST_FRAMES frames of a sample, that of its target always among them.

    Args:
        prepared: the set.
        sample: one of it.
        marks: of the sample.
        width: of all pictures together, in pixels.

    Frames that cannot be read are no error: what is wrong stands in the remarks.
    """
    if not sample.frames:
        return Views(remarks=("the sample has no frames",))
    remarks = [ASSUMED] if sample.cameras is None and (marks.boxes or marks.point is not None) else []
    in_sight = _looking_at(sample, marks)
    anchors = marks.anchors or tuple(in_sight[:1])
    try:
        if sample.markers is not None or sample.square:  # marks count frames, and squares depend on all of them
            images, marked, found = _marked_images(prepared, sample)
            anchors, remarks = tuple(dict.fromkeys((*anchors, *marked))), remarks + found
            positions = choose_frames(len(images), anchors, in_sight)
            images = [images[position] for position in positions]
        else:
            positions = choose_frames(len(sample.frames), anchors, in_sight)
            images = prepared.images(replace(sample, frames=tuple(sample.frames[position] for position in positions)))
    except VgllmError as error:
        return Views(remarks=(f"frames not shown: {error.what}",))
    leads = len(anchors) == 1
    pictures = []
    places = cells(len(images), images[0].shape[0] / images[0].shape[1], width, leads=leads)
    for position, image, cell in zip(positions, images, places, strict=True):
        small = _fitted(image, cell)
        intrinsics = _intrinsics(sample, (image.shape[1], image.shape[0]), (small.shape[1], small.shape[0]))
        picture, missed = _drawn(sample, marks, position, small, intrinsics)
        pictures.append(picture)
        # What the large picture misses is worth a remark; the others are there to look around.
        remarks += missed if len(pictures) == 1 else ()
    return Views(tuple(pictures), leads, tuple(remarks))


def choose_frames(total: int, anchors: Sequence[int], in_sight: Sequence[int]) -> list[int]:
    """Return up to MOST_FRAMES positions: the first anchor, then the others in their order.

    Args:
        total: frames of the sample.
        anchors: positions that are wanted, the most wanted first.
        in_sight: positions whose camera looks at the target: at most two of them, so that others are there as well.
    """
    chosen = list(dict.fromkeys(anchors))[:MOST_FRAMES]
    chosen += _spread([place for place in in_sight if place not in chosen], min(2, MOST_FRAMES - len(chosen)))
    chosen += _spread([place for place in range(total) if place not in chosen], MOST_FRAMES - len(chosen))
    first = chosen[: 1 if anchors else 0]
    return [*first, *sorted(chosen[len(first) :])]


def _drawn(
    sample: Sample, marks: Marks, position: int, image: Pixels, intrinsics: Floats
) -> tuple[Picture, tuple[str, ...]]:
    """Return one frame [H, W, 3] with what can be drawn on it, and remarks on what is out of its view.

    Args:
        sample: that the frame is of.
        marks: of the sample.
        position: of the frame.
        image: at the size it is shown in.
        intrinsics: [3, 3], in pixels of `image`.
    """
    height, width = image.shape[:2]
    seen = boxes_seen_from(sample, marks.boxes, position)
    kept = [(box, color) for box, color in zip(seen, marks.colors, strict=True) if box is not None]
    boxes, colors = [box for box, _ in kept], [color for _, color in kept]
    there = in_view(boxes, intrinsics, width, height)
    if boxes:
        named = [replace(box, label=drawable(box.label) if width >= _LABELS_FROM else "") for box in boxes]
        image = draw_boxes(image, named, intrinsics, colors=colors)
    words = [f"Frame {position} of {len(sample.frames)}, {sample.frames[position]}"]
    remarks = []
    if any(there):
        labels = dict.fromkeys(box.label for box, shown in zip(boxes, there, strict=True) if shown and box.label)
        words.append(f"boxes drawn: {', '.join(labels) or 'without labels'}")
    if not all(there):
        remarks.append(f"{there.count(False)} of {len(boxes)} boxes lie outside of the view of frame {position}")
    point = point_seen_from(sample, marks, position)
    pixel = _pixel(point, intrinsics, width, height)
    if pixel is not None:
        image = draw_point(image, pixel, POINT)
        words.append("the point of the question marked")
    elif point is not None:
        remarks.append(f"the point lies outside of the view of frame {position}")
    name = PurePosixPath(sample.frames[position]).name
    return Picture(image, f"#{position} {name}", "; ".join(words)), tuple(remarks)


def _pixel(point: Floats | None, intrinsics: Floats, width: int, height: int) -> tuple[float, float] | None:
    """Return where a point [3] of the camera stands in a picture of that size, None where it is not in it."""
    if point is None:
        return None
    x, y = project(point[None], intrinsics)[0][0].tolist()
    return (x, y) if 0 <= x <= width and 0 <= y <= height else None


def _marked_images(prepared: Prepared, sample: Sample) -> tuple[list[Pixels], list[int], list[str]]:
    """Return all frames of a sample, the positions of those with markers, and remarks."""
    plain = prepared.images(replace(sample, markers=None))
    if sample.markers is None:
        return plain, [], []
    try:
        images = prepared.images(sample)
    except VgllmError as error:
        return plain, [], [f"markers not drawn: {error.what}; {error.fix}"]
    pairs = enumerate(zip(plain, images, strict=True))
    return images, [position for position, (one, other) in pairs if not np.array_equal(one, other)], []


def _looking_at(sample: Sample, marks: Marks) -> list[int]:
    """Return the positions of frames whose view holds the target, as far as poses or the truth tell."""
    if frames_of_truth(sample):
        return frames_of_truth(sample)
    if sample.cameras is None:
        return []
    intrinsics = sample.cameras.intrinsics
    width, height = sample.cameras.size or (round(2 * intrinsics[0, 2]), round(2 * intrinsics[1, 2]))
    found = []
    for position in range(len(sample.frames)):
        boxes = [box for box in boxes_seen_from(sample, marks.boxes, position) if box is not None]
        point = point_seen_from(sample, marks, position)
        if any(in_view(boxes, intrinsics, width, height)) or _pixel(point, intrinsics, width, height):
            found.append(position)
    return found


def _intrinsics(sample: Sample, stored: tuple[int, int], shown: tuple[int, int]) -> Floats:
    """Return [3, 3] in pixels of a picture that is `shown` wide and high, of a frame that is `stored` wide and high."""
    if sample.cameras is None:
        return intrinsics_from_fov(*shown, ASSUMED_FOV)
    known = sample.cameras.size or stored
    scaled: Floats = sample.cameras.intrinsics * np.array([[shown[0] / known[0]], [shown[1] / known[1]], [1.0]])
    return scaled


def _fitted(image: Pixels, cell: Cell) -> Pixels:
    """Return the picture [H, W, 3] scaled up or down until it touches two borders of the cell."""
    height, width = image.shape[:2]
    scale = min(cell.width / width, cell.height / height)
    size = max(1, min(cell.width, round(width * scale))), max(1, min(cell.height, round(height * scale)))
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def _spread(places: Sequence[int], count: int) -> list[int]:
    """Return `count` of the places at even distances, the first and last among them; all when there are fewer."""
    if count >= len(places):
        return list(places)
    if count == 1:
        return [places[len(places) // 2]]
    return [places[round(step * (len(places) - 1) / (count - 1))] for step in range(count)]
