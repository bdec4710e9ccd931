"""The frames of a prepared set: stored once, as files or in one tar per unit, checked, hashed, read back.

A frame file appears whole or not at all: it is written beside the set, in its work folder, and renamed into place. So
a name that exists is finished, and a run that continues another skips it.
"""

import hashlib
import io
import re
import struct
import sys
import tarfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from vgcli_core.atomic import output_errors
from vgcli_core.data.base import FrameSource
from vgcli_core.data.checksums import checksum
from vgcli_core.data.sample import Sample
from vgcli_core.errors import DataError, first_line
from vgcli_core.media.images import Pixels, read_image

FRAMES = "frames"

_NAME = re.compile(r"(?!/)(?!.*(?:^|/)\.\.?(?:/|\Z))[^\\:\x00-\x1f]+")
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_ENDS = {_JPEG: b"\xff\xd9", _PNG: b"IEND\xaeB`\x82"}


_UNDECODABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


class Stored(NamedTuple):
    """A stored frame: its name, its bytes in number, and their SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


class FrameFolder:
    """Frames as files below `frames/`."""

    pack = ""

    def __init__(self, root: Path, new_file: Callable[[], Path], *, link: bool) -> None:
        self._frames, self._new_file, self._link = root / FRAMES, new_file, link

    def put(self, name: str, source: FrameSource, *, picture: bool = True) -> Stored:
        """Store one frame; where it is there already, from an earlier run or another unit, only read it."""
        target = self._frames / name
        with suppress(FileNotFoundError):
            return _stored(name, target.read_bytes())
        data = _checked(_read(name, source), name) if picture else _read(name, source)
        with output_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._new_file()
            if self._link and isinstance(source, Path):
                # A link needs no space; it fails between file systems, and where they know none.
                with suppress(OSError):
                    temporary.hardlink_to(source.resolve())
            if not temporary.exists():
                temporary.write_bytes(data)
            temporary.replace(target)
        return _stored(name, data)

    def files(self, frames: tuple[Stored, ...]) -> tuple[Stored, ...]:
        """Return the files that hold the frames: each is one."""
        return frames

    def close(self) -> None:
        """Do nothing: every frame is in place."""

    def abandon(self) -> None:
        """Do nothing: frames without samples are swept up at the end."""


class FrameTar:
    """Frames of one unit in one tar: uncompressed, so that each can be read alone; the same bytes every time."""

    def __init__(self, root: Path, new_file: Callable[[], Path], pack: str) -> None:
        self.pack, self._target = pack, root / FRAMES / pack
        self._temporary = new_file()
        self._tar: tarfile.TarFile | None = None

    def put(self, name: str, source: FrameSource, *, picture: bool = True) -> Stored:
        """Append one frame."""
        data = _checked(_read(name, source), name) if picture else _read(name, source)
        member = tarfile.TarInfo(name)
        member.size = len(data)
        with output_errors(self._target):
            if self._tar is None:
                self._tar = tarfile.open(self._temporary, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 see close()
            self._tar.addfile(member, io.BytesIO(data))
        return _stored(name, data)

    def files(self, frames: tuple[Stored, ...]) -> tuple[Stored, ...]:
        """Return the files that hold the frames: the tar, once it is in place."""
        if not frames:
            return ()
        whole = checksum(self._target, large=sys.maxsize)
        return (Stored(self.pack, whole.size, whole.sha256),)

    def close(self) -> None:
        """Put the tar in place; none is made for a unit without frames."""
        if self._tar is not None:
            with output_errors(self._target):
                self._tar.close()
                self._target.parent.mkdir(parents=True, exist_ok=True)
                self._temporary.replace(self._target)

    def abandon(self) -> None:
        """Remove what was written."""
        if self._tar is not None:
            with suppress(OSError):  # a full disk is told where it was met first
                self._tar.close()
            with suppress(OSError):
                self._temporary.unlink(missing_ok=True)


def check_name(name: str) -> str:
    """Return `name` if it is a relative path with "/" that stays inside its folder. Raises DataError."""
    if not _NAME.fullmatch(name) or name != name.encode(errors="replace").decode():
        raise DataError(
            f"{name!a:.100} is no name for a frame", where="a frame's path in the annotations", fix="use relative paths"
        )
    return name


def is_picture(name: str) -> bool:
    """Tell a frame from another file that is stored beside it (`Work.file`)."""
    return not name.endswith((".txt", ".safetensors"))


def read_images(sample: Sample, root: Path) -> list[Pixels]:
    """Return the frames of a sample as the model gets them: [H, W, 3] uint8 RGB each, markers drawn, squares cut.

    Args:
        sample: from a prepared set.
        root: the folder of that set.

    Raises:
        MediaError, DataError: a frame is missing or damaged, or markers do not fit the frames.
    """
    images = [_image(name, sample.pack, root) for name in sample.frames]
    if sample.markers is not None:
        from vgcli_core.media.markers import draw_markers

        images = list(draw_markers(images, sample.markers))
    if sample.square and len({image.shape for image in images}) > 1:
        images = [centre_square(image) for image in images]
    return images


def centre_square(image: Pixels) -> Pixels:
    """Return the largest square around the middle of [H, W, 3] (BLINK: pictures of different sizes)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(image[top : top + side, left : left + side])


def read_bytes(name: str, pack: str, root: Path) -> bytes:
    """Return the stored bytes of a frame. Raises DataError where it is missing."""
    try:
        if not pack:
            return (root / FRAMES / check_name(name)).read_bytes()
        path = root / FRAMES / check_name(pack)
        state = path.stat()
        offset, size = _members(path, state.st_mtime_ns, state.st_size)[name]
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except (OSError, KeyError) as error:
        raise DataError(
            f"the frame {name} is not in the prepared set",
            where=str(root / FRAMES / pack),
            fix="prepare the set again, or copy all of it, frames/ included",
        ) from error


def _image(name: str, pack: str, root: Path) -> Pixels:
    if not pack:
        return read_image(root / FRAMES / check_name(name), upright=False)
    return read_image(read_bytes(name, pack, root), upright=False, name=name)


@lru_cache(maxsize=64)
def _members(path: Path, changed: int, size: int) -> dict[str, tuple[int, int]]:
    with tarfile.open(path, "r:") as tar:
        return {member.name: (member.offset_data, member.size) for member in tar}


def _read(name: str, source: FrameSource) -> bytes:
    if isinstance(source, bytes):
        return source
    if not isinstance(source, Path):
        return source()
    try:
        return source.read_bytes()
    except FileNotFoundError as error:
        raise DataError(
            f"the frame {name} is missing", where=str(source), fix="extract it, or leave its scene out"
        ) from error
    except OSError as error:
        raise DataError(
            f"the frame {name} cannot be read: {error.strerror}", where=str(source), fix="copy it again"
        ) from error


def _checked(data: bytes, name: str) -> bytes:
    """Return the bytes if they are a JPEG or PNG that is whole: it begins, decodes and ends as one."""
    start = next((sign for sign in (_JPEG, _PNG) if data.startswith(sign)), None)
    if start is None:
        said = "is empty" if not data else f"is no JPEG or PNG but begins with {data[:8]!r}"
        raise DataError(f"the frame {name} {said}", fix="copy it again from its owner")
    # A thumbnail in the head has an end marker of its own; coded pixels never hold one, but some cameras append data.
    if data.rfind(_ENDS[start]) < len(data) // 2:
        raise DataError(f"the frame {name} is cut off: its end is missing", fix="copy it again from its owner")
    _decode(data, name)
    return data


def _decode(data: bytes, name: str) -> None:
    """Decode a picture; a JPEG at an eighth of its size, which reads all of its codes in about half of the time."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            image.draft("RGB", (max(image.width // 8, 1), max(image.height // 8, 1)))
            image.load()
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as error:
        raise DataError(
            f"the frame {name} cannot be decoded: {first_line(error)}", fix="copy it again from its owner"
        ) from error


def _stored(name: str, data: bytes) -> Stored:
    return Stored(name, len(data), hashlib.sha256(data).hexdigest())
