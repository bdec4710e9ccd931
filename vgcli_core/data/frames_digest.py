"""Which frames a sample shows, as a checksum: equal for equal pictures in equal order, whatever they are called."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from vgcli_core.data.frame_store import FRAMES, check_name, read_bytes
from vgcli_core.data.sample import Sample


def frames_digest(sample: Sample, root: Path) -> str:
    """Return a SHA-256 over the stored bytes of the frames in order, and what is done to them when they are read.

    Args:
        sample: from a prepared set.
        root: the folder of that set.

    Raises:
        DataError: a frame is missing.
    """
    digest = hashlib.sha256()
    for name in sample.frames:
        digest.update(_frame(name, sample.pack, root))
    markers = None if sample.markers is None else dict(sample.markers)
    digest.update(json.dumps({"markers": markers, "square": sample.square}, sort_keys=True).encode())
    return digest.hexdigest()


def _frame(name: str, pack: str, root: Path) -> bytes:
    """Return the checksum of one frame; a scene's questions share frames, so an unchanged file is read once."""
    try:
        state = (root / FRAMES / check_name(pack or name)).stat()
    except OSError:
        return _content(name, pack, root, 0, 0)  # which says what is missing
    return _content(name, pack, root, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=20_000)
def _content(name: str, pack: str, root: Path, size: int, changed: int) -> bytes:
    return hashlib.sha256(read_bytes(name, pack, root)).digest()
