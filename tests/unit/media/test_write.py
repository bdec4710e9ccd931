"""Videos we write play back as what was written, and nothing is left after a failure."""

import numpy as np
import pytest

from vgcli_core.errors import MediaError
from vgcli_core.media.frames import read_frames
from vgcli_core.media.write import write_video


def test_what_is_written_is_read_again(tmp_path, picture, numbers):
    count = write_video(tmp_path / "out.mp4", (picture(number) for number in range(20)), fps=12.5)
    frames = read_frames(tmp_path / "out.mp4")
    assert count == 20
    assert numbers(frames) == list(range(20))
    np.testing.assert_allclose(frames.times, np.arange(20) / 12.5)


def test_the_same_pictures_give_the_same_bytes_whatever_the_memory_held_before(tmp_path):
    generator = np.random.default_rng(0)
    still = generator.integers(0, 256, (9, 12, 3)).repeat(4, axis=0).repeat(4, axis=1).astype(np.uint8)
    pictures = [np.roll(still, 2 * shift, axis=1) for shift in range(8)]
    written = set()
    for number in range(12):
        litter = [generator.integers(0, 256, size, dtype=np.uint8) for size in generator.integers(1000, 200_000, 40)]
        del litter
        write_video(tmp_path / f"{number}.mp4", pictures, fps=8, quality=10)
        written.add((tmp_path / f"{number}.mp4").read_bytes())
    assert len(written) == 1


def test_an_odd_size_grows_by_one_line(tmp_path, picture):
    write_video(tmp_path / "odd.mp4", [picture(1, 95, 63)], fps=1)
    assert read_frames(tmp_path / "odd.mp4").images[0].shape == (64, 96, 3)


@pytest.mark.parametrize("sizes", [[], [(96, 64), (96, 66)]])
def test_a_failure_leaves_the_old_file_and_nothing_else(sizes, tmp_path, picture):
    (tmp_path / "out.mp4").write_bytes(b"old")
    with pytest.raises(MediaError):
        write_video(tmp_path / "out.mp4", [picture(1, *size) for size in sizes], fps=10)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_bytes() == b"old"


@pytest.mark.parametrize("fps", [0, -1, float("nan")])
def test_a_rate_must_be_positive(fps, tmp_path, picture):
    with pytest.raises(MediaError, match="fps"):
        write_video(tmp_path / "out.mp4", [picture(1)], fps=fps)


def test_a_name_without_a_known_ending_is_an_mp4_too(tmp_path, picture, numbers):
    write_video(tmp_path / "video", (picture(number) for number in range(3)), fps=4)
    assert (tmp_path / "video").read_bytes()[4:8] == b"ftyp"
    assert numbers(read_frames((tmp_path / "video").rename(tmp_path / "video.mp4"))) == [0, 1, 2]
