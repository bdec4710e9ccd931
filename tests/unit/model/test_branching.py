"""Rows whose samples share their beginning: who sees whom, and the same by a mask and piece by piece."""

import pytest
import torch
from torch import nn

from vgcli_core.errors import UsageError
from vgcli_core.model.branching import PIECEWISE, Pieces, branching, branching_arguments, piecewise_attention
from vgcli_core.model.packing import FLASH
from vgcli_core.model.tiny import tiny_model

# Three samples on a beginning of three tokens and padding; one on two tokens; text alone.
BRANCHES = torch.tensor(
    [
        [0, 0, 0, 1, 1, 2, 3, 3, 3, 0],
        [0, 0, 1, 1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 0, 0, 0, 0, 0, 0],
    ]
)


def test_a_token_sees_the_beginning_and_the_past_of_its_branch():
    mask = branching(torch.tensor([[0, 0, 1, 1, 2]]))
    assert mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]


def test_rows_are_cut_into_beginning_branches_and_padding():
    assert Pieces.of(BRANCHES).sizes == ((3, 2, 1, 3, 1), (2, 8, 0), (0, 4, 6))


@pytest.mark.parametrize("learning", [True, False])
def test_piece_by_piece_each_token_gets_what_the_mask_gives_it(learning):
    generator = torch.Generator().manual_seed(0)
    query, key, value, weights = (torch.randn(3, heads, 10, 8, generator=generator) for heads in (6, 2, 2, 6))
    given = [tensor.requires_grad_(learning) for tensor in (query, key, value)]
    mask = branching(BRANCHES)
    several = [tensor.repeat_interleave(3, dim=1) for tensor in given[1:]]
    scores = (query @ several[0].mT * 0.2).masked_fill(~mask, float("-inf"))
    expected = (scores.softmax(dim=-1) @ several[1]).transpose(1, 2)
    found, _ = piecewise_attention(nn.Module(), *given, Pieces.of(BRANCHES), scaling=0.2)
    # What padding sees is nobody's business.
    real = torch.tensor([[1] * 9 + [0], [1] * 10, [1] * 4 + [0] * 6], dtype=torch.bool)
    torch.testing.assert_close(found[real], expected[real], atol=1e-6, rtol=1e-5)
    if learning:
        wanted = (weights.transpose(1, 2) * real[:, :, None, None]).contiguous()
        gradients = [torch.autograd.grad((out * wanted).sum(), given, retain_graph=True) for out in (found, expected)]
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_without_branches_it_is_torchs_own_attention():
    model, _ = tiny_model()
    ids = torch.randint(0, 100, (2, 7), generator=torch.Generator().manual_seed(0))
    positions = torch.arange(7).expand(3, 2, 7)
    padded = torch.tensor([[1] * 7, [0, 0] + [1] * 5])
    with torch.no_grad():
        for mask in (None, padded):
            states = []
            for attention in ("sdpa", PIECEWISE):
                model.backbone.model.set_attn_implementation(attention)
                states.append(model.backbone.hidden(model.backbone.embed(ids), positions=positions, mask=mask))
            assert torch.equal(*states)


def test_flash_attention_is_refused():
    with pytest.raises(UsageError, match="cannot let several questions see the same frames"):
        branching_arguments(BRANCHES, FLASH, torch.zeros(3, 10, 4))
