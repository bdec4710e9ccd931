"""Which cuboid is nearest in each pixel: a z-buffer of inverse depths, without a division and without rays.

The inverse depth of a plane is an affine function of the pixel. A ray enters a cuboid through the farthest of the
planes that face the camera and leaves it through the nearest of the others, so each cuboid costs a few sums, minima and
maxima over the rectangle of pixels it can touch. Nothing is divided by a component of a ray, so none can be 0 / 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vgcli_core.geometry.boxes import Floats, corners

_NEAR = 0.01  # metres: nothing nearer than this along the optical axis has a rectangle of its own
_FLAT = 1e-6  # metres: a camera nearer to a plane than this counts as this far behind it

Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Solids:
    """Upright cuboids as `nearest` wants them: P of them.

    Attributes:
        boxes: [P, 9] in the world, only the first angle is not 0.
        axes: [P, 3, 3] rows are the box axes in the world.
        corners: [P, 8, 3] in the world.
    """

    boxes: Floats
    axes: Floats
    corners: Floats


def solids(boxes: Floats) -> Solids:
    """Prepare upright boxes [P, 9]."""
    cos, sin, zero, one = np.cos(boxes[:, 6]), np.sin(boxes[:, 6]), np.zeros(len(boxes)), np.ones(len(boxes))
    axes = np.stack([cos, sin, zero, -sin, cos, zero, zero, zero, one], axis=1).reshape(-1, 3, 3)
    return Solids(boxes, axes, corners(boxes))


def nearest(
    these: Solids, camera_to_world: Floats, intrinsics: Floats, width: int, height: int
) -> tuple[Singles, NDArray[np.int32]]:
    """Look at cuboids through a pinhole camera; a cuboid that the camera is in is not seen.

    Args:
        these: the cuboids.
        camera_to_world: [4, 4].
        intrinsics: [3, 3], for pixels whose centres are at halves.
        width: of the picture in pixels.
        height: of the picture in pixels.

    Returns:
        Inverse depths [H, W] along the optical axis in 1 / metres, 0 where nothing is seen; and the positions [H, W] of
        the nearest cuboids, -1 where nothing is seen.
    """
    turn, eye = camera_to_world[:3, :3], camera_to_world[:3, 3]
    half = these.boxes[:, 3:6] / 2
    offset = np.einsum("pij,pj->pi", these.axes, eye - these.boxes[:, :3])
    per_pixel = these.axes @ (turn @ np.linalg.inv(intrinsics))  # [P, 3, 3]: pixel to direction along the box axes
    room = np.concatenate([half - offset, half + offset], axis=1)  # from the eye out to each plane; < 0: it faces us
    faces = room < 0
    room = np.where(faces, np.minimum(room, -_FLAT), np.maximum(room, _FLAT))
    planes = np.concatenate([per_pixel, -per_pixel], axis=1) / room[:, :, None]  # [P, 6, 3]: a, b, c of a u + b v + c
    planes = np.take_along_axis(planes, np.argsort(~faces, axis=1, kind="stable")[:, :, None], axis=1)
    facing = faces.sum(axis=1)
    left, right, top, bottom = _rectangles(these.corners, turn, eye, intrinsics, (width, height))

    along = (planes[:, :, 0, None] * (np.arange(width) + 0.5)).astype(np.float32)
    down = (planes[:, :, 1, None] * (np.arange(height) + 0.5) + planes[:, :, 2, None]).astype(np.float32)
    inverse = np.zeros((height, width), np.float32)
    which = np.full((height, width), -1, np.int32)
    for p in np.flatnonzero((facing > 0) & (right > left) & (bottom > top)).tolist():
        rows, columns = slice(top[p], bottom[p]), slice(left[p], right[p])
        values = down[p, :, rows, None] + along[p, :, None, columns]
        enter = np.minimum.reduce(values[: facing[p]])
        leave = np.maximum.reduce(values[facing[p] :])
        seen = inverse[rows, columns]
        hit = enter > np.maximum(leave, seen)
        np.copyto(seen, enter, where=hit)
        np.copyto(which[rows, columns], p, where=hit)
    return inverse, which


def _rectangles(
    points: Floats, turn: Floats, eye: Floats, intrinsics: Floats, picture: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return left, right, top and bottom [P] of the pixels that each cuboid [P, 8, 3] can touch; right and bottom are
    one past the last. A cuboid that reaches behind the camera may touch all pixels, one entirely behind it none.
    """
    local = (points - eye) @ turn
    depth = local[:, :, 2]
    ahead = depth > _NEAR
    safe = np.where(ahead, depth, 1.0)
    u = local[:, :, 0] / safe * intrinsics[0, 0] + intrinsics[0, 2]
    v = local[:, :, 1] / safe * intrinsics[1, 1] + intrinsics[1, 2]
    crosses = ~ahead.all(axis=1) & ahead.any(axis=1)
    none = ~ahead.any(axis=1)
    bounds = []
    for values, size in zip((u, v), picture, strict=True):
        low = np.where(crosses, 0, np.clip(np.floor(values.min(axis=1) - 0.5), 0, size)).astype(np.intp)
        high = np.where(crosses, size, np.clip(np.ceil(values.max(axis=1) + 0.5), 0, size)).astype(np.intp)
        bounds.append((low, np.where(none, low, high)))
    (left, right), (top, bottom) = bounds
    return left, right, top, bottom
