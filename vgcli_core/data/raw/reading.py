"""What the operating system says of a raw file becomes an error on that file: what it is, where, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vgcli_core.errors import DataError


@contextmanager
def reading(path: Path, what: str = "") -> Iterator[None]:
    """Turn an OSError that happens inside into a DataError; see `unreadable`."""
    try:
        yield
    except OSError as error:
        raise unreadable(path, error, what) from error


def unreadable(path: Path, error: OSError, what: str = "") -> DataError:
    """Return the error to raise where a raw file or folder cannot be read.

    Args:
        path: the file.
        error: why.
        what: what it is for, in words, where its name does not say it.
    """
    if isinstance(error, PermissionError):
        fix = "give yourself permission to read it"
    elif isinstance(error, FileNotFoundError):
        fix = "put it there, or check the raw folder"
    else:
        fix = "copy or download it again"
    named = f"{path.name} ({what})" if what else path.name
    return DataError(f"cannot read {named}: {error.strerror or error}", where=str(path), fix=fix)
