"""Draw oriented boxes on a frame, in perspective.

Boxes are in the coordinate frame of the camera that took the frame (OpenCV axes, metres). Edges are cut at a plane
just before the camera and at the borders of the image, so that a box around or beside the camera draws only the part
that is really in view.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vgcli_core.drawing.labels import Color, Plate, draw_label, font_for
from vgcli_core.geometry.boxes import EDGES, FACES, Floats, OrientedBox, as_array, corners, rotations
from vgcli_core.geometry.camera import project

Pixels = NDArray[np.uint8]

PREDICTION: Color = (60, 230, 90)
TRUTH: Color = (70, 150, 255)

# Nearer than this a point is treated as behind the camera; its projection would run off to infinity.
NEAR_METRES = 0.05
# Lines are drawn this many times larger and scaled down: Pillow does not smooth lines itself.
_SMOOTH = 2
_BLACK: Color = (0, 0, 0)
# Labels may cover this share of a picture; there are no more then, or hundreds of boxes would be hidden by them.
_LABEL_SHARE = 0.25
_FRONT_OPACITY = 56  # of 255, of the face that looks at the camera


@dataclass(frozen=True, slots=True)
class _Edge:
    """The visible part of one edge: pixels [2, 2] inside the image."""

    ends: Floats
    hidden: bool  # belongs only to faces that look away from the camera
    near: bool  # belongs to the face that looks at the camera


@dataclass(frozen=True, slots=True)
class _Outline:
    """What is in view of one box: edges, and the face that looks at the camera, pixels [N, 2] inside the image."""

    edges: tuple[_Edge, ...] = ()
    front: Floats = field(default_factory=lambda: np.empty((0, 2)))


def draw_boxes(
    image: Pixels,
    boxes: Sequence[OrientedBox],
    intrinsics: Floats,
    *,
    colors: Sequence[Color] | None = None,
    caption: str = "",
    mark_front: bool = False,
) -> Pixels:
    """Return a copy of `image` with the boxes that are in view, their labels and a caption.

    Args:
        image: [H, W, 3] RGB.
        boxes: in the coordinate frame of the camera that took the image, intrinsic Z-X-Y angles.
        intrinsics: [3, 3], in pixels of `image`.
        colors: one per box; green for all when None.
        caption: a line at the bottom; empty for none.
        mark_front: tint the face that looks at the camera.

    Returns:
        [H, W, 3] RGB. Edges in view are solid, those of the nearest face bold, hidden ones thin and dashed. A box out
        of view draws nothing; `in_view` tells which those are.
    """
    height, width = image.shape[:2]
    size = (width, height)
    colors = [PREDICTION] * len(boxes) if colors is None else colors
    found = _outlines(boxes, intrinsics, width, height)
    far_first = sorted(range(len(boxes)), key=lambda position: -boxes[position].center[2])

    overlay = Image.new("RGBA", (width * _SMOOTH, height * _SMOOTH), (0, 0, 0, 0))
    lines = ImageDraw.Draw(overlay)
    for position in far_first if mark_front else ():  # before all lines, which they would wipe out
        if len(found[position].front) > 2:
            points = (found[position].front * _SMOOTH).ravel().tolist()
            lines.polygon(points, fill=(*colors[position], _FRONT_OPACITY))
    for position in far_first:
        _draw_edges(lines, found[position].edges, colors[position], _line_width(width, height))
    # Premultiplied alpha ("RGBa") keeps the transparent surroundings from darkening the lines' borders.
    small = overlay.convert("RGBa").resize((width, height), Image.Resampling.BOX).convert("RGBA")
    canvas = Image.alpha_composite(Image.fromarray(image).convert("RGBA"), small).convert("RGB")

    near_first = [place for place in reversed(far_first) if found[place].edges and boxes[place].label]
    labels = [(boxes[place].label, _top(found[place], size), colors[place]) for place in near_first]
    _draw_labels(ImageDraw.Draw(canvas), labels, caption, size)
    return np.array(canvas)


def in_view(boxes: Sequence[OrientedBox], intrinsics: Floats, width: int, height: int) -> tuple[bool, ...]:
    """Tell for each box whether `draw_boxes` draws any of it: some edge in front of the camera, inside the image."""
    return tuple(bool(outline.edges) for outline in _outlines(boxes, intrinsics, width, height))


def distances_outside(rows: Floats) -> Floats:
    """Return [N, 6]: how far the camera is outside each face of FACES, in metres; negative behind the face's plane.

    The largest belongs to the face that looks at the camera, and is negative where the camera is inside the box. Taken
    along the box's own axes, where the camera is at -R^T c: edges of length zero are no trouble.

    Args:
        rows: [N, 9] boxes in the camera's coordinate frame, sizes positive.
    """
    camera = -np.einsum("nij,ni->nj", rotations(rows[:, 6:]), rows[:, :3])
    half = rows[:, 3:6] / 2
    return np.stack([-camera - half, camera - half], axis=2).reshape(-1, 6)


def _outlines(boxes: Sequence[OrientedBox], intrinsics: Floats, width: int, height: int) -> list[_Outline]:
    rows = as_array(boxes)
    rows[:, 3:6] = np.abs(rows[:, 3:6])  # a model may write a negative size; its corners are the same
    with np.errstate(all="ignore"):  # numbers near the end of float's range turn into inf and NaN, dropped below
        points = corners(rows)
        return [
            _clipped(box_points, outside, intrinsics, (width, height))
            for box_points, outside in zip(points, distances_outside(rows), strict=True)
        ]


def _clipped(points: Floats, outside: Floats, intrinsics: Floats, size: tuple[int, int]) -> _Outline:
    if not np.isfinite(points).all():
        return _Outline()
    camera_inside = not (outside > 0).any()  # then there is no face in front of another
    front = int(outside.argmax())
    edges = []
    for start, end in EDGES:
        segment = _before_camera(points[[start, end]])
        if segment is None:
            continue
        ends = _inside_image(project(segment, intrinsics)[0], size)
        if ends is not None:
            sides = [side for side, face in enumerate(FACES) if start in face and end in face]
            hidden = not camera_inside and all(outside[side] <= 0 for side in sides)
            edges.append(_Edge(ends, hidden, front in sides and not camera_inside))
    if camera_inside or not edges:
        return _Outline(tuple(edges))
    return _Outline(tuple(edges), _face_in_view(points[list(FACES[front])], intrinsics, size))


def _face_in_view(face: Floats, intrinsics: Floats, size: tuple[int, int]) -> Floats:
    """Return the part of a face [4, 3] before the camera, inside the image, as pixels [N, 2]; N is 0 for none."""
    before = _cut(face, face[:, 2] - NEAR_METRES)
    pixels: Floats = project(before, intrinsics)[0] if len(before) else np.empty((0, 2))
    if not np.isfinite(pixels).all():
        return np.empty((0, 2))
    for axis in (0, 1):
        pixels = _cut(pixels, pixels[:, axis])
        pixels = _cut(pixels, size[axis] - pixels[:, axis])
    return pixels


def _cut(polygon: Floats, inside: Floats) -> Floats:
    """Return the part of a convex polygon [N, D] where `inside` [N], linear over the plane, is not negative.

    Source: Sutherland and Hodgman, "Reentrant polygon clipping" (1974), for one plane.
    """
    kept: list[Floats] = []
    for place in range(len(polygon)):
        before, after = float(inside[place - 1]), float(inside[place])
        if (before >= 0) != (after >= 0):
            kept.append(polygon[place - 1] + (polygon[place] - polygon[place - 1]) * before / (before - after))
        if after >= 0:
            kept.append(polygon[place])
    return np.array(kept).reshape(-1, polygon.shape[1])


def _top(outline: _Outline, size: tuple[int, int]) -> tuple[float, float]:
    """Return the place just above the highest point in view."""
    left, top = min((end for edge in outline.edges for end in edge.ends.tolist()), key=lambda end: float(end[1]))
    return left, top - _line_width(*size)


def _draw_labels(
    draw: ImageDraw.ImageDraw,
    labels: Sequence[tuple[str, tuple[float, float], Color]],
    caption: str,
    size: tuple[int, int],
) -> None:
    """Draw a caption, then texts with their places and colours; the first has the first choice of a place."""
    font = font_for(*size)
    plates: list[Plate] = []

    def add(text: str, place: tuple[float, float], color: Color) -> None:
        plates.append(draw_label(draw, text, place, color, font=font, size=size, taken=plates))

    if caption:
        add(caption, (0, size[1]), _BLACK)
    covered = 0
    for count, (text, place, color) in enumerate(labels):
        if covered > _LABEL_SHARE * size[0] * size[1]:
            add(f"+ {len(labels) - count} labels", (size[0], 0), _BLACK)
            return
        add(text, place, color)
        left, top, right, bottom = plates[-1]
        covered += (right - left) * (bottom - top)


def _line_width(width: int, height: int) -> float:
    """Pixels of a plain edge: one on a picture of 320 x 240, about five in full HD."""
    return max(1.0, float(np.hypot(width, height)) / 440)


def _before_camera(segment: Floats) -> Floats | None:
    """Return the part of a segment [2, 3] that lies beyond NEAR_METRES, or None."""
    depth = segment[:, 2] - NEAR_METRES
    if (depth <= 0).all():
        return None
    if (depth > 0).all():
        return segment
    crossing = segment[0] + (segment[1] - segment[0]) * depth[0] / (depth[0] - depth[1])
    return np.where((depth > 0)[:, None], segment, crossing)


def _inside_image(ends: Floats, size: tuple[int, int]) -> Floats | None:
    """Return the part of a segment [2, 2] inside the image, or None.

    Source: Liang and Barsky, "A new concept and method for line clipping" (1984).
    """
    if not np.isfinite(ends).all():
        return None
    step = ends[1] - ends[0]
    first, last = 0.0, 1.0
    for axis in (0, 1):
        for towards, room in ((-step[axis], ends[0, axis]), (step[axis], size[axis] - ends[0, axis])):
            if towards == 0 and room < 0:
                return None
            if towards < 0:
                first = max(first, room / towards)
            elif towards > 0:
                last = min(last, room / towards)
    if first > last:
        return None
    inside: Floats = ends[0] + np.array([[first], [last]]) * step
    return inside


def _draw_edges(draw: ImageDraw.ImageDraw, edges: Sequence[_Edge], color: Color, width: float) -> None:
    """Draw hidden edges first, then the rest on dark borders that set them off from a bright picture."""
    for edge in edges:
        if edge.hidden:
            for dash in _dashes(edge.ends, 5 * width):
                _line(draw, dash, (*_BLACK, 70), width + 1)
                _line(draw, dash, (*color, 170), width)
    solid = sorted((edge for edge in edges if not edge.hidden), key=lambda edge: edge.near)
    for edge in solid:
        _line(draw, edge.ends, (*_BLACK, 130), width * (2 if edge.near else 1.25) + 1.5)
    for edge in solid:
        _line(draw, edge.ends, (*color, 255), width * (2 if edge.near else 1.25))


def _dashes(ends: Floats, length: float) -> list[Floats]:
    pieces = max(1, round(float(np.linalg.norm(ends[1] - ends[0])) / length)) | 1  # odd: a dash at both ends
    stops = np.linspace(ends[0], ends[1], pieces + 1)
    return [stops[piece : piece + 2] for piece in range(0, pieces, 2)]


def _line(draw: ImageDraw.ImageDraw, ends: Floats, color: tuple[int, ...], width: float) -> None:
    (x0, y0), (x1, y1) = (ends * _SMOOTH).tolist()
    draw.line((x0, y0, x1, y1), fill=color, width=max(1, round(width * _SMOOTH)))
