"""Rows of parquet files, a few at a time: hub files hold pictures and reach hundreds of megabytes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vgcli_core.data.raw.reading import unreadable
from vgcli_core.errors import DataError, VgllmError

_BATCH = 16  # rows; a row of a picture benchmark holds up to four pictures
_BUFFER = 1 << 20  # bytes; without a buffer whole columns of a row group are read at once


def row_counts(path: Path) -> list[int]:
    """Return how many rows each row group of the file has. Raises DataError, and VgllmError without pyarrow."""
    with _opened(path) as file:
        return [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]


def column_names(path: Path) -> list[str]:
    """Return the names of the top-level columns, in the file's order. Raises as `row_counts`."""
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def read_rows(
    path: Path, columns: Sequence[str] | None = None, *, start: int = 0, stop: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield rows as dictionaries of plain values; memory holds a few pages of the file, however large it is.

    Row groups before `start` are not read, and neither are columns that are not wanted.

    Args:
        path: a parquet file.
        columns: names of the wanted columns; those that the file lacks are left out. None for all.
        start: first row.
        stop: row to stop before; None for the end.

    Raises:
        DataError: the file is missing, cut off or no parquet file.
        VgllmError: pyarrow is not installed.
    """
    with _opened(path) as file:
        wanted = None if columns is None else [name for name in file.schema_arrow.names if name in columns]
        first = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if first + count > start and (stop is None or first < stop):
                last = None if stop is None else stop - first
                yield from _group_rows(file, group, wanted, start=max(start - first, 0), stop=last, path=path)
            first += count


def _group_rows(
    file: Any, group: int, columns: Sequence[str] | None, *, start: int, stop: int | None, path: Path
) -> Iterator[dict[str, Any]]:
    batches = file.iter_batches(batch_size=_BATCH, row_groups=[group], columns=columns, use_threads=False)
    first = 0
    while stop is None or first < stop:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except (OSError, ValueError) as error:  # pyarrow's own errors are among these
            raise _damaged(path, error) from error
        chosen = batch.slice(max(start - first, 0), None if stop is None else max(stop - max(start, first), 0))
        yield from chosen.to_pylist()
        first += batch.num_rows


def _opened(path: Path) -> Any:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise VgllmError(
            "parquet files need pyarrow", where=str(path), fix="install it: pip install pyarrow"
        ) from error
    try:
        return parquet.ParquetFile(str(path), buffer_size=_BUFFER, pre_buffer=False)
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path.name}", where=str(path), fix="check the raw folder") from error
    except PermissionError as error:
        raise unreadable(path, error) from error
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
    return DataError(
        f"{path.name} is no parquet file, or cut off: {reason}", where=str(path), fix="download the file again"
    )
