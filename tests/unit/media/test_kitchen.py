"""The example video: both decoders agree on it, and it is what its script renders."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from vgcli_core.media.frames import read_frames
from vgcli_core.media.sampling import Sampling


def test_both_decoders_give_the_same_kitchen(repository):
    pytest.importorskip("decord")
    path = repository / "examples" / "rooms" / "kitchen.mp4"
    one, other = (read_frames(path, decoder=name) for name in ("decord", "pyav"))
    assert len(one.images) == 32
    assert one.images[0].shape == (480, 640, 3)
    assert one.total == 90
    np.testing.assert_array_equal(one.images, other.images)


def test_the_script_renders_the_kitchen_and_knows_where_its_sink_is(repository, tmp_path):
    script = repository / "examples" / "make_room_video.py"
    arguments = ["--frames", "2", "--out", tmp_path / "two.mp4", "--truth", tmp_path / "truth.json"]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    subprocess.run([sys.executable, script, *arguments], check=True, env=environment, capture_output=True)
    ends = read_frames(tmp_path / "two.mp4").images
    stored = read_frames(repository / "examples" / "rooms" / "kitchen.mp4", Sampling(indices=(0, 89))).images
    for rendered, kept in zip(ends, stored, strict=True):
        assert np.abs(rendered.astype(int) - kept).mean() < 3  # two encodings of one picture

    truth = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    first, last = (np.array(frame["sink"]["center"]) for frame in truth["frames"])
    # By hand: the camera starts at (3.7, 0.5, 1.5), and the middle of the basin is (1.75, 3.68, 0.809).
    np.testing.assert_allclose(np.linalg.norm(first), np.hypot(np.hypot(1.95, 3.18), 0.691), rtol=1e-9)
    column, row, depth = np.array(truth["intrinsics"]) @ first
    assert (depth > 0, 0 < column / depth < 640, 0 < row / depth < 480) == (True, True, True)
    assert (np.array(truth["intrinsics"]) @ last)[0] < 0  # at the end it is out of sight, on the left
