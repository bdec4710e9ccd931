"""Projected areas by hand: a camera at the origin that looks along z, a box before it."""

import numpy as np
import pytest

from tests.unit.data.tasks.scans import make_scan
from vgcli_core.data.tasks.projected_area import projected_area, size_by_principal_point
from vgcli_core.data.tasks.visibility import areas

K = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
SIZE = (101.0, 81.0)  # so that corners are moved to [0, 100] x [0, 80]


def area(*box, pose=None, size=SIZE) -> float:
    return projected_area(np.array([*box, 0, 0, 0], dtype=float), np.eye(4) if pose is None else pose, K, size)


def test_the_nearest_face_of_a_box_ahead_counts():
    # Front face at z = 2, 0.4 x 0.2 m: 20 x 10 pixels.
    assert area(0, 0, 2.5, 0.4, 0.2, 1) == pytest.approx(200)


def test_what_sticks_out_is_moved_to_the_edge_of_the_image():
    # At z = 2 the face spans x from -25 to 25 around column 50 + 50: 75..125, moved to 75..100.
    assert area(1, 0, 2.0, 1, 0.4, 1e-9) == pytest.approx(25 * 20, rel=1e-6)


def test_a_box_beside_or_behind_the_camera_has_no_area():
    assert area(9, 0, 2, 0.4, 0.2, 1) == 0
    assert area(0, -9, 2, 0.4, 0.2, 1) == 0
    assert area(0, 0, -3, 0.4, 0.2, 1) == 0


def test_a_camera_inside_the_box_sees_nothing_of_it():
    assert area(0, 0, 0.2, 1, 1, 1) == 0


def test_a_box_seen_as_a_line_has_no_area():
    assert area(0, 0, 2.0, 0.4, 0, 0) == 0


def test_the_camera_is_moved_by_its_pose():
    pose = np.eye(4)
    pose[:3, 3] = [3, -1, 7]
    assert area(3, -1, 9.5, 0.4, 0.2, 1, pose=pose) == pytest.approx(200)


def test_reference_mode_takes_the_size_from_the_principal_point_and_corrected_mode_the_true_one():
    assert size_by_principal_point(K) == (100, 80)
    scan = make_scan(size=(200, 480))
    place = list(range(60))
    published = areas(scan, scan.instances[0].box, place, "reference")
    assert published == areas(make_scan(), scan.instances[0].box, place, "corrected")  # no size known
    cut = areas(scan, scan.instances[0].box, place, "corrected")
    assert max(cut) < max(published)
