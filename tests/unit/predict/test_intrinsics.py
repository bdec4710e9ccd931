"""Cameras: as given, by angle, told by photos, or assumed; and files that hold one."""

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from vgcli_core.errors import UsageError
from vgcli_core.predict.intrinsics import as_matrix, cameras_of, in_words, read_intrinsics, remarks_on
from vgcli_core.predict.result import Intrinsics

SIZES = [(480, 640), (300, 400)]
FILM = 26  # millimetres: a phone's main camera
PHONE = FILM * 500 / np.hypot(36, 24)  # pixels, in a picture of 300 x 400 whose diagonal is 500


@pytest.fixture
def pictures(tmp_path):
    """A picture that tells nothing, and one that tells its focal length."""
    paths = [tmp_path / "plain.jpg", tmp_path / "phone.jpg"]
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif)[Base.FocalLengthIn35mmFilm] = FILM
    for path, (height, width), data in zip(paths, SIZES, (Image.Exif(), exif), strict=True):
        Image.new("RGB", (width, height)).save(path, exif=data)
    return paths


def test_given_intrinsics_go_before_everything(pictures):
    given = Intrinsics(500, 510, 320, 240, "given")
    assert cameras_of(SIZES, pictures, given=given, fov=60, trained_fov=75) == (given, given)
    np.testing.assert_array_equal(as_matrix(given), [[500, 0, 320], [0, 510, 240], [0, 0, 1]])


def test_a_field_of_view_goes_before_what_photos_tell_and_fits_each_frame(pictures):
    cameras = cameras_of(SIZES, pictures, fov=90.0, trained_fov=75)
    # Half the width at 45 degrees.
    assert [(one.fx, one.cx, one.cy, one.source) for one in cameras] == [
        (pytest.approx(320), 320, 240, "fov"),
        (pytest.approx(200), 200, 150, "fov"),
    ]


def test_a_photo_tells_its_camera_and_the_others_are_assumed(pictures):
    plain, phone = cameras_of(SIZES, pictures)
    assert (plain.source, phone.source) == ("assumed", "exif")
    assert plain.fx == pytest.approx(320 / np.tan(np.radians(29)))
    assert (phone.fx, phone.fy, phone.cx, phone.cy) == (pytest.approx(PHONE), pytest.approx(PHONE), 200, 150)
    notes = remarks_on((plain, phone), [640, 400])
    assert len(notes) == 2
    degrees = np.degrees(2 * np.arctan(200 / PHONE))
    assert notes[0].startswith(f"1 of 2 pictures tell their focal length (EXIF): {degrees:.1f} degrees across")
    assert "58 degrees is assumed (ScanNet's camera)" in notes[1]


def test_what_is_assumed_is_what_the_model_was_trained_on():
    (camera,) = cameras_of(SIZES[:1], [], trained_fov=75.0)
    assert camera.horizontal_fov(640) == pytest.approx(75)
    (note,) = remarks_on([camera], [640], 75.0)
    assert "75 degrees is assumed (as this model was trained)" in note


def test_a_camera_that_was_given_needs_no_remark():
    for camera in (*cameras_of(SIZES[:1], [], fov=60.0), Intrinsics(1, 1, 1, 1, "given")):
        assert remarks_on([camera], [640]) == []


def test_the_source_of_a_camera_is_said_in_words(pictures):
    words = [in_words(camera, width) for camera, width in zip(cameras_of(SIZES, pictures), (640, 400), strict=True)]
    assert words[0].startswith("58.0 degrees across, assumed")
    assert "EXIF" in words[1]
    assert in_words(Intrinsics(320, 320, 320, 240, "given"), 640).startswith("90.0 degrees across, from the intrinsics")


def test_the_angle_of_a_camera_whose_axis_is_off_the_middle():
    # 45 degrees to the left, and twice the focal length to the right.
    assert Intrinsics(100, 100, 100, 50, "given").horizontal_fov(300) == pytest.approx(45 + np.degrees(np.arctan(2)))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("577.8 578.7 319.5 239.5", (577.8, 578.7, 319.5, 239.5)),
        ("[[577, 0, 320], [0, 578, 240], [0, 0, 1]]", (577, 578, 320, 240)),
        ('{"fx": 577, "fy": 578, "cx": 320, "cy": 240}', (577, 578, 320, 240)),
        ("577 0 320 0\n0 578 240 0\n0 0 1 0\n0 0 0 1\n", (577, 578, 320, 240)),
    ],
)
def test_intrinsics_are_read_from_the_usual_files(tmp_path, content, expected):
    (tmp_path / "camera.txt").write_text(content)
    found = read_intrinsics(str(tmp_path / "camera.txt"))
    assert (found.fx, found.fy, found.cx, found.cy) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["1,2,3", "a,b", "0,577,320,240", "nan,1,1,1", "no/such/file.txt"])
def test_what_is_no_camera_is_refused(text):
    with pytest.raises(UsageError):
        read_intrinsics(text)
