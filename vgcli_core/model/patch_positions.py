"""A code of where each image token stands, added to it: the place in its frame, and the number of the frame.

A language model of billions of weights finds columns of patches by its rotary positions; a small one does not, and
without a code hardly knows in which direction an object is. Published models have none. It does not depend on the
geometry encoder.

Shapes: F frames of a scene, h x w patches, T merged tokens of all scenes, D the width of the language model.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vgcli_core.model.pixels import MERGE

POSITIONS = "patch_positions."  # how the names of its weights start, in every layout
_OCTAVES = 4
_PERIODS = (4, 16, 64)  # frames: up to 64 of them have codes of their own
FEATURES = 5 + 2 * 2 * _OCTAVES + 2 * len(_PERIODS)


class PatchPositions(nn.Module):
    """A learnt linear map of fixed features; of new weights, 0, so that a model with it is as it was without."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, FEATURES))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, grids: Sequence[Tensor]) -> Tensor:
        """Map the grids [F, 3] of scenes, in order, to codes [T, D]."""
        features = torch.cat([place_features(grid) for grid in grids])
        return F.linear(features.to(self.weight), self.weight, self.bias)


def place_features(grid_thw: Tensor) -> Tensor:
    """Return fixed features [t, 27] of the merged tokens of one scene, frame by frame and row by row.

    With x to the right and y down, from -1 to 1 over the frame: x, y, x^2, y^2, xy; sines, then cosines, of pi, 2 pi,
    4 pi and 8 pi times each; then sines and cosines of the frame's number, once around in 4, 16 and 64 frames.

    Args:
        grid_thw: [F, 3] patches in time, rows, columns.
    """
    sizes = (grid_thw[:, 1:] // MERGE).tolist()
    return torch.cat([_of_frame(number, rows, columns) for number, (rows, columns) in enumerate(sizes)])


def _of_frame(number: int, rows: int, columns: int) -> Tensor:
    y, x = torch.meshgrid(_middles(rows), _middles(columns), indexing="ij")
    x, y = x.flatten(), y.flatten()
    places = torch.stack((x, y), dim=1)
    waves = (places[:, :, None] * math.pi * 2.0 ** torch.arange(_OCTAVES)).flatten(1)
    turns = number * 2 * math.pi / torch.tensor(_PERIODS)
    frame = torch.cat((turns.sin(), turns.cos())).expand(len(x), -1)
    return torch.cat((places, places.square(), (x * y)[:, None], waves.sin(), waves.cos(), frame), dim=1)


def _middles(count: int) -> Tensor:
    """Return the middles of `count` equal parts of -1 to 1."""
    return (2 * torch.arange(count) + 1) / count - 1
