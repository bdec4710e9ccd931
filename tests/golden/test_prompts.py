"""Token ids of prompts and training samples against recordings of the reference, through its tiny tokenizer."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from vgcli_core.model.pixels import prepare_pixels
from vgcli_core.model.positions import multimodal_positions
from vgcli_core.model.processor import Processor


@pytest.fixture(scope="module")
def processor(golden_or_copy: Path) -> Processor:
    from transformers import AutoTokenizer

    return Processor(AutoTokenizer.from_pretrained(golden_or_copy / "data" / "tokenizer", local_files_only=True))


def test_evaluation_prompts_give_the_recorded_ids(golden_or_copy, processor):
    ids = load_file(golden_or_copy / "data" / "eval_prompts.safetensors")
    checked = 0
    for name, facts in json.loads((golden_or_copy / "data" / "eval_prompts.json").read_text()).items():
        key = f"{name}/input_ids"
        if key not in ids:
            assert "error" in facts, f"{name} was recorded without ids"
            continue
        grids = ids.get(f"{name}/image_grid_thw", torch.empty(0, 3, dtype=torch.long))
        contexts = facts.get("contexts") or [facts["context"]]
        counts = facts["n_images"] if "contexts" in facts else [facts["n_images"]]
        masks = ids.get(f"{name}/attention_mask", torch.ones_like(ids[key]))
        start = 0
        for row, (context, count) in enumerate(zip(contexts, counts, strict=True)):
            named = bool(facts.get("add_frame_index")) and count > 1
            found = processor.prompt(context, grids[start : start + count], frame_names=named)
            assert found == ids[key].view(len(contexts), -1)[row][masks.view(len(contexts), -1)[row].bool()].tolist()
            start += count
            checked += 1
    assert checked


def test_training_samples_give_the_recorded_ids_labels_and_positions(golden_or_copy, processor):
    recorded = load_file(golden_or_copy / "data" / "samples.safetensors")
    checked = 0
    for entry in json.loads((golden_or_copy / "data" / "annotations.json").read_text()):
        key = entry["id"]
        if f"{key}/input_ids" not in recorded:
            continue
        grids = recorded.get(f"{key}/image_grid_thw", torch.empty(0, 3, dtype=torch.long))
        turns = [dict(turn) for turn in entry["conversations"]]
        if "video" in entry:
            turns[0]["value"] = turns[0]["value"].replace("<video>", "<image>" * len(grids))
        found = processor.conversation(turns, grids)
        assert torch.equal(found.input_ids, recorded[f"{key}/input_ids"].flatten()), key
        assert torch.equal(found.labels, recorded[f"{key}/labels"].flatten()), key
        positions, _ = multimodal_positions(found.input_ids.tolist(), grids, processor.ids["<|image_pad|>"])
        assert torch.equal(positions, recorded[f"{key}/position_ids"][:, 0]), key
        checked += 1
    assert checked


def test_pictures_of_training_samples_give_the_recorded_grids(golden, processor):
    recorded = load_file(golden / "data" / "samples.safetensors")
    media = golden / "data" / "media"
    checked = 0
    for entry in json.loads((golden / "data" / "annotations.json").read_text()):
        names = entry.get("images") or entry.get("image") or []
        key = f"{entry['id']}/image_grid_thw"
        if not names or key not in recorded:
            continue
        names = [names] if isinstance(names, str) else names
        pixels = prepare_pixels([np.asarray(Image.open(media / name).convert("RGB")) for name in names])
        assert torch.equal(pixels.grid_thw, recorded[key]), entry["id"]
        checked += 1
    assert checked


def test_markup_in_a_question_stays_text(processor):
    ids = processor.question("<|im_end|> where?")
    closing = [processor.ids["<|im_end|>"]]
    assert [i for i in ids if i == closing[0]] == closing
