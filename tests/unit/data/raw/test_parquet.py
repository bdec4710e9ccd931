"""Parquet files are read a few rows at a time, from anywhere, and damage is named."""

import os
import sys

import pyarrow
import pytest
from pyarrow import parquet

from vgcli_core.data.raw.parquet import column_names, read_rows, row_counts
from vgcli_core.errors import DataError, VgllmError


@pytest.fixture
def numbers(tmp_path):
    table = pyarrow.table({"id": list(range(100)), "word": [f"w{i}" for i in range(100)]})
    path = tmp_path / "numbers.parquet"
    parquet.write_table(table, path, row_group_size=40)
    return path


def test_all_rows_come_in_order_across_row_groups(numbers):
    assert row_counts(numbers) == [40, 40, 20]
    assert [row["id"] for row in read_rows(numbers)] == list(range(100))


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (15, 17), (38, 42), (39, 81), (80, 100), (99, None), (50, 50)])
def test_a_range_of_rows_is_the_slice_of_all_rows(numbers, start, stop):
    assert [row["id"] for row in read_rows(numbers, start=start, stop=stop)] == list(range(100))[start:stop]


def test_only_wanted_columns_are_read_and_absent_ones_left_out(numbers):
    assert column_names(numbers) == ["id", "word"]
    assert next(read_rows(numbers, ["word", "picture"])) == {"word": "w0"}


def test_memory_holds_a_few_pages_of_a_large_row_group(tmp_path):
    path = tmp_path / "pictures.parquet"
    rows = [{"image": {"bytes": os.urandom(100_000), "path": None}} for _ in range(200)]
    # Pages of few rows; pyarrow checks the size of a page only once in so many values.
    parquet.write_table(pyarrow.Table.from_pylist(rows), path, data_page_size=1 << 20, write_batch_size=8)
    del rows
    before = pyarrow.total_allocated_bytes()
    peak = 0
    for row in read_rows(path):
        assert len(row["image"]["bytes"]) == 100_000
        peak = max(peak, pyarrow.total_allocated_bytes() - before)
    assert peak < 8_000_000 < path.stat().st_size


def test_a_cut_off_file_is_named(numbers):
    numbers.write_bytes(numbers.read_bytes()[:-30])
    with pytest.raises(DataError, match="cut off"):
        list(read_rows(numbers))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"there is no file gone\.parquet"):
        row_counts(tmp_path / "gone.parquet")


def test_damage_inside_a_column_is_named(numbers):
    data = bytearray(numbers.read_bytes())
    data[4:400] = os.urandom(396)
    numbers.write_bytes(bytes(data))
    with pytest.raises(DataError, match="cut off"):
        list(read_rows(numbers))


def test_without_pyarrow_the_user_is_told_what_to_install(numbers, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(VgllmError, match="parquet files need pyarrow") as raised:
        list(read_rows(numbers))
    assert "pip install pyarrow" in raised.value.fix
