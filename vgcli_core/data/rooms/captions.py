"""Describe a thing at a given place: what it is, its colour and material, its shape, what it stands on, by and at.

A caption need not single the thing out, since the question says where it is; all of it must be true and something that
the film shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from vgcli_core.data import draws
from vgcli_core.data.rooms.between import footprint, ground_distance, stacked
from vgcli_core.data.rooms.descriptions import (
    MOST,
    Landmark,
    describe,
    has_name,
    is_next_to,
    landmarks_of,
    only_ones,
    things_seen,
    with_article,
)
from vgcli_core.data.rooms.film import Film
from vgcli_core.data.rooms.labels import alike
from vgcli_core.data.rooms.scene import Room, Thing

AT_WALL = 0.1  # metres from a wall of what stands against it, at most
IN_CORNER = 0.25  # metres from two walls of what stands in a corner, at most
AMID = 0.12  # share of the room's edges that the middle of a thing in the middle of the room is off, at most
TALL, LOW = 1.4, 0.95  # metres: cupboards and shelves from here on are tall, up to here low
SQUARE, LONG = 1.1, 1.5  # ratio of edges up to which a table is square, and from which on it is long, a picture wide
LARGE, SMALL = 0.4, 0.2  # square metres of a picture from which on it is large, and up to which it is small
HANGS = 0.5  # metres above the floor of what hangs on a wall, at least
NEAR = 1.2  # metres along the wall to what a picture hangs near, at most
ABOVE = 0.15  # metres to the side of a thing of what hangs above it, at most

_CUPBOARDS = ("cabinet", "bookshelf", "dresser")
_TALL_OR_SMALL = (*_CUPBOARDS, "lamp", "plant")
_TABLES = ("table", "coffee table", "desk", "ottoman")
_MOST_DETAILS = 3  # phrases that a draw looks at: more of them make no better caption


@dataclass(frozen=True, slots=True)
class Caption:
    """One caption.

    Attributes:
        thing: position in `Room.things` of the thing that is described.
        text: "this is a red chair. it is next to the table."
        anchors, by_door, rivals: see `Description`.
    """

    thing: int
    text: str
    anchors: tuple[int, ...] = ()
    by_door: bool = False
    rivals: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Detail:
    """Something about a thing: "a chair next to the table", or "it is next to the table"; and what that names."""

    phrase: str
    clause: str
    anchors: tuple[int, ...] = ()
    by_door: bool = False
    rivals: tuple[int, ...] = ()


def caption(film: Film, seed: int, *, most: int = MOST) -> list[Caption]:
    """Return captions of the things that a film shows, in their order.

    Args:
        film: the film; what it does not show is neither described nor named.
        seed: of the choice of wordings.
        most: captions of one thing.
    """
    room, found = film.room, []
    landmarks, seen = landmarks_of(film), things_seen(film)
    compared: dict[int, list[_Detail]] = {}
    for one in describe(film, seed, most=10 * MOST):
        if one.rivals and one.text.startswith("this is the "):
            clause = f"it is {one.text.removeprefix('this is ').removesuffix('.')}"
            compared.setdefault(one.thing, []).append(_Detail("", clause, one.anchors, one.by_door, one.rivals))
    for number in sorted(seen):
        if not has_name(room, number):
            continue
        draw = draws.generator(seed, "captions", room.name, number)
        details = [*_details(film, number, landmarks), *compared.get(number, [])]
        # It may be next to two chairs, and that is said once.
        details = list({detail.clause: detail for detail in details}.values())
        details = draw.sample(details, min(_MOST_DETAILS, len(details)))
        texts = dict(_texts(_names(film, number), details))
        for text in draw.sample(sorted(texts), min(most, len(texts))):
            named = texts[text]
            anchors = tuple(dict.fromkeys(anchor for detail in named for anchor in detail.anchors))
            rivals = tuple(dict.fromkeys(rival for detail in named for rival in detail.rivals))
            found.append(Caption(number, text, anchors, any(detail.by_door for detail in named), rivals))
    return found


def _names(film: Film, number: int) -> list[str]:
    """Return ways to name a thing, those that say more first: "low white wooden cabinet", "white cabinet"."""
    thing, look = film.room.things[number], film.looks[number]
    # A sink is a cupboard under a basin, and called by the basin.
    material = "" if thing.label == "sink" else look.material
    words = [word for word in (_shape(thing), look.colour, material) if word]
    if not words:
        return [thing.label]
    some = [part for count in range(len(words), 0, -1) for part in combinations(words, count)]
    return [" ".join((*part, thing.label)) for part in some[: _MOST_DETAILS + 1]]


def _shape(thing: Thing) -> str:
    width, depth, height = thing.box[3:6].tolist()
    if thing.label in _TALL_OR_SMALL and height >= TALL:
        return "tall"
    if thing.label in _CUPBOARDS and height <= LOW:
        return "low"
    if thing.label == "picture":
        area = width * height
        return "wide" if width >= LONG * height else "large" if area >= LARGE else "small" if area <= SMALL else ""
    if thing.label in _TABLES:
        ratio = max(width, depth) / min(width, depth)
        return "square" if ratio <= SQUARE else "long" if ratio >= LONG else ""
    return ""


def _texts(names: list[str], details: list[_Detail]) -> Iterator[tuple[str, tuple[_Detail, ...]]]:
    """Yield captions with one or two details, and these; where there are none, with a name alone."""
    for name in map(with_article, names):
        if not details:
            yield f"this is {name}.", ()
        for one in details:
            yield f"this is {name}. {one.clause}.", (one,)
            if one.phrase:
                yield f"{name} {one.phrase}.", (one,)
                yield f"there is {name} {one.phrase}.", (one,)
            for other in details:
                if other != one and one.phrase:
                    yield f"this is {name} {one.phrase}. {other.clause}.", (one, other)


def _details(film: Film, number: int, landmarks: list[Landmark]) -> Iterator[_Detail]:
    room, seen = film.room, things_seen(film)
    thing = room.things[number]
    if thing.support is not None:
        if thing.support in seen:
            words = f"on {_called(room, thing.support)}"
            yield _Detail(words, f"it is {words}", (thing.support,))
    else:
        yield from _at_walls(room, thing)
    for landmark in landmarks:
        by_door = landmark.number is None
        anchors = () if landmark.number is None else (landmark.number,)
        if by_door and is_next_to(thing, landmark):
            yield _Detail(f"next to the {landmark.name}", f"it is next to the {landmark.name}", by_door=True)
        elif _hangs(thing) and landmark.number != number and 0 < ground_distance(thing.box, landmark.box) <= NEAR:
            words = f"on the wall near the {landmark.name}"
            yield _Detail(words, f"it hangs {words}", anchors, by_door)
    for other in sorted(seen - {number}):
        words = _beside(film, number, other)
        if words:
            yield _Detail(words, f"it is {words}", (other,))
    for other in sorted(seen):
        if room.things[other].support == number and has_name(room, other):
            name = with_article(" ".join(filter(None, (film.looks[other].colour, room.things[other].label))))
            yield _Detail(f"with {name} on it", f"there is {name} on it", (other,))


def _beside(film: Film, number: int, other: int) -> str:
    """Return "next to the table", "above a couch", or "" where another thing is neither."""
    room = film.room
    thing, base = room.things[number], room.things[other]
    if stacked(room, number, other) or alike(thing.label, base.label) or not has_name(room, other):
        return ""
    if is_next_to(thing, Landmark(base.label, base.box, other)):
        return f"next to {_called(room, other)}"
    above = thing.box[2] - thing.box[5] / 2 >= base.box[2] + base.box[5] / 2
    over = ground_distance(thing.box, base.box) <= ABOVE and base.support is None
    return f"above {_called(room, other)}" if above and over and thing.support is None else ""


def _called(room: Room, number: int) -> str:
    label = room.things[number].label
    return f"the {label}" if number in only_ones(room) else with_article(label)


def _hangs(thing: Thing) -> bool:
    return thing.support is None and float(thing.box[2] - thing.box[5] / 2) > HANGS


def _at_walls(room: Room, thing: Thing) -> Iterator[_Detail]:
    rim = np.abs(footprint(thing.box)).max(axis=0)
    away = np.array(room.size[:2]) / 2 - rim
    if _hangs(thing):
        yield _Detail("on the wall", "it hangs on the wall")
    elif (away <= IN_CORNER).all():
        yield _Detail("in the corner of the room", "it stands in the corner of the room")
    elif away.min() <= AT_WALL:
        yield _Detail("against the wall", "it stands against the wall")
    elif (np.abs(thing.box[:2]) <= AMID * np.array(room.size[:2])).all():
        yield _Detail("in the middle of the room", "it stands in the middle of the room")
