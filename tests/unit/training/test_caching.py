"""Features of frozen encoders, computed once: which lists of frames, by whom, and that nothing else changes."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.training.prepared_sets import ask, write_set
from tests.unit.training.runs import recipe, run, weights
from vgcli_core.data.frames_digest import frames_digest
from vgcli_core.data.mixture import Mixture, Part, mix
from vgcli_core.errors import ResourceError, UsageError
from vgcli_core.model.feature_cache import FeatureCache, encoders_fingerprint
from vgcli_core.model.pixels import prepare_pixels
from vgcli_core.model.processor import Processor
from vgcli_core.model.tiny import tiny_model
from vgcli_core.model.vgllm import VGLLM, Counts
from vgcli_core.training import caching
from vgcli_core.training.caching import Filled, fill
from vgcli_core.training.progress import Watch

WIDTH = 140
# A picture of 28x56 pixels becomes 70x140: 4 x 10 patches of 96 numbers, and 10 merged tokens of 64; float32.
FRAME_BYTES = (4 * 10 * 96 + 10 * 64) * 4
# Three lists of frames: of two pictures, of three, and of one that is marked.
MARKED = {"type": "obj_spatial_relation_oo", "red_bbox": [[200, 250, 450, 600]], "blue_bbox": [[600, 300, 900, 800]]}
SAMPLES = (ask("a"), ask("b"), ask("c", frames=3), ask("text", frames=0), ask("d"), ask("e", frames=1, markers=MARKED))
LISTS, FRAMES = 3, 2 + 3 + 1
PLENTY = 10**9
# Lists of frames in the two rooms of the session.
ROOMS = 80


@pytest.fixture(scope="module")
def tiny() -> tuple[VGLLM, Processor]:
    model, tokenizer = tiny_model(frame_width=WIDTH)
    return model, Processor(tokenizer, frame_width=WIDTH)


class Filling:
    """A small mixture and a cache for it, filled as often as a test likes."""

    def __init__(self, folder: Path, model: VGLLM, processor: Processor) -> None:
        self.model, self.processor, self.said = model, processor, []
        self.root = folder / "set"
        self.mixtures: list[Mixture] = list(mix([Part("set", write_set(self.root, SAMPLES), "train")], seed=0))
        self.cache = FeatureCache(folder / "cache", fingerprint=encoders_fingerprint(model))

    def __call__(self, *, limit: int = PLENTY, **more: Any) -> tuple[Filled, int]:
        """Fill; return the counts, and how many lists were encoded for it."""
        self.model.counts = Counts()
        watch = Watch(say=self.said.append)
        filled = fill(self.model, self.mixtures, self.processor, self.cache, limit=limit, watch=watch, **more)
        return filled, self.model.counts.encoder_calls

    @property
    def files(self) -> set[Path]:
        return set(self.cache.folder.rglob("*.safetensors"))


@pytest.fixture
def filling(tmp_path, tiny) -> Filling:
    return Filling(tmp_path, *tiny)


def test_each_distinct_list_is_encoded_once_and_never_again(filling):
    filled, encoded = filling()
    assert encoded == LISTS
    assert filled == Filled(lists=LISTS, samples=5, reused=0, bytes=FRAMES * FRAME_BYTES, bad=0)
    assert len(filling.files) == LISTS
    again, encoded = filling()
    assert encoded == 0
    assert again == replace(filled, reused=LISTS)


def test_what_is_cached_is_what_the_encoders_give(filling, tiny):
    model, processor = tiny
    filling()
    mixture = filling.mixtures[0]
    for index in range(len(mixture)):
        sample = mixture.sample(index)
        if sample.frames:
            found = filling.cache.read(filling.cache.key(frames_digest(sample, filling.root)))
            pixels = prepare_pixels(mixture.images(index), width=processor.frame_width)
            with torch.no_grad():
                expected = model.encode(pixels.pixel_values, pixels.grid_thw, pixels.geometry_frames)
            assert torch.equal(found.image, expected.image)
            assert torch.equal(found.geometry, expected.geometry)
            assert torch.equal(found.grid_thw, expected.grid_thw)


def test_all_mixtures_share_one_cache(filling):
    filling.mixtures = [filling.mixtures[0], filling.mixtures[0]]
    filled, encoded = filling()
    assert (filled.lists, filled.samples, encoded) == (LISTS, 10, LISTS)


def test_processes_take_shares_of_all_lists_whoever_is_first(filling):
    (_, first), (_, second) = filling(rank=0, world=2), filling(rank=1, world=2)
    # The second one sees what the first has written already, and still does its own share.
    assert (first, second) == (2, 1)
    assert len(filling.files) == LISTS


def test_what_was_written_before_an_interruption_stays(filling, monkeypatch):
    write, written = FeatureCache.write, []

    def stop(self, key, features):
        if written:
            raise KeyboardInterrupt
        written.append(key)
        return write(self, key, features)

    monkeypatch.setattr(FeatureCache, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        filling()
    monkeypatch.undo()
    assert len(filling.files) == 1
    filled, encoded = filling()
    assert (filled.reused, encoded) == (1, LISTS - 1)


def test_a_damaged_file_is_computed_anew(filling):
    filling()
    path = min(filling.files)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    filled, encoded = filling()
    assert (filled.reused, encoded) == (LISTS - 1, 1)
    assert path.read_bytes() == whole


def test_more_than_the_limit_is_refused_before_anything_is_encoded(filling):
    with pytest.raises(ResourceError, match="--cache-limit allows") as caught:
        filling(limit=FRAMES * FRAME_BYTES - 1)
    assert "--frames fixed" in caught.value.fix
    assert not filling.files
    assert filling.model.counts == Counts()
    filling(limit=FRAMES * FRAME_BYTES)
    # The limit is for all of it, what is there already included.
    with pytest.raises(ResourceError):
        filling(limit=FRAMES * FRAME_BYTES - 1)


def test_more_than_the_disk_has_is_refused_but_what_is_there_needs_no_room(filling, monkeypatch):
    monkeypatch.setattr(caching, "free_space", lambda folder: FRAMES * FRAME_BYTES - 1)
    with pytest.raises(ResourceError, match="the disk has"):
        filling()
    assert not filling.files
    monkeypatch.undo()
    filling()
    monkeypatch.setattr(caching, "free_space", lambda folder: 0)
    assert filling()[0].reused == LISTS


def test_lists_that_cannot_be_read_are_counted_and_the_others_encoded(filling):
    (filling.root / "frames" / "c.png").write_bytes(b"no picture")
    filled, encoded = filling()
    assert (filled.bad, filled.lists, encoded) == (1, LISTS, LISTS - 1)
    (filling.root / "frames" / "c.png").unlink()
    filled, encoded = filling()
    assert (filled.bad, filled.lists, encoded) == (1, LISTS - 1, 0)


def test_what_it_will_cost_is_said_and_how_to_save_more(filling):
    filling()
    assert filling.said[0] == "features of 3 lists of frames, 1.7 samples each: about 0.00 GB, 0 are there"
    assert any("--frames fixed" in text for text in filling.said)


def test_features_of_other_encoders_are_said_to_be_there(filling, tiny):
    filling()
    assert not any("other encoders" in text for text in filling.said)
    filling.cache = FeatureCache(filling.cache.folder.parent, fingerprint="0" * 64)
    filled, encoded = filling()
    assert (filled.reused, encoded) == (0, LISTS)
    first = encoders_fingerprint(tiny[0])[:16]
    assert f"features of other encoders are there too, and not used: {first}" in filling.said


# Whole runs


def same(one: Path, other: Path) -> None:
    """Assert that two runs left the same lines, gradient norms among them, and the same weights."""
    assert (one / "log.jsonl").read_bytes() == (other / "log.jsonl").read_bytes()
    found, expected = weights(one), weights(other)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"run": {"precision": "bf16", "max_steps": 3}},
        {"run": {"max_steps": 2, "checkpoint_gradients": True}, "data": {"workers": 1}, "batch": {"packing": True}},
        {"run": {"max_steps": 2}, "start": {"geometry_encoder": "none"}},
        {"run": {"max_steps": 2}, "validation": {"every": 2, "hold_out": 4}},
    ],
    ids=["float32", "bfloat16", "packed", "no geometry", "validation"],
)
def test_a_run_with_cached_features_is_the_same_bit_for_bit(rooms, tmp_path, changes):
    run(recipe(**changes), rooms, tmp_path / "plain")
    run(recipe(**changes), rooms, tmp_path / "cached", cache=tmp_path / "cache")
    same(tmp_path / "cached", tmp_path / "plain")


def encoder_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by one whenever frames are encoded."""
    calls: list[int] = []
    encode = VGLLM.encode
    monkeypatch.setattr(VGLLM, "encode", lambda *given: calls.append(1) or encode(*given))
    return calls


def test_samples_that_lose_frames_are_encoded_without_the_cache(rooms, tmp_path, monkeypatch):
    data = shutil.copytree(rooms, tmp_path / "data")
    file = data / "rooms" / "train.jsonl"
    lines = [line for line in file.read_text().splitlines(True) if "object_size_estimation" in line]
    file.write_text("".join(lines))
    manifest = json.loads((data / "rooms" / "manifest.json").read_text())
    manifest["splits"]["train"] |= {"samples": len(lines), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    (data / "rooms" / "manifest.json").write_text(json.dumps(manifest))
    # All show all frames of their room, and have just too many tokens.
    what = recipe(run={"max_steps": 1}, data={"max_length": 150})
    run(what, data, tmp_path / "plain")
    calls = encoder_calls(monkeypatch)
    outcome, said = run(what, data, tmp_path / "cached", cache=tmp_path / "cache")
    assert outcome.bad == 0
    assert any(text.startswith("features of 2 lists") for text in said)
    assert len(calls) == 2 + 4
    same(tmp_path / "cached", tmp_path / "plain")


def test_a_later_run_encodes_nothing(rooms, tmp_path, monkeypatch):
    few = {"max_steps": 1}
    run(recipe(run=few), rooms, tmp_path / "first", cache=tmp_path / "cache")
    calls = encoder_calls(monkeypatch)
    _, said = run(recipe(run=few, optim={"lr": 1e-3}), rooms, tmp_path / "second", cache=tmp_path / "cache")
    assert not calls
    assert f"features of {ROOMS} lists of frames, 2.8 samples each: about 0.00 GB, {ROOMS} are there" in said
    run(recipe(run=few | {"precision": "bf16"}), rooms, tmp_path / "third", cache=tmp_path / "cache")
    assert len(calls) == ROOMS  # of another dtype


@pytest.mark.parametrize("damage", ["cut off", "gone"])
def test_bad_samples_are_the_same_ones_for_the_same_reasons(rooms, tmp_path, damage):
    data = shutil.copytree(rooms, tmp_path / "data")
    frame = sorted((data / "rooms" / "frames" / "rooms").rglob("*.jpg"))[4]
    if damage == "gone":
        frame.unlink()
    else:
        frame.write_bytes(frame.read_bytes()[:200])
    for name, cache in (("plain", None), ("cached", tmp_path / "cache")):
        outcome, _ = run(recipe(), data, tmp_path / name, cache=cache)
        assert outcome.bad > 0
    same(tmp_path / "cached", tmp_path / "plain")
    assert (tmp_path / "cached" / "bad.jsonl").read_bytes() == (tmp_path / "plain" / "bad.jsonl").read_bytes()


@pytest.mark.parametrize("part", ["vision_tower", "connector", "geometry_encoder"])
def test_features_of_an_encoder_that_learns_are_not_cached(rooms, tmp_path, part):
    with pytest.raises(UsageError, match=f"features change while {part} is trained"):
        run(recipe(trained={part: True}), rooms, tmp_path / "run", cache=tmp_path / "cache")
