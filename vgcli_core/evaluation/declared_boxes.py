"""Boxes in truths and answers, and the Euler convention that each declares for its angles."""

from typing import Any

import numpy as np

from vgcli_core.errors import ConventionError
from vgcli_core.evaluation.benchmark import Item
from vgcli_core.geometry.boxes import EulerConvention, Floats

# x, y, z, dx, dy, dz, a, b, c: metres and radians, as in `geometry.boxes`.
Nine = tuple[float, float, float, float, float, float, float, float, float]


def rows_of(boxes: list[Nine]) -> Floats:
    """Stack boxes into [N, 9]; N may be 0."""
    return np.array(boxes, dtype=np.float64).reshape(-1, 9)


def convention_of_answer(item: Item[Any]) -> EulerConvention:
    """Return the convention of the angles inside an answer's text.

    Raises:
        ConventionError: nobody declared it, and guessing would turn boxes by tens of degrees.
    """
    if item.euler_convention is None:
        raise ConventionError(
            "the answer does not declare the Euler convention of its angles",
            where=f"answer {item.id}",
            fix='state "ZXY" (intrinsic, data since 27 November 2025) or "zxy" (extrinsic, older data and weights)',
        )
    return item.euler_convention
