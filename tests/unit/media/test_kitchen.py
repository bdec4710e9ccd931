"""The example video: both decoders agree on it, and it is what its script renders."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.options import FIRST, settings_of
from vgcli_core.data.sources.rooms import DATASET
from vgcli_core.geometry.boxes import corners, transform
from vgcli_core.media.frames import read_frames
from vgcli_core.media.sampling import Sampling

NUMBER = 900837


@pytest.fixture
def kitchen(repository):
    return repository / "examples" / "rooms" / "kitchen.mp4"


@pytest.fixture(scope="module")
def script(repository):
    """Run the script."""
    environment = {**os.environ, "PYTHONPATH": str(repository)}

    def run(*arguments):
        words = [sys.executable, repository / "examples" / "make_room_video.py", *arguments]
        return subprocess.run(words, check=False, env=environment, capture_output=True, text=True)

    return run


@pytest.fixture(scope="module")
def rendered(script, tmp_path_factory):
    """The first and the last frame of the walk, rendered anew, and what is known of them."""
    folder = tmp_path_factory.mktemp("kitchen")
    assert script("--frames", "2", "--out", folder / "two.mp4", "--truth", folder / "truth.json").returncode == 0
    return read_frames(folder / "two.mp4").images, json.loads((folder / "truth.json").read_text(encoding="utf-8"))


def test_both_decoders_give_the_same_kitchen(kitchen):
    pytest.importorskip("decord")
    one, other = (read_frames(kitchen, decoder=name) for name in ("decord", "pyav"))
    assert len(one.images) == 32
    assert one.images[0].shape == (480, 640, 3)
    assert one.total == 61
    np.testing.assert_array_equal(one.images, other.images)


def test_the_script_renders_the_kitchen(rendered, kitchen):
    stored = read_frames(kitchen, Sampling(indices=(0, 60))).images
    for again, kept in zip(rendered[0], stored, strict=True):
        assert np.abs(again.astype(int) - kept).mean() < 3  # two encodings of one picture


def test_the_script_knows_where_the_sink_is(rendered):
    truth = rendered[1]
    seen = [
        np.array([thing["bbox_3d"] for thing in frame["boxes"] if thing["label"] == "sink"])
        for frame in truth["frames"]
    ]
    # Read off the pictures: the middle of the wash stand, from the floor to the top of its tap.
    for boxes, (column, row) in zip(seen, ((540, 265), (171, 308)), strict=True):
        u, v, depth = np.array(truth["intrinsics"]) @ boxes[0, :3]
        assert depth > 0
        np.testing.assert_allclose((u / depth, v / depth), (column, row), atol=20)
    poses = [np.array(frame["camera_to_world"]) for frame in truth["frames"]]
    first, last = (corners(transform(boxes, pose))[0] for boxes, pose in zip(seen, poses, strict=True))
    # The same eight corners, under whichever names: it stands on the floor at a wall, 1.21 m high with its tap.
    np.testing.assert_allclose(np.sort(first, axis=0), np.sort(last, axis=0), atol=1e-9)
    np.testing.assert_allclose((first[:, 2].min(), first[:, 2].max()), (0, 1.21), atol=0.01)
    assert all(boxes[0, 4] == pytest.approx(np.ptp(first[:, 2])) for boxes in seen)  # its height is its size in y: down


def test_no_model_was_trained_on_the_kitchen_and_its_four_frames_are_those_of_the_test_set(rendered):
    truth = rendered[1]
    assert truth["room"] == f"room_{NUMBER}"
    assert FIRST["test"] <= NUMBER
    room = make_room(0, NUMBER, settings_of(DATASET.options_with({"preset": "demo"})))
    # 61 frames: those at 0, 20, 40 and 60 are exactly a third of the walk apart.
    assert len(room.cameras_to_world) == 4
    poses = [frame["camera_to_world"] for frame in truth["frames"]]
    np.testing.assert_allclose(poses, room.cameras_to_world[[0, 3]], atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--frames", "0"], "argument --frames: '0' is no whole number from 1 on"),
        (["--room", "-1"], "argument --room: '-1' is no whole number from 0 on"),
        (["--seed", "one"], "argument --seed: 'one' is no whole number from 0 on"),
        (["--frames", "1", "--out", "taken.mp4"], "cannot write taken.mp4"),
    ],
)
def test_what_the_script_cannot_do_is_told_in_a_line(script, arguments, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.mp4").mkdir()
    done = script(*arguments)
    assert done.returncode == 2
    assert what in done.stderr
    assert "Traceback" not in done.stderr
