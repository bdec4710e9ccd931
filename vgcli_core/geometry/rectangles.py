"""The rectangle around a box in a picture."""

import numpy as np

from vgcli_core.geometry.boxes import EDGES, Floats, corners
from vgcli_core.geometry.camera import project

_NEAR = 0.01  # metres: what is nearer to the camera, or behind it, is not in the picture


def rectangle(box: Floats, intrinsics: Floats, width: int, height: int) -> tuple[float, float, float, float] | None:
    """Return the rectangle around the part of a box in front of the camera, cut at the border of the picture.

    Args:
        box: [9] in the camera's coordinate frame (x right, y down, z forward), ZXY.
        intrinsics: [3, 3] in pixels.
        width: of the picture in pixels.
        height: of the picture in pixels.

    Returns:
        Left, top, width and height in pixels, (0, 0) being the picture's upper left corner; None where nothing of the
        box is in the picture.
    """
    with np.errstate(all="ignore"):  # numbers near the end of float's range
        pixels = _outline(box, intrinsics)
    if not len(pixels) or not np.isfinite(pixels).all():
        return None
    left, top = np.clip(pixels.min(axis=0), 0, (width, height)).tolist()
    right, bottom = np.clip(pixels.max(axis=0), 0, (width, height)).tolist()
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def _outline(box: Floats, intrinsics: Floats) -> Floats:
    """Return the pixels [N, 2] of the corners of the part of a box in front of the camera."""
    ends = corners(box[None])[0][np.array(EDGES)]  # [12, 2, 3]
    ends = ends[(ends[:, :, 2] >= _NEAR).any(axis=1)]
    start, end = ends[:, 0], ends[:, 1]
    span = end[:, 2] - start[:, 2]
    # Where an edge passes the near plane; edges along it lie wholly in front.
    share = np.divide(_NEAR - start[:, 2], span, out=np.zeros_like(span), where=span != 0)[:, None]
    crossing = start + share * (end - start)
    visible = np.concatenate([np.where(one[:, 2:] >= _NEAR, one, crossing) for one in (start, end)])
    return project(visible, intrinsics)[0]
