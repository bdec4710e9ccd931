"""Descriptions of rooms as ScanRefer's JSON, the table of labels, and ScanNet's and ScanRefer's lists of scans.

Source: formats of ScanRefer, section 1; formats of ScanNet, sections 5 and 6.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vgcli_core.data.rooms.descriptions import describe
from vgcli_core.data.rooms.film import Film
from vgcli_core.data.rooms.labels import NYU40
from vgcli_core.data.rooms.layouts.files import write_json, write_lines
from vgcli_core.data.rooms.layouts.recording import Recording

# The columns of the real table; only the second and the fifth are read.
_COLUMNS = (
    *("id", "raw_category", "category", "count", "nyu40id", "eigen13id", "nyuClass", "nyu40class", "eigen13class"),
    *("ModelNet40", "ModelNet10", "ShapeNetCore55", "synsetoffset", "wnsynsetid", "wnsynsetkey", "mpcat40"),
    "mpcat40index",
)
_WORD = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")


def write_scanrefer(split: str, rooms: Sequence[tuple[Film, Recording]], raw: Path, seed: int) -> list[Path]:
    """Write the descriptions of one split and its list of scans below `raw`/scanrefer; return the files."""
    rows: list[dict[str, Any]] = []
    for film, recording in rooms:
        rows += _rows(film, recording, seed)
    stem = raw / "scanrefer" / f"ScanRefer_filtered_{split}"
    scenes = [recording.scene for _, recording in rooms]
    return [write_json(stem.with_suffix(".json"), rows), write_lines(stem.with_suffix(".txt"), scenes)]


def write_labels(raw: Path) -> Path:
    """Write the table of labels; return the file. As in some real copies, lines end in CR LF."""
    lines = ["\t".join(_COLUMNS)]
    for number, (label, nyu40) in enumerate(sorted(NYU40.items()), start=1):
        cells = {"id": str(number), "raw_category": label, "category": label, "count": "1", "nyu40id": str(nyu40)}
        lines.append("\t".join(cells.get(column, "") for column in _COLUMNS))
    return write_lines(raw / "scannet" / "metadata" / "scannetv2-labels.combined.tsv", (f"{line}\r" for line in lines))


def write_scan_list(split: str, scenes: Sequence[str], raw: Path) -> Path:
    """Write ScanNet's list of a split's scans; return the file."""
    return write_lines(raw / "scannet" / "metadata" / f"scannetv2_{split}.txt", scenes)


def _rows(film: Film, recording: Recording, seed: int) -> list[dict[str, Any]]:
    rows = []
    seen: Counter[int] = Counter()
    for one in describe(film, seed):
        rows.append(
            {
                "scene_id": recording.scene,
                "object_id": str(one.thing),
                "object_name": film.room.things[one.thing].label.replace(" ", "_"),
                "ann_id": str(seen[one.thing]),
                "description": one.text,
                "token": _WORD.findall(one.text),
            }
        )
        seen[one.thing] += 1
    return rows
