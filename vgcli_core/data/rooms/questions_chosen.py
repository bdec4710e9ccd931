"""Questions with options: which is nearest, on which side, which came first, how to walk."""

import random
from collections.abc import Iterator
from itertools import permutations

import numpy as np

from vgcli_core.data.rooms.between import centre_distance, distance, footprint, stacked, turn
from vgcli_core.data.rooms.descriptions import has_name
from vgcli_core.data.rooms.labels import alike
from vgcli_core.data.rooms.question import Draft
from vgcli_core.data.rooms.shown import Shown
from vgcli_core.geometry.boxes import Floats, rotations

OPTIONS = 4
NEARER = 0.3  # metres by which the nearest thing is nearer than all others, at least
NEARER_RATIO = 1.25  # times by which it is
APART = 0.8  # metres between the middles of things that directions are asked about, at least
SURE = 15.0  # degrees between a direction and the next one that could be meant, at least
TRIES = 40  # sets of options, or triples of things, that are looked at

_BACK = 135.0  # degrees: from here on something is behind one's back (VSI-Bench's own words)
_STEP = 0.05  # metres between points of a path that are looked at
_SHOULDERS = 0.2  # metres to either side of a path that must be free
_LOW = 0.5  # metres: what hangs higher is in nobody's way
_ZIGZAGS = ("Turn Left, Turn Right", "Turn Right, Turn Left")
_USUAL = 4.0  # times as readily one of these is offered: so they are right as often as others, where they are offered
_MOVES = {"turn left": "Turn Left", "turn right": "Turn Right", "turn back": "Turn Back"}


def nearest(shown: Shown, draw: random.Random) -> Iterator[Draft]:
    """Ask which of four things is closest to another one."""
    things = shown.room.things
    for target in shown.named:
        others = [number for number in shown.named if number != target and not stacked(shown.room, number, target)]
        for _ in range(TRIES if len(others) >= OPTIONS else 0):
            picked = draw.sample(others, OPTIONS)
            gaps = [distance(things[number].box, things[target].box) for number in picked]
            first, second = sorted(gaps)[:2]
            if second < max(first + NEARER, first * NEARER_RATIO):
                continue
            names = [things[number].label for number in picked]
            text = (
                f"Measuring from the closest point of each object, which of these objects ({', '.join(names)}) "
                f"is the closest to the {things[target].label}?"
            )
            answer = names[gaps.index(first)]
            yield Draft("object_rel_distance", text, answer, tuple(names), (target, *picked))
            break


def directions(shown: Shown, draw: random.Random) -> Iterator[Draft]:
    """Ask, standing by one thing and facing another, on which side a third one is; three degrees of difficulty."""
    things = shown.room.things
    triples = list(permutations(shown.named, 3))
    for standing, facing, target in draw.sample(triples, min(len(triples), 10 * TRIES)):
        boxes = [things[number].box for number in (standing, facing, target)]
        pairs = ((0, 1), (0, 2), (1, 2))
        if any(centre_distance(boxes[a], boxes[b]) < APART for a, b in pairs):
            continue
        left = turn(boxes[0][:2], boxes[1][:2], boxes[2][:2])
        rim = [turn(boxes[0][:2], boxes[1][:2], corner) for corner in footprint(boxes[2])]
        by, at, what = (things[number].label for number in (standing, facing, target))
        opening = f"If I am standing by the {by} and facing the {at}, is the {what} to "
        for kind, side, choices, rest in (
            ("easy", _easy, ("left", "right"), f"the left or the right of the {at}?"),
            ("medium", _medium, ("left", "right", "back"), _MEDIUM),
            ("hard", _hard, ("front-left", "front-right", "back-left", "back-right"), _HARD),
        ):
            answer = side(left, SURE)
            # All of the thing must lie on that side, and its middle clearly.
            if answer and all(side(corner, 0.0) == answer for corner in rim):
                things_named = (standing, facing, target)
                yield Draft(f"object_rel_direction_{kind}", opening + rest, answer, choices, things_named)


_MEDIUM = (
    "my left, right, or back? An object is to my back if I would have to turn at least 135 degrees in order to face it."
)
_HARD = (
    "my front-left, front-right, back-left, or back-right? The directions refer to the quadrants of a Cartesian plane "
    "(if I am standing at the origin and facing along the positive y-axis)."
)


def _easy(left: float, margin: float) -> str:
    """Left or right; neither ahead nor behind."""
    return _side(left) if margin <= abs(left) <= 180 - margin else ""


def _medium(left: float, margin: float) -> str:
    """Left, right or back; not ahead."""
    if abs(left) >= _BACK + margin:
        return "back"
    # What lies ahead would have to be called left or right, which nobody does.
    return _side(left) if 180 - _BACK + margin <= abs(left) <= _BACK - margin else ""


def _hard(left: float, margin: float) -> str:
    """One of four quadrants."""
    if margin <= abs(left) <= 90 - margin:
        return f"front-{_side(left)}"
    return f"back-{_side(left)}" if 90 + margin <= abs(left) <= 180 - margin else ""


def _side(left: float) -> str:
    return "left" if left > 0 else "right"


def orders(shown: Shown, draw: random.Random) -> Iterator[Draft]:
    """Ask in which order four kinds of things appear for the first time; whatever counts as appearing."""
    room = shown.room
    every = {thing.label for thing in room.things}
    labels = sorted({room.things[number].label for number in shown.things if has_name(room, number)})
    labels = [label for label in labels if sum(alike(label, other) for other in every) == 1]
    first = {label: shown.first_frame(label) for label in labels}
    glimpse = {label: shown.first_glimpse(label) for label in labels}
    asked = set()
    for _ in range(TRIES if len(labels) >= OPTIONS else 0):
        picked = draw.sample(labels, OPTIONS)
        if frozenset(picked) in asked:
            continue
        asked.add(frozenset(picked))
        order = sorted(picked, key=lambda label: first[label] or 0)
        seen = [first[label] for label in order]
        noticed = [glimpse[label] for label in order]
        # Frames must differ, and the order must be the same for eyes that see a thing earlier than others do.
        if len(set(seen)) < OPTIONS or len(set(noticed)) < OPTIONS or noticed != sorted(noticed, key=lambda x: x or 0):
            continue
        wrong = [other for other in permutations(order) if list(other) != order]
        choices = [", ".join(other) for other in (tuple(order), *draw.sample(wrong, OPTIONS - 1))]
        text = (
            "What will be the first-time appearance order of the following categories in the video: "
            f"{', '.join(picked)}?"
        )
        members = tuple(number for number in shown.things if shown.room.things[number].label in picked)
        yield Draft("obj_appearance_order", text, choices[0], tuple(choices), members)


def routes(shown: Shown, draw: random.Random) -> Iterator[Draft]:
    """Ask for the turns on a walk past one thing to another, along free straight lines between their middles."""
    things = shown.room.things
    standing = [
        number for number in shown.named if things[number].support is None and _bottom(things[number].box) < _LOW
    ]
    free = {
        (a, b): centre_distance(things[a].box, things[b].box) >= APART and _is_free(shown, a, b)
        for a, b in permutations(standing, 2)
    }
    walks = [
        (start, facing, via, goal)
        for start, via, goal in permutations(standing, 3)
        if free[start, via] and free[via, goal]
        for facing in standing
        if facing not in (start, via, goal)
    ]
    for walk in draw.sample(walks, min(len(walks), TRIES)):
        start, facing, via, goal = (things[number].box[:2] for number in walk)
        moves = _move(turn(start, facing, via)), _move(turn(via, 2 * via - start, goal))
        if not all(moves):
            continue
        a, b, x, c = (things[number].label for number in walk)
        text = (
            f"You are a robot beginning at the {a} facing the {b}. You want to navigate to the {c}. You will perform "
            "the following actions (Note: for each [please fill in], choose either 'turn back,' 'turn left,' or "
            f"'turn right.'): 1. [please fill in] 2. Go forward until the {x} 3. [please fill in] 4. Go forward until "
            f"the {c}. You have reached the final destination."
        )
        answer = f"{_MOVES[moves[0]]}, {_MOVES[moves[1]]}"
        yield Draft("route_planning", text, answer, (answer, *_other_moves(answer, draw)), walk)


def _other_moves(answer: str, draw: random.Random) -> list[str]:
    """Draw wrong options as often as they are right elsewhere: who knows which turns are usual gains nothing by it."""
    left = [f"{one}, {two}" for one in _MOVES.values() for two in _MOVES.values()]
    left.remove(answer)
    wrong: list[str] = []
    while len(wrong) < OPTIONS - 1:
        wrong += draw.choices(left, [_USUAL if moves in _ZIGZAGS else 1.0 for moves in left])
        left.remove(wrong[-1])
    return wrong


def _move(left: float) -> str:
    """Name a turn that is clearly one of three; "" for others."""
    if abs(left) >= 180 - 2 * SURE:
        return "turn back"
    return f"turn {_side(left)}" if 90 - 2 * SURE <= abs(left) <= 90 + 2 * SURE else ""


def _bottom(box: Floats) -> float:
    return float(box[2] - box[5] / 2)


def _is_free(shown: Shown, first: int, second: int) -> bool:
    """Tell whether nothing stands on the straight line between the middles of two things."""
    room = shown.room
    start, end = room.things[first].box[:2], room.things[second].box[:2]
    share = np.linspace(0, 1, int(np.linalg.norm(end - start) / _STEP) + 2)[:, None]
    points = start + share * (end - start)
    boxes = [thing.box for number, thing in enumerate(room.things) if number not in (first, second)]
    boxes += [part.box for part in room.clutter]
    for box in boxes:
        within = np.abs((points - box[:2]) @ rotations(box[None, 6:])[0, :2, :2])
        if _bottom(box) < _LOW and (within <= box[3:5] / 2 + _SHOULDERS).all(axis=1).any():
            return False
    return True
