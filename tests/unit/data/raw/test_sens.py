"""`.sens` recordings: written byte by byte from the documented layout, cut everywhere, damaged, and read back."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vgcli_core.data.raw.sens import SensFile
from vgcli_core.data.raw.sens_write import SensFrame, write_sens
from vgcli_core.errors import DataError

K = np.array([[10.0, 0, 4, 0], [0, 11, 3, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
K_DEPTH = np.array([[5.0, 0, 2, 0], [0, 5.5, 1.5, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def jpeg(seed: int, size: tuple[int, int] = (8, 6)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def pose(index: int) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = index, index / 2, 1
    return matrix


def frames(count: int) -> list[SensFrame]:
    return [
        SensFrame(jpeg(i), np.arange(12, dtype=np.uint16).reshape(3, 4) + 1000 * i, pose(i), (i * 33333, i * 33333 + 5))
        for i in range(count)
    ]


def by_hand(count: int, *, name: bytes = b"StructureSensor", depth_code: int = 1) -> bytes:
    """The documented layout, field by field, without the code under test."""
    parts = [struct.pack("<I", 4), struct.pack("<Q", len(name)), name]
    parts += [np.asarray(matrix, "<f4").tobytes() for matrix in (K, np.eye(4), K_DEPTH, np.eye(4))]
    parts += [struct.pack("<ii", 2, depth_code), struct.pack("<II", 8, 6), struct.pack("<II", 4, 3)]
    parts += [struct.pack("<f", 1000), struct.pack("<Q", count)]
    for frame in frames(count):
        plain = frame.depth.astype("<u2").tobytes()
        depth = zlib.compress(plain) if depth_code == 1 else plain
        parts += [np.asarray(frame.camera_to_world, "<f4").tobytes(), struct.pack("<QQ", *frame.timestamps)]
        parts += [struct.pack("<QQ", len(frame.color_jpeg), len(depth)), frame.color_jpeg, depth]
    return b"".join([*parts, struct.pack("<Q", 0)])


def header_size(name: bytes = b"StructureSensor") -> int:
    return 4 + 8 + len(name) + 4 * 64 + 8 + 16 + 4 + 8


def test_the_documented_layout_is_read_in_any_order(tmp_path):
    path = tmp_path / "scene.sens"
    path.write_bytes(by_hand(4))
    with SensFile(path) as sens:
        header = sens.header
        assert (header.sensor, header.num_frames) == ("StructureSensor", 4)
        assert (header.color_size, header.depth_size) == ((8, 6), (4, 3))
        np.testing.assert_array_equal(header.intrinsics_color, K)
        np.testing.assert_array_equal(header.intrinsics_depth, K_DEPTH)
        assert header.depth_shift == 1000
        expected = frames(4)
        for index in (2, 0, 3, 1, 2):
            assert sens.color(index) == expected[index].color_jpeg
            np.testing.assert_array_equal(sens.depth(index), expected[index].depth)
            np.testing.assert_array_equal(sens.camera_to_world(index), pose(index))
            assert sens.timestamps(index) == expected[index].timestamps
        assert sens.count_whole() == 4


def test_the_writer_gives_the_documented_layout(tmp_path):
    assert write_sens(tmp_path / "a.sens", K, K_DEPTH, iter(frames(3)), color_size=(8, 6), depth_size=(4, 3)) == 3
    written, expected = (tmp_path / "a.sens").read_bytes(), by_hand(3)
    # zlib's compression level may differ, so depth payloads are compared by what they inflate to (above).
    assert written[: header_size() + 96 - 8] == expected[: header_size() + 96 - 8]
    (tmp_path / "b.sens").write_bytes(expected)
    with SensFile(tmp_path / "a.sens") as ours, SensFile(tmp_path / "b.sens") as theirs:
        for index in range(3):
            assert ours.color(index) == theirs.color(index)
            np.testing.assert_array_equal(ours.depth(index), theirs.depth(index))


def test_plain_depth_is_read_and_unknown_compression_is_named(tmp_path):
    path = tmp_path / "scene.sens"
    path.write_bytes(by_hand(2, depth_code=0))
    with SensFile(path) as sens:
        np.testing.assert_array_equal(sens.depth(1), frames(2)[1].depth)
    path.write_bytes(by_hand(2, depth_code=2))
    with SensFile(path) as sens, pytest.raises(DataError, match="compression 2"):
        sens.depth(0)


def test_a_lost_pose_comes_back_as_it_is_and_its_frame_stays_readable(tmp_path):
    lost = [SensFrame(jpeg(0), np.zeros((3, 4), np.uint16), np.full((4, 4), -np.inf)), *frames(1)]
    write_sens(tmp_path / "a.sens", K, K_DEPTH, lost, color_size=(8, 6), depth_size=(4, 3))
    with SensFile(tmp_path / "a.sens") as sens:
        assert not np.isfinite(sens.camera_to_world(0)).any()
        assert sens.color(0) == jpeg(0)
        assert np.isfinite(sens.camera_to_world(1)).all()


def test_a_file_cut_anywhere_says_in_which_frame_and_keeps_the_frames_before(tmp_path):
    whole = by_hand(3)
    path = tmp_path / "cut.sens"
    ends = [header_size()]
    for frame in frames(3):
        ends.append(ends[-1] + 96 + len(frame.color_jpeg) + len(zlib.compress(frame.depth.tobytes())))
    for length in [
        *range(0, header_size(), 7),
        *range(header_size(), len(whole), 31),
        *ends,
        *(end - 1 for end in ends),
    ]:
        path.write_bytes(whole[:length])
        if length < header_size():
            with pytest.raises(DataError, match="ends before its time"):
                SensFile(path)
            continue
        whole_frames = sum(length >= end for end in ends[1:])
        with SensFile(path) as sens:
            assert sens.count_whole() == whole_frames
            for index in range(whole_frames):
                assert sens.color(index) == frames(3)[index].color_jpeg
            if whole_frames < 3:
                with pytest.raises(DataError, match=f"cut off in frame {whole_frames} of 3"):
                    sens.color(2)


@pytest.mark.parametrize(
    ("offset", "replacement", "message"),
    [
        (0, struct.pack("<I", 3), "version 4"),
        (4, struct.pack("<Q", 1 << 60), "sensor's name"),
        (header_size() - 28, struct.pack("<I", 1 << 31), "pixels wide"),
        (header_size() - 28, struct.pack("<I", 0), "pixels wide"),
        (27, struct.pack("<f", float("nan")), "not finite"),
        (header_size() - 12, struct.pack("<f", 0), "depth shift"),
    ],
)
def test_a_header_that_cannot_be_true_is_refused(tmp_path, offset, replacement, message):
    data = bytearray(by_hand(1))
    data[offset : offset + len(replacement)] = replacement
    (tmp_path / "bad.sens").write_bytes(data)
    with pytest.raises(DataError, match=message):
        SensFile(tmp_path / "bad.sens")


@pytest.mark.parametrize("count", [1 << 63, 1 << 40, 200_000])
@pytest.mark.parametrize(("place", "kind"), [(80, "colour"), (88, "depth")])
def test_a_length_that_cannot_be_true_allocates_nothing(tmp_path, place, kind, count):
    data = bytearray(by_hand(1))
    data[header_size() + place : header_size() + place + 8] = struct.pack("<Q", count)
    (tmp_path / "bad.sens").write_bytes(data)
    with SensFile(tmp_path / "bad.sens") as sens, pytest.raises(DataError, match=f"frame 0 says that its {kind} has"):
        sens.color(0)


def test_more_frames_promised_than_there_are_is_a_cut(tmp_path):
    data = bytearray(by_hand(2))
    data[header_size() - 8 : header_size()] = struct.pack("<Q", 1 << 62)
    (tmp_path / "bad.sens").write_bytes(data)
    with SensFile(tmp_path / "bad.sens") as sens:
        assert sens.count_whole() == 2


def test_depth_that_inflates_to_more_than_a_frame_is_refused_without_inflating_it(tmp_path):
    bomb = zlib.compress(bytes(100_000_000), 9)
    data = by_hand(1)
    start = header_size() + 96 + len(jpeg(0))
    head = bytearray(data[:start])
    head[header_size() + 88 : header_size() + 96] = struct.pack("<Q", min(len(bomb), 60_000))
    (tmp_path / "bomb.sens").write_bytes(bytes(head) + bomb[:60_000])
    with SensFile(tmp_path / "bomb.sens") as sens, pytest.raises(DataError, match="not 4 x 3"):
        sens.depth(0)


def test_damaged_depth_and_a_frame_out_of_range_are_named(tmp_path):
    data = bytearray(by_hand(1))
    start = header_size() + 96 + len(jpeg(0))
    data[start : start + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "bad.sens").write_bytes(data)
    with SensFile(tmp_path / "bad.sens") as sens:
        assert sens.color(0) == jpeg(0)
        with pytest.raises(DataError, match="depth of frame 0 does not inflate"):
            sens.depth(0)
        with pytest.raises(DataError, match="no frame 1"):
            sens.color(1)
    with pytest.raises(DataError, match=r"missing\.sens"):
        SensFile(tmp_path / "missing.sens")


def test_a_failed_write_leaves_nothing(tmp_path):
    wrong = [*frames(1), SensFrame(jpeg(1), np.zeros((2, 2), np.uint16), pose(1))]
    with pytest.raises(ValueError, match="uint16 is due"):
        write_sens(tmp_path / "a.sens", K, K_DEPTH, wrong, color_size=(8, 6), depth_size=(4, 3))
    assert list(tmp_path.iterdir()) == []
