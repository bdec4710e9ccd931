"""Our aggregator against the `vggt` package, where a user has it: same weights, same tokens."""

import pytest
import torch

from vgcli_core.model.geometry_encoders.vggt import VGGT

aggregator_module = pytest.importorskip("vggt.models.aggregator", reason="the vggt package is not installed")


def test_the_same_weights_give_the_same_tokens():
    torch.manual_seed(0)
    # ViT-S is the smallest patch embedding that the package builds by name.
    theirs = aggregator_module.Aggregator(
        img_size=518, patch_size=14, embed_dim=384, depth=3, num_heads=6, patch_embed="dinov2_vits14_reg"
    ).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    sizes = {"embed_dim": 384, "depth": 3, "num_heads": 6, "patch_embed_depth": 12, "patch_embed_num_heads": 6}
    ours = VGGT.from_sizes(sizes).eval()
    ours.aggregator.load_state_dict(theirs.state_dict())
    frames = torch.rand(3, 3, 70, 98)
    with torch.no_grad():
        outputs, start = theirs(frames[None])
        found = ours.aggregator(frames)
    assert start == 5
    torch.testing.assert_close(found, outputs[-2][0], atol=1e-4, rtol=0)
