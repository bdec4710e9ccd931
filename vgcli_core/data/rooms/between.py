"""How upright boxes stand to each other: footprints, gaps, distances between closest points, directions.

All boxes are rows [9] of the room (z up, metres) that are turned about z only, as every box of a room is. Such a box is
its footprint times a span of heights, so distances split into a horizontal and a vertical part, and are exact.
"""

from functools import lru_cache
from math import cos, hypot, sin

import numpy as np

from vgcli_core.data.rooms.scene import Room, Thing
from vgcli_core.geometry.boxes import Floats, corners

_RIM = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, 0.5], [0.5, -0.5]])  # corners in shares of the edges
_NEXT = [1, 2, 3, 0]  # of each corner, around the rim
_PAIRS = 4096  # whose distance is kept: each sentence asks for those of one room again


def footprint(box: Floats) -> Floats:
    """Return the corners [4, 2] of a box seen from above, around the rim."""
    x, y, _, width, depth, _, yaw = box[:7].tolist()
    edges = np.array([[width * cos(yaw), width * sin(yaw)], [-depth * sin(yaw), depth * cos(yaw)]])
    rim: Floats = _RIM @ edges + (x, y)
    return rim


def distance(first: Floats, second: Floats) -> float:
    """Return the metres between the closest points of two boxes; 0 where they touch or overlap."""
    return hypot(ground_distance(first, second), height_gap(first, second))


def height_gap(first: Floats, second: Floats) -> float:
    """Return the metres between the spans of height of two boxes; 0 where these overlap."""
    return float(max(abs(first[2] - second[2]) - (first[5] + second[5]) / 2, 0.0))


def ground_distance(first: Floats, second: Floats) -> float:
    """Return the metres between the footprints of two boxes; 0 where these touch or overlap."""
    return _ground_distance(first.tobytes(), second.tobytes())


@lru_cache(maxsize=_PAIRS)
def _ground_distance(first: bytes, second: bytes) -> float:
    one, other = footprint(np.frombuffer(first)), footprint(np.frombuffer(second))
    if not _separated(one, other):
        return 0.0
    # Of two convex outlines that do not meet, one closest point is a corner.
    return min(_corners_to_rim(one, other), _corners_to_rim(other, one))


def centre_distance(first: Floats, second: Floats) -> float:
    """Return the metres between the middles of two boxes, seen from above."""
    return float(np.hypot(*(first[:2] - second[:2])))


def turn(standing: Floats, facing: Floats, target: Floats) -> float:
    """Return by how many degrees one turns to the left, from -180 to 180, from `facing` to `target`.

    Args:
        standing: [2] where one stands, seen from above.
        facing: [2] what one looks at.
        target: [2] what one turns to.
    """
    ahead, there = facing - standing, target - standing
    cross = ahead[0] * there[1] - ahead[1] * there[0]
    return float(np.degrees(np.arctan2(cross, ahead @ there)))


def stacked(room: Room, first: int, second: int) -> bool:
    """Tell whether one of two things stands on the other."""
    return room.things[first].support == second or room.things[second].support == first


def axis_aligned(thing: Thing) -> Floats:
    """Return the tightest box [9] along the walls around all parts of a thing: what ScanNet's annotations give."""
    points = corners(np.array([part.box for part in thing.parts])).reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    return np.concatenate([(low + high) / 2, high - low, np.zeros(3)])


def _separated(one: Floats, other: Floats) -> bool:
    """Tell whether a line along some edge separates two convex outlines."""
    edges = np.concatenate([outline[_NEXT] - outline for outline in (one, other)])
    normals = np.column_stack([-edges[:, 1], edges[:, 0]])
    a, b = one @ normals.T, other @ normals.T
    return bool(((a.max(axis=0) < b.min(axis=0)) | (b.max(axis=0) < a.min(axis=0))).any())


def _corners_to_rim(points: Floats, outline: Floats) -> float:
    starts, edges = outline, outline[_NEXT] - outline
    offsets = points[:, None] - starts
    along = ((offsets * edges).sum(axis=2) / (edges**2).sum(axis=1)).clip(0, 1)
    return float(np.linalg.norm(offsets - along[..., None] * edges, axis=2).min())
