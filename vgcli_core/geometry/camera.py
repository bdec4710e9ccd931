"""Pinhole cameras with OpenCV axes: x right, y down, z forward (the optical axis).

Pixels are continuous: the image spans [0, width] x [0, height], so its middle is (width / 2, height / 2). Lens
distortion is not modelled.
"""

from dataclasses import dataclass

import numpy as np

from vgcli_core.geometry.boxes import Floats

SCANNET_FOV_DEGREES = 58.0
"""Horizontal field of view of ScanNet's colour camera: 1296 pixels wide, focal length about 1170."""


@dataclass(frozen=True)
class Camera:
    """One calibrated view.

    Attributes:
        intrinsics: [3, 3] float64, in pixels of an image of `width` x `height`.
        camera_to_world: [4, 4] float64, rigid; metres.
        width: image width in pixels.
        height: image height in pixels.
    """

    intrinsics: Floats
    camera_to_world: Floats
    width: int
    height: int


def intrinsics_from_fov(width: int, height: int, horizontal_fov_degrees: float) -> Floats:
    """Return intrinsics [3, 3] with square pixels and a centred optical axis, for a horizontal angle of view."""
    focal = width / 2 / np.tan(np.radians(horizontal_fov_degrees) / 2)
    return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])


def relative_pose(source_to_world: Floats, target_to_world: Floats) -> Floats:
    """Return the matrix [4, 4] that takes points of the source's coordinate frame to the target's.

    With camera-to-world poses it moves between two cameras; with the identity as target it is the way into the world,
    with the identity as source the way from the world into a camera. Feed it to `boxes.transform`.

    Args:
        source_to_world: [4, 4].
        target_to_world: [4, 4], invertible.
    """
    return np.asarray(np.linalg.solve(target_to_world, source_to_world), dtype=np.float64)


def aligned(camera_to_scan: Floats, axis_align: Floats) -> Floats:
    """Return camera-to-world poses [..., 4, 4] whose world is the aligned scan: z up, walls along x and y.

    Args:
        camera_to_scan: [..., 4, 4] poses in the scan as it was recorded ("cam2global").
        axis_align: [4, 4] the scan's alignment ("axis_align_matrix").
    """
    return axis_align @ camera_to_scan


def is_usable(pose: Floats) -> bool:
    """Tell whether a pose [4, 4] is finite and does not mirror; lost frames of a scan carry poses of infinities.

    A rotation part that is slightly off, as measured poses are, is usable: `boxes.transform` takes the nearest one.
    """
    return pose.shape == (4, 4) and bool(np.isfinite(pose).all()) and bool(np.linalg.det(pose[:3, :3]) > 0)


def project(points: Floats, intrinsics: Floats) -> tuple[Floats, Floats]:
    """Project points onto the image.

    Args:
        points: [N, 3] in the camera's coordinate frame, metres.
        intrinsics: [3, 3].

    Returns:
        Pixels [N, 2], NaN for points that are not in front of the camera (z <= 0), and depths [N] along the optical
        axis in metres.
    """
    depth = points[:, 2]
    in_front = np.where(depth > 0, depth, np.nan)
    return (points @ intrinsics.T)[:, :2] / in_front[:, None], depth


def unproject(pixels: Floats, depth: Floats, intrinsics: Floats) -> Floats:
    """Return the points [N, 3] in the camera's coordinate frame that `project` maps to pixels [N, 2] and depth [N]."""
    rays: Floats = np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.inv(intrinsics).T
    return rays * depth[:, None]
