"""What holds for every format: the corners, no box, many boxes, and what is refused before any work."""

import numpy as np
import pytest

from tests.unit.drawing.scenes import AROUND, BEHIND, FAR, FLAT, NEGATIVE, SINK, farthest, frame, scene
from tests.unit.drawing.views.readers import READERS, needs_rerun, written
from vgcli_core.drawing import views
from vgcli_core.drawing.views import VIEWS, check_view
from vgcli_core.errors import OutputError, ResourceError, UnknownName
from vgcli_core.geometry.boxes import OrientedBox, as_array, corners

ENDINGS = [".glb", ".ply", ".json", pytest.param(".rrd", marks=needs_rerun)]


PICTURES = {".jpeg", ".jpg", ".mp4", ".png"}  # of which no corner can be read back: `test_pictures.py`


def test_every_format_is_tested():
    assert READERS.keys() | PICTURES == VIEWS.keys()


@pytest.mark.parametrize("ending", ENDINGS)
def test_corners_read_back_are_those_of_the_boxes_in_their_own_cameras(tmp_path, ending):
    given = {1: (SINK, BEHIND, AROUND), 3: (FLAT, NEGATIVE, FAR)}
    what = scene(frame(0), frame(1, *given[1]), frame(2), frame(3, *given[3], kind="true"))
    found = READERS[ending](written(what, tmp_path, ending), what)
    assert sorted(found) == [(position, k) for position in given for k in range(3)]
    for (position, k), points in found.items():
        assert farthest(points, corners(as_array([given[position][k]]))[0]) < 1e-4


@pytest.mark.parametrize("ending", ENDINGS)
def test_without_boxes_a_file_holds_the_camera(tmp_path, ending):
    what = scene(frame(0), frame(1))
    paths = written(what, tmp_path, ending)
    assert [path.name for path in paths] == [f"view{ending}"]
    assert READERS[ending](paths, what) == {}
    assert b"camera 0 of frame 0" in paths[0].read_bytes() or ending == ".rrd"


@pytest.mark.parametrize("ending", ENDINGS)
def test_five_hundred_boxes_are_one_file(tmp_path, ending):
    rows = np.random.default_rng(0).uniform(-3, 3, (500, 9))
    boxes = [OrientedBox(tuple(r[:3]), tuple(np.abs(r[3:6])), tuple(r[6:]), f"box {i}") for i, r in enumerate(rows)]
    what = scene(frame(0, *boxes))
    paths = written(what, tmp_path, ending)
    assert len(paths) == 1
    found = READERS[ending](paths, what)
    for k in (0, 257, 499):
        assert farthest(found[0, k], corners(as_array([boxes[k]]))[0]) < 1e-4


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path, ending):
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError):
        VIEWS[ending].write(scene(frame(0, SINK)), tmp_path / "taken" / f"view{ending}")
    assert [path.name for path in tmp_path.rglob("*")] == ["taken"]


@pytest.mark.parametrize("name", ["view.gbl", "view", "view.stl", ".glb"])
def test_an_unknown_ending_is_refused_with_those_that_are_known(tmp_path, name):
    with pytest.raises(UnknownName) as refused:
        check_view(tmp_path / name)
    assert all(ending in refused.value.fix for ending in VIEWS)
    assert name in refused.value.where


def test_what_can_be_written_passes(tmp_path):
    assert check_view(tmp_path / "new" / "folder" / "VIEW.GLB") is VIEWS[".glb"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_the_file_or_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "scene.glb").mkdir()
    (tmp_path / "file").touch()
    for path, word in ((tmp_path / "scene.glb", "is a folder"), (tmp_path / "file" / "deep" / "v.ply", "is a file")):
        with pytest.raises(OutputError, match=word):
            check_view(path)


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch):
    def refuses(dir):
        assert dir == tmp_path
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(views, "TemporaryFile", refuses)  # root, whom tests may run as, may write everywhere
    with pytest.raises(OutputError, match=r"cannot write view\.glb: Permission denied"):
        check_view(tmp_path / "new" / "view.glb")


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(views, "find_spec", lambda name: None)
    with pytest.raises(ResourceError, match="rerun-sdk") as refused:
        check_view(tmp_path / "view.rrd")
    assert 'pip install "vgllm[viz]"' in refused.value.fix
    assert check_view(tmp_path / "view.glb")
