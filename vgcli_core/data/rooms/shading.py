"""The colour of what each pixel shows: texture, lamps and their shadows, daylight, shade in corners and under things.

Everything is float32 and elementwise: no BLAS, and nothing transcendental but in tables made once, so a frame has the
same bytes whichever optional library is installed. Arrays are [N] for N pixels, or [k, N].
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcli_core.data.rooms.lighting import CONTACT_CELL, SHADOW_SIDE, ShadowMap
from vgcli_core.data.rooms.raster import Singles
from vgcli_core.data.rooms.scene import Light
from vgcli_core.data.rooms.surfaces import FACES, Surfaces
from vgcli_core.data.rooms.textures import LEVELS, SIDE, atlas

Indices = NDArray[np.int32]
Lamps = Sequence[tuple[Light, ShadowMap | None]]

_AMBIENT, _FROM_ABOVE = np.float32(0.33), np.float32(0.06)  # light from everywhere, a little more from above
_CORNER, _CORNER_SHADE = np.float32(0.3), np.float32(0.42)  # metres that a corner's shade reaches, and its depth
_FOOT_SHADE = np.float32(0.25)  # of ambient light is missing at the foot of a thing
_FLOOR = np.float32(0.03)  # metres: what lies lower gets the floor's contact shade
_BIAS = np.float32(0.03)  # metres that a shadow starts below what throws it
_BRIGHTEST, _TONES = 2.0, 4095  # linear light in steps of _BRIGHTEST / _TONES; 1 is a white wall in good light


class Points(NamedTuple):
    """What pixels show, in the world, metres; `footprint` is the edge of a pixel there."""

    x: Singles
    y: Singles
    z: Singles
    footprint: Singles


class Air(NamedTuple):
    """What the pixels of a room share.

    Attributes:
        size: of the room.
        contact: map of the floor, see `contact_map`.
        lamps: lights, those that throw shadows with their maps.
    """

    size: tuple[float, float, float]
    contact: Singles
    lamps: Lamps


def colours(tables: Surfaces, air: Air, points: Points, which: Indices) -> tuple[Singles, Indices]:
    """Return the colours [3, N] of points on parts `which` [N], in bytes but not rounded, and their faces [N]."""
    face, u, v, down = _faces(tables, points, which)
    normal_x, normal_y, normal_z, *texturing, glow = np.take(tables.faces, face, axis=1, mode="clip")
    normal = (normal_x, normal_y, normal_z)
    texel = _texels(tables.tiles.take(face, mode="clip"), texturing, (u, v), points.footprint)
    opening = _openness(air, points, normal) * (1 - _FOOT_SHADE * down)
    light = np.empty((3, len(which)), np.float32)
    light[:] = (_AMBIENT + _FROM_ABOVE * normal_z) * opening + glow
    for lamp, shadow in air.lamps:
        strength = _falling(lamp, shadow, points, normal) * (np.float32(0.35) + np.float32(0.65) * opening)
        for c in range(3):
            light[c] += np.float32(lamp.colour[c]) * strength
    light *= np.float32(_TONES / _BRIGHTEST)
    for c in range(3):
        light[c] *= tables.colours[c].take(face, mode="clip")
        light[c] *= atlas().texels[c].take(texel, mode="clip")
    np.minimum(light, _TONES, out=light)
    return tone_table().take(light.astype(np.int16)), face


@cache
def tone_table() -> Singles:
    """Return bytes, as floats, for linear light in steps of _BRIGHTEST / _TONES: sRGB with a shoulder above 0.6."""
    light = np.arange(_TONES + 1) * _BRIGHTEST / _TONES
    light = np.where(light < 0.6, light, 0.6 + 0.4 * (1 - 1 / (1 + (light - 0.6) / 0.4)))
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    return (255 * srgb).astype(np.float32)


def smoothed(image: NDArray[np.uint8], face: Indices) -> NDArray[np.uint8]:
    """Return a picture [H, W, 3] in which the pixels at edges between faces [H, W] mix with their four neighbours."""
    height, width = face.shape
    aside, below = face[:, 1:] != face[:, :-1], face[1:] != face[:-1]
    edge = np.zeros((height, width), bool)
    edge[:, 1:], edge[1:] = aside, below
    edge[:, :-1] |= aside
    edge[:-1] |= below
    edge[[0, -1]] = False
    edge[:, [0, -1]] = False
    at = np.flatnonzero(edge)
    pixels = image.reshape(-1, 3).astype(np.uint16)
    mixed = 4 * pixels[at] + 4
    for step in (-width, -1, 1, width):
        mixed += pixels[at + step]
    result = image.reshape(-1, 3).copy()
    result[at] = mixed // 8
    return result.reshape(image.shape)


def _faces(tables: Surfaces, points: Points, which: Indices) -> tuple[Indices, Singles, Singles, Singles]:
    """Return the face of its part that each point is on, its place (u, v) on it in metres from the middle, and how far
    down it is on the part: 0 at the top, 1 at the foot; 0 on level faces.
    """
    x, y, z, half_x, half_y, half_z, cos, sin = np.take(tables.parts, which, axis=1, mode="clip")
    dx, dy, h = points.x - x, points.y - y, points.z - z
    a, b = cos * dx + sin * dy, cos * dy - sin * dx
    # The face whose plane the point is nearest to, from inside or out: distances to planes, so rounding is small.
    out_a, out_b, out_h = np.abs(a) - half_x, np.abs(b) - half_y, np.abs(h) - half_z
    on_x = (out_a >= out_b) & (out_a >= out_h)
    on_z = ~on_x & (out_h >= out_b)
    side = np.where(on_x, a > 0, np.where(on_z, (h > 0) + np.int32(4), (b > 0) + np.int32(2)))
    down = np.clip(np.float32(0.5) - np.float32(0.5) * h / half_z, 0, 1) * ~on_z
    return which * np.int32(FACES) + side.astype(np.int32), np.where(on_x, b, a), np.where(on_z, b, h), down


def _texels(tiles: Indices, texturing: list[Singles], at: tuple[Singles, Singles], footprint: Singles) -> Indices:
    """Return where in the atlas each point's texel is, at the mip level that fits the pixel."""
    across, up, column, row = texturing
    # On a slanted surface a pixel covers more; 1.3 is a fair mean, and no angle is needed.
    size = footprint * np.maximum(np.abs(across), np.abs(up)) * np.float32(1.3)
    level = (size.view(np.int32) >> 23) - 127  # the exponent: log2, rounded down
    np.clip(level, 0, LEVELS - 1, out=level)
    columns = np.floor(at[0] * across + column).astype(np.int32) & (SIDE - 1)
    rows = np.floor(at[1] * up + row).astype(np.int32) & (SIDE - 1)
    start: Indices = tiles + atlas().levels.take(level)
    start += (rows >> level) << (LEVELS - 1 - level)
    start += columns >> level
    return start


def _openness(air: Air, points: Points, normal: tuple[Singles, Singles, Singles]) -> Singles:
    """Return how much of its surroundings each point sees: less in corners, and on the floor near things."""
    width, depth, height = air.size
    opening = np.ones(len(points.x), np.float32)
    at = (points.x, points.y, points.z - np.float32(height / 2))
    for place, along, edge in zip(at, normal, air.size, strict=True):
        # The nearer of two opposite planes of the room; a point on one of them, facing inwards, is not shaded by it.
        near = _CORNER / (_CORNER + np.maximum(np.float32(edge / 2) - np.abs(place), 0))
        opening *= 1 - _CORNER_SHADE * near * near * (1 - np.abs(along))
    rows, columns = air.contact.shape
    column = ((points.x + np.float32(width / 2)) * np.float32(1 / CONTACT_CELL)).astype(np.int32)
    row = ((points.y + np.float32(depth / 2)) * np.float32(1 / CONTACT_CELL)).astype(np.int32)
    np.clip(column, 0, columns - 1, out=column)
    np.clip(row, 0, rows - 1, out=row)
    contact = air.contact.ravel().take(row * np.int32(columns) + column)
    return np.where(points.z < _FLOOR, opening * contact, opening)


def _falling(
    lamp: Light, shadow: ShadowMap | None, points: Points, normal: tuple[Singles, Singles, Singles]
) -> Singles:
    """Return how much light of a lamp falls on each point, for a lamp of strength 1."""
    x, y, z = (np.float32(value) for value in lamp.place)
    dx, dy, dz = x - points.x, y - points.y, z - points.z
    square = dx * dx + dy * dy + dz * dz
    facing = np.maximum(normal[0] * dx + normal[1] * dy + normal[2] * dz, 0)
    # Softer than the inverse square: a room's bright surfaces give much of the light back.
    strength: Singles = facing / (np.sqrt(square) * (np.float32(0.55) + np.float32(0.16) * square) + np.float32(1e-6))
    return strength if shadow is None else strength * _lit(shadow, -dx, dy, dz)


def _lit(shadow: ShadowMap, right: Singles, down: Singles, below: Singles) -> Singles:
    """Return the share of the lamp that each point sees: of four neighbours in the shadow map, by nearness."""
    scale = np.float32(shadow.focal) / np.maximum(below, np.float32(0.05))
    middle, last = np.float32(SHADOW_SIDE / 2 - 0.5), np.float32(SHADOW_SIDE - 1.001)
    u = np.minimum(np.maximum(right * scale + middle, 0), last)
    v = np.minimum(np.maximum(down * scale + middle, 0), last)
    column, row = u.astype(np.int32), v.astype(np.int32)
    u -= column
    v -= row
    hidden_from = 1 / np.maximum(below - _BIAS, np.float32(0.02))
    at, flat = row * np.int32(SHADOW_SIDE) + column, shadow.inverse.ravel()
    steps = (0, 1, SHADOW_SIDE, SHADOW_SIDE + 1)
    near, far, low, high = ((flat.take(at + np.int32(step)) <= hidden_from).astype(np.float32) for step in steps)
    upper, lower = near + u * (far - near), low + u * (high - low)
    lit: Singles = upper + v * (lower - upper)
    return lit
