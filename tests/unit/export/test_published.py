"""Published layouts: what they cannot hold is refused, and the folder has what older libraries look for."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import BPE

from tests.unit.export.checkpoints import same, tiny_folder, weights
from vgcli_core.errors import CheckpointError, UsageError
from vgcli_core.export.checkpoint import export_checkpoint
from vgcli_core.export.plan import Wish, plan
from vgcli_core.export.published import refuse_unfit
from vgcli_core.model.checkpoint import Options, load_model, open_checkpoint
from vgcli_core.model.config import ModelConfig
from vgcli_core.model.tiny import tiny_model

SIZES = tiny_model()[0].config.geometry
CPU = Options(device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("saved") / "tiny")


def heads(folder: Path, *names: str, dtype: torch.dtype = torch.float32) -> Path:
    """Write a file such as the encoder's own: heads, and a tensor by which it is recognised."""
    folder.mkdir()
    tensors = {name: torch.full((2, 3), 0.5, dtype=dtype) for name in names}
    save_file({"aggregator.camera_token": torch.zeros(1), **tensors}, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def vggt(tmp_path_factory) -> Path:
    names = ("point_head.a.weight", "depth_head.a.weight", "camera_head.a.weight", "track_head.a.weight")
    return heads(tmp_path_factory.mktemp("saved") / "vggt", *names)


@pytest.mark.parametrize(
    ("choices", "layout", "word"),
    [
        ({}, "generation-2", "img_size 140, and the published code builds it with 518"),
        ({"geometry_encoder": "none"}, "generation-2", "no geometry encoder"),
        ({"geometry_encoder": "none", "blind": True}, "generation-2", "blind"),
        ({"patch_positions": True}, "generation-2", "patch_positions"),
        ({"fusion": "gated"}, "generation-1", "fusion add.*fusion gated"),
        ({"merger": "avg"}, "generation-1", "merger avg"),
        ({"geometry_encoder": "pi3"}, "generation-1", "geometry_encoder pi3"),
    ],
)
def test_what_a_layout_cannot_hold_is_refused_with_a_way_out(tmp_path, choices, layout, word):
    source = tiny_folder(tmp_path / "source", **choices)
    with pytest.raises(CheckpointError, match=f"{layout} cannot hold.*{word}") as refused:
        export_checkpoint(source, tmp_path / "out", Wish(format=layout))
    assert "--format" in refused.value.fix
    assert not (tmp_path / "out").exists()


def test_frames_of_another_width_are_refused(tiny):
    opened = open_checkpoint(tiny)
    published = replace(opened, config=opened.config.model_copy(update={"geometry": {}}))
    with pytest.raises(CheckpointError, match="frames 140 pixels wide"):
        refuse_unfit(published, "generation-2")
    refuse_unfit(replace(opened, config=ModelConfig()), "generation-2")


def test_heads_for_a_format_that_has_none_are_refused(tiny, vggt):
    for wish in (Wish(heads=vggt), Wish(format="generation-2", geometry_sizes=SIZES, heads=vggt)):
        with pytest.raises(UsageError, match="no heads of vggt"):
            plan(tiny, wish)


def test_generation_one_takes_its_heads_from_the_encoders_file_and_only_those_it_has(tiny, vggt, tmp_path):
    wish = Wish(format="generation-1", geometry_sizes=SIZES, heads=vggt)
    done = export_checkpoint(tiny, tmp_path / "out", wish)
    found = weights(done.folder)
    assert {name for name in found if "head." in name and "lm_head" not in name} == {
        "vggt.point_head.a.weight",
        "vggt.depth_head.a.weight",
    }
    assert {name.split(".")[0] for name in found} == {"vggt", "merger", "visual", "model", "lm_head"}
    model, report = load_model(done.folder, CPU)
    assert same(model.state_dict(), load_model(tiny, CPU)[0].state_dict())
    assert report.layout == "generation-1"
    # Weights of this layout alone would imply the older conventions.
    assert (model.config.euler_convention, model.config.prompt_revision) == ("ZXY", 2)


def test_heads_are_of_the_dtype_of_the_encoder_they_belong_to(tiny, vggt, tmp_path):
    half = export_checkpoint(tiny, tmp_path / "half", Wish(dtype="bfloat16"))
    done = export_checkpoint(
        half.folder, tmp_path / "out", Wish(format="generation-1", geometry_sizes=SIZES, heads=vggt)
    )
    assert {tensor.dtype for tensor in weights(done.folder).values()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("layout", "kind", "word"),
    [("generation-1", "vggt", "no 'point_head'"), ("generation-2", "pi3", "no 'point_decoder'")],
)
def test_heads_that_are_nowhere_are_asked_for(tmp_path, layout, kind, word):
    source = tiny_folder(tmp_path / "source", geometry_encoder=kind)
    sizes = json.loads((source / "vgllm.json").read_text(encoding="utf-8"))["geometry"]
    with pytest.raises(CheckpointError, match=word) as refused:
        plan(source, Wish(format=layout, geometry_sizes=sizes))
    assert "--heads" in refused.value.fix


def test_heads_of_another_encoder_or_incomplete_or_whole_numbers_are_refused(tiny, tmp_path):
    wish = {"format": "generation-1", "geometry_sizes": SIZES}
    pi3 = tiny_folder(tmp_path / "pi3", geometry_encoder="pi3")
    with pytest.raises(CheckpointError, match="heads of pi3, and the model has vggt"):
        plan(tiny, Wish(**wish, heads=pi3))
    with pytest.raises(CheckpointError, match="no 'depth_head'"):
        plan(tiny, Wish(**wish, heads=heads(tmp_path / "half", "point_head.a")))
    odd = heads(tmp_path / "odd", "point_head.a", "depth_head.a", dtype=torch.int8)
    with pytest.raises(CheckpointError, match="type I8"):
        plan(tiny, Wish(**wish, heads=odd))


def test_generation_two_of_vggt_needs_no_heads(tiny, tmp_path):
    done = export_checkpoint(tiny, tmp_path / "out", Wish(format="generation-2", geometry_sizes=SIZES))
    assert same(weights(done.folder), weights(tiny))
    plain = json.loads((done.folder / "config.json").read_text(encoding="utf-8"))
    assert plain["architectures"] == ["Qwen2_5_VLForConditionalGenerationWithVGGT"]
    assert (plain["use_geometry_encoder"], plain["geometry_merger_hidden_dim"]) == (True, 64)
    assert "fusion_dropout" not in plain
    assert "text_config" not in plain


def test_the_older_tokenizer_files_say_what_the_newer_ones_say(tiny, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(tiny, source)
    (source / "chat_template.jinja").write_text("{{ messages }}\n", encoding="utf-8")
    done = export_checkpoint(source, tmp_path / "out", Wish(format="generation-2", geometry_sizes=SIZES))

    def read(name: str) -> dict:
        return json.loads((done.folder / name).read_text(encoding="utf-8"))

    config = read("tokenizer_config.json")
    assert config["tokenizer_class"] == "Qwen2Tokenizer"
    assert config["chat_template"] == read("chat_template.json")["chat_template"] == "{{ messages }}\n"
    assert (config["eos_token"], config["pad_token"]) == ("<|im_end|>", "<|endoftext|>")
    whole = Tokenizer.from_file(str(done.folder / "tokenizer.json"))
    assert {one["content"]: int(key) for key, one in config["added_tokens_decoder"].items()} == {
        name: whole.token_to_id(name) for name in read("added_tokens.json")
    }
    # The slow tokenizer's two files give the same pieces as the whole one.
    slow = Tokenizer(BPE.from_file(str(done.folder / "vocab.json"), str(done.folder / "merges.txt")))
    slow.normalizer, slow.pre_tokenizer = whole.normalizer, whole.pre_tokenizer
    text = 'Where is the sink? "bbox_3d": [0.1, -0.2] naïve 漢'
    assert slow.encode(text).ids == whole.encode(text).ids
    picture = read("preprocessor_config.json")
    assert (picture["min_pixels"], picture["max_pixels"]) == (12_544, 451_584)


def test_files_that_are_there_in_the_older_form_are_left_as_they_are(tiny, tmp_path):
    wish = Wish(format="generation-2", geometry_sizes=SIZES)
    first = export_checkpoint(tiny, tmp_path / "first", wish)
    (first.folder / "preprocessor_config.json").write_text('{"mine": 1}', encoding="utf-8")
    again = export_checkpoint(first.folder, tmp_path / "again", wish)
    for path in first.folder.iterdir():
        if path.name not in ("export.json", "README.md"):
            assert (again.folder / path.name).read_bytes() == path.read_bytes(), path.name


def test_unused_heads_go_along_into_the_same_layout_and_not_into_our_form(tiny, vggt, tmp_path):
    wish = Wish(format="generation-1", geometry_sizes=SIZES, heads=vggt)
    first = export_checkpoint(tiny, tmp_path / "first", wish)
    again = export_checkpoint(first.folder, tmp_path / "again", Wish(format="generation-1", geometry_sizes=SIZES))
    assert same(weights(again.folder), weights(first.folder))
    assert again.notes == ()
    ours = export_checkpoint(first.folder, tmp_path / "ours")
    assert same(weights(ours.folder), load_file(tiny / "model.safetensors"))
    assert ours.notes == ("2 tensors are left out: part of vggt that no feature depends on",)
