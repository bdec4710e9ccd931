"""A marked point: at its pixel, on a copy, within a small circle."""

import numpy as np
import pytest

from vgcli_core.drawing.points import draw_point

PINK = (255, 70, 200)


@pytest.mark.parametrize("pixel", [(160, 100), (3, 5), (319.5, 239.5)])
def test_a_point_is_drawn_around_its_pixel_and_nowhere_else(pixel):
    image = np.full((240, 320, 3), 90, np.uint8)
    drawn = draw_point(image, pixel, PINK)
    assert (image == 90).all()
    x, y = (min(int(value), most) for value, most in zip(pixel, (319, 239), strict=True))
    np.testing.assert_allclose(drawn[y, x], PINK, atol=40)
    rows, columns = np.nonzero((drawn != 90).any(axis=2))
    reach = np.hypot(columns + 0.5 - pixel[0], rows + 0.5 - pixel[1])
    assert reach.max() < 14
