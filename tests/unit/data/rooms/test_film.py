"""A film agrees with the views that it is made of."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.unit.data.rooms.hand_made import door, room_of, thing
from vgcli_core.data.rooms.film import doors_of, film, frame_path, shots
from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.labels import UNNAMED, detection_label
from vgcli_core.data.rooms.render import VISIBLE_SHARE, render
from vgcli_core.data.rooms.settings import RoomSettings
from vgcli_core.data.tasks.detection import STRUCTURE

SETTINGS = RoomSettings(width=80, height=60, num_frames=6)


@pytest.fixture(scope="module")
def filmed():
    return film(make_room(5, 2, SETTINGS))


def test_pixels_and_visible_things_are_counted_in_the_masks(filmed):
    room = filmed.room
    for index in range(SETTINGS.num_frames):
        owner = render(room, index).owner
        counted = [int((owner == number).sum()) for number in range(len(room.things))]
        assert filmed.pixels[index].tolist() == counted
        least = VISIBLE_SHARE * room.width * room.height
        assert all(counted[number] >= least - 1 for number in filmed.scan.frames[index].visible)
        assert all(
            counted[number] <= least + 1 for number in set(range(len(counted))) - set(filmed.scan.frames[index].visible)
        )
        assert np.flatnonzero(filmed.visible[index]).tolist() == list(filmed.scan.frames[index].visible)


def test_pictures_are_what_the_camera_sees(filmed):
    for shot, jpeg in zip(shots(filmed.room), filmed.jpegs, strict=True):
        assert shot.jpeg == jpeg
        decoded = np.array(Image.open(io.BytesIO(jpeg)))
        assert decoded.shape == (60, 80, 3)
        assert np.abs(decoded.astype(int) - shot.view.image).mean() < 3
        assert Image.open(io.BytesIO(jpeg)).layer[0][1:3] == (1, 1)  # colour at full resolution


def test_the_scan_is_the_room(filmed):
    room, scan = filmed.room, filmed.scan
    assert scan.name == f"rooms/{room.name}" and scan.size == (80, 60)
    assert [frame.path for frame in scan.frames] == [frame_path(room.name, index) for index in range(6)]
    np.testing.assert_array_equal(scan.alignment, np.eye(4))
    np.testing.assert_array_equal(scan.intrinsics[:3, :3], room.intrinsics)
    for frame, pose in zip(scan.frames, room.cameras_to_world, strict=True):
        np.testing.assert_array_equal(frame.camera_to_scan, pose)
    named = [UNNAMED if room.clutter and one.label == "box" else detection_label(one.label) for one in room.things]
    assert [one.label for one in scan.instances] == named
    for instance, one in zip(scan.instances, room.things, strict=True):
        np.testing.assert_array_equal(instance.box, one.box)


def test_boxes_have_a_name_in_detection_only_where_no_clutter_looks_like_them():
    boxes = thing("box", 0, 0), thing("bed", 1, 1)
    small = {"size": (4.0, 4.0, 2.5), "frames": 1}
    structure = make_room(5, 2, SETTINGS).structure
    tidy, untidy = (
        film(room_of(*boxes, structure=structure, clutter=clutter, **small)) for clutter in ((), thing("", -1, 1).parts)
    )
    assert [one.label for one in tidy.scan.instances] == ["box", "bed"]
    assert [one.label for one in untidy.scan.instances] == [UNNAMED, "bed"] and UNNAMED in STRUCTURE


def test_the_walls_that_are_seen_lie_within_the_room(filmed):
    width, depth, _ = filmed.room.size
    low_x, high_x, low_y, high_y = filmed.structure.T
    assert (low_x >= -width / 2 - 0.1).all() and (high_x <= width / 2 + 0.1).all()
    assert (low_y >= -depth / 2 - 0.1).all() and (high_y <= depth / 2 + 0.1).all()
    assert (high_x > low_x).all() and (high_y > low_y).all()


def test_a_door_in_front_of_the_camera_is_seen_and_one_behind_it_is_not():
    # Cameras stand at y = -2.8 and look along +y; the far wall is behind the first door.
    room = room_of(
        thing("bed", 2, 0),
        structure=(door(0, 2.9), door(0, -2.95), *(wall for wall in walls())),
    )
    found = film(room)
    assert len(doors_of(room)) == 2
    assert (found.doors[:, 0] > 50).all() and (found.doors[:, 1] == 0).all()


def walls():
    from vgcli_core.data.rooms.scene import Part

    for x, y, size in ((0, 3.05, (6.2, 0.1, 2.5)), (3.05, 0, (0.1, 6.2, 2.5)), (-3.05, 0, (0.1, 6.2, 2.5))):
        yield Part(np.array([x, y, 1.25, *size, 0, 0, 0], dtype=np.float64), (0.8, 0.8, 0.8))
    yield Part(np.array([0, 0, -0.05, 6.2, 6.2, 0.1, 0, 0, 0], dtype=np.float64), (0.5, 0.5, 0.5))
    yield Part(np.array([0, 0, 2.55, 6.2, 6.2, 0.1, 0, 0, 0], dtype=np.float64), (0.9, 0.9, 0.9))
