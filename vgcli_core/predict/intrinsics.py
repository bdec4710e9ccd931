"""The camera of each frame, for drawings and 3D files: given, told by the pictures, or assumed; and said which.

The model needs no camera to find a box, so a wrong one leaves the boxes right, and their drawings wrong.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgcli_core.errors import UsageError
from vgcli_core.geometry.camera import SCANNET_FOV_DEGREES, intrinsics_from_fov
from vgcli_core.media.exif import focal_pixels
from vgcli_core.predict.result import Intrinsics

_USUAL = SCANNET_FOV_DEGREES, "ScanNet's camera"
_SOURCES = {
    "given": "from the intrinsics that were given",
    "fov": "the field of view that was given",
    "exif": "from the focal length in the picture's EXIF data",
    "assumed": "assumed, since nothing tells",
}
_FIX = (
    "give fx,fy,cx,cy in pixels of the source frames, or a text or JSON file with these numbers or a 3x3 or 4x4 "
    "matrix, for example --intrinsics 577,577,320,240"
)


def cameras_of(
    sizes: Sequence[tuple[int, int]],
    pictures: Sequence[Path],
    *,
    given: Intrinsics | None = None,
    fov: float | None = None,
    trained_fov: float | None = None,
) -> tuple[Intrinsics, ...]:
    """Return the camera of each frame: as given, by the field of view, by the picture's EXIF data, else assumed.

    Args:
        sizes: height and width of each frame, in pixels.
        pictures: the file of each frame; empty for a video, whose file does not tell.
        given: intrinsics of all frames.
        fov: horizontal field of view of all frames, in degrees.
        trained_fov: that of the frames the model was trained on, in degrees: what is assumed. ScanNet's when None.
    """
    if given is not None:
        return (given,) * len(sizes)
    files: Sequence[Path | None] = pictures or [None] * len(sizes)
    return tuple(_camera(size, file, fov, trained_fov) for size, file in zip(sizes, files, strict=True))


def in_words(camera: Intrinsics, width: int) -> str:
    """Return the angle of view of a frame of this width, and where it comes from."""
    return f"{camera.horizontal_fov(width):.1f} degrees across, {_SOURCES[camera.source]}"


def remarks_on(cameras: Sequence[Intrinsics], widths: Sequence[int], trained_fov: float | None = None) -> list[str]:
    """Return what a user should know of cameras that were not given; one for each frame, of these widths in pixels."""
    notes = []
    told = [camera.horizontal_fov(w) for camera, w in zip(cameras, widths, strict=True) if camera.source == "exif"]
    if told:
        shown = dict.fromkeys(f"{degrees:.1f}" for degrees in (min(told), max(told)))
        notes.append(
            f"{len(told)} of {len(cameras)} pictures tell their focal length (EXIF): {' to '.join(shown)} degrees "
            "across; give --intrinsics or --fov if they were cropped"
        )
    if any(camera.source == "assumed" for camera in cameras):
        degrees, whose = (trained_fov, "as this model was trained") if trained_fov else _USUAL
        notes.append(
            f"a horizontal field of view of {degrees:g} degrees is assumed ({whose}); "
            "give --intrinsics or --fov for yours"
        )
    return notes


def read_intrinsics(text: str) -> Intrinsics:
    """Read "fx,fy,cx,cy", or a file that holds these numbers or a 3x3 or 4x4 matrix (plain text or JSON).

    ScanNet's intrinsic_color.txt is such a file. The numbers are pixels of the source frames.

    Raises:
        UsageError: no such file, or not these numbers.
    """
    values = _numbers(text)
    where = "--intrinsics"
    if values is None:
        path = Path(text)
        try:
            content = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise UsageError(f"{text!r} is neither four numbers nor a readable file", where=where, fix=_FIX) from error
        values = _json_numbers(content) if content.lstrip().startswith(("[", "{")) else _numbers(content)
        where = str(path)
    shapes = {4: (4,), 9: (3, 3), 16: (4, 4)}
    if values is None or len(values) not in shapes or not all(map(math.isfinite, values)):
        raise UsageError("these are no camera intrinsics", where=where, fix=_FIX)
    if len(values) == 4:
        fx, fy, cx, cy = values
        camera = Intrinsics(fx, fy, cx, cy, "given")
    else:
        camera = _from_matrix(np.asarray(values).reshape(shapes[len(values)]), "given")
    if camera.fx <= 0 or camera.fy <= 0:
        raise UsageError(f"focal lengths must be positive, not {camera.fx:g} and {camera.fy:g}", where=where, fix=_FIX)
    return camera


def as_matrix(camera: Intrinsics) -> NDArray[np.float64]:
    """Return the 3x3 matrix of intrinsics."""
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], dtype=np.float64)


def _camera(size: tuple[int, int], file: Path | None, fov: float | None, trained_fov: float | None) -> Intrinsics:
    height, width = size
    if fov is None and file is not None and (focal := focal_pixels(file)) is not None:
        return Intrinsics(focal, focal, width / 2, height / 2, "exif")
    matrix = intrinsics_from_fov(width, height, fov or trained_fov or _USUAL[0])
    return _from_matrix(matrix, "assumed" if fov is None else "fov")


def _from_matrix(matrix: NDArray[np.float64], source: str) -> Intrinsics:
    fx, fy, cx, cy = (float(v) for v in (matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]))
    return Intrinsics(fx, fy, cx, cy, source)


def _numbers(text: str) -> list[float] | None:
    try:
        return [float(part) for part in text.replace(",", " ").split()] or None
    except ValueError:
        return None


def _json_numbers(text: str) -> list[float] | None:
    try:
        plain = json.loads(text)
    except json.JSONDecodeError:
        return None
    if isinstance(plain, dict):
        plain = [plain.get(key) for key in ("fx", "fy", "cx", "cy")]
    flat = [value for row in plain for value in (row if isinstance(row, list) else [row])]
    numbers = [float(value) for value in flat if isinstance(value, int | float) and not isinstance(value, bool)]
    return numbers if len(numbers) == len(flat) else None
