"""Questions about pictures that lie in the rows of a table: a stretch of rows is one unit.

Pictures keep the bytes that their owner gave them. Only what is neither JPEG nor PNG is decoded and stored as PNG.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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


def plan_pictures(request: Request, split: str, tables: Mapping[Path, Iterable[Q | BadRow]]) -> Plan:
    """Return a plan with a unit for each stretch of wanted rows of a table.

    Bad rows and rows with an id that is known already are left out and counted. A limit counts rows of the wanted
    scenes, bad ones included.

    Args:
        request: wanted scenes, and the limit.
        split: of all rows.
        tables: questions of each table, or why a row is none, in the table's order.
    """
    rows = [(table, number, row) for table, read in tables.items() for number, row in enumerate(read)]
    scenes = dict.fromkeys(row.scene for _, _, row in rows if not isinstance(row, BadRow))
    wanted = set(request.wanted(list(scenes)))
    # Scenes asked for by name are units of their own, so that a name which is not there can be told.
    named = isinstance(request.scenes, frozenset)
    dropped: Counter[str] = Counter()
    known: set[str] = set()
    groups: dict[tuple[Path, str], list[tuple[int, Q]]] = {}
    taken = 0
    for table, number, row in rows:
        if not (request.scenes is None if isinstance(row, BadRow) else row.scene in wanted):
            continue
        if request.limit is not None and taken >= request.limit:
            break
        taken += 1
        if isinstance(row, BadRow):
            dropped[str(row)] += 1
        elif row.id in known:
            dropped["repeated id"] += 1
        else:
            known.add(row.id)
            groups.setdefault((table, row.scene if named else ""), []).append((number, row))
    units = []
    for (table, scene), questions in groups.items():
        for first in range(0, len(questions), _CHUNK):
            job = PictureJob(table, tuple(questions[first : first + _CHUNK]))
            key = f"{scene or table.parent.name}-{table.name}-{job.questions[0][0]:06}"
            units.append(Unit(key, split, job, len(job.questions)))
    return Plan(tuple(units), {split: dict(dropped)}, {split: {"questions": taken}}, inputs=tuple(tables))


def check_pictures(request: Request) -> None:
    """Refuse a number of frames: questions come with their pictures. Raises DataError."""
    if request.num_frames is not None:
        raise DataError(
            "pictures are not chosen here: each question has its own", where="--num-frames", fix="leave it out"
        )


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
