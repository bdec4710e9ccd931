"""Detection as counts: which predicted boxes hit a true one, per label, and precision, recall and F1 from the sums.

Predictions are taken in the order printed, for a language model gives no confidence. Each takes the unused true box of
its label with the highest IoU (the first of equals) and is a true positive if that IoU is over 0.25. The matching is
greedy: an early prediction may take a box that a later one would fit better.

Source: rules behind arXiv 2505.24625v3, Table 3, as recorded in golden/metrics/README.md, section 3.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vgcli_core.geometry.boxes import Floats, OrientedBox, as_array
from vgcli_core.geometry.overlap import iou

THRESHOLD = 0.25  # a hit needs more than this

CLASSES_8 = ("chair", "cabinet", "table", "bin", "couch", "bed", "bathtub", "toilet")
CLASSES_20 = (
    *("chair", "pillow", "cabinet", "table", "lamp", "couch", "desk", "stand", "bed", "backpack", "bathtub"),
    *("ottoman", "dresser", "bin", "toilet", "refrigerator", "stove", "microwave", "monitor", "computer"),
)
# As published: "lamp" stands twice, so it weighs double, and "towl" never occurs in the data, which says "towel".
CLASSES_31_AS_PUBLISHED = (
    *CLASSES_20,
    *("window", "shelf", "curtain", "plant", "stairs", "picture", "book", "bottle", "lamp", "towl", "sink"),
)
CLASSES_30 = (
    *CLASSES_20,
    *("window", "shelf", "curtain", "plant", "stairs", "picture", "book", "bottle", "towel", "sink"),
)


class Counts(NamedTuple):
    """True positives, false positives and false negatives."""

    tp: int = 0
    fp: int = 0
    fn: int = 0


def match(predicted: Sequence[OrientedBox], true: Sequence[OrientedBox], overlap: Floats) -> dict[str, Counts]:
    """Return the counts of every label of one scene.

    Args:
        predicted: P boxes, in the order printed.
        true: T boxes.
        overlap: [P, T] IoU of every pair.
    """
    tp = dict.fromkeys([box.label for box in (*predicted, *true)], 0)
    printed, present = dict(tp), dict(tp)
    # A pair of different labels, and a true box once it is used, can never be the best.
    free = np.array([[box.label == other.label for other in true] for box in predicted]).reshape(overlap.shape)
    overlap = np.where(free, overlap, 0.0)
    for row, box in enumerate(predicted):
        printed[box.label] += 1
        best = int(overlap[row].argmax()) if true else 0
        if true and overlap[row, best] > THRESHOLD:
            tp[box.label] += 1
            overlap[:, best] = 0
    for box in true:
        present[box.label] += 1
    return {label: Counts(hits, printed[label] - hits, present[label] - hits) for label, hits in tp.items()}


def count_matches(
    predicted: Sequence[OrientedBox], true: Sequence[OrientedBox], *, reference: bool = False
) -> dict[str, Counts]:
    """Return the counts of every label of one scene, boxes in one coordinate frame with intrinsic Z-X-Y angles.

    Args:
        predicted: in the order printed; a box with NaN overlaps nothing.
        true: of the same scene.
        reference: a pair that the published overlap refuses has IoU 0 (see `geometry.overlap.iou`).
    """
    return match(predicted, true, iou(as_array(predicted), as_array(true), reference=reference))


def scores_of_counts(counts: Floats) -> Floats:
    """Return precision, recall and F1 [..., 3] of counts [..., 3] (tp, fp, fn); 0 where undefined."""
    tp, fp, fn = counts[..., 0], counts[..., 1], counts[..., 2]
    ratios = ((tp, tp + fp), (tp, tp + fn), (2 * tp, 2 * tp + fp + fn))
    return np.stack([np.divide(a, b, out=np.zeros_like(b), where=b > 0) for a, b in ratios], axis=-1)
