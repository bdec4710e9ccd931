"""What training keeps of its frames serves evaluation: the model that it wrote answers without encoding a frame."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from tests.unit.training.runs import prepare_rooms, recipe, run
from vgcli_core.data.groups import frames_key, groups
from vgcli_core.data.prepared import Prepared, open_prepared
from vgcli_core.data.sample import Sample
from vgcli_core.model.answer import Answerer
from vgcli_core.model.feature_cache import FeatureCache
from vgcli_core.model.frames_ahead import FramesAhead
from vgcli_core.model.vgllm import Counts
from vgcli_core.predict.loading import load
from vgcli_core.predict.pipeline import Predictor

DTYPES = {"fp32": "float32", "bf16": "bfloat16"}


@dataclass(frozen=True)
class World:
    """Rooms, and a run of one step on them that kept the features of all of its frames."""

    prepared: Prepared
    samples: list[Sample]
    model: Path
    cache: Path
    dtype: str

    def load(self, *, cached: bool) -> Predictor:
        cache = self.cache if cached else None
        return load(self.model, device="cpu", dtype=self.dtype, cache_features=cache)

    def ask(self, predictor: Predictor, cache: FeatureCache | None) -> tuple[list[str], int]:
        """Return the answers, and how many lists of frames were encoded for them."""
        predictor.model.counts = Counts()
        lists = list({frames_key(one): (self.prepared.root, one) for one in self.samples}.values())
        width = predictor.processor.frame_width
        decoding = dict.fromkeys(("ask", "ground", "detect", "caption"), predictor.decoding(4))
        with FramesAhead(lists, width=width, workers=0, cache=cache) as frames:
            answerer = Answerer(predictor.model, predictor.processor, frames, decoding=decoding, cache=cache)
            found = [answerer([self.samples[place] for place in group]) for group in groups(self.samples)]
        return [str(text) for texts in found for text in texts], predictor.model.counts.encoder_calls


@pytest.fixture(scope="module", params=DTYPES)
def world(request, tmp_path_factory) -> World:
    folder = tmp_path_factory.mktemp("shared")
    data = prepare_rooms(folder / "data")
    what = recipe(run={"max_steps": 1, "precision": request.param})
    run(what, data, folder / "run", cache=folder / "cache")
    prepared = open_prepared(data / "rooms")
    samples = list(prepared.samples("train"))[:24]
    return World(prepared, samples, folder / "run" / "model", folder / "cache", DTYPES[request.param])


def test_what_training_kept_is_found_and_answers_are_those_of_encoding(world):
    predictor = world.load(cached=True)
    found, encoded = world.ask(predictor, predictor.cache)
    assert encoded == 0
    assert len(set(found)) > 1
    expected, encoded = world.ask(predictor, None)
    assert encoded == len({frames_key(one) for one in world.samples})
    assert found == expected
    if world.dtype == "float32":
        assert found == world.ask(world.load(cached=False), None)[0]


def test_without_a_cache_features_are_as_the_encoders_give_them(world):
    assert world.load(cached=False).model.feature_dtype is None
    assert world.load(cached=True).model.feature_dtype == getattr(torch, world.dtype)


def test_a_damaged_entry_is_encoded_anew(world):
    predictor = world.load(cached=True)
    expected, _ = world.ask(predictor, predictor.cache)
    files = sorted(predictor.cache.folder.rglob("*.safetensors"))
    before = {path: path.read_bytes() for path in files}
    for path, whole in before.items():
        path.write_bytes(whole[: len(whole) // 2])
    found, encoded = world.ask(predictor, predictor.cache)
    assert found == expected
    assert encoded == len({frames_key(one) for one in world.samples})
    again = [path for path in files if path.read_bytes() == before[path]]
    assert len(again) == encoded
    for path, whole in before.items():
        path.write_bytes(whole)
