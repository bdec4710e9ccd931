"""A blind model, the control of an ablation: no encoder runs, frames change nothing, and it is saved like any other."""

import pytest
import torch
from pydantic import ValidationError

from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.config import ModelConfig
from vgcli_core.model.feature_cache import encoders_fingerprint
from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_model
from vgcli_core.model.vgllm import VGLLM

GRID = torch.tensor([[1, 4, 6]] * 2)
TOKENS = 2 * 2 * 3
BLIND = Options(device="cpu", dtype="float32", geometry=False, blind=True)


def look(model: VGLLM, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    frames = torch.rand(2, 3, 56, 84, generator=generator)
    with torch.no_grad():
        return model.fuse([model.encode(torch.randn(2 * 4 * 6, 1176, generator=generator), GRID, frames)])


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    model, _ = tiny_model(frame_width=84, patch_positions=True)
    return save_model(model, tmp_path_factory.mktemp("seeing") / "model")


def test_image_tokens_are_zero_and_nothing_is_encoded(seeing):
    model, report = load_model(seeing, BLIND)
    assert torch.equal(look(model, 1), torch.zeros(TOKENS, model.backbone.hidden_size))
    assert (model.counts.frames_encoded, model.counts.encoder_calls) == (0, 0)
    assert not model.has_geometry
    assert set(report.left_out) == {"geometry, which is not wanted", "code of patch positions, which is not wanted"}
    with torch.no_grad():
        assert not bool(model.image_tokens(torch.randn(2 * 4 * 6, 1176), GRID, []).any())


def test_its_language_model_is_that_of_the_checkpoint(seeing):
    blind, whole = load_model(seeing, BLIND)[0], load_model(seeing, Options(device="cpu", dtype="float32"))[0]
    for name, value in blind.backbone.state_dict().items():
        assert torch.equal(value, whole.backbone.state_dict()[name])
    assert bool((look(whole, 1) != look(whole, 2)).any())


def test_it_stays_blind_when_saved_and_shares_no_cached_features(seeing, tmp_path):
    blind, _ = load_model(seeing, BLIND)
    again, _ = load_model(save_model(blind, tmp_path / "model"), Options(device="cpu", dtype="float32"))
    assert again.config.blind
    assert not bool(look(again, 3).any())
    plain, _ = load_model(seeing, Options(device="cpu", dtype="float32", geometry=False))
    assert encoders_fingerprint(again) == encoders_fingerprint(blind) != encoders_fingerprint(plain)


@pytest.mark.parametrize("seen", [{"geometry_encoder": "vggt"}, {"geometry_encoder": "none", "patch_positions": True}])
def test_the_blind_have_neither_geometry_nor_positions(seen):
    with pytest.raises(ValidationError, match="blind is true"):
        ModelConfig(blind=True, **seen)
