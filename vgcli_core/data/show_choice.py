"""Which samples of a prepared set a sheet shows: some of every split, task and question type, by a seed.

One pass over the files. At most `count` lines are held for each kind of sample; of a split with very many samples only
a random part is looked at, so that a sheet of millions of samples takes seconds.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from heapq import heappush, heappushpop
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from vgcli_core.data.draws import generator
from vgcli_core.data.prepared import Prepared
from vgcli_core.data.sample import Sample, from_line
from vgcli_core.errors import DataError

LOOKED_AT = 20_000  # samples of a split, about
# Question types are few. Of a set that has a type of its own for each sample, those beyond this many share one place.
_MOST_KINDS = 200

T = TypeVar("T")


class Choice(NamedTuple):
    """The chosen samples, by split, task, question type and place in the file, and how many were chosen from."""

    samples: list[Sample]
    looked_at: int


class _Kind(NamedTuple):
    split: int
    task: str
    question_type: str


class _Line(NamedTuple):
    draw: float  # the largest ones leave first: a heap keeps the smallest number at its top, so this is negative
    number: int
    text: str


def choose(prepared: Prepared, splits: Sequence[str], count: int, seed: int) -> Choice:
    """Return at most `count` samples of `splits`, the same for the same files and seed.

    Splits, then tasks, then question types take turns, so that each is there as often as the others if it has enough
    samples; samples of one type are drawn at random.

    Raises:
        DataError: a file cannot be read, or a line is no sample.
    """
    held: dict[_Kind, list[_Line]] = defaultdict(list)
    looked_at = 0
    for place, split in enumerate(splits):
        draws = generator(seed, "show", split)
        share = LOOKED_AT / max(prepared.count(split), 1)
        for number, line in _lines(prepared, split):
            if draws.random() >= share:
                continue
            looked_at += 1
            kind = _kind(line, place, where=_where(prepared, split, number))
            if kind not in held and len(held) >= _MOST_KINDS:
                kind = _Kind(place, "", "")
            entry = _Line(-draws.random(), number, line)
            if len(held[kind]) < count:
                heappush(held[kind], entry)
            else:
                heappushpop(held[kind], entry)
    chosen = sorted(islice(_turns(held), count), key=lambda one: (one[0], one[1].number))
    return Choice(
        [from_line(line.text, where=_where(prepared, splits[kind.split], line.number)) for kind, line in chosen],
        looked_at,
    )


def _turns(held: dict[_Kind, list[_Line]]) -> Iterator[tuple[_Kind, _Line]]:
    by_split: dict[int, dict[str, list[Iterator[tuple[_Kind, _Line]]]]] = defaultdict(lambda: defaultdict(list))
    for kind in sorted(held):
        found = [(kind, line) for line in sorted(held[kind], reverse=True)]
        by_split[kind.split][kind.task].append(iter(found))
    return _round_robin(
        [_round_robin([_round_robin(types) for types in by_task.values()]) for by_task in by_split.values()]
    )


def _round_robin(sources: Sequence[Iterator[T]]) -> Iterator[T]:
    """Yield one of each source in turn until all are empty."""
    left = list(sources)
    while left:
        still = []
        for source in left:
            for item in islice(source, 1):
                still.append(source)
                yield item
        left = still


def _lines(prepared: Prepared, split: str) -> Iterator[tuple[int, str]]:
    path = prepared.root / f"{split}.jsonl"
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            yield from enumerate(file, start=1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DataError(f"cannot read {path.name}: {reason}", where=str(path), fix="prepare it again") from error


def _kind(line: str, split: int, *, where: str) -> _Kind:
    """Return the kind of a line, or let `from_line` say what is wrong with it."""
    try:
        row: Any = json.loads(line)
        return _Kind(split, str(row["task"]), str(row.get("question_type", "")))
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        sample = from_line(line, where=where)
        return _Kind(split, sample.task, sample.question_type)


def _where(prepared: Prepared, split: str, number: int) -> str:
    return f"{prepared.root / f'{split}.jsonl'}, line {number}"
