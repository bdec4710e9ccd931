"""The shared volume of two boxes in exact rational arithmetic: slow, obvious, and of another kind than the code's.

A box is six half-spaces n . x <= d. The corners of the intersection are the points where three of the twelve planes
meet and that lie in all twelve half-spaces. The volume is the sum over the planes of a third of the area on the plane
times its distance from an inner point. Nothing is rounded after the rotation matrices, so touching and coplanar boxes
need no care.
"""

from fractions import Fraction
from itertools import combinations

import numpy as np

from vgcli_core.geometry.boxes import rotations

Vector = tuple[Fraction, Fraction, Fraction]


def shared_volume(first: np.ndarray, second: np.ndarray) -> Fraction:
    """Return the volume shared by two boxes [9]."""
    planes = list(dict.fromkeys(scaled(*plane) for plane in half_spaces(first) + half_spaces(second)))
    points = {
        point
        for three in combinations(planes, 3)
        if (point := meeting_point(*three)) is not None and all(dot(n, point) <= d for n, d in planes)
    }
    if len(points) < 4:
        return Fraction(0)
    inner = tuple(sum(axis) / len(points) for axis in zip(*points, strict=True))
    return sum((cone(normal, d, points, inner) for normal, d in planes), Fraction(0))


def iou(first: np.ndarray, second: np.ndarray) -> float:
    """Return the intersection over union of two boxes [9]."""
    shared = shared_volume(first, second)
    sizes = [
        Fraction(abs(float(box[3]))) * Fraction(abs(float(box[4]))) * Fraction(abs(float(box[5])))
        for box in (first, second)
    ]
    return float(shared / (sum(sizes) - shared))


def half_spaces(box: np.ndarray) -> list[tuple[Vector, Fraction]]:
    turn = rotations(box[None, 6:])[0]
    found = []
    for axis in range(3):
        normal = tuple(Fraction(float(x)) for x in turn[:, axis])
        middle = dot(normal, tuple(Fraction(float(x)) for x in box[:3]))
        half = Fraction(abs(float(box[3 + axis]))) / 2
        found += [(normal, middle + half), (tuple(-x for x in normal), half - middle)]
    return found


def scaled(normal: Vector, d: Fraction) -> tuple[Vector, Fraction]:
    """Return the same half-space in a form that equal half-spaces share, so that a common face counts once."""
    largest = max(abs(x) for x in normal)
    return tuple(x / largest for x in normal), d / largest


def meeting_point(one, two, three) -> Vector | None:
    (a, d), (b, e), (c, f) = one, two, three
    determinant = dot(a, cross(b, c))
    if determinant == 0:
        return None
    parts = zip(cross(b, c), cross(c, a), cross(a, b), strict=True)
    return tuple((d * x + e * y + f * z) / determinant for x, y, z in parts)


def cone(normal: Vector, d: Fraction, points: set[Vector], inner: Vector) -> Fraction:
    """Return the volume between `inner` and the face that the points on one plane make."""
    drop = max(range(3), key=lambda axis: abs(normal[axis]))  # seen along this axis the face keeps its shape
    flat = [tuple(point[axis] for axis in range(3) if axis != drop) for point in points if dot(normal, point) == d]
    # area / |normal| = seen area / |normal[drop]|, and the height is (d - normal . inner) / |normal|
    return seen_area(flat) / abs(normal[drop]) * (d - dot(normal, inner)) / 3


def seen_area(points: list[tuple[Fraction, Fraction]]) -> Fraction:
    """Return the area of a convex polygon given by its corners in any order."""
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return Fraction(0)
    upper = [p for p in ordered if turn(ordered[0], ordered[-1], p) > 0]
    lower = [p for p in ordered if turn(ordered[0], ordered[-1], p) <= 0]
    loop = lower + upper[::-1] if lower[-1] == ordered[-1] else [*lower, ordered[-1], *upper[::-1]]
    twice = sum((p[0] * q[1] - q[0] * p[1] for p, q in zip(loop, loop[1:] + loop[:1], strict=True)), Fraction(0))
    return abs(twice) / 2


def turn(a, b, c) -> Fraction:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def dot(a: Vector, b: Vector) -> Fraction:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
