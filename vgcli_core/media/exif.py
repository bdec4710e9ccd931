"""The focal length of a photo in pixels, from what its camera wrote into it (EXIF)."""

import math
import warnings
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.ExifTags import IFD, Base

from vgcli_core.media.images import BROKEN, FORMATS

_FILM_DIAGONAL = math.hypot(36.0, 24.0)  # millimetres of a 35 mm film frame
_MILLIMETRES = {2: 25.4, 3: 10.0, 4: 1.0}  # of the units in which a sensor's pixels are counted
_NARROWEST, _WIDEST = 2.0, 160.0  # degrees across the longer side: beyond, the entries are no camera's


def focal_pixels(picture: Path) -> float | None:
    """Return the focal length in pixels of the whole picture, None where its EXIF data does not tell.

    It is the same along both sides, and for a picture that is turned upright. A picture that was cropped after it was
    taken has a wrong one: nothing in the data tells.

    Source: CIPA DC-008 (Exif 2.32). The focal length that a 35 mm camera would need is taken to keep the angle across
    the diagonal, as in CIPA DCG-001; where it is missing, the focal length and the sensor's pixels per unit are used.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged data tells nothing, and is no news
            with Image.open(picture, formats=FORMATS) as image:
                width, height = image.size
                exif = image.getexif()
                tags: dict[int, Any] = {**exif, **exif.get_ifd(IFD.Exif)}
    except (*BROKEN, Image.DecompressionBombError):
        return None
    focal = _number(tags, Base.FocalLengthIn35mmFilm) * math.hypot(width, height) / _FILM_DIAGONAL
    if not focal:
        unit = _MILLIMETRES.get(int(_number(tags, Base.FocalPlaneResolutionUnit)) or 2, 0.0)
        taken_width = _number(tags, Base.ExifImageWidth) or width
        pixels = _number(tags, Base.FocalPlaneXResolution) * width / taken_width
        focal = _number(tags, Base.FocalLength) * pixels / unit if unit else 0.0
    longer = max(width, height)
    seen = math.degrees(2 * math.atan(longer / 2 / focal)) if focal else 0.0
    return focal if _NARROWEST <= seen <= _WIDEST else None


def _number(tags: dict[int, Any], tag: Base) -> float:
    """Return the value of a tag, 0 where it is missing or no positive number."""
    try:
        value = float(tags.get(tag, 0))
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return value if math.isfinite(value) and value > 0 else 0.0
