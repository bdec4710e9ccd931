"""Exported recordings of the reference implementation: every format loads, and nothing that was recorded changes."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.golden.cases import Case, find_cases, trimmed
from tests.unit.export.checkpoints import same, weights
from vgcli_core.export.checkpoint import export_checkpoint
from vgcli_core.export.plan import Wish, plan
from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.tiny import tiny_tokenizer
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.model.weights import Entry, WeightFiles

CPU = Options(device="cpu", dtype="float32", attention="sdpa")


@pytest.fixture(scope="module")
def cases(golden_or_copy: Path, tmp_path_factory) -> list[Case]:
    """The recorded checkpoints, each with a tokenizer beside it, which exports ask for."""
    root = tmp_path_factory.mktemp("cases")
    found = []
    for case in find_cases(golden_or_copy):
        folder = root / f"{case.folder.parents[1].name}-{case.name}"
        shutil.copytree(case.folder, folder)
        tiny_tokenizer().save_pretrained(folder)
        found.append(Case(folder))
    return found


def load(folder: Path) -> VGLLM:
    """Load an export as anybody would: it says everything itself."""
    return load_model(folder, CPU)[0]


def answers_as_recorded(case: Case, model: VGLLM) -> bool:
    again = Case(case.folder)
    again.__dict__["model"] = model
    return again.generate() == trimmed(case.outputs["gen.new_tokens"].tolist(), again.ends)


def test_our_own_form_of_every_recording_is_the_same_model_and_answers_as_recorded(cases, tmp_path):
    for case in cases:
        wish = Wish(geometry_sizes=case.sizes, max_shard_size="300KB")
        done = export_checkpoint(case.folder, tmp_path / case.folder.name, wish)
        model = load(done.folder)
        assert same(model.state_dict(), case.model.state_dict()), case.name
        assert model.config == case.model.config, case.name
        assert answers_as_recorded(case, model), case.name


def test_published_layouts_of_every_recording_have_the_recorded_names_and_configuration(cases, tmp_path):
    for case in cases:
        layout = "generation-2" if "gen2" in case.folder.name else "generation-1"
        done = export_checkpoint(
            case.folder, tmp_path / case.folder.name, Wish(format=layout, geometry_sizes=case.sizes)
        )
        assert same(weights(done.folder), weights(case.folder)), case.name
        found, recorded = (json.loads((one / "config.json").read_text()) for one in (done.folder, case.folder))
        assert found == recorded, case.name
        model = load(done.folder)
        assert same(model.state_dict(), case.model.state_dict()), case.name
        assert answers_as_recorded(case, model), case.name


def test_a_recording_goes_through_our_form_and_back_unchanged(cases, tmp_path):
    """Our form has config.json as the installed transformers writes it, and no unused heads."""
    for case in cases:
        if case.model.config.geometry_encoder != "vggt":
            continue
        layout = "generation-2" if "gen2" in case.folder.name else "generation-1"
        ours = export_checkpoint(case.folder, tmp_path / f"{case.folder.name}-own", Wish(geometry_sizes=case.sizes))
        heads = case.folder if layout == "generation-1" else None
        wish = Wish(format=layout, geometry_sizes=case.sizes, heads=heads)
        done = export_checkpoint(ours.folder, tmp_path / case.folder.name, wish)
        assert same(weights(done.folder), weights(case.folder)), case.name
        found, recorded = (json.loads((one / "config.json").read_text()) for one in (done.folder, case.folder))
        assert found == recorded, case.name


def test_a_recording_of_either_generation_answers_as_recorded_in_the_layout_of_the_other(cases, tmp_path):
    heads = next(case.folder for case in cases if "gen2" not in case.folder.name)
    checked = 0
    for case in cases:
        config = case.model.config
        if (config.geometry_encoder, config.fusion, config.merger) != ("vggt", "add", "mlp"):
            continue
        layout = "generation-1" if "gen2" in case.folder.name else "generation-2"
        given = heads if layout == "generation-1" else None
        wish = Wish(format=layout, geometry_sizes=case.sizes, heads=given)
        done = export_checkpoint(case.folder, tmp_path / case.folder.name, wish)
        model = load(done.folder)
        assert same(model.state_dict(), case.model.state_dict()), case.name
        # Another generation's weights would imply other conventions: those of this model are recorded beside them.
        assert model.config == case.model.config, case.name
        assert answers_as_recorded(case, model), case.name
        checked += 1
    assert checked


def test_the_compact_form_of_every_recording_answers_as_recorded_with_its_encoder(cases, tmp_path):
    for case in cases:
        wish = Wish(format="compact", geometry=str(case.folder), geometry_sizes=case.sizes)
        done = export_checkpoint(case.folder, tmp_path / case.folder.name, wish)
        assert not any("aggregator" in name or "decoder" in name for name in weights(done.folder)), case.name
        model = load_model(done.folder, CPU, geometry=case.folder)[0]
        assert same(model.state_dict(), case.model.state_dict()), case.name
        assert answers_as_recorded(case, model), case.name


class Listed(WeightFiles):
    """Weights of which there is nothing but a list: the names, shapes and dtypes of a recorded manifest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        kinds = {"bfloat16": "BF16", "float32": "F32"}
        keys = json.loads((path / "list.json").read_text())["keys"]
        self.entries = {key: Entry(path, tuple(one["shape"]), kinds[one["dtype"]]) for key, one in keys.items()}


def listed(folder: Path, manifest: Path, config: Path | None = None) -> Path:
    """A checkpoint of full size without its weights."""
    folder.mkdir()
    shutil.copyfile(manifest, folder / "list.json")
    if config is not None:
        shutil.copyfile(config, folder / "config.json")
        tiny_tokenizer().save_pretrained(folder)
    return folder


def saved_keys(manifest: Path, config: dict) -> dict[str, list[int]]:
    keys = json.loads(manifest.read_text())["keys"]
    tied = config["tie_word_embeddings"]
    return {key: one["shape"] for key, one in keys.items() if not (tied and key == "lm_head.weight")}


@pytest.mark.parametrize("size", ["4b", "8b"])
def test_checkpoints_of_full_size_have_the_names_shapes_and_configuration_of_the_recorded_lists(
    golden, tmp_path, monkeypatch, size
):
    for module in ("model.checkpoint", "export.plan"):
        monkeypatch.setattr(f"vgcli_core.{module}.WeightFiles", Listed)
    first, second = golden / "manifest", golden / "gen2" / "manifest"
    vggt = listed(tmp_path / "vggt", first / "vggt_1b_state_dict.json")
    pi3 = listed(tmp_path / "pi3", second / f"vgllm_{size}_pi3_add_state_dict.json")
    for kind, heads in (("vggt", None), ("pi3", pi3)):
        config = second / f"vgllm_{size}_{kind}_add_config_as_saved.json"
        manifest = second / f"vgllm_{size}_{kind}_add_state_dict.json"
        source = listed(tmp_path / f"{kind}-source", manifest, config)
        found = plan(source, Wish(format="generation-2", heads=heads))
        plain = json.loads(config.read_text())
        assert json.loads(found.texts["config.json"]) == plain
        assert {key: list(one.size().shape) for key, one in found.weights.items()} == saved_keys(manifest, plain)
        assert {one.dtype for one in found.weights.values()} == {torch.bfloat16}
    # The first generation, from weights of the second, with the heads of the encoder's own file.
    found = plan(tmp_path / "vggt-source", Wish(format="generation-1", heads=vggt))
    plain = json.loads((second / f"vgllm_{size}_vggt_add_config_as_saved.json").read_text())
    expected = saved_keys(first / f"vgllm_{size}_state_dict.json", plain)
    assert {key: list(one.size().shape) for key, one in found.weights.items()} == expected
    if size == "4b":
        recorded = json.loads((first / "vgllm_4b_config_as_saved.json").read_text())
        assert json.loads(found.texts["config.json"]) == recorded
