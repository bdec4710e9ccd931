"""A CPU renderer for rooms, in numpy alone: colour, depth along the optical axis, and who owns each pixel.

First the nearest part of each pixel is found (`raster`), then every pixel is coloured once (`shading`).
"""

from functools import cache

import numpy as np

from vgcli_core.data.draws import numpy_generator
from vgcli_core.data.rooms.lighting import contact_map, shadow_map
from vgcli_core.data.rooms.raster import Singles, nearest, solids
from vgcli_core.data.rooms.scene import CLUTTER, STRUCTURE, Light, Room, View
from vgcli_core.data.rooms.shading import Air, Points, colours, smoothed
from vgcli_core.data.rooms.surfaces import surfaces
from vgcli_core.geometry.boxes import Floats

VISIBLE_SHARE = 60 / 15_680  # of a picture: a thing with fewer pixels does not show what it is

_BAND = 32_768  # pixels that are coloured together: they stay in the processor's cache
_NOISE, _NOISE_VALUES = 1.6, 1 << 16  # standard deviation of the sensor's noise in bytes, and how many values repeat


class Renderer:
    """Draws the frames of one room; what all of them share is worked out once.

    Args:
        room: every camera must be inside it. A part that a camera is in, is not seen by it.
    """

    def __init__(self, room: Room) -> None:
        parts = room.parts
        owners = [STRUCTURE] * len(room.structure) + [CLUTTER] * len(room.clutter)
        owners += [i for i, thing in enumerate(room.things) for _ in thing.parts]
        boxes = np.stack([part.box for part in parts])
        movable = boxes[len(room.structure) :]
        lights = room.lights or (Light((0.0, 0.0, room.size[2] - 0.05), (1.0, 1.0, 1.0), shadows=True),)
        lamps = [(light, shadow_map(solids(movable), light, room.size) if light.shadows else None) for light in lights]
        self.room = room
        self._owners = np.array(owners, np.int16)
        self._solids = solids(boxes)
        self._surfaces = surfaces(parts)
        self._air = Air(room.size, contact_map(movable, room.size), lamps)

    def view(self, frame: int) -> View:
        """Return what camera `frame` sees."""
        room, pose = self.room, self.room.cameras_to_world[frame]
        inverse, which = nearest(self._solids, pose, room.intrinsics, room.width, room.height)
        depth = np.float32(1) / inverse
        image = np.empty((room.height, room.width, 3), np.uint8)
        faces = np.empty((room.height, room.width), np.int32)
        noise = _noise(room.name, frame, room.width * room.height)
        step = max(1, _BAND // room.width)
        for top in range(0, room.height, step):
            rows = slice(top, min(top + step, room.height))
            points = _points(room, pose, rows, depth[rows])
            tones, face = colours(self._surfaces, self._air, points, which[rows].ravel())
            tones += noise[rows.start * room.width : rows.stop * room.width]
            np.clip(tones, 0, 255, out=tones)
            image[rows] = tones.T.reshape(-1, room.width, 3)
            faces[rows] = face.reshape(-1, room.width)
        return View(smoothed(image, faces), depth, self._owners[which], which)


def render(room: Room, frame: int) -> View:
    """Return what camera `frame` of a room sees; the preparation of the room that was drawn last is kept."""
    if not _LATEST or _LATEST[0].room is not room:
        _LATEST[:] = [Renderer(room)]
    return _LATEST[0].view(frame)


_LATEST: list[Renderer] = []


def visible_things(view: View, minimum_pixels: int | None = None) -> dict[int, int]:
    """Return the positions in `Room.things` of the things that a view shows, in order, with their numbers of pixels.

    Args:
        view: what a camera sees.
        minimum_pixels: things with fewer are left out; None for `minimum_visible` of the picture.
    """
    least = minimum_visible(*view.owner.shape) if minimum_pixels is None else max(1, minimum_pixels)
    found = np.bincount(view.owner[view.owner >= 0])
    return {i: int(found[i]) for i in np.flatnonzero(found >= least).tolist()}


def minimum_visible(height: int, width: int) -> int:
    """Return the number of pixels from which a thing counts as visible in a picture of that size: VISIBLE_SHARE."""
    return max(1, round(VISIBLE_SHARE * height * width))


def _points(room: Room, pose: Floats, rows: slice, depth: Singles) -> Points:
    """Return the points in the world that the pixels of some rows show."""
    focal_x, focal_y, middle_x, middle_y = room.intrinsics[[0, 1, 0, 1], [0, 1, 2, 2]]
    across = (np.arange(room.width) + 0.5 - middle_x) / focal_x
    down = (np.arange(rows.start, rows.stop) + 0.5 - middle_y) / focal_y
    world = []
    for axis in range(3):
        along = (across * pose[axis, 0]).astype(np.float32)
        below = (down * pose[axis, 1] + pose[axis, 2]).astype(np.float32)
        world.append(((along + below[:, None]) * depth + np.float32(pose[axis, 3])).ravel())
    return Points(world[0], world[1], world[2], depth.ravel() * np.float32(1 / focal_x))


@cache
def _noise_values() -> Singles:
    return numpy_generator(0, "rooms", "noise").normal(0, _NOISE, _NOISE_VALUES).astype(np.float32)


def _noise(name: str, frame: int, count: int) -> Singles:
    """Return the sensor's noise [count] of a frame, with the half that rounds to the nearest byte."""
    start = int(numpy_generator(0, name, frame).integers(_NOISE_VALUES))
    return np.resize(np.roll(_noise_values(), start), count) + np.float32(0.5)
