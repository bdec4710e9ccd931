"""Losses beside the answer's: soft digits, weights, and where attention and image tokens are told to look."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vgcli_core.errors import UsageError
from vgcli_core.model.pixels import pixels_of
from vgcli_core.model.processor import Processor
from vgcli_core.model.small import small_model
from vgcli_core.model.tiny import tiny_model
from vgcli_core.training.examples import Example, MicroBatch
from vgcli_core.training.objectives.answers import Answers
from vgcli_core.training.objectives.hinted import HintedLoss, composed
from vgcli_core.training.objectives.hinted_inputs import hinted_inputs
from vgcli_core.training.objectives.hints import BOX, Hint, NumberWords, numbers_in
from vgcli_core.training.recipe import Batch, Data, DataSet, Losses, Recipe, Start
from vgcli_core.training.rows import inputs_of, placed, rows_of

LABELS = ("bed", "sink")
LOSSES = Losses(boxes=1.0, words=1.0, pointing=1.0, numbers=0.05, labels=LABELS)
ANSWER = '```json\n\t{{"frame": 0, "bbox_3d": [{}]}}\n```'
BOXES = np.array([[0.5, 0.2, 2.0, 1.0, 1.0, 2.0, 0.0, 0.3, 0.1], [-1.2, 0.4, 3.1, 0.6, 0.9, 0.5, 0.0, 0.3, -0.2]])


@pytest.fixture(scope="module")
def model():
    return small_model(seed=1)


@pytest.fixture(scope="module")
def processor(model):
    return Processor(model[1], frame_width=168)


@pytest.fixture(scope="module")
def words(model):
    return NumberWords.of(model[1])


def example(processor, words, asked, frames):
    numbers = ", ".join(f"{number:.2f}" for number in BOXES[asked])
    turns = [
        {"from": "human", "value": f"<image><image>Text: The {LABELS[asked]}."},
        {"from": "gpt", "value": ANSWER.format(numbers)},
    ]
    grid = pixels_of(frames).grid_thw
    encoded = processor.conversation(turns, grid)
    cells = np.zeros((2 * 4 * 6, 2), np.float32)
    cells[[3, 4, 30], 0], cells[[10, 40], 1] = 0.75, 0.5
    found = numbers_in(encoded.input_ids.tolist(), encoded.labels.tolist(), words)
    hint = Hint(cells, BOXES, LABELS, found, (asked,))
    return Example(asked, f"s/{asked}", encoded, frames, grid, shown=0, hint=hint)


@pytest.fixture(scope="module")
def batch(processor, words):
    frames = torch.randint(0, 255, (2, 126, 168, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return MicroBatch([example(processor, words, asked, frames) for asked in (0, 1)])


def inputs(batch, processor, words, *, questions, losses=LOSSES, vocabulary=None):
    plain = inputs_of(batch, processor, torch.device("cpu"), features=None, questions=questions)
    places = list(placed(rows_of(batch.examples, processor, questions=questions), processor))
    return hinted_inputs(plain, places, losses, words, vocabulary or 1000)


def test_what_is_pointed_at_is_read_where_numbers_are_written(batch, processor, words):
    found = inputs(batch, processor, words, questions=5)
    ids = found.inputs.input_ids
    assert len(ids) == 1  # both questions stand in one row
    assert len(found.pointing) == 2 * BOX * 3 and len(found.soft_at) == 2 * BOX * 3
    tokens = [processor.tokenizer.decode([int(ids[0, place + 1])]) for _, place, _ in found.pointing.tolist()]
    assert tokens[:4] == ["[0.", "5", "0", ", 0."]
    assert [thing for _, _, thing in found.pointing.tolist()] == [0] * 27 + [1] * 27
    torch.testing.assert_close(found.boxes, torch.tensor(BOXES, dtype=torch.float32))


def test_digits_near_the_right_one_are_nearly_right(batch, processor, words):
    found = inputs(batch, processor, words, questions=5)
    shares = {
        processor.tokenizer.decode([at]): round(float(share), 3)
        for at, share in enumerate(found.soft[1])
        if share > 0.001
    }
    # The tenth of 0.50 with a deviation of 0.05: half below it is 0.4x; 0.6 is two deviations away.
    assert shares == {"4": pytest.approx(0.477, abs=0.04), "5": pytest.approx(0.477, abs=0.04), "6": 0.023, "3": 0.023}
    torch.testing.assert_close(found.soft.sum(1), torch.ones(54))
    whole = found.soft[9 * 3]  # -1.20 of the second box
    assert processor.tokenizer.decode([int(whole.argmax())]) == "[-1."


def test_numbers_count_more_than_what_stands_around_them(batch, processor, words):
    found = inputs(batch, processor, words, questions=5)
    rows, places = found.soft_at.unbind(1)
    assert found.weights[rows, places][:9].tolist() == [2.5, 2.0, 0.5] * 3
    assert found.weights[rows, places][9:12].tolist() == [1.0, 1.0, 0.25]
    assert pytest.approx(0.15) in found.weights.unique().tolist()


def test_rows_with_one_beginning_have_the_loss_of_single_samples(model, batch, processor, words):
    network = model[0]
    torch.manual_seed(0)
    loss = HintedLoss(network, LOSSES, [[5], [6]])
    vocabulary = network.backbone.vocabulary
    with torch.no_grad():
        together = inputs(batch, processor, words, questions=5, vocabulary=vocabulary)
        alone = inputs(batch, processor, words, questions=1, vocabulary=vocabulary)
        assert len(together.inputs.input_ids) == 1 and len(alone.inputs.input_ids) == 2
        learnt = float(loss(together)), dict(loss.last)
        single = float(loss(alone)), dict(loss.last)
    assert learnt[0] == pytest.approx(single[0], rel=1e-4)
    for name in ("answers", "boxes", "words", "pointing", "middle"):
        assert learnt[1][name] == pytest.approx(single[1][name], rel=1e-4), name


def test_all_hinted_losses_fall_and_without_hints_the_loss_is_the_answers(model, batch, processor, words):
    network = small_model(seed=2)[0].train()
    network.geometry_encoder.requires_grad_(False)
    loss = HintedLoss(network, LOSSES, [[5], [6]])
    found = inputs(batch, processor, words, questions=5, vocabulary=network.backbone.vocabulary)
    optimizer = torch.optim.AdamW([p for p in loss.parameters() if p.requires_grad], lr=2e-3)
    told = []
    for _ in range(12):
        loss(found).backward()
        told.append(dict(loss.last))
        optimizer.step()
        optimizer.zero_grad()
    for name in ("answers", "boxes", "words", "pointing"):
        assert told[-1][name] < 0.8 * told[0][name], name
    plain = MicroBatch([replace(one, hint=None) for one in batch.examples])
    with torch.no_grad():
        bare = inputs(plain, processor, words, questions=5, vocabulary=network.backbone.vocabulary)
        hintless = HintedLoss(network, Losses(boxes=1.0, pointing=1.0, numbers=0.05), [])
        assert float(hintless(bare)) == pytest.approx(float(network.loss_sum(bare.inputs)), rel=1e-5)


ALONE = [("boxes", {"entering", "inside"}), ("words", {"words", "nothing"}), ("pointing", set()), ("numbers", set())]


def hinted_run(processor, losses, questions=5):
    """A small model with the losses, as a run has it once its encoders are frozen."""
    network = small_model(seed=2)[0]
    for frozen in (network.geometry_encoder, network.backbone.vision):
        frozen.requires_grad_(False)
    recipe = Recipe(
        start=Start(weights="small", geometry_weights=None, frame_width=168),
        objective=losses,
        data=Data(sets={"rooms": DataSet(dataset="rooms")}),
        batch=Batch(questions=questions),
    )
    return Answers(recipe, network, processor, torch.device("cpu"))


def without_gradient(module):
    """Processes add up gradients of the same parameters, and checkpoints hold moments of all of them."""
    return [name for name, one in module.named_parameters() if one.requires_grad and one.grad is None]


@pytest.mark.parametrize(("name", "heads"), ALONE)
@pytest.mark.parametrize("turn", ["full", "empty"])
def test_one_loss_alone_has_its_heads_and_every_part_learns(batch, processor, name, heads, turn):
    answers = hinted_run(processor, Losses(**{name: getattr(LOSSES, name)}, labels=LABELS))
    assert set(answers.module.heads) == heads
    answers.module(answers.inputs(batch if turn == "full" else MicroBatch(), 0)).backward()
    assert without_gradient(answers.module) == []
    assert set(answers.measured()) == set(answers.measures)


@pytest.mark.parametrize("questions", [1, 5])
def test_an_empty_turn_learns_nothing_and_runs_every_part(processor, questions):
    answers = hinted_run(processor, LOSSES, questions)
    loss = answers.module(answers.inputs(MicroBatch(), 0))
    assert float(loss.detach()) == 0
    loss.backward()
    assert without_gradient(answers.module) == []


@pytest.mark.parametrize("name", ["pointing", "numbers"])
def test_losses_on_numbers_are_refused_where_the_tokenizer_cuts_them_otherwise(name):
    network, tokenizer = tiny_model()
    recipe = Recipe(
        start=Start(weights="tiny", geometry_weights=None),
        objective=Losses(**{name: 0.5}),
        data=Data(sets={"rooms": DataSet(dataset="rooms")}),
    )
    with pytest.raises(UsageError, match="a whole part with its point"):
        Answers(recipe, network, Processor(tokenizer), torch.device("cpu"))


def test_positions_of_older_decoders_are_composed_as_todays_are(model):
    language_model = model[0].backbone.language_model
    section = language_model.config.rope_parameters["mrope_section"]
    positions = torch.randint(0, 50, (3, 2, 9), generator=torch.Generator().manual_seed(0))
    todays, _ = language_model.rotary_emb(torch.zeros(2, 9, 1), positions)
    each = positions[..., None] * language_model.rotary_emb.inv_freq
    older = torch.cat((each, each), dim=-1).cos()
    torch.testing.assert_close(composed(older, section), composed(todays, section))
