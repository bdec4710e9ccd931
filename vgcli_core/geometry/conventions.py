"""Which Euler convention the angles of a file follow: it must be declared, or told by published wording; never guessed.

Annotation files and weights from before 27 November 2025 hold extrinsic `zxy` angles, later ones intrinsic `ZXY`. The
files were replaced under the same names, so a name proves nothing; the wording of their prompts changed with them.
"""

from dataclasses import dataclass

import numpy as np

from vgcli_core.errors import ConventionError
from vgcli_core.geometry.boxes import EulerConvention, Floats, rotations, to_intrinsic

CONVENTIONS: tuple[EulerConvention, ...] = ("ZXY", "zxy")

# What files with boxes say of their numbers.
IN_WORDS = {
    "length": "metre",
    "angle": "radian",
    "euler": "intrinsic ZXY: R = Rz(a) @ Rx(b) @ Ry(c) for angles [a, b, c]",
    "camera_axes": "x right, y down, z forward (OpenCV)",
    "box": "bbox_3d = [x, y, z, dx, dy, dz, a, b, c], full edge lengths",
}

# Pieces of the published prompts that only one generation has.
_FIRST_GENERATION = ('"box_3d"', "yaw, pitch, roll")
_SECOND_GENERATION = ('"bbox_3d"', "yaw, roll, pitch")

_FIX = (
    'state "ZXY" for data since 27 November 2025 (intrinsic, R = Rz(a) Rx(b) Ry(c)) or "zxy" for older data '
    "(extrinsic, R = Ry(c) Rx(b) Rz(a))"
)
_UPRIGHT_DEGREES = 15.0  # with poses: between a box's third axis and the scan's up
_UPRIGHT_UNPOSED_DEGREES = 60.0  # without: cameras look down, so up is only roughly -y
_CLEARLY, _ENOUGH = 0.25, 10  # a share of the boxes, and how many it takes to warn


def convention_of(declared: str | None, *, prompt: str = "", where: str = "", how: str = "") -> EulerConvention:
    """Return the convention of a file's angles.

    Args:
        declared: what the file or the user says; wins.
        prompt: a prompt of the file: published files are known by its wording.
        where: the file, for the error.
        how: how to state the convention there, for the error.

    Raises:
        ConventionError: nobody says it, or what is said is no convention.
    """
    if declared is not None:
        for known in CONVENTIONS:
            if declared == known:
                return known
        raise ConventionError(f"{declared!r} is no Euler convention", where=where, fix=_FIX)
    first, second = (any(piece in prompt for piece in pieces) for pieces in (_FIRST_GENERATION, _SECOND_GENERATION))
    if first != second:
        return "zxy" if first else "ZXY"
    raise ConventionError(
        "the boxes do not say which Euler convention their angles follow",
        where=where,
        fix=f"{how}: {_FIX}" if how else _FIX,
    )


@dataclass(frozen=True, slots=True)
class Uprightness:
    """How many boxes stand upright under the declared convention, and under the other one.

    Attributes:
        declared: share in [0, 1] of boxes with an upright third axis.
        other: the same under the convention that was not declared.
        n: boxes for which the two conventions differ; the rest say nothing and are left out.
    """

    declared: float
    other: float
    n: int

    @property
    def suspicious(self) -> bool:
        """Tell whether the data look as if the other convention were theirs."""
        return self.n >= _ENOUGH and self.other > self.declared + _CLEARLY


def uprightness(boxes: Floats, convention: EulerConvention, cameras_to_world: Floats | None = None) -> Uprightness:
    """Test a declared convention on data: real furniture stands upright, and stands askew when read the wrong way.

    Args:
        boxes: [N, 9] in a camera's coordinate frame, angles as written.
        convention: the declared one.
        cameras_to_world: [N, 4, 4] from each box's camera to a scan whose z axis points up; None when unknown, and
            then a camera held roughly level is assumed.

    Source: golden/metrics, section 2: the third column of a box's rotation is near up for nearly all boxes.
    """
    finite = np.isfinite(boxes).all(axis=1)
    boxes = boxes[finite]
    cameras_to_world = None if cameras_to_world is None else cameras_to_world[finite]
    other: EulerConvention = "zxy" if convention == "ZXY" else "ZXY"
    ways = [rotations(to_intrinsic(boxes, way)[:, 6:]) for way in (convention, other)]
    differ = np.abs(ways[0] - ways[1]).max(axis=(1, 2), initial=0) > 1e-3
    if not differ.any():
        return Uprightness(1.0, 1.0, 0)
    if cameras_to_world is None:
        shares = [_near_axis(way[differ], 1, _UPRIGHT_UNPOSED_DEGREES) for way in ways]
    else:
        turns = cameras_to_world[differ, :3, :3]
        shares = [_near_axis(turns @ way[differ], 2, _UPRIGHT_DEGREES) for way in ways]
    return Uprightness(shares[0], shares[1], int(differ.sum()))


def _near_axis(turns: Floats, axis: int, degrees: float) -> float:
    return float((np.abs(turns[:, axis, 2]) >= np.cos(np.radians(degrees))).mean())
