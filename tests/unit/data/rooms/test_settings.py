import pytest

from vgcli_core.data.rooms.settings import RoomSettings
from vgcli_core.errors import UnknownName, UsageError


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"width": 4}, "width is 4"),
        ({"height": 126.5}, "height is 126.5"),
        ({"num_frames": 0}, "num_frames is 0"),
        ({"num_frames": True}, "num_frames is True"),
        ({"fps": 0}, "fps is 0"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"room_side": (6.0, 4.0)}, "room_side is (6.0, 4.0)"),
        ({"room_side": (1.0, 4.0)}, "room_side is (1.0, 4.0)"),
        ({"things": (2.5, 4)}, "things is (2.5, 4)"),
        ({"things": (0, 4)}, "things is (0, 4)"),
        ({"clutter": (1,)}, "clutter is (1,)"),
        ({"object_scale": 1.0}, "object_scale is 1.0"),
        ({"horizontal_fov": ("55", "90")}, "horizontal_fov is ('55', '90')"),
        ({"pan": (0.0, float("inf"))}, "pan is (0.0, inf)"),
        ({"walk": (float("nan"), 1.0)}, "walk is (nan, 1.0)"),
        ({"several": 1.5}, "several is 1.5"),
        ({"camera_height": (1.0, 2.3)}, "camera_height is (1.0, 2.3)"),
        ({"categories": ("pillow", "book")}, "every category stands on other things"),
    ],
)
def test_a_value_out_of_range_is_named_and_says_what_may_be_given(values, named):
    with pytest.raises(UsageError) as caught:
        RoomSettings(**values)
    assert named in caught.value.what
    assert "settings of rooms" in caught.value.where
    assert caught.value.fix


def test_an_unknown_category_names_the_nearest_one():
    with pytest.raises(UnknownName) as caught:
        RoomSettings(categories=("chairs",))
    assert "did you mean 'chair'" in caught.value.fix


def test_whole_numbers_are_fine_where_numbers_are_wanted():
    assert RoomSettings(walk=(0, 2)).walk == (0, 2)
