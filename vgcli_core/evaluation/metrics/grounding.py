"""Grounding as accuracies: how often the one predicted box overlaps the true one well, plain and refined by proposals.

Source: rules behind arXiv 2505.24625v3, Table 1; the refined numbers stand there in parentheses.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcli_core.evaluation.metrics.tally import Metric, Tally, label_means
from vgcli_core.geometry.boxes import Floats
from vgcli_core.geometry.overlap import iou

THRESHOLDS = (0.25, 0.5)  # an IoU at the threshold counts


class Mean(NamedTuple):
    """A mean over some samples: name, what it is of, values [N], and which samples are in it [N]."""

    name: str
    of: str
    values: Floats
    within: NDArray[np.bool_]


def accuracies(overlaps: Floats, kinds: Sequence[str | None], *, prefix: str = "") -> list[Mean]:
    """Return the share of samples with an IoU of at least each threshold: of all, and of each kind that occurs.

    Args:
        overlaps: [N] IoU of each sample; 0 where there is no box.
        kinds: for each sample "unique", "multiple" or the like; None where that is not known.
        prefix: of the metrics' names.
    """
    labels = np.array([kind or "" for kind in kinds], dtype=np.str_)
    parts = {"": np.ones(len(labels), dtype=np.bool_)}
    parts |= {of: labels == of for of in sorted(set(labels.tolist()) - {""}, reverse=True)}
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
