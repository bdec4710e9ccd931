"""Half precision touches matrix products alone: norms, residuals, rotary tables and picture constants stay float32."""

import pytest
import torch

from vgcli_core.model.fusion import RMSNorm
from vgcli_core.model.geometry_encoders.blocks import Block, LayerNorm, LayerScale
from vgcli_core.model.geometry_encoders.normalise import imagenet_normalise
from vgcli_core.model.pixels import patchify
from vgcli_core.model.tiny import tiny_model


@pytest.fixture
def bfloat16_default():
    torch.set_default_dtype(torch.bfloat16)
    yield
    torch.set_default_dtype(torch.float32)


def test_norms_of_bfloat16_weights_compute_in_float32():
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(0)) + 100  # bfloat16 would lose the deviations
    exact = torch.nn.functional.layer_norm(x, (64,))
    norm = LayerNorm(64).to(torch.bfloat16)
    assert norm(x).dtype == torch.float32
    torch.testing.assert_close(norm(x), exact, atol=1e-4, rtol=0)


def test_the_merger_norm_computes_in_float32_before_it_rounds_once():
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(0)).bfloat16()
    exact = x.double() / (x.double().square().mean(-1, keepdim=True) + 1e-6).sqrt()
    found = RMSNorm(64).to(torch.bfloat16)(x)
    assert torch.equal(found, exact.to(torch.bfloat16))


def test_layer_scale_and_residual_stream_stay_in_float32():
    scale = LayerScale(8, 1.0).to(torch.bfloat16)
    assert scale(torch.ones(2, 8, dtype=torch.bfloat16)).dtype == torch.float32
    block = Block(8, 2, eps=1e-6, qk_norm=True, layer_scale=0.0).to(torch.bfloat16)
    x = torch.full((1, 3, 8), 1.0009765625)  # not a bfloat16 number
    assert torch.equal(block(x), x)


def test_picture_constants_do_not_follow_the_default_dtype(bfloat16_default):
    frames = torch.rand(1, 3, 28, 28, dtype=torch.float32)
    found, patches = imagenet_normalise(frames), patchify(frames)
    torch.set_default_dtype(torch.float32)
    assert torch.equal(found, imagenet_normalise(frames))
    assert torch.equal(patches, patchify(frames))


def test_casting_the_tiny_model_leaves_rotary_frequencies_alone():
    model, _ = tiny_model(dtype=torch.bfloat16)
    buffers = {name: b.dtype for name, b in model.named_buffers() if "inv_freq" in name}
    assert buffers
    assert set(buffers.values()) == {torch.float32}
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
