"""Sizes of a model from configurations alone: counts are those of the recorded lists of the full-size checkpoints."""

import json
from pathlib import Path

import pytest
import torch

from vgcli_core.errors import CheckpointError, UsageError
from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_model
from vgcli_core.training.parts import choose, part_of
from vgcli_core.training.recipe import Data, DataSet, Lora, Recipe, Start, Trained
from vgcli_core.training.sizes import shares_of, sizes_of_recipe

DATA = Data(sets={"rooms": DataSet(dataset="rooms")})
FULL = {"4b": "Qwen/Qwen2.5-VL-3B-Instruct", "8b": "Qwen/Qwen2.5-VL-7B-Instruct"}


def recipe(weights: str, **start: str) -> Recipe:
    return Recipe(start=Start.model_validate({"weights": weights, **start}), data=DATA)


@pytest.mark.parametrize("size", sorted(FULL))
@pytest.mark.parametrize("kind", ["vggt", "pi3"])
def test_published_models_have_the_recorded_parameters_part_by_part(golden: Path, size: str, kind: str):
    file = golden / "gen2" / "manifest" / f"vgllm_{size}_{kind}_add_state_dict.json"
    listed: dict[str, int] = {}
    for key, facts in json.loads(file.read_text())["keys"].items():
        # Names of generation two: what is not the tower's, the merger's or the encoder's is the language model's.
        if key.startswith("visual.merger."):
            part = "connector"
        elif key.startswith("visual."):
            part = "vision_tower"
        elif key.startswith("geometry_encoder."):
            part = "geometry_encoder"
        elif key.startswith(("geometry_merger.", "feature_fusion.")):
            part = "geometry_merger"
        else:
            part = "language_model"
        listed[part] = listed.get(part, 0) + torch.Size(facts["shape"]).numel()
    found = sizes_of_recipe(recipe(FULL[size], geometry_encoder=kind))
    if size == "4b":  # the tied head is listed a second time
        listed["language_model"] -= 151936 * 2048 * ("lm_head.weight" in json.loads(file.read_text())["keys"])
    listed["geometry_encoder"] = found.parts["geometry_encoder"] if kind == "pi3" else listed["geometry_encoder"]
    assert found.parts == listed


def test_the_whole_models_have_as_many_parameters_as_is_known():
    assert sizes_of_recipe(recipe(FULL["4b"])).total == 4_705_686_528
    assert sizes_of_recipe(recipe(FULL["8b"])).total == 9_249_523_200


@pytest.mark.parametrize(
    "trained",
    [Trained(), Trained(language_model="lora"), Trained(language_model="none", connector=True, geometry_encoder=True)],
)
def test_what_learns_of_the_tiny_model_is_what_a_run_would_train(trained: Trained):
    one = Recipe(start=Start(weights="tiny"), trained=trained, lora=Lora(rank=3), data=DATA)
    model, _ = tiny_model()
    choose(model, one.trained, one.lora)
    trained_here = dict.fromkeys(sizes_of_recipe(one).parts, 0)
    frozen_here = dict(trained_here)
    for name, parameter in model.named_parameters():
        where = trained_here if parameter.requires_grad else frozen_here
        where[part_of(name)] += parameter.numel()
    found = shares_of(sizes_of_recipe(one), one)
    assert {part: share.trained for part, share in found.items()} == trained_here
    assert {part: share.frozen for part, share in found.items()} == frozen_here


def test_a_folder_is_measured_by_its_configuration_alone(tmp_path: Path):
    model, tokenizer = tiny_model()
    save_model(model, tmp_path / "model", tokenizer=tokenizer)
    for file in (tmp_path / "model").glob("*.safetensors"):
        file.unlink()
    found = sizes_of_recipe(recipe(str(tmp_path / "model")))
    assert found.total == sum(parameter.numel() for parameter in model.parameters())


def test_an_unknown_name_is_refused_without_a_network():
    with pytest.raises(CheckpointError, match="not known") as caught:
        sizes_of_recipe(recipe("someone/some-model"))
    assert "Qwen/Qwen2.5-VL-3B-Instruct" in caught.value.fix


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_5_vl", "hidden_size": "wide"}')
    with pytest.raises(CheckpointError):
        sizes_of_recipe(recipe(str(tmp_path)))


def test_an_adapter_on_a_layer_that_is_not_there_is_refused():
    one = Recipe(
        start=Start(weights="tiny"), trained=Trained(language_model="lora"), lora=Lora(targets=("q_prj",)), data=DATA
    )
    with pytest.raises(UsageError, match="q_prj"):
        shares_of(sizes_of_recipe(one), one)
