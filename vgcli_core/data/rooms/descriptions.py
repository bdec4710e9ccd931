"""Say which thing is meant: "the bed", "the chair next to the table", "the lamp furthest from the door", "the red box".

A description is only made where a person would take it the same way: things are compared by the gap between them and by
the distance of their middles, and both must speak for the thing by a clear margin over all others that its label might
mean. What things are compared with is the only one that its own label might mean, and is seen in the film. More than
the label is said only where the label might mean others: whoever finds the thing has used what is said.

Wording: lower case with full stops, as annotators of ScanRefer wrote.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcli_core.data import draws
from vgcli_core.data.rooms.between import centre_distance, distance, ground_distance, height_gap, stacked
from vgcli_core.data.rooms.film import Film, doors_of
from vgcli_core.data.rooms.labels import LIKE_CLUTTER, alike
from vgcli_core.data.rooms.looks import clearly_differ
from vgcli_core.data.rooms.render import minimum_visible
from vgcli_core.data.rooms.scene import Room, Thing
from vgcli_core.geometry.boxes import Floats

NEXT_TO = 0.6  # metres between two things that stand next to each other, at most
MARGIN = 0.5  # metres by which a rival is farther (or nearer), at least
RATIO = 1.3  # times by which it is
LARGER = 1.6  # ratio of volumes from which on one of two things is clearly the larger
TALLER = 1.25  # the same for heights
MOST = 4  # descriptions of one thing

Kind = Literal["unique", "relational", "colour"]


@dataclass(frozen=True, slots=True)
class Description:
    """One description.

    Attributes:
        thing: position in `Room.things` of the thing that is meant.
        text: "this is the chair next to the table."
        kind: "unique" where the label alone says it; else what singles the thing out.
        anchors: positions of the things that it is compared with.
        by_door: whether it is compared with the room's door.
        rivals: for comparisons ("closest", "largest"), positions of the things that it is chosen from; () for others.
    """

    thing: int
    text: str
    kind: Kind
    anchors: tuple[int, ...] = ()
    by_door: bool = False
    rivals: tuple[int, ...] = ()


class Landmark(NamedTuple):
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
    by_door: bool = False
    rivals: tuple[int, ...] = ()


def describe(film: Film, seed: int, *, most: int = MOST) -> list[Description]:
    """Return descriptions of the things that a film shows, in their order.

    Args:
        film: the film; what it does not show is neither described nor compared with.
        seed: of the choice of phrases and wordings.
        most: descriptions of one thing.
    """
    room, found = film.room, []
    seen = things_seen(film)
    landmarks = landmarks_of(film)
    for number, thing in enumerate(room.things):
        if number not in seen or not has_name(room, number):
            continue
        draw = draws.generator(seed, "descriptions", room.name, number)
        phrases = list(_phrases(film, number, seen, landmarks))
        texts: dict[str, _Phrase] = {}
        for phrase in draw.sample(phrases, len(phrases)):
            for text in _wordings(thing.label, phrase):
                texts.setdefault(text, phrase)
        order = _phrases_in_turn(draw.sample(sorted(texts), len(texts)), texts)
        found += [_description(number, text, texts[text]) for text in order[:most]]
    return found


def things_seen(film: Film) -> frozenset[int]:
    """Return the things that some frame of a film shows."""
    return frozenset(np.flatnonzero(film.visible.any(axis=0)).tolist())


def only_ones(room: Room) -> frozenset[int]:
    """Return the things whose label means nothing else in the room."""
    return frozenset(
        number for number in range(len(room.things)) if has_name(room, number) and not rivals(room, number)
    )


def rivals(room: Room, number: int) -> list[int]:
    """Return the other things that the thing's label might mean."""
    label = room.things[number].label
    return [place for place, other in enumerate(room.things) if place != number and alike(label, other.label)]


def has_name(room: Room, number: int) -> bool:
    """Tell whether the thing's label sets it apart from the room's clutter."""
    return not (room.clutter and room.things[number].label == LIKE_CLUTTER)


def with_article(label: str) -> str:
    """Return "a chair", "an armchair"."""
    return f"{'an' if label[0] in 'aeiou' else 'a'} {label}"


def landmarks_of(film: Film) -> list[Landmark]:
    """Return what things can be compared with: things that are the only ones of their label, and a single door."""
    things, seen = film.room.things, things_seen(film)
    found = [Landmark(things[number].label, things[number].box, number) for number in sorted(only_ones(film.room))]
    found = [landmark for landmark in found if landmark.number in seen]
    doors = doors_of(film.room)
    if len(doors) == 1 and door_seen(film).any():
        found.append(Landmark("door", doors[0], None))
    return found


def door_seen(film: Film) -> NDArray[np.bool_]:
    """Tell which frames [F] show enough of a door."""
    seen: NDArray[np.bool_] = np.any(film.doors >= minimum_visible(film.room.height, film.room.width), axis=1)
    return seen


def is_next_to(thing: Thing, landmark: Landmark) -> bool:
    """Tell whether a thing stands next to something: near it, on its level, not above or below it."""
    level = height_gap(thing.box, landmark.box) == 0 and ground_distance(thing.box, landmark.box) > 0
    return level and distance(thing.box, landmark.box) <= NEXT_TO


def _description(number: int, text: str, phrase: _Phrase) -> Description:
    return Description(number, text, phrase.kind, phrase.anchors, phrase.by_door, phrase.rivals)


def _phrases_in_turn(order: Sequence[str], texts: dict[str, _Phrase]) -> list[str]:
    """Let what singles a thing out take turns, so that a few descriptions say different things."""
    names: dict[str, list[str]] = {}
    for text in order:
        names.setdefault(texts[text].name, []).append(text)
    return [text for turn in zip_longest(*names.values()) for text in turn if text is not None]


def _wordings(label: str, phrase: _Phrase) -> Iterator[str]:
    yield f"{phrase.name}."
    yield f"this is {phrase.name}."
    if phrase.kind == "unique":
        yield f"we are looking for {phrase.name}."
    else:
        yield f"this is {with_article(label)}. {phrase.clause}."
        yield f"we are looking for {with_article(label)}. {phrase.clause}."


def _phrases(film: Film, number: int, seen: frozenset[int], landmarks: Sequence[Landmark]) -> Iterator[_Phrase]:
    room = film.room
    thing, others = room.things[number], rivals(room, number)
    if not others:
        yield _Phrase(f"the {thing.label}", "", "unique")
        return
    look = film.looks[number]
    # What others look like is known only of those that are seen.
    if seen.issuperset(others) and all(clearly_differ(look, film.looks[other]) for other in others):
        yield _Phrase(f"the {look.colour} {thing.label}", f"it is the {look.colour} one", "colour")
    yield from _on(room, thing, others, seen)
    # Nobody can compare a thing with others that he never sees.
    compared = tuple(other for other in others if other in seen)
    for landmark in landmarks:
        if landmark.number is None or not stacked(room, landmark.number, number):
            yield from _beside(room, thing, landmark, others, compared)
    if compared:
        yield from _by_size(room, thing, others, compared)


def _on(room: Room, thing: Thing, others: Sequence[int], seen: frozenset[int]) -> Iterator[_Phrase]:
    if thing.support is None or thing.support not in seen:
        return
    below = room.things[thing.support].label
    supports = [room.things[other].support for other in others]
    if not any(alike(below, room.things[support].label) for support in supports if support is not None):
        yield _Phrase(f"the {thing.label} on the {below}", f"it is on the {below}", "relational", (thing.support,))


def _beside(
    room: Room, thing: Thing, landmark: Landmark, others: Sequence[int], compared: tuple[int, ...]
) -> Iterator[_Phrase]:
    label, name, box = thing.label, landmark.name, landmark.box
    anchors = () if landmark.number is None else (landmark.number,)
    by_door = landmark.number is None
    gap, middles = distance(thing.box, box), centre_distance(thing.box, box)
    gaps = [distance(room.things[other].box, box) for other in others]
    far = [centre_distance(room.things[other].box, box) for other in others]
    nearest = _clearly_below(gap, gaps) and _clearly_below(middles, far)
    furthest = all(_clearly_below(one, [gap]) for one in gaps) and all(_clearly_below(m, [middles]) for m in far)
    if nearest and is_next_to(thing, landmark):
        yield _Phrase(f"the {label} next to the {name}", f"it is next to the {name}", "relational", anchors, by_door)
    elif compared and (nearest or furthest):
        words = f"{'closest to' if nearest else 'furthest from'} the {name}"
        yield _Phrase(
            f"the {label} {words}", f"it is the {label} {words}", "relational", anchors, by_door, rivals=compared
        )


def _clearly_below(value: float, others: Sequence[float]) -> bool:
    return all(other >= max(value + MARGIN, value * RATIO) for other in others)


def _by_size(room: Room, thing: Thing, others: Sequence[int], compared: tuple[int, ...]) -> Iterator[_Phrase]:
    label = thing.label
    volume, height = float(np.prod(thing.box[3:6])), float(thing.box[5])
    volumes = [float(np.prod(room.things[other].box[3:6])) for other in others]
    heights = [float(room.things[other].box[5]) for other in others]
    words = []
    # A larger thing must not be lower, nor a smaller one taller: people judge by what sticks out.
    if volume >= LARGER * max(volumes) and height >= max(heights):
        words.append("largest")
    if volume * LARGER <= min(volumes) and height <= min(heights):
        words.append("smallest")
    if height >= TALLER * max(heights):
        words.append("tallest")
    for word in words:
        yield _Phrase(f"the {word} {label}", f"it is the {word} {label} in the room", "relational", rivals=compared)
