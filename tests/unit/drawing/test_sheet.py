"""Contact sheets: every frame in its place, whole and in proportion."""

import numpy as np
import pytest

from vgcli_core.drawing.sheet import contact_sheet

COLORS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0), (0, 200, 200)]


def picture(color, height=60, width=80):
    return np.full((height, width, 3), color, np.uint8)


def span(sheet, color):
    """Return top, bottom, left and right of a colour."""
    rows, columns = np.nonzero((np.abs(sheet.astype(int) - color) < 4).all(axis=2))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def test_frames_stand_in_reading_order_and_keep_their_proportions():
    sheet = contact_sheet([picture(color) for color in COLORS], [""] * 5, columns=2, tile=160)
    spans = [span(sheet, color) for color in COLORS]
    assert {(bottom - top, right - left) for top, bottom, left, right in spans} == {(120, 160)}
    assert spans[0][2] == spans[2][2] == spans[4][2] < spans[1][2] == spans[3][2]
    assert spans[0][0] == spans[1][0] < spans[2][0] == spans[3][0] < spans[4][0]
    assert sheet.shape[0] > spans[4][1]
    assert sheet.shape[1] > spans[1][3]


def test_pictures_of_different_sizes_share_the_tile():
    sheet = contact_sheet([picture(COLORS[0]), picture(COLORS[1], 80, 40)], ["", ""], tile=160)
    wide, tall = span(sheet, COLORS[0]), span(sheet, COLORS[1])
    assert (wide[1] - wide[0], wide[3] - wide[2]) == (120, 160)
    assert (tall[1] - tall[0], tall[3] - tall[2]) == (160, 80)
    assert wide[3] < tall[2]


def test_captions_stand_below_their_frames_and_stay_in_their_column():
    images = [picture(COLORS[0]), picture(COLORS[1])]
    bare = contact_sheet(images, ["", ""], columns=2, tile=160)
    for place in (0, 1):
        captions = ["", ""]
        captions[place] = "frame 7, 12.50 s " * 9
        rows, columns = np.nonzero((contact_sheet(images, captions, columns=2, tile=160) != bare).any(axis=2))
        _, bottom, left, right = span(bare, COLORS[place])
        assert rows.min() >= bottom
        assert left <= columns.min()
        assert columns.max() < right


def test_few_frames_make_a_narrow_sheet():
    one = contact_sheet([picture(COLORS[0])], ["frame 0"], columns=4, tile=160)
    assert one.shape[1] < 200


def test_a_caption_per_image_is_required():
    with pytest.raises(ValueError, match="zip"):
        contact_sheet([picture(COLORS[0])], [])


def test_the_input_is_not_changed():
    image = picture(COLORS[0], 120, 160)
    sheet = contact_sheet([image], [""], tile=160)
    sheet[:] = 0
    assert (image == COLORS[0]).all()
