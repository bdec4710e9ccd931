"""An export is the same model under another roof: bits, dtypes, files, and what is refused before anything is read."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tests.unit.export.checkpoints import same, tiny_folder, weights
from vgcli_core.errors import CheckpointError, OutputError, UsageError
from vgcli_core.export.checkpoint import export_checkpoint
from vgcli_core.export.plan import Wish
from vgcli_core.model.checkpoint import Options, load_model

CPU = Options(device="cpu", dtype="float32")
MERGER = "geometry_merger.mlp.0.weight"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("saved") / "tiny")


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(tiny, folder)
    return folder


def edit(folder: Path, change) -> None:
    found = load_file(folder / "model.safetensors")
    change(found)
    save_file(found, folder / "model.safetensors")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_our_own_form_is_the_same_bits_and_the_same_model(tiny, tmp_path):
    done = export_checkpoint(tiny, tmp_path / "out")
    assert same(weights(done.folder), weights(tiny))
    assert (done.parameters, done.files, done.dtypes) == (683_008, 1, {"float32": 208})
    model, report = load_model(done.folder, CPU)
    before, _ = load_model(tiny, CPU)
    assert model.config == before.config
    assert (report.left_out, report.notes) == ({}, ())
    assert same(model.state_dict(), before.state_dict())
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (done.folder / name).read_bytes() == (tiny / name).read_bytes()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_another_dtype_is_rounded_once_and_stated_and_losses_are_counted(copy, tmp_path, dtype):
    def change(found):
        found[MERGER][0, :3] = torch.tensor([1e-45, 1e-9, 1.0])

    edit(copy, change)
    done = export_checkpoint(copy, tmp_path / "out", Wish(dtype=dtype))
    before, after = weights(copy), weights(done.folder)
    target = getattr(torch, dtype)
    assert same(after, {key: tensor.to(target) for key, tensor in before.items()})
    assert json.loads((done.folder / "config.json").read_text(encoding="utf-8"))["dtype"] == dtype
    # 1e-45 is below what either can hold, 1e-9 below float16 alone; the other weights are of order 0.02, or 0.
    lost = sum(int(((tensor.to(target) == 0) & (tensor != 0)).sum()) for tensor in before.values())
    assert lost >= (1 if dtype == "bfloat16" else 2)
    assert done.notes == (f"{lost:,} of 683,008 converted values became 0, most in {MERGER!r}",)


def test_values_too_large_for_a_dtype_are_counted_and_refused(copy, tmp_path):
    def change(found):
        found[MERGER][0, :3] = torch.tensor([7e4, -1e6, 6e4])

    edit(copy, change)
    with pytest.raises(CheckpointError, match=f"2 values of '{MERGER}' are too large for float16") as refused:
        export_checkpoint(copy, tmp_path / "out", Wish(dtype="float16"))
    assert "bfloat16" in refused.value.fix
    assert names(tmp_path) == ["copy"]


def test_infinities_that_were_there_before_are_no_loss(copy, tmp_path):
    edit(copy, lambda found: found[MERGER].fill_(torch.inf))
    done = export_checkpoint(copy, tmp_path / "out", Wish(dtype="float16"))
    assert weights(done.folder)[MERGER].isinf().all()


def test_tensors_of_several_dtypes_stay_as_they_are(copy, tmp_path):
    edit(copy, lambda found: found.update({MERGER: found[MERGER].to(torch.bfloat16)}))
    done = export_checkpoint(copy, tmp_path / "out")
    assert same(weights(done.folder), weights(copy))
    assert done.dtypes == {"bfloat16": 1, "float32": 207}


def test_shards_are_no_larger_than_asked_for_and_hold_the_same_bits(tiny, tmp_path):
    done = export_checkpoint(tiny, tmp_path / "out", Wish(max_shard_size="200 kb"))
    files = list(done.folder.glob("*.safetensors"))
    assert len(files) == done.files > 5
    held = [load_file(file) for file in files]
    assert all(len(one) == 1 or sum(t.numel() * 4 for t in one.values()) <= 200_000 for one in held)
    assert same(weights(done.folder), weights(tiny))
    again = export_checkpoint(done.folder, tmp_path / "whole")
    assert (again.folder / "model.safetensors").read_bytes() == (tiny / "model.safetensors").read_bytes()


@pytest.mark.parametrize("size", ["5", "GB", "-5GB", "0GB", "0.0001KB", "nanGB", "5GBs", "", "5PB"])
def test_a_size_that_cannot_be_meant_is_refused(tiny, tmp_path, size):
    with pytest.raises(UsageError, match="no size of a file"):
        export_checkpoint(tiny, tmp_path / "out", Wish(max_shard_size=size))
    assert names(tmp_path) == []


def test_a_torch_file_becomes_safetensors_of_the_same_bits(copy, tiny, tmp_path):
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    done = export_checkpoint(copy, tmp_path / "out")
    assert same(weights(done.folder), weights(tiny))


def test_a_plain_backbone_is_exported_as_one(tmp_path):
    plain = tiny_folder(tmp_path / "plain", geometry_encoder="none")
    done = export_checkpoint(plain, tmp_path / "out")
    assert same(weights(done.folder), weights(plain))
    assert not load_model(done.folder, CPU)[0].has_geometry


def test_special_parts_go_along(tmp_path):
    source = tiny_folder(tmp_path / "source", geometry_encoder="pi3", fusion="gated", patch_positions=True)
    done = export_checkpoint(source, tmp_path / "out")
    assert same(weights(done.folder), weights(source))
    assert load_model(done.folder, CPU)[0].config == load_model(source, CPU)[0].config


def test_a_licence_beside_the_weights_goes_along_and_strangers_do_not(copy, tmp_path):
    (copy / "LICENSE").write_text("terms", encoding="utf-8")
    (copy / "optimizer.pt").write_text("large", encoding="utf-8")
    done = export_checkpoint(copy, tmp_path / "out")
    assert (done.folder / "LICENSE").read_text(encoding="utf-8") == "terms"
    assert "optimizer.pt" not in names(done.folder)


def test_conventions_that_are_stated_are_recorded(tiny, tmp_path):
    done = export_checkpoint(tiny, tmp_path / "out", Wish(euler_convention="zxy", prompt_revision=1))
    config = load_model(done.folder, CPU)[0].config
    assert (config.euler_convention, config.prompt_revision) == ("zxy", 1)


def test_stated_angles_bring_the_prompts_of_their_time_as_they_do_when_a_model_is_asked(tiny, tmp_path):
    done = export_checkpoint(tiny, tmp_path / "out", Wish(euler_convention="zxy"))
    assert load_model(done.folder, CPU)[0].config.prompt_revision == 1


@pytest.mark.parametrize("at", ["weights", "text"])
def test_a_full_disk_leaves_nothing(tiny, tmp_path, monkeypatch, at):
    if at == "weights":

        def full(*_: object, **__: object) -> None:
            raise SafetensorError("No space left on device")

        monkeypatch.setattr("vgcli_core.model.weights.save_file", full)
    else:

        def no_space(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(shutil, "copyfile", no_space)
    with pytest.raises(OutputError, match="No space left"):
        export_checkpoint(tiny, tmp_path / "out")
    assert names(tmp_path) == []


def test_what_cannot_fit_is_refused_before_anything_is_written(tiny, tmp_path, monkeypatch):
    used = shutil.disk_usage(tmp_path)._replace(free=2_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: used)
    with pytest.raises(OutputError, match="takes 3 MB, and 2 MB are free"):
        export_checkpoint(tiny, tmp_path / "out")
    export_checkpoint(tiny, tmp_path / "half", Wish(dtype="bfloat16"))
    assert names(tmp_path) == ["half"]


def test_an_interruption_leaves_nothing_and_an_earlier_export_as_it_was(tiny, tmp_path):
    def stop(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_checkpoint(tiny, tmp_path / "out", progress=stop)
    assert names(tmp_path) == []
    done = export_checkpoint(tiny, tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        export_checkpoint(tiny, tmp_path / "out", Wish(dtype="bfloat16", overwrite=True), progress=stop)
    assert names(tmp_path) == ["out"]
    assert same(weights(done.folder), weights(tiny))


def test_a_damaged_file_is_told_and_leaves_nothing(copy, tmp_path):
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"cannot read model\.safetensors"):
        export_checkpoint(copy, tmp_path / "out")
    assert names(tmp_path) == ["copy"]


def test_a_checkpoint_without_a_tokenizer_is_refused(copy, tmp_path):
    (copy / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="no tokenizer"):
        export_checkpoint(copy, tmp_path / "out")
    assert names(tmp_path) == ["copy"]
