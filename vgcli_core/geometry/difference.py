"""Why an IoU is low: how far a found box is off in place, in size and in rotation.

A box has 24 names (its axes in any order and direction), so sizes and rotations are compared under the naming of the
found box whose corners, with both boxes centred, lie closest to those of the true one. A table found with width and
depth exchanged and turned by 90 degrees is then the right table.
"""

from dataclasses import dataclass

import numpy as np

from vgcli_core.geometry.boxes import AXIS_NAMINGS, Floats, rotations


@dataclass(frozen=True, slots=True)
class Difference:
    """Row by row, what separates found boxes from true ones.

    Attributes:
        distance: [N] between the centres, in metres.
        center: [N, 3] found minus true centre along the axes of the true box, in metres.
        size: [N, 3] found minus true edge along the axes of the true box, in metres.
        rotation: [N] the smallest turn that would align the axes, in radians.
    """

    distance: Floats
    center: Floats
    size: Floats
    rotation: Floats


def difference(found: Floats, true: Floats) -> Difference:
    """Compare found boxes with true ones, row by row.

    Args:
        found: [N, 9] metres and radians; negative sizes count as their absolute values.
        true: [N, 9] in the same coordinate frame.
    """
    turn_found, turn_true = rotations(found[:, 6:]), rotations(true[:, 6:])
    size_found, size_true = np.abs(found[:, 3:6]), np.abs(true[:, 3:6])
    # Axes of the found box, under each naming, seen by the true one: [N, 24, 3, 3]; and their lengths: [N, 24, 3].
    named = (turn_true.transpose(0, 2, 1) @ turn_found)[:, None] @ AXIS_NAMINGS
    sizes = (size_found[:, None, None, :] @ np.abs(AXIS_NAMINGS))[:, :, 0]
    # The squared distance of corresponding corners falls as this sum over axes rises.
    alike = (np.diagonal(named, axis1=2, axis2=3) * sizes * size_true[:, None]).sum(axis=2)
    # Among equals (cubes, empty boxes) the least turned naming wins.
    least = np.trace(named, axis1=2, axis2=3)
    best = np.lexsort((least, np.round(alike, 12)), axis=1)[:, -1]
    rows = np.arange(len(found))
    offset = found[:, :3] - true[:, :3]
    return Difference(
        distance=np.linalg.norm(offset, axis=1),
        center=(offset[:, None] @ turn_true)[:, 0],
        size=sizes[rows, best] - size_true,
        rotation=_angle(named[rows, best]),
    )


def _angle(turns: Floats) -> Floats:
    """Return the angles [N] of rotations [N, 3, 3]; accurate for small ones, where the trace alone is not."""
    skew = turns - turns.transpose(0, 2, 1)
    sine = np.linalg.norm(np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=1), axis=1)
    angle: Floats = np.arctan2(sine, np.trace(turns, axis1=1, axis2=2) - 1)
    return angle
