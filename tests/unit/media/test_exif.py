"""The focal length of photos: from what cameras write, and from what nobody should believe."""

import math

import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base
from PIL.TiffImagePlugin import IFDRational

from vgcli_core.media.exif import focal_pixels

DIAGONAL = math.hypot(36, 24)


def photo(folder, size=(400, 300), name="photo.jpg", **tags):
    """Write a picture with these EXIF tags and return its path."""
    exif = Image.Exif()
    exif[Base.Make] = "a camera"  # Pillow takes data without a tag of its own for none
    for tag, value in tags.items():
        exif.get_ifd(IFD.Exif)[Base[tag]] = value
    path = folder / name
    Image.new("RGB", size).save(path, exif=exif)
    return path


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.webp"])
def test_the_35_mm_focal_length_keeps_the_angle_across_the_diagonal(tmp_path, name):
    # 400 x 300 has a diagonal of 500.
    found = focal_pixels(photo(tmp_path, name=name, FocalLengthIn35mmFilm=26, FocalLength=IFDRational(4, 1)))
    assert found == pytest.approx(26 * 500 / DIAGONAL)


def test_upright_and_lying_photos_have_the_same_focal_length(tmp_path):
    lying = focal_pixels(photo(tmp_path, (400, 300), FocalLengthIn35mmFilm=26))
    assert focal_pixels(photo(tmp_path, (300, 400), FocalLengthIn35mmFilm=26)) == lying


@pytest.mark.parametrize(
    ("unit", "resolution", "expected"),
    [
        (2, 25400.0, 7 * 1000 / 10),  # inches: 1000 pixels a millimetre, in a photo taken 4000 wide
        (3, 10000.0, 7 * 1000 / 10),  # centimetres
        (None, 25400.0, 7 * 1000 / 10),  # inches, where nothing is said
        (1, 25400.0, None),  # no unit
    ],
)
def test_else_the_sensor_tells_how_many_pixels_a_millimetre_has(tmp_path, unit, resolution, expected):
    tags = {"FocalLength": 7.0, "FocalPlaneXResolution": resolution, "ExifImageWidth": 4000}
    if unit is not None:
        tags["FocalPlaneResolutionUnit"] = unit
    found = focal_pixels(photo(tmp_path, (400, 300), **tags))
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"FocalLength": 4.2},
        {"FocalLengthIn35mmFilm": 0},
        {"FocalLengthIn35mmFilm": 1},  # an angle of 175 degrees
        {"FocalLengthIn35mmFilm": 60000},
        {"FocalLength": IFDRational(0, 0), "FocalPlaneXResolution": 100.0},
        {"FocalLength": 4.2, "FocalPlaneXResolution": IFDRational(1, 0)},
    ],
)
def test_what_is_missing_or_no_cameras_tells_nothing(tmp_path, tags):
    assert focal_pixels(photo(tmp_path, **tags)) is None


def test_a_file_that_is_gone_or_no_picture_tells_nothing(tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    assert focal_pixels(tmp_path / "text.jpg") is None
    assert focal_pixels(tmp_path / "gone.jpg") is None


def test_damaged_data_never_raises(tmp_path):
    whole = photo(tmp_path, FocalLengthIn35mmFilm=26, FocalLength=4.2).read_bytes()
    start = whole.index(b"Exif")
    damaged = tmp_path / "damaged.jpg"
    told = 0
    for place in range(start, start + 90):
        for value in (0, 0x7F, 0xFF):
            damaged.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            told += focal_pixels(damaged) is not None
    assert 0 < told < 270
