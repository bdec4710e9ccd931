"""A point in space, marked on a frame so that what lies below it stays visible."""

import numpy as np
from PIL import Image, ImageDraw

from vgcli_core.drawing.boxes import Pixels
from vgcli_core.drawing.labels import Color

_BLACK: Color = (0, 0, 0)
_SMOOTH = 3  # drawn this many times larger and scaled down, since Pillow does not smooth lines itself


def draw_point(image: Pixels, pixel: tuple[float, float], color: Color) -> Pixels:
    """Return a copy of `image` [H, W, 3] RGB with a dot in a ring around `pixel` (x, y), on a dark border."""
    height, width = image.shape[:2]
    radius = max(7.0, float(np.hypot(width, height)) / 45)
    overlay = Image.new("RGBA", (width * _SMOOTH, height * _SMOOTH), (0, 0, 0, 0))
    draw = ImageDraw.Draw(overlay)
    x, y = pixel[0] * _SMOOTH, pixel[1] * _SMOOTH
    stroke = radius / 3.5 * _SMOOTH
    for reach, wide, fill in ((radius * _SMOOTH, stroke, _BLACK), (radius * _SMOOTH - stroke / 4, stroke / 2, color)):
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), outline=(*fill, 255), width=max(1, round(wide)))
    for reach, fill in ((stroke * 1.1, _BLACK), (stroke * 0.8, color)):
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=(*fill, 255))
    # Premultiplied alpha ("RGBa") keeps the transparent surroundings from darkening the borders.
    small = overlay.convert("RGBa").resize((width, height), Image.Resampling.BOX).convert("RGBA")
    return np.array(Image.alpha_composite(Image.fromarray(image).convert("RGBA"), small).convert("RGB"))
