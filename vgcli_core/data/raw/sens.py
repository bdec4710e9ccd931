"""ScanNet's RGB-D recordings (`.sens`, version 4): a header, then frames that are read one by one, on demand.

Layout (formats of ScanNet, section 2), little endian, no padding: the header that `read_header` follows; then for each
frame a camera-to-world matrix of 16 float32, two uint64 time stamps, the byte counts of colour and depth as uint64,
and the two payloads. Payloads of frames that nobody asks for are stepped over.

World: the scan as it was recorded, not aligned; metres. Cameras have OpenCV axes.
"""

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from vgcli_core.data.raw.reading import reading
from vgcli_core.errors import DataError
from vgcli_core.geometry.boxes import Floats

Depth = NDArray[np.uint16]

VERSION = 4
COLOR_JPEG = 2
DEPTH_RAW, DEPTH_ZLIB = 0, 1
HEAD = struct.Struct("<IQ")  # version, length of the sensor's name
MATRICES = struct.Struct("<64f")  # colour and depth: intrinsics, extrinsics of each
SIZES = struct.Struct("<iiIIIIfQ")  # compressions, colour and depth width and height, depth shift, number of frames
FRAME = struct.Struct("<16fQQQQ")  # matrix, two time stamps, two byte counts

# Limits that no real recording comes near: a damaged length must not allocate gigabytes.
_LONGEST_NAME = 4096
_LARGEST_SIDE = 16384
_SLACK = 1 << 16  # headers and incompressible blocks
_FIX = "copy or download the recording again"


@dataclass(frozen=True)
class SensHeader:
    """What a recording says before its first frame.

    Attributes:
        sensor: usually "StructureSensor".
        intrinsics_color: [4, 4], pixels of the colour frames.
        intrinsics_depth: [4, 4], pixels of the depth frames.
        color_compression: 2 is JPEG, all that ScanNet has.
        depth_compression: 0 plain uint16, 1 the same through zlib; others are refused when depth is read.
        color_size: width and height.
        depth_size: width and height.
        depth_shift: a stored depth divided by it is metres.
        num_frames: what the file promises; it may be cut off before.
        first_frame: byte where frame 0 begins.
    """

    sensor: str
    intrinsics_color: Floats
    intrinsics_depth: Floats
    color_compression: int
    depth_compression: int
    color_size: tuple[int, int]
    depth_size: tuple[int, int]
    depth_shift: float
    num_frames: int
    first_frame: int


@dataclass(frozen=True)
class _Entry:
    """Where a frame's payloads are, and what stands before them."""

    camera_to_world: Floats
    timestamps: tuple[int, int]
    color: int
    color_bytes: int
    depth_bytes: int

    @property
    def depth(self) -> int:
        return self.color + self.color_bytes

    @property
    def end(self) -> int:
        return self.depth + self.depth_bytes


class SensFile:
    """An open recording. A frame is found by stepping from header to header, once; then it is read at random.

    Raises:
        DataError: missing, another version, damaged, or cut off; a cut names the first frame that is not whole, and
            the frames before it stay readable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path):
            # Unbuffered: a buffer would read a block around each of the small headers that it seeks to.
            self._file: BinaryIO = path.open("rb", buffering=0)
            self._size = os.fstat(self._file.fileno()).st_size
        try:
            self.header = read_header(self._file, self._size, path)
        except BaseException:
            self._file.close()
            raise
        self._entries: list[_Entry] = []

    def __enter__(self) -> "SensFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def camera_to_world(self, index: int) -> Floats:
        """Return the pose [4, 4] of a frame as it is stored: lost frames have infinities or NaN."""
        return self._entry(index).camera_to_world

    def timestamps(self, index: int) -> tuple[int, int]:
        """Return the colour and depth time stamps in microseconds; they are not reliable in ScanNet."""
        return self._entry(index).timestamps

    def color(self, index: int) -> bytes:
        """Return the colour frame as it is stored, for ScanNet a complete JPEG file."""
        entry = self._entry(index)
        return self._read(entry.color, entry.color_bytes)

    def depth(self, index: int) -> Depth:
        """Return the depth frame [H, W]; 0 is unknown, other values divided by `depth_shift` are metres."""
        entry, header = self._entry(index), self.header
        width, height = header.depth_size
        stored = self._read(entry.depth, entry.depth_bytes)
        if header.depth_compression == DEPTH_ZLIB:
            inflate = zlib.decompressobj()
            try:
                stored = inflate.decompress(stored, width * height * 2 + 1)
            except zlib.error as error:
                raise self._damaged(f"the depth of frame {index} does not inflate") from error
        elif header.depth_compression != DEPTH_RAW:
            raise self._damaged(f"depth in compression {header.depth_compression} cannot be read")
        if len(stored) != width * height * 2:
            raise self._damaged(f"the depth of frame {index} is not {width} x {height} uint16")
        return np.frombuffer(stored, dtype="<u2").reshape(height, width).astype(np.uint16, copy=False)

    def count_whole(self) -> int:
        """Return how many frames are whole: fewer than the header says where the file is cut off."""
        try:
            if self.header.num_frames:
                self._entry(self.header.num_frames - 1)
        except DataError:
            pass
        return len(self._entries)

    def _entry(self, index: int) -> _Entry:
        if not 0 <= index < self.header.num_frames:
            raise DataError(
                f"{self.path.name} has {self.header.num_frames} frames and no frame {index}", where=str(self.path)
            )
        while len(self._entries) <= index:
            self._entries.append(self._step(len(self._entries)))
        return self._entries[index]

    def _step(self, index: int) -> _Entry:
        start = self._entries[-1].end if self._entries else self.header.first_frame
        if start + FRAME.size > self._size:
            raise self._cut(index)
        *matrix, color_time, depth_time, color_bytes, depth_bytes = FRAME.unpack(self._read(start, FRAME.size))
        pose = np.array(matrix, dtype=np.float64).reshape(4, 4)
        for name, size, found in (
            ("colour", self.header.color_size, color_bytes),
            ("depth", self.header.depth_size, depth_bytes),
        ):
            if found > 4 * size[0] * size[1] + _SLACK:
                raise self._damaged(f"frame {index} says that its {name} has {found:,} bytes")
        entry = _Entry(pose, (color_time, depth_time), start + FRAME.size, color_bytes, depth_bytes)
        if entry.end > self._size:
            raise self._cut(index)
        return entry

    def _read(self, start: int, count: int) -> bytes:
        self._file.seek(start)
        return read_exactly(self._file, count, self.path)

    def _cut(self, index: int) -> DataError:
        return self._damaged(f"{self.path.name} is cut off in frame {index} of {self.header.num_frames}")

    def _damaged(self, what: str) -> DataError:
        return DataError(what, where=str(self.path), fix=_FIX)


def read_header(file: BinaryIO, size: int, path: Path) -> SensHeader:
    """Read the header at the start of `file`, which has `size` bytes; `path` is for messages.

    Raises:
        DataError: too short, another version, or numbers that cannot be true.
    """
    version, name_length = HEAD.unpack(read_exactly(file, HEAD.size, path))
    if version != VERSION:
        raise DataError(
            f"{path.name} is no .sens file of version {VERSION}: it begins with {version}",
            where=str(path),
            fix="ScanNet v2 has version 4 throughout; " + _FIX,
        )
    if name_length > _LONGEST_NAME:
        raise DataError(f"the sensor's name is said to have {name_length:,} bytes", where=str(path), fix=_FIX)
    sensor = read_exactly(file, name_length, path).decode("utf-8", "replace")
    matrices = np.array(MATRICES.unpack(read_exactly(file, MATRICES.size, path)), dtype=np.float64).reshape(4, 4, 4)
    fields = SIZES.unpack(read_exactly(file, SIZES.size, path))
    color_code, depth_code, width, height, depth_width, depth_height, shift, num_frames = fields
    first = file.tell()
    for side in (width, height, depth_width, depth_height):
        if not 0 < side <= _LARGEST_SIDE:
            raise DataError(f"{path.name} says that a frame is {side:,} pixels wide or high", where=str(path), fix=_FIX)
    if not np.isfinite(matrices[0::2]).all():
        raise DataError(f"{path.name} has intrinsics that are not finite", where=str(path), fix=_FIX)
    if not 0 < shift < np.inf:
        raise DataError(f"{path.name} has the depth shift {shift}", where=str(path), fix=_FIX)
    return SensHeader(
        sensor,
        intrinsics_color=matrices[0],
        intrinsics_depth=matrices[2],
        color_compression=color_code,
        depth_compression=depth_code,
        color_size=(width, height),
        depth_size=(depth_width, depth_height),
        depth_shift=shift,
        num_frames=num_frames,
        first_frame=first,
    )


def read_exactly(file: BinaryIO, count: int, path: Path) -> bytes:
    """Return the next `count` bytes. Raises DataError where the file ends before."""
    parts = []
    left = count
    while left:
        with reading(path):
            part = file.read(left)
        if not part:
            raise DataError(f"{path.name} ends before its time", where=str(path), fix=_FIX)
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
