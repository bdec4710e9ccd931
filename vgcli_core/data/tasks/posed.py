"""Cameras of a scan's frames, and boxes and points seen from them."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from vgcli_core.data.sample import Cameras
from vgcli_core.data.scan import Scan
from vgcli_core.geometry.boxes import Floats, OrientedBox, Vec3, as_boxes, least_rotated, transform
from vgcli_core.geometry.camera import aligned

# Which of the 24 names of a box an answer gives: as it was annotated, or the one nearest to the camera's axes.
Naming = Literal["own", "least_rotated"]


def camera_to_world(scan: Scan, position: int) -> Floats:
    """Return the pose [4, 4] of a frame, camera to aligned scan."""
    return aligned(scan.frames[position].camera_to_scan, scan.alignment)


def cameras_of(scan: Scan, positions: Sequence[int], *, with_poses: bool = True) -> Cameras:
    """Return the cameras of the frames at `positions`, in that order; without poses, what all frames have in common."""
    wanted = positions if with_poses else ()
    poses = np.array([camera_to_world(scan, position) for position in wanted], dtype=np.float64).reshape(-1, 4, 4)
    return Cameras(scan.intrinsics[:3, :3], poses, scan.alignment, scan.size)


def boxes_from(boxes: Floats, labels: Sequence[str], pose: Floats, naming: Naming = "own") -> tuple[OrientedBox, ...]:
    """Return boxes [N, 9] of the aligned scan in the camera whose pose [4, 4] leads to the scan."""
    seen = transform(boxes, np.linalg.inv(pose).astype(np.float64))
    return as_boxes(least_rotated(seen) if naming == "least_rotated" else seen, labels)


def point_from(point: Floats, pose: Floats) -> Vec3:
    """Return a point [3] of the aligned scan in the camera whose pose [4, 4] leads to the scan."""
    x, y, z = (np.linalg.inv(pose) @ np.append(point[:3], 1.0))[:3].tolist()
    return x, y, z


def paths_of(scan: Scan, positions: Sequence[int]) -> tuple[str, ...]:
    """Return the paths of the frames at `positions`, in that order."""
    return tuple(scan.frames[position].path for position in positions)
