"""Write files and folders whole or not at all: a temporary name beside the target, then one rename.

`os.replace` is atomic on Linux, macOS and Windows as long as both names are on one file system, which is why the
temporary one lives in the target's folder.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vgcli_core.errors import OutputError


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# It can only be read by setting it, which other threads would notice: hence once, at import.
_UMASK = _read_umask()
_FIX = "free some space, choose another folder, or check its permissions; nothing was left half-written"


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to `target` when the block ends, remove it when it fails.

    The temporary name keeps the suffix of `target`, since some writers choose a format by it.

    Raises:
        OutputError: the folder or the file cannot be written (permission, no space left, target is a folder).
    """
    temporary: Path | None = None
    with output_errors(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=target.parent)
            os.close(handle)
            temporary = Path(name)
            yield temporary
            temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_UMASK)
            temporary.replace(target)
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; it becomes `target` when the block ends, and is removed when it fails.

    Raises:
        OutputError: `target` exists and is not an empty folder, or cannot be written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError(
            f"{target.name} exists and is not empty", where=str(target), fix="choose another folder, or remove this one"
        )
    temporary: Path | None = None
    with output_errors(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
            yield temporary
            if target.exists():
                target.rmdir()
            temporary.chmod(0o777 & ~_UMASK)
            for path in temporary.rglob("*"):
                # Writers that make temporary files of their own leave them readable by the owner alone.
                path.chmod((0o777 if path.is_dir() else 0o666) & ~_UMASK)
            temporary.replace(target)
        finally:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill, as `atomic_folder` does; one of that name goes once the new one is complete.

    A kill between the two leaves the old one beside, and the next call brings it back.

    Raises:
        OutputError: it cannot be written.
    """
    new, old = (target.with_name(f".{target.name}.{which}") for which in ("new", "old"))
    with output_errors(target):
        if old.is_dir() and not target.exists():
            old.replace(target)
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)
    with atomic_folder(new) as temporary:
        yield temporary
    with output_errors(target):
        try:
            if target.exists():
                target.replace(old)
            new.replace(target)
        finally:
            if old.is_dir() and not target.exists():
                old.replace(target)
            for left in (new, old):
                shutil.rmtree(left, ignore_errors=True)


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8 with `\\n` line ends, atomically. Raises OutputError."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


@contextlib.contextmanager
def output_errors(target: Path) -> Iterator[None]:
    """Turn what the system says while `target` is written into an OutputError that a user can act on."""
    try:
        yield
    except OSError as error:
        what = f"cannot write {target.name}: {error.strerror or error}"
        raise OutputError(what, where=str(target), fix=_FIX) from error
