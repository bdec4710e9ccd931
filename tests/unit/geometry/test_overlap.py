"""Overlap of boxes: cases worked out by hand, and random ones against exact rational arithmetic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from tests.unit.geometry import slow_overlap
from vgcli_core.geometry import overlap
from vgcli_core.geometry.boxes import renamed, transform
from vgcli_core.geometry.overlap import (
    generalized_iou,
    intersection,
    iou,
    iou_of_blocks,
    iou_of_pairs,
    volumes,
    without_volume,
)
from vgcli_core.geometry.refusals import refused

QUARTER = np.pi / 2
UNIT = np.array([[0, 0, 0, 1, 1, 1, 0, 0, 0]], dtype=float)
TABLE = np.array([[0.4, -0.2, 1.5, 1.6, 0.8, 0.7, 0.3, -0.4, 1.2]])


def moved(*shift: float, size: tuple[float, float, float] = (1, 1, 1), angles=(0.0, 0.0, 0.0)) -> np.ndarray:
    return np.array([[*shift, *size, *angles]], dtype=float)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (UNIT, 1),
        (moved(0.5, 0, 0), 1 / 3),
        (moved(0.5, 0.5, 0), 0.25 / 1.75),
        (moved(0, 0, 0, size=(2, 2, 2)), 1 / 8),  # around it
        (moved(0, 0, 0.25, size=(1, 1, 0.5)), 1 / 2),  # inside, three faces shared
        (moved(1, 0, 0), 0),  # face against face
        (moved(1, 1, 0), 0),  # edge against edge
        (moved(1, 1, 1), 0),  # corner against corner
        (moved(9, 0, 0), 0),
        (moved(0, 0, 0, angles=(QUARTER, 0, 0)), 1),  # a cube turned into itself
        # Turned by 45 degrees about z, a unit square shares the octagon 2 (sqrt 2 - 1) with itself.
        (moved(0, 0, 0, angles=(np.pi / 4, 0, 0)), (x := 2 * (np.sqrt(2) - 1)) / (2 - x)),
        (moved(0, 0, 0, size=(1, 1, 1e-6)), 1e-6),
        (moved(0, 0, 0, size=(-1, 1, 1)), 1),  # a negative size is its absolute value
    ],
)
def test_boxes_that_can_be_worked_out_by_hand(other, expected):
    assert_allclose(iou(UNIT, other), [[expected]], atol=1e-12)
    assert_allclose(iou(other, UNIT), [[expected]], atol=1e-12)
    assert_allclose(iou_of_pairs(UNIT, other), [expected], atol=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1, 1e3, 1e6])
def test_tiny_and_huge_boxes_are_as_exact_as_those_of_a_room(scale):
    one, other = TABLE.copy(), TABLE + np.array([0.1, 0.1, 0, 0, 0, 0, 0.2, 0, 0])
    expected = iou(one, other)
    one[:, :6] *= scale
    other[:, :6] *= scale
    assert_allclose(iou(one, other), expected, atol=1e-12)


@pytest.mark.parametrize("noise", [0, 1e-17, 1e-15, 1e-13, 1e-11, 1e-9, 1e-7, 1e-5, 1e-3])
def test_almost_the_same_box_has_almost_the_same_volume(noise):
    """Nearly coincident faces: where the published evaluation is off by up to 0.4, and naive clipping too."""
    others = TABLE + noise * np.random.default_rng(0).normal(size=(8, 9))
    exact = [slow_overlap.iou(TABLE[0], other) for other in others]
    assert_allclose(iou(TABLE, others)[0], exact, atol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", range(9))
def test_a_number_that_is_not_finite_overlaps_nothing_and_leaves_other_boxes_alone(bad, place):
    broken = TABLE.copy()
    broken[0, place] = bad
    assert without_volume(broken).all()
    assert refused(broken).all()
    with np.errstate(all="raise"):
        scores = iou(np.vstack([broken, TABLE]), np.vstack([TABLE, broken]))
    assert_allclose(scores, [[0, 0], [1, 0]], atol=1e-12)


def test_boxes_without_volume_overlap_nothing_and_can_be_counted():
    flat = np.vstack([TABLE, TABLE, TABLE])
    flat[1:, 4] = [0, -0.0]
    assert_allclose(iou(flat, flat), np.diag([1, 0, 0]), atol=1e-12)
    assert without_volume(flat).tolist() == [False, True, True]


def test_no_boxes_give_an_empty_matrix():
    assert iou(np.empty((0, 9)), TABLE).shape == (0, 1)
    assert iou(TABLE, np.empty((0, 9))).shape == (1, 0)


def test_a_matrix_holds_what_its_pairs_hold_however_it_is_cut_into_pieces(monkeypatch):
    boxes = room(60, seed=1)
    whole = iou(boxes, boxes[:40])
    pairs = np.array([[iou(a[None], b[None])[0, 0] for b in boxes[:40]] for a in boxes])
    assert (whole > 0).sum() > 100
    assert_allclose(whole, pairs, atol=1e-14)
    monkeypatch.setattr(overlap, "_ROWS_AT_ONCE", 100)
    monkeypatch.setattr(overlap, "_PAIRS_AT_ONCE", 7)
    assert_allclose(iou(boxes, boxes[:40]), whole, atol=1e-14)
    assert_allclose(iou_of_pairs(boxes[:40], boxes[20:]), np.diag(iou(boxes[:40], boxes[20:])), atol=1e-14)


def test_blocks_of_scenes_hold_what_each_scene_holds_alone():
    scenes = [(room(n, seed=n), room(m, seed=9 + m)) for n, m in ((3, 5), (0, 4), (6, 1), (2, 0), (4, 4))]
    blocks = iou_of_blocks(*zip(*scenes, strict=True))
    assert sum((block > 0).sum() for block in blocks) > 5
    for block, (one, other) in zip(blocks, scenes, strict=True):
        assert block.shape == (len(one), len(other))
        assert_allclose(block, iou(one, other), atol=1e-14)
    assert iou_of_blocks([], []) == []


def test_shared_volume_and_union_make_the_iou():
    boxes = room(20, seed=2)
    shared, volume = intersection(boxes, boxes), volumes(boxes)
    assert_allclose(shared / (volume[:, None] + volume - shared), iou(boxes, boxes), atol=1e-14)
    assert_allclose(np.diag(shared), volume, rtol=1e-12)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (UNIT, 1),
        (moved(3, 0, 0), -2 / 4),  # the hull is 4 long, 2 of it empty
        (moved(1, 0, 0), 0),
        (moved(0.5, 0, 0), 1 / 3),
        (moved(0, 0, 0, size=(2, 2, 2)), 1 / 8),
        (moved(0, 0, 1, size=(3, 3, 1)), None),
    ],
)
def test_generalized_iou_takes_away_the_empty_share_of_the_hull(other, expected):
    if expected is None:  # a cube on a plate: the hull is a plate and a frustum from 3 x 3 to 1 x 1 over it
        hull = 9 + 1 / 3 * (9 + 3 + 1)
        expected = -(hull - 10) / hull
    assert_allclose(generalized_iou(UNIT, other), [[expected]], atol=1e-12)


def test_generalized_iou_of_a_box_without_volume_is_the_worst():
    assert generalized_iou(UNIT, moved(0, 0, 0, size=(0, 1, 1))) == -1


# --- properties ---------------------------------------------------------------------------------------------------


def room(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.hstack(
        [rng.uniform(-1.5, 1.5, (count, 3)), rng.uniform(0.2, 2, (count, 3)), rng.uniform(-3, 3, (count, 3))]
    )


coordinate = st.floats(-2, 2)
edge = st.one_of(st.floats(1e-3, 10), st.sampled_from([0.5, 1.0, 2.0]))
angle = st.one_of(st.floats(-7, 7), st.sampled_from([0.0, QUARTER, -QUARTER, np.pi / 4, np.pi, 1e-9, 1e-5]))
box = st.tuples(*[coordinate] * 3, *[edge] * 3, *[angle] * 3).map(lambda numbers: np.array([numbers]))
nudge = st.sampled_from([0.0, 1e-16, 1e-12, 1e-9, 1e-6, 1e-3, 0.1, 0.5, 1.0])


@st.composite
def pairs(draw):
    """Two boxes that are likely to meet: the second is made of the first."""
    one = draw(box)
    if draw(st.booleans()):
        return one, draw(box)
    step = np.array([draw(nudge) * draw(st.sampled_from([-1, 0, 1])) for _ in range(9)])
    other = one + step
    other[:, 3:6] = np.abs(other[:, 3:6]) + 1e-3
    return one, other


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_iou_agrees_with_exact_rational_arithmetic(pair):
    assert_allclose(iou(*pair)[0, 0], slow_overlap.iou(pair[0][0], pair[1][0]), atol=1e-9)


@settings(max_examples=200, deadline=None)
@given(pairs())
def test_iou_is_symmetric_and_between_0_and_1(pair):
    one, other = pair
    score = iou(one, other)[0, 0]
    assert 0 <= score <= 1
    assert_allclose(score, iou(other, one)[0, 0], atol=1e-11)


@settings(max_examples=200, deadline=None)
@given(pairs(), st.tuples(*[st.floats(-5, 5)] * 6))
def test_iou_does_not_change_when_both_boxes_move_together(pair, motion):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(motion[:3]).as_matrix()
    matrix[:3, 3] = motion[3:]
    assert_allclose(iou(*(transform(box, matrix) for box in pair)), iou(*pair), atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_iou_does_not_change_with_the_names_of_a_boxs_axes(pair):
    one, other = pair
    assert_allclose(iou(renamed(one)[0], other), np.full((24, 1), iou(one, other)[0, 0]), atol=1e-9)


@settings(max_examples=200, deadline=None)
@given(pairs())
def test_aligned_boxes_have_the_overlap_of_their_intervals(pair):
    one, other = (np.hstack([box[:, :6], np.zeros((1, 3))]) for box in pair)
    low = np.maximum(one[0, :3] - one[0, 3:6] / 2, other[0, :3] - other[0, 3:6] / 2)
    high = np.minimum(one[0, :3] + one[0, 3:6] / 2, other[0, :3] + other[0, 3:6] / 2)
    shared = np.maximum(high - low, 0).prod()
    union = one[0, 3:6].prod() + other[0, 3:6].prod() - shared
    assert_allclose(iou(one, other)[0, 0], shared / union, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(pairs())
def test_generalized_iou_is_at_most_the_iou_and_symmetric(pair):
    one, other = pair
    score = generalized_iou(one, other)[0, 0]
    assert -1 <= score <= iou(one, other)[0, 0] + 1e-9
    assert_allclose(score, generalized_iou(other, one)[0, 0], atol=1e-6)
