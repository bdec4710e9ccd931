"""A named frame is an extracted file, or else the bytes in the scene's recording, read when they are asked for."""

import io

import numpy as np
import pytest
from PIL import Image

from vgcli_core.data.raw import frames
from vgcli_core.data.raw.frames import frame_size, frame_source
from vgcli_core.data.raw.sens_write import SensFrame, write_sens
from vgcli_core.errors import DataError


def jpeg(colour: int, size=(8, 6)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (colour, 0, 0)).save(buffer, "JPEG")
    return buffer.getvalue()


def recording(raw, scene: str, count: int, first: int = 0):
    path = raw / "scannet" / "scans" / scene / f"{scene}.sens"
    path.parent.mkdir(parents=True, exist_ok=True)
    made = [SensFrame(jpeg(first + i), np.zeros((3, 4), np.uint16), np.eye(4)) for i in range(count)]
    write_sens(path, np.eye(4), np.eye(4), made, color_size=(8, 6), depth_size=(4, 3))
    return path


def name(scene: str, index: int) -> str:
    return f"scannet/posed_images/{scene}/{index:05d}.jpg"


@pytest.mark.parametrize("folder", ["scannet/posed_images", "posed_images", "embodiedscan/scannet/posed_images"])
def test_an_extracted_file_comes_first(tmp_path, folder):
    recording(tmp_path, "scene0000_00", 3)
    file = tmp_path / folder / "scene0000_00" / "00002.jpg"
    file.parent.mkdir(parents=True)
    file.write_bytes(jpeg(99, (20, 10)))
    assert frame_source(tmp_path, name("scene0000_00", 2)) == file
    assert callable(frame_source(tmp_path, name("scene0000_00", 1)))
    assert frame_size(tmp_path, [name("scene0000_00", 1), name("scene0000_00", 2)]) == (20, 10)


def test_frames_of_a_recording_are_its_bytes_and_one_recording_is_open_at_a_time(tmp_path, monkeypatch):
    opened = []
    real = frames.SensFile
    monkeypatch.setattr(frames, "SensFile", lambda path: opened.append(path.stem) or real(path))
    for scene, first in (("scene0000_00", 10), ("scene0001_00", 50)):
        recording(tmp_path, scene, 4, first)
    lazy = [frame_source(tmp_path, name(scene, i)) for scene in ("scene0000_00", "scene0001_00") for i in (3, 0, 2)]
    assert opened == []
    assert [one() for one in lazy] == [jpeg(colour) for colour in (13, 10, 12, 53, 50, 52)]
    assert opened == ["scene0000_00", "scene0001_00"]
    assert frame_size(tmp_path, [name("scene0001_00", 0)]) == (8, 6)
    assert opened == ["scene0000_00", "scene0001_00"]


def test_a_recording_that_changes_is_read_again(tmp_path):
    recording(tmp_path, "scene0000_00", 1)
    source = frame_source(tmp_path, name("scene0000_00", 0))
    assert source() == jpeg(0)
    recording(tmp_path, "scene0000_00", 2, first=200)
    assert source() == jpeg(200)


def test_what_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(DataError, match=r"the frame scannet/posed_images/scene0000_00/00010\.jpg is missing") as caught:
        frame_source(tmp_path, name("scene0000_00", 10))
    assert "scene0000_00.sens" in caught.value.fix
    path = recording(tmp_path, "scene0000_00", 3)
    with pytest.raises(DataError, match="no frame 3"):
        frame_source(tmp_path, name("scene0000_00", 3))()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 100])
    assert frame_source(tmp_path, name("scene0000_00", 1))() == jpeg(1)
    with pytest.raises(DataError, match="cut off in frame 2 of 3"):
        frame_source(tmp_path, name("scene0000_00", 2))()
    path.write_bytes(whole.replace(b"\x02\x00\x00\x00\x01\x00\x00\x00", b"\x00\x00\x00\x00\x01\x00\x00\x00", 1))
    with pytest.raises(DataError, match="compression 0 instead of JPEG"):
        frame_source(tmp_path, name("scene0000_00", 0))()
    for odd in ("other/scene0000_00/00000.jpg", "scannet/posed_images/scene0000_00/first.jpg"):
        with pytest.raises(DataError, match="is missing"):
            frame_source(tmp_path, odd)
    assert frame_size(tmp_path, [name("scene0009_00", 0)]) is None
    assert frame_size(tmp_path, []) is None
    (tmp_path / "scannet" / "posed_images" / "s").mkdir(parents=True)
    (tmp_path / "scannet" / "posed_images" / "s" / "00000.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="no picture"):
        frame_size(tmp_path, [name("s", 0)])
