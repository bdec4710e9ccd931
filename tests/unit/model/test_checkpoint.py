"""Loading: the four forms of a checkpoint, and what is said when one is incomplete, foreign or damaged."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vgcli_core.errors import CheckpointError, OutputError, ResourceError, UsageError
from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_model

CPU = Options(device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    model, tokenizer = tiny_model()
    return save_model(model, tmp_path_factory.mktemp("saved") / "tiny", tokenizer=tokenizer)


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "model"
    shutil.copytree(saved, copy)
    return copy


def edit(folder: Path, change) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


def test_our_own_form_remembers_sizes_conventions_and_that_it_is_untrained(saved):
    model, report = load_model(saved, CPU)
    assert (report.layout, report.left_out, report.notes) == ("generation-2", {}, ())
    assert model.config.frame_width == 140
    assert (model.config.euler_convention, model.config.prompt_revision) == ("ZXY", 2)
    assert model.config.untrained


def test_shards_load_as_one_model(saved, tmp_path):
    model, _ = load_model(saved, CPU)
    folder = save_model(model, tmp_path / "sharded", max_shard_size="100KB")
    assert len(list(folder.glob("*.safetensors"))) > 5
    again, _ = load_model(folder, CPU)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))


def test_a_missing_shard_is_named_with_a_key_it_should_hold(saved, tmp_path):
    model, _ = load_model(saved, CPU)
    folder = save_model(model, tmp_path / "sharded", max_shard_size="100KB")
    victim = sorted(folder.glob("*.safetensors"))[3]
    victim.unlink()
    with pytest.raises(CheckpointError) as caught:
        load_model(folder, CPU)
    assert victim.name in str(caught.value)
    assert "which lists" in caught.value.where


def test_a_shard_that_lacks_a_key_of_the_index_is_refused(saved, tmp_path):
    model, _ = load_model(saved, CPU)
    folder = save_model(model, tmp_path / "sharded", max_shard_size="100KB")
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    key, file = next(iter(index["weight_map"].items()))
    weights = load_file(folder / file)
    del weights[key]
    save_file(weights, folder / file)
    with pytest.raises(CheckpointError, match="lacks") as caught:
        load_model(folder, CPU)
    assert key in str(caught.value)


def test_an_index_cannot_name_a_file_outside_its_folder(folder):
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../elsewhere.safetensors"}}))
    with pytest.raises(CheckpointError, match="outside its folder"):
        load_model(folder, CPU)


def test_missing_weights_are_counted_and_named(folder):
    edit(folder, lambda weights: [weights.pop(k) for k in list(weights) if k.startswith("geometry_merger.mlp.0")])
    with pytest.raises(CheckpointError, match=r"2 parameters: geometry_merger\.mlp\.0") as caught:
        load_model(folder, CPU)
    assert str(folder) in caught.value.where


def test_unexpected_weights_are_refused_with_their_file(folder):
    edit(folder, lambda weights: weights.update(stranger=torch.zeros(2)))
    with pytest.raises(CheckpointError, match=r"stranger \(model\.safetensors\)"):
        load_model(folder, CPU)


def test_a_wrong_shape_is_told_with_both_shapes_and_the_published_name(folder):
    def change(weights):
        weights["visual.blocks.0.norm1.weight"] = torch.zeros(7)

    edit(folder, change)
    with pytest.raises(CheckpointError, match=r"'visual\.blocks\.0\.norm1\.weight' has shape \[7\], .*\[64\]"):
        load_model(folder, CPU)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_truncated_file_is_refused_by_name(folder, share):
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match=r"cannot read model\.safetensors") as caught:
        load_model(folder, CPU)
    assert "again" in caught.value.fix


def test_no_weights_and_no_config_are_different_errors(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no weights found"):
        load_model(folder, CPU)
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        load_model(folder, CPU)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.json", "{", "cannot read config.json"),
        ("config.json", "[1]", "not a JSON object"),
        ("config.json", '{"vision_config": 3}', "does not describe a model"),
        ("vgllm.json", '{"format": 1, "fushion": "add"}', "fushion"),
        ("vgllm.json", '{"format": 2}', "format"),
        ("vgllm.json", '{"fusion": "mean"}', "unknown fusion 'mean'"),
        ("vgllm.json", '{"geometry_encoder": "vgt"}', "unknown geometry encoder 'vgt'"),
        ("vgllm.json", '{"geometry": {"depht": 3}}', "depht"),
    ],
)
def test_bad_configuration_is_told_by_file_and_field(folder, file, text, message):
    (folder / file).write_text(text)
    with pytest.raises(Exception, match=message) as caught:
        load_model(folder, CPU)
    assert type(caught.value).__module__ == "vgcli_core.errors"


def test_a_pickle_that_holds_code_is_refused_and_not_run(folder, tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "was_run",))

    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"visual.x": Evil()}))
    with pytest.raises(CheckpointError, match="plain tensors"):
        load_model(folder, CPU)
    assert not (tmp_path / "was_run").exists()


def test_plain_tensors_in_a_torch_file_load(folder, saved):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    again, _ = load_model(folder, CPU)
    first, _ = load_model(saved, CPU)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))


def as_plain(saved: Path, folder: Path) -> dict[str, torch.Tensor]:
    """Write the backbone alone, as a Qwen2.5-VL folder; return the geometry encoder's weights."""
    folder.mkdir()
    weights = load_file(saved / "model.safetensors")
    roots = ("visual.", "model.", "lm_head.")
    save_file({k: v for k, v in weights.items() if k.startswith(roots)}, folder / "model.safetensors")
    plain = json.loads((saved / "config.json").read_text())
    kept = {k: v for k, v in plain.items() if not k.startswith(("use_geometry", "geometry", "feature", "fusion"))}
    (folder / "config.json").write_text(json.dumps(kept))
    prefix = "geometry_encoder.vggt."
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def test_a_plain_backbone_loads_without_geometry_and_says_so(saved, tmp_path):
    as_plain(saved, tmp_path / "qwen")
    model, report = load_model(tmp_path / "qwen", CPU)
    assert report.layout == "plain"
    assert not model.has_geometry
    assert model.config.euler_convention is None
    assert any("no geometry" in note for note in report.notes)


@pytest.mark.parametrize("form", ["folder", "file", "torch"])
def test_a_plain_backbone_with_an_encoder_beside_it_is_what_training_starts_from(saved, tmp_path, form):
    encoder = as_plain(saved, tmp_path / "qwen")
    encoder["depth_head.norm.weight"] = torch.zeros(3)
    source = tmp_path / "vggt"
    source.mkdir()
    if form == "torch":
        torch.save(encoder, source / "model.pt")
    else:
        save_file(encoder, source / "model.safetensors")
    sizes = json.loads((saved / "vgllm.json").read_text())["geometry"]
    options = Options(device="cpu", dtype="float32", geometry_sizes=sizes)
    model, report = load_model(
        tmp_path / "qwen", options, geometry=source / "model.safetensors" if form == "file" else source
    )
    assert model.has_geometry
    assert report.left_out == {"part of vggt that no feature depends on": 1}
    assert any("untrained" in note for note in report.notes)
    token = model.geometry_encoder.aggregator.camera_token
    assert torch.equal(token, encoder["aggregator.camera_token"])
    assert 0.015 < float(model.geometry_merger.mlp[0].weight.detach().std()) < 0.025
    assert float(model.geometry_merger.mlp[0].bias.detach().abs().max()) == 0
    again, _ = load_model(tmp_path / "qwen", options, geometry=source)
    assert torch.equal(again.geometry_merger.mlp[0].weight, model.geometry_merger.mlp[0].weight), "not seeded"


def test_a_file_that_is_no_encoder_is_refused(saved, tmp_path):
    as_plain(saved, tmp_path / "qwen")
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="not weights of a geometry encoder"):
        load_model(tmp_path / "qwen", CPU, geometry=tmp_path / "other.safetensors")


def test_names_of_both_generations_in_one_folder_are_refused(folder):
    edit(folder, lambda weights: weights.update({"vggt.aggregator.camera_token": torch.zeros(1)}))
    with pytest.raises(CheckpointError, match="both generations"):
        load_model(folder, CPU)


def test_a_stated_convention_outranks_the_recorded_one(saved):
    model, report = load_model(saved, Options(device="cpu", euler_convention="zxy", prompt_revision=1))
    assert (model.config.euler_convention, model.config.prompt_revision) == ("zxy", 1)
    assert model.config.conventions_from == "stated by the user"
    assert any("as you stated" in note and "ZXY, revision 2" in note for note in report.notes)


def test_known_published_names_carry_their_conventions():
    from vgcli_core.model.conventions import conventions_of

    known, notes = conventions_of("someone/VGLLM_for_3D_Scene_Understanding_4B", "generation-1")
    assert (known.euler, known.revision, notes) == ("zxy", 1, ())
    known, notes = conventions_of("someone/vgllm-3d-vggt-8b", "generation-2")
    assert (known.euler, known.revision, notes) == ("ZXY", 2, ())
    assert conventions_of("someone/vgllm-3d-vggt-8b", "generation-1")[0].euler == "zxy", "a name outranked the weights"
    unknown, notes = conventions_of("my-run", "generation-2")
    assert (unknown.euler, len(notes)) == ("ZXY", 1)
    assert conventions_of("my-run", "plain")[0].euler is None


def test_saving_never_overwrites_and_leaves_nothing_behind_on_failure(saved, tmp_path):
    model, _ = load_model(saved, CPU)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    with pytest.raises(OutputError, match="not empty"):
        save_model(model, tmp_path / "full")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        save_model(model, tmp_path / "file" / "below")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "full"]


def test_bfloat16_loads_and_answers_nearly_the_same(saved):
    exact, _ = load_model(saved, CPU)
    half, _ = load_model(saved, Options(device="cpu", dtype="bfloat16"))
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    frames = torch.rand(2, 3, 84, 140, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a, b = exact.geometry_features(frames), half.geometry_features(frames)
    assert b.dtype == torch.float32
    assert float((a - b).abs().mean()) < 0.03 * float(a.abs().mean())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (Options(device="tpu9"), UsageError, "unknown device"),
        (Options(device="cuda:99"), ResourceError, "no device"),
        (Options(device="cpu", dtype="float8"), UsageError, "unknown dtype"),
        (Options(device="cpu", attention="fast"), UsageError, "unknown attention"),
        (Options(device="cpu", attention="flash"), ResourceError, "flash-attn"),
    ],
)
def test_a_device_dtype_or_attention_that_is_not_there_is_told(saved, options, error, message):
    with pytest.raises(error, match=message):
        load_model(saved, options)


def test_weights_larger_than_the_memory_are_refused_with_advice():
    from vgcli_core.model.device import choose_placement

    with pytest.raises(ResourceError, match="GiB") as caught:
        choose_placement(device="cpu", dtype="float32", attention="auto", parameters=10**13, saved_dtype="float32")
    assert "--dtype bfloat16" in caught.value.fix


def test_hub_names_are_looked_up_offline_in_the_cache_and_missing_ones_explained(tmp_path):
    from vgcli_core.model.hub import checkpoint_folder

    with pytest.raises(CheckpointError, match="hub cache") as caught:
        checkpoint_folder("nobody/nothing-here", offline=True)
    assert "HF_HOME" in caught.value.fix
    for wrong in ("./nothing", "a/b/c", "nothing-here"):
        with pytest.raises(CheckpointError, match="no folder or file"):
            checkpoint_folder(wrong)
    assert checkpoint_folder(tmp_path) == tmp_path


def test_the_published_generation_config_stays_in_force_through_load_and_save(folder, tmp_path):
    # As the published backbone has it: sampling settings, a penalty, and two end tokens.
    published = {"do_sample": True, "temperature": 1e-6, "repetition_penalty": 1.05, "eos_token_id": [3, 5]}
    (folder / "generation_config.json").write_text(json.dumps(published))
    model, _ = load_model(folder, CPU)
    again, _ = load_model(save_model(model, tmp_path / "again"), CPU)
    for found in (model, again):
        config = found.backbone.model.generation_config
        assert (config.repetition_penalty, config.eos_token_id) == (1.05, [3, 5])


@pytest.mark.parametrize("text", ["{", '{"eos_token_id": "end"}', '{"repetition_penalty": "high"}'])
def test_a_broken_generation_config_is_told_by_file(folder, text):
    (folder / "generation_config.json").write_text(text)
    with pytest.raises(CheckpointError) as caught:
        load_model(folder, CPU)
    assert "generation_config.json" in str(caught.value)


def test_a_stale_copy_of_a_weight_in_another_shard_is_refused(saved, tmp_path):
    model, _ = load_model(saved, CPU)
    folder = save_model(model, tmp_path / "sharded", max_shard_size="100KB")
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    key = next(iter(index))
    other = folder / next(file for file in sorted(set(index.values())) if file != index[key])
    save_file({**load_file(other), key: load_file(folder / index[key])[key] + 1}, other)
    with pytest.raises(CheckpointError, match="against the index"):
        load_model(folder, CPU)


def test_two_names_for_one_weight_are_refused(folder):
    def change(weights):
        weights["model.language_model.norm.weight"] = weights["model.norm.weight"] + 1

    edit(folder, change)
    with pytest.raises(CheckpointError, match="same parameter under two names"):
        load_model(folder, CPU)


def test_weights_that_are_no_floating_point_numbers_are_refused(folder):
    def change(weights):
        weights["model.norm.weight"] = weights["model.norm.weight"].to(torch.int32)

    edit(folder, change)
    with pytest.raises(CheckpointError, match="floating point"):
        load_model(folder, CPU)


def test_an_encoder_given_on_top_replaces_the_whole_encoder_and_says_so(saved, tmp_path):
    encoder = as_plain(saved, tmp_path / "qwen")
    other = {key: value + 1 for key, value in encoder.items()}
    save_file(other, tmp_path / "vggt.safetensors")
    model, report = load_model(saved, CPU, geometry=tmp_path / "vggt.safetensors")
    assert torch.equal(model.geometry_encoder.aggregator.camera_token, other["aggregator.camera_token"])
    assert report.left_out == {"geometry encoder, replaced by the one given": len(encoder)}
    assert any("replaced" in note for note in report.notes)
    del other["aggregator.camera_token"]
    save_file(other, tmp_path / "vggt.safetensors")
    with pytest.raises(CheckpointError, match=r"1 parameter: aggregator\.camera_token") as caught:
        load_model(saved, CPU, geometry=tmp_path / "vggt.safetensors")
    assert caught.value.where.endswith("vggt.safetensors")


def test_missing_weights_of_generation_one_are_named_as_in_its_files(saved, tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    weights = load_file(saved / "model.safetensors")
    renames = {"geometry_encoder.vggt.": "vggt.", "geometry_merger.": "merger."}
    for old, new in renames.items():
        weights = {k.replace(old, new, 1) if k.startswith(old) else k: v for k, v in weights.items()}
    del weights["vggt.aggregator.camera_token"]
    save_file(weights, folder / "model.safetensors")
    plain = json.loads((saved / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**plain, "use_vggt_feature": True}))
    sizes = json.loads((saved / "vgllm.json").read_text())["geometry"]
    with pytest.raises(CheckpointError, match=r"1 parameter: vggt\.aggregator\.camera_token"):
        load_model(folder, Options(device="cpu", geometry_sizes=sizes))


def test_a_head_that_the_configuration_ties_away_is_told(folder):
    plain = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**plain, "tie_word_embeddings": True}))
    model, report = load_model(folder, CPU)
    assert model.backbone.tied
    assert any("lm_head.weight" in note and "not used" in note for note in report.notes)
    assert report.left_out == {"output head, which this model ties to its embedding": 1}


@pytest.mark.parametrize(
    "wrong", [{"fusion_num_layers": "two"}, {"geometry_merger_hidden_dim": -3}, {"feature_fusion_method": ["add"]}]
)
def test_values_of_a_published_config_that_make_no_sense_are_told(folder, wrong):
    (folder / "vgllm.json").unlink()
    plain = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**plain, **wrong}))
    with pytest.raises(CheckpointError):
        load_model(folder, CPU)


@pytest.mark.parametrize("name", ["foo", "disk"])
def test_an_unknown_device_map_is_a_usage_error(saved, name):
    with pytest.raises(UsageError, match="device map"):
        load_model(saved, Options(device_map=name))


def test_a_device_map_gives_the_same_model(saved):
    split, _ = load_model(saved, Options(dtype="float32", device_map="auto"))
    whole, _ = load_model(saved, CPU)
    assert all(torch.equal(a.cpu(), b) for a, b in zip(split.parameters(), whole.parameters(), strict=True))


def test_loading_in_threads_keeps_dtypes_apart_and_the_default_alone(saved):
    from concurrent.futures import ThreadPoolExecutor

    wanted = ["float32", "bfloat16"] * 4
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(lambda name: load_model(saved, Options(device="cpu", dtype=name))[0], wanted))
    for name, model in zip(wanted, models, strict=True):
        assert {p.dtype for p in model.parameters()} == {getattr(torch, name)}
    assert torch.get_default_dtype() == torch.float32
