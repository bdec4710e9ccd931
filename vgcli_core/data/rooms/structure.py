"""The room itself: walls, floor and ceiling, skirting, one or two doors, windows, and the lights.

Walls are numbered by the yaw of a thing whose back is to them: 0 at low y, 1 at high x, 2 at high y, 3 at low x.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

from vgcli_core.data.rooms.paint import (
    CARPETS,
    CEILINGS,
    CERAMICS,
    DARKS,
    DOORS,
    STONE_FLOORS,
    WALLS,
    WOOD_FLOORS,
    Colour,
    linear,
    pick,
    shaded,
)
from vgcli_core.data.rooms.scene import Light, Part
from vgcli_core.data.rooms.settings import DOOR_HEIGHT

WALL_YAWS = (0.0, pi / 2, pi, -pi / 2)

_THICK = 0.2  # of the slabs around the room; they reach beyond each other, so that no ray slips between them
_SKIRTING = 0.08  # metres high
_FRAME = 0.065  # metres wide, around doors and windows
_SUNK = 0.005  # metres that what is on a wall reaches into it
_WET = ("bathroom", "kitchen")

Size = tuple[float, float, float]
Paint = tuple[Colour, str]  # colour and texture


@dataclass(frozen=True)
class Opening:
    """A door or a window.

    Attributes:
        wall: number of its wall.
        along: metres from the wall's middle to its own, towards the x axis of things with their back to the wall.
        width: metres.
        low: height of its lower edge.
        high: height of its upper edge.
    """

    wall: int
    along: float
    width: float
    low: float
    high: float

    @property
    def is_door(self) -> bool:
        """Tell whether it reaches the floor."""
        return self.low == 0


def wall_length(size: Size, wall: int) -> float:
    """Return the length of a wall in metres."""
    return size[wall % 2]


def against_wall(size: Size, wall: int, along: float, inward: float) -> tuple[float, float]:
    """Return the point (x, y) that lies `along` from a wall's middle and `inward` metres from its face."""
    yaw = WALL_YAWS[wall]
    out = size[1 - wall % 2] / 2 - inward
    return along * cos(yaw) + out * sin(yaw), along * sin(yaw) - out * cos(yaw)


def draw_openings(rng: np.random.Generator, size: Size) -> tuple[Opening, ...]:
    """Draw a door, sometimes a second one, and one or two windows; no two of them on one stretch of wall."""
    openings: list[Opening] = []
    for _ in range(1 + int(rng.random() < 0.15)):
        _add(rng, size, openings, (float(rng.uniform(0.8, 0.95)), 0.0, DOOR_HEIGHT))
    for _ in range(int(rng.integers(1, 3))):
        _add(rng, size, openings, tuple(rng.uniform((0.8, 0.8, 1.9), (1.7, 1.0, 2.1)).tolist()))
    return tuple(openings)


def _add(rng: np.random.Generator, size: Size, openings: list[Opening], edges: tuple[float, ...]) -> None:
    """Add an opening of a width, between two heights, where a wall has room for it."""
    width, low, high = edges
    for _ in range(40):
        wall = int(rng.integers(4))
        reach = wall_length(size, wall) / 2 - width / 2 - 0.25
        along = float(rng.uniform(-1, 1)) * max(reach, 0.0)
        if reach >= 0 and all(o.wall != wall or abs(o.along - along) > (o.width + width) / 2 + 0.2 for o in openings):
            openings.append(Opening(wall, along, width, low, high))
            return


def build_structure(rng: np.random.Generator, size: Size, kind: str, openings: Sequence[Opening]) -> tuple[Part, ...]:
    """Return the parts of a room's structure: slabs first (floor, ceiling, walls 0 to 3), then what is on them."""
    width, depth, height = size
    floor, wall = _floor_paint(rng, kind), _wall_paint(rng, kind)
    beyond = 2 * _THICK
    lid = (width + beyond, depth + beyond, _THICK)
    parts = [
        _slab((0, 0, -_THICK / 2), lid, floor, int(rng.integers(1000))),
        _slab((0, 0, height + _THICK / 2), lid, (pick(rng, CEILINGS, 0.05), "plaster")),
    ]
    accent = int(rng.integers(8))  # now and then one wall has a colour of its own
    for number in range(4):
        x, y = against_wall(size, number, 0, -_THICK / 2)
        edges = (wall_length(size, number) + beyond, _THICK, height + beyond)
        paint = _wall_paint(rng, kind) if number == accent else wall
        parts.append(_slab((x, y, height / 2), edges, paint, int(rng.integers(1000)), WALL_YAWS[number]))
    trim = pick(rng, CERAMICS + DARKS[2:], 0.05) if rng.random() < 0.8 else pick(rng, DOORS)
    parts += [piece for number in range(4) for piece in _skirting(size, number, openings, trim)]
    leaf = pick(rng, DOORS)
    for opening in openings:
        pattern = int(rng.integers(1000))
        parts += _door(size, opening, leaf, trim) if opening.is_door else _window(size, opening, trim, pattern)
    if kind not in _WET and rng.random() < 0.6:
        parts.append(_rug(rng, size))
    return tuple(parts)


def draw_lights(rng: np.random.Generator, size: Size, openings: Sequence[Opening]) -> tuple[Light, ...]:
    """Return a lamp at the ceiling, warm or cool, and daylight from each window."""
    width, depth, height = size
    place = (float(rng.uniform(-0.15, 0.15)) * width, float(rng.uniform(-0.15, 0.15)) * depth, height - 0.05)
    warm, power = float(rng.uniform(0, 1)), float(rng.uniform(0.8, 1.25))
    lights = [Light(place, (power, power * (0.97 - 0.07 * warm), power * (0.98 - 0.26 * warm)), shadows=True)]
    sky = float(rng.uniform(0.1, 0.8))
    for opening in openings:
        if not opening.is_door:
            x, y = against_wall(size, opening.wall, opening.along, 0.05)
            strength = sky * opening.width
            colour = (0.85 * strength, 0.95 * strength, 1.1 * strength)
            lights.append(Light((x, y, (opening.low + opening.high) / 2), colour))
    return tuple(lights)


def _floor_paint(rng: np.random.Generator, kind: str) -> Paint:
    if kind in _WET or rng.random() < 0.15:
        return pick(rng, STONE_FLOORS), str(rng.choice(["tiles", "checker", "marble"]))
    if rng.random() < 0.3:
        return pick(rng, CARPETS), "carpet"
    return pick(rng, WOOD_FLOORS), str(rng.choice(["planks", "parquet"]))


def _wall_paint(rng: np.random.Generator, kind: str) -> Paint:
    if kind in _WET and rng.random() < 0.6:
        return pick(rng, WALLS, 0.08), "wall tiles"
    return pick(rng, WALLS, 0.08), str(rng.choice(["plaster", "plaster", "plaster", "wallpaper", "brick"]))


def _slab(middle: Size, size: Size, paint: Paint, pattern: int = 0, yaw: float = 0.0) -> Part:
    return Part(np.array([*middle, *size, yaw, 0.0, 0.0]), *paint, pattern)


def _on_wall(size: Size, where: Opening, proud: float, paint: Paint, pattern: int = 0) -> Part:
    """Return a part that covers a stretch of a wall and stands out by `proud` metres; its back is sunk in a little."""
    x, y = against_wall(size, where.wall, where.along, (proud - _SUNK) / 2)
    edges = (where.width, proud + _SUNK, where.high - where.low)
    return _slab((x, y, (where.low + where.high) / 2), edges, paint, pattern, WALL_YAWS[where.wall])


def _skirting(size: Size, wall: int, openings: Sequence[Opening], colour: Colour) -> list[Part]:
    """Return the boards along the foot of a wall, with gaps for doors."""
    half = wall_length(size, wall) / 2
    doors = sorted((o.along, o.width / 2 + _FRAME) for o in openings if o.wall == wall and o.is_door)
    starts = [-half, *(along + reach for along, reach in doors)]
    ends = [*(along - reach for along, reach in doors), half]
    return [
        _on_wall(size, Opening(wall, (start + end) / 2, end - start, 0.0, _SKIRTING), 0.012, (colour, "plain"))
        for start, end in zip(starts, ends, strict=True)
        if end - start > 0.02
    ]


def _frame(size: Size, opening: Opening, colour: Colour, proud: float) -> list[Part]:
    """Return what runs around an opening, outside it: two sides and a lintel, and a sill below a window."""
    wall, along, width, low, high = opening.wall, opening.along, opening.width, opening.low, opening.high
    aside = (width + _FRAME) / 2
    bars = [
        Opening(wall, along - aside, _FRAME, low, high + _FRAME),
        Opening(wall, along + aside, _FRAME, low, high + _FRAME),
        Opening(wall, along, width, high, high + _FRAME),
    ]
    parts = [_on_wall(size, bar, proud, (colour, "plain")) for bar in bars]
    if not opening.is_door:
        sill = Opening(wall, along, width + 0.2, low - 0.04, low)
        parts.append(_on_wall(size, sill, proud + 0.05, (shaded(colour, 0.95), "plain")))
    return parts


def _door(size: Size, opening: Opening, leaf: Colour, trim: Colour) -> list[Part]:
    handle = Opening(opening.wall, opening.along + 0.42 * opening.width - 0.05, 0.12, 0.99, 1.015)
    return [
        _on_wall(size, opening, 0.02, (leaf, "door")),
        *_frame(size, opening, shaded(trim, 0.95), 0.035),
        _on_wall(size, handle, 0.06, (linear("#b9a25a"), "metal")),
    ]


def _window(size: Size, opening: Opening, trim: Colour, pattern: int) -> list[Part]:
    bar = Opening(opening.wall, opening.along, 0.04, opening.low, opening.high)
    return [
        _on_wall(size, opening, 0.008, ((0.95, 0.95, 0.95), "window"), pattern),
        *_frame(size, opening, trim, 0.03),
        _on_wall(size, bar, 0.025, (trim, "plain")),
    ]


def _rug(rng: np.random.Generator, size: Size) -> Part:
    width, depth = (min(float(rng.uniform(1.2, 2.2)), edge * 0.5) for edge in size[:2])
    x, y = ((edge / 2 - 1.3) * float(rng.uniform(-0.6, 0.6)) for edge in size[:2])
    turn = float(rng.uniform(-0.4, 0.4))
    return _slab((x, y, 0.003), (width, depth, 0.006), ((0.9, 0.9, 0.9), "rug"), int(rng.integers(1000)), turn)
