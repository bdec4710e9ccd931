"""Files and folders appear whole or not at all."""

import os
from pathlib import Path

import pytest

from vgcli_core.atomic import atomic_folder, atomic_path, replaced_folder, write_text
from vgcli_core.errors import OutputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def tmp_path_mode(folder: Path) -> int:
    """The mode an ordinary new file gets here."""
    (folder.parent / "plain").touch()
    return (folder.parent / "plain").stat().st_mode & 0o777


def test_a_file_is_replaced_only_when_the_new_one_is_complete(tmp_path):
    target = tmp_path / "a.json"
    write_text(target, "old")
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    write_text(target, "new\n")
    assert target.read_bytes() == b"new\n"
    assert names(tmp_path) == ["a.json"]


def test_a_full_disk_is_told_as_such_and_leaves_nothing(tmp_path):
    target = tmp_path / "a.json"
    with pytest.raises(OutputError, match="No space left") as caught, atomic_path(target):
        raise OSError(28, "No space left on device")
    assert caught.value.where == str(target)
    assert names(tmp_path) == []


def test_a_target_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError):
        write_text(tmp_path / "a", "text")
    assert names(tmp_path) == ["a"]


def test_a_folder_appears_only_when_it_is_complete(tmp_path):
    with pytest.raises(ValueError, match="stop"), atomic_folder(tmp_path / "run") as temporary:
        (temporary / "half").touch()
        raise ValueError("stop")
    assert names(tmp_path) == []
    (tmp_path / "run").mkdir()  # an empty one is as good as none
    with atomic_folder(tmp_path / "run") as temporary:
        (temporary / "whole").touch(0o600)
    assert names(tmp_path) == ["run"]
    assert names(tmp_path / "run") == ["whole"]
    assert os.name == "nt" or (tmp_path / "run" / "whole").stat().st_mode & 0o777 == tmp_path_mode(tmp_path)
    with pytest.raises(OutputError, match="not empty"), atomic_folder(tmp_path / "run"):
        pass
    assert names(tmp_path / "run") == ["whole"]


def test_a_folder_is_replaced_only_when_the_new_one_is_complete(tmp_path):
    target = tmp_path / "run"
    for content in ("old", "new"):
        with replaced_folder(target) as temporary:
            (temporary / content).touch()
        assert (names(tmp_path), names(target)) == (["run"], [content])
    with pytest.raises(KeyboardInterrupt), replaced_folder(target) as temporary:
        (temporary / "half").touch()
        raise KeyboardInterrupt
    assert (names(tmp_path), names(target)) == (["run"], ["new"])


def test_a_kill_between_the_two_moves_costs_no_folder(tmp_path):
    (tmp_path / ".run.old").mkdir()
    (tmp_path / ".run.old" / "whole").touch()
    with pytest.raises(ValueError, match="stop"), replaced_folder(tmp_path / "run"):
        raise ValueError("stop")
    assert (names(tmp_path), names(tmp_path / "run")) == (["run"], ["whole"])


def test_a_folder_that_cannot_be_given_its_name_leaves_the_old_one(tmp_path, monkeypatch):
    target = tmp_path / "run"
    with replaced_folder(target) as temporary:
        (temporary / "old").touch()
    rename = Path.replace

    def refuse(self: Path, to: Path) -> Path:
        if self.name == ".run.new":
            raise OSError(28, "No space left on device")
        return rename(self, to)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match="No space left"), replaced_folder(target) as temporary:
        (temporary / "new").touch()
    assert (names(tmp_path), names(target)) == (["run"], ["old"])
