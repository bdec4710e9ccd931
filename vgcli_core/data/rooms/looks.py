"""What colour a thing has, and what it is made of: names on which people agree, "" where they might not.

A thing's colour is that of most of what a film shows of it. It is named only where the paint lies well inside one
name's part of the colour space, with gaps between names, and where the pixels, lamp and daylight included, are nearer
to that name than to any other.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from vgcli_core.data.rooms.scene import Part
from vgcli_core.data.rooms.textures import LEVELS, ONE, SIDE, atlas
from vgcli_core.geometry.boxes import Floats

MOST_OF_IT = 0.6  # share of a thing's pixels that must have a colour, or a material, to give it the name
HARDLY_ANY = 0.1  # share up to which nobody would call a thing by a colour
NEAREST = 0.8  # times the distance to the second nearest name that the pixels' distance to their name may be

_PICTURES = frozenset({"books", "picture", "screen", "desktop", "rug", "window", "glass", "keys", "knobs", "label"})


class _Region(NamedTuple):
    """A box in CIE LCh: lightness, chroma, hue in degrees; and an example "#rrggbb" as it looks in a lit room."""

    lightness: tuple[float, float]
    chroma: tuple[float, float]
    hue: tuple[float, float]
    example: tuple[int, int, int]


# By how much lightness, chroma and hue may lie outside a name's region, and somebody might still use it.
_LOOSE = (12.0, 12.0, 22.0)
_ANY = (0.0, 360.0)
# Hues of greys mean nothing. Gaps between regions belong to no name.
_REGIONS: Mapping[str, _Region] = {
    "black": _Region((0, 22), (0, 7), _ANY, (34, 34, 36)),
    "grey": _Region((38, 72), (0, 6.5), _ANY, (125, 126, 128)),
    "white": _Region((87, 101), (0, 8.5), _ANY, (225, 222, 214)),
    "red": _Region((28, 62), (38, 120), (12, 40), (165, 55, 50)),
    "brown": _Region((18, 54), (17, 44), (45, 75), (120, 84, 56)),
    "light brown": _Region((61, 77), (24, 42), (64, 84), (192, 152, 104)),
    "beige": _Region((64, 87), (9.5, 20), (75, 102), (190, 178, 152)),
    "yellow": _Region((62, 92), (44, 120), (80, 102), (210, 172, 66)),
    "green": _Region((25, 70), (21, 120), (115, 168), (80, 125, 75)),
    "teal": _Region((40, 66), (14, 40), (184, 212), (78, 138, 140)),
    "blue": _Region((25, 65), (24, 120), (252, 292), (68, 100, 160)),
    "purple": _Region((25, 62), (24, 120), (300, 328), (118, 82, 150)),
    "pink": _Region((50, 82), (30, 120), (335, 358), (200, 115, 165)),
}
COLOURS = tuple(_REGIONS)

# Names that two people may give to one colour, or one person to two things in different light.
_ALIKE = (
    *({"brown", "light brown"}, {"light brown", "beige"}, {"light brown", "yellow"}, {"beige", "yellow"}),
    *({"beige", "white"}, {"beige", "grey"}, {"grey", "white"}, {"grey", "black"}, {"red", "brown"}),
    *({"red", "pink"}, {"purple", "pink"}, {"purple", "blue"}, {"teal", "green"}, {"teal", "blue"}, {"brown", "black"}),
)

_PAINTS = 256  # whose names are kept: the parts of a thing share them

_MATERIALS: Mapping[str, str] = {
    "wood": "wooden",
    "metal": "metal",
    "fabric": "fabric",
    "stripes": "striped",
    "plaid": "checked",
    "cardboard": "cardboard",
}


@dataclass(frozen=True)
class Look:
    """How a thing looks in a film.

    Attributes:
        colour: of COLOURS, or "".
        material: "wooden", "metal", "fabric", "striped", "checked", "cardboard", or "".
        shares: name of a colour -> share of the thing's pixels that somebody might give it; a pixel may have several.
            Nothing for a thing that is not seen.
        tone: [3] mean sRGB bytes of the pixels that have `colour`; zeros where there is none.
    """

    colour: str = ""
    material: str = ""
    shares: Mapping[str, float] = field(default_factory=dict)
    tone: tuple[float, float, float] = (0.0, 0.0, 0.0)


def look_of(parts: Sequence[Part], pixels: Floats, tones: Floats) -> Look:
    """Return how a thing looks.

    Args:
        parts: of the thing.
        pixels: [P] of each part in all frames of a film.
        tones: [P, 3] sums of the sRGB bytes of these pixels.
    """
    total = float(pixels.sum())
    if not total:
        return Look()
    names = [colour_name(part) for part in parts]
    certain: defaultdict[str, float] = defaultdict(float)
    shares = dict.fromkeys(COLOURS, 0.0)
    materials: defaultdict[str, float] = defaultdict(float)
    for part, name, count in zip(parts, names, pixels.tolist(), strict=True):
        certain[name] += count / total
        materials[_MATERIALS.get(part.texture, "")] += count / total
        for possible in possible_names(part):
            shares[possible] += count / total
    material = max(materials, key=materials.__getitem__)
    material = material if materials[material] >= MOST_OF_IT else ""
    colour = max(certain, key=certain.__getitem__)
    if not colour or certain[colour] < MOST_OF_IT:
        return Look("", material, shares)
    own = np.array([name == colour for name in names])
    red, green, blue = (tones[own].sum(axis=0) / pixels[own].sum()).tolist()
    if not _looks_like((red, green, blue), colour):
        return Look("", material, shares)
    return Look(colour, material, shares, (red, green, blue))


def clearly_differ(look: Look, other: Look) -> bool:
    """Tell whether nobody would call the other thing by the colour of the first one, whatever the light."""
    if not look.colour or not other.shares or other.shares.get(look.colour, 0.0) > HARDLY_ANY:
        return False
    return {look.colour, other.colour} not in _ALIKE


def colour_name(part: Part) -> str:
    """Return the name of a part's paint; "" between names, and for pictures."""
    found = () if part.texture in _PICTURES else _names(part.colour, part.texture, (0.0, 0.0, 0.0))
    return found[0] if found else ""


def possible_names(part: Part) -> tuple[str, ...]:
    """Return the names that somebody might give to a part's paint; all of them for pictures."""
    return COLOURS if part.texture in _PICTURES else _names(part.colour, part.texture, _LOOSE)


@lru_cache(maxsize=_PAINTS)
def _names(colour: tuple[float, float, float], texture: str, loose: tuple[float, float, float]) -> tuple[str, ...]:
    lightness, chroma, hue = lch(np.clip(np.array(colour) * _mean_texel(texture), 0, 1))
    found = []
    for name, region in _REGIONS.items():
        off = _outside(lightness, region.lightness), _outside(chroma, region.chroma), _off_hue(hue, region.hue)
        if all(value <= most for value, most in zip(off, loose, strict=True)):
            found.append(name)
    return tuple(found)


def _outside(value: float, limits: tuple[float, float]) -> float:
    return max(limits[0] - value, value - limits[1], 0.0)


def _off_hue(hue: float, limits: tuple[float, float]) -> float:
    return min(_outside(hue + turn, limits) for turn in (-360.0, 0.0, 360.0))


def lch(linear: Floats) -> tuple[float, float, float]:
    """Return CIE lightness, chroma and hue (degrees) of linear RGB [3] in [0, 1], white point D65."""
    lightness, a, b = _lab(linear).tolist()
    return lightness, float(np.hypot(a, b)), float(np.degrees(np.arctan2(b, a)) % 360)


def _lab(linear: Floats) -> Floats:
    # IEC 61966-2-1 to XYZ, CIE 15 to Lab.
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = matrix @ linear / matrix.sum(axis=1)
    root = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def _looks_like(tone: tuple[float, float, float], name: str) -> bool:
    seen = _lab(_linear(tone))
    far = {other: float(np.linalg.norm(seen - _lab(_linear(region.example)))) for other, region in _REGIONS.items()}
    return far[name] <= NEAREST * min(distance for other, distance in far.items() if other != name)


def _linear(srgb: tuple[float, float, float]) -> Floats:
    share: Floats = np.array(srgb, dtype=np.float64) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


@cache
def _mean_texel(texture: str) -> float:
    """Return by how much a texture brightens a paint on average; those that are no pictures have no colour."""
    start = atlas().first[texture][0]
    count = sum((SIDE >> level) ** 2 for level in range(LEVELS))
    return float(atlas().texels[:, start + count - 1].mean()) / ONE
