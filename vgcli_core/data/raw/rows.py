"""Values of one row of an owner's table, checked: text, numbers, lists of options. A bad row is dropped and counted."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vgcli_core.data.raw.json_stream import read_records
from vgcli_core.data.raw.parquet import read_rows
from vgcli_core.data.raw.reading import unreadable
from vgcli_core.errors import DataError

Row = Mapping[str, Any]


class BadRow(Exception):
    """A row that cannot become a sample; its text is the reason that the manifest counts."""


def text(row: Row, key: str) -> str:
    """Return `row[key]` as text. Whole numbers count, written without decimals: owners' readers make them of ids."""
    value = row.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise BadRow(f"no {key}" if value is None or value == "" else f"{key} is no text")
    return value


def optional_text(row: Row, key: str) -> str:
    """Return `row[key]` as text, "" where it is missing or empty."""
    value = row.get(key)
    return "" if value is None or value != value or value == "" else text(row, key)  # noqa: PLR0124 NaN is not itself


def whole(row: Row, key: str) -> int:
    """Return `row[key]` as a whole number; text that is one counts, as tables without types have it."""
    value = row.get(key)
    if isinstance(value, str):
        value = float(value) if value.strip().removesuffix(".0").lstrip("-").isdecimal() else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not float(value).is_integer():
        raise BadRow(f"{key} is no whole number")
    return int(value)


def texts(row: Row, key: str) -> tuple[str, ...]:
    """Return `row[key]` as options: a list of text, () where it is missing or empty."""
    value = row.get(key)
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise BadRow(f"{key} is no list of texts")
    return tuple(value)


def one_of(row: Row, key: str, known: Sequence[str]) -> str:
    """Return `row[key]`, one of `known`."""
    value = text(row, key)
    if value not in known:
        raise BadRow(f"unknown {key} {value[:40]!r}")
    return value


def read_table(path: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Yield the rows of a .parquet, .jsonl, .json or .csv file, one by one.

    Args:
        path: the file; its suffix says what it is.
        columns: wanted columns of a parquet file, None for all; the other kinds give all.

    Raises:
        DataError: the file is missing, damaged, or holds something other than rows.
        VgllmError: a parquet file, and pyarrow is not installed.
    """
    if path.suffix == ".parquet":
        yield from read_rows(path, columns)
    elif path.suffix == ".csv":
        yield from _csv_rows(path)
    else:
        for record in read_records(path):
            if not isinstance(record.value, dict):
                what = f"{path.name} holds {type(record.value).__name__} where a row should be"
                raise DataError(what, where=str(path), fix="check that this is the owner's file")
            yield record.value


def _csv_rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not reader.fieldnames:
                raise DataError(f"{path.name} is empty", where=str(path), fix="download the file again")
            yield from ({key: value for key, value in row.items() if key is not None} for row in reader)
    except OSError as error:
        raise unreadable(path, error) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path.name} cannot be read: {error}", where=str(path), fix="download the file again"
        ) from error
