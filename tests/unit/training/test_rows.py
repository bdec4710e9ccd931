"""From examples to rows of tokens: padded, packed, or several questions on one beginning; each learns what it would."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from tests.unit.training.prepared_sets import ask, examples_in
from tests.unit.training.runs import log, prepare_rooms, recipe, run
from vgcli_core.data.sample import Turn, human_turn
from vgcli_core.model.branching import PIECEWISE
from vgcli_core.model.positions import multimodal_positions
from vgcli_core.model.processor import IGNORE, Processor
from vgcli_core.model.tiny import tiny_model
from vgcli_core.training.examples import MicroBatch
from vgcli_core.training.rows import blank, inputs_of, rows_of, shared_length

WIDTH = 140
CPU = torch.device("cpu")
PICTURE = "<|image_pad|>"


@pytest.fixture(scope="module")
def tiny():
    model, tokenizer = tiny_model(frame_width=WIDTH)
    return model, Processor(tokenizer, frame_width=WIDTH)


@pytest.fixture
def processor(tiny) -> Processor:
    return tiny[1]


@pytest.fixture
def examples_of(tmp_path, processor):
    return partial(examples_in, tmp_path / "set", processor)


def test_rows_are_padded_on_the_right(examples_of, processor):
    examples = examples_of(ask("a", words=40), ask("t", frames=0), ask("b"))
    batch = MicroBatch([examples[i] for i in range(3)])
    inputs = inputs_of(batch, processor, CPU, features=None, packing=False)
    sizes = [len(one.encoded.input_ids) for one in batch.examples]
    assert inputs.attention_mask.sum(dim=1).tolist() == sizes
    for row, example in enumerate(batch.examples):
        assert torch.equal(inputs.input_ids[row, : sizes[row]], example.encoded.input_ids)
        assert set(inputs.input_ids[row, sizes[row] :].tolist()) <= {processor.pad_id}
        assert set(inputs.labels[row, sizes[row] :].tolist()) <= {IGNORE}
    assert [len(frames) for frames in inputs.geometry_frames] == [2, 0, 2]
    assert inputs.pixel_values.shape == (4 * 40, 1176)
    assert inputs.grid_thw.tolist() == [[1, 4, 10]] * 4
    assert inputs.segments is None


def test_a_packed_row_numbers_its_samples_and_starts_the_positions_of_each_again(examples_of, processor):
    examples = examples_of(ask("a", words=40), ask("t", frames=0), ask("b"))
    batch = MicroBatch([examples[i] for i in range(3)])
    inputs = inputs_of(batch, processor, CPU, features=None, packing=True)
    assert inputs.input_ids.shape == inputs.labels.shape == inputs.segments.shape == (1, batch.tokens)
    assert inputs.attention_mask.tolist() == [[1] * batch.tokens]
    for number, example in enumerate(batch.examples):
        here = inputs.segments[0] == number
        assert torch.equal(inputs.input_ids[0, here], example.encoded.input_ids)
        assert torch.equal(inputs.labels[0, here], example.encoded.labels)
        assert int(example.encoded.labels[0]) == IGNORE
        alone = multimodal_positions(example.encoded.input_ids, example.grid_thw, processor.ids["<|image_pad|>"])[0]
        assert torch.equal(inputs.position_ids[:, 0, here], alone)
    assert inputs.segments[0].diff().min() >= 0
    assert int((inputs.labels[:, 1:] != IGNORE).sum()) == batch.labelled


@pytest.mark.parametrize("packing", [False, True])
def test_the_loss_of_a_batch_is_the_sum_of_the_losses_of_its_samples(examples_of, tiny, packing):
    model, processor = tiny
    examples = examples_of(ask("a", words=9), ask("t", frames=0), ask("b", frames=1))
    each = [examples[i] for i in range(3)]

    def loss(batch, *, features=None):
        with torch.no_grad():
            return float(model.loss_sum(inputs_of(batch, processor, CPU, features=features, packing=packing)))

    def encode(example):
        whole = inputs_of(MicroBatch([example]), processor, CPU, features=None, packing=False)
        with torch.no_grad():
            return model.encode(whole.pixel_values, whole.grid_thw, whole.geometry_frames[0])

    alone = sum(loss(MicroBatch([one])) for one in each)
    assert loss(MicroBatch(each)) == pytest.approx(alone, rel=1e-5)
    cached = [replace(one, frames=None, key="k") if len(one.grid_thw) else one for one in each]
    known = {one.index: encode(one) for one in each if len(one.grid_thw)}
    assert loss(MicroBatch(cached), features=lambda one: known[one.index]) == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize("form", [{}, {"packing": True}, {"questions": 3}])
def test_an_empty_turn_runs_every_part_and_teaches_nothing(tiny, form):
    model, processor = tiny
    inputs = inputs_of(MicroBatch(), processor, CPU, features=None, **form)
    assert int(inputs.grid_thw.prod()) >= 4
    assert not (inputs.labels != IGNORE).any()
    loss = model.loss_sum(inputs)
    assert float(loss.detach()) == 0.0
    loss.backward()
    trained = {name: p.grad for name, p in model.named_parameters() if p.requires_grad and "head" not in name}
    model.zero_grad()
    assert all(grad is not None and not grad.any() for grad in trained.values())


@pytest.mark.parametrize("width", [28, 140, 518])
def test_the_blank_frame_fits_every_width(processor, width):
    example = blank(Processor(processor.tokenizer, frame_width=width))
    assert example.frames.shape == (1, 28, width, 3)
    pads = int((example.encoded.input_ids == processor.ids["<|image_pad|>"]).sum())
    assert pads == int(example.grid_thw.prod()) // 4 >= 1
    assert set(example.encoded.labels.tolist()) == {IGNORE}


NAMED = (human_turn("where is it?", 2, names=0), Turn("gpt", "Left of the sink."))
LATER = (Turn("human", "<image>\nwhat?"), Turn("gpt", "A bed."), Turn("human", "<image>\nand?"), Turn("gpt", "None."))


def questions(examples_of) -> MicroBatch:
    """Four questions about two frames, two of another layout, one about another list, and one about nothing."""
    samples = [
        ask("a", words=9, answer="A chair and a bed."),
        ask("text", frames=0),
        ask("b"),
        replace(ask("named"), conversations=NAMED),
        ask("c", words=1, answer="No."),
        ask("one frame", frames=1),
        replace(ask("named too", words=2), conversations=NAMED),
        ask("d", answer="Somewhere else, far from here."),
    ]
    return MicroBatch(examples_of(*samples).__getitems__(range(len(samples))))


def test_questions_about_the_same_frames_after_the_same_beginning_share_rows(examples_of, processor):
    batch = questions(examples_of)
    found = [[one.id for one in row] for row in rows_of(batch.examples, processor, questions=3)]
    assert found == [["a", "b", "c"], ["text"], ["named", "named too"], ["one frame"], ["d"]]


def test_a_row_holds_its_frames_once_and_each_question_where_it_would_stand_alone(examples_of, processor):
    batch = questions(examples_of)
    inputs = inputs_of(batch, processor, CPU, features=None, questions=4)
    rows = rows_of(batch.examples, processor, questions=4)
    assert [len(frames) for frames in inputs.geometry_frames] == [len(row[0].grid_thw) for row in rows] == [2, 0, 2, 1]
    assert inputs.grid_thw.tolist() == [[1, 4, 10]] * 5
    assert inputs.pixel_values.shape == (5 * 40, 1176)
    assert int((inputs.input_ids == processor.ids[PICTURE]).sum()) == 5 * 10
    for at, row in enumerate(rows):
        end = shared_length(row[0], processor)
        assert inputs.branches[at].bincount()[1:].tolist() == [one.tokens - end for one in row]
        for number, one in enumerate(row, start=1):
            here = (inputs.branches[at] == number) | (torch.arange(len(inputs.branches[at])) < end)
            assert torch.equal(inputs.input_ids[at, here], one.encoded.input_ids)
            assert torch.equal(inputs.labels[at, here], one.encoded.labels)
            alone = multimodal_positions(one.encoded.input_ids, one.grid_thw, processor.ids[PICTURE])[0]
            assert torch.equal(inputs.position_ids[:, at, here], alone)
        assert inputs.attention_mask[at].sum() == end + sum(one.tokens - end for one in row)
    assert int((inputs.labels[:, 1:] != IGNORE).sum()) == batch.labelled


def test_what_is_learnt_before_a_later_picture_is_learnt_once_for_each_sample(examples_of, processor):
    later = replace(ask("x"), conversations=LATER)
    examples = examples_of(later, replace(later, id="y")).__getitems__([0, 1])
    assert [[one.id for one in row] for row in rows_of(examples, processor, questions=2)] == [["x"], ["y"]]


def test_questions_that_lost_frames_do_not_share_those_of_questions_that_kept_them(examples_of, processor):
    examples = examples_of(ask("long", words=12), ask("short"), ask("as long", words=12))
    examples.max_length = examples[0].tokens - 1
    found = examples.__getitems__([0, 1, 2])
    assert [one.shortened for one in found] == [1, 0, 1]
    rows = rows_of(found, processor, questions=3)
    assert [[one.id for one in row] for row in rows] == [["long", "as long"], ["short"]]
    kept = inputs_of(MicroBatch(found), processor, CPU, features=None, questions=3)
    assert [len(frames) for frames in kept.geometry_frames] == [1, 2]


@pytest.mark.parametrize("attention", ["sdpa", "eager", PIECEWISE])
@pytest.mark.parametrize("count", [2, 5])
def test_a_shared_row_has_the_loss_and_the_gradients_of_its_questions_alone(examples_of, attention, count):
    model, tokenizer = tiny_model(frame_width=WIDTH)
    model.backbone.model.set_attn_implementation(attention)
    model.backbone.vision.requires_grad_(True)
    processor = Processor(tokenizer, frame_width=WIDTH)
    batch = questions(examples_of)

    def learn(inputs):
        loss = model.loss_sum(inputs)
        loss.backward()
        return float(loss.detach())

    def gradients():
        found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        model.zero_grad(set_to_none=True)
        return found

    together = learn(inputs_of(batch, processor, CPU, features=None, questions=count))
    shared = gradients()
    alone = sum(learn(inputs_of(MicroBatch([one]), processor, CPU, features=None)) for one in batch.examples)
    assert together == pytest.approx(alone, rel=1e-6)
    expected = gradients()
    assert shared.keys() == expected.keys()
    for name, gradient in shared.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-5, rtol=1e-4, msg=f"{name} differs")


def test_the_features_of_a_row_are_asked_for_once(examples_of, tiny):
    model, processor = tiny
    batch = questions(examples_of)
    cached = [replace(one, frames=None, key=f"{one.shown}") if len(one.grid_thw) else one for one in batch.examples]
    asked = []

    def features(example):
        asked.append(example.key)
        whole = inputs_of(MicroBatch([batch.examples[cached.index(example)]]), processor, CPU, features=None)
        return model.encode(whole.pixel_values, whole.grid_thw, whole.geometry_frames[0])

    with torch.no_grad():
        loss = model.loss_sum(inputs_of(MicroBatch(cached), processor, CPU, features=features, questions=4))
        expected = model.loss_sum(inputs_of(batch, processor, CPU, features=None))
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-6)
    assert asked == ["0", "0", "1"]


def test_a_run_on_rows_of_questions_counts_samples_and_is_the_same_with_a_cache(tmp_path):
    rooms = prepare_rooms(tmp_path, choice="fixed", film_frames=4)
    settings = {"data": {"workers": 1}, "batch": {"size": 2, "micro": 2, "questions": 4}, "run": {"max_steps": 2}}
    logs = []
    for name, cache in (("live", None), ("cached", tmp_path / "cache")):
        outcome, _ = run(recipe(**settings), rooms, tmp_path / name, cache=cache)
        assert outcome.state == "finished"
        logs.append(log(tmp_path / name))
    assert logs[0] == logs[1]
    assert [line["samples"] for line in logs[0]] == [8, 8]
    assert "piecewise" not in (tmp_path / "live" / "model" / "config.json").read_text(encoding="utf-8")
