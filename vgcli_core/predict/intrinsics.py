"""The camera that boxes are drawn with: given by the user, by a field of view, or assumed and said so."""

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgcli_core.errors import UsageError
from vgcli_core.geometry.camera import intrinsics_from_fov
from vgcli_core.predict.result import Intrinsics

# ScanNet's colour camera, on which the published checkpoints were trained: 1296 pixels wide, focal length about 1170.
ASSUMED_FOV_DEGREES = 58.0
_FIX = (
    "give fx,fy,cx,cy in pixels of the source frames, or a text or JSON file with these numbers or a 3x3 or 4x4 "
    "matrix, for example --intrinsics 577,577,320,240"
)


def assumed(width: int, height: int, fov: float | None = None) -> Intrinsics:
    """Return pinhole intrinsics of frames of this size from a horizontal field of view in degrees, 58 by default."""
    matrix = intrinsics_from_fov(width, height, ASSUMED_FOV_DEGREES if fov is None else fov)
    return _from_matrix(matrix, "assumed" if fov is None else "fov")


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
    else:
        matrix = np.asarray(values).reshape(shapes[len(values)])
        fx, fy, cx, cy = (float(v) for v in (matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]))
    if fx <= 0 or fy <= 0:
        raise UsageError(f"focal lengths must be positive, not {fx:g} and {fy:g}", where=where, fix=_FIX)
    return Intrinsics(fx, fy, cx, cy, "given")


def as_matrix(camera: Intrinsics) -> NDArray[np.float64]:
    """Return the 3x3 matrix of intrinsics."""
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], dtype=np.float64)


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
