"""Boxes: corners by hand, rotations from their definition, moving between coordinate frames."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from vgcli_core.geometry.boxes import (
    EDGES,
    FACES,
    OrientedBox,
    as_array,
    as_boxes,
    corners,
    least_rotated,
    quaternions,
    renamed,
    rotations,
    to_extrinsic,
    to_intrinsic,
    transform,
)

BOX = np.array([[1.0, 2, 3, 2, 4, 6, 0, 0, 0]])
angle = st.floats(-math.pi, math.pi)


def about_x(a):
    return np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])


def about_y(a):
    return np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])


def about_z(a):
    return np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])


def rigid(rotation, shift):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, shift
    return matrix


def test_corners_of_an_upright_box_go_around_each_x_face():
    expected = [[0, 0, 0], [0, 0, 6], [0, 4, 6], [0, 4, 0], [2, 0, 0], [2, 0, 6], [2, 4, 6], [2, 4, 0]]
    assert_allclose(corners(BOX)[0], expected, atol=1e-12)


def test_a_quarter_turn_about_z_takes_the_box_x_axis_to_y():
    turned = np.array([[0, 0, 0, 2, 4, 6, math.pi / 2, 0, 0]])
    assert_allclose(corners(turned)[0, 6] - corners(turned)[0, 2], [0, 2, 0], atol=1e-12)


def test_every_edge_joins_corners_that_differ_along_one_axis():
    lengths = [np.linalg.norm(corners(BOX)[0, a] - corners(BOX)[0, b]) for a, b in EDGES]
    assert sorted(lengths) == pytest.approx([2] * 4 + [4] * 4 + [6] * 4)
    assert len({frozenset(edge) for edge in EDGES}) == 12


def test_faces_are_listed_by_axis_and_turn_outwards():
    outward = [[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]]
    for face, direction in zip(FACES, outward, strict=True):
        a, b, c, d = corners(BOX)[0, list(face)]
        normal = np.cross(b - a, c - b)
        assert_allclose(normal / np.linalg.norm(normal), direction, atol=1e-12)
        assert_allclose(a + c, b + d, atol=1e-12)


@given(angle, angle, angle)
def test_the_two_conventions_are_the_two_orders_of_the_product(a, b, c):
    box = np.array([[0, 0, 0, 1, 1, 1, a, b, c]])
    assert_allclose(rotations(box[:, 6:])[0], about_z(a) @ about_x(b) @ about_y(c), atol=1e-9)
    assert_allclose(rotations(to_intrinsic(box, "zxy")[:, 6:])[0], about_y(c) @ about_x(b) @ about_z(a), atol=1e-7)
    np.testing.assert_array_equal(to_intrinsic(box, "ZXY"), box)


def test_a_quaternion_turns_as_its_matrix_does():
    # A quarter about z: (0, 0, sin 45 degrees, cos 45 degrees).
    assert_allclose(quaternions(np.array([[np.pi / 2, 0, 0]])), [[0, 0, 0.5**0.5, 0.5**0.5]], atol=1e-12)
    angles = np.random.default_rng(0).uniform(-3, 3, (9, 3))
    vector = np.array([0.3, -0.5, 0.8])
    for quaternion, matrix in zip(quaternions(angles), rotations(angles), strict=True):
        axis, w = quaternion[:3], quaternion[3]
        turned = vector + 2 * np.cross(axis, np.cross(axis, vector) + w * vector)
        assert_allclose(turned, matrix @ vector, atol=1e-12)
    assert quaternions(np.empty((0, 3))).shape == (0, 4)


def test_angles_that_are_intrinsic_already_come_back_as_a_copy():
    to_intrinsic(BOX, "ZXY")[:] = 0
    assert BOX[0, 0] == 1


@pytest.mark.parametrize("b", [math.pi / 2, -math.pi / 2])
def test_gimbal_lock_keeps_the_rotation_and_gives_no_warning(b, recwarn):
    locked = np.array([[0, 0, 0, 1, 1, 1, 0.4, b, 0.7]])
    assert_allclose(rotations(transform(locked, np.eye(4))[:, 6:]), rotations(locked[:, 6:]), atol=1e-7)
    # Ry(90 degrees) @ Rz(90 degrees): extrinsic angles without lock, whose intrinsic form is locked.
    old = np.array([[0, 0, 0, 1, 1, 1, b, 0, b]])
    assert_allclose(rotations(to_intrinsic(old, "zxy")[:, 6:])[0], about_y(b) @ about_z(b), atol=1e-7)
    assert not recwarn.list


@given(angle, angle, angle, st.integers(0, 2**32 - 1))
def test_moving_a_box_moves_its_corners_and_keeps_its_size(a, b, c, seed):
    rng = np.random.default_rng(seed)
    boxes = np.concatenate(
        [rng.uniform(-3, 3, (4, 3)), rng.uniform(0.1, 2, (4, 3)), rng.uniform(-3, 3, (4, 3))], axis=1
    )
    matrix = rigid(about_z(a) @ about_x(b) @ about_y(c), rng.uniform(-5, 5, 3))
    moved = transform(boxes, matrix)
    expected = corners(boxes) @ matrix[:3, :3].T + matrix[:3, 3]
    assert_allclose(corners(moved), expected, atol=1e-6)
    np.testing.assert_array_equal(moved[:, 3:6], boxes[:, 3:6])


def test_no_boxes_stay_no_boxes():
    empty = as_array([])
    assert empty.shape == (0, 9)
    assert corners(empty).shape == (0, 8, 3)
    assert transform(empty, np.eye(4)).shape == to_intrinsic(empty, "zxy").shape == (0, 9)
    assert as_boxes(empty, []) == ()


def test_boxes_survive_the_way_to_an_array_and_back():
    boxes = (OrientedBox((1, 2, 3), (4, 5, 6), (0.1, 0.2, 0.3), "chair"), OrientedBox((0, 0, 0), (1, 1, 1), (0, 0, 0)))
    assert as_array(boxes)[0].tolist() == [1, 2, 3, 4, 5, 6, 0.1, 0.2, 0.3]
    assert as_boxes(as_array(boxes), ["chair", ""]) == boxes


def test_the_24_names_of_a_box_are_one_solid():
    box = np.array([[1.0, 2, 3, 0.5, 0.6, 0.7, 0.3, -0.4, 1.1]])
    names = renamed(box)[0]
    assert len(np.unique(np.round(names, 6), axis=0)) == 24
    expected = sorted(map(tuple, np.round(corners(box)[0], 6)))
    for name in names:
        assert sorted(map(tuple, np.round(corners(name[None])[0], 6))) == expected


def test_the_least_rotated_name_is_the_same_solid_and_no_other_name_is_turned_less():
    rng = np.random.default_rng(0)
    boxes = np.hstack([rng.uniform(-3, 3, (50, 3)), rng.uniform(0.2, 2, (50, 3)), rng.uniform(-3.1, 3.1, (50, 3))])
    for box, found in zip(boxes, least_rotated(boxes), strict=True):
        names = renamed(box[None])[0]
        degrees = np.degrees(np.arccos((np.trace(rotations(names[:, 6:]), axis1=1, axis2=2) - 1) / 2))
        assert_allclose(names[degrees.argmin()], found, atol=1e-9)
        assert degrees.min() < 62.8  # half of the largest turn of a cube that brings it nowhere nearer to itself
    assert least_rotated(np.empty((0, 9))).shape == (0, 9)


def test_an_upright_box_before_a_level_camera_keeps_its_height_along_the_axis_that_points_down():
    # A camera that looks along the world's y: its x is the world's x, its y points down.
    world_to_camera = rigid(about_x(math.pi / 2), [0, 0, 0])
    for yaw in np.radians([-170, -100, -40, -3, 0, 20, 44, 91, 179]):
        seen = transform(np.array([[0.0, 3, 0.5, 2, 0.9, 1.2, yaw, 0, 0]]), world_to_camera)
        (found,) = least_rotated(seen)
        a, b, c = np.degrees(found[6:])
        assert_allclose([a, b, found[4]], [0, 0, 1.2], atol=1e-9)
        assert abs(c) <= 45


@pytest.mark.parametrize("off", [0, 1e-16, 1e-13, 1e-11, 1e-9, 1e-8, 1e-7, 1e-5])
@pytest.mark.parametrize("lock", [math.pi / 2, -math.pi / 2])
def test_rotations_near_gimbal_lock_survive_as_angles_to_the_last_digits(off, lock):
    """The middle angle of a box that a level camera looks at squarely."""
    boxes = np.array([[0, 0, 0, 1, 1, 1, 0.7, lock + off, -1.3], [0, 0, 0, 1, 1, 1, -2.5, lock - off, 0]])
    for through in (transform(boxes, np.eye(4)), to_intrinsic(to_extrinsic(boxes), "zxy")):
        assert_allclose(rotations(through[:, 6:]), rotations(boxes[:, 6:]), atol=2e-12)


@given(st.lists(st.tuples(*[st.floats(-7, 7)] * 3), min_size=1, max_size=5))
def test_extrinsic_angles_give_the_same_rotation_back(angles):
    boxes = np.hstack([np.ones((len(angles), 6)), np.array(angles)])
    back = to_intrinsic(to_extrinsic(boxes), "zxy")
    assert_allclose(rotations(back[:, 6:]), rotations(boxes[:, 6:]), atol=1e-11)
    assert (np.abs(back[:, 7]) <= math.pi / 2 + 1e-12).all()


def test_each_box_may_move_by_a_matrix_of_its_own():
    rng = np.random.default_rng(0)
    boxes = rng.uniform(-2, 2, (5, 9))
    matrices = np.tile(np.eye(4), (5, 1, 1))
    matrices[:, :3, :3] = rotations(rng.uniform(-3, 3, (5, 3)))
    matrices[:, :3, 3] = rng.uniform(-3, 3, (5, 3))
    one_by_one = [transform(box[None], matrix)[0] for box, matrix in zip(boxes, matrices, strict=True)]
    assert_allclose(transform(boxes, matrices), one_by_one, atol=1e-12)
    assert transform(np.empty((0, 9)), np.empty((0, 4, 4))).shape == (0, 9)
    assert transform(np.empty((0, 9)), np.eye(4)).shape == (0, 9)
