"""Where a run starts: what is loaded or built, in which dtype, and what a recipe may not say of its checkpoint."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from vgcli_core.errors import CheckpointError, UsageError
from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.lora import is_adapter
from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_model
from vgcli_core.training.parts import choose, part_of
from vgcli_core.training.recipe import Data, Recipe
from vgcli_core.training.sizes import sizes_of_recipe
from vgcli_core.training.start import Started, start

CPU = torch.device("cpu")
DATA = {"sets": {"rooms": {"dataset": "rooms"}}}


def recipe(*, trained: dict[str, Any] | None = None, precision: str = "fp32", seed: int = 0, **given: Any) -> Recipe:
    given = {"weights": "tiny", "frame_width": 140, **given}
    return Recipe.model_validate(
        {"data": DATA, "start": given, "trained": trained or {}, "run": {"precision": precision}, "seed": seed}
    )


def begin(wanted: Recipe, **options: Any) -> Started:
    return start(wanted, device=CPU, offline=True, **options)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A VG-LLM folder, a plain Qwen folder, and the weights of its geometry encoder, all tiny; and the sizes."""
    root = tmp_path_factory.mktemp("weights")
    model, tokenizer = tiny_model(seed=4)
    whole = save_model(model, root / "vgllm", tokenizer=tokenizer)
    plain = save_model(model, root / "qwen", tokenizer=tokenizer)
    (plain / "vgllm.json").unlink()
    weights = load_file(plain / "model.safetensors")
    switches = ("use_geometry", "geometry", "feature", "fusion", "reference")
    config = json.loads((plain / "config.json").read_text(encoding="utf-8"))
    kept = {key: value for key, value in config.items() if not key.startswith(switches)}
    (plain / "config.json").write_text(json.dumps(kept), encoding="utf-8")
    prefix = "geometry_encoder.vggt."
    encoder = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    bare = {name: value for name, value in weights.items() if name.startswith(("model.", "visual.", "lm_head."))}
    save_file(bare, plain / "model.safetensors", metadata={"format": "pt"})
    save_file(encoder, root / "vggt.safetensors")
    return {"vgllm": whole, "qwen": plain, "vggt": root / "vggt.safetensors"}


def sizes() -> dict[str, Any]:
    return tiny_model()[0].geometry_encoder.config.model_dump()


@pytest.mark.parametrize("geometry_encoder", ["vggt", "pi3", "none"])
def test_the_tiny_model_is_what_the_recipe_says_and_the_seed_decides_its_weights(geometry_encoder):
    choices = {"fusion": "gated", "merger": "avg", "reference_frame": "last"}
    started = begin(recipe(seed=3, frame_width=56, geometry_encoder=geometry_encoder, **choices))
    config = started.model.config
    assert (config.geometry_encoder, config.frame_width) == (geometry_encoder, 56)
    assert {name: getattr(config, name) for name in choices} == choices
    assert started.processor.frame_width == 56
    assert same(started.model, tiny_model(seed=3, geometry_encoder=geometry_encoder, **choices)[0])
    assert started.source == {"weights": {"name": "tiny", "seed": 3}}


def test_what_will_be_saved_says_what_the_training_data_meant():
    config = begin(recipe()).model.config
    assert (config.euler_convention, config.prompt_revision, config.untrained) == ("ZXY", 2, False)
    assert config.conventions_from == "trained on data prepared by vgllm"


def dtypes(started: Started) -> dict[str, set[torch.dtype]]:
    found: dict[str, set[torch.dtype]] = {}
    for name, parameter in started.model.named_parameters():
        found.setdefault(part_of(name), set()).add(parameter.dtype)
    return found


def test_frozen_parts_are_half_and_trained_ones_whole():
    started = begin(recipe(precision="bf16", trained={"connector": True}))
    half, whole = {torch.bfloat16}, {torch.float32}
    assert dtypes(started) == {
        "language_model": whole,
        "geometry_merger": whole,
        "connector": whole,
        "vision_tower": half,
        "geometry_encoder": half,
    }
    assert started.model.feature_dtype == torch.bfloat16
    assert all(b.dtype == torch.float32 for b in started.model.buffers() if b.is_floating_point())


def test_everything_is_half_where_another_keeps_the_masters():
    assert set().union(*dtypes(begin(recipe(precision="bf16"), master=False)).values()) == {torch.bfloat16}


def test_everything_is_whole_in_a_run_without_half_precision():
    started = begin(recipe(), master=False)
    assert set().union(*dtypes(started).values()) == {torch.float32}
    assert started.model.feature_dtype == torch.float32


def test_below_adapters_the_language_model_is_half():
    wanted = recipe(precision="bf16", trained={"language_model": "lora"})
    started = begin(wanted)
    choose(started.model, wanted.trained, wanted.lora)
    for name, parameter in started.model.named_parameters():
        if part_of(name) == "language_model":
            assert parameter.dtype == (torch.float32 if is_adapter(name) else torch.bfloat16)


def test_a_vgllm_checkpoint_is_taken_as_it_is(folders):
    started = begin(recipe(weights=str(folders["vgllm"]), geometry_weights=None, merger_hidden=64))
    assert same(started.model, tiny_model(seed=4)[0])
    assert not started.model.config.untrained
    source = started.source["weights"]
    files = {"config.json", "generation_config.json", "model.safetensors", "vgllm.json"}
    assert set(source["files"]) == files | {"tokenizer.json", "tokenizer_config.json"}
    content = (folders["vgllm"] / "model.safetensors").read_bytes()
    assert source["files"]["model.safetensors"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert (source["folder"], source["revision"]) == (str(folders["vgllm"]), None)


def test_training_never_writes_into_the_files_it_started_from(folders):
    before = (folders["vgllm"] / "model.safetensors").read_bytes()
    started = begin(recipe(weights=str(folders["vgllm"]), geometry_weights=None, merger_hidden=64))
    with torch.no_grad():
        for parameter in started.model.parameters():
            parameter.add_(1.0)
    assert (folders["vgllm"] / "model.safetensors").read_bytes() == before


def test_around_a_plain_backbone_the_recipes_own_fusion_is_built_by_its_seed(folders):
    given = {
        "weights": str(folders["qwen"]),
        "geometry_weights": str(folders["vggt"]),
        "fusion": "concat",
        "merger": "avg",
        "merger_hidden": 32,
        "reference_frame": "last",
    }
    one, again, other = (begin(recipe(seed=seed, **given), sizes=sizes()) for seed in (1, 1, 2))
    config = one.model.config
    assert (config.fusion, config.merger, config.merger_hidden, config.reference_frame) == ("concat", "avg", 32, "last")
    assert same(one.model, again.model)
    assert not torch.equal(one.model.geometry_merger.mlp[0].weight, other.model.geometry_merger.mlp[0].weight)
    tiny, _ = tiny_model(seed=4)
    assert same(one.model.backbone, tiny.backbone)
    assert same(one.model.geometry_encoder, tiny.geometry_encoder)
    assert set(one.source) == {"weights", "geometry_weights"}


def other_encoder(tmp_path: Path, **sizes: Any) -> Path:
    """Save a whole model whose geometry encoder has weights of its own."""
    model, tokenizer = tiny_model(seed=9)
    folder = save_model(model, tmp_path / "other", tokenizer=tokenizer)
    saved = json.loads((folder / "vgllm.json").read_text(encoding="utf-8"))
    (folder / "vgllm.json").write_text(json.dumps({**saved, "geometry": {**saved["geometry"], **sizes}}))
    return folder


@pytest.mark.parametrize("weights", ["vgllm", "qwen"])
def test_the_geometry_encoder_may_be_that_of_another_of_our_models(folders, tmp_path, weights):
    given = {"weights": str(folders[weights]), "geometry_weights": str(other_encoder(tmp_path)), "merger_hidden": 64}
    started = begin(recipe(**given))
    assert same(started.model.geometry_encoder, tiny_model(seed=9)[0].geometry_encoder)
    assert same(started.model.backbone, tiny_model(seed=4)[0].backbone)
    assert started.source["geometry_weights"]["folder"] == given["geometry_weights"]
    if weights == "vgllm":
        assert same(started.model.geometry_merger, tiny_model(seed=4)[0].geometry_merger)
        assert any("is replaced by" in note for note in started.notes)


def test_a_geometry_encoder_of_other_sizes_is_refused_where_shapes_do_not_tell(folders, tmp_path):
    other = other_encoder(tmp_path, num_heads=2)
    wanted = recipe(weights=str(folders["vgllm"]), geometry_weights=str(other), merger_hidden=64)
    with pytest.raises(CheckpointError, match="its geometry encoder has num_heads 2, and that of the model has 4"):
        begin(wanted)


def test_a_random_geometry_encoder_is_drawn_by_the_seed_and_leaves_the_rest_alone(folders):
    given = {"weights": str(folders["vgllm"]), "geometry_weights": "random", "merger_hidden": 64}
    one, again, other = (begin(recipe(seed=seed, **given)) for seed in (1, 1, 2))
    assert same(one.model, again.model)
    assert not same(one.model.geometry_encoder, other.model.geometry_encoder)
    tiny, _ = tiny_model(seed=4)
    assert not same(one.model.geometry_encoder, tiny.geometry_encoder)
    assert same(one.model.geometry_merger, tiny.geometry_merger)
    assert same(one.model.backbone, tiny.backbone)
    assert one.source["geometry_weights"] == {"name": "random", "seed": 1}
    assert any("are random" in note for note in one.notes)
    with pytest.raises(UsageError, match="holds no geometry encoder"):
        begin(recipe(**{**given, "weights": str(folders["qwen"])}))


BLIND = {"blind": True, "geometry_encoder": "none", "geometry_weights": None}


@pytest.mark.parametrize("weights", ["tiny", "small", "vgllm"])
def test_a_blind_model_can_be_trained_and_is_never_taken_for_a_seeing_one(folders, tmp_path, weights):
    started = begin(recipe(weights=str(folders.get(weights, weights)), **BLIND))
    assert started.model.config.blind
    assert not started.model.config.patch_positions
    save_model(started.model, tmp_path / "blind", tokenizer=started.tokenizer)
    assert begin(recipe(weights=str(tmp_path / "blind"), **BLIND)).model.config.blind
    with pytest.raises(UsageError, match=r"the recipe says false, and .* has true") as caught:
        begin(recipe(weights=str(tmp_path / "blind"), geometry_encoder="none", geometry_weights=None))
    assert caught.value.where == "start.blind"


@pytest.mark.parametrize("given", [{"geometry_encoder": "vggt"}, {"patch_positions": True}, {"vision_tower": True}])
def test_a_recipe_for_the_blind_has_nothing_to_see_with(given):
    trained = {key: value for key, value in given.items() if key == "vision_tower"}
    seen = {key: value for key, value in given.items() if key != "vision_tower"}
    with pytest.raises(ValidationError, match=r"start\.blind is true"):
        recipe(trained=trained, **{**BLIND, **seen})


def test_positions_are_new_where_weights_have_none_and_kept_where_they_do(folders, tmp_path):
    given = {"geometry_weights": None, "merger_hidden": 64}
    started = begin(recipe(weights=str(folders["vgllm"]), patch_positions=True, **given))
    assert not bool(started.model.patch_positions.weight.any())
    torch.nn.init.ones_(started.model.patch_positions.weight)
    save_model(started.model, tmp_path / "model", tokenizer=started.tokenizer)
    for choice in (True, False):
        kept = begin(recipe(weights=str(tmp_path / "model"), patch_positions=choice, **given)).model
        assert bool((kept.patch_positions.weight == 1).all())
    assert begin(recipe(weights="small", frame_width=168)).model.config.patch_positions
    assert not begin(recipe()).model.config.patch_positions


@pytest.mark.parametrize(("counts", "known"), [((4, 4), 4), ((4, 6), None), ((4, None), None), ((None,), None)])
def test_the_model_knows_how_many_frames_it_always_saw(counts, known):
    sets = {f"set{at}": {"dataset": "rooms", "num_frames": count} for at, count in enumerate(counts)}
    wanted = recipe().model_copy(update={"data": Data.model_validate({"sets": sets})})
    assert begin(wanted).model.config.num_frames == known


def test_a_plain_backbone_can_be_trained_without_geometry(folders):
    started = begin(recipe(weights=str(folders["qwen"]), geometry_encoder="none"))
    assert not started.model.has_geometry
    assert same(started.model.backbone, tiny_model(seed=4)[0].backbone)
    assert set(started.source) == {"weights"}


def test_a_recipe_without_geometry_drops_that_of_its_checkpoint_and_says_so(folders, tmp_path):
    started = begin(recipe(weights=str(folders["vgllm"]), geometry_encoder="none"))
    assert any("geometry" in note and "left out" in note for note in started.notes)
    assert same(started.model.backbone, tiny_model(seed=4)[0].backbone)
    save_model(started.model, tmp_path / "trained", tokenizer=started.tokenizer)
    again, report = load_model(tmp_path / "trained", Options(device="cpu", dtype="float32"))
    assert not again.has_geometry
    assert report.left_out == {}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"geometry_encoder": "pi3"}, "vggt"),
        ({"fusion": "gated"}, "add"),
        ({"merger": "avg"}, "mlp"),
        ({"merger_hidden": 4096}, "64"),
        ({"reference_frame": "last"}, "first"),
    ],
)
def test_a_recipe_that_contradicts_its_checkpoint_is_refused(folders, given, found):
    wanted = recipe(**{"weights": str(folders["vgllm"]), "geometry_weights": None, "merger_hidden": 64, **given})
    with pytest.raises(UsageError) as caught:
        begin(wanted)
    assert caught.value.what.endswith(f" has {found}")
    assert caught.value.where == f"start.{next(iter(given))}"


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"weights": "small", "geometry_encoder": "pi3", "geometry_weights": None}, "geometry_encoder"),
        ({"weights": "small", "geometry_weights": "runs/rooms-geometry/model"}, "geometry_weights"),
        ({"weights": "tiny", "geometry_weights": "runs/rooms-geometry/model"}, "geometry_weights"),
        ({"weights": "small", "merger_hidden": 64}, "merger_hidden"),
        ({"weights": "tiny", "merger_hidden": 256}, "merger_hidden"),
    ],
)
def test_a_model_that_is_drawn_anew_is_refused_where_it_is_not_as_the_recipe_says(given, key):
    for asked in (begin, sizes_of_recipe):
        with pytest.raises(UsageError) as caught:
            asked(recipe(**given))
        assert caught.value.where == f"start.{key}"
        assert caught.value.fix


@pytest.mark.parametrize(
    "given", [{"weights": "small", "merger_hidden": 256}, {"weights": "tiny", "merger_hidden": 64}]
)
@pytest.mark.parametrize("geometry_weights", [None, "random"])
def test_a_model_that_is_drawn_anew_may_be_described_as_it_is(given, geometry_weights):
    assert (
        begin(recipe(**given, geometry_weights=geometry_weights)).model.config.merger_hidden == given["merger_hidden"]
    )


def test_a_plain_backbone_needs_geometry_weights_of_the_named_encoder(folders):
    with pytest.raises(UsageError, match="holds no geometry encoder") as caught:
        begin(recipe(weights=str(folders["qwen"]), geometry_weights=None))
    assert caught.value.where == "start.geometry_weights"
    wrong = recipe(weights=str(folders["qwen"]), geometry_weights=str(folders["vggt"]), geometry_encoder="pi3")
    with pytest.raises(UsageError, match=r"the recipe says pi3, and .* has vggt"):
        begin(wrong)


def test_a_folder_that_is_not_there_is_told_by_name():
    with pytest.raises(CheckpointError, match="nowhere"):
        begin(recipe(weights="./nowhere"))


def test_a_shared_embedding_stays_shared(folders, tmp_path):
    model, tokenizer = tiny_model()
    folder = save_model(model, tmp_path / "tied", tokenizer=tokenizer)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}), encoding="utf-8")
    started = begin(recipe(precision="bf16", weights=str(folder), geometry_weights=None, merger_hidden=64))
    inner = started.model.backbone.model
    assert inner.lm_head.weight is inner.get_input_embeddings().weight
    assert inner.lm_head.weight.dtype == torch.float32
