"""Fusion by hand: what is added to what, and what is refused."""

import pytest
import torch

from vgcli_core.errors import FusionError, UnknownName
from vgcli_core.model.fusion import FUSIONS, GeometryMerger, Weighted, cells, crop_to_even, fuse


def test_odd_rows_and_columns_are_dropped_at_the_bottom_and_right():
    tokens = torch.arange(5 * 7).view(1, 5, 7, 1)
    assert crop_to_even(tokens)[0, :, :, 0].tolist() == [[7 * r + c for c in range(6)] for r in range(4)]


def test_the_average_merger_takes_the_mean_of_each_two_by_two_block():
    merger = GeometryMerger(1, 3, 1, kind="avg")
    with torch.no_grad():
        merger.mlp[0].weight.copy_(torch.tensor([[100.0], [0.0], [0.0]]))  # far from GELU's bend
        merger.mlp[0].bias.zero_()
        merger.mlp[2].weight.copy_(torch.tensor([[0.01, 0.0, 0.0]]))
        merger.mlp[2].bias.zero_()
        found = merger(cells(torch.arange(1.0, 17.0).view(1, 4, 4, 1)))
    assert found.flatten().tolist() == pytest.approx([3.5, 5.5, 11.5, 13.5])


def test_the_mlp_merger_concatenates_a_block_row_by_row():
    merger = GeometryMerger(1, 4, 4)
    with torch.no_grad():
        merger.mlp[0].weight.copy_(100 * torch.eye(4))
        merger.mlp[0].bias.fill_(300.0)
        merger.mlp[2].weight.copy_(torch.eye(4))
        merger.mlp[2].bias.fill_(-300.0)
        # One channel: the norm leaves only the sign, which is enough to see the order.
        signs = torch.tensor([[1.0, -1, 1, 1], [-1, -1, -1, 1]]).view(1, 2, 4, 1)
        found = merger(cells(signs)) / 100
    assert found[0].tolist() == pytest.approx([1, -1, -1, -1], abs=1e-4)
    assert found[1].tolist() == pytest.approx([1, 1, -1, 1], abs=1e-4)


@pytest.mark.parametrize("name", FUSIONS)
def test_every_fusion_keeps_the_shape_and_refuses_another_size(name):
    torch.manual_seed(0)
    fusion = FUSIONS[name](16, layers=2, heads=4).eval()
    a, g = torch.randn(2, 3, 4, 16), torch.randn(2, 3, 4, 16)
    assert fuse(fusion, a, g).shape == a.shape
    with pytest.raises(FusionError, match="differ"):
        fuse(fusion, a, g[:, :2])


def test_cross_attention_looks_only_at_the_same_frame():
    torch.manual_seed(0)
    fusion = FUSIONS["cross_attention"](16, layers=1, heads=4).eval()
    a, g = torch.randn(2, 3, 4, 16), torch.randn(2, 3, 4, 16)
    with torch.no_grad():
        before = fuse(fusion, a, g)
        g[1] += 1
        after = fuse(fusion, a, g)
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])


def test_weights_that_cancel_are_an_error_rather_than_infinities():
    fusion = Weighted(4)
    with torch.no_grad():
        fusion.weight_3d.fill_(-0.5)
    with pytest.raises(FusionError, match="add up to zero"):
        fuse(fusion, torch.ones(1, 1, 1, 4), torch.ones(1, 1, 1, 4))


def test_an_unknown_merger_fails_when_it_is_built():
    with pytest.raises(UnknownName, match="attention"):
        GeometryMerger(4, 4, 4, kind="attention")
