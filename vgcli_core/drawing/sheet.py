"""A contact sheet: many frames in one picture, each with its caption."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from vgcli_core.drawing.boxes import Pixels
from vgcli_core.drawing.labels import fit, font_for, line_height

_GAP = 6  # pixels between tiles and around them
PAPER = (24, 24, 24)
_INK = (235, 235, 235)


def contact_sheet(images: Sequence[Pixels], captions: Sequence[str], columns: int = 4, *, tile: int = 320) -> Pixels:
    """Return one picture with all images in reading order.

    Args:
        images: at least one [H, W, 3] RGB; sizes may differ, proportions are kept.
        captions: one per image, written below it; cut where too long.
        columns: tiles per row; fewer images than that make a narrower sheet.
        tile: longer side of the largest tile, in pixels.

    Returns:
        [H, W, 3] RGB.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    pictures = [scaled(image, tile) for image in images]
    width = max(picture.width for picture in pictures)
    height = max(picture.height for picture in pictures)
    font = font_for(tile, tile)
    step_x, step_y = width + _GAP, height + line_height(font) + 2 * _GAP
    sheet = Image.new("RGB", (columns * step_x + _GAP, rows * step_y + _GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for position, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = _GAP + position % columns * step_x, _GAP + position // columns * step_y
        sheet.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))
        baseline = top + height + _GAP // 2 + round(line_height(font) * 0.8)
        draw.text((left, baseline), fit(caption, font, width), fill=_INK, font=font, anchor="ls")
    return np.array(sheet)


def scaled(image: Pixels, longest: int) -> Image.Image:
    """Return an image [H, W, 3] whose longer side has `longest` pixels, in proportion."""
    size = scaled_size(image.shape[1], image.shape[0], longest)
    return Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)


def scaled_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """Return width and height of what `scaled` makes of an image of this size."""
    scale = longest / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))
