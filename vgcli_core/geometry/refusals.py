"""Which boxes the published evaluation refuses to overlap, so that every pair with one of them counts as IoU 0.

Source: pytorch3d's box overlap, as recorded in golden/metrics, section 1. It works in float32 with absolute limits, so
it refuses small faces (1.4 cm by 1.4 cm, or a box 1 mm thick) and boxes of hundreds of metres, which rounding bends.
"""

import numpy as np
from numpy.typing import NDArray

from vgcli_core.geometry.boxes import Floats, corners

Floats32 = NDArray[np.float32]

# The published evaluation's overlap refuses faces whose half is smaller (m^2), and corners this far off a plane (m).
_REFUSED_AREA = 1e-4
_REFUSED_BEND = 1e-4
# Its faces, by the corner order of `boxes.corners`.
_REFERENCE_FACES = ((0, 1, 2, 3), (3, 2, 6, 7), (0, 1, 5, 4), (0, 3, 7, 4), (1, 2, 6, 5), (4, 5, 6, 7))


def refused(boxes: Floats) -> NDArray[np.bool_]:
    """Tell [N] which boxes [N, 9] the published evaluation refuses, so that every pair with them counts as IoU 0.

    Source: pytorch3d's box overlap as recorded in golden/metrics: in float32, half a face of at most 1e-4 m^2; or
    fourth corners off the planes of their faces by 1e-4 m in sum over the six faces, signs kept; or non-finite numbers.
    """
    with np.errstate(all="ignore"):
        points: Floats32 = corners(boxes).astype(np.float32)[:, _REFERENCE_FACES]  # [N, 6, 4, 3]
        a, b, c, d = points[:, :, 0], points[:, :, 1], points[:, :, 2], points[:, :, 3]
        normals = _unit(np.cross(_unit(b - a), _unit(c - a)))
        bend = np.abs(((d - a) * normals).sum(axis=(1, 2)))
        halves = np.stack([np.cross(b - a, c - a), np.cross(c - a, d - a)])
        small = (np.linalg.norm(halves, axis=-1) / 2 <= _REFUSED_AREA).any(axis=(0, 2))
        fine: NDArray[np.bool_] = np.isfinite(points).all(axis=(1, 2, 3)) & (bend < _REFUSED_BEND) & ~small
    return np.logical_not(fine)


def _unit(vectors: Floats32) -> Floats32:
    length = np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32(1e-12))
    units: Floats32 = (vectors / length).astype(np.float32)
    return units
