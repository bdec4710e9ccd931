"""Positions against transformers' own rule, and counts that do not match."""

import pytest
import torch

from vgcli_core.errors import FusionError
from vgcli_core.model.positions import multimodal_positions
from vgcli_core.model.tiny import tiny_model

PAD = 9


def test_text_counts_up_and_a_picture_spans_its_grid():
    grids = torch.tensor([[1, 4, 6]])  # 2 x 3 cells
    positions, following = multimodal_positions([1, 2, *[PAD] * 6, 3], grids, PAD)
    assert positions.tolist() == [
        [0, 1, 2, 2, 2, 2, 2, 2, 5],
        [0, 1, 2, 2, 2, 3, 3, 3, 5],
        [0, 1, 2, 3, 4, 2, 3, 4, 5],
    ]
    assert following == 6


def test_positions_are_those_of_the_unmodified_backbone():
    model, tokenizer = tiny_model()
    start, pad, end = tokenizer.convert_tokens_to_ids(["<|vision_start|>", "<|image_pad|>", "<|vision_end|>"])
    grids = torch.tensor([[1, 4, 6], [1, 8, 2], [1, 2, 2]])
    ids = [5, 6]
    for grid in grids:
        ids += [start, *[pad] * (int(grid.prod()) // 4), end]
    ids += [7, 8, 9]
    row = torch.tensor([ids])
    expected, _ = model.backbone.model.model.get_rope_index(
        row, mm_token_type_ids=(row == pad).int(), image_grid_thw=grids, attention_mask=torch.ones_like(row)
    )
    found, _ = multimodal_positions(ids, grids, pad)
    assert torch.equal(found, expected[:, 0])


@pytest.mark.parametrize("ids", [[1, PAD, PAD, 2], [1, *[PAD] * 7, 2], [1, 2]])
def test_a_prompt_that_does_not_match_its_pictures_is_refused(ids):
    with pytest.raises(FusionError):
        multimodal_positions(ids, torch.tensor([[1, 4, 6]]), PAD)
