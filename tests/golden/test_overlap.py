"""Overlap of boxes against the recorded truth; the reference mode against what the published evaluation answered."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from vgcli_core.geometry.boxes import corners
from vgcli_core.geometry.overlap import intersection, iou, iou_of_pairs
from vgcli_core.geometry.refusals import refused

# In float32, boxes of hundreds of metres are bent by rounding just about as much as the limit: a coin toss.
BY_CHANCE = 20.0  # metres, of any centre or size


@cache
def pairs(golden: Path) -> dict[str, Any]:
    """Return the tensors of iou_pairs."""
    with safe_open(golden / "metrics" / "iou_pairs.safetensors", "np") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, the file is no dict


def by_chance(found: dict[str, Any]) -> np.ndarray:
    boxes = np.hstack([found["boxes1"][:, :6], found["boxes2"][:, :6]])
    return np.isfinite(boxes).all(axis=1) & (np.abs(boxes).max(axis=1) > BY_CHANCE)


def test_every_recorded_pair_has_its_true_overlap(golden_or_copy):
    found = pairs(golden_or_copy)
    one, other = found["boxes1"], found["boxes2"]
    assert len(one)
    truth = np.nan_to_num(found["truth_iou"], nan=0.0)  # boxes that are not finite overlap nothing
    np.testing.assert_allclose(iou_of_pairs(one, other), truth, atol=1e-9)
    np.testing.assert_allclose(iou_of_pairs(other, one), truth, atol=1e-9)


def test_shared_volumes_agree_with_both_recorded_methods(golden_or_copy):
    found = pairs(golden_or_copy)
    one, other = found["boxes1"], found["boxes2"]
    smaller = np.minimum(*(np.abs(boxes[:, 3:6]).prod(axis=1) for boxes in (one, other)))
    shared = np.array([intersection(a[None], b[None])[0, 0] for a, b in zip(one, other, strict=True)])
    for name in ("truth_vol", "truth_vol_qhull"):
        known = np.isfinite(found[name])
        assert known.any()
        np.testing.assert_allclose(
            shared[known] / smaller[known].clip(1e-30), found[name][known] / smaller[known].clip(1e-30), atol=1e-9
        )


def test_corners_stand_where_the_reference_puts_them(golden_or_copy):
    found = pairs(golden_or_copy)
    for number in "12":
        boxes, expected = found[f"boxes{number}"], found[f"corners{number}"]
        near = np.isfinite(boxes).all(axis=1) & (np.abs(boxes[:, :6]).max(axis=1) < 10)
        np.testing.assert_allclose(corners(boxes[near]), expected[near], atol=2e-5)


def test_the_reference_mode_refuses_the_pairs_that_the_published_evaluation_refuses(golden_or_copy):
    found = pairs(golden_or_copy)
    ours = refused(found["boxes1"]) | refused(found["boxes2"])
    theirs = found["peer_error"] != 0
    fixed = ~by_chance(found)
    assert theirs[fixed].any()
    np.testing.assert_array_equal(ours[fixed], theirs[fixed])
    if (~fixed).any():
        assert (ours == theirs)[~fixed].mean() > 0.85


def test_the_reference_mode_scores_as_the_published_evaluation_where_that_is_not_wrong(golden_or_copy):
    found = pairs(golden_or_copy)
    ours = iou_of_pairs(found["boxes1"], found["boxes2"], reference=True)
    theirs = np.where(found["peer_error"] == 0, found["peer_iou"], 0.0)
    compared = ~found["peer_wrong"].astype(bool) & ~by_chance(found)
    apart = np.abs(ours - theirs)[compared]
    assert (apart > 1e-4).mean() < 0.01
    assert apart.max() < 1e-3


def test_blocks_of_pairs_have_their_true_overlap(golden_or_copy):
    with safe_open(golden_or_copy / "metrics" / "iou_matrices.safetensors", "np") as file:
        names = sorted({key.split(".")[0] for key in file.keys()})  # noqa: SIM118
        assert names
        for name in names:
            one, other, truth, volume = (
                file.get_tensor(f"{name}.{part}") for part in ("boxes1", "boxes2", "truth_iou", "truth_vol")
            )
            np.testing.assert_allclose(iou(one, other), truth, atol=1e-9)
            np.testing.assert_allclose(intersection(one, other), volume, atol=1e-9)


def test_the_worst_recorded_errors_of_the_published_evaluation_are_not_ours(golden):
    worst = json.loads((golden / "metrics" / "iou_peer_wrong.json").read_text())
    rows = worst if isinstance(worst, list) else next(value for value in worst.values() if isinstance(value, list))
    assert rows
    for row in rows:
        one, other = (np.array([row[name]], dtype=float) for name in ("box1", "box2"))
        assert iou(one, other)[0, 0] == pytest.approx(row["truth_iou"], abs=1e-9)
