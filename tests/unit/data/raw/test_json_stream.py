"""A long JSON list is read record by record, in blocks that may end anywhere."""

import json
import tracemalloc

import pytest

from vgcli_core.data.raw import json_stream
from vgcli_core.data.raw.json_stream import read_range, read_records
from vgcli_core.errors import DataError

VALUES = [{"id": 7, "text": "sofa, couch] }"}, {"text": 'Größe "1" 🛋', "list": [[1, 2], {"a": None}]}, 12, -3.5, "x"]


def written(path, text):
    path.write_bytes(text.encode("utf-8"))
    return path


def forms(values):
    return {
        "list": json.dumps(values, ensure_ascii=False),
        "indented list": json.dumps(values, indent=2),
        "lines": "\n".join(json.dumps(value, ensure_ascii=False) for value in values) + "\n\n",
        "mark first": "\ufeff " + json.dumps(values),
        "no newline at the end": "\r\n".join(json.dumps(value) for value in values),
    }


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("form", forms([]))
def test_records_are_those_of_the_whole_file_whatever_the_block(tmp_path, monkeypatch, form, block):
    monkeypatch.setattr(json_stream, "_BLOCK", block)
    path = written(tmp_path / "a.json", forms(VALUES)[form])
    records = list(read_records(path))
    assert [record.value for record in records] == VALUES
    data = path.read_bytes()
    assert [json.loads(data[record.start : record.stop]) for record in records] == VALUES


@pytest.mark.parametrize("block", range(1, 12))
def test_a_number_that_a_block_cuts_is_read_to_its_end(tmp_path, monkeypatch, block):
    monkeypatch.setattr(json_stream, "_BLOCK", block)
    for text in ("[123456789, 987654321]", "123456789\n987654321\n", "123456789 987654321"):
        records = read_records(written(tmp_path / "a.json", text))
        assert [record.value for record in records] == [123456789, 987654321]


@pytest.mark.parametrize("form", ["list", "lines", "mark first"])
def test_a_range_of_bytes_gives_its_records_alone(tmp_path, form):
    path = written(tmp_path / "a.json", forms(VALUES)[form])
    records = list(read_records(path))
    for first in range(len(VALUES)):
        for last in range(first, len(VALUES)):
            assert read_range(path, records[first].start, records[last].stop) == VALUES[first : last + 1]


@pytest.mark.parametrize("text", ["", "  \n", "[]", "[ ]\n"])
def test_nothing_gives_no_record(tmp_path, text):
    assert list(read_records(written(tmp_path / "a.json", text))) == []


@pytest.mark.parametrize(
    "text", ['[{"a": 1}, {"b": ', '[{"a": 1}', '[{"a": 1},', "[", '{"a": 1}\n{"b"', "[nope]", "nope"]
)
def test_a_cut_off_or_foreign_file_is_named(tmp_path, text):
    with pytest.raises(DataError, match=r"a\.json"):
        list(read_records(written(tmp_path / "a.json", text)))


def test_text_that_is_no_utf8_is_named(tmp_path):
    (tmp_path / "a.json").write_bytes(b'["\xff"]')
    with pytest.raises(DataError, match="UTF-8"):
        list(read_records(tmp_path / "a.json"))


def test_lists_nested_without_end_are_no_json(tmp_path):
    with pytest.raises(DataError):
        list(read_records(written(tmp_path / "a.json", "[" * 200_000)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        list(read_records(tmp_path / "a.json"))


def test_memory_holds_a_block_of_a_long_list(tmp_path):
    path = written(tmp_path / "a.json", json.dumps([{"text": "x" * 2_000, "id": number} for number in range(6_000)]))
    tracemalloc.start()
    count = sum(1 for _ in read_records(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 6_000 and path.stat().st_size > 12_000_000
    assert peak < 8_000_000
