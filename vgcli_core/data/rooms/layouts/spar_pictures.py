"""Questions of SPAR about one picture of a room, and about three: points and boxes on the frames that are named.

Source: formats of SPAR-7M, section 3.
"""

import random
from collections.abc import Iterator

import numpy as np

from vgcli_core.data.rooms.layouts.sightings import Sighting
from vgcli_core.data.rooms.layouts.spar_row import (
    Make,
    Row,
    Seen,
    across,
    apart,
    boxes,
    nearer,
    places,
    points,
    side,
    together,
)


def _depth_of_another(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for a, b in together(seen, 2, draw):
        question = (
            f"With the {seen.label(a)} (red point) having a depth of {a.depth:.1f} meters, determine the depth of the "
            f"{seen.label(b)} (blue point)."
        )
        yield Row("depth_prediction_oc", question, f"{b.depth:.1f}", (a.frame,), points(a, b))


def _deeper(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for a, b, c in together(seen, 3, draw):
        question = (
            f"Assume the depth of the {seen.label(a)} (red point) is {a.depth:.1f}. How much deeper is the "
            f"{seen.label(b)} (blue point) than the {seen.label(c)} (green point)?"
        )
        yield Row("depth_prediction_oo", question, f"{b.depth - c.depth:.1f}", (a.frame,), points(a, b, c))


def _distance_to_camera(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for (a,) in together(seen, 1, draw):
        metres = float(np.linalg.norm(np.array(a.place) - seen.film.room.cameras_to_world[a.frame][:3, 3]))
        question = f"How far is the {seen.label(a)} (red point) from the camera, in meters?"
        yield Row("distance_prediction_oc", question, f"{metres:.1f}", (a.frame,), points(a))


def _distance_between(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for a, b in together(seen, 2, draw):
        yield Row("distance_prediction_oo", how_far(seen, a, b), f"{apart(a, b):.1f}", (a.frame,), points(a, b))


def _nearer(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for a, b, c in together(seen, 3, draw):
        question = (
            f"Which is closer to the {seen.label(a)} (red point): the {seen.label(b)} (blue point) or the "
            f"{seen.label(c)} (green point)?"
        )
        yield Row("distance_infer_center_oo", question, seen.label(nearer(a, b, c)), (a.frame,), points(a, b, c))


def _side_in_picture(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for a, b in together(seen, 2, draw):
        question = f"Is the {seen.label(a)} (red bbox) left or right of the {seen.label(b)} (blue bbox) in the picture?"
        answer = "left" if a.point[0] < b.point[0] else "right"
        yield Row("obj_spatial_relation_oo", question, answer, (a.frame,), boxes(a, b))


def _volume(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for (a,) in together(seen, 1, draw):
        volume = float(np.prod(seen.film.room.things[a.thing].box[3:6]))
        question = f"What is the volume of the {seen.label(a)} (red bbox) in cubic meters?"
        yield Row("spatial_volume_infer", question, f"{volume:.2f}", (a.frame,), boxes(a))


def _imagined_side(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for a, b, c in together(seen, 3, draw):
        question = (
            f"Standing by the {seen.label(a)} (red bbox) and facing the {seen.label(b)} (blue bbox), is the "
            f"{seen.label(c)} (green bbox) on the left or on the right?"
        )
        yield Row("spatial_imagination_oc", question, side(a, b, c), (a.frame,), boxes(a, b, c))


def _match(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, _ in across(seen, 1, draw):
        first, second = frames[0], frames[1]
        for thing in sorted(seen.frames[first].keys() & seen.frames[second].keys())[:1]:
            a, b = seen.frames[first][thing], seen.frames[second][thing]
            question = f"The {seen.label(a)} (red bbox) in the first picture: what is its bounding box in the second?"
            markers = {**boxes(a), "bbox_img_idx": [[0, 1]]}
            yield Row("position_matching", question, str(list(b.box)), frames, markers)


def _depth_across(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, (a, b) in across(seen, 2, draw):
        question = (
            f"With the {seen.label(a)} (red point) at a depth of {a.depth:.1f} in its picture, how deep is the "
            f"{seen.label(b)} (blue point) in its own?"
        )
        markers = {**points(a, b), "point_img_idx": places(frames, a, b)}
        yield Row("depth_prediction_oc_mv", question, f"{b.depth:.1f}", frames, markers)


def _deeper_across(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, (a, b, c) in across(seen, 3, draw):
        question = (
            f"Assume the depth of the {seen.label(a)} (red point) is {a.depth:.1f}. How much deeper is the "
            f"{seen.label(b)} (blue point) than the {seen.label(c)} (green point), each in its picture?"
        )
        markers = {**points(a, b, c), "point_img_idx": places(frames, a, b, c)}
        yield Row("depth_prediction_oo_mv", question, f"{b.depth - c.depth:.1f}", frames, markers)


def _distance_to_first_camera(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, (a,) in across(seen, 1, draw):
        camera = seen.film.room.cameras_to_world[frames[0]][:3, 3]
        metres = float(np.linalg.norm(np.array(a.place) - camera))
        question = f"How far is the {seen.label(a)} (red point) from the camera of the first picture, in meters?"
        markers = {**points(a), "point_img_idx": places(frames, a)}
        yield Row("distance_prediction_oc_mv", question, f"{metres:.1f}", frames, markers)


def _distance_across(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, (a, b) in across(seen, 2, draw):
        markers = {**points(a, b), "point_img_idx": places(frames, a, b)}
        yield Row("distance_prediction_oo_mv", how_far(seen, a, b), f"{apart(a, b):.1f}", frames, markers)


def _nearer_across(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, (a, b, c) in across(seen, 3, draw):
        question = (
            f"Which is closer to the {seen.label(a)} (red point): the {seen.label(b)} (green point) or the "
            f"{seen.label(c)} (blue point)?"
        )
        # The owner numbers green before blue here.
        markers = {**points(a, c, b), "point_img_idx": places(frames, a, b, c)}
        yield Row("distance_infer_center_oo_mv", question, seen.label(nearer(a, b, c)), frames, markers)


def _higher_across(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, (a, b) in across(seen, 2, draw):
        question = (
            f"Which is higher above the floor: the {seen.label(a)} (red bbox) or the {seen.label(b)} (blue bbox)?"
        )
        answer = seen.label(max(a, b, key=lambda one: one.place[2]))
        markers = {**boxes(a, b), "bbox_img_idx": places(frames, a, b)}
        yield Row("obj_spatial_relation_oo_mv", question, answer, frames, markers)


def _side_of_first_camera(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, (a,) in across(seen, 1, draw):
        pose = seen.film.room.cameras_to_world[frames[0]]
        right = float((np.array(a.place) - pose[:3, 3]) @ pose[:3, 0])
        question = f"Is the {seen.label(a)} (red bbox) left or right of the camera of the first picture?"
        markers = {**boxes(a), "bbox_img_idx": places(frames, a)}
        yield Row("obj_spatial_relation_oc_mv", question, "right" if right > 0 else "left", frames, markers)


def _imagined_side_across(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, (a, b, c) in across(seen, 3, draw):
        question = (
            f"Standing by the {seen.label(a)} (red bbox) and facing the {seen.label(b)} (blue bbox), is the "
            f"{seen.label(c)} (green bbox) on the left or on the right?"
        )
        # The owner numbers green first, then blue, then red.
        markers = {**boxes(a, b, c), "bbox_img_idx": places(frames, c, b, a)}
        yield Row("spatial_imagination_oc_mv", question, side(a, b, c), frames, markers)


def _on_one_map(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, shown in across(seen, 3, draw):
        names = ", ".join(f"object{number}" for number in range(len(shown)))
        question = f"Which of {names} is highest above the floor?"
        answer = f"object{int(np.argmax([one.place[2] for one in shown]))}"
        markers = {"bbox_list": [[list(one.box) for one in shown]], "bbox_img_idx": places(frames, *shown)}
        yield Row("spatial_imagination_map_mv", question, answer, frames, markers)


def how_far(seen: Seen, first: Sighting, second: Sighting) -> str:
    """Return the question for a distance between two points."""
    return (
        f"How far are the {seen.label(first)} (red point) and the {seen.label(second)} (blue point) apart, in meters?"
    )


ONE_PICTURE: tuple[Make, ...] = (
    *(_depth_of_another, _deeper, _distance_to_camera, _distance_between, _nearer, _side_in_picture, _volume),
    _imagined_side,
)
THREE_PICTURES: tuple[Make, ...] = (
    *(_match, _depth_across, _deeper_across, _distance_to_first_camera, _distance_across, _nearer_across),
    *(_higher_across, _side_of_first_camera, _imagined_side_across, _on_one_map),
)
