"""Say which thing is meant: "the bed", "the chair next to the table", "the lamp furthest from the door".

A description is only made where a person would take it the same way: things are compared by the gap between them and by
the distance of their middles, and both must speak for the thing by a clear margin over all others that its label might
mean. What things are compared with is the only one that its own label might mean, and is seen in the film.

Wording: lower case with full stops, as annotators of ScanRefer wrote.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, NamedTuple

import numpy as np

from vgcli_core.data import draws
from vgcli_core.data.rooms.between import centre_distance, distance, ground_distance, height_gap, stacked
from vgcli_core.data.rooms.film import Film, doors_of
from vgcli_core.data.rooms.labels import LIKE_CLUTTER, alike
from vgcli_core.data.rooms.render import minimum_visible
from vgcli_core.data.rooms.scene import Room, Thing
from vgcli_core.geometry.boxes import Floats

NEXT_TO = 0.6  # metres between two things that stand next to each other, at most
MARGIN = 0.5  # metres by which a rival is farther (or nearer), at least
RATIO = 1.3  # times by which it is
LARGER = 1.6  # ratio of volumes from which on one of two things is clearly the larger
TALLER = 1.25  # the same for heights
MOST = 4  # descriptions of one thing

Kind = Literal["unique", "relational"]


@dataclass(frozen=True, slots=True)
class Description:
    """One description.

    Attributes:
        thing: position in `Room.things` of the thing that is meant.
        text: "this is the chair next to the table."
        kind: "unique" where the label alone says it.
        anchors: positions of the things that it is compared with.
    """

    thing: int
    text: str
    kind: Kind
    anchors: tuple[int, ...] = ()


class _Landmark(NamedTuple):
    """Something to compare things with: its name, its box [9], its position in `Room.things` (None for a door)."""

    name: str
    box: Floats
    number: int | None


@dataclass(frozen=True, slots=True)
class _Phrase:
    """What singles a thing out: "the chair next to the table" and "it is next to the table"."""

    name: str
    clause: str
    kind: Kind
    anchors: tuple[int, ...] = ()


def describe(film: Film, seed: int, *, most: int = MOST) -> list[Description]:
    """Return descriptions of the things that a film shows, in their order.

    Args:
        film: the film; what it does not show is neither described nor compared with.
        seed: of the choice of phrases and wordings.
        most: descriptions of one thing.
    """
    room, found = film.room, []
    seen = set(np.flatnonzero(film.visible.any(axis=0)).tolist())
    landmarks = _landmarks(film, seen)
    for number, thing in enumerate(room.things):
        if number not in seen or not has_name(room, number):
            continue
        draw = draws.generator(seed, "descriptions", room.name, number)
        phrases = list(_phrases(room, number, seen, landmarks))
        texts: dict[str, _Phrase] = {}
        for phrase in draw.sample(phrases, len(phrases)):
            for text in _wordings(thing.label, phrase):
                texts.setdefault(text, phrase)
        order = _kinds_in_turn(draw.sample(sorted(texts), len(texts)), texts)
        found += [Description(number, text, texts[text].kind, texts[text].anchors) for text in order[:most]]
    return found


def only_ones(room: Room) -> frozenset[int]:
    """Return the things whose label means nothing else in the room."""
    return frozenset(
        number for number in range(len(room.things)) if has_name(room, number) and not rivals(room, number)
    )


def rivals(room: Room, number: int) -> list[Thing]:
    """Return the other things that the thing's label might mean."""
    label = room.things[number].label
    return [other for place, other in enumerate(room.things) if place != number and alike(label, other.label)]


def has_name(room: Room, number: int) -> bool:
    """Tell whether the thing's label sets it apart from the room's clutter."""
    return not (room.clutter and room.things[number].label == LIKE_CLUTTER)


def with_article(label: str) -> str:
    """Return "a chair", "an armchair"."""
    return f"{'an' if label[0] in 'aeiou' else 'a'} {label}"


def _kinds_in_turn(order: Sequence[str], texts: dict[str, _Phrase]) -> list[str]:
    """Let unique and relational descriptions take turns, so that a few of them have both kinds."""
    kinds: dict[str, list[str]] = {}
    for text in order:
        kinds.setdefault(texts[text].kind, []).append(text)
    return [text for turn in zip_longest(*kinds.values()) for text in turn if text is not None]


def _wordings(label: str, phrase: _Phrase) -> Iterator[str]:
    yield f"{phrase.name}."
    yield f"this is {phrase.name}."
    if phrase.kind == "unique":
        yield f"there is one {label} in the room."
    else:
        yield f"this is {with_article(label)}. {phrase.clause}."
        yield f"we are looking for {with_article(label)}. {phrase.clause}."


def _landmarks(film: Film, seen: Collection[int]) -> list[_Landmark]:
    """Return what things can be compared with: things that are the only ones of their label, and a single door."""
    things = film.room.things
    found = [_Landmark(things[number].label, things[number].box, number) for number in sorted(only_ones(film.room))]
    found = [landmark for landmark in found if landmark.number in seen]
    doors = doors_of(film.room)
    if len(doors) == 1 and film.doors.max(initial=0) >= minimum_visible(film.room.height, film.room.width):
        found.append(_Landmark("door", doors[0], None))
    return found


def _phrases(room: Room, number: int, seen: Collection[int], landmarks: Sequence[_Landmark]) -> Iterator[_Phrase]:
    thing = room.things[number]
    others = rivals(room, number)
    if not others:
        yield _Phrase(f"the {thing.label}", "", "unique")
    yield from _on(room, thing, others, seen)
    for landmark in landmarks:
        if landmark.number is None or not (landmark.number == number or stacked(room, landmark.number, number)):
            yield from _beside(thing, landmark, others)
    yield from _by_size(thing, others)


def _on(room: Room, thing: Thing, others: Sequence[Thing], seen: Collection[int]) -> Iterator[_Phrase]:
    if thing.support is None or thing.support not in seen:
        return
    below = room.things[thing.support].label
    supports = [room.things[rival.support].label for rival in others if rival.support is not None]
    if not any(alike(below, support) for support in supports):
        yield _Phrase(f"the {thing.label} on the {below}", f"it is on the {below}", "relational", (thing.support,))


def _beside(thing: Thing, landmark: _Landmark, others: Sequence[Thing]) -> Iterator[_Phrase]:
    label, name, box = thing.label, landmark.name, landmark.box
    anchors = () if landmark.number is None else (landmark.number,)
    gap, middles = distance(thing.box, box), centre_distance(thing.box, box)
    gaps = [distance(rival.box, box) for rival in others]
    far = [centre_distance(rival.box, box) for rival in others]
    nearest = _clearly_below(gap, gaps) and _clearly_below(middles, far)
    level = height_gap(thing.box, box) == 0 and ground_distance(thing.box, box) > 0
    if gap <= NEXT_TO and level and nearest:
        yield _Phrase(f"the {label} next to the {name}", f"it is next to the {name}", "relational", anchors)
    elif others and nearest:
        words = f"closest to the {name}"
        yield _Phrase(f"the {label} {words}", f"it is the {label} {words}", "relational", anchors)
    elif others and all(_clearly_below(one, [gap]) for one in gaps) and all(_clearly_below(m, [middles]) for m in far):
        words = f"furthest from the {name}"
        yield _Phrase(f"the {label} {words}", f"it is the {label} {words}", "relational", anchors)


def _clearly_below(value: float, others: Sequence[float]) -> bool:
    return all(other >= max(value + MARGIN, value * RATIO) for other in others)


def _by_size(thing: Thing, others: Sequence[Thing]) -> Iterator[_Phrase]:
    if not others:
        return
    label = thing.label
    volume, height = float(np.prod(thing.box[3:6])), float(thing.box[5])
    volumes = [float(np.prod(rival.box[3:6])) for rival in others]
    heights = [float(rival.box[5]) for rival in others]
    words = []
    # A larger thing must not be lower, nor a smaller one taller: people judge by what sticks out.
    if volume >= LARGER * max(volumes) and height >= max(heights):
        words.append("largest")
    if volume * LARGER <= min(volumes) and height <= min(heights):
        words.append("smallest")
    if height >= TALLER * max(heights):
        words.append("tallest")
    for word in words:
        yield _Phrase(f"the {word} {label}", f"it is the {word} {label} in the room", "relational")
