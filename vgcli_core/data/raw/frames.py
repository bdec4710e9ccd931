"""Where a ScanNet frame comes from: a JPEG that was extracted before, or the bytes inside the scene's recording.

Annotations name frames "scannet/posed_images/<scene>/<index>.jpg". An extracted file is taken where it is; otherwise
frame `<index>` of `<scene>.sens`, byte for byte as the camera wrote it. The public tool decodes and encodes frames
again, so its pixels differ a little from these.

The last recording stays open, so that frames of one scene cost one look at its header.
"""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from PIL import Image

from vgcli_core.data.base import FrameSource
from vgcli_core.data.raw.reading import reading, unreadable
from vgcli_core.data.raw.scannet import scene_file
from vgcli_core.data.raw.sens import COLOR_JPEG, SensFile
from vgcli_core.errors import DataError

POSED_IMAGES = "scannet/posed_images"
_PLACES = ("", "scannet", "embodiedscan")  # folders below RAW that may hold `scannet/posed_images` or `posed_images`

EXTRACTED = (
    *(f"{POSED_IMAGES}/*/*.jpg", "posed_images/*/*.jpg"),
    *("embodiedscan/scannet/posed_images/*/*.jpg", "embodiedscan/posed_images/*/*.jpg"),
)
"""Where `frame_source` finds extracted frames, as glob patterns below RAW."""


def frame_source(raw: Path, path: str) -> FrameSource:
    """Return where to get a frame: its file, or a function that reads it from the recording when it is called.

    Args:
        raw: the folder of raw files.
        path: as annotations name it.

    Raises:
        DataError: neither the file nor the scene's recording is there. The function raises it, too, where the recording
            is damaged or has no such frame.
    """
    file = _file(raw, path)
    if file is not None:
        return file
    recording, index = _recording(raw, path)
    if recording is None:
        scene = PurePosixPath(path).parent.name
        raise DataError(
            f"the frame {path} is missing",
            where=str(raw / path),
            fix=f"extract it there, or put the recording at {raw / 'scannet' / 'scans' / scene / scene}.sens",
        )
    return partial(read_color, recording, index)


def frame_size(raw: Path, paths: Sequence[str]) -> tuple[int, int] | None:
    """Return width and height in pixels of the first of these frames that is there; None where none is.

    Raises:
        DataError: the file or recording that is there cannot be read.
    """
    for path in paths:
        file = _file(raw, path)
        if file is not None:
            return picture_size(file)
    for path in paths[:1]:
        recording, _ = _recording(raw, path)
        if recording is not None:
            return _LATEST.get(recording).header.color_size
    return None


def picture_size(file: Path) -> tuple[int, int]:
    """Return width and height of a JPEG or PNG from its head, as it is stored. Raises DataError where it has none."""
    try:
        with Image.open(file, formats=("JPEG", "PNG")) as image:
            return image.size
    except PermissionError as error:
        raise unreadable(file, error) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{file.name} is no picture that can be read", where=str(file), fix="copy it again") from error


def read_color(recording: Path, index: int) -> bytes:
    """Return the JPEG of one frame of a recording. Raises DataError."""
    return jpeg_of(_LATEST.get(recording), index)


def jpeg_of(sens: SensFile, index: int) -> bytes:
    """Return the JPEG of one frame of an open recording. Raises DataError, also where colour is stored otherwise."""
    if sens.header.color_compression != COLOR_JPEG:
        raise DataError(
            f"{sens.path.name} stores colour in compression {sens.header.color_compression} instead of JPEG",
            where=str(sens.path),
            fix="extract its frames to scannet/posed_images with another tool",
        )
    return sens.color(index)


class _Latest:
    """The recording that was read last, kept open in the process that opened it."""

    def __init__(self) -> None:
        self._key: tuple[Path, int, int, int] | None = None
        self._sens: SensFile | None = None

    def get(self, path: Path) -> SensFile:
        with reading(path):
            state = path.stat()
        # A process made by forking shares its parent's place in the file: it opens its own.
        key = (path, state.st_mtime_ns, state.st_size, os.getpid())
        if self._sens is None or key != self._key:
            if self._sens is not None:
                self._sens.close()
            self._sens, self._key = None, None
            self._sens, self._key = SensFile(path), key
        return self._sens


_LATEST = _Latest()


def _file(raw: Path, path: str) -> Path | None:
    short = path.removeprefix("scannet/")
    places = (raw / folder / name for name in (path, short) for folder in _PLACES)
    return next((place for place in places if place.is_file()), None)


def _recording(raw: Path, path: str) -> tuple[Path | None, int]:
    name = PurePosixPath(path)
    if not path.startswith(f"{POSED_IMAGES}/") or not (name.stem.isascii() and name.stem.isdecimal()):
        return None, 0
    return scene_file(raw, name.parent.name, ".sens"), int(name.stem)
