"""Checksums of lists of frames: equal for equal pictures in equal order, whatever the files are called."""

import os
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from vgcli_core.data import frames_digest as module
from vgcli_core.data.frames_digest import frames_digest
from vgcli_core.data.sample import Sample, Turn
from vgcli_core.errors import DataError

MARKERS = {"points": [[0, 3, 4]], "labels": ["a"]}


@pytest.fixture
def root(tmp_path) -> Path:
    """A set of three frames; nothing but their bytes matters here."""
    frames = tmp_path / "frames" / "scene"
    frames.mkdir(parents=True)
    for name in "abc":
        (frames / f"{name}.png").write_bytes(f"picture {name}".encode())
    return tmp_path


def sample(*frames: str, **more) -> Sample:
    return Sample("id", "fake", "train", "scene", "ask", frames, (Turn("human", "?"),), **more)


ONE = sample("scene/a.png", "scene/b.png")


def test_names_of_files_questions_and_folders_do_not_matter(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "frames").mkdir()
    for number, name in enumerate("ab"):
        shutil.copy(root / "frames" / "scene" / f"{name}.png", other / "frames" / f"{number}.png")
    moved = replace(sample("0.png", "1.png"), id="another", scene="elsewhere", task="ground")
    assert frames_digest(moved, other) == frames_digest(ONE, root)


def test_order_number_markers_and_squares_matter(root):
    found = {
        frames_digest(one, root)
        for one in (
            ONE,
            sample("scene/b.png", "scene/a.png"),
            sample("scene/a.png"),
            sample("scene/a.png", "scene/a.png"),
            sample("scene/a.png", "scene/c.png"),
            replace(ONE, square=True),
            replace(ONE, markers=MARKERS),
            replace(ONE, markers=MARKERS | {"labels": ["b"]}),
        )
    }
    assert len(found) == 8
    assert frames_digest(replace(ONE, markers=dict(reversed(MARKERS.items()))), root) in found


def test_a_frame_that_changed_gives_another_checksum(root):
    before = frames_digest(ONE, root)
    (root / "frames" / "scene" / "b.png").write_bytes(b"another picture")
    assert frames_digest(ONE, root) != before


def test_a_frame_of_the_same_size_that_was_written_later_gives_another_checksum(root):
    path = root / "frames" / "scene" / "b.png"
    before = frames_digest(ONE, root)
    state = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))
    assert frames_digest(ONE, root) != before


def test_frames_in_a_tar_are_those_in_files(root):
    with tarfile.open(root / "frames" / "scene.tar", "w") as tar:
        for name in "ab":
            tar.add(root / "frames" / "scene" / f"{name}.png", arcname=f"scene/{name}.png")
    assert frames_digest(replace(ONE, pack="scene.tar"), root) == frames_digest(ONE, root)


@pytest.mark.parametrize("pack", ["", "scene.tar"])
def test_a_missing_frame_is_named(root, pack):
    with pytest.raises(DataError, match=r"the frame scene/d\.png is not in the prepared set"):
        frames_digest(sample("scene/a.png", "scene/d.png") if not pack else sample("scene/d.png", pack=pack), root)


def test_a_frame_outside_the_set_is_refused(root):
    with pytest.raises(DataError, match="is no name for a frame"):
        frames_digest(sample("../secret"), root)


def test_frames_that_did_not_change_are_read_once(root, monkeypatch):
    names = []
    read = module.read_bytes

    def counted(name, pack, root):
        names.append(name)
        return read(name, pack, root)

    monkeypatch.setattr(module, "read_bytes", counted)
    for _ in range(3):
        frames_digest(ONE, root)
        frames_digest(sample("scene/b.png", "scene/c.png"), root)
    assert sorted(names) == ["scene/a.png", "scene/b.png", "scene/c.png"]
