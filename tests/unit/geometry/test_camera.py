"""Pinhole projection, by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vgcli_core.geometry.camera import intrinsics_from_fov, project, unproject

K = np.array([[100.0, 0, 160], [0, 120, 90], [0, 0, 1]])


def test_a_point_to_the_right_and_below_lands_right_and_below_the_middle():
    pixels, depth = project(np.array([[0.5, 0.25, 2.0], [0, 0, 1]]), K)
    assert_allclose(pixels, [[160 + 100 * 0.25, 90 + 120 * 0.125], [160, 90]])
    assert_allclose(depth, [2, 1])


def test_points_that_are_not_in_front_of_the_camera_have_no_pixel():
    pixels, depth = project(np.array([[1.0, 1, -2], [1, 1, 0]]), K)
    assert np.isnan(pixels).all()
    assert_allclose(depth, [-2, 0])


def test_unproject_returns_the_points_that_project_took():
    points = np.array([[0.5, -0.3, 2.0], [-1, 2, 7]])
    assert_allclose(unproject(*project(points, K), K), points, atol=1e-12)


@pytest.mark.parametrize(("fov", "focal"), [(90, 320), (2 * np.degrees(np.arctan(0.5)), 640)])
def test_the_angle_of_view_reaches_from_border_to_border(fov, focal):
    intrinsics = intrinsics_from_fov(640, 480, fov)
    assert_allclose(intrinsics, [[focal, 0, 320], [0, focal, 240], [0, 0, 1]], atol=1e-9)
    edge = np.tan(np.radians(fov / 2))
    assert_allclose(project(np.array([[-edge, 0, 1], [edge, 0, 1]]), intrinsics)[0][:, 0], [0, 640], atol=1e-9)
