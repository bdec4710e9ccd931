"""The compact form: the encoder is named and checked, and with it the model is the same, bit for bit."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.unit.export.checkpoints import same, tiny_folder, weights
from tests.unit.export.records import from_hub, write_run
from tests.unit.training.runs import recipe
from vgcli_core.errors import CheckpointError, UsageError
from vgcli_core.export.checkpoint import export_checkpoint
from vgcli_core.export.plan import Wish
from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_model
from vgcli_core.predict.loading import load
from vgcli_core.training.start import start

CPU = Options(device="cpu", dtype="float32")
PREFIX = "geometry_encoder.vggt."
SIZES = tiny_model()[0].config.geometry


def encoder_file(checkpoint: Path, folder: Path) -> Path:
    """Write the encoder of a checkpoint as VGGT's own file is: its names without a prefix, and heads."""
    folder.mkdir()
    found = {key.removeprefix(PREFIX): one for key, one in weights(checkpoint).items() if key.startswith(PREFIX)}
    heads = {f"{name}_head.a": torch.ones(2) for name in ("point", "depth", "camera", "track")}
    save_file({**found, **heads}, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A checkpoint in bfloat16, its encoder's own file in float32, and the compact form."""
    root = tmp_path_factory.mktemp("saved")
    whole = tiny_folder(root / "float32")
    encoder_file(whole, root / "VGGT-1B")
    export_checkpoint(whole, root / "whole", Wish(dtype="bfloat16"))
    export_checkpoint(root / "whole", root / "compact", compact(root / "VGGT-1B"))
    return root


def compact(geometry: Path | str, **more) -> Wish:
    return Wish(format="compact", geometry=str(geometry), **more)


def test_it_holds_everything_but_the_encoder_and_says_which_that_is(root):
    whole, found = weights(root / "whole"), weights(root / "compact")
    assert same(found, {key: one for key, one in whole.items() if not key.startswith(PREFIX)})
    record = json.loads((root / "compact" / "elsewhere.json").read_text(encoding="utf-8"))
    encoder = sum(one.numel() for key, one in whole.items() if key.startswith(PREFIX))
    assert (record["name"], record["dtype"], record["parameters"]) == ("VGGT-1B", "bfloat16", encoder)
    text = (root / "compact" / "README.md").read_text(encoding="utf-8")
    assert (
        "The geometry encoder is not in this folder: VGGT-1B, rounded to bfloat16, is given with `--geometry`" in text
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_with_its_encoder_it_loads_as_the_same_model(root, dtype):
    options = replace(CPU, dtype=dtype)
    whole, _ = load_model(root / "whole", options)
    model, report = load_model(root / "compact", options, geometry=root / "VGGT-1B")
    assert same(model.state_dict(), whole.state_dict())
    assert model.config == whole.config
    assert report.notes == ()


def test_it_is_asked_like_any_other(root):
    video = Path(__file__).parents[3] / "examples" / "rooms" / "kitchen.mp4"
    texts = [
        load(root / name, geometry=geometry, device="cpu").ask(video, "where is the sink?", max_new_tokens=8).text
        for name, geometry in (("whole", None), ("compact", root / "VGGT-1B"))
    ]
    assert texts[0] == texts[1] != ""


def test_without_its_encoder_it_says_what_is_missing_and_how_to_get_it(root):
    with pytest.raises(CheckpointError, match="compact: its geometry encoder, VGGT-1B, is not in it") as refused:
        load_model(root / "compact", CPU)
    assert "--geometry" in refused.value.fix


def test_another_encoder_is_refused_by_its_checksum(root, tmp_path):
    other = encoder_file(tiny_folder(tmp_path / "other", seed=1), tmp_path / "VGGT-1B")
    with pytest.raises(CheckpointError, match="not the geometry encoder of the checkpoint, VGGT-1B") as refused:
        load_model(root / "compact", CPU, geometry=other)
    record = json.loads((root / "compact" / "elsewhere.json").read_text(encoding="utf-8"))
    assert record["sha256"] in refused.value.fix
    with pytest.raises(CheckpointError, match="not the geometry encoder"):
        export_checkpoint(root / "compact", tmp_path / "out", Wish(geometry=str(other)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("cached", [True, False])
def test_an_encoder_with_a_hub_name_is_looked_for_there(root, tmp_path, monkeypatch, cached):
    asked = []

    def fetch(name: str, *, offline: bool = False) -> Path:
        asked.append((name, offline))
        if not cached:
            raise CheckpointError("not a folder on this machine, and not in the local hub cache")
        return root / "VGGT-1B"

    monkeypatch.setattr("vgcli_core.export.plan.checkpoint_folder", lambda name, offline: root / "VGGT-1B")
    export_checkpoint(root / "whole", tmp_path / "compact", compact("facebook/VGGT-1B"))
    monkeypatch.setattr("vgcli_core.model.elsewhere.checkpoint_folder", fetch)
    options = replace(CPU, offline=True)
    if cached:
        model, _ = load_model(tmp_path / "compact", options)
        assert same(model.state_dict(), load_model(root / "whole", CPU)[0].state_dict())
    else:
        with pytest.raises(CheckpointError, match="VGGT-1B, is not in it, and it cannot be fetched") as refused:
            load_model(tmp_path / "compact", options)
        assert "hf download facebook/VGGT-1B" in refused.value.fix
    assert asked == [("facebook/VGGT-1B", True)]


def test_a_folder_is_called_by_the_hub_name_that_the_records_know(root, tmp_path):
    run = write_run(tmp_path / "run", {"weights": from_hub("a/b"), "geometry_weights": from_hub("facebook/VGGT-1B")})
    shutil.copytree(root / "whole", run / "model")
    (run / "model" / "export.json").unlink()
    export_checkpoint(run / "model", tmp_path / "out", compact(root / "VGGT-1B"))
    record = json.loads((tmp_path / "out" / "elsewhere.json").read_text(encoding="utf-8"))
    assert record["name"] == "facebook/VGGT-1B"


def test_an_encoder_that_was_trained_cannot_be_left_out(root, tmp_path):
    found = load_file(root / "whole" / "model.safetensors")
    key = f"{PREFIX}aggregator.camera_token"
    changed = export_checkpoint(root / "whole", tmp_path / "changed").folder
    save_file({**found, key: found[key] + 1}, changed / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"1 of \d+ weights differ, 'geometry_encoder.aggregator.camera_token'"):
        export_checkpoint(changed, tmp_path / "out", compact(root / "VGGT-1B"))
    assert not (tmp_path / "out").exists()


def test_it_becomes_complete_again(root, tmp_path):
    again = export_checkpoint(root / "compact", tmp_path / "again", Wish(geometry=str(root / "VGGT-1B")))
    assert same(weights(again.folder), weights(root / "whole"))
    assert not (again.folder / "elsewhere.json").exists()
    assert again.notes == ()
    model, _ = load_model(root / "compact", CPU, geometry=root / "VGGT-1B")
    saved = save_model(model, tmp_path / "saved")
    assert same(load_model(saved, CPU)[0].state_dict(), model.state_dict())


def test_it_becomes_compact_again_and_a_published_layout_with_the_encoders_heads(root, tmp_path):
    again = export_checkpoint(root / "compact", tmp_path / "again", compact(root / "VGGT-1B"))
    assert same(weights(again.folder), weights(root / "compact"))
    assert (again.folder / "elsewhere.json").read_bytes() == (root / "compact" / "elsewhere.json").read_bytes()
    wish = Wish(format="generation-1", geometry=str(root / "VGGT-1B"), geometry_sizes=SIZES)
    done = export_checkpoint(root / "compact", tmp_path / "published", wish)
    assert {"vggt.point_head.a", "vggt.depth_head.a"} < weights(done.folder).keys()
    assert {one.dtype for one in weights(done.folder).values()} == {torch.bfloat16}


def test_an_encoder_inside_of_another_checkpoint_serves_too(root, tmp_path):
    done = export_checkpoint(root / "whole", tmp_path / "out", compact(root / "float32"))
    model, _ = load_model(done.folder, CPU, geometry=root / "whole")
    assert same(model.state_dict(), load_model(root / "whole", CPU)[0].state_dict())


def test_training_starts_from_it_with_the_encoder_that_its_recipe_names(root):
    given = {"weights": str(root / "compact"), "geometry_weights": str(root / "VGGT-1B"), "merger_hidden": 64}
    what = recipe(start={**given, "frame_width": 140}, run={"precision": "fp32"})
    model = start(what, device=torch.device("cpu")).model
    assert same(model.state_dict(), load_model(root / "whole", CPU)[0].state_dict())


def test_without_geometry_no_encoder_is_needed(root):
    model, _ = load_model(root / "compact", replace(CPU, geometry=False))
    assert not model.has_geometry


def test_what_cannot_be_left_out_is_refused(root, tmp_path):
    with pytest.raises(UsageError, match="needs the encoder that it leaves out"):
        export_checkpoint(root / "whole", tmp_path / "out", Wish(format="compact"))
    plain = tiny_folder(tmp_path / "plain", geometry_encoder="none")
    with pytest.raises(CheckpointError, match="no geometry encoder to leave out"):
        export_checkpoint(plain, tmp_path / "out", compact(root / "VGGT-1B"))
    with pytest.raises(UsageError, match="--geometry goes with --format compact"):
        export_checkpoint(root / "whole", tmp_path / "out", Wish(geometry=str(root / "VGGT-1B")))
    pi3 = tiny_folder(tmp_path / "pi3", geometry_encoder="pi3")
    with pytest.raises(CheckpointError, match="vggt of other sizes"):
        export_checkpoint(root / "whole", tmp_path / "out", compact(pi3))
    found = load_file(root / "whole" / "model.safetensors")
    mixed = export_checkpoint(root / "whole", tmp_path / "mixed").folder
    key = f"{PREFIX}aggregator.camera_token"
    save_file({**found, key: found[key].float()}, mixed / "model.safetensors")
    with pytest.raises(CheckpointError, match="2 number formats"):
        export_checkpoint(mixed, tmp_path / "out", compact(root / "VGGT-1B"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text", ["{", '{"name": ""}', '{"format": 2}', '{"name": "a/b", "dtype": "int8", "sha256": "0", "parameters": 1}']
)
def test_a_damaged_record_of_the_encoder_is_told(root, tmp_path, text):
    done = export_checkpoint(root / "compact", tmp_path / "again", compact(root / "VGGT-1B"))
    (done.folder / "elsewhere.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"elsewhere\.json"):
        load_model(done.folder, CPU, geometry=root / "VGGT-1B")
