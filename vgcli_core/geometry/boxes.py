"""Oriented 3D boxes (OBB): nine numbers, one rotation convention.

Only this file composes or decomposes angles. In memory they are radians, intrinsic Z-X-Y:
R = Rz(a) @ Rx(b) @ Ry(c) takes box axes to the axes of the coordinate frame the box is in.
Weights and annotation files from before 27 November 2025 hold the extrinsic reading of the same three numbers,
Ry(c) @ Rx(b) @ Rz(a); `to_intrinsic` is the door through which such boxes enter.

Shapes: N boxes; a row of [N, 9] is (x, y, z, dx, dy, dz, a, b, c), metres and radians.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]
Vec3 = tuple[float, float, float]

# scipy's spelling: upper case is intrinsic, lower case extrinsic; they differ once two angles are non-zero.
EulerConvention = Literal["ZXY", "zxy"]

# x0y0z0, x0y0z1, x0y1z1, x0y1z0, x1y0z0, x1y0z1, x1y1z1, x1y1z0: the corner order of pytorch3d's box overlap.
_SIGNS = np.array([(x, y, z) for x in (-1, 1) for y, z in ((-1, -1), (-1, 1), (1, 1), (1, -1))], dtype=np.float64)

# Pairs of corners that differ along one box axis: four around each x face, then the four between them.
EDGES: tuple[tuple[int, int], ...] = (
    *((0, 1), (1, 2), (2, 3), (3, 0)),
    *((4, 5), (5, 6), (6, 7), (7, 4)),
    *((0, 4), (1, 5), (2, 6), (3, 7)),
)

# Four corners around each face: -x, +x, -y, +y, -z, +z, counter-clockwise seen from outside.
FACES: tuple[tuple[int, int, int, int], ...] = (
    (0, 1, 2, 3),
    (4, 7, 6, 5),
    (0, 4, 5, 1),
    (3, 2, 6, 7),
    (0, 3, 7, 4),
    (1, 5, 6, 2),
)

_LOCKED = 1e-12  # cosine of the middle angle

# The 24 rotations [24, 3, 3] that take the axes of a box to its axes, in any order and direction: one solid, 24 names.
AXIS_NAMINGS: Floats = np.array(
    [
        naming
        for order in permutations(range(3))
        for signs in product((1.0, -1.0), repeat=3)
        if np.linalg.det(naming := np.eye(3)[:, order] * signs) > 0
    ]
)


@dataclass(frozen=True, slots=True)
class OrientedBox:
    """One labelled box. `center` is its middle and `size` its full edges, in metres; `angles` are radians."""

    center: Vec3
    size: Vec3
    angles: Vec3
    label: str = ""


def as_array(boxes: Sequence[OrientedBox]) -> Floats:
    """Stack boxes into [N, 9]; N may be 0."""
    return np.array([box.center + box.size + box.angles for box in boxes], dtype=np.float64).reshape(-1, 9)


def as_boxes(rows: Floats, labels: Sequence[str]) -> tuple[OrientedBox, ...]:
    """Return the rows [N, 9] as boxes with one label each: the way back from `as_array`."""
    return tuple(
        OrientedBox((x, y, z), (dx, dy, dz), (a, b, c), label)
        for (x, y, z, dx, dy, dz, a, b, c), label in zip(rows.tolist(), labels, strict=True)
    )


def rotations(angles: Floats) -> Floats:
    """Return the matrices [N, 3, 3] of intrinsic Z-X-Y angles [N, 3]: box axes to coordinate frame axes."""
    return _matrices(angles, "ZXY")


def quaternions(angles: Floats) -> Floats:
    """Return `rotations` of angles [N, 3] as unit quaternions [N, 4], (x, y, z, w)."""
    return Rotation.from_matrix(rotations(angles)).as_quat() if len(angles) else np.empty((0, 4))


def corners(boxes: Floats) -> Floats:
    """Return the corners [N, 8, 3] of boxes [N, 9], each face of constant x in turn around its rim."""
    local = _SIGNS * boxes[:, None, 3:6] / 2
    return local @ rotations(boxes[:, 6:]).transpose(0, 2, 1) + boxes[:, None, :3]


def renamed(boxes: Floats) -> Floats:
    """Return each box [N, 9] under its 24 axis namings, [N, 24, 9]: the same solid, other sizes and angles."""
    count = len(AXIS_NAMINGS)
    return _renamed(np.repeat(boxes, count, axis=0), np.tile(AXIS_NAMINGS, (len(boxes), 1, 1))).reshape(-1, count, 9)


def least_rotated(boxes: Floats) -> Floats:
    """Return boxes [N, 9] as the same solids, each with the axis naming whose rotation is the smallest of its 24."""
    # The larger the trace, the smaller the angle of the rotation.
    traces = np.einsum("nij,kji->nk", rotations(boxes[:, 6:]), AXIS_NAMINGS)
    return _renamed(boxes, AXIS_NAMINGS[traces.argmax(axis=1)])


def to_intrinsic(boxes: Floats, convention: EulerConvention) -> Floats:
    """Return boxes [N, 9] whose angles are in `convention` with intrinsic Z-X-Y angles and the same rotation."""
    if convention == "ZXY":
        return boxes.copy()
    return np.hstack([boxes[:, :6], _angles(_matrices(boxes[:, 6:], convention))])


def to_extrinsic(boxes: Floats) -> Floats:
    """Return boxes [N, 9] with extrinsic z-x-y angles of the same rotation: the way back from `to_intrinsic`."""
    # The inverse of Ry(c) Rx(b) Rz(a) is Rz(-a) Rx(-b) Ry(-c).
    return np.hstack([boxes[:, :6], -_angles(rotations(boxes[:, 6:]).transpose(0, 2, 1))])


def transform(boxes: Floats, matrix: Floats) -> Floats:
    """Move boxes [N, 9] into another coordinate frame.

    Args:
        boxes: [N, 9] in the coordinate frame that `matrix` starts from.
        matrix: [4, 4] rigid, for example camera-to-world; or [N, 4, 4], one for each box. A rotation part that is
            slightly off, as measured poses are, is replaced by the nearest rotation.

    Returns:
        [N, 9]: centre and rotation moved; the size stays, because it is measured along the box's own axes.
    """
    turn, shift = matrix[..., :3, :3], matrix[..., :3, 3]
    centers = (turn @ boxes[:, :3, None])[:, :, 0] + shift
    return np.hstack([centers, boxes[:, 3:6], _angles(turn @ rotations(boxes[:, 6:]))])


def _renamed(boxes: Floats, namings: Floats) -> Floats:
    """Return boxes [N, 9], each under an axis naming of its own, [N, 3, 3]."""
    sizes = (boxes[:, None, 3:6] @ np.abs(namings))[:, 0]
    return np.hstack([boxes[:, :3], sizes, _angles(rotations(boxes[:, 6:]) @ namings)])


def _matrices(angles: Floats, convention: EulerConvention) -> Floats:
    if len(angles) == 0:  # scipy before 1.17 refuses an empty stack of rotations
        return np.empty((0, 3, 3))
    return Rotation.from_euler(convention, angles).as_matrix()


def _angles(matrices: Floats) -> Floats:
    """Return angles [N, 3] of the rotations nearest to matrices [N, 3, 3].

    Near gimbal lock (the box's y axis along the optical axis: common in level views, and no defect) the first angle is
    hardly determined. The other two are read off what it leaves, so that together they give the rotation to the last
    digits; a library that sets the third to 0 there is off by up to 1e-7. In the lock itself it is 0.
    """
    if len(matrices) == 0:
        return np.empty((0, 3))
    turn = Rotation.from_matrix(matrices).as_matrix()
    locked = np.hypot(turn[:, 0, 1], turn[:, 1, 1]) < _LOCKED
    a = np.where(locked, np.arctan2(turn[:, 1, 0], turn[:, 0, 0]), np.arctan2(-turn[:, 0, 1], turn[:, 1, 1]))
    # R = Rz(a) Rx(b) Ry(c), so the rest is Rx(b) Ry(c).
    cos, sin = np.cos(a)[:, None], np.sin(a)[:, None]
    first, second = cos * turn[:, 0] + sin * turn[:, 1], cos * turn[:, 1] - sin * turn[:, 0]
    b = np.arctan2(turn[:, 2, 1], second[:, 1])
    c = np.where(locked, 0.0, np.arctan2(first[:, 2], first[:, 0]))
    return np.column_stack([a, b, c])
