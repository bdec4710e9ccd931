"""The record of a run: complete, and a folder is not continued with another recipe or other data."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from vgcli_core.errors import DataError, UsageError
from vgcli_core.training.progress import Settings
from vgcli_core.training.recipe import Recipe
from vgcli_core.training.record import (
    check_same_run,
    continued,
    data_record,
    read_record,
    run_record,
    start_record,
    write_record,
)

RECIPE = Recipe.model_validate(
    {
        "data": {"sets": {"rooms": {"dataset": "rooms"}, "more": {"dataset": "rooms", "folder": "b", "split": "val"}}},
        "validation": {"hold_out": 4},
    }
)
MANIFEST = {
    "dataset": "rooms",
    "splits": {"train": {"samples": 12, "sha256": "aa"}, "val": {"samples": 3, "sha256": "bb"}},
    "frames": {"sha256": "ff"},
}


@pytest.fixture
def parts(tmp_path: Path) -> list[SimpleNamespace]:
    found = []
    for key, folder, split in (("rooms", "data/rooms", "train"), ("more", "elsewhere/b", "val")):
        root = tmp_path / folder
        root.mkdir(parents=True)
        (root / "manifest.json").write_text(json.dumps(MANIFEST), encoding="utf-8")
        found.append(
            SimpleNamespace(key=key, prepared=SimpleNamespace(root=root, manifest=MANIFEST), split=split, share=1)
        )
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", out=tmp_path / "runs" / "first", command="vgllm train --recipe toy")


@pytest.fixture
def record(parts, settings) -> dict:
    start = start_record(RECIPE, settings, step=0, world=2, device=torch.device("cpu"), attention="sdpa")
    data = data_record(parts, settings.data)
    return run_record(
        RECIPE, settings, source={"weights": "tiny"}, data=data, counts={"rooms": {"used": 12}}, start=start
    )


def changed(**sections: dict) -> Recipe:
    tables = RECIPE.model_dump()
    for section, values in sections.items():
        tables[section] = {**tables[section], **values} if isinstance(values, dict) else values
    return Recipe.model_validate(tables)


def test_the_record_holds_recipe_data_and_start_and_no_path_of_the_machine(record, settings, tmp_path: Path) -> None:
    assert Recipe.model_validate(record["recipe"]) == RECIPE
    assert record["name"].startswith("first-") and len(record["name"]) == len("first-") + 8
    assert record["weights"] == {"weights": "tiny"} and record["seed"] == 0 and len(record["recipe_sha256"]) == 64
    rooms, more = record["data"]["rooms"], record["data"]["more"]
    assert (rooms["folder"], rooms["samples"], rooms["split_sha256"]) == ("rooms", 12, "aa")
    assert (more["folder"], more["samples"], more["split_sha256"], more["frames_sha256"]) == ("b", 3, "bb", "ff")
    assert rooms["counts"] == {"used": 12} and more["counts"] == {} and len(rooms["manifest_sha256"]) == 64
    (start,) = record["starts"]
    assert (start["step"], start["world"], start["attention"]) == (0, 2, "sdpa")
    assert start["device"].startswith("cpu") and "bfloat16" in start["precision"]
    assert start["versions"]["torch"].startswith(torch.__version__.partition("+")[0])
    assert start["command"] == settings.command
    assert str(tmp_path) not in json.dumps(record)


def test_a_record_is_read_as_it_was_written_and_a_strange_one_is_refused(record, tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
    for text in ("{", "[]", '{"schema": "vgllm.run/9"}'):
        (tmp_path / "run.json").write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match="no record of a run"):
            read_record(tmp_path)


def test_what_does_not_change_the_numbers_may_change(record, parts, settings, tmp_path: Path) -> None:
    data = data_record(parts, settings.data)
    assert check_same_run(record, RECIPE, data, tmp_path) == {}
    free = changed(
        description="again",
        run={"save_every": 7, "keep": 1},
        validation={"every": 5},
        data={"workers": 0, "max_bad": 9},
    )
    assert check_same_run(record, free, data, tmp_path) == {
        "description": "again",
        "run.save_every": 7,
        "run.keep": 1,
        "validation.every": 5,
        "data.workers": 0,
        "data.max_bad": 9,
    }
    sets = {"rooms": {"dataset": "rooms", "folder": "moved"}, "more": RECIPE.data.sets["more"].model_dump()}
    moved = changed(data={"sets": sets})
    assert check_same_run(record, moved, data, tmp_path) == {"data.sets.rooms.folder": "moved"}


@pytest.mark.parametrize(
    ("sections", "named"),
    [
        ({"optim": {"lr": 2e-5}}, "optim.lr is 2e-05, and was 1e-05"),
        ({"seed": 3}, "seed is 3, and was 0"),
        ({"run": {"max_steps": 10, "save_every": 3}}, "run.max_steps is 10, and was null"),
        ({"validation": {"hold_out": 8}}, "validation.hold_out"),
        ({"data": {"sets": {"rooms": {"dataset": "rooms"}}}}, "data.sets.more.dataset is null"),
    ],
)
def test_another_recipe_is_refused_by_what_differs(record, parts, settings, sections, named) -> None:
    with pytest.raises(UsageError) as caught:
        check_same_run(record, changed(**sections), data_record(parts, settings.data), settings.out)
    assert named in caught.value.what and "save_every" not in caught.value.what
    assert "--out" in caught.value.fix and "--restart" in caught.value.fix


@pytest.mark.parametrize("key", ["split_sha256", "frames_sha256"])
def test_other_data_are_refused(record, parts, settings, tmp_path: Path, key: str) -> None:
    data = data_record(parts, settings.data)
    data["more"][key] = "00"
    with pytest.raises(UsageError, match=f"set more was prepared anew.*{key}"):
        check_same_run(record, RECIPE, data, tmp_path)


def test_a_start_that_can_change_numbers_is_told(record) -> None:
    before = record["starts"][0]
    same, remarks = continued(record, {**before, "time": "2031-01-01T00:00:00+00:00", "step": 40, "command": "again"})
    assert remarks == [] and [start["step"] for start in same["starts"]] == [0, 40]
    assert len(record["starts"]) == 1
    other = {**before, "world": 4, "attention": "eager", "versions": {**before["versions"], "torch": "9.1"}}
    _, remarks = continued(same, other)
    assert [remark.partition(":")[0] for remark in remarks] == ["processes", "attention", "torch"]
    assert remarks[0].startswith("processes: 4, and 2 before")


@pytest.mark.parametrize(
    ("precision", "zero", "deepspeed", "said"),
    [
        ("fp32", 0, None, "float32 throughout"),
        ("bf16", 0, None, "trained weights, gradients and optimiser float32"),
        ("bf16", 2, None, "kept by DeepSpeed"),
        ("bf16", 0, Path("mine.json"), "kept by DeepSpeed"),
    ],
)
def test_precisions_are_stated(settings, precision, zero, deepspeed, said) -> None:
    recipe = changed(run={"precision": precision, "zero": zero})
    own = replace(settings, deepspeed=deepspeed)
    start = start_record(recipe, own, step=0, world=1, device=torch.device("cpu"), attention="sdpa")
    assert said in start["precision"]
