"""How large an object stands in a frame: the area of its box's outline, cut off at the edges of the image.

Source: formats of ScanRefer, section 4.3; golden/gen2/generators/projected_area.json.
"""

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from vgcli_core.geometry.boxes import Floats, corners, rotations
from vgcli_core.geometry.camera import project


def projected_area(box: Floats, camera_to_world: Floats, intrinsics: Floats, size: tuple[float, float]) -> float:
    """Return the area in square pixels of the convex hull of a box's corners, moved to the image where outside.

    Args:
        box: [9] in the coordinate frame that `camera_to_world` leads to.
        camera_to_world: [4, 4].
        intrinsics: [3, 3].
        size: width and height of the image in pixels; corners are moved to [0, width - 1] x [0, height - 1].

    Returns:
        0 where the camera is inside the box, fewer than three corners are in front of it, all of them lie beside or
        all above or below the image, or the outline is a line.
    """
    row = np.asarray(box, dtype=np.float64)[None]
    within = rotations(row[:, 6:])[0].T @ (camera_to_world[:3, 3] - row[0, :3])
    if (np.abs(within) <= row[0, 3:6] / 2).all():
        return 0.0
    turn, origin = camera_to_world[:3, :3], camera_to_world[:3, 3]
    # Measured poses are slightly off: the inverse is taken of the matrix as it is, as for boxes that are moved.
    seen = np.linalg.solve(turn, (corners(row)[0] - origin).T).T
    pixels, depth = project(seen, intrinsics)
    last = np.array(size, dtype=np.float64) - 1
    points = pixels[depth > 0].clip(0, last)
    if len(points) < 3 or ((points == 0) | (points == last)).all(axis=0).any():
        return 0.0
    try:
        return float(ConvexHull(points).volume)  # the volume of a flat hull is its area
    except QhullError:  # all corners on one line
        return 0.0


def size_by_principal_point(intrinsics: Floats) -> tuple[float, float]:
    """Return the image size that the published generators assume: twice the principal point, which is a little off."""
    return 2 * float(intrinsics[0, 2]), 2 * float(intrinsics[1, 2])
