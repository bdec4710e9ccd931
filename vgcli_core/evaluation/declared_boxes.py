"""Boxes in truths and answers, and the Euler convention that each declares for its angles."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import FiniteFloat

from vgcli_core.errors import ConventionError
from vgcli_core.evaluation.benchmark import Item
from vgcli_core.geometry.boxes import EulerConvention, Floats, to_intrinsic
from vgcli_core.geometry.conventions import CONVENTIONS, uprightness
from vgcli_core.text.answers import Reading

# x, y, z, dx, dy, dz, a, b, c: metres and radians, as in `geometry.boxes`.
_F = FiniteFloat
Nine = tuple[_F, _F, _F, _F, _F, _F, _F, _F, _F]


def rows_of(boxes: list[Nine]) -> Floats:
    """Stack boxes into [N, 9]; N may be 0."""
    return np.array(boxes, dtype=np.float64).reshape(-1, 9)


def intrinsic(boxes: Floats, conventions: Sequence[EulerConvention]) -> Floats:
    """Return boxes [N, 9], each with angles in a declared convention of its own, with intrinsic Z-X-Y angles."""
    found = boxes.copy()
    old = np.array([convention == "zxy" for convention in conventions], dtype=np.bool_)
    found[old] = to_intrinsic(boxes[old], "zxy")
    return found


def askew(
    whose: str, boxes: Floats, conventions: Sequence[EulerConvention], cameras_to_world: Floats | None = None
) -> tuple[str, ...]:
    """Return a warning where furniture stands upright only if a declared convention is wrong, or nothing.

    Args:
        whose: boxes these are, for the warning.
        boxes: [N, 9] in a camera's coordinate frame, angles as written.
        conventions: [N] as declared.
        cameras_to_world: [N, 4, 4] into the aligned scan, where known.
    """
    warnings = []
    for declared in CONVENTIONS:
        own = np.array([convention == declared for convention in conventions], dtype=np.bool_)
        poses = None if cameras_to_world is None else cameras_to_world[own]
        found = uprightness(boxes[own], declared, poses)
        if found.suspicious:
            other = next(convention for convention in CONVENTIONS if convention != declared)
            warnings.append(
                f"{whose} declare {declared!r} but look like {other!r}: of {found.n:,} boxes, {found.declared:.0%} "
                f"stand upright as declared and {found.other:.0%} as {other!r}; check euler_convention"
            )
    return tuple(warnings)


def why_unread(reading: Reading) -> str:
    """Return why an answer gave no box, "" if it gave one: what was wrong with it, or what the reader noticed."""
    if reading.status == "ok":
        return ""
    return reading.reason or next((note for note in reading.notes if "edge" not in note), "no box in the text")


def remarks(readings: Sequence[Reading]) -> dict[str, int]:
    """Count what readers noticed in answers, by name."""
    forms = {
        "ends inside an object": "answers cut off inside an object",
        "nested too deeply": "answers with objects over the limits of depth and length",
        '"box_3d"': 'answers with a box under "box_3d", which is not used',
        "not positive": "answers with sizes that are not positive",
    }
    return {
        name: sum(any(form in note for note in reading.notes) for reading in readings) for form, name in forms.items()
    }


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
