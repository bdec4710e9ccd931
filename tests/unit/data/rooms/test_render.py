from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from tests.unit.data.rooms.slow_tracer import trace
from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.render import Renderer, minimum_visible, render, visible_things
from vgcli_core.data.rooms.scene import CLUTTER, STRUCTURE, Light, Part, Room, Thing, View
from vgcli_core.data.rooms.settings import RoomSettings
from vgcli_core.errors import UnknownName
from vgcli_core.geometry.boxes import corners, rotations
from vgcli_core.geometry.camera import intrinsics_from_fov, project, unproject

SETTINGS = RoomSettings(width=56, height=42, num_frames=3)
LEVEL = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1], [0, 0, 0, 1]])  # looks along x, 1 m above the floor


def cuboid(middle, size, colour=(0.5, 0.5, 0.5), yaw=0.0):
    return Part(np.array([*middle, *size, yaw, 0, 0]), colour)


def empty_room(things=(), clutter=(), pose=LEVEL, width=57, height=43) -> Room:
    """A grey room of 6 x 4 x 2.5 m with one camera."""
    shell = (
        cuboid((0, 0, -0.1), (6.4, 4.4, 0.2)),
        cuboid((0, 0, 2.6), (6.4, 4.4, 0.2)),
        *(cuboid((side * 3.1, 0, 1.25), (0.2, 4.4, 2.9)) for side in (-1, 1)),
        *(cuboid((0, side * 2.1, 1.25), (6.4, 0.2, 2.9)) for side in (-1, 1)),
    )
    things = tuple(Thing("box", part.box, (part,)) for part in things)
    lights = (Light((0, 0, 2.4), (1, 1, 1), shadows=True),)
    intrinsics = intrinsics_from_fov(width, height, 70)
    return Room(
        "test", (6, 4, 2.5), shell, tuple(clutter), things, intrinsics, width, height, pose[None], lights=lights
    )


def points_of(room: Room, frame: int, view: View) -> np.ndarray:
    """[H, W, 3] what each pixel shows, in the world."""
    rows, columns = np.indices(view.depth.shape)
    pixels = np.column_stack([columns.ravel() + 0.5, rows.ravel() + 0.5])
    local = unproject(pixels, view.depth.ravel().astype(float), room.intrinsics)
    pose = room.cameras_to_world[frame]
    return (local @ pose[:3, :3].T + pose[:3, 3]).reshape(*view.depth.shape, 3)


def outside(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    """[N] how far points are outside a box, the largest of three axes; negative inside."""
    return (np.abs((points - box[:3]) @ rotations(box[None, 6:])[0]) - box[3:6] / 2).max(axis=1)


@pytest.mark.parametrize("number", range(4))
def test_depth_and_owner_are_those_of_a_slow_ray_tracer(number):
    room = make_room(3, number, replace(SETTINGS, width=28, height=21))
    view = render(room, 1)
    for row in range(21):
        for column in range(28):
            hit = trace(room, 1, row, column)
            assert view.depth[row, column] == pytest.approx(hit.depth, rel=2e-4)
            assert view.owner[row, column] == hit.owner or hit.runner_up - hit.depth < 1e-3


def test_rays_that_run_exactly_along_an_axis_are_like_all_others():
    pose = LEVEL.copy()
    pose[:3, 3] = 0, 0.25, 1  # in the plane of one side of the first cube; the middle column of rays stays in it
    room = empty_room([cuboid((2, 0, 1), (0.5, 0.5, 0.4)), cuboid((2, 0.75, 1), (0.5, 0.5, 0.4))], pose=pose)
    depth = render(room, 0).depth
    assert np.isfinite(depth).all()
    expected = np.array([[trace(room, 0, row, column).depth for column in range(57)] for row in range(43)])
    np.testing.assert_allclose(np.delete(depth, 28, 1), np.delete(expected, 28, 1), rtol=1e-5)
    # A ray in the plane of a side may count as hitting it or not.
    hit_or_miss = np.abs(depth[:, 28, None] / expected[:, 27:30] - 1).min(axis=1)
    assert hit_or_miss.max() < 1e-5
    assert depth[21, 29] == pytest.approx(1.75)  # the level row meets the front of the first cube
    assert depth[21, 27] == pytest.approx(3)  # and the wall between the cubes


def test_a_part_around_the_camera_is_not_seen():
    around = empty_room([cuboid((0, 0, 1), (0.5, 0.5, 0.5)), cuboid((2, 0, 1), (0.4, 0.4, 0.4))])
    alone = empty_room([cuboid((2, 0, 1), (0.4, 0.4, 0.4))])
    np.testing.assert_array_equal(render(around, 0).depth, render(alone, 0).depth)
    assert set(np.unique(render(around, 0).owner)) == {STRUCTURE, 1}


def test_a_part_that_reaches_behind_the_camera_is_seen_in_front_of_it():
    room = empty_room([cuboid((0, 0, 0.4), (4, 0.6, 0.2))])  # a bench under the camera, top at 0.5 m
    view = render(room, 0)
    assert view.owner[-1, 28] == 0
    below = (42.5 - 21.5) / room.intrinsics[1, 1]
    assert view.depth[-1, 28] == pytest.approx(0.5 / below, rel=1e-5)


def test_clutter_has_an_owner_of_its_own():
    view = render(empty_room(clutter=[cuboid((2, 0, 1), (0.4, 0.4, 0.4))]), 0)
    assert set(np.unique(view.owner)) == {CLUTTER, STRUCTURE}


@pytest.mark.parametrize("number", range(6))
def test_depth_lies_on_a_part_of_the_owner_and_within_its_box(number):
    room = make_room(4, number, SETTINGS)
    for frame in range(3):
        view = render(room, frame)
        points = points_of(room, frame, view)
        for position, thing in enumerate(room.things):
            own = points[view.owner == position]
            if len(own):
                assert outside(own, thing.box).max() < 1e-3
                from_parts = np.abs([outside(own, part.box) for part in thing.parts]).min(axis=0)
                assert from_parts.max() < 1e-3


@pytest.mark.parametrize("number", range(6))
def test_pixels_of_a_thing_lie_within_its_projected_box(number):
    room = make_room(5, number, SETTINGS)
    checked = 0
    for frame in range(3):
        view, pose = render(room, frame), room.cameras_to_world[frame]
        for position in visible_things(view):
            local = (corners(room.things[position].box[None])[0] - pose[:3, 3]) @ pose[:3, :3]
            pixels, depth = project(local, room.intrinsics)
            if (depth > 0.05).all():
                hull = ConvexHull(pixels).equations
                rows, columns = np.nonzero(view.owner == position)
                distance = np.column_stack([columns + 0.5, rows + 0.5]) @ hull[:, :2].T + hull[:, 2]
                assert distance.max() < 0.01
                checked += 1
    assert checked


def test_three_times_as_many_pixels_show_the_same_depth_where_rays_coincide():
    small = make_room(6, 0, SETTINGS)
    large = make_room(6, 0, replace(SETTINGS, width=168, height=126))
    few, many = render(small, 0), render(large, 0)
    np.testing.assert_allclose(many.depth[1::3, 1::3], few.depth, rtol=1e-3)
    np.testing.assert_array_equal(many.owner[1::3, 1::3], few.owner)


@pytest.mark.parametrize(("width", "height"), [(8, 8), (97, 61), (61, 97), (280, 140)])
def test_pictures_have_the_size_that_was_asked_for(width, height):
    view = render(make_room(7, 1, replace(SETTINGS, width=width, height=height)), 2)
    assert (view.image.shape, view.image.dtype) == ((height, width, 3), np.uint8)
    assert (view.depth.shape, view.depth.dtype) == ((height, width), np.float32)
    assert (view.owner.shape, view.owner.dtype) == ((height, width), np.int16)
    assert np.isfinite(view.depth).all()
    assert view.image.std() > 5


def test_a_frame_is_the_same_whatever_was_drawn_before():
    room, other = make_room(8, 0, SETTINGS), make_room(8, 1, SETTINGS)
    first = render(room, 1)
    render(other, 0)
    again = Renderer(room).view(1)
    for a, b in zip(vars(first).values(), vars(again).values(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_things_have_their_colour_and_throw_a_shadow():
    room = empty_room([cuboid((1.5, 0, 0.9), (0.6, 0.6, 0.1), colour=(0.6, 0.02, 0.02))], width=114, height=86)
    view = render(room, 0)
    red = view.image[view.owner == 0].astype(float).mean(axis=0)
    assert red[0] > 2 * red[1]
    points = points_of(room, 0, view)
    floor = (view.owner == STRUCTURE) & (points[..., 2] < 0.01)
    # The lamp hangs 2.4 m above the origin: the plate's edge at (1.2, 1.8; 0.85 and 0.95 m) throws its shadow on the
    # floor between 1.2 * 2.4 / 1.55 and 1.8 * 2.4 / 1.45 m, and the walls are at 3 m.
    shade = floor & (points[..., 0] > 2.1) & (points[..., 0] < 2.6) & (np.abs(points[..., 1]) < 0.25)
    light = floor & (points[..., 0] > 2.1) & (points[..., 0] < 2.6) & (np.abs(points[..., 1]) > 0.8)
    assert shade.sum() > 10
    assert light.sum() > 10
    assert view.image[shade].mean() < 0.85 * view.image[light].mean()


def test_a_thing_counts_as_visible_from_a_share_of_the_picture_on():
    assert minimum_visible(112, 140) == 60
    owner = np.full((112, 140), STRUCTURE, np.int16)
    owner[0, :60], owner[1, :59], owner[2, :70] = 3, 1, CLUTTER
    view = View(
        np.zeros((112, 140, 3), np.uint8), np.ones((112, 140), np.float32), owner, np.zeros((112, 140), np.int32)
    )
    assert visible_things(view) == {3: 60}
    assert visible_things(view, 59) == {1: 59, 3: 60}
    assert visible_things(view, 0) == {1: 59, 3: 60}


def test_an_unknown_texture_is_an_error_that_names_the_known_ones():
    part = replace(cuboid((2, 0, 1), (0.4, 0.4, 0.4)), texture="woood")
    with pytest.raises(UnknownName, match="woood") as caught:
        Renderer(empty_room([part]))
    assert "'wood'" in caught.value.fix
