"""ScanRefer's descriptions: a JSON list, one description of one object each.

Source: formats of ScanRefer, section 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgcli_core.data.raw.json_stream import read_records
from vgcli_core.errors import DataError


@dataclass(frozen=True, slots=True)
class Description:
    """One description; the ids are the owner's texts.

    Attributes:
        scene: "scene0000_00".
        object_id: objectId of ScanNet's aggregation, from 0.
        object_name: ScanNet's label with "_" for blanks.
        ann_id: which of the object's descriptions this is.
        text: the description.
    """

    scene: str
    object_id: str
    object_name: str
    ann_id: str
    text: str


def read_descriptions(path: Path) -> Iterator[Description | None]:
    """Yield the descriptions of a file in its order, None for an entry that is no description.

    Raises:
        DataError: the file cannot be read, is no JSON list, or its first entry is no description.
    """
    for number, record in enumerate(read_records(path)):
        description = _description(record.value)
        if description is None and number == 0:
            raise DataError(
                f"{path.name} does not hold ScanRefer descriptions: {str(record.value)[:60]!r}",
                where=str(path),
                fix="put ScanRefer_filtered_train.json or ScanRefer_filtered_val.json of the ScanRefer release there",
            )
        yield description


def _description(row: Any) -> Description | None:
    if not isinstance(row, dict):
        return None
    scene, name, text = row.get("scene_id"), row.get("object_name"), row.get("description")
    ids = [str(row[key]) if isinstance(row.get(key), str | int) else None for key in ("object_id", "ann_id")]
    if not (isinstance(scene, str) and isinstance(name, str) and isinstance(text, str)) or None in ids:
        return None
    return Description(scene, str(ids[0]), name, str(ids[1]), text)
