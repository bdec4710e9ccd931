"""Questions of SPAR about a whole film of a room, with and without marks; and navigation, which the mix leaves out.

Source: formats of SPAR-7M, section 3.
"""

import random
from collections.abc import Iterator

from vgcli_core.data.rooms.layouts.spar_pictures import how_far
from vgcli_core.data.rooms.layouts.spar_row import (
    Make,
    Row,
    Seen,
    apart,
    boxes,
    film_frames,
    in_film,
    nearer,
    places,
    points,
    side,
)

NAVIGATION = "nav"


def _distance_in_film(seen: Seen, draw: random.Random) -> Iterator[Row]:
    frames = film_frames(seen)
    for a, b in in_film(seen, 2, draw):
        markers = {**points(a, b), "point_img_idx": places(frames, a, b)}
        yield Row("distance_prediction_oo_video", how_far(seen, a, b), f"{apart(a, b):.1f}", frames, markers)


def _nearer_in_film(seen: Seen, draw: random.Random) -> Iterator[Row]:
    frames = film_frames(seen)
    for shown in in_film(seen, 3, draw):
        question = "Which is closer to objectA: object0 or object1?"
        answer = "object0" if nearer(*shown) is shown[1] else "object1"
        markers = {"point_list": [[list(one.point) for one in shown]], "point_img_idx": places(frames, *shown)}
        yield Row("distance_infer_center_oo_video", question, answer, frames, markers)


def _imagined_side_in_film(seen: Seen, draw: random.Random) -> Iterator[Row]:
    frames = film_frames(seen)
    for a, b, c in in_film(seen, 3, draw):
        question = "Standing by object2 and facing object1, is object0 on the left or on the right?"
        # object0 is green, object1 blue, object2 red.
        markers = {**boxes(a, b, c), "bbox_img_idx": places(frames, c, b, a)}
        yield Row("spatial_imagination_oc_video", question, side(a, b, c), frames, markers)


def _frame_of(seen: Seen, draw: random.Random) -> Iterator[Row]:
    frames = film_frames(seen)
    for (a,) in in_film(seen, 1, draw):
        showing = [str(place + 1) for place, frame in enumerate(frames) if a.thing in seen.frames[frame]]
        question = f"In which frames is the {seen.label(a)} (red bbox) visible?"
        markers = {**boxes(a), "bbox_img_idx": places(frames, a)}
        yield Row("obj_frame_locate", question, ", ".join(showing), frames, markers)


def _count_in_film(seen: Seen, draw: random.Random) -> Iterator[Row]:
    labels = [thing.label for thing in seen.film.room.things]
    for (a,) in in_film(seen, 1, draw):
        label = seen.label(a)
        yield Row("obj_count", f"How many {label}s are there?", str(labels.count(label)), film_frames(seen), {})


def _room_size(seen: Seen, draw: random.Random) -> Iterator[Row]:
    frames = film_frames(seen)
    if frames:
        width, depth, _ = seen.film.room.size
        yield Row("room_size", "How large is the room in square meters?", f"{width * depth:.1f}", frames, {})


def _navigation(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for (a,) in in_film(seen, 1, draw):
        yield Row(NAVIGATION, f"How do you get to the {seen.label(a)}?", "Straight on.", film_frames(seen), {})


WHOLE_FILM: tuple[Make, ...] = (
    *(_distance_in_film, _nearer_in_film, _imagined_side_in_film, _frame_of, _count_in_film, _room_size, _navigation),
)
