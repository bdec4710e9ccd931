"""From samples to what the model reads: bad ones are named, long ones lose whole frames, workers change nothing."""

import pickle
from dataclasses import replace
from functools import partial

import pytest
import torch

from tests.unit.training.prepared_sets import FRAMES, ask, examples_in, same
from vgcli_core.data.frame_store import read_images
from vgcli_core.data.sample import Turn
from vgcli_core.model.processor import IGNORE, Processor
from vgcli_core.model.tiny import tiny_model
from vgcli_core.training import examples as module
from vgcli_core.training.examples import Bad, Example
from vgcli_core.training.loading import load

WIDTH = 140
CPU = torch.device("cpu")
# A picture of 28x56 pixels becomes 70x140: 4 x 10 patches, of which four make a token; two marks stand around it.
PER_FRAME = 4 * 10 // 4 + 2


@pytest.fixture(scope="module")
def tiny():
    model, tokenizer = tiny_model()
    return model, Processor(tokenizer, frame_width=WIDTH)


@pytest.fixture
def processor(tiny) -> Processor:
    return tiny[1]


@pytest.fixture
def examples_of(tmp_path, processor):
    return partial(examples_in, tmp_path / "set", processor)


def text_of(processor, example: Example) -> str:
    return processor.tokenizer.decode(example.encoded.input_ids.tolist()).replace("<|image_pad|>" * 10, "*")


def test_a_sample_is_read_fitted_and_tokenised(examples_of, processor):
    found = examples_of(ask("a"))[0]
    assert (found.index, found.id, found.key, found.shortened) == (0, "a", "", 0)
    assert (found.frames.shape, found.frames.dtype) == ((2, 70, WIDTH, 3), torch.uint8)
    assert found.grid_thw.tolist() == [[1, 4, 10]] * 2
    seen = "<|vision_start|>*<|vision_end|>" * 2
    assert f"<|im_start|>user\n{seen}what what what <|im_end|>\n<|im_start|>assistant\n" in text_of(processor, found)
    learnt = found.encoded.input_ids[found.encoded.labels != IGNORE]
    assert processor.tokenizer.decode(learnt.tolist()) == "That one.<|im_end|>\n"


def test_marks_are_drawn_on_the_frames(examples_of):
    info = {"type": "obj_spatial_relation_oo", "red_bbox": [[200, 250, 450, 600]], "blue_bbox": [[600, 300, 900, 800]]}
    examples = examples_of(ask("plain", frames=1), ask("marked", frames=1, markers=info))
    plain, marked = examples[0], examples[1]
    assert not torch.equal(plain.frames, marked.frames)


def test_text_alone_has_no_frames(examples_of):
    found = examples_of(ask("t", frames=0))[0]
    assert found.frames is None
    assert found.grid_thw.shape == (0, 3)


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (ask("x", answer=""), "nothing of it is learnt"),
        (replace(ask("x"), frames=FRAMES[:1]), "the text has 2 <image> marks and 1 frames are left"),
        (replace(ask("x"), frames=FRAMES[:3]), "1 frames have no <image> in the text"),
        (replace(ask("x"), frames=("a.png", "gone.png")), "there is no file gone.png"),
        (replace(ask("x"), frames=("a.png", "../train.jsonl")), "is no name for a frame"),
        (ask("x", frames=1, markers={"type": "no such type"}), "no such type"),
        (ask("x", words=2000), "tokens, and data.max_length allows 1000: its text alone is too long"),
        (ask("x", frames=0, words=2000), "tokens, and data.max_length allows 1000"),
    ],
)
def test_a_sample_that_cannot_be_used_says_why_and_no_other_takes_its_place(examples_of, sample, reason):
    examples = examples_of(ask("before"), sample, ask("after"))
    bad = examples[1]
    assert isinstance(bad, Bad)
    assert (bad.index, bad.id) == (1, "x")
    assert bad.where == examples.mixture.where(1)
    assert reason in bad.reason
    assert isinstance(examples[0], Example) and isinstance(examples[2], Example)


def test_a_damaged_picture_and_a_damaged_line_are_bad_samples(examples_of):
    examples = examples_of(ask("a", frames=1), ask("b", frames=2))
    root = examples.mixture.root(0)
    (root / "frames" / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    assert isinstance(examples[0], Example)
    assert "b.png" in examples[1].reason
    lines = (root / "train.jsonl").read_bytes()
    (root / "train.jsonl").write_bytes(b"!" + lines[1:])
    assert (examples[0].id, "no JSON" in examples[0].reason) == ("", True)


@pytest.mark.parametrize(("kept", "places"), [(1, [0]), (2, [0, 3]), (3, [0, 1, 3])])
def test_a_question_that_is_too_long_loses_whole_frames_and_keeps_the_first(examples_of, processor, kept, places):
    sample = ask("long", frames=4)
    examples = examples_of(sample)
    whole = examples[0]
    # Room for `kept` frames and all but one token of another.
    examples.max_length = len(whole.encoded.input_ids) - (4 - kept) * PER_FRAME + PER_FRAME - 1
    found = examples[0]
    assert found.shortened == 4 - kept
    assert torch.equal(found.frames, whole.frames[places])
    assert found.grid_thw.tolist() == [[1, 4, 10]] * kept
    seen = "<|vision_start|>*<|vision_end|>"
    assert text_of(processor, found) == text_of(processor, whole).replace(seen * 4, seen * kept)
    assert len(found.encoded.input_ids) == len(whole.encoded.input_ids) - (4 - kept) * PER_FRAME


def test_a_sample_that_fits_exactly_is_left_as_it_is(examples_of):
    examples = examples_of(ask("long", frames=4))
    examples.max_length = len(examples[0].encoded.input_ids)
    assert examples[0].shortened == 0


NAMED = Turn("human", "Frame-0: <image>\nFrame-1: <image>\nwhich?")
APART = Turn("human", "<image>\nthen <image>\nwhich?")


@pytest.mark.parametrize(
    "sample",
    [
        ask("x", task="ground"),
        ask("x", markers={"type": "view_change_infer"}),
        replace(ask("x"), conversations=(NAMED, Turn("gpt", "That."))),
        replace(ask("x"), conversations=(APART, Turn("gpt", "That."))),
        ask("x", answer="It is in Frame-1."),
    ],
)
def test_frames_that_an_answer_may_mean_are_not_dropped(examples_of, sample):
    examples = examples_of(sample)
    examples.max_length = len(examples[0].encoded.input_ids) - 1
    assert "tokens, and data.max_length allows" in examples[0].reason


def test_a_recipe_may_refuse_long_samples(examples_of):
    examples = examples_of(ask("long", frames=4), too_long="refuse", max_length=50)
    assert isinstance(examples[0], Bad)


class Known:
    """A cache that has everything, or nothing."""

    def __init__(self, *, full: bool) -> None:
        self.full, self.asked = full, []

    def key(self, digest):
        self.asked.append(digest)
        return f"key-{digest[:8]}"

    def has(self, key):
        return self.full

    def grid(self, key):
        return torch.tensor([[1, 4, 10]] * 2)


def test_frames_whose_features_are_known_are_not_decoded(examples_of):
    examples = examples_of(ask("a"), ask("b"))
    decoded = examples[0]
    examples.cache = Known(full=True)
    found, again = examples[0], examples[1]
    assert found.frames is None
    assert found.key == again.key == f"key-{examples.cache.asked[0][:8]}"
    assert torch.equal(found.encoded.input_ids, decoded.encoded.input_ids)
    assert torch.equal(found.grid_thw, decoded.grid_thw)
    examples.cache = Known(full=False)
    assert same(examples[0], decoded)


def test_a_sample_that_is_shortened_is_decoded_although_features_of_all_its_frames_are_known(examples_of):
    examples = examples_of(ask("a"), cache=Known(full=True))
    examples.max_length = len(examples[0].encoded.input_ids) - 1
    assert (examples[0].shortened, examples[0].key, len(examples[0].frames)) == (1, "", 1)


def test_examples_can_be_sent_to_a_process_that_was_not_forked(examples_of):
    examples = examples_of(ask("a"))
    assert same(pickle.loads(pickle.dumps(examples))[0], examples[0])


def test_questions_of_a_micro_batch_read_the_frames_that_they_share_once(examples_of, monkeypatch):
    read = []

    def counting(sample, root):
        read.append(sample.id)
        return read_images(sample, root)

    monkeypatch.setattr(module, "read_images", counting)
    samples = [ask("a"), ask("b", frames=1), ask("c", words=9), ask("t", frames=0), ask("d", frames=1), ask("e")]
    examples = examples_of(*samples)
    found = examples.__getitems__(range(6))
    assert read == ["a", "b"]
    assert found[0].frames is found[2].frames is found[5].frames
    assert [one.shown for one in found] == [0, 1, 0, -1, 1, 0]
    assert all(same(one, examples[one.index]) for one in found)

    # So it is where a worker reads them: it sends them once.
    (sent,) = load(examples, [range(6)], workers=1)
    assert sent.examples[0].frames.data_ptr() == sent.examples[5].frames.data_ptr()
    assert all(same(*pair) for pair in zip(found, sent.examples, strict=True))


def test_questions_of_a_micro_batch_ask_the_cache_once_for_the_frames_that_they_share(examples_of):
    examples = examples_of(ask("a"), ask("b"), ask("c", words=9), cache=Known(full=True))
    found = examples.__getitems__([2, 0, 1])
    assert len(examples.cache.asked) == 1
    assert len({one.key for one in found}) == 1
