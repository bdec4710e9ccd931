"""Questions with a number as the answer: how many, how far, how long, how large."""

import random
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from vgcli_core.data.rooms.between import distance, stacked
from vgcli_core.data.rooms.descriptions import has_name, rivals
from vgcli_core.data.rooms.question import Draft
from vgcli_core.data.rooms.shown import Shown
from vgcli_core.geometry.boxes import corners
from vgcli_core.geometry.camera import project

ONES = 0.3  # share of the rooms in which it is asked how many there are of something, and there is one

# Things of which a room may well have several: asked about one of them, nobody knows the answer without looking.
_OFTEN_SEVERAL = (
    *("armchair", "backpack", "book", "bookshelf", "box", "cabinet", "chair", "lamp", "monitor", "nightstand"),
    *("ottoman", "picture", "pillow", "plant", "stool", "table", "trash can"),
)

SHORTEST = 0.3  # metres: shorter distances are asked for by nobody, and one decimal would say little


def counts(shown: Shown, draw: random.Random) -> Iterator[Draft]:
    """Ask how many there are of each label that several things have, all of them seen; now and then of one thing."""
    labels = [thing.label for thing in shown.room.things]
    ones: list[Draft] = []
    for label in sorted(set(labels)):
        members = tuple(number for number, other in enumerate(labels) if other == label)
        # A chair may be called an armchair or not; where both are there, people count differently.
        named = has_name(shown.room, members[0]) and all(
            len(rivals(shown.room, one)) == len(members) - 1 for one in members
        )
        if named and set(members) <= set(shown.things):
            text = f"How many {label}(s) are in this room?"
            draft = Draft("object_counting", text, str(len(members)), things=members)
            if len(members) > 1:
                yield draft
            elif label in _OFTEN_SEVERAL:
                ones.append(draft)
    if ones and draw.random() < ONES:
        yield draw.choice(ones)


def distances(shown: Shown) -> Iterator[Draft]:
    """Ask for the metres between the closest points of two things that do not stand on each other."""
    things = shown.room.things
    for first, second in combinations(shown.named, 2):
        metres = distance(things[first].box, things[second].box)
        if metres < SHORTEST or stacked(shown.room, first, second):
            continue
        text = (
            "Measuring from the closest point of each object, what is the distance between "
            f"the {things[first].label} and the {things[second].label} (in meters)?"
        )
        yield Draft("object_abs_distance", text, f"{metres:.1f}", things=(first, second))


def sizes(shown: Shown) -> Iterator[Draft]:
    """Ask for the longest edge of things that some frame shows as a whole, in centimetres."""
    for number in shown.named:
        if not _seen_whole(shown, number):
            continue
        thing = shown.room.things[number]
        text = (
            "What is the length of the longest dimension (length, width, or height) of "
            f"the {thing.label}, measured in centimeters?"
        )
        longest = round(100 * float(thing.box[3:6].max()))
        yield Draft("object_size_estimation", text, str(longest), things=(number,))


def room_sizes(shown: Shown) -> Iterator[Draft]:
    """Ask for the floor area in square metres, where the frames show enough of the room."""
    if shown.whole_room:
        width, depth, _ = shown.room.size
        text = (
            "What is the size of this room (in square meters)? "
            "If multiple rooms are shown, estimate the size of the combined space."
        )
        yield Draft("room_size_estimation", text, f"{width * depth:.1f}")


def _seen_whole(shown: Shown, number: int) -> bool:
    """Tell whether a frame that shows the thing has all corners of its box inside the image."""
    points = corners(shown.room.things[number].box[None])[0]
    for place in np.flatnonzero(shown.visible[:, number]).tolist():
        pose = shown.room.cameras_to_world[shown.positions[place]]
        camera = (points - pose[:3, 3]) @ pose[:3, :3]  # the inverse of a rotation is its transpose
        pixels, depth = project(camera, shown.room.intrinsics)
        size = (shown.room.width, shown.room.height)
        if (depth > 0).all() and (pixels >= 0).all() and (pixels <= size).all():
            return True
    return False
