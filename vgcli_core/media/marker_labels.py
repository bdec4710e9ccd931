"""Marks with text: OpenCV's strokes, which four question types of SPAR were drawn with.

OpenCV 5 draws its fonts differently (the text is 28 pixels narrower), which would move every label; so the major
version is checked. 4.11 to 4.14 give identical pixels. Import of OpenCV is slow and optional, hence inside.
"""

from types import ModuleType

import numpy as np

from vgcli_core.errors import VgllmError
from vgcli_core.media.images import Pixels

Colour = tuple[int, int, int]

_SCALE, _THICKNESS = 2.0, 10  # of the text, Hershey simplex
_STROKE = 20  # pixels, of a box, on the rim of the box enlarged by as much
_RADIUS = 20  # pixels, of a point
_WHITE = (255, 255, 255)
_SUPPORTED = "4"


def opencv() -> ModuleType:
    """Return OpenCV. Raises VgllmError that says how to install the right version."""
    command = "pip install 'vgllm[spar]', or pip install 'opencv-python-headless>=4.11,<5'"
    try:
        import cv2
    except ImportError as error:
        raise VgllmError("labels of SPAR questions need OpenCV 4, which is not installed", fix=command) from error
    if cv2.__version__.partition(".")[0] != _SUPPORTED:
        raise VgllmError(
            f"labels of SPAR questions need OpenCV 4, and {cv2.__version__} is installed: it draws text differently",
            fix=command,
        )
    return cv2


def draw_labelled_point(image: Pixels, point: tuple[int, int], label: str, *, mark: Colour, text: Colour) -> Pixels:
    """Return a copy of `image` [H, W, 3] with a disc at `point` (x, y in pixels) and a text right below it."""
    cv2 = opencv()
    canvas = np.array(image)
    x, y = point
    cv2.circle(canvas, (x, y), _RADIUS, mark, cv2.FILLED)
    _write(canvas, label, (x + _RADIUS, y + _RADIUS), text, cv2.LINE_8)
    return canvas


def draw_labelled_box(
    image: Pixels, box: tuple[int, int, int, int], label: str, *, mark: Colour, text: Colour, plate: bool
) -> Pixels:
    """Return a copy of `image` [H, W, 3] with a rounded box (x0, y0, x1, y1 in pixels) and a text below its corner.

    The text ends at x1 and stands below y1, or above it where the frame ends. With `plate`, it is white and smooth on a
    filled rectangle in the colour of the box, otherwise in the colour `text` and jagged.
    """
    cv2 = opencv()
    canvas = np.array(image)
    x0, y0, x1, y1 = box
    cv2.rectangle(canvas, (x0 - _STROKE, y0 - _STROKE), (x1 + _STROKE, y1 + _STROKE), mark, _STROKE)
    (width, height), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, _SCALE, _THICKNESS)
    left, baseline = x1 - width, y1 + height
    if baseline > image.shape[0]:
        baseline = y1 - 5 if plate else y1 - height
    if plate:
        cv2.rectangle(canvas, (left, baseline - height), (left + width, baseline + 5), mark, cv2.FILLED)
        _write(canvas, label, (left, baseline), _WHITE, cv2.LINE_AA)
    else:
        _write(canvas, label, (left, baseline), text, cv2.LINE_8)
    return canvas


def _write(canvas: Pixels, label: str, start: tuple[int, int], colour: Colour, line: int) -> None:
    cv2 = opencv()
    cv2.putText(canvas, label, start, cv2.FONT_HERSHEY_SIMPLEX, _SCALE, colour, _THICKNESS, line)
