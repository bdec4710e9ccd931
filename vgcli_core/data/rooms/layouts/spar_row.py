"""One question of SPAR about a room, and what questions are made from: things that frames show, alone or together."""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from vgcli_core.data.rooms.between import turn
from vgcli_core.data.rooms.film import Film
from vgcli_core.data.rooms.layouts.sightings import Sighting
from vgcli_core.media.sampling import uniform

VIEWS = 3  # pictures of a multi-view question
FILM_FRAMES = 32
OF_A_KIND = 4  # questions of one type about one room

_COLOURS = ("red", "blue", "green")


class Row(NamedTuple):
    """One question: its type, text and answer, the frames that it shows, and its marker fields."""

    kind: str
    question: str
    answer: str
    frames: tuple[int, ...]
    markers: dict[str, Any]


class Seen(NamedTuple):
    """A film and what its frames show, by thing."""

    film: Film
    frames: list[dict[int, Sighting]]

    def label(self, sighting: Sighting) -> str:
        """Return what is seen."""
        return self.film.room.things[sighting.thing].label

    def differ(self, shown: Sequence[Sighting]) -> bool:
        """Tell whether no two of the things have one label."""
        return len({self.label(one) for one in shown}) == len(shown)


Make = Callable[[Seen, random.Random], Iterator[Row]]


def together(seen: Seen, count: int, draw: random.Random) -> Iterator[tuple[Sighting, ...]]:
    """Yield `count` things of different labels that one frame shows, for a few frames."""
    for frame in draw.sample(seen.frames, min(2 * OF_A_KIND, len(seen.frames))):
        groups = [group for group in permutations(frame.values(), count) if seen.differ(group)]
        yield from draw.sample(groups, min(2, len(groups)))


def across(seen: Seen, count: int, draw: random.Random) -> Iterator[tuple[tuple[int, ...], list[Sighting]]]:
    """Yield three frames and, for `count` of them in drawn order, a thing of its own label in each."""
    total = len(seen.frames)
    for _ in range(2 * OF_A_KIND if total >= VIEWS else 0):
        frames = tuple(sorted(draw.sample(range(total), VIEWS)))
        found: list[Sighting] = []
        for frame in draw.sample(frames, count):
            known = {seen.label(one) for one in found}
            others = [one for one in seen.frames[frame].values() if seen.label(one) not in known]
            found += draw.sample(others, min(1, len(others)))
        if len(found) == count:
            yield frames, found


def film_frames(seen: Seen) -> tuple[int, ...]:
    """Return the frames that questions about the film show; () where there are too few to be told from pictures."""
    frames = tuple(uniform(len(seen.frames), FILM_FRAMES))
    return frames if len(frames) > VIEWS else ()


def in_film(seen: Seen, count: int, draw: random.Random) -> Iterator[list[Sighting]]:
    """Yield `count` things of different labels, each in some frame of the film."""
    everything = [one for frame in film_frames(seen) for one in seen.frames[frame].values()]
    for _ in range(2 * OF_A_KIND if len(everything) >= count else 0):
        shown = draw.sample(everything, count)
        if seen.differ(shown):
            yield shown


def points(*shown: Sighting) -> dict[str, Any]:
    """Return a red, a blue and a green point."""
    return {f"{colour}_point": [list(one.point)] for colour, one in zip(_COLOURS, shown, strict=False)}


def boxes(*shown: Sighting) -> dict[str, Any]:
    """Return a red, a blue and a green box."""
    return {f"{colour}_bbox": [list(one.box)] for colour, one in zip(_COLOURS, shown, strict=False)}


def places(frames: Sequence[int], *shown: Sighting) -> list[list[int]]:
    """Return on which of the frames each thing is marked."""
    return [[frames.index(one.frame) for one in shown]]


def apart(first: Sighting, second: Sighting) -> float:
    """Return the metres between two marked points in the room."""
    return float(np.linalg.norm(np.array(first.place) - np.array(second.place)))


def nearer(one: Sighting, *others: Sighting) -> Sighting:
    """Return which of the others is nearest to a thing."""
    return min(others, key=lambda other: apart(one, other))


def side(standing: Sighting, facing: Sighting, target: Sighting) -> str:
    """Return "left" or "right": where a third thing is for one who stands by a thing and faces another."""
    left = turn(*(np.array(one.place[:2]) for one in (standing, facing, target)))
    return "left" if left > 0 else "right"
