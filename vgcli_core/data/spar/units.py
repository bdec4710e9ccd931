"""The sample of rows as units of work: one for each scene, so that a frame is stored once.

A unit of extracted files knows where its rows are; one of archives carries them, packed, as archives can only be read
from front to end.
"""

import json
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from vgcli_core.data.base import Unit
from vgcli_core.data.raw.reading import reading
from vgcli_core.data.spar.mix import Chosen
from vgcli_core.errors import DataError

_PACKED_AT = 32_768  # bytes of rows that are packed together


class Payload(NamedTuple):
    """What a unit knows: ranges of files, or the rows themselves.

    Attributes:
        source: of the scene.
        scene: its name.
        ranges: (label, source, path, numbers) of each file; numbers are three unsigned 64-bit integers for each row:
            its number, and the bytes [start, stop).
        packed: pieces of packed JSON lines [label, source, number, row].
    """

    source: str
    scene: str
    ranges: tuple[tuple[str, str, str, bytes], ...] = ()
    packed: tuple[bytes, ...] = ()


class PlacedRow(NamedTuple):
    """A row with the place that it comes from ("scannet/obj_count/fill_12:7") and its source, "" where it says it."""

    place: str
    source: str
    value: Any


@dataclass
class _Scene:
    ranges: dict[str, tuple[str, str, "array[int]"]] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    waiting_size: int = 0
    packed: list[bytes] = field(default_factory=list)
    pictures: set[int] = field(default_factory=set)

    def add(self, row: Chosen, pictures: Iterable[str], *, carry: bool) -> None:
        # Names would need ten times the memory of their hashes, and this is only for the forecast.
        self.pictures.update(map(hash, pictures))
        if not carry:
            file = row.file
            numbers = self.ranges.setdefault(file.label, (file.source, str(file.path), array("Q")))[2]
            numbers.extend((row.number, row.start, row.stop))
            return
        self.waiting.append(json.dumps([row.file.label, row.file.source, row.number, row.value]))
        self.waiting_size += len(self.waiting[-1])
        if self.waiting_size > _PACKED_AT:
            self.pack()

    def pack(self) -> None:
        if self.waiting:
            self.packed.append(zlib.compress("\n".join(self.waiting).encode()))
        self.waiting, self.waiting_size = [], 0


class Scenes:
    """Collects rows by scene."""

    def __init__(self) -> None:
        self._scenes: dict[tuple[str, str], _Scene] = {}

    def add(self, row: Chosen, pictures: Sequence[str], *, carry: bool) -> None:
        """Add a row with its pictures to the scene of the first; with `carry`, the row itself and not where it is."""
        source, _, scene, *_ = pictures[0].split("/")
        self._scenes.setdefault((source, scene), _Scene()).add(row, pictures, carry=carry)

    def names(self) -> list[tuple[str, str]]:
        """Return (source, name) of all scenes, sorted."""
        return sorted(self._scenes)

    def units(self, keys: Iterable[tuple[str, str]]) -> Iterator[Unit]:
        """Yield a unit for each of the scenes."""
        for source, scene in keys:
            found = self._scenes[source, scene]
            found.pack()
            ranges = tuple((label, *rest[:2], rest[2].tobytes()) for label, rest in found.ranges.items())
            payload = Payload(source, scene, ranges, tuple(found.packed))
            yield Unit(f"{source}/{scene}", "train", payload, len(found.pictures))


def rows_of(payload: Payload) -> Iterator[PlacedRow]:
    """Yield the rows of a unit.

    Raises:
        DataError: a file has changed since planning.
    """
    for label, source, path, numbers in payload.ranges:
        wanted = array("Q")
        wanted.frombytes(numbers)
        try:
            with reading(Path(path)), Path(path).open("rb") as file:
                for place in range(0, len(wanted), 3):
                    number, start, stop = wanted[place : place + 3]
                    file.seek(start)
                    yield PlacedRow(f"{label}:{number}", source, json.loads(file.read(stop - start)))
        except ValueError as error:
            raise DataError(
                f"the questions changed while they were read: {error}", where=path, fix="run again"
            ) from error
    for piece in payload.packed:
        for line in zlib.decompress(piece).decode().split("\n"):
            label, source, number, value = json.loads(line)
            yield PlacedRow(f"{label}:{number}", source, value)
