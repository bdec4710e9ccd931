"""Tar archives read from front to end, also when one archive is cut into pieces: nothing is joined or unpacked on disk.

Members are offered one by one and read or skipped; where they go never depends on their names alone. Links and devices
are skipped: a link that something needs then counts as missing.
"""

import gzip
import io
import tarfile
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from vgcli_core.data.raw.hub_media import is_plain
from vgcli_core.data.raw.reading import reading
from vgcli_core.errors import DataError

_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 20
_LARGEST = 64 << 30  # bytes of one member: the longest question files have a few gigabytes


@dataclass(frozen=True)
class Member:
    """A regular file of an archive: its path with "/", and its bytes, which can be read until the next one."""

    name: str
    size: int
    _file: IO[bytes]
    _pieces: "_Pieces"

    def read(self, largest: int) -> bytes:
        """Return all bytes. Raises DataError where there are more than `largest`, or the archive is damaged."""
        if self.size > largest:
            where = f"{self._pieces.current}, {self.name}"
            raise DataError(f"the member has {self.size:,} bytes", where=where, fix="check what archive it is")
        with _damage_named(self._pieces):
            return self._file.read()

    def lines(self) -> Iterator[bytes]:
        """Yield its lines with their ends. Raises DataError where the archive is damaged."""
        while True:
            with _damage_named(self._pieces):
                line = self._file.readline()
            if not line:
                return
            yield line


def read_members(pieces: Sequence[Path]) -> Iterator[Member]:
    """Yield the regular files of a tar (compressed by gzip or not) whose pieces are given in order.

    The checksum of the compressed stream is compared at the end, so a missing last piece is noticed.

    Raises:
        DataError: a piece is missing or cut off, the archive is damaged, or a member's name leads out of the archive.
    """
    joined = _Pieces(pieces)
    with _damage_named(joined), io.BufferedReader(joined, _BLOCK) as buffered:
        packed = buffered.peek(2)[:2] == _GZIP
        stream = _Recent(cast(BinaryIO, gzip.GzipFile(fileobj=buffered) if packed else buffered))
        with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|") as archive:
            yield from _members(archive, joined)
            # tarfile takes a header that is cut off or damaged for the end.
            if stream.at(archive.offset, tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise EOFError("it has no end mark")
        while stream.read(_BLOCK):
            pass


@contextmanager
def _damage_named(joined: "_Pieces") -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"{joined.current.name} is damaged or cut off, or a piece after it is missing: {error}",
            where=str(joined.current),
            fix="compare the sizes of all pieces with the owner's and download what differs again",
        ) from error


def _members(archive: tarfile.TarFile, joined: "_Pieces") -> Iterator[Member]:
    for entry in archive:
        # In streaming mode tarfile remembers every member it has passed; millions of them would fill the memory.
        archive.members.clear()  # type: ignore[attr-defined]
        name = entry.name.removeprefix("./")
        if entry.isdir():
            continue
        if not is_plain(name):
            raise DataError(
                f"the archive holds a member with the unsafe name {name!r:.80}",
                where=str(joined.current),
                fix="download it again from its owner; do not unpack it",
            )
        if entry.isreg():
            if entry.size > _LARGEST:
                raise DataError(
                    f"{name} claims {entry.size:,} bytes", where=str(joined.current), fix="download it again"
                )
            file = archive.extractfile(entry)
            assert file is not None  # noqa: S101 a regular file has contents
            yield Member(name, entry.size, file, joined)


class _Recent:
    """A stream that remembers what was read last: more than what tarfile reads at once."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._position = stream, 0
        self._blocks = deque[bytes](maxlen=3)

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._position += len(data)
        self._blocks.append(data)
        return data

    def at(self, place: int, size: int) -> bytes:
        """Return `size` bytes from `place` on, as far as they are remembered."""
        recent = b"".join(self._blocks)
        start = place - (self._position - len(recent))
        return recent[start : start + size] if start >= 0 else b""


class _Pieces(io.RawIOBase):
    """Files, one after the other, as one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._number = 0
        self._file: BinaryIO | None = None

    @property
    def current(self) -> Path:
        """The file that was read from last."""
        return self._paths[min(self._number, len(self._paths) - 1)]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        view, filled = memoryview(cast(bytearray, buffer)), 0
        while filled < len(view) and self._number < len(self._paths):
            if self._file is None:
                with reading(self.current):
                    self._file = self.current.open("rb")
            count = self._file.readinto(view[filled:])  # type: ignore[attr-defined]
            filled += count
            if not count:
                self._file.close()
                self._file = None
                self._number += 1
        return filled

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()
