"""Questions with markers about rooms, in the folders and rows of SPAR-7M.

One picture, three pictures or a film; points, boxes and lists of them, on the frames that the owner's fields name.
`sentence` files are whole, others have a first tenth that the training mix takes.

Source: formats of SPAR-7M, sections 1 to 3.
"""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vgcli_core.atomic import atomic_path
from vgcli_core.data import draws
from vgcli_core.data.rooms.film import Film
from vgcli_core.data.rooms.layouts.files import write_lines
from vgcli_core.data.rooms.layouts.recording import Recording
from vgcli_core.data.rooms.layouts.sightings import Sighting, sightings
from vgcli_core.media.sampling import uniform

VIEWS = 3
FILM_FRAMES = 32
OF_A_KIND = 4  # rows of one type and room
FORMATS = ("sentence", "fill", "select")


class Row(NamedTuple):
    """One question: its type, text and answer, the frames that it shows, and its marker fields."""

    kind: str
    question: str
    answer: str
    frames: tuple[int, ...]
    markers: dict[str, Any]


class Seen(NamedTuple):
    """A film and what its frames show."""

    film: Film
    frames: list[dict[int, Sighting]]

    def label(self, sighting: Sighting) -> str:
        """Return what is seen."""
        return self.film.room.things[sighting.thing].label


def write_spar(rooms: Sequence[tuple[Film, Recording]], raw: Path, seed: int) -> list[Path]:
    """Write pictures and questions below `raw`/spar/scannet; return the files of questions."""
    folder = raw / "spar" / "scannet"
    lines: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for film, recording in rooms:
        draw = draws.generator(seed, "spar", recording.scene)
        used: set[tuple[str, int]] = set()
        for number, row in enumerate(rows_of(film, draw)):
            pictures = "video_color" if len(row.frames) > VIEWS else "image_color"
            used |= {(pictures, frame) for frame in row.frames}
            lines[row.kind, FORMATS[number % len(FORMATS)]].append(_line(row, recording.scene, number, pictures))
        for pictures, frame in sorted(used):
            with atomic_path(folder / "images" / recording.scene / pictures / f"{frame}.jpg") as temporary:
                temporary.write_bytes(film.jpegs[frame])
    train = folder / "qa_jsonl" / "train"
    return [
        write_lines(train / kind / name / f"{name}_{len(found)}.jsonl", found)
        for (kind, name), found in sorted(lines.items())
    ]


def rows_of(film: Film, draw: random.Random) -> Iterator[Row]:
    """Yield questions of each type that the film has enough for."""
    seen = Seen(film, sightings(film.room))
    for make in (*_ONE_PICTURE, *_SEVERAL_PICTURES, *_FILM):
        found = list(make(seen, draw))
        yield from draw.sample(found, min(OF_A_KIND, len(found)))


def _line(row: Row, scene: str, number: int, pictures: str) -> str:
    talk = [{"from": "human", "value": row.question}, {"from": "gpt", "value": row.answer}]
    record = {
        "id": f"{scene}_{number}",
        "conversations": talk,
        "image": [f"{scene}/{pictures}/{frame}.jpg" for frame in row.frames],
        "type": row.kind,
        "depth": [f"{scene}/{pictures.replace('color', 'depth')}/{frame}.png" for frame in row.frames],
        **row.markers,
    }
    return json.dumps(record)


Make = Callable[[Seen, random.Random], Iterator[Row]]


def _together(seen: Seen, count: int, draw: random.Random) -> Iterator[tuple[Sighting, ...]]:
    """Yield `count` things of different labels that one frame shows, for a few frames."""
    for frame in draw.sample(seen.frames, min(8, len(seen.frames))):
        groups = [
            group for group in permutations(frame.values(), count) if len({seen.label(one) for one in group}) == count
        ]
        yield from draw.sample(groups, min(2, len(groups)))


def _depth_of_another(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for a, b in _together(seen, 2, draw):
        question = (
            f"With the {seen.label(a)} (red point) having a depth of {a.depth:.1f} meters, determine the depth of the "
            f"{seen.label(b)} (blue point)."
        )
        yield Row("depth_prediction_oc", question, f"{b.depth:.1f}", (a.frame,), _points(a, b))


def _deeper(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for a, b, c in _together(seen, 3, draw):
        question = (
            f"Assume the depth of the {seen.label(a)} (red point) is {a.depth:.1f}. How much deeper is the "
            f"{seen.label(b)} (blue point) than the {seen.label(c)} (green point)?"
        )
        yield Row("depth_prediction_oo", question, f"{b.depth - c.depth:.1f}", (a.frame,), _points(a, b, c))


def _distance_to_camera(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for (a,) in _together(seen, 1, draw):
        metres = float(np.linalg.norm(np.array(a.place) - seen.film.room.cameras_to_world[a.frame][:3, 3]))
        question = f"How far is the {seen.label(a)} (red point) from the camera, in meters?"
        yield Row("distance_prediction_oc", question, f"{metres:.1f}", (a.frame,), _points(a))


def _distance_between(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for a, b in _together(seen, 2, draw):
        question = f"How far are the {seen.label(a)} (red point) and the {seen.label(b)} (blue point) apart, in meters?"
        yield Row("distance_prediction_oo", question, f"{_apart(a, b):.1f}", (a.frame,), _points(a, b))


def _nearer(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for a, b, c in _together(seen, 3, draw):
        question = (
            f"Which is closer to the {seen.label(a)} (red point): the {seen.label(b)} (blue point) or the "
            f"{seen.label(c)} (green point)?"
        )
        answer = seen.label(min(b, c, key=lambda one: _apart(a, one)))
        yield Row("distance_infer_center_oo", question, answer, (a.frame,), _points(a, b, c))


def _side(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for a, b in _together(seen, 2, draw):
        question = f"Is the {seen.label(a)} (red bbox) left or right of the {seen.label(b)} (blue bbox) in the picture?"
        answer = "left" if a.point[0] < b.point[0] else "right"
        yield Row("obj_spatial_relation_oo", question, answer, (a.frame,), _boxes(a, b))


def _volume(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for (a,) in _together(seen, 1, draw):
        volume = float(np.prod(seen.film.room.things[a.thing].box[3:6]))
        question = f"What is the volume of the {seen.label(a)} (red bbox) in cubic meters?"
        yield Row("spatial_volume_infer", question, f"{volume:.2f}", (a.frame,), _boxes(a))


def _views(seen: Seen, draw: random.Random, count: int) -> Iterator[tuple[tuple[int, ...], list[Sighting]]]:
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


def _places(frames: Sequence[int], shown: Sequence[Sighting]) -> list[list[int]]:
    return [[frames.index(one.frame) for one in shown]]


def _match(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, _ in _views(seen, draw, 1):
        first, second = frames[0], frames[1]
        for thing in sorted(seen.frames[first].keys() & seen.frames[second].keys())[:1]:
            a, b = seen.frames[first][thing], seen.frames[second][thing]
            question = f"The {seen.label(a)} (red bbox) in the first picture: what is its bounding box in the second?"
            markers = {**_boxes(a), "bbox_img_idx": [[0, 1]]}
            yield Row("position_matching", question, str(list(b.box)), frames, markers)


def _depth_across(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, (a, b) in _views(seen, draw, 2):
        question = (
            f"With the {seen.label(a)} (red point) at a depth of {a.depth:.1f} in its picture, how deep is the "
            f"{seen.label(b)} (blue point) in its own?"
        )
        markers = {**_points(a, b), "point_img_idx": _places(frames, (a, b))}
        yield Row("depth_prediction_oc_mv", question, f"{b.depth:.1f}", frames, markers)


def _distance_across(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, (a, b) in _views(seen, draw, 2):
        question = f"How far are the {seen.label(a)} (red point) and the {seen.label(b)} (blue point) apart, in meters?"
        markers = {**_points(a, b), "point_img_idx": _places(frames, (a, b))}
        yield Row("distance_prediction_oo_mv", question, f"{_apart(a, b):.1f}", frames, markers)


def _nearer_across(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, (a, b, c) in _views(seen, draw, 3):
        question = (
            f"Which is closer to the {seen.label(a)} (red point): the {seen.label(b)} (green point) or the "
            f"{seen.label(c)} (blue point)?"
        )
        answer = seen.label(min(b, c, key=lambda one: _apart(a, one)))
        # The owner numbers green before blue here.
        markers = {**_points(a, c, b), "point_img_idx": _places(frames, (a, b, c))}
        yield Row("distance_infer_center_oo_mv", question, answer, frames, markers)


def _on_one_map(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for frames, shown in _views(seen, draw, 3):
        names = ", ".join(f"object{number}" for number in range(len(shown)))
        question = f"Which of {names} is highest above the floor?"
        answer = f"object{int(np.argmax([one.place[2] for one in shown]))}"
        markers = {"bbox_list": [[list(one.box) for one in shown]], "bbox_img_idx": _places(frames, shown)}
        yield Row("spatial_imagination_map_mv", question, answer, frames, markers)


def _film(seen: Seen) -> tuple[int, ...]:
    return tuple(uniform(len(seen.frames), FILM_FRAMES))


def _in_film(seen: Seen, draw: random.Random, count: int) -> Iterator[list[Sighting]]:
    frames = _film(seen)
    everything = [one for frame in frames for one in seen.frames[frame].values()]
    # Fewer frames than a film has would be taken for single pictures.
    for _ in range(2 * OF_A_KIND if len(everything) >= count and len(frames) > VIEWS else 0):
        shown = draw.sample(everything, count)
        if len({seen.label(one) for one in shown}) == count:
            yield shown


def _distance_in_film(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for a, b in _in_film(seen, draw, 2):
        frames = _film(seen)
        question = f"How far are the {seen.label(a)} (red point) and the {seen.label(b)} (blue point) apart, in meters?"
        markers = {**_points(a, b), "point_img_idx": _places(frames, (a, b))}
        yield Row("distance_prediction_oo_video", question, f"{_apart(a, b):.1f}", frames, markers)


def _nearer_in_film(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for shown in _in_film(seen, draw, 3):
        frames = _film(seen)
        question = "Which is closer to objectA: object0 or object1?"
        answer = "object0" if _apart(shown[0], shown[1]) < _apart(shown[0], shown[2]) else "object1"
        markers = {"point_list": [[list(one.point) for one in shown]], "point_img_idx": _places(frames, shown)}
        yield Row("distance_infer_center_oo_video", question, answer, frames, markers)


def _frame_of(seen: Seen, draw: random.Random) -> Iterator[Row]:
    for (a,) in _in_film(seen, draw, 1):
        frames = _film(seen)
        showing = [str(place + 1) for place, frame in enumerate(frames) if a.thing in seen.frames[frame]]
        question = f"In which frames is the {seen.label(a)} (red bbox) visible?"
        markers = {**_boxes(a), "bbox_img_idx": _places(frames, (a,))}
        yield Row("obj_frame_locate", question, ", ".join(showing), frames, markers)


def _count_in_film(seen: Seen, draw: random.Random) -> Iterator[Row]:
    labels = [thing.label for thing in seen.film.room.things]
    for (a,) in _in_film(seen, draw, 1):
        label = seen.label(a)
        yield Row("obj_count", f"How many {label}s are there?", str(labels.count(label)), _film(seen), {})


def _room_size(seen: Seen, draw: random.Random) -> Iterator[Row]:
    if len(_film(seen)) > VIEWS:
        width, depth, _ = seen.film.room.size
        yield Row("room_size", "How large is the room in square meters?", f"{width * depth:.1f}", _film(seen), {})


_ONE_PICTURE: tuple[Make, ...] = (
    *(_depth_of_another, _deeper, _distance_to_camera, _distance_between, _nearer, _side, _volume),
)
_SEVERAL_PICTURES: tuple[Make, ...] = (_match, _depth_across, _distance_across, _nearer_across, _on_one_map)
_FILM: tuple[Make, ...] = (_distance_in_film, _nearer_in_film, _frame_of, _count_in_film, _room_size)

_COLOURS = ("red", "blue", "green")


def _points(*shown: Sighting) -> dict[str, Any]:
    return {f"{colour}_point": [list(one.point)] for colour, one in zip(_COLOURS, shown, strict=False)}


def _boxes(*shown: Sighting) -> dict[str, Any]:
    return {f"{colour}_bbox": [list(one.box)] for colour, one in zip(_COLOURS, shown, strict=False)}


def _apart(first: Sighting, second: Sighting) -> float:
    return float(np.linalg.norm(np.array(first.place) - np.array(second.place)))
