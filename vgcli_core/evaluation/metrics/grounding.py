"""Grounding as accuracies: how often the one predicted box overlaps the true one well, plain and refined by proposals.

Source: rules behind arXiv 2505.24625v3, Table 1; the refined numbers stand there in parentheses.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcli_core.evaluation.metrics.tally import Metric, Tally, label_means
from vgcli_core.geometry.boxes import Floats
from vgcli_core.geometry.overlap import iou

Bools = NDArray[np.bool_]

THRESHOLDS = (0.25, 0.5)  # an IoU at the threshold counts


class Mean(NamedTuple):
    """A mean over some samples: name, what it is of, values [N], and which samples are in it [N]."""

    name: str
    of: str
    values: Floats
    within: Bools


def parts_by(labels: Sequence[str | None]) -> dict[str, Bools]:
    """Return which samples [N] have each label that occurs; None is no label."""
    named = np.array([label or "" for label in labels], dtype=np.str_)
    return {label: named == label for label in sorted(set(named.tolist()) - {""}, reverse=True)}


def accuracies(overlaps: Floats, parts: Mapping[str, Bools], *, prefix: str = "") -> list[Mean]:
    """Return the share of samples with an IoU of at least each threshold, of each part.

    Args:
        overlaps: [N] IoU of each sample; 0 where there is no box.
        parts: name ("" for the whole) -> which samples [N] are in it.
        prefix: of the metrics' names.
    """
    return [
        Mean(f"{prefix}acc@{threshold:g}", of, (overlaps >= threshold).astype(np.float64), within)
        for of, within in parts.items()
        for threshold in THRESHOLDS
    ]


def tally_of(means: Sequence[Mean]) -> Tally:
    """Return means as one tally: each adds, for every sample within it, its value and a 1."""
    columns = [(np.where(mean.within, mean.values, 0.0), mean.within.astype(np.float64)) for mean in means]
    metrics = tuple(Metric(mean.name, mean.of, int(mean.within.sum())) for mean in means)
    return Tally(metrics, np.column_stack([part for pair in columns for part in pair]), label_means)


def refine(predicted: Floats, proposals: Floats, *, reference: bool = False) -> Floats:
    """Return for each predicted box the proposal that overlaps it most, or the box itself where none overlaps it.

    Args:
        predicted: [N, 9] in the aligned scan; a box with NaN overlaps nothing.
        proposals: [P, 6] axis-aligned boxes of the same scan (centre, size), metres.
        reference: pairs that the published overlap refuses overlap nothing.

    Returns:
        [N, 9]; of proposals that overlap equally, the first.
    """
    if len(proposals) == 0:
        return predicted.copy()
    boxes = np.hstack([proposals, np.zeros((len(proposals), 3))])
    overlaps = iou(predicted, boxes, reference=reference)
    return np.where(overlaps.any(axis=1, keepdims=True), boxes[overlaps.argmax(axis=1)], predicted)


def refine_in_scans(
    predicted: Floats, scenes: Sequence[str], proposals: Mapping[str, Floats], *, reference: bool
) -> tuple[Floats, int]:
    """Return boxes [N, 9] replaced by proposals of their scans, and how many samples have no proposals of theirs.

    Args:
        predicted: [N, 9] in the aligned scans.
        scenes: [N].
        proposals: scan -> boxes [P, 6] as `refine` takes them; a scan may be named with its data set.
        reference: see `refine`.
    """
    rows_by_scene: dict[str, list[int]] = {}
    for row, scene in enumerate(scenes):
        rows_by_scene.setdefault(scene, []).append(row)
    refined, missing = predicted.copy(), 0
    for scene, rows in rows_by_scene.items():
        # Proposal files name a scan with its data set, "scannet/scene0011_00".
        names = (scene, f"scannet/{scene}", scene.removeprefix("scannet/"))
        boxes = next((proposals[name] for name in names if name in proposals), None)
        if boxes is None:
            missing += len(rows)
        else:
            refined[rows] = refine(predicted[rows], boxes, reference=reference)
    return refined, missing
