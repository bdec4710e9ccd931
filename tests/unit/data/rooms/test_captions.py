"""Captions are true and say more than a label: exact texts for rooms made by hand."""

import re

import pytest

from tests.unit.data.rooms.hand_made import ENOUGH, door, film_of, room_of, thing
from vgcli_core.data.rooms.captions import caption
from vgcli_core.data.rooms.film import film
from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.looks import Look
from vgcli_core.data.rooms.needs import needs_of
from vgcli_core.data.rooms.settings import RoomSettings

MANY = 1000


def captions(*things, looks=(), pixels=None, **values):
    return caption(film_of(room_of(*things, **values), pixels, looks=looks), 0, most=MANY)


def texts(found, number):
    return {one.text for one in found if one.thing == number}


def test_a_red_chair_next_to_the_table_is_called_that():
    looks = Look("red", "fabric", {"red": 1.0}), Look()
    found = captions(thing("chair", 1, 1), thing("table", 1.9, 1, (1, 1, 0.7)), looks=looks)
    named = [f"a {words} chair" for words in ("red fabric", "red", "fabric")]
    expected = {f"{name} next to the table." for name in named}
    expected |= {f"there is {name} next to the table." for name in named}
    expected |= {f"this is {name}. it is next to the table." for name in named}
    assert texts(found, 0) == expected
    assert {one.anchors for one in found if one.thing == 0} == {(1,)}


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (2.7, 2.7, "in the corner of the room"),
        (0.9, 2.7, "against the wall"),
        (0, 0.1, "in the middle of the room"),
        (1.5, 1.2, None),
    ],
)
def test_where_a_thing_stands_in_the_room(x, y, said):
    found = texts(captions(thing("plant", x, y)), 0)  # half a metre wide, in a room of six by six
    if said is None:
        assert found == {"this is a plant."}
    else:
        assert found == {f"a plant {said}.", f"there is a plant {said}.", f"this is a plant. it stands {said}."}


@pytest.mark.parametrize(
    ("label", "size", "called"),
    [
        ("cabinet", (1, 0.5, 1.8), "tall cabinet"),
        ("cabinet", (1, 0.5, 0.8), "low cabinet"),
        ("cabinet", (1, 0.5, 1.2), "cabinet"),
        ("lamp", (0.4, 0.4, 1.5), "tall lamp"),
        ("lamp", (0.2, 0.2, 0.4), "lamp"),
        ("table", (1.6, 0.9, 0.7), "long table"),
        ("table", (0.9, 0.92, 0.7), "square table"),
        ("table", (1.2, 0.9, 0.7), "table"),
        ("bed", (2.0, 0.9, 0.5), "bed"),
        ("picture", (0.8, 0.03, 0.6), "large picture"),
        ("picture", (0.5, 0.03, 0.4), "small picture"),
        ("picture", (0.6, 0.03, 0.5), "picture"),
    ],
)
def test_shapes_have_words_only_where_they_are_plain(label, size, called):
    assert f"this is a {called}." in texts(captions(thing(label, 1.0, 1.2, size)), 0)


def test_pictures_hang_above_what_stands_below_them():
    picture = thing("picture", 0, 2.95, (1.0, 0.05, 0.5), z=1.6)
    found = texts(captions(picture, thing("couch", 0, 2.5, (2, 0.8, 0.8))), 0)
    assert {"a wide picture above the couch.", "this is a wide picture on the wall. it is above the couch."} <= found
    aside = texts(captions(picture, thing("couch", -2, 2.5, (1.5, 0.8, 0.8))), 0)  # 0.75 m to the side
    assert {"a wide picture on the wall.", "a wide picture on the wall near the couch."} <= aside
    assert not any("above" in text for text in aside)
    far = texts(captions(picture, thing("couch", -2, 0.5, (1.5, 0.8, 0.8))), 0)
    assert not any("couch" in text for text in far)


def test_what_stands_on_a_thing_is_said_of_both_with_the_article_that_tells_whether_there_are_others():
    table, lamp = thing("table", 1.5, 1, (0.8, 1.3, 0.7)), thing("lamp", 1.5, 1, (0.2, 0.2, 0.4), z=0.9, support=0)
    found = captions(table, lamp, looks=(Look("", "wooden"), Look("white", "", {"white": 1.0})))
    assert "a long wooden table with a white lamp on it." in texts(found, 0)
    assert "this is a white lamp. it is on the table." in texts(found, 1)
    two = captions(table, lamp, thing("desk", -2, -1, (0.8, 1.3, 0.7)))  # which might be called a table
    assert "a lamp on a table." in texts(two, 1)


def test_a_thing_next_to_two_chairs_is_next_to_a_chair_and_it_is_said_once():
    lamp, chairs = thing("lamp", 0.5, 1), (thing("chair", 1.2, 1), thing("chair", -0.2, 1))
    found = texts(captions(lamp, *chairs), 0)
    assert "a lamp next to a chair." in found
    assert not any(text.count("next to a chair") > 1 for text in found)


def test_nothing_unseen_unnamed_or_of_the_same_kind_is_named():
    chair = thing("chair", 1, 1)
    assert texts(captions(chair, thing("table", 1.9, 1, (1, 1, 0.7)), pixels=[[ENOUGH, 0]] * 4), 0) == {
        "this is a chair."
    }
    assert not any("next to" in one.text for one in captions(chair, thing("armchair", 1.8, 1, (0.8, 0.8, 0.8))))
    boxes = captions(chair, thing("box", 1.8, 1), clutter=thing("", 2, -2).parts)
    assert not any("box" in one.text for one in boxes)


def test_what_a_caption_names_tells_which_frames_can_show_it():
    pixels = [[ENOUGH, 0, 0], [0, ENOUGH, 0], [0, ENOUGH, ENOUGH], [ENOUGH, 0, 0]]
    things = thing("chair", 1, 1), thing("table", 1.9, 1, (1, 1, 0.7)), thing("chair", -2.5, -2)
    filmed = film_of(room_of(*things, structure=(door(-2, 3),)), pixels, doors=0)
    found = {one.text: one for one in caption(filmed, 0, most=MANY)}
    beside = found["a chair next to the table."]
    assert needs_of(filmed, beside) == (frozenset({0, 3}), frozenset({1, 2}))
    furthest = next(one for one in found.values() if "furthest from the table" in one.text and one.thing == 2)
    assert needs_of(filmed, furthest) == (frozenset({2}), frozenset({1, 2}), frozenset({0, 3}))


def test_captions_of_generated_rooms_differ_are_lower_case_and_depend_on_the_seed():
    settings = RoomSettings(width=56, height=42, num_frames=12)
    films = [film(make_room(3, number, settings)) for number in range(8)]
    found = [one for filmed in films for one in caption(filmed, 0)]
    assert len({one.text for one in found}) >= 0.8 * len(found) > 100
    assert all(re.fullmatch(r"[a-z .]+\.", one.text) for one in found)
    assert all(caption(filmed, 0) == caption(filmed, 0) for filmed in films)
    assert any(caption(filmed, 0) != caption(filmed, 1) for filmed in films)
