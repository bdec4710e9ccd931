"""One row of SPAR-7M, as its owner distributes it or as the authors of VG-LLM published it, becomes a sample.

Rows of the owner name pictures below `<source>/images`, have no `<image>` in the question, and carry their markers as
fields. Published rows name pictures below the media root and carry the markers as a JSON text in `spar_info`.

Source: formats of SPAR-7M, sections 1, 2 and 4.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vgcli_core.data.raw.hub_media import is_plain
from vgcli_core.data.sample import IMAGE, Sample, Turn, human_turn
from vgcli_core.data.spar.layout import path_in_set
from vgcli_core.errors import MediaError
from vgcli_core.media.markers import Size, check_markers

_COLOURS = ("red", "blue", "green", "yellow")
_MARKERS = (
    *(f"{colour}_point" for colour in _COLOURS[:3]),
    *(f"{colour}_bbox" for colour in _COLOURS),
    *("point_list", "bbox_list", "point_img_idx", "bbox_img_idx"),
)
_NAMED_FROM = 11  # so many pictures are named "Frame-1: <image>", ...; fewer only listed

NO_JSON, BAD_FORM = "row is no JSON", "row of another form"
BAD_MARKERS, BAD_TAGS = "markers that cannot be drawn", "pictures and <image> tags differ"


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can become a sample: its scene, its pictures ("scannet/images/..."), its turns and markers."""

    id: str
    source: str
    scene: str
    pictures: tuple[str, ...]
    turns: tuple[Turn, ...]
    markers: Mapping[str, Any]


def parse_row(row: object, source: str, *, name_frames: bool = True) -> Row | str:
    """Return a row, or the reason why it cannot be used.

    Args:
        row: the JSON value.
        source: whose questions the file holds ("scannet"), "" for published rows, whose paths say it.
        name_frames: write "Frame-1: <image>", ... where a question has more than 10 pictures, as SPAR's own loader
            does; without, only list them. Questions that have tags already keep them.
    """
    if not isinstance(row, dict):
        return BAD_FORM
    paths = _pictures(row, source)
    markers = _markers(row)
    turns = _turns(row.get("conversations"))
    kind = None if markers is None else markers.get("type")
    if paths is None or markers is None or turns is None or not isinstance(kind, str) or not _can_be_written(row):
        return BAD_FORM
    tags = turns[0].text.count(IMAGE)
    if tags not in (0, len(paths)) or any(IMAGE in turn.text for turn in turns[1:]):
        return BAD_TAGS
    try:
        check_markers(markers, [None] * len(paths))  # their sizes are not known yet: see `is_drawable`
    except MediaError:
        return BAD_MARKERS
    if not tags:
        names = 1 if name_frames and len(paths) >= _NAMED_FROM else None
        opening = human_turn(turns[0].text, len(paths), separator="\n", newline="\n", names=names)
        turns = (opening, *turns[1:])
    first = paths[0].split("/")
    return Row(str(row.get("id", "")), first[0], first[2], paths, turns, markers)


def is_drawable(markers: Mapping[str, Any], sizes: Sequence[Size | None]) -> bool:
    """Tell whether a row's marks can be drawn on pictures of these widths and heights, as training will draw them."""
    try:
        check_markers(markers, sizes)
    except MediaError:
        return False
    return True


def pictures_of(row: object, source: str) -> tuple[str, ...]:
    """Return the pictures of a row ("scannet/images/<scene>/..."), none where it has another form."""
    return (_pictures(row, source) or ()) if isinstance(row, dict) else ()


def type_of(row: Mapping[str, Any]) -> str:
    """Return the question type of a row, "" where it has none."""
    kind = (_markers(row) or {}).get("type")
    return kind if isinstance(kind, str) else ""


def to_sample(row: Row, place: str) -> Sample:
    """Return the sample of a row.

    Args:
        row: as parsed.
        place: the file and line that it comes from; ids of SPAR repeat, so it becomes a part of the id.
    """
    return Sample(
        id=f"{row.id}:{place}",
        dataset="spar",
        split="train",
        scene=row.scene,
        task="ask",
        frames=tuple(f"spar/{path}" for path in row.pictures),
        conversations=row.turns,
        question_type=str(row.markers["type"]),
        markers=row.markers,
        info={"id": row.id, "source": row.source},
    )


def to_record(sample: Sample) -> dict[str, Any]:
    """Return a sample in the layout of the published annotations."""
    return {
        "id": sample.info["id"],
        "conversations": [{"from": turn.speaker, "value": turn.text} for turn in sample.conversations],
        "images": list(sample.frames),
        "spar_info": json.dumps(sample.markers),
    }


def _pictures(row: Mapping[str, Any], source: str) -> tuple[str, ...] | None:
    given = row.get("image", row.get("images"))
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not names:
        return None
    paths = []
    for name in names:
        if not isinstance(name, str) or not is_plain(name):
            return None
        path = path_in_set(name) or (f"{source}/images/{name}" if source else "")
        if path.count("/") < 3:  # source, "images", scene and file at the least
            return None
        paths.append(path)
    return tuple(paths)


def _markers(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if "spar_info" not in row:
        return {name: row[name] for name in (*_MARKERS, "type") if row.get(name) is not None}
    info = row["spar_info"]
    if isinstance(info, str):
        try:
            info = json.loads(info)
        except (ValueError, RecursionError):
            return None
    return info if isinstance(info, dict) else None


def _can_be_written(row: Mapping[str, Any]) -> bool:
    """Tell whether the row is JSON in the strict sense and UTF-8: Python also reads NaN and half characters."""
    try:
        json.dumps(row, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


def _turns(given: object) -> tuple[Turn, ...] | None:
    if not isinstance(given, list) or len(given) < 2:
        return None
    turns = []
    for number, turn in enumerate(given):
        if not isinstance(turn, dict) or not isinstance(turn.get("value"), str):
            return None
        expected = ("human", "gpt")[number % 2]
        if turn.get("from") != expected:
            return None
        turns.append(Turn("gpt" if number % 2 else "human", turn["value"]))
    return tuple(turns) if len(turns) % 2 == 0 else None
