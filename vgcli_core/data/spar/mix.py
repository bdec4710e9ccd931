"""Which rows the training mix takes, and a seeded share of them.

The mix: all rows of `sentence` files and the first tenth of the other formats, without navigation. A file is one of
JSON lines (extracted, or a copy that was packed on the way through an archive) or the authors' own list.

Source: formats of SPAR-7M, sections 3 and 4.
"""

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vgcli_core.data.draws import generator
from vgcli_core.data.raw.json_stream import read_records
from vgcli_core.data.raw.reading import reading

_SPLIT = "qa_jsonl/train/"
_NUMBER = re.compile(r"_([0-9]+)\Z")
_FRACTION = 0.1  # of the files that are not taken whole


@dataclass(frozen=True)
class QuestionFile:
    """A file of questions.

    Attributes:
        label: "scannet/depth_prediction_oc/fill_1234": tells the file in ids, and sorts the files.
        source: whose questions; "" where the rows say it.
        path: where its rows are.
        rows: how many it has, empty lines not counted.
        taken: how many of them, from the start, belong to the mix.
        navigation: it holds navigation questions, which the mix leaves out.
    """

    label: str
    source: str
    path: Path
    rows: int = 0
    taken: int = 0
    navigation: bool = False

    @property
    def announced(self) -> int | None:
        """The number of rows that the file's name says."""
        match = _NUMBER.search(self.label)
        return int(match[1]) if match and self.source else None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A row of the sample: its file, its number in it, the bytes [start, stop) that it covers, its value."""

    file: QuestionFile
    number: int
    start: int
    stop: int
    value: Any


def question_file(path_in_set: str, path: Path) -> QuestionFile | None:
    """Return the file of training questions with the path "scannet/qa_jsonl/train/<task>/<format>/<name>.jsonl"."""
    source, _, rest = path_in_set.partition("/")
    if not rest.startswith(_SPLIT) or not rest.endswith(".jsonl"):
        return None
    task, _, name = rest.removeprefix(_SPLIT).removesuffix(".jsonl").partition("/")
    stem = name.rpartition("/")[2]
    return QuestionFile(f"{source}/{task}/{stem}", source, path, navigation=task.startswith("nav")) if stem else None


def counted(file: QuestionFile, rows: int) -> QuestionFile:
    """Return the file with its rows counted and the mix's part of them worked out."""
    whole = not file.source or file.label.rpartition("/")[2].startswith("sentence")
    taken = 0 if file.navigation else rows if whole else int(_FRACTION * rows)
    return QuestionFile(file.label, file.source, file.path, rows, taken, file.navigation)


def count_rows(file: QuestionFile) -> int:
    """Return how many rows a file has. Raises DataError for a list that is damaged."""
    if file.path.suffix == ".json":
        return sum(1 for _ in read_records(file.path))
    with _opened(file.path) as lines:
        return sum(1 for line in lines if not line.isspace())


def choose(files: Sequence[QuestionFile], share: float, seed: int, limit: int | None) -> Iterator[Chosen]:
    """Yield `int(share * rows of the mix)` rows, drawn without replacement, in the order of the files.

    The draw depends on the seed and on how many rows the mix has. Rows are read one at a time.

    Args:
        files: counted, in order.
        share: of the mix, in (0, 1].
        seed: of the draw.
        limit: at most so many of the drawn rows, from the start.
    """
    total = sum(file.taken for file in files)
    drawn: Iterable[int] = range(total)
    if share < 1:
        drawn = sorted(generator(seed, "spar", "share").sample(range(total), int(share * total)))
    numbers = islice(drawn, limit)
    before, wanted = 0, next(numbers, None)
    for file in files:
        if wanted is None:
            return
        if wanted >= before + file.taken:
            before += file.taken
            continue
        for number, (start, stop, value) in enumerate(_rows(file)):
            if wanted is None or wanted >= before + file.taken:
                break
            if number == wanted - before:
                yield Chosen(file, number, start, stop, _parsed(value))
                wanted = next(numbers, None)
        before += file.taken


def _rows(file: QuestionFile) -> Iterator[tuple[int, int, Any]]:
    if file.path.suffix == ".json":
        yield from ((record.start, record.stop, record.value) for record in read_records(file.path))
        return
    with _opened(file.path) as lines:
        start = 0
        for line in lines:
            if not line.isspace():
                yield start, start + len(line), line
            start += len(line)


def _opened(path: Path) -> Any:
    with reading(path, "questions of SPAR"):
        return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _parsed(value: Any) -> Any:
    """Return the value of a line, None where it is no JSON; values of a list are parsed already."""
    if not isinstance(value, bytes):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None
