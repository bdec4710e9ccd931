"""Pinhole projection, by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from vgcli_core.geometry.boxes import corners, transform
from vgcli_core.geometry.camera import aligned, intrinsics_from_fov, is_usable, project, relative_pose, unproject

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


def pose(angles: tuple[float, float, float], shift: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("ZXY", angles).as_matrix()
    matrix[:3, 3] = shift
    return matrix


def test_a_relative_pose_goes_through_the_world():
    one, other = pose((0.1, 0.2, 0.3), (1, 2, 3)), pose((-1, 0.5, 2), (0, -1, 1))
    point = np.array([0.4, 0.5, 2, 1])
    assert_allclose(other @ relative_pose(one, other) @ point, one @ point, atol=1e-12)
    assert_allclose(relative_pose(one, np.eye(4)), one, atol=1e-12)


def test_a_box_goes_from_camera_to_first_camera_to_aligned_scan_and_back():
    axis_align, first, other = (
        pose((0.7, 0, 0), (1, 1, 0)),
        pose((0.1, -1.5, 0.3), (1, 2, 1)),
        pose((2, -1, 0), (0, 1, 1)),
    )
    first, other = aligned(np.stack([first, other]), axis_align)
    box = np.array([[0.3, 0.2, 2, 1, 0.5, 0.4, 0.3, 0.6, -0.9]])
    in_first = transform(box, relative_pose(other, first))
    in_scan = transform(in_first, first)
    assert_allclose(corners(in_scan), corners(transform(box, other)), atol=1e-9)
    assert_allclose(corners(transform(in_scan, relative_pose(np.eye(4), other))), corners(box), atol=1e-9)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (pose((0.1, 0.2, 0.3), (1, 2, 3)), True),
        (np.round(pose((0.1, 0.2, 0.3), (1, 2, 3)), 2), True),
        (np.full((4, 4), -np.inf), False),
        (np.where(np.eye(4) == 1, np.nan, 0), False),
        (np.diag([1.0, 1, -1, 1]), False),  # mirrored
        (np.eye(3), False),
    ],
)
def test_only_a_finite_unmirrored_rotation_and_shift_is_usable(matrix, expected):
    assert is_usable(matrix) is expected
