"""Distances between boxes against distances between thousands of their points, and directions by the compass."""

import numpy as np
import pytest

from tests.unit.data.rooms.hand_made import box, slow_distance, thing
from vgcli_core.data.rooms.between import axis_aligned, distance, ground_distance, height_gap, turn
from vgcli_core.data.rooms.scene import Part, Thing


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (box(3, 0, (1, 1, 1)), 2.0),  # beside
        (box(4, 4, (1, 1, 1)), np.hypot(3, 3)),  # corner to corner
        (box(0, 0, (1, 1, 1), z=3), 1.5),  # above
        (box(3, 0, (1, 1, 1), z=3), 2.5),  # above and beside
        (box(0.5, 0.5, (1, 1, 1)), 0.0),  # overlapping
        (box(3, 0, (np.sqrt(2), np.sqrt(2), 1), yaw=np.pi / 4), 1.5),  # a corner towards the first
    ],
)
def test_distance_from_a_unit_cube_at_the_origin(other, expected):
    cube = box(0, 0, (1, 1, 1))
    assert distance(cube, other) == pytest.approx(expected)
    assert distance(other, cube) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(12))
def test_distance_equals_that_of_the_nearest_of_many_points(seed):
    rng = np.random.default_rng(seed)
    first, second = (
        box(*rng.uniform(-2, 2, 2), rng.uniform(0.3, 1.2, 3), z=rng.uniform(0, 2), yaw=rng.uniform(-4, 4))
        for _ in range(2)
    )
    slow = slow_distance(first, second)
    if distance(first, second) == 0:
        assert ground_distance(first, second) == height_gap(first, second) == 0
    else:
        assert distance(first, second) <= slow + 1e-9
        assert slow == pytest.approx(distance(first, second), abs=0.03)


@pytest.mark.parametrize(
    ("target", "degrees"),
    [((0, 5), 0), ((-5, 0), 90), ((5, 0), -90), ((0.001, -5), -180), ((-5, 5), 45), ((5, -5), -135)],
)
def test_turning_left_is_positive_for_one_who_faces_north(target, degrees):
    found = turn(np.zeros(2), np.array([0.0, 1.0]), np.array(target, dtype=float))
    assert found == pytest.approx(degrees, abs=0.02)


def test_the_box_along_the_walls_is_around_the_parts_and_not_around_the_turned_box():
    # A cross of two bars, turned by 45 degrees: its own box would reach further than its parts do.
    half = np.pi / 4
    bars = (Part(box(0, 0, (2, 0.2, 1), yaw=half), (1, 1, 1)), Part(box(0, 0, (0.2, 2, 1), yaw=half), (1, 1, 1)))
    cross = Thing("cross", box(0, 0, (2, 2, 1), yaw=half), bars)
    reach = 2 * (1 + 0.1) / np.sqrt(2)
    np.testing.assert_allclose(axis_aligned(cross), [0, 0, 0.5, reach, reach, 1, 0, 0, 0], atol=1e-12)


def test_the_box_along_the_walls_of_an_upright_thing_is_its_own():
    chair = thing("chair", 1, -2, (0.4, 0.5, 0.9))
    np.testing.assert_allclose(axis_aligned(chair), chair.box)
