"""What a plain eye calls a pixel, by hue, saturation and value: another way than the palette and CIE Lab."""

import colorsys

import numpy as np

from vgcli_core.data.rooms.film import shots

# name -> hue in degrees, saturation, value: generous ranges that overlap.
RANGES = {
    "black": ((0, 360), (0, 0.4), (0, 0.32)),
    "grey": ((0, 360), (0, 0.25), (0.15, 0.75)),
    "white": ((0, 360), (0, 0.25), (0.5, 1)),
    "red": ((-25, 22), (0.4, 1), (0.15, 1)),
    "brown": ((5, 48), (0.2, 1), (0.08, 0.7)),
    "light brown": ((15, 50), (0.2, 0.75), (0.35, 1)),
    "beige": ((20, 70), (0.06, 0.42), (0.4, 1)),
    "yellow": ((33, 65), (0.4, 1), (0.3, 1)),
    "green": ((70, 175), (0.12, 1), (0.08, 1)),
    "teal": ((155, 205), (0.15, 1), (0.1, 1)),
    "blue": ((195, 250), (0.25, 1), (0.1, 1)),
    "purple": ((245, 315), (0.2, 1), (0.1, 1)),
    "pink": ((295, 350), (0.2, 1), (0.3, 1)),
}


def is_called(name, rgb) -> bool:
    """Tell whether bytes of red, green and blue might be called `name`."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(float(channel) / 255 for channel in rgb))
    (low, high), saturations, values = RANGES[name]
    near = low <= 360 * hue <= high or low <= 360 * hue - 360 <= high
    return near and saturations[0] <= saturation <= saturations[1] and values[0] <= value <= values[1]


def pixels_of_things(room):
    """Return the pixels [N, 3] of each thing in all frames."""
    found = [[] for _ in room.things]
    for shot in shots(room):
        for number in np.unique(shot.view.owner[shot.view.owner >= 0]).tolist():
            found[number].append(shot.view.image[shot.view.owner == number])
    return [np.concatenate(parts) if parts else np.zeros((0, 3), np.uint8) for parts in found]


def share_called(name, pixels) -> float:
    """Return which share of pixels [N, 3] might be called `name`."""
    some = pixels[:: max(len(pixels) // 200, 1)]
    return float(np.mean([is_called(name, pixel) for pixel in some])) if len(some) else 0.0
