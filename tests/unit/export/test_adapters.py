"""Adapters are added to the weights they belong to, and to no others; what is not plain LoRA is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.unit.export.checkpoints import same, tiny_adapter, tiny_folder, weights
from vgcli_core.errors import CheckpointError
from vgcli_core.export.adapters import is_adapter_folder
from vgcli_core.export.checkpoint import export_checkpoint
from vgcli_core.export.plan import Wish


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("saved")
    tiny_folder(root / "base")
    tiny_adapter(root / "adapter", root / "merged")
    return root


@pytest.fixture
def adapter(folders: Path, tmp_path: Path) -> Path:
    shutil.copytree(folders / "adapter", tmp_path / "adapter")
    return tmp_path / "adapter"


def edit(folder: Path, **changes: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def test_base_and_adapter_give_the_merged_model_bit_for_bit(folders, tmp_path):
    done = export_checkpoint(folders / "base", tmp_path / "out", Wish(adapter=folders / "adapter"))
    assert same(weights(done.folder), weights(folders / "merged"))
    assert not same(weights(done.folder), weights(folders / "base"))
    assert done.notes == ("4 adapters of rank 3 are added, from adapter, which says that it was trained on base",)


def test_a_sum_is_rounded_once_where_another_dtype_is_asked_for(folders, tmp_path):
    wish = Wish(adapter=folders / "adapter", dtype="bfloat16")
    done = export_checkpoint(folders / "base", tmp_path / "out", wish)
    expected = {key: tensor.to(torch.bfloat16) for key, tensor in weights(folders / "merged").items()}
    assert same(weights(done.folder), expected)


def test_peft_itself_merges_to_the_same_weights(folders, tmp_path):
    from peft import PeftModel

    from vgcli_core.model.checkpoint import Options, load_model

    model, _ = load_model(folders / "base", Options(device="cpu", dtype="float32"))
    merged = PeftModel.from_pretrained(model.backbone.model, folders / "adapter").merge_and_unload().state_dict()
    done = export_checkpoint(folders / "base", tmp_path / "out", Wish(adapter=folders / "adapter"))
    layer = "layers.1.mlp.down_proj.weight"
    found = weights(done.folder)[f"model.{layer}"]
    assert torch.allclose(found, merged[f"model.language_model.{layer}"], atol=1e-6)
    assert not torch.equal(found, weights(folders / "base")[f"model.{layer}"])


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"use_dora": True}, "use_dora True"),
        ({"use_rslora": True}, "use_rslora"),
        ({"bias": "all"}, "bias 'all'"),
        ({"rank_pattern": {"q_proj": 8}}, "rank_pattern"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"peft_type": "IA3"}, "'IA3'"),
        ({"r": 0}, "r 0"),
        ({"lora_alpha": "many"}, "'many'"),
    ],
)
def test_other_kinds_of_adapters_are_refused(folders, adapter, tmp_path, changes, word):
    edit(adapter, **changes)
    with pytest.raises(CheckpointError, match=word):
        export_checkpoint(folders / "base", tmp_path / "out", Wish(adapter=adapter))
    assert not (tmp_path / "out").exists()


def test_adapters_of_another_model_are_refused_by_name_and_shape(folders, adapter, tmp_path):
    file = adapter / "adapter_model.safetensors"
    found = load_file(file)
    key = "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_B.weight"
    save_file({**found, key: torch.zeros(32, 3)}, file)
    with pytest.raises(CheckpointError, match=r"q_proj.*A is \[3, 64\], B is \[32, 3\], the weight \[64, 64\]"):
        export_checkpoint(folders / "base", tmp_path / "out", Wish(adapter=adapter))
    save_file({name: tensor for name, tensor in found.items() if name != key}, file)
    with pytest.raises(CheckpointError, match=r"q_proj.*does not fit"):
        export_checkpoint(folders / "base", tmp_path / "out", Wish(adapter=adapter))
    save_file({**found, "base_model.model.lm_head.weight": torch.zeros(2)}, file)
    with pytest.raises(CheckpointError, match="not plain LoRA"):
        export_checkpoint(folders / "base", tmp_path / "out", Wish(adapter=adapter))
    save_file({name.replace("layers.1", "layers.7"): tensor for name, tensor in found.items()}, file)
    with pytest.raises(CheckpointError, match=r"layers\.7"):
        export_checkpoint(folders / "base", tmp_path / "out", Wish(adapter=adapter))


def test_a_folder_without_adapters_is_told_apart_from_one_with_them(folders, adapter, tmp_path):
    assert is_adapter_folder(adapter)
    assert not is_adapter_folder(folders / "base")
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"adapter_model\.safetensors is missing"):
        export_checkpoint(folders / "base", tmp_path / "out", Wish(adapter=adapter))
    with pytest.raises(CheckpointError, match=r"adapter_config\.json is missing"):
        export_checkpoint(folders / "base", tmp_path / "out", Wish(adapter=folders / "base"))
