"""One picture in, upright RGB out, whatever its mode; damaged files are named."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vgcli_core.errors import MediaError
from vgcli_core.media.images import frame_count, is_picture, read_image, read_picture

# Where the top-left pixel of the upright picture is stored, for EXIF orientations 1 to 8 (EXIF 2.3, tag 0x0112).
STORED_AS = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", STORED_AS)
def test_exif_orientation_is_applied_for_users_and_not_for_prepared_data(orientation, tmp_path, picture):
    upright = picture(5, 48, 32)
    stored = np.ascontiguousarray(STORED_AS[orientation](upright))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "photo.png", exif=exif)
    image, remarks = read_picture(tmp_path / "photo.png")
    np.testing.assert_array_equal(image, upright)
    assert ("EXIF orientation applied" in remarks) == (orientation != 1)
    np.testing.assert_array_equal(read_image(tmp_path / "photo.png", upright=False), stored)


def test_an_alpha_channel_is_dropped_and_the_hidden_colours_stay(tmp_path):
    rgba = np.zeros((32, 32, 4), dtype=np.uint8)
    rgba[..., 0], rgba[:16, :, 3] = 200, 255
    Image.fromarray(rgba).save(tmp_path / "cut.png")
    image, remarks = read_picture(tmp_path / "cut.png")
    np.testing.assert_array_equal(image, rgba[..., :3])
    assert remarks == ("alpha channel dropped without blending",)


def test_a_16_bit_picture_is_scaled_not_clipped(tmp_path):
    Image.fromarray(np.full((32, 32), 0x8000, dtype=np.uint16)).save(tmp_path / "deep.png")
    image, remarks = read_picture(tmp_path / "deep.png")
    assert image.shape == (32, 32, 3)
    assert np.unique(image).tolist() == [128]
    assert remarks == ("16 bits per pixel cut to 8",)


@pytest.mark.parametrize(("mode", "name"), [("L", "a.png"), ("P", "a.gif"), ("LA", "a.png"), ("1", "a.png")])
def test_grey_and_palette_pictures_become_rgb(mode, name, tmp_path):
    Image.new("RGB", (40, 30), (255, 255, 255)).convert(mode).save(tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.shape == (30, 40, 3)
    assert image.dtype == np.uint8
    assert image.min() == 255


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (40, 30), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    red, green, blue = read_image(tmp_path / "print.jpg")[15, 20]
    assert red > 200
    assert green < 60
    assert blue < 60


def test_the_result_can_be_written_to(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").flags.writeable


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_truncated_picture_is_an_error_that_names_the_file(suffix, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    whole, part = tmp_path / f"whole{suffix}", tmp_path / f"part{suffix}"
    Image.fromarray(noise).save(whole)
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(MediaError, match=f"part{suffix}"):
        read_image(part)


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    with pytest.raises(MediaError, match="too large"):
        read_image(tmp_path / "bomb.png")


def test_something_else_is_no_picture(tmp_path):
    (tmp_path / "note.png").write_text("hello", encoding="utf-8")
    assert not is_picture(tmp_path / "note.png")
    with pytest.raises(MediaError, match=r"note\.png is not a picture"):
        read_image(tmp_path / "note.png")
    with pytest.raises(MediaError, match="no file"):
        read_image(tmp_path / "absent.png")


def test_floating_point_pictures_are_refused(tmp_path):
    Image.new("F", (32, 32), 0.5).save(tmp_path / "depth.tif")
    with pytest.raises(MediaError, match="floating-point"):
        read_image(tmp_path / "depth.tif")


def test_an_animation_counts_its_pictures(tmp_path):
    first, second = Image.new("RGB", (32, 32), "red"), Image.new("RGB", (32, 32), "blue")
    first.save(tmp_path / "two.gif", save_all=True, append_images=[second])
    assert frame_count(tmp_path / "two.gif") == 2
