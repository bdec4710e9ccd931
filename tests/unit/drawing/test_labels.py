"""Labels: cut to fit, readable, apart from each other."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vgcli_core.drawing.labels import draw_label, fit, font_for


def plates(places, size=(200, 120), text="chair"):
    image = Image.new("RGB", size)
    found = []
    for place in places:
        found.append(
            draw_label(ImageDraw.Draw(image), text, place, (0, 255, 0), font=font_for(*size), size=size, taken=found)
        )
    return found, np.array(image)


def test_a_plate_stands_on_its_place():
    ((left, _, _, bottom),), _ = plates([(50, 60)])
    assert (left, bottom) == (50, 60)


@pytest.mark.parametrize("place", [(-50, -50), (500, 500), (-9, 60), (190, 3)])
def test_a_plate_stays_inside_the_picture(place):
    ((left, top, right, bottom),), image = plates([place])
    assert 0 <= left < right <= 200
    assert 0 <= top < bottom <= 120
    rows, columns = np.nonzero(image.any(axis=2))
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (left, top, right, bottom)


def test_plates_at_one_place_move_apart():
    found, _ = plates([(50, 60)] * 4)
    for one in range(4):
        for other in range(one):
            assert found[one][1] >= found[other][3] or found[one][3] <= found[other][1]


def test_plates_overlap_only_when_the_picture_is_full():
    found, _ = plates([(50, 60)] * 40, size=(80, 60))
    assert len(found) == 40


@pytest.mark.parametrize(("color", "ink"), [((0, 255, 0), 0), ((255, 255, 255), 0), ((0, 0, 120), 255)])
def test_ink_contrasts_with_the_plate(color, ink):
    image = Image.new("RGB", (200, 120), color)
    draw_label(ImageDraw.Draw(image), "HHH", (50, 60), color, font=font_for(200, 120), size=(200, 120), taken=[])
    assert (np.abs(np.array(image).astype(int) - ink).max(axis=2) < 60).any()


def test_long_texts_are_cut_with_dots():
    font = font_for(640, 480)
    assert fit("chair", font, 500) == "chair"
    cut = fit("a very long label " * 50, font, 100)
    assert cut.startswith("a very")
    assert cut.endswith("...")
    assert font.getlength(cut) <= 100


def test_a_label_is_one_line():
    assert fit("a\n b\tc", font_for(640, 480), 500) == "a b c"
