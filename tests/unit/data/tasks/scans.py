"""A made-up scan: a camera that goes around a room and looks at its middle, and boxes that only some frames see."""

import math
from collections import Counter

import numpy as np

from vgcli_core.data.scan import Instance, Scan, ScanFrame

INTRINSICS = np.array([[400.0, 0, 319.5, 0], [0, 400, 239.5, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
TURN = math.radians(30)
ALIGNMENT = np.array(
    [
        [math.cos(TURN), -math.sin(TURN), 0, 0.5],
        [math.sin(TURN), math.cos(TURN), 0, -1.0],
        [0, 0, 1, 0.1],
        [0, 0, 0, 1],
    ]
)


class Report(Counter):
    """What was dropped, by reason; counts go to `counted`."""

    def __init__(self):
        super().__init__()
        self.counted = Counter()

    def drop(self, reason, count=1):
        self[reason] += count

    def count(self, name, count=1):
        self.counted[name] += count


def looking_at(eye, target) -> np.ndarray:
    """Camera to world: z towards the target, y as far down as that allows."""
    forward = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    right = np.cross(forward, [0.0, 0, 1])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([right, np.cross(forward, right), forward])
    pose[:3, 3] = eye
    return pose


def make_scan(total=60, *, visible=None, instances=None, numbers=None, size=None, name="scannet/scene0001_00") -> Scan:
    """A scan of `total` frames; `visible` maps an object to the positions of the frames that list it."""
    objects = instances or [
        Instance("chair", np.array([0.5, 0.2, 0.45, 0.6, 0.6, 0.9, 0.3, 0.02, -0.01]), 11),
        Instance("table", np.array([-0.6, 0.1, 0.4, 1.4, 0.8, 0.8, 0.0, 0, 0]), 12),
        Instance("wall", np.array([0, 3.0, 1.3, 6, 0.1, 2.6, 0.0, 0, 0]), 13),
    ]
    seen = visible if visible is not None else {0: range(10, 20), 1: range(total), 2: range(total)}
    frames = []
    for place in range(total):
        angle = 2 * math.pi * place / max(total, 1)
        in_world = looking_at([2.5 * math.cos(angle), 2.5 * math.sin(angle), 1.5], [0, 0, 0.5])
        number = 10 * place if numbers is None else numbers[place]
        path = f"scannet/posed_images/{name.rpartition('/')[2]}/{number:05d}.jpg"
        shown = tuple(number for number in seen if place in seen[number])
        frames.append(ScanFrame(path, np.linalg.inv(ALIGNMENT) @ in_world, shown))
    return Scan(name, tuple(frames), INTRINSICS, ALIGNMENT, tuple(objects), size)
