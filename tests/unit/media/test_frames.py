"""`read_frames` from end to end: every kind of source, every refusal, and use from a spawned process."""

import multiprocessing
import os
import sys

import av
import numpy as np
import pytest
from PIL import Image

from vgcli_core.errors import MediaError, UnknownName
from vgcli_core.media.frames import read_frames
from vgcli_core.media.sampling import Sampling


def test_a_video_gives_32_evenly_spaced_frames_with_times(tmp_path, clip, numbers):
    frames = read_frames(clip(tmp_path / "room.mp4", 100))
    assert numbers(frames) == [int(99 * i / 31) for i in range(32)]
    assert frames.times == tuple(index / 25 for index in frames.indices)
    assert frames.names == ()
    assert frames.total == 100
    assert frames.source == str(tmp_path / "room.mp4")


def test_a_folder_of_pictures_keeps_their_order_names_and_sizes(tmp_path, picture, numbers):
    for number in (1, 2, 10):
        Image.fromarray(picture(number, 96 + number, 64)).save(tmp_path / f"frame{number}.png")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    frames = read_frames(tmp_path)
    assert numbers(frames) == [1, 2, 10]
    assert frames.names == ("frame1.png", "frame2.png", "frame10.png")
    assert frames.times == (None, None, None)
    assert [image.shape[1] for image in frames.images] == [97, 98, 106]
    assert frames.decoder.startswith("Pillow")
    assert frames.notes == ("1 file that is not a picture was ignored: .DS_Store",)


def test_too_many_pictures_are_sampled_evenly_or_by_index(tmp_path, picture, numbers):
    for number in range(40):
        Image.fromarray(picture(number)).save(tmp_path / f"{number}.png")
    assert numbers(read_frames(tmp_path, Sampling(num_frames=3))) == [0, 19, 39]
    assert len(read_frames(tmp_path).images) == 32
    assert read_frames(str(tmp_path / "*.png"), Sampling(indices=(7, 3))).indices == (7, 3)


def test_one_picture_is_one_frame(tmp_path, picture, numbers):
    Image.fromarray(np.dstack([picture(9), np.full((64, 96), 7, np.uint8)])).save(tmp_path / "one.png")
    frames = read_frames(tmp_path / "one.png")
    assert numbers(frames) == [9]
    assert frames.notes == ("alpha channel dropped without blending",)


def test_an_animated_gif_is_a_video(tmp_path, picture):
    first, *others = (Image.fromarray(picture(number)) for number in range(4))
    first.save(tmp_path / "moving.gif", save_all=True, append_images=others, duration=100)
    frames = read_frames(tmp_path / "moving.gif")
    assert frames.total == 4
    np.testing.assert_allclose(frames.times, [0, 0.1, 0.2, 0.3])


def test_a_note_counts_the_pictures_it_is_about(tmp_path, picture):
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(picture(1)).save(tmp_path / "1.jpg", exif=exif)
    Image.fromarray(picture(2)).save(tmp_path / "2.jpg")
    assert read_frames(tmp_path).notes == ("EXIF orientation applied (1 of 2 pictures)",)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("notes.txt", b"hello\n" * 200, "neither a video nor a picture"),
        ("paper.pdf", b"%PDF-1.4\n" + b"x" * 500, "neither a video nor a picture"),
        ("list.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n", "neither a video nor a picture"),
        ("noise.mp4", bytes(range(256)) * 40, "neither a video nor a picture"),
        ("empty.mp4", b"", "empty"),
        ("noise.jpg", bytes(range(256)) * 40, "not a picture"),
    ],
)
def test_other_files_are_refused_with_their_name_and_a_fix(name, content, word, tmp_path, decoder):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError, match=word) as caught:
        read_frames(tmp_path / name, decoder=decoder)
    assert name in caught.value.where
    assert caught.value.fix


def _fill_with_silence(container, stream) -> None:
    for number in range(10):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate, frame.pts = 16_000, 1024 * number
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def test_sound_without_a_video_is_refused(tmp_path):
    with av.open(str(tmp_path / "song.m4a"), "w") as container:
        _fill_with_silence(container, container.add_stream("aac", rate=16_000))
    with pytest.raises(MediaError, match="no video stream"):
        read_frames(tmp_path / "song.m4a")


def test_the_cover_of_a_song_is_no_video(tmp_path, picture):
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        sound, cover = container.add_stream("aac", rate=16_000), container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 96, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic.value
        container.mux(cover.encode(av.VideoFrame.from_ndarray(picture(1), format="rgb24")))
        _fill_with_silence(container, sound)
    with pytest.raises(MediaError, match="no video stream"):
        read_frames(tmp_path / "song.mp4")


def test_an_unknown_codec_is_named_as_the_problem(tmp_path, clip, decoder):
    path = clip(tmp_path / "new.mp4", 10)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(MediaError, match="codec") as caught:
        read_frames(path, decoder=decoder)
    assert "ffmpeg" in caught.value.fix


def test_a_video_without_frames_is_refused(tmp_path, clip):
    path = clip(tmp_path / "none.mp4", 10, movflags="frag_keyframe+empty_moov")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moof") - 4])  # keeps the header of the stream and none of its fragments
    with pytest.raises(MediaError, match=r"none\.mp4"):
        read_frames(path)


@pytest.mark.parametrize(
    ("size", "word"),
    [((200, 27), "too small"), ((20, 200), "too small"), ((1000, 40), "too wide"), ((518 * 4, 21 * 4 - 1), "too wide")],
)
def test_frames_the_model_cannot_look_at_are_refused(size, word, tmp_path):
    Image.new("RGB", size).save(tmp_path / "strip.png")
    with pytest.raises(MediaError, match=word):
        read_frames(tmp_path / "strip.png")


@pytest.mark.parametrize("size", [(28, 28), (28, 500), (518, 28), (518 * 4, 22 * 4)])
def test_the_smallest_frames_that_fit_are_accepted(size, tmp_path):
    Image.new("RGB", size).save(tmp_path / "small.png")
    assert read_frames(tmp_path / "small.png").images[0].shape[:2] == size[::-1]


@pytest.mark.parametrize(
    "sampling", [Sampling(indices=(0, 60)), Sampling(num_frames=3, start=2.5), Sampling(fps=1, start=1e6)]
)
def test_a_wish_beyond_the_video_names_the_video(sampling, tmp_path, clip, decoder):
    path = clip(tmp_path / "short.mp4", 60)
    with pytest.raises(MediaError) as caught:
        read_frames(path, sampling, decoder=decoder)
    assert caught.value.where == str(path)
    assert caught.value.fix


def test_a_rate_for_pictures_is_refused(tmp_path, picture):
    Image.fromarray(picture(1)).save(tmp_path / "1.png")
    with pytest.raises(MediaError, match="pictures have no times"):
        read_frames(tmp_path, Sampling(fps=2))


def test_an_unknown_decoder_gets_the_known_ones(tmp_path):
    with pytest.raises(UnknownName, match="'decord'"):
        read_frames(tmp_path, decoder="decor")


def test_without_decord_auto_is_quiet_and_forcing_it_is_an_error(tmp_path, clip, numbers, monkeypatch):
    path = clip(tmp_path / "room.mp4", 10)
    monkeypatch.setitem(sys.modules, "decord", None)  # what an import finds where the package is absent
    frames = read_frames(path)
    assert numbers(frames) == list(range(10))
    assert frames.decoder.startswith("PyAV")
    assert frames.notes == ()
    with pytest.raises(MediaError, match="not installed") as caught:
        read_frames(path, decoder="decord")
    assert "pyav" in caught.value.fix


def test_names_with_spaces_accents_and_colons_work(tmp_path, clip, decoder, numbers, monkeypatch):
    names = ["my room.mp4", "cuisine été 厨房.mp4"] + ([] if os.name == "nt" else ["concat:x.mp4"])
    monkeypatch.chdir(tmp_path)
    plain = clip(tmp_path / "plain.mp4", 10).read_bytes()
    for name in names:
        (tmp_path / name).write_bytes(plain)
        assert numbers(read_frames(name, decoder=decoder)) == list(range(10))


def test_a_spawned_process_reads_after_its_parent_did(tmp_path, clip, decoder):
    path = str(clip(tmp_path / "room.mp4", 30))
    here = read_frames(path, Sampling(num_frames=4), decoder=decoder)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply_async(read_frames, (path, Sampling(num_frames=4)), {"decoder": decoder}).get(timeout=60)
    np.testing.assert_array_equal(here.images, there.images)
    assert here.times == there.times
