"""What separates two boxes: by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vgcli_core.geometry.boxes import renamed
from vgcli_core.geometry.difference import difference

TABLE = np.array([[1.0, 2, 3, 1.6, 0.8, 0.7, 0.3, -0.4, 1.2]])


def test_the_same_box_differs_in_nothing_under_any_of_its_24_names():
    found = renamed(TABLE)[0]
    apart = difference(found, np.repeat(TABLE, 24, axis=0))
    assert_allclose(apart.distance, 0, atol=1e-12)
    assert_allclose(apart.size, 0, atol=1e-12)
    assert_allclose(apart.rotation, 0, atol=1e-9)


def test_place_size_and_rotation_are_told_apart():
    true = np.array([[0.0, 0, 0, 2, 1, 0.5, np.pi / 2, 0, 0]])  # its x axis points along y
    found = np.array([[0.0, 0.3, 0.4, 2.2, 1, 0.4, np.pi / 2 + 0.1, 0, 0]])
    apart = difference(found, true)
    assert_allclose(apart.distance, [0.5])
    assert_allclose(apart.center, [[0.3, 0, 0.4]], atol=1e-12)
    assert_allclose(apart.size, [[0.2, 0, -0.1]], atol=1e-12)
    assert_allclose(apart.rotation, [0.1], atol=1e-12)


def test_width_and_depth_exchanged_and_turned_by_90_degrees_is_the_same_table():
    true = np.array([[0.0, 0, 0, 2, 1, 0.5, 0, 0, 0]])
    found = np.array([[0.0, 0, 0, 1, 2, 0.5, np.pi / 2, 0, 0]])
    apart = difference(found, true)
    assert_allclose(apart.size, [[0, 0, 0]], atol=1e-12)
    assert_allclose(apart.rotation, [0], atol=1e-12)


def test_a_long_box_turned_by_90_degrees_keeps_its_sizes_apart_or_its_rotation():
    true = np.array([[0.0, 0, 0, 2, 1, 0.5, 0, 0, 0]])
    found = np.array([[0.0, 0, 0, 2, 1, 0.5, np.pi / 2, 0, 0]])
    apart = difference(found, true)
    # Naming the axes anew explains the turn as sizes that are off by a metre: closer than corners turned by 90 degrees.
    assert_allclose(apart.rotation, [0], atol=1e-12)
    assert_allclose(apart.size, [[-1, 1, 0]], atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 0.5])
def test_small_rotations_are_measured_accurately(angle):
    true = np.array([[0.0, 0, 0, 3, 2, 1, 0, 0, 0]])
    assert_allclose(difference(true + np.array([0.0] * 8 + [angle]), true).rotation, [angle], rtol=1e-6, atol=1e-15)


def test_a_cube_turned_by_more_than_45_degrees_is_turned_by_less_the_other_way():
    cube = np.array([[0.0, 0, 0, 1, 1, 1, 0, 0, 0]])
    assert_allclose(difference(cube + np.array([0.0] * 6 + [1.0, 0, 0]), cube).rotation, [np.pi / 2 - 1], atol=1e-12)
