"""Which folders an export may take: new ones, empty ones, and with leave those of earlier exports."""

from pathlib import Path

import pytest

from tests.unit.export.checkpoints import same, tiny_folder, weights
from vgcli_core.errors import OutputError
from vgcli_core.export.checkpoint import export_checkpoint
from vgcli_core.export.plan import Wish
from vgcli_core.export.target import read_record

AGAIN = Wish(dtype="bfloat16", overwrite=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("saved") / "tiny")


def test_an_earlier_export_is_replaced_only_with_leave(tiny, tmp_path):
    first = export_checkpoint(tiny, tmp_path / "out", Wish(max_shard_size="500KB"))
    with pytest.raises(OutputError, match="earlier export") as refused:
        export_checkpoint(tiny, tmp_path / "out")
    assert "--overwrite" in refused.value.fix
    assert same(weights(first.folder), weights(tiny))
    again = export_checkpoint(tiny, tmp_path / "out", AGAIN)
    assert [path.name for path in again.folder.glob("*.safetensors")] == ["model.safetensors"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_record_lists_every_file_with_its_checksum(tiny, tmp_path):
    done = export_checkpoint(tiny, tmp_path / "out")
    record = read_record(done.folder)
    assert (record["format"], record["name"]) == ("vgllm", "tiny")
    assert set(record["files"]) == {path.name for path in done.folder.iterdir()} - {"export.json"}
    assert record["files"]["model.safetensors"]["size"] == (done.folder / "model.safetensors").stat().st_size


@pytest.mark.parametrize("wish", [Wish(), AGAIN])
def test_folders_with_anything_else_in_them_are_refused(tiny, tmp_path, wish):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("only copy", encoding="utf-8")
    with pytest.raises(OutputError, match="no earlier export"):
        export_checkpoint(tiny, tmp_path / "mine", wish)
    done = export_checkpoint(tiny, tmp_path / "out")
    (done.folder / "notes.txt").write_text("only copy", encoding="utf-8")
    with pytest.raises(OutputError, match=r"also holds 'notes\.txt'"):
        export_checkpoint(tiny, tmp_path / "out", wish)
    assert (done.folder / "notes.txt").is_file()


def test_a_file_in_the_way_is_refused(tiny, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"):
        export_checkpoint(tiny, tmp_path / "file")
    with pytest.raises(OutputError, match="cannot write"):
        export_checkpoint(tiny, tmp_path / "file" / "below")


def test_a_checkpoint_is_never_replaced_by_its_own_export(tiny, tmp_path):
    first = export_checkpoint(tiny, tmp_path / "a" / "first")
    for out in (first.folder, first.folder / ".." / "first", tmp_path / "a"):
        with pytest.raises(OutputError, match="its own checkpoint"):
            export_checkpoint(first.folder, out, AGAIN)
    assert same(weights(first.folder), weights(tiny))


def test_an_empty_folder_is_as_good_as_none(tiny, tmp_path):
    (tmp_path / "out").mkdir()
    assert export_checkpoint(tiny, tmp_path / "out").folder == tmp_path / "out"
    (tmp_path / "other").mkdir()
    assert export_checkpoint(tiny, tmp_path / "other", AGAIN).dtypes == {"bfloat16": 208}
