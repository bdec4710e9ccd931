"""A CPU renderer for rooms, in numpy alone: colour, depth along the optical axis, and who owns each pixel.

First the nearest part of each pixel is found (`raster`), then every pixel is coloured once: texture, light of each lamp
with its shadow, daylight, shade in corners and under things. Everything is float32 and elementwise (no BLAS, and nothing
transcendental after a room is prepared), so a frame has the same bytes whichever optional library is installed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcli_core.data.draws import numpy_generator
from vgcli_core.data.rooms.lighting import CONTACT_CELL, SHADOW_SIDE, ShadowMap, contact_map, shadow_map
from vgcli_core.data.rooms.raster import Singles, nearest, solids
from vgcli_core.data.rooms.scene import CLUTTER, STRUCTURE, Light, Room, View
from vgcli_core.data.rooms.surfaces import FACES, Surfaces, surfaces
from vgcli_core.data.rooms.textures import LEVELS, SIDE, atlas

VISIBLE_SHARE = 60 / 15_680  # of a picture: fewer pixels of a thing do not show what it is (shared prototype)

_AMBIENT = np.float32(0.30)  # light from everywhere, more from above than from below
_FROM_ABOVE = np.float32(0.09)
_CORNER = np.float32(0.3)  # metres: how far the shade of a corner reaches
_CORNER_SHADE = np.float32(0.42)
_BIAS = np.float32(0.03)  # metres that a shadow starts below what throws it
_NOISE = 1.6  # standard deviation of the sensor's noise in bytes
_NOISE_SIZE = 1 << 16
_TONES = 4095  # steps of linear light in the table of bytes
_BAND = 32_768  # pixels that are coloured together: they stay in the processor's cache


class Renderer:
    """Draws the frames of one room; what all of them share is worked out once.

    Args:
        room: a room; every camera must be inside it, and in none of its parts (a part around a camera is not seen).
    """

    def __init__(self, room: Room) -> None:
        parts = [*room.structure, *room.clutter, *(part for thing in room.things for part in thing.parts)]
        owners = [STRUCTURE] * len(room.structure) + [CLUTTER] * len(room.clutter)
        owners += [i for i, thing in enumerate(room.things) for _ in thing.parts]
        boxes = np.stack([part.box for part in parts])
        self.room = room
        self._owners = np.array([*owners, STRUCTURE], np.int16)  # the last one answers for -1: a ray that left the room
        self._solids = solids(boxes)
        self._surfaces = surfaces(parts)
        movable = boxes[len(room.structure) :].reshape(-1, 9)
        self._contact = contact_map(movable, room.size)
        lights = room.lights or (Light((0.0, 0.0, room.size[2] - 0.05), (1.0, 1.0, 1.0), shadows=True),)
        below = solids(movable)
        self._lights = [(light, shadow_map(below, light, room.size) if light.shadows else None) for light in lights]

    def view(self, frame: int) -> View:
        """Return what camera `frame` sees."""
        room = self.room
        pose = room.cameras_to_world[frame]
        inverse, which = nearest(self._solids, pose, room.intrinsics, room.width, room.height)
        with np.errstate(divide="ignore"):
            depth = np.float32(1) / inverse
        image = np.empty((room.height, room.width, 3), np.uint8)
        rows = max(1, _BAND // room.width)
        noise = _noise(room.name, frame, room.width * room.height)
        for top in range(0, room.height, rows):
            band = slice(top, min(top + rows, room.height))
            pixels = slice(band.start * room.width, band.stop * room.width)
            points = _points(pose, room, band, depth[band])
            image[band] = self._shade(points, which[band].ravel(), noise[pixels]).reshape(-1, room.width, 3)
        return View(image, depth, self._owners[which])

    def _shade(self, points: "_Points", which: NDArray[np.int32], noise: Singles) -> NDArray[np.uint8]:
        """Return the colours [N, 3] of points that lie on parts `which` [N]."""
        face, u, v, height_below = _locate(self._surfaces, points, which)
        table = np.take(self._surfaces.faces, face, axis=1, mode="clip")
        normal = table[:3]
        texel = _texels(self._surfaces.tiles.take(face, mode="clip"), table, u, v, points.footprint)
        open_ = self._openness(points, normal)
        open_ *= 1 - np.float32(0.25) * height_below  # the lower part of a thing gets less light
        light = [np.full(len(which), 0, np.float32) for _ in range(3)]
        sky = (_AMBIENT + _FROM_ABOVE * normal[2]) * open_
        for channel in light:
            channel += sky
        for lamp, shadow in self._lights:
            strength = _lamp_light(lamp, shadow, points, normal)
            strength *= np.float32(0.35) + np.float32(0.65) * open_
            for channel, power in zip(light, lamp.colour, strict=True):
                channel += np.float32(power) * strength
        glow = table[7]
        image = np.empty((len(which), 3), np.uint8)
        for c in range(3):
            tone = (light[c] + glow) * self._surfaces.colours[c].take(face, mode="clip")
            tone *= atlas().texels[c].take(texel, mode="clip")
            tone *= np.float32(_TONES / 2)  # twice as bright as white is as bright as it gets
            np.minimum(tone, _TONES, out=tone)
            level = _tones().take(tone.astype(np.int16))
            level += noise
            np.maximum(level, 0, out=level)
            np.minimum(level, 255, out=level)
            image[:, c] = level
        return image

    def _openness(self, points: "_Points", normal: Singles) -> Singles:
        """Return how much of its surroundings each point sees: less in the room's corners and near things on the floor."""
        width, depth, height = self.room.size
        open_ = np.ones(len(points.x), np.float32)
        planes = (
            (points.x, normal[0], width / 2),
            (points.y, normal[1], depth / 2),
            (points.z - np.float32(height / 2), normal[2], height / 2),
        )
        for at, along, half in planes:
            # Distance to the nearer of two opposite planes; a point on such a plane, facing inwards, is not shaded by it.
            distance = np.float32(half) - np.abs(at)
            near = _CORNER / (_CORNER + np.maximum(distance, 0))
            near *= near
            open_ *= 1 - _CORNER_SHADE * near * (1 - np.abs(along))
        rows, columns = self._contact.shape
        column = ((points.x + np.float32(width / 2)) * np.float32(1 / CONTACT_CELL)).astype(np.int32)
        row = ((points.y + np.float32(depth / 2)) * np.float32(1 / CONTACT_CELL)).astype(np.int32)
        np.clip(column, 0, columns - 1, out=column)
        np.clip(row, 0, rows - 1, out=row)
        contact = self._contact.ravel().take(row * columns + column)
        return np.where(points.z < 0.03, open_ * contact, open_)


def render(room: Room, frame: int) -> View:
    """Return what camera `frame` of a room sees; for many frames of one room, its preparation is kept."""
    if not _LATEST or _LATEST[0].room is not room:
        _LATEST[:] = [Renderer(room)]
    return _LATEST[0].view(frame)


_LATEST: list[Renderer] = []


def visible_things(view: View, minimum_pixels: int | None = None) -> dict[int, int]:
    """Return the positions in `Room.things` of the things that a view shows, in order, with their numbers of pixels.

    Args:
        view: what a camera sees.
        minimum_pixels: things with fewer are left out; None for VISIBLE_SHARE of the picture.
    """
    least = minimum_pixels if minimum_pixels is not None else minimum_visible(*view.owner.shape)
    found = np.bincount(view.owner[view.owner >= 0])
    return {i: int(found[i]) for i in np.flatnonzero(found >= max(1, least)).tolist()}


def minimum_visible(height: int, width: int) -> int:
    """Return the number of pixels from which a thing counts as visible in a picture of that size."""
    return max(1, round(VISIBLE_SHARE * height * width))


class _Points(NamedTuple):
    """Points in the world, [N] each, and the edge of a pixel there in metres."""

    x: Singles
    y: Singles
    z: Singles
    footprint: Singles


def _points(pose: NDArray[np.float64], room: Room, band: slice, depth: Singles) -> _Points:
    """Return the points that the pixels of some rows show."""
    across = (np.arange(room.width) + 0.5 - room.intrinsics[0, 2]) / room.intrinsics[0, 0]
    down = (np.arange(band.start, band.stop) + 0.5 - room.intrinsics[1, 2]) / room.intrinsics[1, 1]
    found = []
    for axis in range(3):
        along = (across * pose[axis, 0]).astype(np.float32)
        below = (down * pose[axis, 1] + pose[axis, 2]).astype(np.float32)
        found.append(((along + below[:, None]) * depth + np.float32(pose[axis, 3])).ravel())
    return _Points(*found, depth.ravel() * np.float32(1 / room.intrinsics[0, 0]))


def _locate(
    tables: Surfaces, points: _Points, which: NDArray[np.int32]
) -> tuple[NDArray[np.int32], Singles, Singles, Singles]:
    """Return the face [N] of its part that each point is on, its place (u, v) on it in metres, and how far down it is
    on the part: 0 at the top, 1 at the foot.
    """
    x, y, z, half_x, half_y, half_z, cos, sin = np.take(tables.parts, which, axis=1, mode="clip")
    dx, dy = points.x - x, points.y - y
    a, b, h = cos * dx + sin * dy, cos * dy - sin * dx, points.z - z
    # The face is the one whose plane the point is nearest to, from inside or out.
    out_a, out_b, out_h = np.abs(a) - half_x, np.abs(b) - half_y, np.abs(h) - half_z
    on_x = (out_a >= out_b) & (out_a >= out_h)
    on_z = ~on_x & (out_h >= out_b)
    side = np.where(on_x, a > 0, np.where(on_z, (h > 0) + np.int32(4), (b > 0) + np.int32(2))).astype(np.int32)
    u, v = np.where(on_x, b, a), np.where(on_z, b, h)
    down = np.clip(np.float32(0.5) - np.float32(0.5) * h / half_z, 0, 1)
    down *= ~on_z
    return which * np.int32(FACES) + side, u, v, down


def _texels(tiles: NDArray[np.int32], table: Singles, u: Singles, v: Singles, footprint: Singles) -> NDArray[np.int32]:
    """Return where in the atlas each point's texel is, at the mip level that fits the pixel."""
    # A pixel covers more of a slanted surface; half a level more is a fair mean, and no angle is needed.
    size = footprint * np.maximum(np.abs(table[3]), np.abs(table[4])) * np.float32(1.3)
    level = (size.view(np.int32) >> 23) - 127  # the exponent: log2, rounded down
    np.clip(level, 0, LEVELS - 1, out=level)
    column = np.floor(u * table[3] + table[5]).astype(np.int32) & (SIDE - 1)
    row = np.floor(v * table[4] + table[6]).astype(np.int32) & (SIDE - 1)
    start = tiles + atlas().levels.take(level)
    return start + ((row >> level) << (7 - level)) + (column >> level)


def _lamp_light(lamp: Light, shadow: ShadowMap | None, points: _Points, normal: Singles) -> Singles:
    """Return how much light of a lamp falls on each point, for a lamp of strength 1."""
    x, y, z = (np.float32(at) for at in lamp.place)
    dx, dy, dz = x - points.x, y - points.y, z - points.z
    square = dx * dx + dy * dy + dz * dz
    facing = normal[0] * dx + normal[1] * dy + normal[2] * dz
    np.maximum(facing, 0, out=facing)
    # Softer than the inverse square: the room's white surfaces give much of the light back.
    strength = facing / (np.sqrt(square) * (np.float32(0.55) + np.float32(0.16) * square) + np.float32(1e-6))
    if shadow is not None:
        strength *= _lit(shadow, -dx, dy, dz)
    return strength


def _lit(shadow: ShadowMap, right: Singles, down: Singles, below: Singles) -> Singles:
    """Return the share [N] of the lamp that a point sees: four neighbours in the shadow map, weighted by nearness."""
    below = np.maximum(below, np.float32(0.05))
    scale = np.float32(shadow.focal) / below
    limit = np.float32(SHADOW_SIDE - 1.001)
    u = np.minimum(np.maximum(right * scale + np.float32(SHADOW_SIDE / 2 - 0.5), 0), limit)
    v = np.minimum(np.maximum(down * scale + np.float32(SHADOW_SIDE / 2 - 0.5), 0), limit)
    column, row = u.astype(np.int32), v.astype(np.int32)
    u -= column
    v -= row
    hidden_from = 1 / np.maximum(below - _BIAS, np.float32(0.02))
    at = row * np.int32(SHADOW_SIDE) + column
    flat = shadow.inverse.ravel()
    near, far = (flat.take(at + step) <= hidden_from for step in (0, 1))
    low, high = (flat.take(at + step + SHADOW_SIDE) <= hidden_from for step in (0, 1))
    upper = near + u * (far.astype(np.float32) - near)
    lower = low + u * (high.astype(np.float32) - low)
    return upper + v * (lower - upper)


_TABLES: dict[str, Singles] = {}


def _tones() -> Singles:
    """Return bytes (as floats) for linear light in steps of 2 / _TONES: sRGB, with a shoulder for what is too bright."""
    if "tones" not in _TABLES:
        light = np.arange(_TONES + 1) * 2 / _TONES
        light = np.where(light < 0.6, light, 0.6 + 0.4 * (1 - 1 / (1 + (light - 0.6) / 0.4)))
        srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
        _TABLES["tones"] = (255 * srgb + 0.5).astype(np.float32)
    return _TABLES["tones"]


def _noise(name: str, frame: int, count: int) -> Singles:
    """Return the sensor's noise [count] of a frame."""
    if "noise" not in _TABLES:
        _TABLES["noise"] = numpy_generator(0, "rooms", "noise").normal(0, _NOISE, _NOISE_SIZE).astype(np.float32)
    start = int(numpy_generator(0, name, frame).integers(_NOISE_SIZE))
    return np.resize(np.roll(_TABLES["noise"], start), count)
