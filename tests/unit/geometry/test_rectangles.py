"""The rectangle around a box in a picture of 640x480, seen with a focal length of 500 pixels."""

import numpy as np
import pytest

from vgcli_core.geometry.rectangles import rectangle

INTRINSICS = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])


def around(*box: float):
    return rectangle(np.array([*box, 0.0, 0.0, 0.0]), INTRINSICS, 640, 480)


def test_the_near_face_of_an_upright_cube_is_the_rectangle():
    assert around(0, 0, 5, 2, 2, 2) == pytest.approx((195, 115, 250, 250))


def test_it_is_cut_at_the_border():
    # From x = 0.5 to 2.5: the far face, 3 m away, starts at 320 + 500 * 0.5 / 3; the near one, 2 m away, ends at 945.
    assert around(1.5, 0, 2.5, 2, 1, 1) == pytest.approx((320 + 250 / 3, 115, 320 - 250 / 3, 250))


def test_a_box_around_the_camera_fills_the_picture():
    assert around(0, 0, 0, 4, 4, 4) == pytest.approx((0, 0, 640, 480))


def test_of_a_box_that_reaches_behind_the_camera_the_part_in_front_counts():
    # From z = -1 to 3, x from 1 to 2: at the far end it starts at 320 + 500 / 3; nearer it leaves the picture.
    assert around(1.5, 0, 1, 1, 1, 4) == pytest.approx((320 + 500 / 3, 0, 320 - 500 / 3, 480))


@pytest.mark.parametrize(
    "box", [(0, 0, -5, 1, 1, 1), (50, 0, 5, 1, 1, 1), (0, -50, 5, 1, 1, 1), (1e308, 0, 5, 1e308, 1, 1)]
)
def test_what_is_not_in_the_picture_has_none(box):
    assert around(*box) is None
