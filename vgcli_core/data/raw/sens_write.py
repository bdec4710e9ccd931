"""Write a recording in ScanNet's `.sens` form: what `sens` reads, for scans made by other means."""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vgcli_core.atomic import atomic_path
from vgcli_core.data.raw.sens import COLOR_JPEG, DEPTH_ZLIB, FRAME, HEAD, MATRICES, SIZES, VERSION, Depth
from vgcli_core.geometry.boxes import Floats


@dataclass(frozen=True)
class SensFrame:
    """One frame of a recording.

    Attributes:
        color_jpeg: a complete JPEG file of the recording's colour size.
        depth: [H, W] uint16, metres times the depth shift; 0 is unknown.
        camera_to_world: [4, 4] to the scan as it was recorded, metres; infinities where tracking was lost.
        timestamps: of colour and depth, microseconds.
    """

    color_jpeg: bytes
    depth: Depth
    camera_to_world: Floats
    timestamps: tuple[int, int] = (0, 0)


def write_sens(
    path: Path,
    intrinsics_color: Floats,
    intrinsics_depth: Floats,
    frames: Iterable[SensFrame],
    *,
    color_size: tuple[int, int],
    depth_size: tuple[int, int],
    depth_shift: float = 1000.0,
    sensor: str = "StructureSensor",
) -> int:
    """Write a recording, whole or not at all, one frame in memory at a time; return how many frames it has.

    Matrices are stored as float32, so poses come back rounded to about 1e-7 of their size.

    Args:
        path: the file to write.
        intrinsics_color: [4, 4], pixels of the colour frames.
        intrinsics_depth: [4, 4], pixels of the depth frames.
        frames: in temporal order.
        color_size: width and height.
        depth_size: width and height.
        depth_shift: stored depth for one metre.
        sensor: its name.

    Raises:
        ValueError: a depth frame of another size or type.
        OutputError: the file cannot be written.
    """
    name = sensor.encode("utf-8")
    identity = np.eye(4)
    matrices = np.concatenate([np.ravel(one) for one in (intrinsics_color, identity, intrinsics_depth, identity)])

    def sizes(count: int) -> bytes:
        return SIZES.pack(COLOR_JPEG, DEPTH_ZLIB, *color_size, *depth_size, depth_shift, count)

    count = 0
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(HEAD.pack(VERSION, len(name)) + name + MATRICES.pack(*matrices.tolist()))
        counted_at = file.tell()
        file.write(sizes(0))
        for frame in frames:
            if frame.depth.shape != depth_size[::-1] or frame.depth.dtype != np.uint16:
                raise ValueError(f"depth {frame.depth.shape} {frame.depth.dtype} where {depth_size} uint16 is due")
            depth = zlib.compress(np.ascontiguousarray(frame.depth, dtype="<u2").tobytes(), 6)
            pose = np.ravel(frame.camera_to_world).tolist()
            file.write(FRAME.pack(*pose, *frame.timestamps, len(frame.color_jpeg), len(depth)))
            file.write(frame.color_jpeg + depth)
            count += 1
        file.write(struct.pack("<Q", 0))  # no frames of the inertial sensor
        file.seek(counted_at)
        file.write(sizes(count))
    return count
