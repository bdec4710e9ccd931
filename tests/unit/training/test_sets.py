"""The sets of a recipe: missing ones are told all at once with their commands; others are compared with the recipe."""

import json
from pathlib import Path

import pytest

from vgcli_core.data.prepared import SCHEMA
from vgcli_core.data.sources import DATASETS
from vgcli_core.data.workplace import MANIFEST
from vgcli_core.errors import DataError, UnknownName
from vgcli_core.training.recipe import DataSet
from vgcli_core.training.recipe_files import load_recipe
from vgcli_core.training.sets import open_sets, set_command


def make_set(root: Path, dataset: str, *, samples: int = 3, split: str = "train", **job) -> None:
    """Write the manifest of a finished set."""
    root.mkdir(parents=True)
    facts = {"dataset": dataset, "num_frames": None, "with_frames": True, **job}
    manifest = {"schema": SCHEMA, "dataset": dataset, "job": facts, "splits": {split: {"samples": samples}}}
    (root / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def scene_sets(data: Path) -> None:
    for name in ("scan2cap", "scanrefer", "scannet_det"):
        make_set(data / name, name)


def refusal(name: str, data: Path, *changes: str) -> DataError:
    with pytest.raises(DataError) as caught:
        open_sets(load_recipe(name, changes), data)
    return caught.value


def test_sets_are_opened_by_name_whatever_their_order(tmp_path):
    scene_sets(tmp_path)
    recipe = load_recipe("scene", ["data.sets.scanrefer.share=0.5"])
    turned = recipe.model_copy(
        update={"data": recipe.data.model_copy(update={"sets": dict(reversed(recipe.data.sets.items()))})}
    )
    for one in (recipe, turned):
        parts = open_sets(one, tmp_path)
        assert [(part.key, part.split, part.share) for part in parts] == [
            ("scan2cap", "train", 1.0),
            ("scannet_det", "train", 1.0),
            ("scanrefer", "train", 0.5),
        ]
        assert [part.prepared.root for part in parts] == [tmp_path / part.key for part in parts]


def test_all_missing_sets_are_told_at_once_with_their_commands(tmp_path):
    make_set(tmp_path / "scannet_det", "scannet_det")
    (tmp_path / "scanrefer_24frames").mkdir()
    error = refusal("scene-v1", tmp_path)
    assert error.what == "prepared sets of this recipe are missing: scan2cap, scanrefer"
    assert f"vgllm prepare scan2cap --num-frames 16 --out {tmp_path.as_posix()}/scan2cap_16frames; " in error.fix
    assert f"vgllm prepare scanrefer --num-frames 24 --out {tmp_path.as_posix()}/scanrefer_24frames (" in error.fix
    assert "(vgllm prepare NAME --check tells what is needed, and from whom)" in error.fix
    assert error.where == f"{tmp_path / 'scan2cap_16frames'}, {tmp_path / 'scanrefer_24frames'}"


@pytest.mark.parametrize(
    ("wanted", "command"),
    [
        (DataSet(dataset="scanrefer", num_frames=32), "vgllm prepare scanrefer --out data/here"),
        (DataSet(dataset="scannet_det", num_frames=4), "vgllm prepare scannet_det --out data/here"),
        (DataSet(dataset="spar", prepare="--set share=0.03"), "vgllm prepare spar --set share=0.03 --out data/here"),
        (DataSet(dataset="rooms", split="test"), "vgllm prepare rooms --split test --out data/here"),
    ],
)
def test_a_command_says_what_is_not_usual_alone(wanted, command):
    assert set_command(DATASETS[wanted.dataset], wanted, Path("data/here")) == command


def test_a_folder_with_a_space_is_quoted():
    command = set_command(DATASETS["rooms"], DataSet(dataset="rooms"), Path("my data/rooms"))
    assert command == "vgllm prepare rooms --out 'my data/rooms'"


@pytest.mark.parametrize(
    ("options", "quoted"),
    [
        ("--set share=0.03; rm -rf ~", "--set 'share=0.03;' rm -rf '~'"),
        ("--set name=$(whoami) `id` | sh > x &", "--set 'name=$(whoami)' '`id`' '|' sh '>' x '&'"),
        ("--set 'name=two words'", "--set 'name=two words'"),
        ("--set name='open; id", """'--set name='"'"'open; id'"""),
    ],
)
def test_a_recipes_options_leave_nothing_to_the_shell(options, quoted):
    command = set_command(DATASETS["rooms"], DataSet(dataset="rooms", prepare=options), Path("data/rooms"))
    assert command == f"vgllm prepare rooms {quoted} --out data/rooms"


@pytest.mark.parametrize(
    ("made", "what"),
    [
        ({"dataset": "scan2cap"}, "scanrefer is a set of scan2cap, and the recipe asks for scanrefer"),
        ({"num_frames": 16}, "scanrefer has 16 frames a sample, and the recipe asks for 32"),
        ({"split": "val"}, "scanrefer has no split train, only val"),
        ({"samples": 0}, "the split train of scanrefer is empty"),
        ({"with_frames": False}, "scanrefer was made without frames"),
    ],
)
def test_a_set_that_was_made_otherwise_is_refused(tmp_path, made, what):
    make_set(tmp_path / "scan2cap", "scan2cap")
    make_set(tmp_path / "scannet_det", "scannet_det", num_frames=4)
    make_set(tmp_path / "scanrefer", **{"dataset": "scanrefer", **made})
    error = refusal("scene", tmp_path)
    assert (error.what, error.where) == (what, str(tmp_path / "scanrefer"))
    assert "--set data.sets.scanrefer.folder=FOLDER" in error.fix
    assert "vgllm prepare scanrefer --out" in error.fix


def test_the_usual_number_of_frames_is_known_where_nobody_asked_for_one(tmp_path):
    scene_sets(tmp_path)
    error = refusal("scene", tmp_path, "data.sets.scannet_det.num_frames=6")
    assert error.what == "scannet_det has 4 frames a sample, and the recipe asks for 6"
    assert "--num-frames 6" in error.fix


def test_an_unknown_dataset_is_told_before_anything_is_missing(tmp_path):
    with pytest.raises(UnknownName, match="scanref") as caught:
        open_sets(load_recipe("scene", ["data.sets.scanrefer.dataset=scanref"]), tmp_path)
    assert (caught.value.where, "scanrefer" in caught.value.fix) == ("data.sets.scanrefer.dataset", True)
