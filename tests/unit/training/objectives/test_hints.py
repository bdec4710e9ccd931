"""Hints beside a sample's tokens: where its numbers are, which image tokens show which object, and what its box is."""

import numpy as np
import pytest

from vgcli_core.data.scene_truth import SceneTruth
from vgcli_core.model.small_tokenizer import small_tokenizer
from vgcli_core.training.objectives.hints import Number, NumberWords, hint_of, numbers_in

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
