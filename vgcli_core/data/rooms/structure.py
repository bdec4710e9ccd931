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
from vgcli_core.geometry.boxes import Floats

WALL_YAWS = (0.0, pi / 2, pi, -pi / 2)

_THICK = 0.2  # of the slabs around the room; they reach beyond each other, so that no ray slips between them
_SKIRTING = 0.08  # metres high
_WET = ("bathroom", "kitchen")

Size = tuple[float, float, float]


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
    """Draw a door, sometimes a second one, and up to two windows; no two of them on one stretch of wall."""
    openings: list[Opening] = []
    for _ in range(1 + int(rng.random() < 0.15)):
        _add(rng, size, openings, float(rng.uniform(0.8, 0.95)), 0.0, DOOR_HEIGHT)
    for _ in range(int(rng.integers(1, 3))):
        _add(
            rng,
            size,
            openings,
            float(rng.uniform(0.8, 1.7)),
            float(rng.uniform(0.8, 1.0)),
            float(rng.uniform(1.9, 2.1)),
        )
    return tuple(openings)


def _add(rng: np.random.Generator, size: Size, openings: list[Opening], width: float, low: float, high: float) -> None:
    for _ in range(20):
        wall = int(rng.integers(4))
        reach = wall_length(size, wall) / 2 - width / 2 - 0.25
        if reach < 0:
            continue
        along = float(rng.uniform(-reach, reach))
        if all(o.wall != wall or abs(o.along - along) > (o.width + width) / 2 + 0.2 for o in openings):
            openings.append(Opening(wall, along, width, low, high))
            return


def build_structure(rng: np.random.Generator, size: Size, kind: str, openings: Sequence[Opening]) -> tuple[Part, ...]:
    """Return the parts of a room's structure: slabs first (floor, ceiling, walls 0 to 3), then what is on them."""
    width, depth, height = size
    floor, wall = _floor_paint(rng, kind), _wall_paint(rng, kind)
    beyond = 2 * _THICK
    parts = [
        _slab((0, 0, -_THICK / 2), (width + beyond, depth + beyond, _THICK), *floor, int(rng.integers(1000))),
        _slab(
            (0, 0, height + _THICK / 2),
            (width + beyond, depth + beyond, _THICK),
            pick(rng, CEILINGS, 0.05),
            "plaster",
            0,
        ),
    ]
    accent = int(rng.integers(8))  # now and then one wall has a colour of its own
    for number in range(4):
        paint = _wall_paint(rng, kind) if number == accent else wall
        x, y = against_wall(size, number, 0, -_THICK / 2)
        edges = (wall_length(size, number) + beyond, _THICK, height + beyond)
        parts.append(_slab((x, y, height / 2), edges, *paint, int(rng.integers(1000)), WALL_YAWS[number]))
    trim = pick(rng, CERAMICS + DARKS[2:], 0.05) if rng.random() < 0.8 else pick(rng, DOORS)
    parts += [piece for number in range(4) for piece in _skirting(size, number, openings, trim)]
    leaf = pick(rng, DOORS)
    for opening in openings:
        parts += (
            _door(size, opening, leaf, trim)
            if opening.is_door
            else _window(size, opening, trim, int(rng.integers(1000)))
        )
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


def _floor_paint(rng: np.random.Generator, kind: str) -> tuple[Colour, str]:
    if kind in _WET or rng.random() < 0.15:
        return pick(rng, STONE_FLOORS), str(rng.choice(["tiles", "checker", "marble"]))
    if rng.random() < 0.3:
        return pick(rng, CARPETS), "carpet"
    return pick(rng, WOOD_FLOORS), str(rng.choice(["planks", "parquet"]))


def _wall_paint(rng: np.random.Generator, kind: str) -> tuple[Colour, str]:
    if kind in _WET and rng.random() < 0.6:
        return pick(rng, WALLS, 0.08), "wall tiles"
    return pick(rng, WALLS, 0.08), str(rng.choice(["plaster", "plaster", "plaster", "wallpaper", "brick"]))


def _slab(
    middle: tuple[float, float, float], size: Size, colour: Colour, texture: str, pattern: int, yaw: float = 0.0
) -> Part:
    return Part(np.array([*middle, *size, yaw, 0.0, 0.0]), colour, texture, pattern)


def _on_wall(
    size: Size,
    wall: int,
    along: float,
    heights: tuple[float, float],
    width: float,
    proud: float,
    colour: Colour,
    texture: str = "plain",
    pattern: int = 0,
) -> Part:
    """Return a part on a wall that stands out by `proud` metres; its back is sunk a little into the wall."""
    x, y = against_wall(size, wall, along, proud / 2 - 0.005)
    low, high = heights
    return _slab((x, y, (low + high) / 2), (width, proud + 0.01, high - low), colour, texture, pattern, WALL_YAWS[wall])


def _skirting(size: Size, wall: int, openings: Sequence[Opening], colour: Colour) -> list[Part]:
    """Return the boards along the foot of a wall, with gaps for doors."""
    half = wall_length(size, wall) / 2
    gaps = sorted(
        (o.along - o.width / 2 - 0.07, o.along + o.width / 2 + 0.07) for o in openings if o.wall == wall and o.is_door
    )
    starts, ends = [-half, *(right for _, right in gaps)], [*(left for left, _ in gaps), half]
    return [
        _on_wall(size, wall, (start + end) / 2, (0.0, _SKIRTING), end - start, 0.012, colour, "plain")
        for start, end in zip(starts, ends, strict=True)
        if end - start > 0.02
    ]


def _frame(size: Size, opening: Opening, colour: Colour, thick: float, proud: float) -> list[Part]:
    """Return what runs around an opening, outside it: two sides and a lintel, and a sill below a window."""
    bars = [
        _on_wall(
            size,
            opening.wall,
            opening.along + side * (opening.width + thick) / 2,
            (opening.low, opening.high + thick),
            thick,
            proud,
            colour,
        )
        for side in (-1, 1)
    ]
    bars.append(
        _on_wall(size, opening.wall, opening.along, (opening.high, opening.high + thick), opening.width, proud, colour)
    )
    if not opening.is_door:
        bars.append(
            _on_wall(
                size,
                opening.wall,
                opening.along,
                (opening.low - 0.04, opening.low),
                opening.width + 0.2,
                proud + 0.05,
                colour,
            )
        )
    return bars


def _door(size: Size, opening: Opening, leaf: Colour, trim: Colour) -> list[Part]:
    heights, knob = (opening.low, opening.high), opening.along + 0.42 * opening.width
    return [
        _on_wall(size, opening.wall, opening.along, heights, opening.width, 0.02, leaf, "door"),
        *_frame(size, opening, shaded(trim, 0.95), 0.07, 0.035),
        _on_wall(size, opening.wall, knob - 0.05, (0.99, 1.015), 0.12, 0.06, linear("#b9a25a"), "metal"),
    ]


def _window(size: Size, opening: Opening, trim: Colour, pattern: int) -> list[Part]:
    heights = (opening.low, opening.high)
    return [
        _on_wall(
            size, opening.wall, opening.along, heights, opening.width, 0.008, (0.95, 0.95, 0.95), "window", pattern
        ),
        *_frame(size, opening, trim, 0.06, 0.03),
        _on_wall(size, opening.wall, opening.along, heights, 0.04, 0.025, trim),
    ]


def _rug(rng: np.random.Generator, size: Size) -> Part:
    width, depth = (min(float(rng.uniform(1.2, 2.2)), edge * 0.5) for edge in size[:2])
    x, y = ((edge / 2 - 1.3) * float(rng.uniform(-0.6, 0.6)) for edge in size[:2])
    box: Floats = np.array([x, y, 0.003, width, depth, 0.006, float(rng.uniform(-0.4, 0.4)), 0.0, 0.0])
    return Part(box, (0.9, 0.9, 0.9), "rug", int(rng.integers(1000)))
