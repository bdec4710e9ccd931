"""What a frame shows of a thing, as questions with markers need it: a box, a point on the thing, and its depth."""

from dataclasses import dataclass

import numpy as np

from vgcli_core.data.rooms.film import shots
from vgcli_core.data.rooms.render import visible_things
from vgcli_core.data.rooms.scene import Room, View

MILLE = 1000  # coordinates of markers are per mille of width and height


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing in one frame.

    Attributes:
        thing: position in `Room.things`.
        frame: position in the room's film.
        box: left, top, right, bottom of its pixels, per mille of width and height.
        point: x and y of one of its pixels, the one nearest to their middle, per mille.
        depth: of that pixel, metres along the optical axis.
        place: [3] of that pixel in the world.
    """

    thing: int
    frame: int
    box: tuple[int, int, int, int]
    point: tuple[int, int]
    depth: float
    place: tuple[float, float, float]


def sightings(room: Room) -> list[dict[int, Sighting]]:
    """Return for each frame what it shows, by thing; the frames are rendered one by one."""
    return [
        {thing: _sighting(room, shot.view, shot.index, thing) for thing in visible_things(shot.view)}
        for shot in shots(room)
    ]


def _sighting(room: Room, view: View, frame: int, thing: int) -> Sighting:
    rows, columns = np.nonzero(view.owner == thing)
    middle = np.array([rows.mean(), columns.mean()])
    nearest = int(np.hypot(rows - middle[0], columns - middle[1]).argmin())
    row, column = int(rows[nearest]), int(columns[nearest])
    depth = float(view.depth[row, column])
    pixel = np.array([column + 0.5, row + 0.5, 1.0])
    pose = room.cameras_to_world[frame]
    x, y, z = (pose[:3, :3] @ (np.linalg.inv(room.intrinsics) @ pixel * depth) + pose[:3, 3]).tolist()
    edges = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
    left, top, right, bottom = (
        _mille(edge, side) for edge, side in zip(edges, (room.width, room.height) * 2, strict=True)
    )
    point = (_mille(column + 0.5, room.width), _mille(row + 0.5, room.height))
    return Sighting(thing, frame, (left, top, right, bottom), point, depth, (x, y, z))


def _mille(pixels: float, side: int) -> int:
    return round(MILLE * pixels / side)
