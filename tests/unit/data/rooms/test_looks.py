"""Names of colours are what a plain eye would say of the pixels, and there is none where eyes might differ."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from tests.unit.data.rooms.colour_sense import is_called, pixels_of_things, share_called
from vgcli_core.data.rooms.film import film
from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.looks import COLOURS, Look, clearly_differ, colour_name, lch, look_of
from vgcli_core.data.rooms.paint import linear
from vgcli_core.data.rooms.scene import Part
from vgcli_core.data.rooms.settings import RoomSettings

BOX = np.zeros(9)


def part(code, texture="plain"):
    return Part(BOX, linear(code), texture)


def look(*parts, pixels=None, tones=None):
    """The look of parts that are lit by white light, seen with as many pixels each unless said otherwise."""
    counts = np.array(pixels or [100] * len(parts), dtype=float)
    bytes_ = [[int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in tones or []]
    own = np.array(bytes_ or [[255 * channel ** (1 / 2.2) for channel in one.colour] for one in parts])
    return look_of(parts, counts, own * counts[:, None])


@pytest.mark.parametrize(
    ("code", "name"),
    [
        *(("#a53a3a", "red"), ("#3f62a0", "blue"), ("#4f8048", "green"), ("#c2a24e", "yellow"), ("#76509a", "purple")),
        *(("#8a5a32", "brown"), ("#d2a66b", "light brown"), ("#b5a58a", "beige"), ("#6a6a72", "grey")),
        *(("#f1f0ec", "white"), ("#1c1d20", "black"), ("#c46fa0", "pink")),
        # Between names: salmon, dark slate, light grey that might be white, tan between brown and light brown.
        *(("#4f8a8b", "teal"), ("#c9a7a0", ""), ("#3f4a5a", ""), ("#c8ccc8", ""), ("#a87848", "")),
    ],
)
def test_paints_have_the_names_that_people_give_them(code, name):
    assert colour_name(part(code)) == name
    assert look(part(code)).colour == name


def test_a_colour_in_numbers_is_that_of_cie():
    # Published values of pure sRGB red and white under D65.
    assert lch(np.array([1.0, 0, 0])) == pytest.approx((53.24, 104.55, 40.0), abs=0.05)
    lightness, chroma, _ = lch(np.ones(3))
    assert (lightness, chroma) == pytest.approx((100, 0), abs=0.05)


def test_a_thing_of_many_colours_has_none_and_one_of_mostly_one_has_it():
    red, brown = part("#a53a3a", "fabric"), part("#6b4226", "wood")
    assert look(red, brown).colour == "" and look(red, brown).material == ""
    mostly = look(red, brown, pixels=[70, 30])
    assert (mostly.colour, mostly.material) == ("red", "fabric")
    assert look(red, part("#a53a3a", "stripes"), pixels=[30, 70]).material == "striped"
    assert look(part("#a53a3a", "picture")).colour == ""  # a picture has colours of its own
    assert look(red, pixels=[0]) == Look()


def test_light_that_changes_a_colour_takes_its_name():
    assert look(part("#f1f0ec"), tones=["#efeeea"]).colour == "white"
    assert look(part("#f1f0ec"), tones=["#d9b98a"]).colour == ""  # a white thing in the light of a warm lamp
    assert look(part("#a53a3a"), tones=["#2a1818"]).colour == ""  # a red one in the dark


def test_things_differ_in_colour_only_where_nobody_would_mix_them_up():
    red, green = look(part("#a53a3a")), look(part("#4f8048"))
    assert clearly_differ(red, green) and clearly_differ(green, red)
    assert not clearly_differ(red, red) and not clearly_differ(red, Look()) and not clearly_differ(Look(), red)
    slate, rust, salmon = (look(part(code)) for code in ("#3f4a5a", "#b0502e", "#c9827a"))
    assert {slate.colour, rust.colour, salmon.colour} == {""}
    assert clearly_differ(red, slate) and not clearly_differ(red, rust) and not clearly_differ(red, salmon)
    assert not clearly_differ(green, look(part("#4f8a8b")))
    assert not clearly_differ(red, look(part("#f1f0ec", "picture")))  # which may show anything
    assert not clearly_differ(look(part("#8a5a32")), look(part("#d2a66b")))  # browns
    reddish = look(part("#4f8048"), part("#a53a3a"), pixels=[80, 20])
    assert reddish.colour == "green" and not clearly_differ(red, reddish)


def test_the_eye_of_these_tests_tells_names_that_clearly_differ_apart():
    for name, other in combinations(COLOURS, 2):
        one, another = (Look(colour, "", {colour: 1.0}) for colour in (name, other))
        if clearly_differ(one, another):
            both = [
                rgb
                for rgb in np.ndindex(9, 9, 9)
                if is_called(name, np.multiply(rgb, 31)) and is_called(other, np.multiply(rgb, 31))
            ]
            assert len(both) <= 12, (name, other, both)


def test_named_colours_are_those_of_the_rendered_pixels():
    settings = RoomSettings(width=84, height=63, num_frames=8)
    names = Counter()
    for number in range(24):
        filmed = film(make_room(2, number, settings))
        for seen, one, thing in zip(pixels_of_things(filmed.room), filmed.looks, filmed.room.things, strict=True):
            if one.colour and len(seen) >= 40:
                named = (filmed.room.name, thing.label, one)
                assert is_called(one.colour, one.tone), named
                assert share_called(one.colour, seen) >= 0.5, named
                names[one.colour] += 1
    assert len(names) >= 8 and sum(names.values()) > 60, names
