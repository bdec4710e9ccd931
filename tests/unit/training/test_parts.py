"""Parts: every parameter belongs to one, and exactly the chosen ones learn."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from vgcli_core.errors import UsageError
from vgcli_core.model.config import ModelConfig
from vgcli_core.model.layouts import to_ours
from vgcli_core.model.lora import is_adapter
from vgcli_core.model.tiny import tiny_model
from vgcli_core.model.vgllm import build_empty
from vgcli_core.training.parts import PARTS, choose, learns, part_of
from vgcli_core.training.recipe import Lora, Trained

NONE = {"language_model": "none", "geometry_merger": False}


def counts(named) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, size in named:
        found[part_of(name)] += size
    return found


def test_the_parts_of_the_published_4b_add_up(golden: Path):
    folder = golden / "gen2" / "manifest"
    manifest = json.loads((folder / "vgllm_4b_vggt_add_state_dict.json").read_text(encoding="utf-8"))
    plain = json.loads((folder / "vgllm_4b_vggt_add_config_as_saved.json").read_text(encoding="utf-8"))
    model = build_empty(ModelConfig(), plain)
    by_hand = manifest["parameters"]
    expected = {
        "vision_tower": by_hand["visual (without merger)"],
        "connector": by_hand["visual.merger"],
        "geometry_merger": by_hand["geometry_merger"],
        "geometry_encoder": sum(size for name, size in by_hand.items() if name.startswith("geometry_encoder.")),
        "language_model": sum(size for name, size in by_hand.items() if name.startswith("model.")),
    }
    assert counts((name, p.numel()) for name, p in model.named_parameters()) == expected
    assert sum(expected.values()) == by_hand["total"]
    # What the published recipe trains, name by name: patterns of the manifest.
    trained = {name for name in manifest["keys"] if not name.startswith(("visual.", "geometry_encoder."))}
    ours = {to_ours(name, "generation-2").name for name in trained}
    assert ours == {name for name in model.state_dict() if learns(name, Trained())}


@pytest.mark.parametrize("geometry_encoder", ["vggt", "pi3", "none"])
def test_every_parameter_of_the_tiny_model_belongs_to_one_part(geometry_encoder):
    model, _ = tiny_model(geometry_encoder=geometry_encoder, fusion="gated")
    found = counts((name, p.numel()) for name, p in model.named_parameters())
    assert sum(found.values()) == sum(p.numel() for p in model.parameters())
    missing = {"geometry_merger", "geometry_encoder"} if geometry_encoder == "none" else set()
    assert set(found) == set(PARTS) - missing


@pytest.mark.parametrize(
    ("chosen", "part"),
    [
        ({**NONE, "language_model": "full"}, "language_model"),
        ({**NONE, "geometry_merger": True}, "geometry_merger"),
        ({**NONE, "connector": True}, "connector"),
        ({**NONE, "vision_tower": True}, "vision_tower"),
    ],
)
def test_a_chosen_part_alone_learns_and_is_in_training_mode(chosen, part):
    model, _ = tiny_model(fusion="cross_attention")
    names = choose(model, Trained(**chosen), Lora())
    assert list(names) == [part]
    assert names[part] == [name for name, p in model.named_parameters() if part_of(name) == part]
    assert {name for name, p in model.named_parameters() if p.requires_grad} == set(names[part])
    modes = {
        "language_model": model.backbone.language_model.layers[0],
        "geometry_merger": model.feature_fusion.cross_attn_blocks[0],
        "connector": model.backbone.vision.merger,
        "vision_tower": model.backbone.vision.blocks[0],
        "geometry_encoder": model.geometry_encoder.aggregator,
    }
    # Gradients pass through the language model: it is in the mode in which activations need not be kept.
    assert {name for name, module in modes.items() if module.training} == {part, "language_model"}
    assert model.training


@pytest.mark.parametrize("geometry_encoder", ["vggt", "pi3"])
def test_of_a_trained_geometry_encoder_all_that_features_depend_on_learns(geometry_encoder):
    model, _ = tiny_model(frame_width=56, geometry_encoder=geometry_encoder)
    names = choose(model, Trained(**{**NONE, "geometry_encoder": True}), Lora())
    frames = torch.rand(2, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    model.geometry_features(frames).square().sum().backward()
    with_gradient = [name for name, p in model.named_parameters() if p.grad is not None]
    assert names == {"geometry_encoder": with_gradient}


def test_with_adapters_the_language_model_itself_stays_frozen():
    model, _ = tiny_model()
    names = choose(model, Trained(language_model="lora"), Lora(rank=2), seed=5)
    assert set(names) == {"language_model", "geometry_merger"}
    assert all(is_adapter(name) for name in names["language_model"])
    parameters = dict(model.named_parameters())
    assert not any(parameters[name].requires_grad for name in parameters if name.endswith("base_layer.weight"))
    assert model.backbone.language_model.layers[0].self_attn.q_proj.lora_dropout["default"].training


def test_a_run_that_would_train_nothing_is_refused():
    model, _ = tiny_model(geometry_encoder="none")
    with pytest.raises(UsageError, match="nothing is trained") as caught:
        choose(model, Trained(language_model="none"), Lora())
    assert caught.value.where == "trained"


def test_a_frozen_language_model_keeps_no_activations_of_its_layers():
    model, _ = tiny_model()
    choose(model, Trained(language_model="none"), Lora())
    model.backbone.checkpoint_gradients()
    embeds = torch.rand(1, 6, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    runs = []
    model.backbone.language_model.layers[0].mlp.register_forward_pre_hook(lambda *_: runs.append(1))
    model.backbone.hidden(embeds, positions=torch.arange(6).expand(3, 1, -1)).sum().backward()
    assert embeds.grad is not None
    assert len(runs) == 2
