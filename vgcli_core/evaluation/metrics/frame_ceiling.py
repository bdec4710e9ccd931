"""How much grounding the frames allow: an object that no frame shows cannot be found, only guessed.

Where no file says which frames show an object (EmbodiedScan keeps that back for the scans of ScanRefer's validation),
the frames with its box in view of their camera are what is left: something may still stand before it, so that such a
ceiling is an upper bound. The two are never mixed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vgcli_core.evaluation.metrics.grounding import Bools, Mean

CEILING = "frame ceiling"
VISIBLE = "visible"
IN_VIEW = "in view, occlusion ignored"

Frames = tuple[int, ...] | None


class FrameCeiling(NamedTuple):
    """The share of samples that can be found, as means; which samples [N] these are, by name; and what to remark."""

    means: list[Mean]
    parts: dict[str, Bools]
    notes: tuple[str, ...]


def frame_ceiling(visible: Sequence[Frames], in_view: Sequence[Frames]) -> FrameCeiling:
    """Return what the frames of N samples allow.

    Args:
        visible: for each sample the frames that show its object; None where that is not known.
        in_view: for each sample the frames with its box in view; they count where `visible` is None.
    """
    stated = np.array([frames is not None for frames in visible], dtype=np.bool_)
    possible = np.array([frames is not None for frames in in_view], dtype=np.bool_) & ~stated
    shown = np.array([bool(frames) for frames in visible], dtype=np.bool_)
    seen = np.array([bool(frames) for frames in in_view], dtype=np.bool_) & possible
    means = [
        Mean(CEILING, "", shown.astype(np.float64), stated),
        Mean(f"{CEILING} ({IN_VIEW})", "", seen.astype(np.float64), possible),
    ]
    note = (
        f"{possible.sum():,} of {len(visible):,} samples do not state which frames show their object; their frame "
        "ceiling counts those with the box in view of a frame, occlusion ignored, and so is an upper bound"
    )
    return FrameCeiling(
        [mean for mean in means if mean.within.any()],
        {name: within for name, within in ((VISIBLE, shown), (IN_VIEW, seen)) if within.any()},
        (note,) if possible.any() else (),
    )
