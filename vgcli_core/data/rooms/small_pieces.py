"""Smaller things: lamps, bins, plants, stools; and what stands on furniture or hangs on walls."""

import numpy as np

from vgcli_core.data.rooms.paint import (
    BEDDING,
    CARDBOARDS,
    DARKS,
    FABRICS,
    LEAVES,
    METALS,
    PLASTICS,
    POTS,
    WOODS,
    linear,
    pick,
    shaded,
)
from vgcli_core.data.rooms.pieces import Piece, Top, assemble, block, legs

_DARK = linear("#202124")
_ABSOLUTE = (0.9, 0.9, 0.9)  # for textures with colours of their own


def floor_lamp(rng: np.random.Generator) -> Piece:
    """A lamp as high as a person."""
    return _lamp(rng, rng.uniform(1.3, 1.65), rng.uniform(0.36, 0.46), rng.uniform(0.26, 0.34))


def table_lamp(rng: np.random.Generator) -> Piece:
    """A lamp for a table."""
    return _lamp(rng, rng.uniform(0.38, 0.5), rng.uniform(0.22, 0.28), rng.uniform(0.16, 0.2))


def _lamp(rng: np.random.Generator, height: float, wide: float, shade: float) -> Piece:
    metal, cloth = pick(rng, METALS + DARKS), pick(rng, ("#f3e2b8", "#f0d9a0", "#efe8d8", "#e8c48a"), 0.05)
    low = height - shade
    parts = [
        block((0, 0), 0, (wide * 0.7, wide * 0.7, 0.03), metal, "metal"),
        block((0, 0), 0.03, (0.035, 0.035, low - 0.01), metal, "metal"),
        # Two blocks, one turned: nearly round.
        block((0, 0), low, (wide * 0.84, wide * 0.84, shade), cloth, "glow"),
        block((0, 0), low + 0.01, (wide * 0.8, wide * 0.8, shade - 0.02), cloth, "glow", yaw=np.pi / 4),
    ]
    return assemble(parts)


def trash_can(rng: np.random.Generator) -> Piece:
    """A bin that widens upwards, with a rim and a dark inside."""
    wide, height = rng.uniform(0.26, 0.34), rng.uniform(0.34, 0.5)
    shell = pick(rng, PLASTICS + METALS)
    parts = [
        block((0, 0), 0, (wide * 0.86, wide * 0.86, height * 0.5), shell),
        block((0, 0), height * 0.5, (wide * 0.93, wide * 0.93, height * 0.42), shell),
        block((0, 0), height * 0.92, (wide, wide, height * 0.08), shaded(shell, 0.8)),
        block((0, 0), height - 0.004, (wide * 0.84, wide * 0.84, 0.006), _DARK),
    ]
    return assemble(parts)


def plant(rng: np.random.Generator) -> Piece:
    """A plant that stands on the floor."""
    return _plant(rng, rng.uniform(0.8, 1.3), rng.uniform(0.28, 0.36))


def small_plant(rng: np.random.Generator) -> Piece:
    """A plant for a table."""
    return _plant(rng, rng.uniform(0.28, 0.4), rng.uniform(0.13, 0.17))


def _plant(rng: np.random.Generator, height: float, pot: float) -> Piece:
    clay, green = pick(rng, POTS), pick(rng, LEAVES)
    high = min(pot * 0.95, height * 0.35)
    crown = height - high
    parts = [
        block((0, 0), 0, (pot * 0.82, pot * 0.82, high * 0.7), clay),
        block((0, 0), high * 0.7, (pot, pot, high * 0.3), shaded(clay, 0.9)),
        block((0, 0), high, (pot * 0.84, pot * 0.84, 0.008), linear("#3a2a1e")),
        block((0, 0), high, (pot * 0.1, pot * 0.1, crown * 0.5), linear("#5a4630")),
    ]
    for leaf in range(5):
        wide = pot * rng.uniform(0.75, 1.15)
        place = (pot * rng.uniform(-0.28, 0.28), pot * rng.uniform(-0.28, 0.28))
        low = high + crown * (0.16 + 0.13 * leaf)
        size = (wide, wide * rng.uniform(0.6, 1.0), min(crown * rng.uniform(0.22, 0.36), height - low))
        leaves = shaded(green, rng.uniform(0.75, 1.3))
        parts.append(block(place, low, size, leaves, "leaves", pattern=leaf, yaw=rng.uniform(0, np.pi)))
    return assemble(parts)


def stool(rng: np.random.Generator) -> Piece:
    """A stool on four legs."""
    wide, height = rng.uniform(0.34, 0.4), rng.uniform(0.45, 0.65)
    wood = pick(rng, WOODS + METALS[:2])
    parts = [
        block((0, 0), height - 0.05, (wide, wide, 0.05), pick(rng, WOODS + FABRICS[:4]), "wood"),
        *legs((wide - 0.03, wide - 0.03), height - 0.05, 0.035, wood, "wood"),
        *(
            block((0, y), height * 0.35, (wide - 0.06, 0.02, 0.025), wood)
            for y in (-wide / 2 + 0.035, wide / 2 - 0.035)
        ),
    ]
    return assemble(parts, Top(0.02 - wide / 2, wide / 2 - 0.02, 0.02 - wide / 2, wide / 2 - 0.02, height))


def ottoman(rng: np.random.Generator) -> Piece:
    """A padded seat without a back."""
    wide, deep, height = rng.uniform(0.5, 0.75), rng.uniform(0.45, 0.55), rng.uniform(0.38, 0.45)
    cloth, pattern = pick(rng, FABRICS), int(rng.integers(1000))
    parts = [
        block((0, 0), 0.05, (wide - 0.03, deep - 0.03, height - 0.15), shaded(cloth, 0.8), "fabric", pattern=pattern),
        block((0, 0), height - 0.1, (wide, deep, 0.1), cloth, "stripes", pattern=pattern),
        *legs((wide - 0.08, deep - 0.08), 0.05, 0.05, _DARK),
    ]
    return assemble(parts)


def box(rng: np.random.Generator) -> Piece:
    """A cardboard box with a strip of tape."""
    wide, deep, height = rng.uniform(0.3, 0.5), rng.uniform(0.25, 0.4), rng.uniform(0.2, 0.4)
    board, tape = pick(rng, CARDBOARDS), linear("#d8c9a0")
    parts = [
        block((0, 0), 0, (wide, deep, height), board, "cardboard", pattern=int(rng.integers(1000))),
        block((0, 0), height - 0.08, (0.06, deep + 0.004, 0.08), tape),
        block((0, 0), height, (0.06, deep + 0.004, 0.002), tape),
        block((0, deep / 2), height * 0.25, (wide * 0.3, 0.006, height * 0.25), linear("#efeee8"), "label"),
    ]
    return assemble(parts)


def backpack(rng: np.random.Generator) -> Piece:
    """A backpack that stands upright, its pocket in front."""
    wide, deep, height = rng.uniform(0.28, 0.34), rng.uniform(0.16, 0.2), rng.uniform(0.4, 0.5)
    cloth = pick(rng, PLASTICS[:4] + FABRICS)
    parts = [
        block((0, 0), 0, (wide, deep, height * 0.85), cloth, "fabric"),
        block((0, 0), height * 0.85, (wide * 0.8, deep * 0.8, height * 0.15), shaded(cloth, 0.9), "fabric"),
        block((0, deep / 2 + 0.03), 0.04, (wide * 0.8, 0.06, height * 0.42), shaded(cloth, 0.7), "fabric"),
        *(block((side * wide * 0.27, -deep / 2 - 0.015), 0.05, (0.05, 0.03, height * 0.75), _DARK) for side in (-1, 1)),
    ]
    return assemble(parts)


def television(rng: np.random.Generator) -> Piece:
    """A television on its foot."""
    wide = rng.uniform(0.8, 1.15)
    return _screen(rng, wide, wide * 0.57, wide * 0.4, "screen")


def monitor(rng: np.random.Generator) -> Piece:
    """A computer screen on its foot."""
    wide = rng.uniform(0.48, 0.62)
    return _screen(rng, wide, wide * 0.58, wide * 0.4, "desktop")


def _screen(rng: np.random.Generator, wide: float, high: float, foot: float, show: str) -> Piece:
    shell, rise = pick(rng, DARKS), wide * 0.1
    pattern = int(rng.integers(1000))
    parts = [
        block((0, 0), 0, (foot, wide * 0.2, 0.02), shell, "metal"),
        block((0, -0.02), 0.02, (0.06, 0.03, rise + high * 0.3), shell),
        block((0, 0.01), rise, (wide, 0.035, high), shell),
        block((0, 0.029), rise + 0.02, (wide - 0.04, 0.004, high - 0.04), _ABSOLUTE, show, pattern=pattern),
    ]
    return assemble(parts)


def laptop(rng: np.random.Generator) -> Piece:
    """An open laptop."""
    wide, shell = rng.uniform(0.32, 0.38), pick(rng, METALS + DARKS)
    deep = wide * 0.68
    parts = [
        block((0, 0), 0, (wide, deep, 0.018), shell, "metal"),
        block((0, 0.005), 0.018, (wide - 0.05, deep * 0.5, 0.003), _DARK, "keys"),
        block((0, -deep / 2 - 0.005), 0.005, (wide, 0.012, deep), shell),
        block(
            (0, -deep / 2 + 0.003),
            0.02,
            (wide - 0.03, 0.004, deep - 0.03),
            _ABSOLUTE,
            "desktop",
            pattern=int(rng.integers(1000)),
        ),
    ]
    return assemble(parts)


def microwave(rng: np.random.Generator) -> Piece:
    """A microwave oven."""
    wide, deep, height = rng.uniform(0.45, 0.52), rng.uniform(0.32, 0.38), rng.uniform(0.26, 0.3)
    shell = pick(rng, METALS[:3] + DARKS[:1])
    parts = [
        block((0, 0), 0.01, (wide, deep, height - 0.01), shell, "metal"),
        block((0, 0), 0, (wide - 0.06, deep - 0.06, 0.01), _DARK),
        block((-wide * 0.14, deep / 2), 0.04, (wide * 0.62, 0.02, height - 0.07), _DARK, "glass"),
        block((wide * 0.34, deep / 2), 0.04, (wide * 0.26, 0.012, height - 0.07), linear("#3c3f45"), "keys"),
    ]
    return assemble(parts)


def book(rng: np.random.Generator) -> Piece:
    """A few books on a pile."""
    parts, low = [], 0.0
    for _ in range(int(rng.integers(2, 5))):
        wide, thick = rng.uniform(0.15, 0.19), rng.uniform(0.025, 0.045)
        turn, cover = rng.uniform(-0.25, 0.25), pick(rng, PLASTICS + FABRICS)
        size = (wide, wide * 1.4, thick)
        parts.append(block((0, 0), low, size, cover, "plain", yaw=turn))
        pages = (wide - 0.012, wide * 1.4 + 0.004, thick - 0.012)
        parts.append(block((0, 0), low + 0.006, pages, linear("#efe9d8"), yaw=turn))
        low += thick
    return assemble(parts)


def pillow(rng: np.random.Generator) -> Piece:
    """A pillow: three layers, the middle one the widest."""
    wide, deep, high = rng.uniform(0.4, 0.6), rng.uniform(0.3, 0.4), rng.uniform(0.1, 0.15)
    cloth, texture = pick(rng, BEDDING + FABRICS[:5]), str(rng.choice(["fabric", "stripes", "plaid"]))
    layers = ((0.86, 0.0), (1.0, 0.3), (0.86, 0.7))
    parts = [
        block((0, 0), high * low, (wide * share, deep * share, high * (0.4 if low == 0.3 else 0.3)), cloth, texture)
        for share, low in layers
    ]
    return assemble(parts)


def picture(rng: np.random.Generator) -> Piece:
    """A framed picture for a wall."""
    wide, high = rng.uniform(0.4, 0.9), rng.uniform(0.35, 0.65)
    frame = pick(rng, WOODS + DARKS)
    parts = [
        block((0, 0), 0, (wide, 0.025, high), frame, "wood"),
        block(
            (0, 0.013), 0.035, (wide - 0.07, 0.004, high - 0.07), _ABSOLUTE, "picture", pattern=int(rng.integers(1000))
        ),
    ]
    return assemble(parts)
