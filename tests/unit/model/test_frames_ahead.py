"""Frames read ahead: in order, bounded, and whatever happens to a reader costs its own list alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from tests.unit.evaluation.sets import question, write_set
from vgcli_core.data.frames_digest import frames_digest
from vgcli_core.errors import DataError, MediaError
from vgcli_core.model.feature_cache import FeatureCache, encoders_fingerprint
from vgcli_core.model.frames_ahead import FramesAhead, look
from vgcli_core.model.pixels import pixels_of
from vgcli_core.model.tiny import tiny_model

WIDTH = 56
SAMPLES = [question(number, scene=number) for number in range(6)]
REPOSITORY = Path(__file__).parents[3]
forks = pytest.mark.skipif(sys.platform == "win32", reason="needs signals and named pipes")


@pytest.fixture
def root(tmp_path):
    return write_set(tmp_path, SAMPLES) / "vsi_bench"


def ahead(root, **settings):
    return FramesAhead([(root, sample) for sample in SAMPLES], **{"width": WIDTH, "workers": 2, **settings})


def children():
    return [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("workers", [0, 1, 2, 9])
def test_frames_come_as_they_are_read_in_place(root, workers):
    before = len(children())
    with ahead(root, workers=workers) as frames:
        assert len(children()) - before == min(workers, len(SAMPLES))
        for sample in SAMPLES:
            expected = look(sample, root, width=WIDTH).frames
            assert torch.equal(frames(sample).frames, expected)
            # Asked for again, it is read again.
            assert torch.equal(frames(sample).frames, expected)
    assert len(children()) == before


def test_a_reader_that_raises_says_what_and_goes_on(root):
    (root / "frames" / "1" / "0.png").write_bytes(b"no picture")
    (root / "frames" / "3" / "1.png").unlink()
    with ahead(root) as frames:
        frames(SAMPLES[0])
        with pytest.raises(MediaError) as broken:
            frames(SAMPLES[1])
        assert broken.value.fix
        frames(SAMPLES[2])
        with pytest.raises((DataError, MediaError), match=r"1\.png|not in the prepared set|no such"):
            frames(SAMPLES[3])
        assert frames(SAMPLES[5]).frames is not None


@forks
def test_a_reader_that_hangs_is_given_up(root):
    path = root / "frames" / "1" / "0.png"
    path.unlink()
    os.mkfifo(path)  # opening it waits for a writer for ever
    before = children()
    with ahead(root, timeout=0.5) as frames:
        frames(SAMPLES[0])
        started = time.monotonic()
        with pytest.raises(MediaError, match=r"longer than 0\.5 s"):
            frames(SAMPLES[1])
        with pytest.raises(MediaError, match=r"longer than 0\.5 s"):
            frames(SAMPLES[1])  # asked again, for another layout: not read in place
        assert time.monotonic() - started < 5
        assert all(frames(sample).frames is not None for sample in SAMPLES[2:])
    assert children() == before


@forks
def test_a_reader_that_dies_costs_its_own_list(root):
    path = root / "frames" / "1" / "0.png"
    path.unlink()
    os.mkfifo(path)
    before = children()
    with ahead(root, workers=1) as frames:
        frames(SAMPLES[0])
        (reader,) = [one for one in children() if one not in before]
        reader.send_signal(signal.SIGTERM)  # as a scheduler sends it to a whole job: not for readers to answer
        time.sleep(0.1)
        assert reader.is_running()
        reader.kill()
        with pytest.raises(MediaError, match="ended with code -9"):
            frames(SAMPLES[1])
        assert all(frames(sample).frames is not None for sample in SAMPLES[2:])


def test_what_the_cache_holds_is_not_decoded(root, tmp_path):
    model, _ = tiny_model(frame_width=WIDTH)
    cache = FeatureCache(tmp_path / "cache", fingerprint=encoders_fingerprint(model))
    digest = frames_digest(SAMPLES[1], root)
    with ahead(root, cache=cache) as frames:
        assert frames(SAMPLES[0]).frames is not None
        seen = frames(SAMPLES[1])
        assert (seen.frames is None, seen.digest) == (False, digest)
    both = pixels_of(seen.frames)
    cache.write(cache.key(digest), model.encode(both.pixel_values, both.grid_thw, both.geometry_frames))
    with ahead(root, cache=cache) as frames:
        assert frames(SAMPLES[1]).frames is None


@forks
def test_readers_end_with_a_killed_parent(root):
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from tests.unit.model.test_frames_ahead import SAMPLES, ahead\n"
        "with ahead(Path(sys.argv[1])) as frames:\n"
        "    frames(SAMPLES[0])\n    print('reads', flush=True)\n    time.sleep(60)\n"
    )
    words = [sys.executable, "-c", code, str(root)]
    parent = subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "reads\n"
    readers = psutil.Process(parent.pid).children()
    assert len(readers) == 2
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(readers, timeout=10)
    assert alive == []
