"""Where weights come from is read from records, from run to run, and not known where there are none."""

import json
from pathlib import Path

import pytest

from tests.unit.export.checkpoints import tiny_folder
from tests.unit.export.records import DRAWN, from_folder, from_hub, write_run
from vgcli_core.errors import CheckpointError
from vgcli_core.export.checkpoint import export_checkpoint
from vgcli_core.export.provenance import provenance

QWEN, VGGT = "Qwen/Qwen2.5-VL-3B-Instruct", "facebook/VGGT-1B"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("saved") / "tiny")


def began_as(folder: Path, **more) -> dict[str, str]:
    return {one.part: one.name for one in provenance(folder, **more).parts}


def test_nothing_is_known_of_a_folder_whatever_it_is_called(tmp_path):
    assert provenance(tmp_path / "Qwen2.5-VL-3B-Instruct").parts == ()


def test_a_published_name_tells_the_parts(tmp_path):
    found = provenance(tmp_path, name="zd11024/vgllm-3d-vggt-8b")
    assert {one.part: one.name for one in found.parts} == {
        "backbone": "Qwen/Qwen2.5-VL-7B-Instruct",
        "geometry encoder": VGGT,
    }
    assert found.published == "zd11024/vgllm-3d-vggt-8b"
    assert began_as(tmp_path, name="me/my-finetune") == {
        "backbone": "me/my-finetune",
        "geometry encoder": "me/my-finetune",
    }


def test_the_record_of_a_run_tells_parts_data_and_recipe(tmp_path):
    weights = {"weights": from_hub(QWEN), "geometry_weights": from_hub(VGGT)}
    run = write_run(tmp_path / "run", weights, datasets=("scanrefer", "spar"))
    found = provenance(run / "model")
    assert {one.part: one.name for one in found.parts} == {"backbone": QWEN, "geometry encoder": VGGT}
    assert all(one.identified for one in found.parts)
    (told,) = found.runs
    assert (told.name, told.state, told.step) == ("run-0123abcd", "finished", 12)
    assert [(one.dataset, one.samples, one.trained_on) for one in told.data] == [
        ("scanrefer", 1000, 480),
        ("spar", 1000, 480),
    ]
    assert told.start == {"device": "cpu (x86_64)", "world": 2}
    assert provenance(run / "elsewhere").parts == ()


def test_runs_are_followed_back_to_what_the_first_began_with(tiny, tmp_path):
    first = write_run(tmp_path / "first", DRAWN)
    tiny_folder(first / "model")
    encoder = write_run(tmp_path / "encoder", {"weights": from_hub(QWEN), "geometry_weights": from_hub(VGGT)})
    tiny_folder(encoder / "model", seed=1)
    weights = {"weights": from_folder(first / "model"), "geometry_weights": from_folder(encoder / "model")}
    second = write_run(tmp_path / "second", weights)
    found = provenance(second / "model")
    assert [run.name for run in found.runs] == ["encoder-0123abcd", "first-0123abcd", "second-0123abcd"]
    backbone, geometry = found.parts
    assert (backbone.part, backbone.drawn) == ("backbone", True)
    assert (geometry.part, geometry.name, geometry.drawn) == ("geometry encoder", VGGT, False)


def test_a_folder_that_is_gone_or_holds_other_weights_now_is_not_known(tiny, tmp_path):
    first = write_run(tmp_path / "first", DRAWN)
    tiny_folder(first / "model")
    second = write_run(tmp_path / "second", {"weights": from_folder(first / "model")})
    assert provenance(second / "model").part("backbone").drawn
    (first / "model").rename(first / "old")
    tiny_folder(first / "model", seed=1)
    for name in ("model", "gone"):
        (first / "model").rename(first / name)
        found = provenance(second / "model")
        assert (found.part("backbone").name, found.part("backbone").identified) == ("model", False)
        assert [run.name for run in found.runs] == ["second-0123abcd"]


def test_an_export_carries_what_is_known_of_its_checkpoint(tmp_path):
    run = write_run(tmp_path / "run", {"weights": from_hub(QWEN), "geometry_weights": from_hub(VGGT)})
    tiny_folder(run / "model")
    first = export_checkpoint(run / "model", tmp_path / "first")
    again = export_checkpoint(first.folder, tmp_path / "again")
    assert provenance(again.folder) == provenance(run / "model")


def test_what_an_exporter_states_outranks_the_record_and_says_so(tmp_path):
    run = write_run(tmp_path / "run", DRAWN)
    found = provenance(run / "model", stated={"backbone": QWEN})
    assert (found.part("backbone").name, found.part("backbone").says) == (QWEN, "whoever exported it")
    assert found.part("geometry encoder").drawn


def test_the_run_of_a_merged_adapter_counts(tmp_path):
    run = write_run(tmp_path / "lora", {"weights": from_hub(QWEN)})
    found = provenance(tmp_path / "base", adapter=run / "adapter")
    assert [one.name for one in found.runs] == ["lora-0123abcd"]


def test_folders_of_the_machine_stay_out_of_recipes(tmp_path):
    start = {"weights": "/models/Qwen", "geometry_weights": "C:\\models\\VGGT", "names": ["~/x/y", "a/b", 3]}
    run = write_run(tmp_path / "run", DRAWN, start=start, prepare="--raw /sets/raw --set preset=demo")
    (told,) = provenance(run / "model").runs
    assert told.recipe["start"] == {"weights": "Qwen", "geometry_weights": "VGGT", "names": ["y", "a/b", 3]}
    assert told.recipe["prepare"] == "--raw raw --set preset=demo"


def test_a_damaged_record_is_told(tmp_path):
    run = write_run(tmp_path / "run", DRAWN)
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**record, "starts": []}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"record of the training run") as refused:
        provenance(run / "model")
    assert str(run / "run.json") in refused.value.where
