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


class Checksum(NamedTuple):
    """A file's size in bytes, a SHA-256 in hexadecimal, and what that covers: WHOLE or ENDS."""

    size: int
    sha256: str
    covers: str


def checksum(path: Path, *, large: int = LARGE) -> Checksum:
    """Return the checksum of a file; asked again, an unchanged file is not read again.

    Args:
        path: a file.
        large: files above this many bytes are covered at both ends only.
    """
    state = path.stat()
    return _checksum(path, state.st_size, state.st_mtime_ns, large)


@lru_cache(maxsize=4096)
def _checksum(path: Path, size: int, changed: int, large: int) -> Checksum:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size > large:
            digest.update(file.read(_END))
            file.seek(-_END, 2)
            digest.update(file.read(_END))
        else:
            while piece := file.read(_PIECE):
                digest.update(piece)
    return Checksum(size, digest.hexdigest(), ENDS if size > large else WHOLE)
