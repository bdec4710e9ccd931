"""Furniture that stands on the floor and fills a room: beds, seats, tables, cupboards, kitchen and bath."""

import numpy as np

from vgcli_core.data.rooms.paint import (
    BEDDING,
    CERAMICS,
    FABRICS,
    LACQUERS,
    METALS,
    STONE_FLOORS,
    WOODS,
    Colour,
    linear,
    pick,
    shaded,
)
from vgcli_core.data.rooms.pieces import Piece, Top, assemble, block, legs
from vgcli_core.data.rooms.scene import Part

_DARK = linear("#202124")
_PROUD = 0.008  # metres that fronts and handles stand out, so that no two faces lie in one plane


def bed(rng: np.random.Generator) -> Piece:
    """A bed with headboard, mattress and duvet; pillows are things of their own."""
    width, depth = rng.uniform(0.95, 1.8), rng.uniform(1.95, 2.1)
    wood, sheet, duvet = pick(rng, WOODS), pick(rng, CERAMICS), pick(rng, BEDDING)
    pattern = int(rng.integers(1000))
    parts = [
        block((0, -depth / 2 + 0.03), 0, (width + 0.06, 0.06, rng.uniform(0.8, 1.1)), wood, "wood", pattern=pattern),
        block((0, 0.06), 0.08, (width, depth - 0.12, 0.22), wood, "wood", pattern=pattern),
        block((0, 0.06), 0.3, (width - 0.05, depth - 0.16, 0.2), sheet, "fabric"),
        block((0, 0.34), 0.36, (width + 0.03, depth - 0.72, 0.17), duvet, _cloth(rng), pattern=pattern),
        *legs((width - 0.04, depth - 0.2), 0.08, 0.06, shaded(wood, 0.6)),
    ]
    top = Top(-width / 2 + 0.05, width / 2 - 0.05, -depth / 2 + 0.1, -depth / 2 + 0.55, 0.5)
    return assemble(parts, top)


def couch(rng: np.random.Generator) -> Piece:
    """A couch for two or three."""
    seats = int(rng.integers(2, 4))
    return _sofa(rng, seats, seats * rng.uniform(0.6, 0.7))


def armchair(rng: np.random.Generator) -> Piece:
    """A couch for one."""
    return _sofa(rng, 1, rng.uniform(0.55, 0.65))


def _sofa(rng: np.random.Generator, seats: int, inner: float) -> Piece:
    depth, back, arm = rng.uniform(0.8, 0.95), rng.uniform(0.72, 0.9), rng.uniform(0.12, 0.2)
    cloth, texture, pattern = pick(rng, FABRICS), _cloth(rng), int(rng.integers(1000))
    cushion = shaded(cloth, 1.25)
    width = inner + 2 * arm
    parts = [
        block((0, 0), 0.06, (width - 0.01, depth - 0.02, 0.22), shaded(cloth, 0.75), texture, pattern=pattern),
        block((0, -depth / 2 + 0.1), 0.1, (width, 0.2, back - 0.1), cloth, texture, pattern=pattern),
        *legs((width - 0.06, depth - 0.08), 0.06, 0.06, _DARK),
    ]
    for side in (-1, 1):
        parts.append(
            block(
                (side * (width - arm) / 2, 0.11),
                0.08,
                (arm, depth - 0.22, 0.5),
                shaded(cloth, 0.92),
                texture,
                pattern=pattern,
            )
        )
    for seat in range(seats):
        x = (seat + 0.5) * inner / seats - inner / 2
        parts.append(
            block((x, 0.1), 0.28, (inner / seats - 0.015, depth - 0.2, 0.15), cushion, texture, pattern=pattern + seat)
        )
        parts.append(
            block(
                (x, -depth / 2 + 0.26),
                0.43,
                (inner / seats - 0.03, 0.12, back - 0.52),
                cushion,
                texture,
                pattern=pattern + seat,
            )
        )
    return assemble(parts, Top(-inner / 2 + 0.02, inner / 2 - 0.02, -depth / 2 + 0.34, depth / 2 - 0.05, 0.43))


def table(rng: np.random.Generator) -> Piece:
    """A table for meals, on four legs or on one column."""
    width, depth, height = rng.uniform(0.9, 1.6), rng.uniform(0.75, 0.95), rng.uniform(0.71, 0.77)
    return _table(rng, (width, depth, height), 0.04)


def coffee_table(rng: np.random.Generator) -> Piece:
    """A low table, with a shelf under its top."""
    width, depth, height = rng.uniform(0.8, 1.2), rng.uniform(0.5, 0.65), rng.uniform(0.36, 0.45)
    low = _table(rng, (width, depth, height), 0.05, columns=False)
    shelf = block((0, 0), 0.12, (width - 0.12, depth - 0.12, 0.025), low.parts[0].colour, "wood")
    return assemble([*low.parts, shelf], low.top)


def _table(rng: np.random.Generator, size: tuple[float, float, float], thick: float, *, columns: bool = True) -> Piece:
    width, depth, height = size
    wood = pick(rng, WOODS) if rng.random() < 0.75 else pick(rng, LACQUERS)
    pattern = int(rng.integers(1000))
    parts = [block((0, 0), height - thick, (width, depth, thick), wood, "wood", pattern=pattern)]
    if columns and rng.random() < 0.3:
        metal = pick(rng, METALS)
        parts += [
            block((0, 0), 0, (width * 0.5, depth * 0.6, 0.03), metal, "metal"),
            block((0, 0), 0.03, (0.1, 0.1, height - thick - 0.03), metal, "metal"),
        ]
    else:
        leg = shaded(wood, 0.75)
        parts += legs((width - 0.06, depth - 0.06), height - thick, 0.06, leg, "wood")
        rail = height - thick - 0.09
        parts += [
            block((0, y), rail, (width - 0.2, 0.025, 0.09), leg, "wood") for y in (-depth / 2 + 0.07, depth / 2 - 0.07)
        ]
    edge = 0.03
    return assemble(parts, Top(edge - width / 2, width / 2 - edge, edge - depth / 2, depth / 2 - edge, height))


def desk(rng: np.random.Generator) -> Piece:
    """A desk with drawers on one side."""
    width, depth, height = rng.uniform(1.1, 1.5), rng.uniform(0.6, 0.75), rng.uniform(0.72, 0.76)
    wood = pick(rng, WOODS)
    front, pattern, side = pick(rng, LACQUERS), int(rng.integers(1000)), float(rng.choice([-1, 1]))
    x, inner = side * (width / 2 - 0.22), height - 0.04
    parts = [
        block((0, 0), height - 0.035, (width, depth, 0.035), wood, "wood", pattern=pattern),
        block((-side * (width / 2 - 0.03), 0), 0, (0.04, depth - 0.04, height - 0.035), shaded(wood, 0.85), "wood"),
        block((0, -depth / 2 + 0.05), 0.3, (width - 0.1, 0.02, height - 0.335), shaded(wood, 0.8), "wood"),
        block((x, 0), 0, (0.4, depth - 0.05, height - 0.035), shaded(wood, 0.9), "wood"),
        *_fronts((x, depth / 2 - 0.025), 0.05, (0.4, inner - 0.06), 1, 3, colour=front),
    ]
    return assemble(parts, Top(0.03 - width / 2, width / 2 - 0.03, 0.03 - depth / 2, depth / 2 - 0.03, height))


def chair(rng: np.random.Generator) -> Piece:
    """A chair on four legs, or an office chair on a star of feet with arms."""
    width, depth = rng.uniform(0.42, 0.5), rng.uniform(0.42, 0.5)
    seat, back = rng.uniform(0.43, 0.48), rng.uniform(0.82, 1.0)
    cloth, pattern = pick(rng, FABRICS), int(rng.integers(1000))
    if rng.random() < 0.35:
        parts = [
            block((0, 0), 0.03, (0.56, 0.06, 0.05), _DARK),
            block((0, 0), 0.032, (0.06, 0.56, 0.046), _DARK),
            block((0, 0), 0.08, (0.06, 0.06, seat - 0.14), _DARK, "metal"),
            block((0, 0), seat - 0.07, (width, depth, 0.08), cloth, "fabric", pattern=pattern),
            block((0, -depth / 2 + 0.03), seat + 0.1, (width - 0.04, 0.06, back - seat - 0.1), cloth, "fabric"),
            block((0, -depth / 2 - 0.01), seat - 0.06, (0.05, 0.03, 0.3), _DARK),
        ]
        for side in (-1, 1):
            parts.append(block((side * (width / 2 + 0.02), 0), seat + 0.17, (0.04, 0.3, 0.03), _DARK))
            parts.append(block((side * (width / 2 + 0.02), 0), seat - 0.05, (0.03, 0.05, 0.22), _DARK))
        parts += [
            block((x, y), 0, (0.05, 0.05, 0.03), _DARK) for x, y in ((0.25, 0), (-0.25, 0), (0, 0.25), (0, -0.25))
        ]
        return assemble(parts)
    wood = pick(rng, WOODS) if rng.random() < 0.7 else pick(rng, METALS)
    slim, rear = 0.04, depth / 2 - 0.02
    parts = legs((width, depth), seat - 0.03, slim, wood, "wood")
    parts.append(block((0, 0.005), seat - 0.03, (width + 0.015, depth + 0.01, 0.045), cloth, "fabric", pattern=pattern))
    parts += [
        block((x, -rear), seat + 0.015, (slim, slim, back - seat - 0.02), wood, "wood")
        for x in (-width / 2 + 0.02, width / 2 - 0.02)
    ]
    if rng.random() < 0.5:
        parts.append(block((0, -rear), seat + 0.12, (width - 0.07, 0.025, back - seat - 0.12), cloth, "fabric"))
    else:
        parts += [
            block((0, -rear), low, (width - 0.07, 0.02, 0.09), wood, "wood")
            for low in np.linspace(seat + 0.1, back - 0.1, 3).tolist()
        ]
    return assemble(parts)


def cabinet(rng: np.random.Generator) -> Piece:
    """A cupboard with two doors and handles, low or tall."""
    width, depth = rng.uniform(0.7, 1.2), rng.uniform(0.4, 0.6)
    height = rng.uniform(0.75, 0.95) if rng.random() < 0.55 else rng.uniform(1.4, 1.85)
    body = pick(rng, LACQUERS) if rng.random() < 0.5 else pick(rng, WOODS)
    return _chest(rng, (width, depth, height), body, 2, 1)


def dresser(rng: np.random.Generator) -> Piece:
    """A chest of drawers."""
    size = rng.uniform(0.8, 1.3), rng.uniform(0.42, 0.52), rng.uniform(0.75, 1.05)
    return _chest(rng, size, pick(rng, WOODS), int(rng.integers(1, 3)), int(rng.integers(3, 5)))


def nightstand(rng: np.random.Generator) -> Piece:
    """A small chest beside a bed."""
    size = rng.uniform(0.4, 0.5), rng.uniform(0.36, 0.44), rng.uniform(0.48, 0.6)
    return _chest(rng, size, pick(rng, WOODS), 1, 2)


def _chest(
    rng: np.random.Generator, size: tuple[float, float, float], colour: Colour, columns: int, rows: int
) -> Piece:
    width, depth, height = size
    pattern = int(rng.integers(1000))
    front = shaded(colour, rng.uniform(1.05, 1.35))
    parts = [
        block((0, -0.01), 0, (width - 0.06, depth - 0.06, 0.07), _DARK),
        block((0, 0), 0.07, (width - 0.02, depth - 0.02, height - 0.1), colour, "wood", pattern=pattern),
        block((0, 0), height - 0.03, (width, depth, 0.03), shaded(colour, 0.85), "wood", pattern=pattern + 1),
        *_fronts((0, depth / 2 - 0.01), 0.1, (width - 0.03, height - 0.15), columns, rows, colour=front),
    ]
    top = Top(0.02 - width / 2, width / 2 - 0.02, 0.02 - depth / 2, depth / 2 - 0.02, height) if height < 1.2 else None
    return assemble(parts, top)


def _fronts(
    middle: tuple[float, float], bottom: float, area: tuple[float, float], columns: int, rows: int, *, colour: Colour
) -> list[Part]:
    """Return doors or drawers with handles over an area (width, height) of a front at y = middle[1]."""
    wide, high = area[0] / columns, area[1] / rows
    parts = []
    for column in range(columns):
        x = middle[0] - area[0] / 2 + (column + 0.5) * wide
        for row in range(rows):
            z = bottom + row * high
            parts.append(block((x, middle[1]), z + 0.006, (wide - 0.014, 2 * _PROUD, high - 0.012), colour, "wood"))
            drawer = rows > 1
            grip = (min(0.14, wide / 3), 0.025, 0.018) if drawer else (0.018, 0.025, min(0.16, high / 3))
            inward = 0.0 if drawer or columns == 1 else (wide / 2 - 0.06) * (1 if column == 0 else -1)
            place = (x + inward, middle[1] + _PROUD + grip[1] / 2)
            parts.append(block(place, z + high * 0.6 - grip[2] / 2, grip, linear("#4a4d52"), "metal"))
    return parts


def bookshelf(rng: np.random.Generator) -> Piece:
    """Shelves with rows of books."""
    width, depth, height = rng.uniform(0.7, 1.1), rng.uniform(0.28, 0.36), rng.uniform(1.3, 1.95)
    wood, levels, thick = pick(rng, WOODS + LACQUERS[:2]), int(rng.integers(4, 6)), 0.03
    gap = (height - thick) / levels
    parts = [
        block((0, -depth / 2 + 0.01), 0, (width - 0.02, 0.02, height), shaded(wood, 0.7), "wood"),
        *(block((side * (width - thick) / 2, 0), 0, (thick, depth, height), wood, "wood") for side in (-1, 1)),
        *(
            block((0, 0.01), i * gap, (width - 2 * thick, depth - 0.025, thick), wood, "wood")
            for i in range(levels + 1)
        ),
    ]
    for level in range(levels):
        if rng.random() < 0.85:
            share = rng.uniform(0.5, 0.98)
            row = (width - 2 * thick - 0.02) * share
            x = float(rng.choice([-1, 1])) * (width - 2 * thick - 0.02 - row) / 2
            high = min(gap - thick - 0.03, rng.uniform(0.2, 0.27))
            parts.append(
                block(
                    (x, 0),
                    level * gap + thick,
                    (row, depth * 0.62, high),
                    (0.9, 0.9, 0.9),
                    "books",
                    pattern=int(rng.integers(1000)),
                )
            )
    return assemble(parts)


def refrigerator(rng: np.random.Generator) -> Piece:
    """A refrigerator with a freezer door above or below."""
    width, depth, height = rng.uniform(0.58, 0.75), rng.uniform(0.6, 0.7), rng.uniform(1.55, 1.85)
    shell = pick(rng, METALS[:3] + CERAMICS, 0.05)
    split = height * (0.36 if rng.random() < 0.5 else 0.66)
    parts = [
        block((0, -0.03), 0.05, (width - 0.01, depth - 0.06, height - 0.05), shaded(shell, 0.8), "metal"),
        block((0, -0.05), 0, (width - 0.08, depth - 0.16, 0.05), _DARK),
    ]
    for low, high in ((0.06, split - 0.006), (split + 0.006, height)):
        parts.append(block((0, depth / 2 - 0.03), low, (width, 0.06, high - low), shell, "metal"))
        handle = min(0.4, (high - low) * 0.5)
        z = high - 0.08 - handle if low < 0.1 else low + 0.08
        parts.append(block((-width / 2 + 0.06, depth / 2 + 0.02), z, (0.025, 0.04, handle), linear("#5a5e63"), "metal"))
    return assemble(parts)


def stove(rng: np.random.Generator) -> Piece:
    """An oven with four hotplates."""
    width, depth, height = 0.6, 0.6, rng.uniform(0.85, 0.92)
    shell = pick(rng, METALS[:3] + CERAMICS, 0.05)
    parts = [
        block((0, 0), 0.06, (width, depth - 0.03, height - 0.09), shell, "metal"),
        block((0, -0.03), 0, (width - 0.04, depth - 0.1, 0.06), _DARK),
        block((0, 0), height - 0.03, (width + 0.01, depth, 0.03), _DARK),
        block((0, depth / 2 - 0.015), 0.2, (width - 0.08, 0.03, 0.42), _DARK, "glass"),
        block((0, depth / 2 + 0.015), height - 0.2, (width - 0.12, 0.03, 0.025), linear("#c8cacc"), "metal"),
        block((0, depth / 2 - 0.012), height - 0.11, (width - 0.02, 0.02, 0.07), shaded(shell, 0.7), "knobs"),
    ]
    for x in (-0.15, 0.15):
        for y in (-0.13, 0.13):
            parts.append(block((x, y), height, (0.18, 0.18, 0.008), linear("#3a3c40"), yaw=0.4))
    return assemble(parts)


def washing_machine(rng: np.random.Generator) -> Piece:
    """A washing machine with a window in front."""
    width, depth, height = 0.6, rng.uniform(0.5, 0.6), 0.85
    shell = pick(rng, CERAMICS, 0.04)
    parts = [
        block((0, 0), 0.03, (width, depth, height - 0.05), shell),
        block((0, 0), 0, (width - 0.06, depth - 0.06, 0.03), _DARK),
        block((0, 0.004), height - 0.02, (width + 0.01, depth + 0.015, 0.02), shaded(shell, 0.9)),
        block((0, depth / 2), 0.2, (0.36, 0.05, 0.36), linear("#a9adb2"), "metal"),
        block((0, depth / 2 + 0.02), 0.25, (0.26, 0.04, 0.26), linear("#232a33"), "glass"),
        block((0, depth / 2), height - 0.14, (width - 0.03, 0.02, 0.1), shaded(shell, 0.75), "knobs"),
    ]
    return assemble(parts, Top(-0.27, 0.27, -depth / 2 + 0.03, depth / 2 - 0.03, height))


def toilet(rng: np.random.Generator) -> Piece:
    """A toilet with its tank."""
    white, tank = pick(rng, CERAMICS, 0.03), rng.uniform(0.36, 0.44)
    lid = shaded(white, 0.92)
    parts = [
        block((0, 0.02), 0, (0.24, 0.4, 0.2), shaded(white, 0.95)),
        block((0, 0.05), 0.2, (0.36, 0.48, 0.17), white),
        block((0, 0.06), 0.37, (0.4, 0.5, 0.035), lid),
        block((0, 0.09), 0.4, (0.22, 0.28, 0.008), linear("#5f6a70")),
        block((0, -0.28), 0.2, (tank, 0.18, 0.55), white),
        block((0, -0.28), 0.75, (tank + 0.03, 0.21, 0.035), lid),
        block((0, -0.28), 0.785, (0.07, 0.07, 0.012), linear("#8f949a"), "metal"),
    ]
    return assemble(parts)


def bathtub(rng: np.random.Generator) -> Piece:
    """A bathtub: four rims around the water, and a tap."""
    width, depth, height, rim = rng.uniform(1.5, 1.75), rng.uniform(0.7, 0.8), rng.uniform(0.52, 0.6), 0.08
    white = pick(rng, CERAMICS, 0.03)
    panel = shaded(white, 0.88) if rng.random() < 0.6 else pick(rng, STONE_FLOORS)
    inner = depth - 2 * rim
    parts = [
        block((0, depth / 2 - rim / 2), 0, (width, rim, height - 0.03), panel),
        block((0, -depth / 2 + rim / 2), 0, (width, rim, height - 0.03), panel),
        *(block((side * (width - rim) / 2, 0), 0, (rim, inner, height - 0.03), panel) for side in (-1, 1)),
        *(block((0, side * (depth - rim) / 2), height - 0.03, (width, rim + 0.01, 0.03), white) for side in (-1, 1)),
        *(block((side * (width - rim) / 2, 0), height - 0.03, (rim, inner, 0.03), white) for side in (-1, 1)),
        block((0, 0), 0, (width - 2 * rim, inner, height - 0.2), linear("#8fc3d4"), "water"),
        block((-width / 2 + 0.06, 0), height, (0.05, 0.05, 0.16), linear("#9aa0a6"), "metal"),
        block((-width / 2 + 0.12, 0), height + 0.12, (0.12, 0.04, 0.03), linear("#9aa0a6"), "metal"),
    ]
    return assemble(parts)


def sink(rng: np.random.Generator) -> Piece:
    """A washstand: a cupboard, a worktop, a basin and a tap."""
    width, depth, height = rng.uniform(0.6, 1.0), rng.uniform(0.48, 0.58), rng.uniform(0.8, 0.88)
    body = pick(rng, LACQUERS + WOODS)
    stone, basin = pick(rng, STONE_FLOORS), pick(rng, CERAMICS + METALS[:1], 0.04)
    wide, deep = width * 0.62, depth * 0.62
    chest = _chest(rng, (width, depth, height), body, 2, 1)
    parts = [
        *chest.parts,
        block((0, 0), height, (width + 0.02, depth + 0.02, 0.03), stone, "marble", pattern=int(rng.integers(1000))),
        *(block((side * wide / 2, 0.03), height + 0.03, (0.04, deep + 0.04, 0.07), basin) for side in (-1, 1)),
        *(block((0, 0.03 + side * deep / 2), height + 0.03, (wide - 0.04, 0.04, 0.07), basin) for side in (-1, 1)),
        block((0, 0.03), height + 0.03, (wide - 0.04, deep - 0.04, 0.012), shaded(basin, 0.45)),
        block((0, -depth / 2 + 0.06), height + 0.03, (0.045, 0.045, 0.24), linear("#a4a9ae"), "metal"),
        block((0, -depth / 2 + 0.14), height + 0.24, (0.04, 0.14, 0.03), linear("#a4a9ae"), "metal"),
    ]
    return assemble(parts)


def _cloth(rng: np.random.Generator) -> str:
    return str(rng.choice(["fabric", "fabric", "stripes", "plaid", "plain"]))
