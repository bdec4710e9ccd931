"""Procedural textures: small tiles, drawn once from fixed seeds, with mip levels, packed into one table.

A tile holds factors that multiply a part's colour, as bytes: 128 is 1. Metric tiles repeat every metre; fitted tiles
cover one face once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

SIDE = 128  # texels along one edge of a tile
LEVELS = 8  # 128, 64, ... 1
ONE = 128  # the byte that stands for a factor of 1

Tile = NDArray[np.float32]  # [SIDE, SIDE] or [SIDE, SIDE, 3]: factors; rows go down
_Maker = Callable[[np.random.Generator], Tile]


@dataclass(frozen=True, slots=True)
class Texture:
    """How a texture is drawn.

    Attributes:
        make: draws one tile.
        fitted: one tile covers a face; otherwise a metre.
        variants: number of tiles; `Part.pattern` picks one.
        glow: light that the surface gives off, as a share of its colour.
        turns: along the longer edge of a face, for grain; the tile runs along its columns.
    """

    make: _Maker
    fitted: bool = False
    variants: int = 1
    glow: float = 0.0
    turns: bool = False


@dataclass(frozen=True)
class Atlas:
    """All tiles with their mip levels.

    Attributes:
        texels: [3, T] bytes.
        first: texture name -> where each of its tiles starts in `texels`; for textures that turn, first those along
            the columns, then those along the rows.
        levels: [LEVELS] where each level starts within a tile.
    """

    texels: NDArray[np.uint8]
    first: dict[str, tuple[int, ...]]
    levels: NDArray[np.int32]


@cache
def atlas() -> Atlas:
    """Return the table of all textures; it is the same in every process."""
    tiles: list[NDArray[np.uint8]] = []
    first: dict[str, tuple[int, ...]] = {}
    sizes = [(SIDE >> level) ** 2 for level in range(LEVELS)]
    for number, (name, texture) in enumerate(TEXTURES.items()):
        own = [texture.make(np.random.default_rng([number, variant])) for variant in range(texture.variants)]
        own = [tile if tile.ndim == 3 else np.repeat(tile[:, :, None], 3, axis=2) for tile in own]
        if texture.turns:
            own += [tile.transpose(1, 0, 2) for tile in own]
        first[name] = tuple((len(tiles) + i) * sum(sizes) for i in range(len(own)))
        tiles += [_with_levels(tile) for tile in own]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    return Atlas(np.ascontiguousarray(np.concatenate(tiles).T), first, starts)


def _with_levels(tile: Tile) -> NDArray[np.uint8]:
    """Return the texels [T, 3] of a tile, then of the tile at half the size, and so on."""
    levels = []
    for _ in range(LEVELS):
        levels.append(np.clip(tile * ONE + 0.5, 0, 255).astype(np.uint8).reshape(-1, 3))
        half = len(tile) // 2
        if half:
            tile = tile.reshape(half, 2, half, 2, 3).mean(axis=(1, 3))
    return np.concatenate(levels)


def _noise(rng: np.random.Generator, rows: int, columns: int) -> Tile:
    """Return smooth noise in [-1, 1] that repeats: a lattice of `rows` x `columns` values, interpolated."""
    lattice = rng.uniform(-1, 1, (rows, columns))
    for axis, count in enumerate((rows, columns)):
        at = np.arange(SIDE) * count / SIDE
        low = at.astype(int)
        share = at - low
        share = share * share * (3 - 2 * share)
        share = share[:, None] if axis == 0 else share
        lattice = lattice.take(low, axis) * (1 - share) + lattice.take((low + 1) % count, axis) * share
    return lattice.astype(np.float32)


def _grains(rng: np.random.Generator) -> Tile:
    """Return white noise in [-1, 1]."""
    return rng.uniform(-1, 1, (SIDE, SIDE)).astype(np.float32)


def _plain(rng: np.random.Generator) -> Tile:
    return 1 + 0.03 * _noise(rng, 16, 16) + 0.02 * _grains(rng)


def _plaster(rng: np.random.Generator) -> Tile:
    tile: Tile = 1 + 0.035 * _noise(rng, 5, 5) + 0.025 * _noise(rng, 32, 32) + 0.02 * _grains(rng)
    return tile


def _wood(rng: np.random.Generator) -> Tile:
    grain = 0.10 * _noise(rng, 32, 2) + 0.07 * _noise(rng, 64, 3) + 0.10 * _noise(rng, 9, 2)
    tile: Tile = 1 + grain + 0.03 * _grains(rng)
    return tile


def _planks(rng: np.random.Generator) -> Tile:
    tile = _wood(rng)
    for row in range(8):
        band = slice(16 * row, 16 * row + 16)
        joint = int(rng.integers(SIDE))
        tones = rng.uniform(0.78, 1.18, 2)
        first = np.arange(SIDE) < 64
        tile[band] *= np.roll(np.where(first, tones[0], tones[1]), joint).astype(np.float32)
        tile[16 * row] *= 0.45
        tile[band, joint] *= 0.5
        tile[band, (joint + 64) % SIDE] *= 0.5
    return tile


def _parquet(rng: np.random.Generator) -> Tile:
    tile, across = _wood(rng), _wood(rng).T
    for i in range(4):
        for j in range(4):
            block = (slice(32 * i, 32 * i + 32), slice(32 * j, 32 * j + 32))
            lines = np.repeat(rng.uniform(0.82, 1.15, 4), 8).astype(np.float32)
            lines[::8] *= 0.55
            tile[block] = tile[block] * lines[:, None] if (i + j) % 2 else across[block] * lines[None, :]
    return tile


def _grid(rng: np.random.Generator, count: int, spread: float, grout: float) -> Tile:
    """Return `count` x `count` tiles with joints."""
    step = SIDE // count
    tones = rng.uniform(1 - spread, 1 + spread, (count, count)).astype(np.float32)
    tile = np.kron(tones, np.ones((step, step), np.float32)) + 0.03 * _noise(rng, 16, 16)
    at = np.arange(SIDE) % step < max(1, step // 20 + 1)
    tile[at] = grout
    tile[:, at] = grout
    return tile


def _tiles(rng: np.random.Generator) -> Tile:
    return _grid(rng, 4, 0.07, 0.62)


def _wall_tiles(rng: np.random.Generator) -> Tile:
    return _grid(rng, 8, 0.03, 0.82)


def _checker(rng: np.random.Generator) -> Tile:
    odd = np.kron(np.indices((4, 4)).sum(axis=0) % 2, np.ones((32, 32)))
    return _grid(rng, 4, 0.03, 0.6) * np.where(odd, 0.5, 1.12).astype(np.float32)


def _carpet(rng: np.random.Generator) -> Tile:
    tile: Tile = 1 + 0.12 * _grains(rng) + 0.10 * _noise(rng, 48, 48) + 0.05 * _noise(rng, 6, 6)
    return tile


def _marble(rng: np.random.Generator) -> Tile:
    clouds = 0.09 * _noise(rng, 4, 4) + 0.06 * _noise(rng, 9, 9) + 0.03 * _noise(rng, 21, 21)
    veins = np.abs(_noise(rng, 3, 7) + 0.6 * _noise(rng, 7, 13))
    tile: Tile = 1 + clouds - 0.12 * np.clip(1 - 9 * veins, 0, 1)
    return tile


def _wallpaper(rng: np.random.Generator) -> Tile:
    stripes = np.where(np.arange(SIDE) % 16 < 8, 1.05, 0.9).astype(np.float32)
    return stripes[None, :] + 0.015 * _grains(rng)


def _brick(rng: np.random.Generator) -> Tile:
    tile = np.ones((SIDE, SIDE), np.float32)
    for row in range(16):
        tones = np.repeat(rng.uniform(0.8, 1.1, 4), 32).astype(np.float32)
        tones[::32] = 0.68
        tile[8 * row : 8 * row + 8] = np.roll(tones, 16 * (row % 2))
        tile[8 * row] = 0.68
    return tile + 0.04 * _grains(rng)


def _fabric(rng: np.random.Generator) -> Tile:
    weave = np.where(np.indices((SIDE, SIDE)).sum(axis=0) % 4 < 2, 0.04, -0.04).astype(np.float32)
    tile: Tile = 1 + weave + 0.07 * _noise(rng, 24, 24) + 0.04 * _grains(rng)
    return tile


def _stripes(rng: np.random.Generator) -> Tile:
    bands = np.where(np.arange(SIDE) % 16 < 6, 0.68, 1.12).astype(np.float32)
    return bands[None, :] + 0.05 * _grains(rng)


def _plaid(rng: np.random.Generator) -> Tile:
    bands = np.where(np.arange(SIDE) % 32 < 12, 0.72, 1.08) - np.where(np.arange(SIDE) % 32 == 22, 0.3, 0.0)
    both = np.sqrt(bands[:, None] * bands[None, :]).astype(np.float32)
    tile: Tile = both + 0.04 * _grains(rng)
    return tile


def _metal(rng: np.random.Generator) -> Tile:
    return 1 + 0.06 * _noise(rng, 64, 2) + 0.05 * _noise(rng, 4, 4)


def _leaves(rng: np.random.Generator) -> Tile:
    return np.clip(1 + 0.75 * _noise(rng, 22, 22) + 0.3 * _noise(rng, 44, 44), 0.3, 1.9)


def _cardboard(rng: np.random.Generator) -> Tile:
    return 1 + 0.05 * _noise(rng, 64, 2) + 0.03 * _noise(rng, 6, 6)


def _water(rng: np.random.Generator) -> Tile:
    return 1 + 0.12 * _noise(rng, 10, 10) + 0.1 * _noise(rng, 22, 22)


def _glass(rng: np.random.Generator) -> Tile:
    across = np.add.outer(np.arange(SIDE), np.arange(SIDE)) / SIDE
    return (1 + 1.0 * ((across > 0.7) & (across < 0.95)) + 0.02 * _grains(rng)).astype(np.float32)


def _books(rng: np.random.Generator) -> Tile:
    tile = np.full((SIDE, SIDE, 3), 0.06, np.float32)
    left = 0
    while left < SIDE:
        wide = int(rng.integers(4, 9))
        top = int(rng.integers(0, 34))
        colour = rng.uniform(0.04, 0.75, 3) * rng.uniform(0.4, 1)
        tile[top:, left : left + wide] = colour
        tile[top:, left] *= 0.45
        tile[top + 12 : top + 18, left + 1 : left + wide - 1] = np.clip(colour * 2.2, 0, 1)
        left += wide
    return tile


def _door(rng: np.random.Generator) -> Tile:
    tile = 1 + 0.03 * _noise(rng, 3, 48)
    for top, bottom in ((8, 44), (52, 88), (96, 120)):
        for left, right in ((14, 58), (70, 114)):
            tile[top:bottom, left:right] *= 0.93
            tile[top : top + 2, left:right] *= 0.6
            tile[top:bottom, left : left + 3] *= 0.7
            tile[bottom - 2 : bottom, left:right] *= 1.15
            tile[top:bottom, right - 3 : right] *= 1.1
    return tile


def _window(rng: np.random.Generator) -> Tile:
    down = np.linspace(0, 1, SIDE)[:, None, None]
    sky = np.array([0.45, 0.68, 1.15]) * (1 - down) + np.array([0.95, 1.05, 1.15]) * down
    clouds = np.clip(_noise(rng, 6, 4) + 0.4 * _noise(rng, 12, 9) - 0.15, 0, 1)[:, :, None]
    tile = sky * (1 - clouds) + 1.15 * clouds
    horizon = 84 + 12 * _noise(rng, 2, 7)[0] + 5 * _noise(rng, 2, 23)[0]
    land = np.arange(SIDE)[:, None] > horizon
    green = np.array([0.10, 0.20, 0.07]) * (1 + 0.5 * _noise(rng, 24, 24))[:, :, None]
    return np.where(land[:, :, None], green, tile).astype(np.float32)


def _picture(rng: np.random.Generator) -> Tile:
    """A landscape of a few bands of hills under a sky, or a few rectangles."""
    colours = rng.uniform(0.05, 0.9, (6, 3))
    tile = np.ones((SIDE, SIDE, 3), np.float32) * colours[0]
    if rng.random() < 0.5:
        for band in range(1, 5):
            edge = 20 + 22 * band + 12 * _noise(rng, 2, 2 + band)[0]
            tile = np.where((np.arange(SIDE)[:, None] > edge)[:, :, None], colours[band], tile)
    else:
        for band in range(1, 6):
            top, left = rng.integers(0, 96, 2)
            tile[top : top + int(rng.integers(20, 60)), left : left + int(rng.integers(20, 60))] = colours[band]
    border = np.ones((SIDE, SIDE), bool)
    border[10:-10, 10:-10] = False
    tile[border] = 0.85
    return np.asarray(tile, dtype=np.float32)


def _rug(rng: np.random.Generator) -> Tile:
    colours = rng.uniform(0.08, 0.5, (4, 1)) + rng.uniform(-0.06, 0.12, (4, 3))
    rows, columns = np.indices((SIDE, SIDE))
    edge = np.minimum(np.minimum(rows, SIDE - 1 - rows), np.minimum(columns, SIDE - 1 - columns))
    tile = np.ones((SIDE, SIDE, 3)) * colours[0]
    tile[edge > 6] = colours[1]
    tile[edge > 16] = colours[2]
    diamonds = (np.abs(rows % 32 - 16) + np.abs(columns % 32 - 16) < 10) & (edge > 18)
    tile[diamonds] = colours[3]
    return np.asarray((tile * (1 + 0.15 * _grains(rng)[:, :, None])), dtype=np.float32)


def _screen(rng: np.random.Generator) -> Tile:
    """A television: switched off with a reflection, or a dim picture."""
    if rng.random() < 0.5:
        return np.repeat((0.02 + 0.02 * (_glass(rng) > 1.5))[:, :, None], 3, axis=2).astype(np.float32)
    return 0.5 * _picture(rng)


def _desktop(rng: np.random.Generator) -> Tile:
    """A computer's screen: windows of text on a coloured ground."""
    tile = np.ones((SIDE, SIDE, 3), np.float32) * rng.uniform(0.05, 0.5, 3).astype(np.float32)
    for left in (8, 70):
        tile[14:104, left : left + 50] = 0.8
        tile[14:22, left : left + 50] = rng.uniform(0.1, 0.5, 3)
        for line in range(28, 98, 8):
            tile[line : line + 3, left + 4 : left + int(rng.integers(20, 46))] = 0.2
    tile[118:] = 0.04
    return tile


def _keys(rng: np.random.Generator) -> Tile:
    return np.where(np.add.outer(np.arange(SIDE) % 16 < 3, np.arange(SIDE) % 12 < 3), 0.5, 1.6).astype(np.float32)


def _knobs(rng: np.random.Generator) -> Tile:
    rows, columns = np.indices((SIDE, SIDE))
    round_ = ((rows - 64) / 42) ** 2 + ((columns % 32 - 16) / 8) ** 2 < 1
    return np.where(round_, 0.15, 1.0).astype(np.float32)


def _label(rng: np.random.Generator) -> Tile:
    tile = np.ones((SIDE, SIDE), np.float32)
    tile[20:40, 16:110] = 0.2
    tile[60:70, 16:90] = 0.4
    tile[84:94, 16:100] = 0.4
    return tile


def _glow(rng: np.random.Generator) -> Tile:
    down = np.abs(np.linspace(-1, 1, SIDE))[:, None]
    return np.repeat(1.15 - 0.35 * down, SIDE, axis=1).astype(np.float32)


TEXTURES: dict[str, Texture] = {
    "plain": Texture(_plain),
    "plaster": Texture(_plaster),
    "wood": Texture(_wood, variants=3, turns=True),
    "planks": Texture(_planks, variants=2, turns=True),
    "parquet": Texture(_parquet),
    "tiles": Texture(_tiles),
    "wall tiles": Texture(_wall_tiles),
    "checker": Texture(_checker),
    "carpet": Texture(_carpet),
    "marble": Texture(_marble),
    "wallpaper": Texture(_wallpaper),
    "brick": Texture(_brick),
    "fabric": Texture(_fabric),
    "stripes": Texture(_stripes),
    "plaid": Texture(_plaid),
    "metal": Texture(_metal, turns=True),
    "leaves": Texture(_leaves, variants=2),
    "cardboard": Texture(_cardboard),
    "water": Texture(_water),
    "glass": Texture(_glass, fitted=True),
    "books": Texture(_books, fitted=True, variants=4),
    "door": Texture(_door, fitted=True),
    "window": Texture(_window, fitted=True, variants=3, glow=1.1),
    "picture": Texture(_picture, fitted=True, variants=6),
    "rug": Texture(_rug, fitted=True, variants=4),
    "screen": Texture(_screen, fitted=True, variants=4, glow=0.5),
    "desktop": Texture(_desktop, fitted=True, variants=4, glow=0.5),
    "keys": Texture(_keys, fitted=True),
    "knobs": Texture(_knobs, fitted=True),
    "label": Texture(_label, fitted=True),
    "glow": Texture(_glow, fitted=True, glow=0.55),
}
