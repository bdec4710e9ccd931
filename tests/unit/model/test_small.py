"""The small model: as large as it may be shipped, drawn to be learnt from, and an ordinary model."""

from collections import Counter

import pytest
import torch

from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.processor import Processor
from vgcli_core.model.save import save_model
from vgcli_core.model.small import fresh_weights, positions, small_model
from vgcli_core.model.tiny import tiny_model
from vgcli_core.training.parts import part_of

MOST = 7_200_000


@pytest.fixture(scope="module")
def small():
    return small_model(seed=5)


def test_it_is_as_large_as_may_be_shipped_in_half_precision(small):
    model, tokenizer = small
    parts: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        parts[part_of(name)] += parameter.numel()
    assert sum(parts.values()) <= MOST
    # Beside what runs, the geometry encoder holds a pair of blocks that never does.
    assert parts["geometry_encoder"] < 0.5 * MOST
    assert len(tokenizer) <= model.backbone.vocabulary


def test_the_seed_decides_the_weights_and_leaves_torchs_generator_alone(small):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    again, other = small_model(seed=5)[0], small_model(seed=6)[0]
    assert torch.equal(torch.rand(3), expected)
    for name, value in small[0].state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    name = "backbone.model.lm_head.weight"
    assert not torch.equal(other.state_dict()[name], again.state_dict()[name])


def test_matrices_are_drawn_by_their_inputs_and_identities_at_order_one(small):
    state = small[0].state_dict()
    assert state["backbone.model.model.language_model.embed_tokens.weight"].std() == pytest.approx(0.5, rel=0.02)
    assert state["backbone.model.lm_head.weight"].std() == pytest.approx(192**-0.5, rel=0.02)
    assert state["patch_positions.weight"].std() == pytest.approx(27**-0.5, rel=0.05)
    aggregator = "geometry_encoder.aggregator."
    assert bool((state[f"{aggregator}frame_blocks.0.ls1.gamma"] == 1).all())
    assert state[f"{aggregator}camera_token"].std() == pytest.approx(0.5, rel=0.1)
    assert state[f"{aggregator}patch_embed.pos_embed"].square().mean() == pytest.approx(0.5, rel=0.05)


def test_positions_tell_rows_from_columns():
    table = positions(4, 16).view(4, 4, 16)
    assert torch.equal(table[2, :, :8], table[2, :1, :8].expand(4, -1))
    assert torch.equal(table[:, 3, 8:], table[:1, 3, 8:].expand(4, -1))
    apart = torch.cdist(table.view(16, 16), table.view(16, 16)) + torch.eye(16) * 9
    assert apart.min() > 0.3


@pytest.mark.parametrize("geometry_encoder", ["vggt", "pi3"])
def test_an_encoder_alone_can_be_drawn_anew(geometry_encoder):
    model, _ = tiny_model(geometry_encoder=geometry_encoder)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fresh_weights(model.geometry_encoder)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith("geometry_encoder.") for name in changed)
    matrices = {
        name
        for name, p in model.named_parameters()
        if name.startswith("geometry_encoder.") and name.endswith("weight") and p.dim() > 1
    }
    assert matrices <= changed


@pytest.mark.parametrize("geometry_encoder", ["vggt", "none"])
def test_it_is_saved_loaded_and_run_like_any_other(tmp_path, geometry_encoder):
    model, tokenizer = small_model(geometry_encoder=geometry_encoder)
    folder = save_model(model, tmp_path / "model", tokenizer=tokenizer)
    loaded, report = load_model(folder, Options(device="cpu", dtype="float32"))
    assert report.left_out == {}
    assert loaded.config.patch_positions
    processor = Processor(tokenizer, frame_width=168)
    frames = torch.rand(4, 3, 126, 168)
    grid = torch.tensor([[1, 8, 12]] * 4)
    ids = torch.tensor([processor.prompt("Where?", grid)])
    pixels = torch.rand(4 * 8 * 12, 1176)
    with torch.no_grad():
        fused = [one.image_tokens(pixels, grid, [frames]) for one in (model, loaded)]
    assert torch.equal(*fused)
    assert fused[0].shape == (4 * 4 * 6, 192)
    assert int((ids == processor.ids["<|image_pad|>"]).sum()) == len(fused[0])
