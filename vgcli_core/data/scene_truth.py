"""What is known of every frame of a scene: depth, and which object is seen where; encoders are pre-trained on it.

One safetensors file for a scene, beside its frames. Values are those of the middle pixel of each cell of 7x7 pixels: a
patch of 14 pixels has 2x2 of them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from vgcli_core.errors import DataError
from vgcli_core.geometry.boxes import Floats

CELL = 7  # pixels
FILE = "truth.safetensors"
NOBODY = -1

_MILLIMETRES = 1000.0
_LABELS = "labels"
_Value = TypeVar("_Value", bound=np.generic)


@dataclass(frozen=True, eq=False)
class SceneTruth:
    """F frames of h x w cells that show some of N objects.

    Attributes:
        depth: [F, h, w] float32, metres along the optical axis; 0 where it is not known.
        owner: [F, h, w] int16, the object that is seen, a position in `labels`; NOBODY for walls, clutter and so on.
        labels: of the objects.
        boxes: [N, 9] of the objects, in the world, ZXY.
        camera_to_world: [F, 4, 4], OpenCV axes.
        intrinsics: [3, 3] of pictures of w * CELL pixels in width.
    """

    depth: NDArray[np.float32]
    owner: NDArray[np.int16]
    labels: tuple[str, ...]
    boxes: Floats
    camera_to_world: Floats
    intrinsics: Floats

    def at(self, positions: Sequence[int]) -> "SceneTruth":
        """Return the truth of some frames, in the order of `positions`."""
        chosen = list(positions)
        return SceneTruth(
            self.depth[chosen],
            self.owner[chosen],
            self.labels,
            self.boxes,
            self.camera_to_world[chosen],
            self.intrinsics,
        )


def in_cells(pixels: NDArray[_Value]) -> NDArray[_Value]:
    """Return the values [F, h, w] of the middle pixels of the cells of [F, H, W] pixels; a rest at the edge is left."""
    height, width = (size // CELL * CELL for size in pixels.shape[1:])
    return pixels[:, CELL // 2 : height : CELL, CELL // 2 : width : CELL]


def to_bytes(truth: SceneTruth) -> bytes:
    """Return the file: depth in whole millimetres, up to 65 m."""
    depth = np.clip(np.rint(truth.depth * _MILLIMETRES), 0, 2**16 - 1).astype(np.uint16)
    tensors = {
        "depth": depth,
        "owner": truth.owner,
        "boxes": truth.boxes.astype(np.float64),
        "camera_to_world": truth.camera_to_world,
        "intrinsics": truth.intrinsics,
    }
    return save(
        {name: np.ascontiguousarray(value) for name, value in tensors.items()}, {_LABELS: json.dumps(truth.labels)}
    )


def truth_path(frame: str) -> str:
    """Return the path of the truth of the scene that a frame belongs to, below the same folder."""
    return (PurePosixPath(frame).parent / FILE).as_posix()


def from_bytes(data: bytes, *, where: str) -> SceneTruth:
    """Read a file. Raises DataError where it is damaged."""
    try:
        found = load(data)
        labels = tuple(map(str, json.loads(_metadata(data)[_LABELS])))
        _check(found, len(labels))
        return SceneTruth(
            found["depth"].astype(np.float32) / np.float32(_MILLIMETRES),
            found["owner"],
            labels,
            found["boxes"],
            found["camera_to_world"],
            found["intrinsics"],
        )
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError("the truth of a scene cannot be read", where=where, fix="prepare the set again") from error


def _check(found: Mapping[str, NDArray[Any]], objects: int) -> None:
    """Raise ValueError where arrays do not belong together, or KeyError where one is missing."""
    depth, owner = found["depth"], found["owner"]
    shapes = {"owner": depth.shape, "boxes": (objects, 9), "camera_to_world": (len(depth), 4, 4), "intrinsics": (3, 3)}
    if depth.ndim != 3 or any(found[name].shape != shape for name, shape in shapes.items()):
        raise ValueError("the shapes do not fit each other")
    if owner.size and not NOBODY <= owner.min() <= owner.max() < objects:
        raise ValueError("an owner is not among the objects")
    if not all(np.isfinite(found[name]).all() for name in shapes):
        raise ValueError("not all numbers are finite")


def _metadata(data: bytes) -> dict[str, str]:
    size = int.from_bytes(data[:8], "little")
    metadata: dict[str, str] = json.loads(data[8 : 8 + size])["__metadata__"]
    return metadata
