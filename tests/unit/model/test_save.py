"""Saving: with values gathered from elsewhere, in another dtype, in shards; the names are always the same."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from vgcli_core.errors import OutputError
from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_model

MERGER = "geometry_merger.mlp.0.weight"


def names(folder: Path) -> set[str]:
    found: set[str] = set()
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as handle:
            found |= set(handle.keys())
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    return save_model(tiny_model()[0], tmp_path_factory.mktemp("plain") / "model")


def test_given_tensors_are_written_instead_of_the_models_own(plain, tmp_path):
    model, _ = tiny_model()
    embedding = "backbone.model.model.language_model.embed_tokens.weight"
    state = model.state_dict()
    given = {MERGER: torch.full_like(state[MERGER], 0.25), embedding: state[embedding] + 1}
    folder = save_model(model, tmp_path / "model", tensors=given)
    assert names(folder) == names(plain)
    again, _ = load_model(folder, Options(device="cpu", dtype="float32"))
    for name, value in again.state_dict().items():
        assert torch.equal(value, given.get(name, state[name])), name


def test_given_tensors_decide_the_shape_where_a_process_holds_only_its_share(plain, tmp_path):
    model, _ = tiny_model()
    whole = {name: value.clone() for name, value in model.state_dict().items()}
    for parameter in model.parameters():
        parameter.data = torch.empty(0)
    folder = save_model(model, tmp_path / "model", tensors=whole, max_shard_size="100KB")
    assert len(list(folder.glob("*.safetensors"))) > 5
    assert names(folder) == names(plain)
    again, _ = load_model(folder, Options(device="cpu", dtype="float32"))
    assert all(torch.equal(value, whole[name]) for name, value in again.state_dict().items())


def test_another_dtype_is_that_of_every_tensor_and_of_the_configuration(plain, tmp_path):
    model, _ = tiny_model()
    folder = save_model(model, tmp_path / "model", dtype=torch.bfloat16)
    weights = load_file(folder / "model.safetensors")
    expected = load_file(plain / "model.safetensors")
    assert weights.keys() == expected.keys()
    assert all(torch.equal(value, expected[name].to(torch.bfloat16)) for name, value in weights.items())
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["dtype"] == "bfloat16"
    assert json.loads((plain / "config.json").read_text(encoding="utf-8"))["dtype"] == "float32"
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_a_shared_embedding_is_written_once_whoever_gives_its_values(tmp_path):
    model, _ = tiny_model()
    inner = model.backbone.model
    inner.config.tie_word_embeddings = True
    inner.lm_head.weight = inner.get_input_embeddings().weight
    one = save_model(model, tmp_path / "one")
    other = save_model(model, tmp_path / "other", tensors=dict(model.state_dict()))
    assert names(one) == names(other)
    assert "lm_head.weight" not in names(one)


def test_the_index_of_shards_lists_every_tensor_with_its_file(plain, tmp_path):
    folder = save_model(tiny_model()[0], tmp_path / "model", dtype=torch.bfloat16, max_shard_size="100KB")
    index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
    assert set(index["weight_map"]) == names(plain)
    assert set(index["weight_map"].values()) == {file.name for file in folder.glob("*.safetensors")}
    assert index["metadata"]["total_size"] == sum(
        value.numel() * 2 for value in load_file(plain / "model.safetensors").values()
    )


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        from safetensors import SafetensorError

        raise SafetensorError("No space left on device")

    monkeypatch.setattr("vgcli_core.model.weights.save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        save_model(tiny_model()[0], tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
