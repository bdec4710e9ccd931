"""A piece of furniture before it is placed: parts around its own origin, and where other things may stand on it.

Own coordinate frame: metres, x to the side, y to the front (a wall is behind it, at negative y), z up; the footprint's
middle is at the origin and the lowest point at z = 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import cos, pi, remainder, sin

import numpy as np

from vgcli_core.data.rooms.paint import Colour
from vgcli_core.data.rooms.scene import Part
from vgcli_core.geometry.boxes import Floats, corners


@dataclass(frozen=True)
class Top:
    """A level rectangle that things may stand on, in the piece's coordinate frame.

    Attributes:
        left, right: x range.
        back, front: y range.
        height: z.
    """

    left: float
    right: float
    back: float
    front: float
    height: float


@dataclass(frozen=True)
class Piece:
    """One piece of furniture.

    Attributes:
        parts: in its own coordinate frame.
        size: width, depth and height of all parts together.
        top: where things may stand on it, if anywhere.
    """

    parts: tuple[Part, ...]
    size: tuple[float, float, float]
    top: Top | None = None


Maker = Callable[[np.random.Generator], Piece]


def block(
    middle: tuple[float, float],
    bottom: float,
    size: tuple[float, float, float],
    colour: Colour,
    texture: str = "plain",
    *,
    pattern: int = 0,
    yaw: float = 0.0,
) -> Part:
    """Return a cuboid of `size` that stands at height `bottom` with its footprint's middle at `middle`."""
    box = np.array([*middle, bottom + size[2] / 2, *size, yaw, 0.0, 0.0])
    return Part(box, colour, texture, pattern)


def legs(size: tuple[float, float], height: float, thick: float, colour: Colour, texture: str = "plain") -> list[Part]:
    """Return four legs whose outer edges make a rectangle of `size`."""
    x, y = (size[0] - thick) / 2, (size[1] - thick) / 2
    return [block((a, b), 0, (thick, thick, height), colour, texture) for a in (-x, x) for b in (-y, y)]


def assemble(parts: Sequence[Part], top: Top | None = None) -> Piece:
    """Return the piece made of parts, moved so that its footprint's middle is at the origin and it stands on z = 0."""
    points = corners(np.array([part.box for part in parts])).reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    shift = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    moved = tuple(replace(part, box=np.concatenate([part.box[:3] - shift, part.box[3:]])) for part in parts)
    if top is not None:
        x, y, z = shift.tolist()
        top = Top(top.left - x, top.right - x, top.back - y, top.front - y, top.height - z)
    width, depth, height = (high - low).tolist()
    return Piece(moved, (width, depth, height), top)


def scaled(piece: Piece, factor: float) -> Piece:
    """Return a piece `factor` times as large in all directions."""
    grow = np.array([factor] * 6 + [1.0] * 3)
    top = piece.top
    if top is not None:
        top = Top(*(factor * value for value in (top.left, top.right, top.back, top.front, top.height)))
    width, depth, height = (factor * edge for edge in piece.size)
    return Piece(tuple(replace(part, box=part.box * grow) for part in piece.parts), (width, depth, height), top)


def placed(piece: Piece, place: tuple[float, float, float], yaw: float) -> tuple[Floats, tuple[Part, ...]]:
    """Return the box [9] of a piece and its parts in the world.

    Args:
        piece: the piece.
        place: where the middle of its footprint goes.
        yaw: radians, its turn about the vertical.
    """
    x, y, z = place
    yaw = remainder(yaw, 2 * pi)
    c, s = cos(yaw), sin(yaw)
    parts = []
    for part in piece.parts:
        a, b, h, dx, dy, dz, own = part.box[:7].tolist()
        turn = remainder(own + yaw, 2 * pi)
        box = np.array([x + c * a - s * b, y + s * a + c * b, z + h, dx, dy, dz, turn, 0.0, 0.0])
        parts.append(replace(part, box=box))
    return np.array([x, y, z + piece.size[2] / 2, *piece.size, yaw, 0.0, 0.0]), tuple(parts)
