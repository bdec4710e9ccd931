"""Questions about pictures that lie in the rows of a table: a stretch of rows is one unit.

Pictures keep the bytes that their owner gave them. Only what is neither JPEG nor PNG is decoded and stored as PNG.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from vgcli_core.data.base import Plan, Request, Unit, Work
from vgcli_core.data.raw.hub_media import is_plain
from vgcli_core.data.raw.parquet import read_rows
from vgcli_core.data.raw.rows import BadRow, Row, read_table
from vgcli_core.data.videos import encoded
from vgcli_core.errors import DataError, MediaError
from vgcli_core.media.images import read_image

_CHUNK = 100  # rows of a unit
_SUFFIXES = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png"}


class PictureQuestion(Protocol):
    """What planning needs of a question: its id, and the scene that samples of the same picture share."""

    @property
    def id(self) -> str:
        """Unique within the split."""

    @property
    def scene(self) -> str:
        """The picture or its source."""


Q = TypeVar("Q", bound=PictureQuestion)


@dataclass(frozen=True, slots=True)
class PictureJob(Generic[Q]):
    """The payload of a unit: a table, and questions with the numbers of their rows, rising."""

    table: Path
    questions: tuple[tuple[int, Q], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A stored picture: its name below `frames/`, and its width and height in pixels."""

    name: str
    size: tuple[int, int]


@dataclass
class Questions(Generic[Q]):
    """What was read of the tables of one split, in order: table, row number, question; and what was left out."""

    rows: list[tuple[Path, int, Q]] = field(default_factory=list)
    drops: Counter[str] = field(default_factory=Counter)
    total: int = 0

    def add(self, table: Path, rows: Iterable[Q | BadRow], limit: int | None) -> None:
        """Read a table; rows with an id that is known already are dropped."""
        known = {question.id for _, _, question in self.rows}
        for number, row in enumerate(rows):
            if limit is not None and self.total >= limit:
                return
            self.total += 1
            if isinstance(row, BadRow):
                self.drops[str(row)] += 1
            elif row.id in known:
                self.drops["repeated id"] += 1
            else:
                known.add(row.id)
                self.rows.append((table, number, row))


def plan_pictures(request: Request, split: str, found: Questions[Q]) -> Plan:
    """Return a plan with a unit for each stretch of wanted rows of a table."""
    wanted = set(request.wanted(list(dict.fromkeys(question.scene for _, _, question in found.rows))))
    # Scenes asked for by name are units of their own, so that a name which is not there can be told.
    named = isinstance(request.scenes, frozenset)
    groups: dict[tuple[Path, str], list[tuple[int, Q]]] = {}
    for table, number, question in found.rows:
        if question.scene in wanted:
            groups.setdefault((table, question.scene if named else ""), []).append((number, question))
    units = []
    for (table, scene), rows in groups.items():
        for first in range(0, len(rows), _CHUNK):
            job = PictureJob(table, tuple(rows[first : first + _CHUNK]))
            key = f"{scene or table.parent.name}-{table.name}-{job.questions[0][0]:06}"
            units.append(Unit(key, split, job, len(job.questions)))
    by_table = dict.fromkeys(table for table, _ in groups)
    return Plan(tuple(units), {split: dict(found.drops)}, {split: {"questions": found.total}}, inputs=tuple(by_table))


def rows_of(job: PictureJob[Q], columns: Sequence[str], work: Work) -> Iterator[tuple[Q, Row]]:
    """Yield the questions of a unit with their rows, of which only `columns` are read where that saves reading."""
    work.input(job.table)
    questions = dict(job.questions)
    first, last = job.questions[0][0], job.questions[-1][0]
    rows: Iterable[Row]
    if job.table.suffix == ".parquet":
        rows = read_rows(job.table, columns, start=first, stop=last + 1)
    else:
        rows, first = read_table(job.table), 0
    for number, row in enumerate(rows, start=first):
        if number in questions:
            yield questions[number], row
        if number >= last:
            return


def store_picture(value: Any, stem: str, folder: Path, work: Work) -> Picture:
    """Store a picture of a row, and return it.

    Args:
        value: what the row holds: bytes; a mapping with "bytes" or "path", as hubs store pictures; or the path of a
            file below `folder`.
        stem: its name below `frames/`, without a suffix.
        folder: of the dataset.
        work: where it is stored.

    Raises:
        BadRow: the picture is missing or damaged.
    """
    data = _bytes(value, folder)
    try:
        image = read_image(data, upright=False, name=stem)
        suffix = next((suffix for sign, suffix in _SUFFIXES.items() if data.startswith(sign)), "")
        if not suffix:
            work.count("pictures stored as PNG")
            data, suffix = encoded(image, "png"), "png"
        height, width = image.shape[:2]
        return Picture(work.frame(f"{stem}.{suffix}", data), (width, height))
    except (MediaError, DataError) as error:
        raise BadRow("picture damaged") from error


def _bytes(value: Any, folder: Path) -> bytes:
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str) or not is_plain(value):
        raise BadRow("picture missing")
    try:
        return (folder / value).read_bytes()
    except OSError as error:
        raise BadRow("picture missing") from error
