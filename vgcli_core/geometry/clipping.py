"""Clip blocks with the cube [-1, 1]^3 and measure what is left: the core of the exact overlap of boxes.

A block (a skewed box) is kept as faces, each a loop of directed edges in no order, because neither an area nor a
volume needs one: cross products of the edges' ends sum to a face's area vector, and the cones from the origin over all
faces sum to the volume (divergence theorem). Three slabs cut the block, and every cut closes it with two new faces.

An edge is stored once for each of its two faces, in opposite directions, and both copies are cut by a formula that
does not change when the ends are exchanged. So neighbouring faces share their new corners bit for bit, the solid stays
closed, and a closed solid has the right volume however close to parallel or coincident its faces are to the cube's.

Shapes: the P blocks come last, which keeps numpy's inner loops long.
"""

import numpy as np

from vgcli_core.geometry.boxes import Floats

_SNAP = 32 * float(np.finfo(np.float64).eps)

# The two axes beside each axis, right-handed.
_BESIDE = ((1, 2), (2, 0), (0, 1))


def clipped_share(block: Floats, middle: Floats, normals: Floats, along: Floats, size: Floats) -> Floats:
    """Return which share [P] of the cube [-1, 1]^3 a block fills.

    Args:
        block: [3, 3, P] half edges of the block: axis of the cube, edge.
        middle: [3, P] its centre.
        normals: [3, 3, P] normals of its faces: axis of the cube, face pair. The planes of pair m are
            normals[:, m] . x = along[m] - size[m] and along[m] + size[m].
        along: [3, P].
        size: [3, P].
    """
    starts, ends = _faces(block, middle)
    snap = _SNAP * np.maximum(np.abs(starts).max(axis=(0, 1, 2)), 1)
    for axis in range(3):
        starts, ends = _slab(starts, ends, axis, snap)
    # Twice the area vector of a face is the sum of start x end over its edges; a third of the area times the distance
    # of the plane from the origin is the volume of the cone over it.
    x, y, z = ((0, 1, 2), (1, 2, 0), (2, 0, 1))
    volume = np.zeros(block.shape[-1])
    areas = [
        (starts[j, :6] * ends[k, :6] - starts[k, :6] * ends[j, :6]).sum(axis=1) for _, j, k in (x, y, z)
    ]  # 3 of [6, P]
    for pair in range(3):
        normal = normals[:, pair]
        length = (normal * normal).sum(axis=0)
        for side, sign in enumerate((-1, 1)):
            area = sum(areas[axis][2 * pair + side] * normal[axis] for axis in range(3))
            volume += area * (along[pair] + sign * size[pair]) / length
    for axis, j, k in (x, y, z):
        for side, sign in enumerate((-1, 1)):
            face = 6 + 2 * axis + side
            volume += sign * (starts[j, face] * ends[k, face] - starts[k, face] * ends[j, face]).sum(axis=0)
    return volume / 6 / 8


def _faces(block: Floats, middle: Floats) -> tuple[Floats, Floats]:
    """Return starts and ends [3, 6, 4, P] of the edges around each face: -0, +0, -1, +1, -2, +2, seen from outside."""
    loops = np.empty((3, 6, 4, block.shape[-1]))
    for axis, (j, k) in enumerate(_BESIDE):
        for side, sign in enumerate((-1, 1)):
            around = ((-1, -1), (1, -1), (1, 1), (-1, 1))[::sign]
            for corner, (u, v) in enumerate(around):
                # One order of adding for all faces, so that they share corners bit for bit.
                signs = {axis: sign, j: u, k: v}
                loops[:, 2 * axis + side, corner] = (
                    middle + signs[0] * block[:, 0] + signs[1] * block[:, 1] + signs[2] * block[:, 2]
                )
    return loops, np.roll(loops, -1, axis=2)


def _slab(starts: Floats, ends: Floats, axis: int, snap: Floats) -> tuple[Floats, Floats]:
    """Cut faces with the slab -1 <= x <= 1 of one axis.

    Args:
        starts: [3, F, K, P] where the edges of each face start; unused edges start where they end.
        ends: [3, F, K, P].
        axis: of the slab.
        snap: [P] corners this near to a plane of the slab are put on it.

    Returns:
        Starts and ends [3, F + 2, K + 2, P]: two more edges for each face (along the lower and the upper plane), and
        two more faces, in those planes, that close the solid; K + 2 >= F holds for a block cut by three slabs.
    """
    _, faces, slots, pairs = starts.shape
    a, b = _snapped(starts[axis], snap), _snapped(ends[axis], snap)
    inner_a, inner_b = np.clip(a, -1, 1), np.clip(b, -1, 1)
    span = b - a
    np.copyto(span, 1, where=span == 0)
    out_a, out_b = inner_a != a, inner_b != b
    gone = out_a & out_b & (inner_a == inner_b)  # on the far side of one plane, from end to end

    new_starts = np.zeros((3, faces + 2, slots + 2, pairs))
    new_ends = np.zeros((3, faces + 2, slots + 2, pairs))
    for inner, out, new in ((inner_a, out_a, new_starts), (inner_b, out_b, new_ends)):
        # Exchanging the ends of an edge negates both weights' numerators and denominators: the same point, to the bit.
        of_start, of_end = (b - inner) / span, (a - inner) / span
        at_start = ~out if new is new_starts else np.zeros_like(out)
        at_end = ~out if new is new_ends else np.zeros_like(out)
        np.copyto(of_start, 1, where=at_start)
        np.copyto(of_start, 0, where=at_end | gone)
        np.copyto(of_end, 0, where=at_start | gone)
        np.copyto(of_end, -1, where=at_end)
        for other in range(3):
            if other == axis:
                new[other, :faces, :slots] = inner
            else:
                new[other, :faces, :slots] = starts[other] * of_start - ends[other] * of_end

    for side, sign in enumerate((-1, 1)):
        beyond_a, beyond_b = a * sign > 1, b * sign > 1
        leaves, enters = (~beyond_a & beyond_b).astype(np.float64), (beyond_a & ~beyond_b).astype(np.float64)
        # A convex face leaves the slab at most once through each plane, and comes back once.
        left = np.einsum("fkp,cfkp->cfp", leaves, new_ends[:, :faces, :slots])
        back = np.einsum("fkp,cfkp->cfp", enters, new_starts[:, :faces, :slots])
        new_starts[:, :faces, slots + side], new_ends[:, :faces, slots + side] = left, back
        new_starts[:, faces + side, :faces], new_ends[:, faces + side, :faces] = back, left
    return new_starts, new_ends


def _snapped(values: Floats, snap: Floats) -> Floats:
    values = np.where(np.abs(values - 1) <= snap, 1.0, values)
    return np.where(np.abs(values + 1) <= snap, -1.0, values)
