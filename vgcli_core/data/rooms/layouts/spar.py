"""Questions with markers about rooms, in the folders and rows of SPAR-7M.

One picture, three pictures or a film; points, boxes and lists of them, on the frames that the owner's fields name.
`sentence` files belong to the training mix as a whole, the first tenth of others.

Source: formats of SPAR-7M, sections 1 to 3.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from vgcli_core.atomic import atomic_path
from vgcli_core.data import draws
from vgcli_core.data.rooms.film import Film
from vgcli_core.data.rooms.layouts.files import write_lines
from vgcli_core.data.rooms.layouts.recording import Recording
from vgcli_core.data.rooms.layouts.sightings import sightings
from vgcli_core.data.rooms.layouts.spar_film import NAVIGATION, WHOLE_FILM
from vgcli_core.data.rooms.layouts.spar_pictures import ONE_PICTURE, THREE_PICTURES
from vgcli_core.data.rooms.layouts.spar_row import OF_A_KIND, VIEWS, Row, Seen

FORMATS = ("sentence", "fill", "select")


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
            task = "nav_video" if row.kind == NAVIGATION else row.kind
            lines[task, FORMATS[number % len(FORMATS)]].append(_line(row, recording.scene, number, pictures))
        for pictures, frame in sorted(used):
            with atomic_path(folder / "images" / recording.scene / pictures / f"{frame}.jpg") as temporary:
                temporary.write_bytes(film.jpegs[frame])
    train = folder / "qa_jsonl" / "train"
    return [
        write_lines(train / task / name / f"{name}_{len(found)}.jsonl", found)
        for (task, name), found in sorted(lines.items())
    ]


def rows_of(film: Film, draw: random.Random) -> Iterator[Row]:
    """Yield questions of each type that the film has enough for."""
    seen = Seen(film, sightings(film.room))
    for make in (*ONE_PICTURE, *THREE_PICTURES, *WHOLE_FILM):
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
