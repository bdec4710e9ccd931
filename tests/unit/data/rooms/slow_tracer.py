"""A slow and obvious ray tracer: one pixel and one cuboid at a time, in float64, by the textbook slab test."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, inf, sin

import numpy as np

from vgcli_core.data.rooms.scene import CLUTTER, STRUCTURE, Part, Room


@dataclass(frozen=True)
class Hit:
    """What one ray meets: depth along the optical axis, owner, and the depth of the nearest other owner."""

    depth: float
    owner: int
    runner_up: float


def owned_parts(room: Room) -> Iterator[tuple[int, Part]]:
    yield from ((STRUCTURE, part) for part in room.structure)
    yield from ((CLUTTER, part) for part in room.clutter)
    for position, thing in enumerate(room.things):
        yield from ((position, part) for part in thing.parts)


def trace(room: Room, frame: int, row: int, column: int) -> Hit:
    """Follow the ray through the middle of a pixel."""
    pose = room.cameras_to_world[frame]
    focal_x, focal_y = room.intrinsics[0, 0], room.intrinsics[1, 1]
    ray = [(column + 0.5 - room.intrinsics[0, 2]) / focal_x, (row + 0.5 - room.intrinsics[1, 2]) / focal_y, 1.0]
    direction = [sum(pose[axis, k] * ray[k] for k in range(3)) for axis in range(3)]
    nearest: dict[int, float] = {}
    for owner, part in owned_parts(room):
        depth = entry(part, pose[:3, 3], direction)
        if depth is not None:
            nearest[owner] = min(depth, nearest.get(owner, inf))
    owner = min(nearest, key=nearest.__getitem__)
    others = [depth for other, depth in nearest.items() if other != owner]
    return Hit(nearest[owner], owner, min(others, default=inf))


def entry(part: Part, eye: np.ndarray, direction: list[float]) -> float | None:
    """Return where a ray enters a cuboid from outside, in multiples of its direction; None where it does not."""
    x, y, z, dx, dy, dz, yaw = part.box[:7]
    c, s = cos(yaw), sin(yaw)
    away = (eye[0] - x, eye[1] - y, eye[2] - z)
    start = (c * away[0] + s * away[1], c * away[1] - s * away[0], away[2])
    along = (c * direction[0] + s * direction[1], c * direction[1] - s * direction[0], direction[2])
    enter, leave = -inf, inf
    for begin, step, edge in zip(start, along, (dx, dy, dz), strict=True):
        if step == 0:
            if abs(begin) > edge / 2:
                return None
            continue
        first, second = sorted(((-edge / 2 - begin) / step, (edge / 2 - begin) / step))
        enter, leave = max(enter, first), min(leave, second)
    return enter if 0 < enter < leave else None
