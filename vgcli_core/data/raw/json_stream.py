"""JSON lists and JSON lines of any length, one record at a time: published annotation lists reach 635 MB.

Each record comes with the bytes that it covers, so that planning can cut a file into pieces and a unit reads only its
own.
"""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from vgcli_core.data.raw.reading import reading
from vgcli_core.errors import DataError

_BLOCK = 1 << 20  # bytes read at once
_LARGEST = 64 << 20  # characters of one record: a file that is no list must not fill the memory before that is noticed
_BETWEEN = re.compile(r"[\s,]*")
_BLANK = re.compile(r"\s*")
_START = re.compile("\ufeff?\\s*")  # Windows programs put a mark before the first character


class Record(NamedTuple):
    """One record of a file: its value, and the bytes [start, stop) that it covers."""

    value: Any
    start: int
    stop: int


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a JSON list or of a file with one JSON value per line; the first character tells which.

    Memory holds one block of the file and one record.

    Raises:
        DataError: the file is missing, no UTF-8, no JSON, cut off, or a record has more than 64 million characters.
    """
    with reading(path), path.open("rb") as file:
        yield from _records(_Window(file, path))


def read_range(path: Path, start: int, stop: int) -> list[Any]:
    """Return the values of the records whose bytes lie in [start, stop), as `read_records` gave them.

    Raises:
        DataError: the file has changed since, or cannot be read.
    """
    with reading(path), path.open("rb") as file:
        file.seek(start)
        data = file.read(stop - start)
    decoder = json.JSONDecoder()
    values = []
    try:
        text = data.decode("utf-8")
        place = 0
        while place < len(text):
            value, place = decoder.raw_decode(text, place)
            values.append(value)
            place = _end(_BETWEEN, text, place)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} changed while it was read", where=str(path), fix="run again") from error
    return values


class _Window:
    """A stretch of the file as text: read on at its end, dropped up to `place`."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.text, self.place, self.ended, self.path = "", 0, False, path
        self._file, self._decoder = file, codecs.getincrementaldecoder("utf-8")()

    def grow(self) -> None:
        """Read another block; after the last one `ended` is set."""
        rest = self.text[self.place :]
        data = self._file.read(max(_BLOCK, len(rest)))  # doubling: a long record costs no square of its length
        self.ended, self.place = not data, 0
        try:
            self.text = rest + self._decoder.decode(data, final=self.ended)
        except UnicodeDecodeError as error:
            raise self.wrong("is no UTF-8 text") from error

    def skip(self, pattern: re.Pattern[str]) -> int:
        """Move behind what `pattern` matches here; return how many bytes that were."""
        return self.move(_end(pattern, self.text, self.place))

    def move(self, place: int) -> int:
        """Move to `place`; return how many bytes that were."""
        size = len(self.text[self.place : place].encode())
        self.place = place
        return size

    def wrong(self, what: str) -> DataError:
        """Return an error about the file."""
        return DataError(f"{self.path.name} {what}", where=str(self.path), fix="download the file again")


def _records(window: _Window) -> Iterator[Record]:
    decoder = json.JSONDecoder()
    while not window.ended and not _START.sub("", window.text, count=1):
        window.grow()
    offset = window.skip(_START)
    as_list = window.text.startswith("[", window.place)
    if as_list:
        offset += window.move(window.place + 1)
    while True:
        offset += window.skip(_BETWEEN if as_list else _BLANK)
        if window.place == len(window.text):
            if window.ended:
                if as_list:
                    raise window.wrong("is cut off: its list has no end")
                return
            window.grow()
        elif as_list and window.text[window.place] == "]":
            return
        else:
            value, end = _next(decoder, window)
            start, offset = offset, offset + window.move(end)
            yield Record(value, start, offset)


def _next(decoder: json.JSONDecoder, window: _Window) -> tuple[Any, int]:
    """Return the record at the window's place and where it ends, reading on until it is complete."""
    while True:
        try:
            value, end = decoder.raw_decode(window.text, window.place)
            if end < len(window.text) or window.ended:  # a number at the very end may go on
                return value, end
        except (ValueError, RecursionError) as error:
            rest = len(window.text) - window.place
            if isinstance(error, RecursionError) or window.ended or rest > _LARGEST:
                shown = window.text[window.place : window.place + 40]
                raise window.wrong(f"is no JSON, or cut off, at {shown!r}") from error
        window.grow()


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    match = pattern.match(text, place)
    return match.end() if match else place
