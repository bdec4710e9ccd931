"""Colours of things and surfaces: palettes in everyday notation, drawn and varied, as linear RGB."""

from collections.abc import Sequence

import numpy as np

Colour = tuple[float, float, float]  # linear RGB in [0, 1]

WOODS = ("#8a5a32", "#b98650", "#6b4226", "#d2a66b", "#4a2f20", "#c9a27a", "#7d6047")
FABRICS = ("#3f62a0", "#a53a3a", "#4f8048", "#b5a58a", "#6a6a72", "#a3643c", "#3f4a5a", "#76509a", "#c2a24e", "#4f8a8b")
BEDDING = ("#e4e0d6", "#9fb4c8", "#c9a7a0", "#a9b89a", "#d9cba8", "#7587a6", "#b7a3c4")
LACQUERS = ("#eceae4", "#d8d4c8", "#b9c4c2", "#7f9aa0", "#8a8f96", "#cfa96a", "#5d7186")
METALS = ("#b8bcc0", "#8f949a", "#d0d2d2", "#5a5e63")
DARKS = ("#1c1d20", "#26282c", "#33302e")
CERAMICS = ("#f1f0ec", "#e9e6dc", "#f3f4f4")
LEAVES = ("#3f7a3a", "#2f6238", "#5d8f45", "#4c7f4f")
POTS = ("#a8583a", "#d8d2c6", "#5a5f66", "#8a6a4d")
PLASTICS = ("#d94f3d", "#3f6fb0", "#e0b83f", "#4f9a5f", "#dddddd", "#3c3f45", "#c46fa0")
CARDBOARDS = ("#b08a5a", "#c29a66", "#9c7748")
WALLS = ("#e8e2d4", "#d9e0dc", "#cfd8e0", "#e6d6c2", "#dccfd0", "#c8d2c0", "#f0ece4", "#b9c6cf", "#d8c49a")
CEILINGS = ("#f4f3ef", "#eeebe3")
WOOD_FLOORS = ("#9a6a40", "#b98a58", "#7a5234", "#c8a274", "#8a6f55")
STONE_FLOORS = ("#b9b4aa", "#8f8c88", "#cfc6b4", "#9aa4a8", "#d8d4cc")
CARPETS = ("#7f8a94", "#a1917c", "#6f7d68", "#8c6a66", "#5a667c", "#b3a794")
DOORS = ("#efece4", "#8a5a32", "#b98650", "#6b4a36", "#c8ccc8")


def linear(code: str) -> Colour:
    """Return "#rrggbb" (sRGB) as linear RGB."""
    red, green, blue = (_linear(int(code[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return red, green, blue


def pick(rng: np.random.Generator, palette: Sequence[str], spread: float = 0.12) -> Colour:
    """Draw a colour of a palette and vary its brightness by up to `spread` to either side."""
    red, green, blue = linear(palette[int(rng.integers(len(palette)))])
    return shaded((red, green, blue), float(rng.uniform(1 - spread, 1 + spread)))


def shaded(colour: Colour, factor: float) -> Colour:
    """Return a colour that many times as bright, at most white."""
    red, green, blue = (min(0.98, channel * factor) for channel in colour)
    return red, green, blue


def _linear(value: float) -> float:
    return float(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)
