"""What a user names: folders in natural order, patterns, and errors that point at the likely file."""

from pathlib import Path

import pytest
from PIL import Image

from vgcli_core.errors import MediaError
from vgcli_core.media.sources import find, natural_key


def _pictures(folder: Path, *names: str) -> None:
    for name in names:
        Image.new("RGB", (32, 32)).save(folder / name)


def _names(found) -> list[str]:
    return [path.name for path in found.pictures]


def test_a_folder_is_read_in_natural_order_and_counts_what_it_ignores(tmp_path):
    _pictures(tmp_path, "frame10.jpg", "frame2.JPG", "frame1.png", "Frame3.jpg")
    for other in (".DS_Store", "Thumbs.db", "notes.txt", "._frame1.png"):
        (tmp_path / other).write_bytes(b"x")
    (tmp_path / "sub").mkdir()
    found = find(tmp_path)
    assert _names(found) == ["frame1.png", "frame2.JPG", "Frame3.jpg", "frame10.jpg"]
    assert len(found.notes) == 1
    assert found.notes[0].startswith("4 files")


def test_natural_order_reads_digits_as_numbers_anywhere():
    paths = [Path(name) for name in ("b10", "10", "a2b10", "a2b9", "a02b1", "9")]
    assert [str(p) for p in sorted(paths, key=natural_key)] == ["9", "10", "a02b1", "a2b9", "a2b10", "b10"]


def test_a_pattern_finds_pictures_and_ignores_the_rest(tmp_path):
    _pictures(tmp_path, "a10.png", "a9.png", "b1.png")
    (tmp_path / "a11.txt").write_text("x", encoding="utf-8")
    assert _names(find(str(tmp_path / "a*.png"))) == ["a9.png", "a10.png"]
    assert find(str(tmp_path / "a*")).notes


def test_a_relative_pattern_works_in_the_current_folder(tmp_path, monkeypatch):
    _pictures(tmp_path, "a1.png", "a2.png")
    monkeypatch.chdir(tmp_path)
    assert _names(find("a?.png")) == ["a1.png", "a2.png"]


def test_a_file_with_brackets_in_its_name_is_a_file(tmp_path):
    _pictures(tmp_path, "room[1].png")
    assert _names(find(tmp_path / "room[1].png")) == ["room[1].png"]


def test_a_pattern_may_name_one_video(tmp_path):
    (tmp_path / "room.mp4").write_bytes(b"x")
    assert find(str(tmp_path / "*.mp4")).video == tmp_path / "room.mp4"


def test_a_picture_without_an_ending_is_recognised_by_its_content(tmp_path):
    _pictures(tmp_path, "a.png")
    (tmp_path / "a.png").rename(tmp_path / "plain")
    assert _names(find(tmp_path / "plain")) == ["plain"]


@pytest.mark.parametrize(
    ("name", "what", "fix"),
    [
        ("kitchn.mp4", "no file or folder kitchn.mp4", "kitchen.mp4"),
        ("absent/room.mp4", "no folder", "path"),
        ("*.jpg", "no file matches", "shell"),
        ("k*", "2 files", "kettle.mov"),
        ("empty.mp4", "empty", "again"),
        ("photo.heic", "HEIC", "JPEG"),
        ("films", "no pictures", "kitchen.mp4"),
        ("void", "no pictures", ".jpg"),
    ],
)
def test_a_wrong_name_gives_the_place_and_the_way_out(name, what, fix, tmp_path):
    for folder in ("films", "void"):
        (tmp_path / folder).mkdir()
    for file in ("kitchen.mp4", "kettle.mov", "photo.heic", "films/kitchen.mp4"):
        (tmp_path / file).write_bytes(b"x")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(MediaError) as caught:
        find(str(tmp_path / name))
    assert what in caught.value.what
    assert fix in caught.value.fix
    assert caught.value.where


@pytest.mark.parametrize(
    "source", ["", "  ", "https://example.org/room.mp4", "rtsp://camera/1", "a\0b.mp4", "x" * 5000]
)
def test_what_cannot_be_a_file_is_refused(source):
    with pytest.raises(MediaError) as caught:
        find(source)
    assert caught.value.fix
