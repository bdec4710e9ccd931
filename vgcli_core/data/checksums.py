"""Checksums of files: of all of it, or of both ends where reading a large file would cost more than the work on it.

A `.sens` scan is a gigabyte of which a tenth is used; its size and both ends tell two versions of it apart.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

LARGE = 256 * 1024 * 1024
_END = 1024 * 1024
_PIECE = 1024 * 1024

WHOLE, ENDS = "all of it", "its first and last MiB"
SPREAD = "64 pieces of a MiB, evenly spread"
_PIECES = 64


class Checksum(NamedTuple):
    """A file's size in bytes, a SHA-256 in hexadecimal, and what that covers: WHOLE, ENDS or SPREAD."""

    size: int
    sha256: str
    covers: str


def checksum(path: Path, *, large: int = LARGE, spread: bool = False) -> Checksum:
    """Return the checksum of a file; asked again, an unchanged file is not read again.

    Args:
        path: a file.
        large: files above this many bytes are covered at both ends only,
        spread: or at many places: of two checkpoints of one training the ends may be frozen and equal.
    """
    state = path.stat()
    return _checksum(path, state.st_size, state.st_mtime_ns, large, spread)


@lru_cache(maxsize=4096)
def _checksum(path: Path, size: int, changed: int, large: int, spread: bool) -> Checksum:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size > large and spread:
            for place in range(_PIECES):
                file.seek((size - _END) * place // (_PIECES - 1))
                digest.update(file.read(_END))
        elif size > large:
            digest.update(file.read(_END))
            file.seek(-_END, 2)
            digest.update(file.read(_END))
        else:
            while piece := file.read(_PIECE):
                digest.update(piece)
    return Checksum(size, digest.hexdigest(), WHOLE if size <= large else SPREAD if spread else ENDS)
