"""Needs: which files meet them, that folders alone do not, and that no more is looked at than must be."""

import os

import pytest

from vgcli_core.data.base import Need
from vgcli_core.data.sources import DATASETS
from vgcli_core.errors import DataError, UnknownName

FRAMES = Need("frames", ("a/*/*.jpg", "b/*/*.jpg"), "nobody", "https://example.org", any_of=True)


def write(path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_any_file_of_the_first_place_that_has_some_meets_a_need(tmp_path):
    for name in ("1.jpg", "2.jpg"):
        write(tmp_path / "b" / "scene" / name)
    (found,) = FRAMES.find(tmp_path)
    assert found.parent == tmp_path / "b" / "scene" and found.suffix == ".jpg"
    write(tmp_path / "a" / "scene" / "1.jpg")
    assert FRAMES.find(tmp_path) == [tmp_path / "a" / "scene" / "1.jpg"]


def test_folders_without_a_usable_file_do_not(tmp_path):
    write(tmp_path / "a" / "scene" / "1.sens")
    write(tmp_path / "a" / "1.jpg")
    write(tmp_path / "b")
    assert FRAMES.find(tmp_path) == [] and FRAMES.find(tmp_path / "nowhere") == []


def test_looking_stops_at_the_first_file(tmp_path, monkeypatch):
    for scene in range(9):
        write(tmp_path / "a" / str(scene) / "1.jpg")
    opened = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: opened.append(folder) or scandir(folder))
    assert len(FRAMES.find(tmp_path)) == 1
    assert len(opened) == 2, "the folder of scenes, and one scene"


def test_a_folder_that_may_not_be_looked_into_is_named(tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    write(tmp_path / "a" / "scene" / "1.jpg")
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="may not be looked into") as caught:
        FRAMES.find(tmp_path)
    assert caught.value.where == str(tmp_path / "a") and caught.value.fix


def test_a_preset_gives_what_is_not_set_beside_it_and_a_misspelt_one_is_refused():
    rooms = DATASETS["rooms"]
    defaults, demo = rooms.options_with({}), rooms.options_with({"preset": "demo", "width": 84})
    assert rooms.options_with({"preset": "none"}) == defaults
    assert (demo["width"], demo["height"], demo["film_frames"]) == (84, 126, 4) != (defaults["width"], 126, 4)
    with pytest.raises(UnknownName, match="unknown preset of rooms 'dmeo'") as caught:
        rooms.options_with({"preset": "dmeo"})
    assert "did you mean 'demo'?" in caught.value.fix
    assert DATASETS["scanrefer"].options_with({}) == {
        option.name: option.default for option in DATASETS["scanrefer"].options
    }
