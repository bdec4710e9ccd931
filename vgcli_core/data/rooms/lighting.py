"""Shadows and contact shading of a room, worked out once: a shadow map below the lamp and a map of the floor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vgcli_core.data.rooms.raster import Singles, Solids, nearest
from vgcli_core.data.rooms.scene import Light
from vgcli_core.geometry.boxes import Floats

SHADOW_SIDE = 224  # pixels of the shadow map
CONTACT_CELL = 0.04  # metres of the floor in one cell of the contact map

_SPREAD = 1.25  # half the width of the view from the lamp, times what reaches the corners of the floor
_LOW = 0.6  # metres: what hangs higher leaves no contact shade on the floor


@dataclass(frozen=True)
class ShadowMap:
    """What a lamp sees when it looks straight down.

    Attributes:
        light: where it hangs.
        inverse: [SHADOW_SIDE, SHADOW_SIDE] inverse depths of the nearest things below it, 0 for none.
        focal: pixels.
    """

    light: tuple[float, float, float]
    inverse: Singles
    focal: float


def shadow_map(things: Solids, light: Light, size: tuple[float, float, float]) -> ShadowMap:
    """Look down from a lamp at the things of a room of `size`; the view reaches beyond the floor, up the walls."""
    x, y, z = light.place
    reach = max(size[0] / 2 + abs(x), size[1] / 2 + abs(y)) * _SPREAD
    focal = SHADOW_SIDE / 2 * z / reach
    middle = SHADOW_SIDE / 2
    intrinsics = np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1.0]])
    pose = np.array([[1, 0, 0, x], [0, -1, 0, y], [0, 0, -1, z], [0, 0, 0, 1.0]])
    inverse, _ = nearest(things, pose, intrinsics, SHADOW_SIDE, SHADOW_SIDE)
    inverse[[0, -1]] = 0  # what lies outside the view takes the value at its edge: lit
    inverse[:, [0, -1]] = 0
    return ShadowMap(light.place, inverse, focal)


def contact_map(boxes: Floats, size: tuple[float, float, float]) -> Singles:
    """Return how much of the sky above each cell of the floor is left by things near it.

    Args:
        boxes: [P, 9] upright parts of things.
        size: of the room.

    Returns:
        [rows, columns] in (0, 1]; cell (0, 0) lies at the lowest x and y.
    """
    columns, rows = (int(np.ceil(edge / CONTACT_CELL)) for edge in size[:2])
    light = np.ones((rows, columns), np.float32)
    xs = ((np.arange(columns) + 0.5) * CONTACT_CELL - size[0] / 2).astype(np.float32)
    ys = ((np.arange(rows) + 0.5) * CONTACT_CELL - size[1] / 2).astype(np.float32)
    for x, y, z, dx, dy, dz, yaw in boxes[:, :7].tolist():
        bottom = z - dz / 2
        if bottom > _LOW:
            continue
        blur = 0.10 + 0.5 * bottom + 0.08 * min(dz, 1.0)
        strength = 0.6 / (1 + 4 * bottom) * min(1.0, 4 * max(min(dx, dy), 0.03) + 0.15)
        reach = np.hypot(dx, dy) / 2 + blur
        window = _cells(y, reach, size[1], rows), _cells(x, reach, size[0], columns)
        light[window] *= 1 - strength * _near(xs[window[1]] - x, ys[window[0]] - y, (dx, dy), yaw, blur)
    return light


def _near(x: Singles, y: Singles, edges: tuple[float, float], yaw: float, blur: float) -> NDArray[np.float32]:
    """Return a value [rows, columns] that is 1 on a turned rectangle at the origin and falls to 0 within `blur`."""
    c, s = np.float32(np.cos(yaw)), np.float32(np.sin(yaw))
    along = np.maximum(np.abs(c * x[None] + s * y[:, None]) - np.float32(edges[0] / 2), 0)
    across = np.maximum(np.abs(c * y[:, None] - s * x[None]) - np.float32(edges[1] / 2), 0)
    rest = np.maximum(1 - np.sqrt(along * along + across * across) / np.float32(blur), 0)
    square: Singles = rest * rest
    return square


def _cells(middle: float, reach: float, edge: float, count: int) -> slice:
    low = int(np.floor((middle - reach + edge / 2) / CONTACT_CELL))
    high = int(np.ceil((middle + reach + edge / 2) / CONTACT_CELL))
    return slice(min(max(low, 0), count), min(max(high, 0), count))
