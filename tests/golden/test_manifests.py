"""Every parameter of the full-size checkpoints has a place: names and shapes against recorded lists, no weights."""

import json
from pathlib import Path

import pytest
import torch

from vgcli_core.model.config import ModelConfig
from vgcli_core.model.layouts import encoder_of, encoder_to_ours, recognise, to_ours, to_published
from vgcli_core.model.vgllm import VGLLM, build_empty


@pytest.fixture(scope="module")
def lists(golden: Path) -> list[tuple[str, Path]]:
    files = [*golden.glob("manifest/vgllm_*_state_dict.json"), *golden.glob("gen2/manifest/*_state_dict.json")]
    assert files
    return [(f"{file.parent.parent.name}/{file.stem}", file) for file in files]


def config_of(file: Path) -> dict:
    """The config that was saved with a list; an 8B list of generation one has none, only its shapes matter here."""
    saved = file.parent / file.name.replace("state_dict", "config_as_saved")
    if saved.is_file():
        return json.loads(saved.read_text())
    other = file.parent.parent / "gen2" / "manifest" / "vgllm_8b_vggt_add_config_as_saved.json"
    return json.loads(other.read_text())


def shapes_of(model: VGLLM) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in model.state_dict().items()}


def test_every_key_of_every_list_maps_to_a_parameter_of_the_same_shape_and_none_is_left_over(lists):
    for name, file in lists:
        keys = json.loads(file.read_text())["keys"]
        layout = recognise(keys)
        assert layout == ("generation-2" if "gen2" in str(file) else "generation-1")
        kind = encoder_of(keys, layout)
        model = build_empty(ModelConfig(geometry_encoder=kind), config_of(file))
        ours = shapes_of(model)
        reached = set()
        for key, facts in keys.items():
            named = to_ours(key, layout)
            if named.name is None:
                assert named.reason, f"{name}: {key} is not known"
                continue
            assert ours[named.name] == facts["shape"], f"{name}: {key}"
            reached.add(named.name)
        assert reached == set(ours), f"{name}: {sorted(set(ours) - reached)[:3]}"


def test_what_is_left_out_is_only_what_the_lists_call_unused(lists):
    heads = ("vggt.point_head.", "vggt.depth_head.", "geometry_encoder.pi3.")
    for name, file in lists:
        for key in json.loads(file.read_text())["keys"]:
            if to_ours(key, recognise([key, "vggt.x"] if "gen2" not in str(file) else [key])).name is None:
                assert key.startswith(heads), f"{name}: {key}"
                assert not key.startswith(("geometry_encoder.pi3.encoder.", "geometry_encoder.pi3.decoder."))


def test_our_names_go_back_to_the_published_ones_of_generation_two(lists):
    for _name, file in lists:
        if "gen2" not in str(file):
            continue
        keys = list(json.loads(file.read_text())["keys"])
        kind = encoder_of(keys, "generation-2")
        for key in keys:
            ours = to_ours(key, "generation-2").name
            assert ours is None or to_published(ours, kind) == key


def test_generation_one_keys_are_renamed_as_recorded(golden):
    table = json.loads((golden / "gen2" / "manifest" / "generation_one_to_two_keys.json").read_text())
    for old, new in table["renamed_or_dropped"].items():
        named = to_ours(old, "generation-1")
        assert (named.name and to_published(named.name, "vggt")) == new, old


def test_fusion_variants_add_and_remove_exactly_the_recorded_keys(golden):
    for file in (golden / "gen2" / "manifest").glob("*_fusion_deltas.json"):
        deltas = json.loads(file.read_text())
        plain = json.loads((file.parent / f"vgllm_{deltas['size']}_vggt_add_config_as_saved.json").read_text())
        base = shapes_of(build_empty(ModelConfig(), plain))
        for name, facts in deltas["variants"].items():
            asked = facts["config"]
            config = ModelConfig(
                fusion=asked.get("feature_fusion_method", "add"),
                fusion_layers=asked.get("fusion_num_layers", 1),
                merger=asked.get("geometry_merger_type", "mlp"),
            )
            found = shapes_of(build_empty(config, plain))
            added = {key: shape for key, shape in found.items() if key not in base}
            assert added == {key: value["shape"] for key, value in facts["added"].items()}, name
            assert sorted(set(base) - set(found)) == sorted(facts["removed"]), name
            reshaped = {key: found[key] for key in found if key in base and found[key] != base[key]}
            assert reshaped == {key: value["shape"] for key, value in facts["reshaped"].items()}, name


def test_every_key_of_the_published_encoder_file_is_used_or_a_head(golden):
    keys = json.loads((golden / "manifest" / "vggt_1b_state_dict.json").read_text())["keys"]
    with torch.device("meta"):
        from vgcli_core.model.geometry_encoders.vggt import VGGT, VGGTConfig

        ours = {f"geometry_encoder.{name}": list(t.shape) for name, t in VGGT(VGGTConfig()).state_dict().items()}
    used = {}
    for key, facts in keys.items():
        named = encoder_to_ours(key, "vggt")
        assert named.name or key.split(".")[0].endswith("_head"), key
        if named.name:
            used[named.name] = facts["shape"]
    assert used == ours


def test_parameter_counts_are_the_recorded_ones(golden):
    file = golden / "gen2" / "manifest" / "vgllm_4b_vggt_add_state_dict.json"
    model = build_empty(ModelConfig(), config_of(file))
    parts = json.loads(file.read_text())["parameters"]
    count = sum(p.numel() for p in model.geometry_encoder.aggregator.parameters())
    recorded = [value for key, value in parts.items() if key.startswith("geometry_encoder.vggt.aggregator")]
    assert count == sum(recorded)
    assert sum(p.numel() for p in model.parameters()) == 4_705_686_528
