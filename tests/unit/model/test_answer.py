"""Answers to prepared samples: the trained tokens, each list of frames encoded once."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vgcli_core.data.sample import Sample, Turn, human_turn
from vgcli_core.errors import DataError
from vgcli_core.model.answer import Answerer, Seen, answers
from vgcli_core.model.feature_cache import FeatureCache, encoders_fingerprint
from vgcli_core.model.generate import Decoding
from vgcli_core.model.pixels import fit_frames, prepare_pixels
from vgcli_core.model.processor import Processor
from vgcli_core.model.tiny import tiny_model
from vgcli_core.model.vgllm import Counts

LIMITS = {"ask": 6, "ground": 4, "detect": 6, "caption": 5}


@pytest.fixture(scope="module")
def model_and_processor():
    model, tokenizer = tiny_model(seed=3)
    return model, Processor(tokenizer, frame_width=model.config.frame_width)


def sample(name: str, text: str, frames: tuple[str, ...], task="ask", names=None) -> Sample:
    turns = (human_turn(text, len(frames), names=names, newline="\n"), Turn("gpt", "yes"))
    return Sample(name, "rooms", "val", "room", task, frames, turns)


SAMPLES = [
    sample("a", "How many chairs are there?", ("1.jpg", "2.jpg")),
    sample("b", "Is the door open, or is it not?", ("3.jpg",)),
    sample("c", "the sink", ("1.jpg", "2.jpg"), "ground", names=0),
    sample("d", "Where is the table in the room?", ("1.jpg", "2.jpg")),
    sample("e", "How many chairs are there?", ("2.jpg", "1.jpg"), "caption"),
]


def images(one: Sample):
    return [np.random.default_rng(int(name[0])).integers(0, 255, (60, 80, 3), np.uint8) for name in one.frames]


@torch.inference_mode()
def slowly(model, processor, one: Sample) -> str:
    """Decode token by token, the whole conversation read anew each time."""
    pixels = prepare_pixels(images(one), width=processor.frame_width)
    turns = [{"from": "human", "value": one.conversations[0].text}, {"from": "gpt", "value": ""}]
    whole = processor.conversation(turns, pixels.grid_thw)
    # An empty answer is its end mark and a newline.
    prompt = whole.input_ids[:-2]
    new = []
    while len(new) < LIMITS[one.task] and processor.ids["<|im_end|>"] not in new:
        ids = torch.cat((prompt, torch.tensor(new, dtype=torch.long)))
        inputs = processor.batch([replace(whole, input_ids=ids, labels=ids)], [pixels])
        new.append(int(model(inputs).logits[0, -1].argmax()))
    return processor.decode(new)


def test_answers_are_those_of_the_trained_conversation(model_and_processor):
    found = answers(*model_and_processor, SAMPLES, images, limits=LIMITS)
    assert found == [slowly(*model_and_processor, one) for one in SAMPLES]
    assert len(set(found)) > 1


def test_frames_are_encoded_once_and_each_layout_read_once(model_and_processor):
    model, processor = model_and_processor
    before = model.counts.frames_encoded, model.counts.prefix_runs
    answers(model, processor, SAMPLES, images, limits=LIMITS, batch_size=1)
    assert model.counts.frames_encoded - before[0] == 2 + 1 + 2
    assert model.counts.prefix_runs - before[1] == 4
    assert answers(model, processor, [], images) == []


def look(one: Sample) -> Seen:
    return Seen(fit_frames(images(one), width=84).frames)


@pytest.fixture
def answerer(model_and_processor):
    model, processor = model_and_processor
    stop = frozenset({processor.ids["<|im_end|>"]})
    decoding = {task: Decoding(limit, stop) for task, limit in LIMITS.items()}
    return Answerer(model, Processor(processor.tokenizer, frame_width=84), look, decoding=decoding, batch_size=2)


def test_a_group_is_answered_as_one_by_one(answerer):
    members = [replace(SAMPLES[0], id=str(turn)) for turn in range(2)] + [SAMPLES[3]]
    together, alone = answerer(members), answerer.one_by_one(members)
    assert together == alone
    assert [(one.tokens, one.complete) for one in together] == [(one.tokens, one.complete) for one in alone]
    assert all(one.complete or one.tokens == LIMITS["ask"] for one in together)


def test_the_next_layout_of_the_same_frames_does_not_encode_again(answerer, model_and_processor):
    model, _ = model_and_processor
    before = model.counts.encoder_calls
    answerer([SAMPLES[0]])
    answerer([SAMPLES[2]])
    assert model.counts.encoder_calls - before == 1
    answerer([SAMPLES[4]])
    assert model.counts.encoder_calls - before == 2
    answerer.one_by_one([SAMPLES[4], SAMPLES[4]])
    assert model.counts.encoder_calls - before == 4


def test_marks_in_a_question_spoil_no_other(answerer):
    odd = sample("odd", "What does <|vision_end|> mean, and <|im_end|>?", ("1.jpg", "2.jpg"))
    members = [odd, SAMPLES[0], SAMPLES[3]]
    assert answerer(members) == answerer.one_by_one(members)


def test_equal_layouts_have_equal_beginnings(model_and_processor):
    _, processor = model_and_processor
    grid = torch.tensor([[1, 4, 6], [1, 4, 6]])
    beginnings = {}
    for one in (*SAMPLES[:1], *SAMPLES[2:4]):
        turns = [{"from": "human", "value": one.conversations[0].text}, {"from": "gpt", "value": ""}]
        ids = processor.conversation(turns, grid).input_ids.tolist()
        end = len(ids) - ids[::-1].index(processor.ids["<|vision_end|>"])
        beginnings.setdefault(one.layout, set()).add(tuple(ids[:end]))
    assert [len(found) for found in beginnings.values()] == [1, 1]
    assert len(set().union(*beginnings.values())) == 2


def test_a_sample_without_frames_is_refused(model_and_processor):
    with pytest.raises(DataError, match="without frames"):
        answers(*model_and_processor, [sample("x", "why?", ())], images)


def test_features_that_are_kept_give_the_same_answers_without_encoding(model_and_processor, tmp_path):
    model, processor = model_and_processor
    expected = answers(model, processor, SAMPLES, images, limits=LIMITS)
    cache = FeatureCache(tmp_path, fingerprint=encoders_fingerprint(model))
    for calls in (3, 0):
        model.counts = Counts()
        assert answers(model, processor, SAMPLES, images, limits=LIMITS, cache=cache) == expected
        assert model.counts.encoder_calls == calls
