import errno

import pytest
import torch

from vgcli_core.errors import CheckpointError, OutputError
from vgcli_core.training import checkpoints
from vgcli_core.training.checkpoints import Writer, recover, replace_folder, saved, sweep


def write(run, step, **tensors):
    writer = Writer(run, step)
    writer.write("weights", tensors.items())
    writer.write("moments", [])
    writer.finish({"updates": step, "bad": 0, "best": {}})


def test_what_is_written_comes_back_bit_for_bit(tmp_path):
    a, b = torch.randn(3, 4), torch.randn(5)
    write(tmp_path, 7, a=a, b=b)
    (found,) = saved(tmp_path)
    assert (found.step, found.state["updates"]) == (7, 7)
    tensors = dict(found.weights())
    assert torch.equal(tensors["a"], a)
    assert torch.equal(tensors["b"], b)
    assert dict(found.moments()) == {}


def test_large_checkpoints_are_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "_SHARD", 100)
    write(tmp_path, 1, **{str(n): torch.full((20,), float(n)) for n in range(5)})
    (found,) = saved(tmp_path)
    assert len(list(found.folder.glob("weights-*"))) == 3
    assert sorted(dict(found.weights())) == ["0", "1", "2", "3", "4"]


def test_a_checkpoint_has_its_name_only_when_it_is_whole(tmp_path):
    writer = Writer(tmp_path, 1)
    writer.write("weights", {"a": torch.zeros(2)}.items())
    assert saved(tmp_path) == []
    sweep(tmp_path, 1)
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_full_disk_leaves_nothing_and_all_tensors_are_still_asked_for(tmp_path, monkeypatch):
    def full(tensors, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "write_tensors", full)
    monkeypatch.setattr(checkpoints, "_SHARD", 1)
    asked = []

    def tensors():
        for name in "abc":
            asked.append(name)
            yield name, torch.zeros(2)

    writer = Writer(tmp_path, 1)
    writer.write("weights", tensors())
    with pytest.raises(OutputError, match="No space left"):
        writer.finish({})
    assert asked == ["a", "b", "c"]
    assert not list((tmp_path / "checkpoints").iterdir())


def test_the_newest_stay(tmp_path):
    for step in (2, 4, 10, 1000000):
        write(tmp_path, step, a=torch.zeros(1))
    sweep(tmp_path, 2)
    assert [one.step for one in saved(tmp_path)] == [10, 1000000]


def test_a_damaged_file_is_named(tmp_path):
    write(tmp_path, 1, a=torch.zeros(100))
    (found,) = saved(tmp_path)
    file = found.folder / "weights-00001.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(CheckpointError) as caught:
        dict(found.weights())
    assert str(file) in caught.value.where


def test_a_folder_is_replaced_and_comes_back_after_a_kill_between_the_moves(tmp_path):
    for name in ("best", ".best.new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    replace_folder(tmp_path / ".best.new", tmp_path / "best")
    assert (tmp_path / "best" / "file").read_text() == ".best.new"
    (tmp_path / "best").rename(tmp_path / ".best.old")
    recover(tmp_path / "best")
    assert (tmp_path / "best" / "file").read_text() == ".best.new"
    assert [path.name for path in tmp_path.iterdir()] == ["best"]
