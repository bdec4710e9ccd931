"""What stands in a room: pieces that fit its use, the large ones first, then companions and what stands on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

from vgcli_core.data.rooms.furniture import CATEGORIES
from vgcli_core.data.rooms.kinds import KINDS
from vgcli_core.data.rooms.labels import alike
from vgcli_core.data.rooms.pieces import Maker, Piece, placed, scaled
from vgcli_core.data.rooms.placement import GAP, Footprint, Plan, footprint
from vgcli_core.data.rooms.scene import Thing
from vgcli_core.data.rooms.structure import WALL_YAWS, against_wall, wall_length

# What each small thing may stand on, and how far it may be turned there (radians).
_SUPPORTS: dict[str, tuple[tuple[str, ...], float]] = {
    "pillow": (("bed", "couch", "armchair"), 0.25),
    "monitor": (("desk", "table"), 0.25),
    "laptop": (("desk", "table", "coffee table"), 0.4),
    "tv": (("dresser", "cabinet", "coffee table", "desk"), 0.05),
    "microwave": (("cabinet", "table", "washing machine", "desk", "dresser"), 0.05),
    "lamp": (("nightstand", "desk", "dresser", "cabinet"), pi),
    "plant": (("table", "coffee table", "cabinet", "dresser", "desk", "washing machine"), pi),
    "book": (("table", "coffee table", "desk", "nightstand", "dresser", "cabinet", "stool"), pi),
    "box": (("cabinet", "dresser", "table", "washing machine", "desk"), 0.5),
}
# What rooms have several of, and how readily; and shares of rooms by how many there are.
_SEVERAL = {
    **{"chair": 4, "picture": 4, "plant": 3, "stool": 3, "pillow": 3, "book": 3, "box": 2, "lamp": 2, "monitor": 2},
    **{"ottoman": 2, "armchair": 2, "trash can": 2, "backpack": 1.5, "cabinet": 1.5, "bookshelf": 1, "table": 1},
}
_HOW_MANY = {1: 0.06, 2: 0.06, 3: 0.24, 4: 0.24, 5: 0.21, 6: 0.19}
_TOGETHER = 0.85  # share of the things with others of their label that stand near one of these
_APART = (0.4, 1.2)  # metres between the middles of two that do
_ANOTHER = 0.15  # times as readily as the first one, a second thing of the same label comes in without being asked for
_SMALL_SHARE = 0.5  # of the things that have two forms, how many stand on others where they can
_SEATS = ("chair", "stool")
_TABLES = ("table", "desk", "coffee table")
_TRIES = 14  # places that are tried before a thing is given up
_FULLEST = 0.42  # share of the floor that furniture covers at most


@dataclass(frozen=True)
class _Standing:
    """A thing with what is needed to put others on it or beside it."""

    label: str
    piece: Piece
    place: tuple[float, float, float]
    yaw: float
    support: int | None


def furnish(
    rng: np.random.Generator,
    plan: Plan,
    kind: str,
    *,
    number: int,
    scale: tuple[float, float],
    categories: tuple[str, ...],
    several: float = 1.0,
    mixed: bool = False,
) -> tuple[Thing, ...]:
    """Fill a room.

    Args:
        rng: for everything drawn.
        plan: the room; what is placed is added to it.
        kind: a key of KINDS.
        number: of things; fewer where they do not fit.
        scale: range of each thing's size, times the usual one.
        categories: labels that may be used; () for all.
        several: share of rooms that may have several things of one label.
        mixed: any label may come in, alike and whatever the kind, and seldom one that is mistaken for another.
    """
    always, pool = ((), dict.fromkeys(CATEGORIES, 1.0)) if mixed else KINDS[kind]
    pool = {label: weight for label, weight in pool.items() if not categories or label in categories}
    if not pool:
        pool = dict.fromkeys(categories, 1.0)
    queue = [label for label in always if not categories or label in categories]
    repeated = _draw_several(rng, pool, number // 2) if several == 1 or rng.random() < several else []
    queue += repeated
    standing: list[_Standing] = []
    for _ in range(6 * number):
        if len(standing) >= number:
            break
        label = queue.pop(0) if queue else _draw_label(rng, pool, standing, repeated, mixed=mixed)
        found = _find_place(rng, plan, standing, label, float(rng.uniform(*scale)))
        if found is not None:
            plan.taken.append(footprint(found.piece, found.place, found.yaw))
            standing.append(found)
    return tuple(_thing(one) for one in standing)


def _draw_several(rng: np.random.Generator, pool: Mapping[str, float], most: int) -> list[str]:
    """Draw a label that the room has several of, and repeat it as often; nothing for some rooms."""
    able = {label: weight for label, weight in _SEVERAL.items() if label in pool}
    wanted = min(int(rng.choice(list(_HOW_MANY), p=list(_HOW_MANY.values()))), most)
    return [_draw(rng, able)] * wanted if able and wanted > 1 else []


def _draw_label(
    rng: np.random.Generator,
    pool: Mapping[str, float],
    standing: list[_Standing],
    several: list[str],
    *,
    mixed: bool,
) -> str:
    """Draw what comes in next: mostly something that is not there yet, and that nobody mistakes for the several."""
    there = {one.label for one in standing}
    if mixed:
        there = {label for label in pool if any(alike(label, one) for one in there)}
    weights = {label: weight * (_ANOTHER if label in there else 1.0) for label, weight in pool.items()}
    kept = {label: weight for label, weight in weights.items() if not any(alike(label, one) for one in several)}
    return _draw(rng, kept or weights)


def _draw(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    shares = np.array(list(weights.values()))
    return list(weights)[int(rng.choice(len(shares), p=shares / shares.sum()))]


def _thing(one: _Standing) -> Thing:
    box, parts = placed(one.piece, one.place, one.yaw)
    return Thing(one.label, box, parts, one.support)


def _find_place(
    rng: np.random.Generator, plan: Plan, standing: list[_Standing], label: str, factor: float
) -> _Standing | None:
    category = CATEGORIES[label]
    small = category.make_small is not None and (category.where == "top" or rng.random() < _SMALL_SHARE)
    if small and category.make_small is not None:
        return _on_top(rng, plan, standing, label, _piece(rng, category.make_small, factor, plan))
    if category.where == "top":
        return None
    piece = _piece(rng, category.make, factor, plan)
    if piece.size[0] * piece.size[1] + _covered(standing) > _FULLEST * plan.size[0] * plan.size[1]:
        return None
    for _ in range(_TRIES):
        place, yaw = _draw_place(rng, plan, standing, label, piece)
        if plan.fits(footprint(piece, place, yaw), 0.0 if category.where == "hung" else GAP):
            return _Standing(label, piece, place, yaw, None)
    return None


def _piece(rng: np.random.Generator, make: Maker, factor: float, plan: Plan) -> Piece:
    piece = make(rng)
    return scaled(piece, min(factor, (min(2.2, plan.size[2]) - 0.1) / piece.size[2]))


def _covered(standing: list[_Standing]) -> float:
    return sum(one.piece.size[0] * one.piece.size[1] for one in standing if one.place[2] == 0)


def _draw_place(
    rng: np.random.Generator, plan: Plan, standing: list[_Standing], label: str, piece: Piece
) -> tuple[tuple[float, float, float], float]:
    where = CATEGORIES[label].where
    mates = [one for one in standing if one.label == label and one.support is None]
    mate = mates[int(rng.integers(len(mates)))] if mates and rng.random() < _TOGETHER else None
    if where == "hung":
        wall = None if mate is None else WALL_YAWS.index(mate.yaw)
        return _at_wall(rng, plan, piece, float(rng.uniform(1.2, 1.5)), wall)
    tables = [one for one in standing if one.label in _TABLES]
    if label in _SEATS and tables and rng.random() < 0.75:
        return _beside(rng, tables[int(rng.integers(len(tables)))], piece)
    beds = [one for one in standing if one.label == "bed"]
    if label == "nightstand" and beds and rng.random() < 0.8:
        return _beside_bed(rng, beds[int(rng.integers(len(beds)))], piece)
    if where != "wall" and mate is not None:
        away, direction = float(rng.uniform(*_APART)), float(rng.uniform(-pi, pi))
        x, y = mate.place[0] + away * cos(direction), mate.place[1] + away * sin(direction)
        return (x, y, 0.0), float(rng.uniform(-pi, pi))
    if where == "wall" or (where == "any" and rng.random() < 0.6):
        return _at_wall(rng, plan, piece, 0.0)
    reach = min(piece.size[:2]) / 2
    width, depth = plan.size[0] / 2 - reach, plan.size[1] / 2 - reach
    place = (float(rng.uniform(-width, width)), float(rng.uniform(-depth, depth)), 0.0)
    return place, float(rng.uniform(-pi, pi))


def _at_wall(
    rng: np.random.Generator, plan: Plan, piece: Piece, height: float, wall: int | None = None
) -> tuple[tuple[float, float, float], float]:
    """Return a place with the piece's back to a wall, any where none is named; one in three stands in a corner."""
    wall = int(rng.integers(4)) if wall is None else wall
    reach = max(0.0, (wall_length(plan.size, wall) - piece.size[0]) / 2 - GAP - 0.005)
    along = (
        float(rng.choice([-1.0, 1.0])) * reach
        if rng.random() < 0.33 and height == 0
        else float(rng.uniform(-reach, reach))
    )
    gap = 0.005 if height else GAP + float(rng.uniform(0.005, 0.06))
    x, y = against_wall(plan.size, wall, along, piece.size[1] / 2 + gap)
    return (x, y, height), WALL_YAWS[wall]


def _beside(rng: np.random.Generator, table: _Standing, piece: Piece) -> tuple[tuple[float, float, float], float]:
    """Return a place at one side of a table, facing it; at a desk, in front of it."""
    side = 0 if table.label == "desk" else int(rng.choice(4, p=[0.3, 0.2, 0.3, 0.2]))
    width, depth = table.piece.size[:2]
    out, along = (depth, width) if side % 2 == 0 else (width, depth)
    direction = table.yaw + pi / 2 - side * pi / 2
    away = out / 2 + piece.size[1] / 2 + float(rng.uniform(0.04, 0.25))
    shift = float(rng.uniform(-0.5, 0.5)) * max(0.0, along - piece.size[0])
    x = table.place[0] + away * cos(direction) - shift * sin(direction)
    y = table.place[1] + away * sin(direction) + shift * cos(direction)
    return (x, y, 0.0), direction + pi / 2 + float(rng.normal(0, 0.2))


def _beside_bed(rng: np.random.Generator, bed: _Standing, piece: Piece) -> tuple[tuple[float, float, float], float]:
    side = float(rng.choice([-1.0, 1.0])) * ((bed.piece.size[0] + piece.size[0]) / 2 + float(rng.uniform(0.03, 0.15)))
    back = (piece.size[1] - bed.piece.size[1]) / 2
    x = bed.place[0] + side * cos(bed.yaw) - back * sin(bed.yaw)
    y = bed.place[1] + side * sin(bed.yaw) + back * cos(bed.yaw)
    return (x, y, 0.0), bed.yaw


def _on_top(
    rng: np.random.Generator, plan: Plan, standing: list[_Standing], label: str, piece: Piece
) -> _Standing | None:
    supports, turn = _SUPPORTS[label]
    free = [i for i, one in enumerate(standing) if one.label in supports and one.piece.top is not None]
    for _ in range(_TRIES if free else 0):
        chosen = free[int(rng.integers(len(free)))]
        base = standing[chosen]
        top = base.piece.top
        yaw = float(rng.uniform(-turn, turn))
        wide, deep = footprint(piece, (0.0, 0.0, 0.0), yaw).reach()
        if top is None or top.right - top.left < 2 * wide or top.front - top.back < 2 * deep:
            continue
        a = float(rng.uniform(top.left + wide, top.right - wide))
        b = float(rng.uniform(top.back + deep, top.front - deep))
        x = base.place[0] + a * cos(base.yaw) - b * sin(base.yaw)
        y = base.place[1] + a * sin(base.yaw) + b * cos(base.yaw)
        place = (x, y, base.place[2] + top.height + 0.002)
        spot = footprint(piece, place, base.yaw + yaw)
        if _fits_on(plan, spot, standing, chosen):
            return _Standing(label, piece, place, base.yaw + yaw, chosen)
    return None


def _fits_on(plan: Plan, spot: Footprint, standing: list[_Standing], support: int) -> bool:
    """Tell whether a spot on a thing is free; the thing itself does not count: a back may rise behind its seat."""
    base = standing[support]
    own = footprint(base.piece, base.place, base.yaw)
    others = Plan(plan.size, [taken for taken in plan.taken if taken != own])
    return others.fits(spot)
