"""One picture file in, [H, W, 3] uint8 RGB out."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from vgcli_core.errors import MediaError

Pixels = NDArray[np.uint8]

PICTURES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pnm"}
)
# A closed list: Pillow would also take PDF and EPS, which run programs, and MPEG, which is a video.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
_EXIF_ORIENTATION = 0x0112


def read_image(source: Path | bytes, *, upright: bool = True, name: str = "") -> Pixels:
    """Return the picture as [H, W, 3] uint8 RGB.

    An alpha channel is dropped without blending, as the reference does, and 16 bit become 8.

    Args:
        source: a picture file, or its bytes.
        upright: apply the EXIF orientation, so that a photo stands as its viewer shows it. False for prepared
            datasets, whose orientation is never applied (formats of media, section 2).
        name: what errors call a picture that comes as bytes.

    Raises:
        MediaError: the file is missing, damaged, too large, or no picture.
    """
    return read_picture(source, upright=upright, name=name)[0]


def read_picture(source: Path | bytes, *, upright: bool = True, name: str = "") -> tuple[Pixels, tuple[str, ...]]:
    """Do as `read_image`, and say what was done to the picture."""
    path = source if isinstance(source, Path) else Path(name or "the picture")
    remarks = []
    try:
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source), formats=FORMATS) as image:
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                remarks.append("only the first picture of the file was used")
            image.load()
            if image.has_transparency_data:
                remarks.append("alpha channel dropped without blending")
            turned: Image.Image = image
            if upright and image.getexif().get(_EXIF_ORIENTATION, 1) in range(2, 9):
                turned = ImageOps.exif_transpose(image)
                remarks.append("EXIF orientation applied")
            if image.mode.startswith("I"):
                remarks.append("16 bits per pixel cut to 8")
            return as_rgb(turned), tuple(remarks)
    except FileNotFoundError as error:
        raise MediaError(f"there is no file {path.name}", where=str(path), fix="check the path") from error
    except Image.DecompressionBombError as error:
        raise MediaError(f"{path.name} is too large: {error}", where=str(path), fix="scale the picture down") from error
    except UnidentifiedImageError as error:
        raise MediaError(
            f"{path.name} is not a picture that can be read",
            where=str(path),
            fix="use JPEG, PNG, WebP, BMP, TIFF or GIF; if it is a video, give it a video's file ending",
        ) from error
    except BROKEN as error:
        raise MediaError(
            f"{path.name} cannot be read: {error}", where=str(path), fix="the file is damaged or cut off; copy it again"
        ) from error


def as_rgb(image: Image.Image) -> Pixels:
    """Return a copy as [H, W, 3] uint8 RGB: alpha is dropped, 16 bit become 8. Raises ValueError for floating point."""
    if image.mode == "F":
        raise ValueError("it holds floating-point numbers, not colours")
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit values at 255 instead of scaling them.
        grey = (np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.array(image.convert("RGB"))  # a copy: the view of Pillow is read-only


def is_picture(path: Path) -> bool:
    """Tell by the first bytes whether Pillow would read the file."""
    return frame_count(path) > 0


def frame_count(path: Path) -> int:
    """Return how many pictures the file holds (more than 1 for an animation), 0 when it is none."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return int(getattr(image, "n_frames", 1))
    except (*BROKEN, Image.DecompressionBombError):
        return 0
