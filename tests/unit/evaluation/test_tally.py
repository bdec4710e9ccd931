"""Scores as functions of sums, and bootstrap intervals: against arithmetic and a plain loop."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vgcli_core.evaluation.metrics.tally import Metric, Tally, label_means, label_sums, means, replicate

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
