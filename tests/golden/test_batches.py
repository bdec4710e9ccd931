"""Collated batches against recordings of the reference, through the path that training takes: every case listed."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from vgcli_core.data.mixture import TAGS, Part, estimated_length, mix
from vgcli_core.data.prepared import Prepared
from vgcli_core.data.sample import IMAGE, Sample, Turn, to_line
from vgcli_core.media.markers import LABELLED
from vgcli_core.media.sampling import Sampling, training_rule
from vgcli_core.media.track import survey
from vgcli_core.media.video import read_video
from vgcli_core.model.pixels import grid_of
from vgcli_core.model.processor import Processor
from vgcli_core.model.vgllm import ModelInputs
from vgcli_core.training.examples import Bad, Examples, MicroBatch
from vgcli_core.training.order import steps_of_epoch
from vgcli_core.training.recipe import Batch
from vgcli_core.training.rows import inputs_of

# The published settings of a dataset of videos; how many frames are the most is recorded with the lengths.
INTERVAL, LEAST = 2, 4
WHOLE = 10**9  # a length that no sample reaches


@dataclass
class Recorded:
    """The recorded batches, and a prepared set of the samples that they are of; `ours` and more are of our own."""

    facts: dict
    tensors: dict
    places: dict[str, int]
    examples: Examples

    @property
    def compared(self) -> dict[str, dict]:
        """Batches that the reference has made, whole or cut off; of the others it recorded how it fails."""
        return {name: facts for name, facts in self.facts.items() if f"{name}/input_ids" in self.tensors}

    @property
    def others(self) -> list[list[str]]:
        """Samples of batches that the reference cannot make, or makes without a part: those that it can read alone."""
        listed = [facts.get("samples", ()) for name, facts in self.facts.items() if name not in self.compared]
        return [names for names in ([one for one in each if one in self.places] for each in listed) if names]

    def inputs(self, names: list[str], *, packing: bool = False) -> ModelInputs:
        batch = MicroBatch([self.examples[self.places[name]] for name in names])
        return inputs_of(batch, self.examples.processor, torch.device("cpu"), features=None, packing=packing)


def pictures_of(entry: dict) -> list[str]:
    """Names of the pictures of an entry of the annotations; one alone need not be a list."""
    names = entry.get("images") or entry.get("image") or []
    return [names] if isinstance(names, str) else names


def store_frames(entry: dict, media: Path, into: Path, most: int) -> list[str]:
    """Put the frames that the reference takes of an entry into a folder: their names there."""
    video = media / entry["video"] if "video" in entry else None
    if video is not None and video.is_file():
        times = survey(video).times
        fps = (len(times) - 1) / times[-1] if len(times) > 1 else 1.0
        chosen = training_rule(len(times), fps, interval=INTERVAL, minimum=LEAST, maximum=most)
        images = read_video(video, Sampling(indices=tuple(chosen)), "auto").images
        names = [f"{entry['video']}/{place}.png" for place in chosen]
        (into / entry["video"]).mkdir(parents=True, exist_ok=True)
        for name, image in zip(names, images, strict=True):
            Image.fromarray(image).save(into / name)
        return names
    names = pictures_of(entry)
    if video is not None:  # a folder of frames counts as 1 fps
        files = sorted(file.name for file in video.iterdir())
        chosen = training_rule(len(files), 1.0, interval=INTERVAL, minimum=LEAST, maximum=most)
        names = [f"{entry['video']}/{files[place]}" for place in chosen]
    for name in names:
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(media / name, into / name)
    return names


def sample_of(entry: dict, frames: list[str]) -> Sample:
    turns = [dict(turn) for turn in entry["conversations"]]
    if "video" in entry:
        turns[0]["value"] = turns[0]["value"].replace("<video>", IMAGE * len(frames))
    markers = json.loads(entry["spar_info"]) if "spar_info" in entry else None
    if markers and markers["type"] in LABELLED:
        pytest.importorskip("cv2")
    spoken = tuple(Turn(turn["from"], turn["value"]) for turn in turns)
    return Sample(entry["id"], "golden", "train", "room", "ask", tuple(frames), spoken, markers=markers)


@pytest.fixture(scope="module")
def recorded(golden_or_copy, tmp_path_factory) -> Recorded:
    from transformers import AutoTokenizer

    folder = golden_or_copy / "data"
    facts = json.loads((folder / "batches.json").read_text())
    tensors, alone = load_file(folder / "batches.safetensors"), load_file(folder / "samples.safetensors")
    processor = Processor(AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True))
    entries = {entry["id"]: entry for entry in json.loads((folder / "annotations.json").read_text())}
    most = json.loads((folder / "lengths.json").read_text())["video_max_frames"]
    made = {name for case in facts if f"{case}/input_ids" in tensors for name in facts[case]["samples"]}
    read = {name for case in facts.values() for name in case.get("samples", ()) if f"{name}/input_ids" in alone}
    root = tmp_path_factory.mktemp("golden")
    (root / "frames").mkdir()
    samples = _our_own(root / "frames")
    for name in sorted(made | read):
        samples.append(sample_of(entries[name], store_frames(entries[name], folder / "media", root / "frames", most)))
    (root / "train.jsonl").write_text("".join(f"{to_line(one)}\n" for one in samples), encoding="utf-8", newline="\n")
    mixture, _ = mix([Part("golden", Prepared(root, {"splits": {"train": {}}}), "train")], seed=0)
    places = {sample.id: place for place, sample in enumerate(samples)}
    return Recorded(facts, tensors, places, Examples(mixture, processor, max_length=WHOLE))


def _our_own(frames: Path) -> list[Sample]:
    """Samples of a tall and a wide picture, one of each tag, and one of text alone."""
    for name, (width, height) in {"ours_tall.png": (60, 110), "ours_wide.png": (120, 80)}.items():
        noise = np.random.default_rng(0).integers(0, 200, (height, width, 3), dtype=np.uint8)
        Image.fromarray(noise).save(frames / name)
    turns = (Turn("human", IMAGE * 2), Turn("gpt", "Two."))
    shapes = Sample("ours", "golden", "train", "room", "ask", ("ours_tall.png", "ours_wide.png"), turns)
    text = replace(shapes, id="ours_text", frames=(), conversations=(Turn("human", "How many?"), turns[1]))
    return [shapes, replace(shapes, id="ours_flat", tag="2d"), text]


def test_every_recorded_batch_is_compared(recorded):
    assert {name.partition("/")[0] for name in recorded.tensors} == recorded.compared.keys()
    assert {name for name, facts in recorded.facts.items() if "pixel_values" in facts} <= recorded.compared.keys()
    assert recorded.compared


def test_batches_hold_the_recorded_ids_labels_masks_positions_and_grids(recorded):
    for name, facts in recorded.compared.items():
        found = recorded.inputs(facts["samples"])
        # Cutting to the model's length, as the reference does, is done here: ours refuses such samples (below).
        ours = {
            "input_ids": found.input_ids[:, : facts["model_max_length"]],
            "labels": found.labels[:, : facts["model_max_length"]],
            "attention_mask": found.attention_mask[:, : facts["model_max_length"]].bool(),
            "position_ids": found.position_ids[:, :, : facts["model_max_length"]],
        } | ({} if found.grid_thw is None else {"image_grid_thw": found.grid_thw})
        assert ours.keys() == {key.partition("/")[2] for key in recorded.tensors if key.startswith(f"{name}/")}, name
        for key, value in ours.items():
            assert torch.equal(value, recorded.tensors[f"{name}/{key}"]), f"{name}: {key}"


def test_batches_hold_the_recorded_pixels(recorded):
    pictured = {name: facts for name, facts in recorded.compared.items() if "pixel_values" in facts}
    assert pictured
    for name, facts in pictured.items():
        found = recorded.inputs(facts["samples"])
        shapes = [list(frames.shape) for frames in found.geometry_frames if len(frames)]
        assert shapes == facts["images_vggt_shapes"], name
        digest = facts["pixel_values"]
        assert list(found.pixel_values.shape) == digest["shape"], name
        values = found.pixel_values.flatten()[digest["flat_index"]]
        np.testing.assert_allclose(values, digest["value"], atol=1e-6, err_msg=name)
        assert float(found.pixel_values.double().mean()) == pytest.approx(digest["mean"], abs=1e-6), name
        assert float(found.pixel_values.double().abs().sum()) == pytest.approx(digest["abs_sum"], rel=1e-6), name


def test_samples_that_the_reference_cuts_off_are_refused_or_lose_whole_frames(recorded):
    for facts in recorded.compared.values():
        limit = facts["model_max_length"]
        short = Examples(recorded.examples.mixture, recorded.examples.processor, max_length=limit)
        for name in facts["samples"]:
            whole, found = (each[recorded.places[name]] for each in (recorded.examples, short))
            if len(whole.encoded.input_ids) <= limit:
                assert torch.equal(found.encoded.input_ids, whole.encoded.input_ids), name
            elif isinstance(found, Bad):
                assert f"data.max_length allows {limit}" in found.reason
            else:
                assert found.shortened == len(whole.grid_thw) - len(found.grid_thw) > 0
                assert len(found.encoded.input_ids) <= limit


def test_pictures_and_text_alone_share_a_batch_in_any_order(recorded):
    for names in [["ours", "ours_text", "ours"], ["ours_text", "ours"], *recorded.others]:
        _check_rows(recorded, names)


def _check_rows(recorded: Recorded, names: list[str]) -> None:
    both, packed, pixels = recorded.inputs(names), recorded.inputs(names, packing=True), []
    for row, one in enumerate(names):
        alone = recorded.inputs([one])
        size = alone.input_ids.shape[1]
        here = packed.segments[0] == row
        for key in ("input_ids", "labels"):
            assert torch.equal(getattr(both, key)[row, :size], getattr(alone, key)[0])
            assert torch.equal(getattr(packed, key)[0, here], getattr(alone, key)[0])
        assert torch.equal(both.position_ids[:, row, :size], alone.position_ids[:, 0])
        assert torch.equal(packed.position_ids[:, 0, here], alone.position_ids[:, 0])
        assert both.attention_mask[row].sum() == size
        assert torch.equal(both.geometry_frames[row], alone.geometry_frames[0])
        if alone.pixel_values is not None:
            pixels.append(alone.pixel_values)
    assert (both.pixel_values is None) == (not pixels)
    assert not pixels or torch.equal(both.pixel_values, torch.cat(pixels))


def test_tags_are_never_mixed(recorded):
    mixture = recorded.examples.mixture
    assert set(mixture.tag.tolist()) == {0, 1}
    steps = steps_of_epoch(mixture.length, mixture.tag, Batch(size=len(mixture)), max_length=WHOLE, seed=0, epoch=0)
    tags = [{TAGS[mixture.tag[i]] for micro in step.micro_batches for i in micro} for step in steps]
    assert sorted(map(sorted, tags)) == [["2d"], ["3d"]]


def test_frames_of_different_shapes_are_padded_to_one(recorded):
    found = recorded.inputs(["ours"])
    width = recorded.examples.processor.frame_width  # the tall one is cut to a square
    assert found.geometry_frames[0].shape == (2, 3, width, width)
    assert found.grid_thw.tolist() == [list(grid_of(width, width))] * 2
    assert bool((found.geometry_frames[0][1, :, 0] == 1).all())  # white above the lower one


def test_estimated_lengths_are_those_that_the_reference_groups_by(golden_or_copy):
    folder = golden_or_copy / "data"
    facts = json.loads((folder / "lengths.json").read_text())
    found = {}
    for entry in json.loads((folder / "annotations.json").read_text()):
        pictures = facts["video_max_frames"] if "video" in entry else len(pictures_of(entry))
        found[entry["id"]] = estimated_length(pictures, entry["conversations"])
    assert found == facts["lengths"]
    for key in facts.keys() - {"lengths", "video_max_frames"}:
        # The same for each tag; a sign may tell one tag from the other.
        assert found == {name: abs(length) for name, length in facts[key].items()}, key
