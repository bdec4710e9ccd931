"""Where each token stands in the three-dimensional rotary embedding of Qwen2.5-VL.

Text advances all three coordinates together. A picture keeps the time of its start, and counts rows and columns of its
merged grid from there; the text after it goes on from the largest coordinate used. Each frame is a picture of its own.

Source: Qwen2.5-VL (arXiv 2502.13923), multimodal rotary embedding; the interval between pictures is 0.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vgcli_core.errors import FusionError

MERGE = 2


def multimodal_positions(input_ids: Sequence[int], grids: Tensor, image_token_id: int) -> tuple[Tensor, int]:
    """Return positions [3, L] of one sample and the position of the token after its end.

    Args:
        input_ids: the L ids of one sample, without padding.
        grids: [images, 3] patches in time, rows and columns, in the order of the pictures.
        image_token_id: the placeholder; each run of it belongs to the next picture of `grids`.

    Raises:
        FusionError: the runs of placeholders do not match the pictures.
    """
    ids = torch.as_tensor(input_ids)
    parts: list[Tensor] = []
    start, at = 0, 0
    pictures = [[int(n) for n in row] for row in grids]
    for time, rows, columns in ((t, h // MERGE, w // MERGE) for t, h, w in pictures):
        hits = (ids[at:] == image_token_id).nonzero()
        first = at + int(hits[0]) if len(hits) else len(ids)
        end = first + time * rows * columns
        if end > len(ids) or not bool((ids[first:end] == image_token_id).all()):
            raise FusionError(
                f"the prompt lacks {time * rows * columns} image tokens in a row for a picture of {rows}x{columns}",
                fix="build prompts and pictures with Processor; truncating a prompt must not cut a picture",
            )
        start = _text(parts, first - at, start)
        cells = torch.cartesian_prod(torch.zeros(time, dtype=torch.long), torch.arange(rows), torch.arange(columns))
        parts.append(cells.T + start)
        start += max(rows, columns)
        at = end
    if bool((ids[at:] == image_token_id).any()):
        raise FusionError("the prompt has more image tokens than pictures", fix="build both with Processor")
    following = _text(parts, len(ids) - at, start)
    return torch.cat(parts, dim=1), following


def batch_positions(rows: Sequence[tuple[Tensor, Tensor]], masks: Tensor, image_token_id: int) -> Tensor:
    """Return positions [3, B, L] for padded `rows` of (ids [L], grids); padding (mask 0) stands at 1."""
    positions = torch.ones(3, *masks.shape, dtype=torch.long)
    for index, (ids, grids) in enumerate(rows):
        real = masks[index].bool()
        positions[:, index, real] = multimodal_positions(ids[real].tolist(), grids, image_token_id)[0]
    return positions


def _text(parts: list[Tensor], length: int, start: int) -> int:
    parts.append(torch.arange(start, start + length).expand(3, -1))
    return start + length
