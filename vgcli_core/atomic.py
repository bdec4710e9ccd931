"""Write files whole or not at all: a temporary name beside the target, then one rename.

`os.replace` is atomic on Linux, macOS and Windows as long as both names are on one file system, which is why the
temporary file lives in the target's folder.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vgcli_core.errors import OutputError


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to `target` when the block ends, remove it when it fails.

    The temporary name keeps the suffix of `target`, since some writers choose a format by it.

    Raises:
        OutputError: the folder or the file cannot be written (permission, no space left, target is a folder).
    """
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise OutputError(
            f"cannot write {target.name}: {error.strerror or error}",
            where=str(target),
            fix="free some space, choose another folder, or check its permissions; nothing was left half-written",
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8 with `\\n` line ends, atomically. Raises OutputError."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
