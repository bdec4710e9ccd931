"""The right frames of every kind of video, by both decoders; and damaged files keep what is good."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from vgcli_core.errors import MediaError
from vgcli_core.media import decord_reader, pyav_reader
from vgcli_core.media.container import frames as decoded
from vgcli_core.media.container import opened
from vgcli_core.media.frames import read_frames
from vgcli_core.media.sampling import Sampling
from vgcli_core.media.track import survey

SPREAD = (0, 1, 11, 12, 13, 30, 31, 58, 59)  # around key frames, near and far, first and last
ONE, UNIT = 1 << 16, 1 << 30

# name -> (file, arguments of `clip`, whether decord is to be trusted with it)
KINDS = {
    "h264, all key frames": ("a.mp4", {"gop": 1}, True),
    "h264, short GOPs with B-frames": ("a.mp4", {"gop": 12, "options": {"bf": "3"}}, True),
    "h264, no B-frames": ("a.mp4", {"options": {"bf": "0"}}, True),
    "h264, one long GOP": ("a.mp4", {"gop": 250}, True),
    "h264, open GOPs": ("a.mp4", {"options": {"x264-params": "open-gop=1:keyint=12:bframes=3"}}, False),
    "h264, in matroska": ("a.mkv", {}, True),
    "h264, fragmented mp4": ("a.mp4", {"movflags": "frag_keyframe+empty_moov"}, True),
    "h264, full range": ("a.mp4", {"pixels": "yuvj420p"}, True),
    "h264, 10 bit": ("a.mp4", {"pixels": "yuv420p10le"}, False),
    "h264, transport stream": ("a.ts", {}, False),
    "h264, avi without presentation times": ("a.avi", {}, False),
    "h264, bare stream without times": ("a.h264", {}, False),
    "h264, portrait": ("a.mp4", {"size": (96, 170)}, True),
    "hevc": ("a.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none:open-gop=0"}}, True),
    "hevc, open GOPs": ("a.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=12"}}, False),
    "vp9 webm": ("a.webm", {"codec": "libvpx-vp9"}, True),
    "vp9 webm with alpha": ("a.webm", {"codec": "libvpx-vp9", "pixels": "yuva420p"}, True),
    "vp9 webm, odd height": ("a.webm", {"codec": "libvpx-vp9", "size": (101, 65)}, False),
    "vp8 webm": ("a.webm", {"codec": "libvpx"}, True),
    "av1": ("a.mp4", {"codec": "libsvtav1", "options": {"preset": "10"}}, False),
    "mpeg4": ("a.mp4", {"codec": "mpeg4"}, True),
    "prores 10 bit": ("a.mov", {"codec": "prores_ks", "pixels": "yuv422p10le"}, False),
}


@pytest.fixture(scope="module")
def kind(request, tmp_path_factory, clip):
    """The clip of one of KINDS, made once for all tests that read it."""
    name, arguments, trusted = KINDS[request.param]
    return clip(tmp_path_factory.mktemp("kind") / name, 60, **arguments), trusted


@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_the_frames_asked_for_come_back_from_every_kind_of_video(kind, decoder, numbers):
    path, trusted = kind
    if decoder == "decord" and not trusted and decord_reader.wrong_frames(survey(path)):
        with pytest.raises(MediaError, match="decord cannot read"):
            read_frames(path, Sampling(indices=SPREAD), decoder="decord")
        return
    try:
        frames = read_frames(path, Sampling(indices=SPREAD), decoder=decoder)
    except MediaError as error:
        assert decoder == "decord"
        assert not trusted
        assert "decord failed" in error.what
        return
    assert numbers(frames) == list(SPREAD)
    assert frames.indices == SPREAD
    assert frames.total == 60
    assert frames.decoder.startswith("decord" if decoder == "decord" else "PyAV")
    np.testing.assert_allclose(frames.times, [index / 25 for index in SPREAD], atol=6e-4)  # webm counts milliseconds


@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_auto_uses_decord_only_where_it_is_right_and_says_why_not(kind, numbers):
    pytest.importorskip("decord")
    path, trusted = kind
    frames = read_frames(path, Sampling(num_frames=7))
    assert numbers(frames) == [0, 9, 19, 29, 39, 49, 59]
    assert frames.decoder.startswith("decord" if trusted else "PyAV")
    assert any("read with PyAV" in note for note in frames.notes) != trusted
    assert all(image.shape[2] == 3 and image.dtype == np.uint8 for image in frames.images)


@pytest.mark.parametrize("kind", [name for name, (_, _, trusted) in KINDS.items() if trusted], indirect=True)
def test_both_decoders_give_equal_pixels_where_decord_is_trusted(kind):
    pytest.importorskip("decord")
    path, _ = kind
    one, other = (read_frames(path, Sampling(num_frames=9), decoder=name) for name in ("decord", "pyav"))
    np.testing.assert_array_equal(one.images, other.images)
    assert one.times == other.times


def test_decord_alone_would_return_a_wrong_frame_of_a_transport_stream(tmp_path, clip):
    # The reason for `wrong_frames`: when this fails, a newer decord may be trusted with more files.
    decord = pytest.importorskip("decord")
    path = clip(tmp_path / "a.ts", 60)
    decord.logging.set_level(decord.logging.QUIET)
    truth = read_frames(path, Sampling(indices=(45,)), decoder="pyav").images[0]
    try:
        image = decord.VideoReader(str(path), num_threads=1).get_batch([45]).asnumpy()[0]
    except decord.DECORDError:
        return
    assert np.abs(image.astype(int) - truth).max() > 100


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_times_follow_the_stamps_of_a_variable_frame_rate(suffix, tmp_path, clip, decoder, numbers):
    steps = [0, *(40 if number % 10 < 7 else 240 for number in range(59))]
    milliseconds = np.cumsum(steps).tolist()
    path = clip(tmp_path / f"vfr{suffix}", 60, ticks=milliseconds, tick=Fraction(1, 1000))
    frames = read_frames(path, Sampling(fps=2.0), decoder=decoder)
    nearest = [int(np.argmin(np.abs(np.array(milliseconds) - wish))) for wish in range(0, milliseconds[-1] + 1, 500)]
    assert numbers(frames) == sorted(set(nearest))
    np.testing.assert_allclose(frames.times, [milliseconds[n] / 1000 for n in frames.indices], atol=1e-6)


def test_times_count_from_the_first_frame_also_when_the_stream_starts_late(tmp_path, clip, decoder, numbers):
    path = clip(tmp_path / "late.mkv", 20, ticks=list(range(50, 70)))
    frames = read_frames(path, Sampling(num_frames=2, start=0.4), decoder=decoder)
    assert numbers(frames) == [10, 19]
    assert frames.times == (0.4, 0.76)


# The track header's matrix turns the stored picture; `store` is what a camera held that way would have stored.
TURNS = {
    "90 degrees": ((0, ONE, 0, -ONE, 0, 0, 0, 0, UNIT), lambda image: np.rot90(image, 1)),
    "180 degrees": ((-ONE, 0, 0, 0, -ONE, 0, 0, 0, UNIT), lambda image: np.rot90(image, 2)),
    "270 degrees": ((0, -ONE, 0, ONE, 0, 0, 0, 0, UNIT), lambda image: np.rot90(image, 3)),
    "mirroring": ((-ONE, 0, 0, 0, ONE, 0, 0, 0, UNIT), lambda image: image[:, ::-1]),
}


@pytest.mark.parametrize("name", TURNS)
@pytest.mark.parametrize("wish", ["auto", "decord", "pyav"])
def test_the_rotation_a_phone_writes_is_applied_and_noted(name, wish, tmp_path, picture, numbers):
    if wish == "decord":
        pytest.importorskip("decord")
        if name == "mirroring":
            pytest.skip("decord does not mirror; auto takes PyAV")
    matrix, store = TURNS[name]
    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = store(picture(0)).shape[:2]
        stream.pix_fmt = "yuv420p"
        for number in range(5):
            image = np.ascontiguousarray(store(picture(number)))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 44  # version 0: the matrix follows 40 bytes of times, identifiers and volume
    data[at : at + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(data)
    frames = read_frames(path, Sampling(num_frames=5), decoder=wish)
    assert numbers(frames) == [0, 1, 2, 3, 4]
    assert frames.images[0].shape == picture(0).shape
    assert any(name in note and "applied" in note for note in frames.notes)


def test_frames_hidden_by_an_edit_list_are_not_counted(tmp_path, clip, decoder, numbers):
    path = clip(tmp_path / "edited.mp4", 60, gop=10)
    data = bytearray(path.read_bytes())
    at = data.find(b"elst") + 12  # version 0: flags, count, then duration in ms and the first media time
    duration, first = struct.unpack(">Ii", data[at : at + 8])
    ticks_per_frame = struct.unpack(">I", data[data.find(b"mdhd") + 16 :][:4])[0] // 25
    data[at : at + 8] = struct.pack(">Ii", duration - 800, first + 20 * ticks_per_frame)
    path.write_bytes(data)
    frames = read_frames(path, Sampling(num_frames=3), decoder=decoder)
    assert frames.total == 40
    assert numbers(frames) == [20, 39, 59]
    assert frames.times[0] == 0


@pytest.mark.parametrize("kept", [0.55, 0.7, 0.9, 0.999])
@pytest.mark.parametrize("wish", ["auto", "pyav"])
def test_a_cut_off_video_gives_its_good_frames_and_says_how_many(kept, wish, tmp_path, clip, numbers):
    whole = clip(tmp_path / "whole.mp4", 120, movflags="faststart")
    part = tmp_path / "part.mp4"
    part.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * kept)])
    with opened(part) as (container, stream):
        survivors = [round(float(frame.pts * stream.time_base) * 25) for frame in decoded(container, stream)]
    assert 0 < len(survivors) < 120
    frames = read_frames(part, Sampling(num_frames=6), decoder=wish)
    assert frames.total == len(survivors)
    assert numbers(frames) == [survivors[index] for index in frames.indices]
    assert numbers(frames)[-1] == survivors[-1]
    assert any(f"{len(survivors)} of 120 frames decodable" in note for note in frames.notes)
    assert frames.decoder.startswith("PyAV")


def test_damage_inside_a_video_costs_only_the_damaged_frames(tmp_path, clip, numbers):
    path = clip(tmp_path / "scratched.mp4", 60, gop=1)
    with av.open(str(path)) as container:
        hurt = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size][20:23]
    data = bytearray(path.read_bytes())
    for position, size in hurt:
        data[position : position + size] = b"\0" * size
    path.write_bytes(data)
    frames = read_frames(path, Sampling(num_frames=57), decoder="pyav")
    assert numbers(frames) == [number for number in range(60) if number not in (20, 21, 22)]
    assert any("57 of 60" in note for note in frames.notes)


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6])
def test_a_video_that_lost_its_index_is_an_error_that_says_so(kept, tmp_path, clip, decoder):
    whole = clip(tmp_path / "whole.mp4", 120, gop=1)  # the index stands at the end
    part = tmp_path / "part.mp4"
    part.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * kept)])
    with pytest.raises(MediaError, match="cut off") as caught:
        read_frames(part, decoder=decoder)
    assert caught.value.where == str(part)
    assert caught.value.fix


def test_frames_that_change_size_are_an_error(tmp_path, clip, decoder):
    small, large = clip(tmp_path / "s.ts", 30), clip(tmp_path / "l.ts", 30, size=(128, 96))
    mixed = tmp_path / "mixed.ts"
    mixed.write_bytes(small.read_bytes() + large.read_bytes())
    if decoder == "pyav":
        with pytest.raises(MediaError, match="change size"):
            read_frames(mixed, decoder=decoder)
    else:
        with pytest.raises(MediaError):
            read_frames(mixed, decoder=decoder)


def test_a_webm_that_changes_size_is_an_error_although_decord_would_scale_it(tmp_path, picture):
    path = tmp_path / "call.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        second = av.CodecContext.create("libvpx-vp9", "w")
        second.width, second.height, second.pix_fmt = 128, 96, "yuv420p"
        second.time_base, second.framerate = Fraction(1, 25), 25
        for first_number, encoder in ((0, stream), (10, second)):
            for number in range(first_number, first_number + 10):
                image = picture(number, encoder.width, encoder.height)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                for packet in encoder.encode(frame):
                    packet.stream = stream
                    container.mux(packet)
            for packet in encoder.encode(None):
                packet.stream = stream
                container.mux(packet)
    with pytest.raises(MediaError, match="change size"):
        read_frames(path)


def test_seeking_and_decoding_from_the_start_give_equal_frames(tmp_path, clip):
    path = clip(tmp_path / "long.mp4", 240, gop=12, options={"bf": "3"})
    track = survey(path)
    assert len(pyav_reader._legs([0, 60, 70, 200], track.keys)) == 3  # so this does seek
    seeking = pyav_reader.decode(track, [3, 60, 70, 143, 144, 200, 239])
    everything = pyav_reader.decode(track, range(240))
    assert len(everything) == 240
    for position, image in seeking.items():
        np.testing.assert_array_equal(image, everything[position])


def test_long_videos_cost_memory_for_the_wanted_frames_only(tmp_path, clip):
    import tracemalloc

    path = clip(tmp_path / "wide.mp4", 250, size=(640, 480), options={"preset": "ultrafast"})
    tracemalloc.start()
    read_frames(path, Sampling(num_frames=4), decoder="pyav")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 640 * 480 * 3  # numpy reports to tracemalloc; 250 frames would be 230 MB
