"""Scores as functions of sums, and bootstrap intervals: against arithmetic and a plain loop."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vgcli_core.evaluation.metrics.tally import (
    Metric,
    Tally,
    label_means,
    label_sums,
    means,
    median,
    replicate,
    side_by_side,
)

HITS = np.array([1.0, 0, 1, 1, 0, 1])
KINDS = ["a", "b", "a", "b", "b", "a"]
SCENES = ["s1", "s1", "s2", "s2", "s3", "s3"]


def test_means_are_taken_over_all_and_over_each_label():
    tally = means("accuracy", HITS, KINDS)
    assert tally.metrics == (Metric("accuracy", "", 6), Metric("accuracy", "a", 3), Metric("accuracy", "b", 3))
    assert_allclose(tally.scores(), [4 / 6, 3 / 3, 1 / 3])


def test_without_labels_there_is_one_mean():
    assert_allclose(means("accuracy", HITS).scores(), [4 / 6])
    assert np.isnan(means("accuracy", np.empty(0)).scores()).all()


def test_a_label_that_is_not_asked_for_adds_nothing_and_one_without_samples_has_no_mean():
    sums = label_sums(HITS, KINDS, ["b", "c"]).sum(axis=0)
    with np.errstate(invalid="ignore"):
        assert_allclose(label_means(sums), [1 / 3, np.nan])


def test_the_bootstrap_draws_whole_scenes():
    """Scenes of equal size: a replicate of the mean is the mean of three scene means, drawn with replacement."""
    tally = means("accuracy", HITS)
    drawn = replicate(tally, SCENES, replicates=500)[:, 0]
    scene_means = (0.5, 1.0, 0.5)
    possible = {round(float(np.mean([a, b, c])), 9) for a in scene_means for b in scene_means for c in scene_means}
    assert {round(float(value), 9) for value in drawn} == possible
    assert drawn.mean() == pytest.approx(4 / 6, abs=0.02)


def test_intervals_are_the_2_5_and_97_5_percent_points_and_do_not_change_from_call_to_call():
    rng = np.random.default_rng(0)
    hits, scenes = (rng.random(4000) < 0.3).astype(float), [f"s{number}" for number in range(4000)]
    tally = means("accuracy", hits)
    (low, high), *_ = tally.intervals(scenes)
    spread = 1.96 * np.sqrt(hits.mean() * (1 - hits.mean()) / 4000)  # one sample per scene: the binomial's
    assert low == pytest.approx(hits.mean() - spread, abs=0.002)
    assert high == pytest.approx(hits.mean() + spread, abs=0.002)
    assert_allclose(tally.intervals(scenes), tally.intervals(scenes), rtol=0)


def test_samples_of_one_scene_that_succeed_together_widen_the_interval():
    hits = np.repeat([1.0, 0, 1, 0, 1, 1, 0, 0], 50)
    together = means("accuracy", hits).intervals([f"s{i // 50}" for i in range(400)])[0]
    apart = means("accuracy", hits).intervals([f"s{i}" for i in range(400)])[0]
    assert np.diff(together) > 3 * np.diff(apart)


def test_one_scene_leaves_nothing_to_draw_from():
    assert np.isnan(means("accuracy", HITS).intervals(["s"] * 6)).all()


def test_replicates_in_which_a_score_is_undefined_are_left_out():
    tally = Tally((Metric("ratio"),), np.array([[1.0, 0], [1, 1], [0, 1]]), lambda sums: sums[..., :1] / sums[..., 1:])
    low, high = tally.intervals(["x", "y", "z"])[0]
    assert np.isfinite([low, high]).all()
    assert 0 <= low < 1 < high


def test_the_order_of_samples_changes_neither_scores_nor_intervals():
    order = np.random.default_rng(1).permutation(6)
    shuffled = means("accuracy", HITS[order])
    assert_allclose(shuffled.scores(), means("accuracy", HITS).scores(), rtol=1e-15)
    assert_allclose(
        shuffled.intervals([SCENES[i] for i in order]), means("accuracy", HITS).intervals(SCENES), rtol=1e-12
    )


def test_tallies_over_parts_of_the_samples_stand_side_by_side():
    """Accuracy of the samples 0, 2 and 5, F1 of the samples 1 and 3; sample 4 is in neither."""
    marks = means("accuracy", np.array([1.0, 0, 1]), ["a", "a", "b"])
    counts = np.array([[1.0, 0, 2], [2, 1, 0]])
    f1 = Tally(
        (Metric("f1", "", 2),),
        counts,
        lambda sums: (2 * sums[..., :1]) / (2 * sums[..., :1] + sums[..., 1:].sum(-1, keepdims=True)),
    )
    both = side_by_side([(marks, [0, 2, 5]), (f1, [3, 1])], 6)
    assert both.metrics == (*marks.metrics, *f1.metrics) and both.sums.shape == (6, 6 + 3)
    assert_allclose(both.scores(), [2 / 3, 1 / 2, 1, 2 * 3 / (2 * 3 + 1 + 2)])
    assert_allclose(both.sums[3], [0] * 6 + [1, 0, 2])
    assert not both.sums[4].any()
    # A replicate without one part leaves it undefined, and the other as it is.
    with np.errstate(invalid="ignore"):
        assert_allclose(both.combine(both.sums[:1]), [[1, 1, np.nan, np.nan]])
    assert side_by_side([], 3).scores().shape == (0,)


@pytest.mark.parametrize(
    "values", [[0.301, 5.0, 0.1], [0.301], [0.301, 0.302, 9, np.inf, 0.0], [0.0], [12.0, np.inf, 1]]
)
def test_a_median_is_right_to_a_step(values):
    found = median("error", np.array(values), step=0.01, largest=10.0).scores()[0]
    assert found == pytest.approx(min(sorted(values)[len(values) // 2], 10), abs=0.01)


def test_a_median_may_be_of_a_part():
    values, within = np.array([1.0, 7.0, 3.0, 9.0]), np.array([True, False, True, True])
    found = median("error", values, step=0.5, largest=10, of="near", within=within)
    assert found.scores() == pytest.approx([3.25])
    assert (found.metrics[0].of, found.metrics[0].n) == ("near", 3)


def test_of_an_even_number_the_lower_value_in_the_middle_is_the_median():
    # The only value in the bin from 1 to 1.5 counts as in its middle.
    assert median("error", np.array([1.0, 7.0]), step=0.5, largest=10).scores() == pytest.approx([1.25])
    assert np.isnan(median("error", np.empty(0), step=0.5, largest=10).scores()).all()


def test_medians_of_replicates_are_those_of_the_drawn_samples():
    values = np.random.default_rng(0).uniform(0, 2, 40)
    tally = median("error", values, step=0.001, largest=3)
    for weights in np.random.default_rng(1).integers(0, 4, (20, 40)):
        drawn = np.sort(np.repeat(values, weights))
        expected = drawn[(len(drawn) - 1) // 2]
        assert tally.combine(weights.astype(float) @ tally.sums) == pytest.approx(expected, abs=0.001)
