"""Which frames of a scan show an object, and which object of a scan a true box belongs to."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vgcli_core.data.base import Mode
from vgcli_core.data.scan import Scan
from vgcli_core.data.tasks.posed import camera_to_world
from vgcli_core.data.tasks.projected_area import projected_area, size_by_principal_point
from vgcli_core.geometry.boxes import Floats
from vgcli_core.geometry.overlap import iou

MATCH = 0.5  # least IoU of a description's box and a scan's object that count as the same thing


class Match(NamedTuple):
    """The object of a scan that overlaps a box most: its position in `Scan.instances`, and all overlaps [I].

    `instance` is None where no object overlaps by MATCH.
    """

    instance: int | None
    overlaps: Floats

    @property
    def best(self) -> float:
        """The largest overlap, 0 for a scan without objects."""
        return float(self.overlaps.max(initial=0.0))


def matches(scan: Scan, boxes: Floats) -> list[Match]:
    """Match each box [N, 9] of the aligned scan with the object that overlaps it most; the first one on ties."""
    objects = np.array([instance.box for instance in scan.instances], dtype=np.float64).reshape(-1, 9)
    found = []
    for overlaps in iou(boxes, objects):
        best = int(overlaps.argmax()) if len(overlaps) else 0
        found.append(Match(best if len(overlaps) and overlaps[best] >= MATCH else None, overlaps))
    return found


def frames_showing(scan: Scan, instance: int) -> frozenset[int]:
    """Return the positions of the frames that list the object as visible."""
    return frozenset(place for place, frame in enumerate(scan.frames) if instance in frame.visible)


def in_view(scan: Scan, box: Floats, positions: Sequence[int]) -> list[int]:
    """Return the places in `positions` of the frames in whose view a box [9] is, whatever stands before it.

    An upper bound of what frames show, for scans of which no file says it (EmbodiedScan's test part).
    """
    return [place for place, area in enumerate(areas(scan, box, positions, "corrected")) if area > 0]


def areas(scan: Scan, box: Floats, positions: Sequence[int], mode: Mode) -> list[float]:
    """Return how large a box [9] of the aligned scan stands in each frame, in square pixels: see `projected_area`.

    The size of the image is the scan's; twice the principal point where that is not known, and in reference mode.
    """
    intrinsics = scan.intrinsics[:3, :3]
    size = scan.size if mode == "corrected" and scan.size is not None else size_by_principal_point(intrinsics)
    return [projected_area(box, camera_to_world(scan, position), intrinsics, size) for position in positions]
