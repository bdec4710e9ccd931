"""Generation metrics while training: which questions, scored how, shared out over processes."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch

from tests.unit.data.harness import request_for
from vgcli.validation import answer_all, build_validate, choose, scores
from vgcli_core.data.prepare import Settings, prepare
from vgcli_core.data.prepared import open_prepared
from vgcli_core.data.sample import truth_of
from vgcli_core.data.sources.rooms import DATASET
from vgcli_core.errors import DataError, UsageError
from vgcli_core.evaluation.benchmarks import BENCHMARKS
from vgcli_core.model.pixels import prepare_pixels
from vgcli_core.model.processor import Processor
from vgcli_core.model.tiny import tiny_model
from vgcli_core.training.recipe import Recipe

RULES = {"ground": "scanrefer", "caption": "scan2cap", "detect": "scannet_det", "ask": "vsi_bench"}
SMALL = {"width": 56, "height": 42, "film_frames": 20}
LIMITS = {"ask": 3, "ground": 3, "detect": 3, "caption": 3}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    request = request_for(DATASET, Path("nowhere"), "train", "val", options=SMALL, scenes=2, num_frames=2)
    prepare(DATASET, request, Settings(folder / "rooms"))
    return folder


@pytest.fixture(scope="module")
def samples(data):
    return list(open_prepared(data / "rooms").samples("val"))


def recipe(**values) -> Recipe:
    return Recipe.model_validate(
        {
            "data": {"sets": {"rooms": {"dataset": "rooms"}}},
            "validation": {
                "every": 1,
                "hold_out": 4,
                "generate": "rooms",
                "generate_samples": 9,
                **values.pop("validation", {}),
            },
            "run": {"precision": "fp32", **values.pop("run", {})},
            **values,
        }
    )


def truth(sample):
    return BENCHMARKS[RULES[sample.task]].truth.model_validate(truth_of(sample))


def oracle(samples):
    return [BENCHMARKS[RULES[one.task]].perfect(truth(one)) for one in samples]


def declared(samples, side: str) -> dict[str, float]:
    found = {}
    for task, name in RULES.items():
        truths = [truth(one) for one in samples if one.task == task]
        scored = getattr(BENCHMARKS[name].range(truths), side).items() if truths else ()
        found |= {f"{task}/{metric}": value for metric, value in scored if metric in BENCHMARKS[name].headline}
    return found


def test_samples_are_spread_over_the_tasks_and_the_same_every_time(samples):
    chosen = choose(samples, 12, seed=1)
    assert Counter(one.task for one in chosen) == dict.fromkeys(RULES, 3)
    assert [one.id for one in chosen] == [one.id for one in choose(samples, 12, seed=1)]
    assert [one.id for one in chosen] != [one.id for one in choose(samples, 12, seed=2)]
    assert len(choose(samples, 10**6, seed=0)) == len(samples)


@pytest.mark.parametrize("side", ["oracle", "silent"])
def test_true_and_empty_answers_score_what_the_benchmarks_declare(samples, side):
    texts = oracle(samples) if side == "oracle" else [""] * len(samples)
    found = scores(samples, texts)
    expected = declared(samples, side)
    assert {"ground/acc@0.25", "detect/f1", "ask/average", "caption/BLEU-4@0.5"} <= set(expected)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    unread = sum(one.task == "detect" and not truth(one).boxes for one in samples) / len(samples)
    assert found["unparsed"] == pytest.approx(1 if side == "silent" else unread)


def test_answers_letter_for_letter(samples):
    trained = [one for one in samples if one.answer]
    texts = [f" {one.answer}\n" for one in trained]
    assert scores(trained, texts)["exact"] == 1
    assert scores(trained, ["no", *texts[1:]])["exact"] == pytest.approx(1 - 1 / len(trained))


def test_two_processes_share_the_questions_and_both_know_all_answers(samples):
    texts = dict(zip((one.id for one in samples), oracle(samples), strict=True))
    asked, given, both = {}, {}, Barrier(2)

    def process(rank: int) -> list[str]:
        def generate(share):
            asked[rank] = [one.id for one in share]
            return [texts[name] for name in asked[rank]]

        def gather(mine):
            given[rank] = mine
            both.wait(timeout=10)
            return [given[0], given[1]]

        return answer_all(samples, generate, rank=rank, world=2, gather=gather)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(process, (0, 1))) == [[texts[one.id] for one in samples]] * 2
    assert sorted(asked[0] + asked[1]) == sorted(texts) and asked[0] and asked[1]
    frames = [{one.frames for one in samples if one.id in asked[rank]} for rank in (0, 1)]
    assert not frames[0] & frames[1]


def test_a_process_without_questions_asks_none(samples):
    def never(share):
        raise AssertionError

    assert answer_all(samples[:1], never, rank=1, world=2, gather=lambda mine: [[(0, "x")], mine]) == ["x"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_model_in_training_is_asked_and_left_as_it_was(data, precision):
    model, tokenizer = tiny_model()
    processor = Processor(tokenizer, frame_width=model.config.frame_width)
    model.train()
    model.geometry_encoder.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    validate = build_validate(recipe(run={"precision": precision}), data, limits=LIMITS)
    assert validate is not None
    found = validate(model, processor, 0, 1)
    assert {"ground/acc@0.25", "detect/f1", "ask/average", "caption/CIDEr@0.5", "exact", "unparsed"} <= set(found)
    assert all(0 <= value <= 1 for value in found.values())
    assert found == validate(model, processor, 0, 1)
    assert model.training and not model.geometry_encoder.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    # Nothing that was made without gradients is left in the way of the next step.
    pixels = prepare_pixels([np.zeros((42, 56, 3), np.uint8)] * 2, width=processor.frame_width)
    turns = [{"from": "human", "value": "<image><image>where?"}, {"from": "gpt", "value": "here"}]
    model.loss_sum(processor.batch([processor.conversation(turns, pixels.grid_thw)], [pixels])).backward()
    assert all(p.grad is not None for p in model.geometry_merger.parameters())


def test_what_cannot_be_asked_is_refused_before_training(data, tmp_path):
    assert build_validate(recipe(validation={"generate": ""}), data) is None
    assert build_validate(recipe(validation={"every": 0}), data) is None
    with pytest.raises(UsageError, match="ZeRO-3"):
        build_validate(recipe(run={"zero": 3}), data)
    with pytest.raises(DataError, match="no prepared set"):
        build_validate(recipe(), tmp_path)
    with pytest.raises(DataError, match="no split 'test'"):
        build_validate(recipe(validation={"generate_split": "test"}), data)


def test_a_frame_that_is_gone_is_met_before_training(data, tmp_path):
    folder = tmp_path / "rooms"
    folder.mkdir()
    for name in ("manifest.json", "val.jsonl"):
        (folder / name).write_bytes((data / "rooms" / name).read_bytes())
    with pytest.raises(DataError, match="is not in the prepared set"):
        build_validate(recipe(), tmp_path)
