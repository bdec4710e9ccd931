"""Described objects: what ScanRefer and Scan2Cap share. Descriptions of a split by scene, with the kind of each."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgcli_core.data.base import Need, Request
from vgcli_core.data.raw.labels import read_nyu40
from vgcli_core.data.raw.scanrefer import Description, read_descriptions
from vgcli_core.data.sources import scannet_scans
from vgcli_core.data.tasks.eval_type import Key, kinds

BAD_ROW = "entry is no description"
NO_BOX = "described object has no true box in the scan"
NO_SCAN = "scan is in no EmbodiedScan file"


@dataclass(frozen=True, slots=True)
class Row:
    """One description, and what its file says of it.

    Attributes:
        description: the owner's entry.
        kind: "unique" or "multiple" among the described objects of its scene.
        place: in the file.
        id: unique within the scene.
    """

    description: Description
    kind: str
    place: int
    id: str

    @property
    def key(self) -> Key:
        """What makes two descriptions descriptions of one object."""
        return self.description.scene, self.description.object_id, self.description.object_name

    @property
    def label(self) -> str:
        """What the object is."""
        return self.description.object_name.replace("_", " ")

    @property
    def info(self) -> dict[str, Any]:
        """The owner's ids."""
        one = self.description
        return {"object_id": one.object_id, "ann_id": one.ann_id, "object_name": one.object_name}


@dataclass(frozen=True, slots=True)
class Table:
    """The descriptions of one split.

    Attributes:
        rows: all of the file, in its order.
        wanted: those of the scenes that the request asks for.
        bad: entries that are no descriptions.
        files: what was read.
    """

    rows: tuple[Row, ...]
    wanted: tuple[Row, ...]
    bad: int
    files: tuple[Path, ...]


def described_needs(splits: Iterable[str]) -> list[Need]:
    """Return descriptions, EmbodiedScan's parts, labels and true boxes of splits."""
    splits = tuple(splits)
    parts = dict.fromkeys(part for split in splits for part in scannet_scans.PARTS[split])
    return [
        *(scannet_scans.scanrefer(split) for split in splits),
        *(scannet_scans.embodiedscan(part) for part in parts),
        scannet_scans.LABELS,
        scannet_scans.OBJECTS,
    ]


def read_table(request: Request, split: str) -> Table:
    """Read a split's descriptions and the table of labels that decides their kinds.

    Raises:
        DataError: a file is missing or damaged.
    """
    path, labels = scannet_scans.scanrefer(split).require(request.raw), scannet_scans.LABELS.require(request.raw)
    entries = list(read_descriptions(path))
    good = [(place, entry) for place, entry in enumerate(entries) if entry is not None]
    kind = kinds(((one.scene, one.object_id, one.object_name) for _, one in good), read_nyu40(labels))
    seen: Counter[tuple[str, str]] = Counter()
    rows = []
    for place, one in good:
        name = f"{one.object_id}/{one.ann_id}"
        seen[one.scene, name] += 1
        number = seen[one.scene, name]
        unique = name if number == 1 else f"{name}/{number}"
        rows.append(Row(one, kind[one.scene, one.object_id, one.object_name], place, unique))
    scenes = set(request.wanted(list(dict.fromkeys(one.scene for _, one in good))))
    wanted = tuple(row for row in rows if row.description.scene in scenes)
    return Table(tuple(rows), wanted, len(entries) - len(good), (path, labels))


def by_scene(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return the rows of each scene, scenes in order of first appearance."""
    scenes: dict[str, list[Row]] = {}
    for row in rows:
        scenes.setdefault(row.description.scene, []).append(row)
    return scenes


def by_object(rows: Iterable[Row]) -> list[tuple[Row, ...]]:
    """Return the rows of each object, objects in order of first appearance."""
    objects: dict[Key, list[Row]] = {}
    for row in rows:
        objects.setdefault(row.key, []).append(row)
    return [tuple(found) for found in objects.values()]


def counts_of(rows: Sequence[Row]) -> dict[str, int]:
    """Return how many descriptions, objects and scenes there are."""
    return {
        "descriptions": len(rows),
        "objects": len({row.key[:2] for row in rows}),
        "scenes": len({row.description.scene for row in rows}),
    }
