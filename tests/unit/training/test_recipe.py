"""The recipes that come with vgllm: each loads, says what the paper says, and is described in the README."""

import itertools
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from vgcli_core.data.rooms.presets import DEMO as DEMO_OPTIONS
from vgcli_core.data.sources import DATASETS
from vgcli_core.recipes_folder import recipes_folder
from vgcli_core.training.recipe import DataSet, Recipe
from vgcli_core.training.recipe_files import load_recipe, recipes
from vgcli_core.training.recipe_words import known_keys, meaning
from vgcli_core.training.sets import set_command

NAMES = sorted(path.stem for path in recipes_folder().glob("*.yaml"))
DEMO = ("rooms-geometry", "rooms-vision", "rooms")
ARMS = ("rooms-arm", "rooms-no-geometry", "rooms-random-geometry", "rooms-text-only")
OURS = ("toy", *DEMO, *ARMS)
GEOMETRY = [name for name in NAMES if name.endswith("-no-geometry")]
LORA = [name for name in NAMES if name.endswith("-lora")]


def key_rows() -> list[str]:
    """The table of keys as the README has to show it."""
    rows = []
    for keys, field in known_keys().items():
        default = field.default
        shown = "" if default is PydanticUndefined or isinstance(default, BaseModel) else str(default)
        shown = f"[{', '.join(map(str, default))}]" if isinstance(default, tuple) else shown
        shown = {"None": "null", "True": "true", "False": "false"}.get(shown, shown)
        rows.append(f"| `{'.'.join(keys)}` | {shown} | {meaning(field)} |")
    return rows


def differences(one: Recipe, other: Recipe) -> set[str]:
    return {name for name in Recipe.model_fields if getattr(one, name) != getattr(other, name)}


def test_the_promised_recipes_are_there():
    both = ["", "-8b", "-lora", "-8b-lora", "-no-geometry", "-8b-no-geometry", "-v1"]
    assert set(NAMES) == {*OURS} | {f"{task}{form}" for task in ("spatial", "scene") for form in both}
    assert list(recipes()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_loads_and_its_sets_can_be_prepared_as_it_says(name):
    recipe = load_recipe(name)
    assert recipe.description
    for key, wanted in recipe.data.sets.items():
        dataset = DATASETS[wanted.dataset]
        assert wanted.split in dataset.splits
        words = set_command(dataset, wanted, Path("data") / key).split()
        assert words[:3] == ["vgllm", "prepare", wanted.dataset]
        options = {word.partition("=")[0] for before, word in itertools.pairwise(words) if before == "--set"}
        assert options <= {option.name for option in dataset.options}


def test_published_files_say_where_they_are_from():
    for path in recipes_folder().rglob("*.yaml"):
        head = path.read_text(encoding="utf-8")
        assert head.startswith("# "), path
        published = "lora" not in path.stem and path.stem not in (*OURS, "8b")
        assert ("arXiv 2505.24625v" in head) == published, path
        if path.parent == recipes_folder() and path.stem not in OURS:
            assert "ublished time" in head or "no published time" in head, path


@pytest.mark.parametrize("name", ["spatial", "scene", "spatial-8b", "scene-8b"])
def test_the_current_form_is_the_published_one(name):
    recipe = load_recipe(name)
    size = "7B" if name.endswith("8b") else "3B"
    assert recipe.start.weights == f"Qwen/Qwen2.5-VL-{size}-Instruct"
    assert (recipe.start.geometry_encoder, recipe.start.geometry_weights) == ("vggt", "facebook/VGGT-1B")
    assert (recipe.start.fusion, recipe.start.merger, recipe.start.merger_hidden) == ("add", "mlp", 4096)
    assert (recipe.start.reference_frame, recipe.start.frame_width) == ("first", 518)
    assert recipe.trained.model_dump() == {
        "language_model": "full",
        "geometry_merger": True,
        "connector": False,
        "vision_tower": False,
        "geometry_encoder": False,
    }
    assert (recipe.run.epochs, recipe.run.max_steps, recipe.seed) == (1, None, 0)
    assert (recipe.run.precision, recipe.run.checkpoint_gradients, recipe.run.zero) == ("bf16", True, 2)
    assert (recipe.batch.size, recipe.batch.micro, recipe.batch.by_tag, recipe.batch.packing) == (64, 1, True, False)
    assert (recipe.optim.lr, recipe.optim.merger_lr, recipe.optim.vision_lr) == (0.00001, None, None)
    assert (recipe.optim.warmup, recipe.optim.weight_decay, recipe.optim.schedule) == (0.03, 0.01, "cosine")
    assert recipe.data.max_length == 12800
    assert recipe.validation.hold_out == 0


def test_the_mixtures_are_the_published_ones():
    spatial, scene = load_recipe("spatial").data.sets, load_recipe("scene").data.sets
    assert {key: (one.dataset, one.share, one.prepare) for key, one in spatial.items()} == {
        "spar": ("spar", 1.0, "--set share=0.03"),
        "llava_hound": ("llava_hound", 1.0, "--set share=0.25"),
    }
    assert {key: (one.dataset, one.share, one.num_frames) for key, one in scene.items()} == {
        "scan2cap": ("scan2cap", 1.0, 32),
        "scanrefer": ("scanrefer", 1.0, 32),
        "scannet_det": ("scannet_det", 1.0, 4),
    }


@pytest.mark.parametrize("task", ["spatial", "scene"])
def test_the_first_form_differs_where_the_paper_did(task):
    old, new = load_recipe(f"{task}-v1"), load_recipe(task)
    assert (old.batch.size, old.optim.lr, old.data.max_length) == (16, 0.000005, 9216)
    assert differences(old, new) == {"description", "batch", "optim", "data"}
    assert old.start.reference_frame == "first"
    frames = {key: (one.folder, one.num_frames) for key, one in old.data.sets.items()}
    if task == "scene":
        assert frames == {
            "scan2cap": ("scan2cap_16frames", 16),
            "scanrefer": ("scanrefer_24frames", 24),
            "scannet_det": ("", 4),
        }


@pytest.mark.parametrize("name", GEOMETRY)
def test_a_baseline_differs_in_the_geometry_alone(name):
    whole = "rooms-arm" if name in ARMS else name.removesuffix("-no-geometry")
    baseline, whole = load_recipe(name), load_recipe(whole)
    assert differences(baseline, whole) == {"description", "start"}
    changed = {"geometry_encoder": "none", "geometry_weights": None}
    assert baseline.start == whole.start.model_copy(update=changed)


@pytest.mark.parametrize("name", LORA)
def test_adapters_change_what_learns_and_how_fast(name):
    small, whole = load_recipe(name), load_recipe(name.removesuffix("-lora"))
    assert differences(small, whole) == {"description", "trained", "optim", "run"}
    assert (small.trained.language_model, small.trained.geometry_merger, small.run.zero) == ("lora", True, 0)
    assert (small.optim.lr, small.optim.merger_lr) == (0.0001, whole.optim.lr)


def test_the_toy_runs_on_a_cpu_with_no_download():
    recipe = load_recipe("toy")
    assert (recipe.start.weights, recipe.start.geometry_weights) == ("tiny", None)
    assert (recipe.run.precision, recipe.run.zero) == ("fp32", 0)
    assert set_command(DATASETS["rooms"], recipe.data.sets["rooms"], Path("data/rooms")) == (
        "vgllm prepare rooms --scenes 20 --out data/rooms"
    )


def test_each_stage_of_the_demo_starts_from_what_the_earlier_ones_wrote():
    geometry, vision, rooms = map(load_recipe, DEMO)
    assert (geometry.start.weights, vision.start.weights) == ("small", "small")
    assert (rooms.start.weights, rooms.start.geometry_weights) == (
        "runs/rooms-vision/model",
        "runs/rooms-geometry/model",
    )
    same = [{(one.folder, one.prepare) for one in recipe.data.sets.values()} for recipe in (geometry, vision, rooms)]
    assert len(same[0]) == 1
    assert same[0] == same[1] == same[2]
    kinds = [one.objective.kind for one in (geometry, vision, rooms)]
    assert kinds == ["geometry", "regions", "answers"]
    assert not (rooms.trained.geometry_encoder or rooms.trained.vision_tower or rooms.trained.connector)


@pytest.mark.parametrize("name", ["rooms-vision", "rooms", *ARMS])
def test_what_is_told_apart_is_all_that_stands_in_the_rooms_of_the_demo(name):
    labels = load_recipe(name).objective.labels
    assert sorted(labels) == sorted(str(DEMO_OPTIONS["categories"]).split(","))


@pytest.mark.parametrize("name", ARMS)
def test_all_arms_of_the_comparison_have_one_budget_and_differ_in_what_the_model_sees(name):
    arm, shared, whole = load_recipe(name), load_recipe("rooms-arm"), load_recipe("rooms")
    assert differences(arm, shared) <= {"description", "start", "objective"}
    assert differences(shared, whole) == {"description", "run", "validation"}
    assert arm.run == whole.run.model_copy(update={"max_steps": shared.run.max_steps})
    # The model that is compared with the shipped one has at least a quarter of its budget.
    assert 4 * arm.run.max_steps >= whole.run.max_steps
    start = {
        "rooms-arm": {},
        "rooms-no-geometry": {"geometry_encoder": "none", "geometry_weights": None},
        "rooms-random-geometry": {"geometry_weights": "random"},
        "rooms-text-only": {
            "geometry_encoder": "none",
            "geometry_weights": None,
            "patch_positions": False,
            "blind": True,
            "weights": "small",
        },
    }[name]
    assert arm.start == whole.start.model_copy(update=start)
    nothing_seen = {"boxes": 0, "words": 0, "pointing": 0} if name == "rooms-text-only" else {}
    assert arm.objective == whole.objective.model_copy(update=nothing_seen)


def test_every_key_says_what_it_means():
    assert [".".join(keys) for keys, field in known_keys().items() if not field.description] == []


def test_the_readme_names_every_recipe_and_every_key():
    text = (recipes_folder() / "README.md").read_text(encoding="utf-8")
    rows = text.splitlines()
    named = {word.strip("` ") for row in rows if row.startswith("| `") for word in row.split("|")[1].split(",")}
    assert set(NAMES) <= named
    assert rows[rows.index("| key | default | what |") + 2 :] == key_rows()


def test_the_example_of_the_readme_is_a_recipe(tmp_path):
    text = (recipes_folder() / "README.md").read_text(encoding="utf-8")
    path = tmp_path / "my.yaml"
    path.write_text(text.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    recipe = load_recipe(str(path))
    assert recipe.data.sets == {
        "scanrefer": DataSet(dataset="scanrefer", num_frames=32),
        "mine": DataSet(dataset="scanrefer", num_frames=32),
    }
    assert recipe.optim.lr == 0.000005
