"""Hints beside a sample's tokens: where its numbers are, which image tokens show which object, and what its box is."""

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.training.prepared_sets import FRAMES, ask, examples_in
from vgcli_core.data.sample import FramedBox
from vgcli_core.data.scene_truth import CELL, FILE, SceneTruth, to_bytes
from vgcli_core.geometry.boxes import as_boxes
from vgcli_core.model.processor import Processor
from vgcli_core.model.small_tokenizer import small_tokenizer
from vgcli_core.training.objectives.hints import Hints, Number, NumberWords, hint_of, numbers_in

IGNORE = -100


@pytest.fixture(scope="module")
def tokenizer():
    return small_tokenizer()


@pytest.fixture(scope="module")
def words(tokenizer):
    return NumberWords.of(tokenizer)


def test_numbers_are_found_with_their_place_decimals_and_value(tokenizer, words):
    ids = tokenizer.encode('```json\n\t{"frame": 0, "bbox_3d": [0.61, -0.22, 9.00, -3.05]}\n```')
    found = numbers_in(ids, ids, words)
    assert [(one.decimals, round(one.value, 4)) for one in found] == [(2, 0.61), (2, -0.22), (2, 9.0), (2, -3.05)]
    for one in found:
        written = tokenizer.decode(ids[one.place : one.place + 3]).lstrip("[, ")
        assert float(written) == pytest.approx(one.value)


def test_what_is_not_learnt_has_no_numbers(tokenizer, words):
    ids = tokenizer.encode("the object located at [0.61, -0.22, 2.94] in detail.")
    assert numbers_in(ids, [IGNORE] * len(ids), words) == ()
    assert len(numbers_in(ids, ids, words)) == 3


def test_minus_zero_point_something_is_negative(tokenizer, words):
    ids = tokenizer.encode("[-0.50")
    assert numbers_in(ids, ids, words) == (Number(0, 2, -0.5),)


def test_cells_are_shares_of_each_image_token_and_boxes_are_in_the_first_camera():
    owner = np.full((2, 9, 8), -1, np.int16)  # 2 frames of 56x63 pixels: a last row of cells is left
    owner[0, :4, :2] = 1  # half of the first token
    owner[1, 4:8, 4:8] = 0  # all of the last one
    camera = np.eye(4)
    camera[:3, 3] = [1.0, 0.0, 0.0]
    boxes = np.array([[1.0, 0, 3, 0.4, 0.5, 0.6, np.pi / 2, 0, 0], [2.0, 0, 4, 1, 1, 2, 0, 0, 0]])
    truth = SceneTruth(
        np.ones((2, 9, 8), np.float32), owner, ("sink", "bed"), boxes, np.stack([camera, np.eye(4)]), np.eye(3)
    )
    hint = hint_of(truth, rows=4, columns=4)
    assert hint.cells.shape == (8, 2)
    expected = np.zeros((8, 2))
    expected[0, 1], expected[7, 0] = 0.5, 1.0
    np.testing.assert_allclose(hint.cells, expected)
    # The least rotated naming of the first box swaps its first two edges instead of turning by 90 degrees.
    np.testing.assert_allclose(hint.boxes[0], [0, 0, 3, 0.5, 0.4, 0.6, 0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(hint.boxes[1], [1, 0, 4, 1, 1, 2, 0, 0, 0], atol=1e-9)


HEIGHT, WIDTH = 28, 56  # pixels of the set's pictures: two image tokens each
OBJECTS = np.array([[0.5, 0.2, 2.0, 1.0, 1.0, 2.0, 0, 0, 0], [-1.25, 0.4, 3.0, 0.5, 1.0, 0.5, 0, 0, 0]])


@pytest.fixture
def read(tmp_path, tokenizer, words):
    """The examples of samples about four pictures; in picture i, object i % 2 fills image token i // 2."""

    def examples(*samples, width=WIDTH, **settings):
        owner = np.full((4, HEIGHT // CELL, width // CELL), -1, np.int16)
        for place in range(4):
            left = 4 * (place // 2)
            owner[place, :, left : left + 4] = place % 2
        truth = SceneTruth(
            np.ones(owner.shape, np.float32), owner, ("sink", "bed"), OBJECTS, np.tile(np.eye(4), (4, 1, 1)), np.eye(3)
        )
        found = examples_in(
            tmp_path,
            Processor(tokenizer, frame_width=WIDTH),
            *(replace(one, frames=tuple(f"{place:06d}.png" for place in range(len(one.frames)))) for one in samples),
            hints=Hints(words),
            **settings,
        )
        for place, name in enumerate(FRAMES):
            (tmp_path / "frames" / name).rename(tmp_path / "frames" / f"{place:06d}.png")
        (tmp_path / "frames" / FILE).write_bytes(to_bytes(truth))
        return found

    return examples


def tokens_of(example):
    """The object that each image token shows."""
    return [int(token.argmax()) if token.any() else None for token in example.hint.cells]


def answer(box):
    """A sample that answers with a box, and has it."""
    numbers = ", ".join(f"{number:.2f}" for number in box)
    return replace(ask("s", answer=f"[{numbers}]"), boxes=(FramedBox(as_boxes(box[None], ["it"])[0], 0),))


def test_an_example_is_told_what_its_frames_show_and_which_boxes_it_answers_with(read):
    there, nowhere = read(answer(OBJECTS[1]), answer(OBJECTS[1] + np.eye(9)[0] / 5))
    assert tokens_of(there) == [0, None, 1, None]
    assert there.hint.labels == ("sink", "bed")
    assert [number.value for number in there.hint.numbers] == pytest.approx(OBJECTS[1])
    assert there.hint.asked == (1,)
    assert nowhere.hint.asked == (-1,)


def test_a_shortened_example_is_told_of_the_frames_that_it_kept(read):
    whole, short = read(ask("s", frames=4), ask("t", frames=4, words=4), max_length=53)
    assert tokens_of(whole) == [0, None, 1, None, None, 0, None, 1]
    assert (short.shortened, tokens_of(short)) == (2, [0, None, None, 1])


@pytest.mark.parametrize("width", [28, 112])
def test_truth_of_pictures_of_another_size_is_told(read, width):
    bad = read(ask("s"), width=width)[0]
    assert f"pictures {width} pixels wide, and the model sees them 56 wide" in bad.reason
