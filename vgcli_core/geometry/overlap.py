"""Exact overlap of oriented boxes, all pairs of two sets at once, in float64: IoU, shared volume, generalized IoU.

Shapes: boxes [N, 9] and [M, 9] as in `boxes.py`, both in one coordinate frame. Negative sizes count as their absolute
values, as corners do. Boxes without volume and boxes with a number that is not finite overlap nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from vgcli_core.geometry.boxes import Floats, corners, rotations
from vgcli_core.geometry.clipping import clipped_share
from vgcli_core.geometry.refusals import refused

Bools = NDArray[np.bool_]
_Ints = NDArray[np.intp]

_ROWS_AT_ONCE = 256 * 1024  # pairs that the first, coarse test holds in memory
_PAIRS_AT_ONCE = 512  # pairs that are clipped together: their edges stay in the processor's cache


def iou(first: Floats, second: Floats, *, reference: bool = False) -> Floats:
    """Return the intersection over union [N, M] of boxes [N, 9] and [M, 9].

    Args:
        first: [N, 9], metres and radians.
        second: [M, 9], in the same coordinate frame.
        reference: score as the published evaluation does where it refuses a box (see `refused`): 0. Where it answers
            and is wrong (by up to 0.34 as recorded, on nearly coincident faces) this stays exact.

    Returns:
        [N, M] in [0, 1]; 0 where a box has no volume or a number that is not finite.
    """
    scores = _over_union(intersection(first, second), volumes(first)[:, None], volumes(second))
    if reference:
        scores[refused(first)] = 0
        scores[:, refused(second)] = 0
    return scores


def iou_of_pairs(first: Floats, second: Floats, *, reference: bool = False) -> Floats:
    """Return the intersection over union [N] of row i of `first` with row i of `second`, both [N, 9]; see `iou`."""
    rows = np.arange(len(first))
    return _iou_of_rows(first, second, rows, rows, reference=reference)


def iou_of_blocks(firsts: Sequence[Floats], seconds: Sequence[Floats], *, reference: bool = False) -> list[Floats]:
    """Return `iou` of each pair of sets, [N_i, M_i], in one batch: many small scenes cost little more than a large one.

    Args:
        firsts: for each scene, its boxes [N_i, 9].
        seconds: as many sets [M_i, 9].
        reference: see `iou`.
    """
    if not firsts:
        return []
    one, other = np.concatenate(firsts), np.concatenate(seconds)
    rows, columns, first_row, first_column = [], [], 0, 0
    for first, second in zip(firsts, seconds, strict=True):
        rows.append(np.repeat(np.arange(first_row, first_row + len(first)), len(second)))
        columns.append(np.tile(np.arange(first_column, first_column + len(second)), len(first)))
        first_row, first_column = first_row + len(first), first_column + len(second)
    scores = _iou_of_rows(one, other, np.concatenate(rows), np.concatenate(columns), reference=reference)
    blocks = np.split(scores, np.cumsum([len(part) for part in rows])[:-1])
    return [block.reshape(len(a), len(b)) for block, a, b in zip(blocks, firsts, seconds, strict=True)]


def generalized_iou(first: Floats, second: Floats) -> Floats:
    """Return the generalized IoU [N, M]: IoU minus the share of the pair's convex hull that neither box fills.

    It lies in (-1, 1] and keeps falling with the distance of boxes that no longer overlap; -1 where a box has no
    volume. One convex hull a pair makes it far slower than `iou`.

    Source: Rezatofighi et al., CVPR 2019, with the convex hull of both boxes as the enclosing shape.
    """
    shared, one, other = intersection(first, second), volumes(first), volumes(second)
    scores = np.full(shared.shape, -1.0)
    corners_one, corners_other = corners(first), corners(second)
    for i, j in np.argwhere((one[:, None] > 0) & (other[None, :] > 0)):
        union = one[i] + other[j] - shared[i, j]
        hull = max(_hull_volume(corners_one[i], corners_other[j]), union)
        scores[i, j] = shared[i, j] / union - (1 - union / hull)
    return scores


def volumes(boxes: Floats) -> Floats:
    """Return the volumes [N] of boxes [N, 9] in cubic metres; 0 for a box with a number that is not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        volume = np.abs(boxes[:, 3:6]).prod(axis=1)
    return np.where(np.isfinite(boxes).all(axis=1) & np.isfinite(volume), volume, 0.0)


def without_volume(boxes: Floats) -> Bools:
    """Tell [N] which boxes [N, 9] can overlap nothing: an edge of length 0, or a number that is not finite."""
    empty: Bools = volumes(boxes) == 0
    return empty


def intersection(first: Floats, second: Floats) -> Floats:
    """Return the volumes [N, M] that boxes [N, 9] and [M, 9] share, in cubic metres."""
    shared = np.zeros((len(first), len(second)))
    one, other = _prepare(first), _prepare(second)
    rows = max(1, _ROWS_AT_ONCE // max(1, len(second)))
    for start in range(0, len(first), rows):
        i, j = _near(one, other, slice(start, start + rows))
        shared[i, j] = _shared(one, other, i, j)
    return shared


class _Solids(NamedTuple):
    """Boxes as pairs need them: rotation [N, 3, 3], centre and half size [N, 3], volume and bounding radius [N]."""

    rotation: Floats
    center: Floats
    half: Floats
    volume: Floats
    radius: Floats

    def take(self, rows: _Ints) -> "_Solids":
        return _Solids(*(values[rows] for values in self))


def _prepare(boxes: Floats) -> _Solids:
    volume = volumes(boxes)
    solid = volume > 0
    # A stand-in for boxes that overlap nothing keeps NaN out of the arithmetic; their radius keeps them out of pairs.
    usable = np.where(solid[:, None], boxes, [0, 0, 0, 1, 1, 1, 0, 0, 0])
    half = np.abs(usable[:, 3:6]) / 2
    radius = np.where(solid, np.linalg.norm(half, axis=1), -np.inf)
    return _Solids(rotations(usable[:, 6:]), usable[:, :3], half, volume, radius)


def _iou_of_rows(first: Floats, second: Floats, i: _Ints, j: _Ints, *, reference: bool) -> Floats:
    """Return the IoU [P] of boxes i of `first` with boxes j of `second`; each box is prepared once."""
    one, other = _prepare(first), _prepare(second)
    shared = np.zeros(len(i))
    distance = ((one.center[i] - other.center[j]) ** 2).sum(axis=1)
    near = np.flatnonzero(distance < np.maximum(one.radius[i] + other.radius[j], 0) ** 2)
    shared[near] = _shared(one, other, i[near], j[near])
    scores = _over_union(shared, one.volume[i], other.volume[j])
    if reference:
        scores[refused(first)[i] | refused(second)[j]] = 0
    return scores


def _over_union(shared: Floats, one: Floats, other: Floats) -> Floats:
    union = one + other - shared
    return np.minimum(np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0), 1.0)


def _hull_volume(one: Floats, other: Floats) -> float:
    """Return the volume of the convex hull of two sets of corners [8, 3]."""
    points = np.vstack([one, other])
    # Seen along the first box's edges in units of their lengths, so that thin and tiny boxes are as good as cubes.
    edges = one[[4, 3, 1]] - one[0]
    try:
        hull = ConvexHull(np.linalg.solve(edges.T, (points - one[0]).T).T)
    except (QhullError, np.linalg.LinAlgError):  # sizes and distance so far apart that the boxes fill nothing of it
        return np.inf
    return float(hull.volume * abs(np.linalg.det(edges)))


def _near(one: _Solids, other: _Solids, rows: slice) -> tuple[_Ints, _Ints]:
    """Return the pairs, as two lists of indices, whose bounding spheres meet."""
    centers, radii = one.center[rows], one.radius[rows]
    distance = np.zeros((len(centers), len(other.center)))
    for axis in range(3):
        distance += (centers[:, None, axis] - other.center[None, :, axis]) ** 2
    reach = np.maximum(radii[:, None] + other.radius[None, :], 0)
    left, right = np.nonzero(distance < reach * reach)
    return left + rows.start, right


def _shared(one: _Solids, other: _Solids, i: _Ints, j: _Ints) -> Floats:
    """Return the volumes [P] shared by boxes i of one set and boxes j of the other, a cacheful of pairs at a time."""
    starts = range(0, len(i), _PAIRS_AT_ONCE)
    parts = [slice(start, start + _PAIRS_AT_ONCE) for start in starts]
    return np.concatenate([np.empty(0), *(_pair_volumes(one.take(i[part]), other.take(j[part])) for part in parts)])


def _pair_volumes(one: _Solids, other: _Solids) -> Floats:
    """Return the volumes [P] that each box of `one` shares with its partner in `other`."""
    swap = one.volume > other.volume
    small, large = (
        _Solids(*(np.where(swap.reshape(-1, *[1] * (a.ndim - 1)), b, a) for a, b in zip(*pair, strict=True)))
        for pair in ((one, other), (other, one))
    )
    # The pair index comes last from here on: [3, 3, P] and [3, P] keep the inner loops of numpy long.
    turn = np.einsum("pka,pkb->abp", small.rotation, large.rotation)  # axes of the large box, seen by the small one
    offset = np.einsum("pka,pk->ap", small.rotation, large.center - small.center)
    s, size = small.half.T, large.half.T
    along = np.einsum("abp,ap->bp", turn, offset)  # the same offset along the large box's axes
    reach = np.einsum("abp,ap->bp", np.abs(turn), s)  # half extent of the small box along them
    block, middle = turn * (size / s[:, None]), offset / s  # the large box, where the small one is [-1, 1]^3

    apart = (np.abs(along) >= size + reach).any(axis=0) | (np.abs(middle) >= 1 + np.abs(block).sum(axis=1)).any(axis=0)
    inside = (np.abs(along) + reach <= size).all(axis=0)
    share = np.where(inside & ~apart, 1.0, 0.0)
    rest = np.flatnonzero(~apart & ~inside)
    if len(rest):
        normals = turn[:, :, rest] * s[:, None, rest]
        share[rest] = clipped_share(block[:, :, rest], middle[:, rest], normals, along[:, rest], size[:, rest])
    return np.clip(share, 0, 1) * small.volume
