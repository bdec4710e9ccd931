"""Frame sampling of the reference, row for row: the recorded rules of training and of evaluation."""

import json
from pathlib import Path

import pytest

from vgcli_core.media.sampling import training_rule, uniform

# A copy of golden/data/frame_sampling.json, so that a clone without the shared folder tests it as well.
COPY = Path(__file__).parent / "data" / "frame_sampling.json"


def _check(recorded: dict) -> None:
    assert recorded["training"]
    assert recorded["evaluation"]
    for row in recorded["training"]:
        found = training_rule(
            row["n_frames"],
            row["fps"],
            interval=row["base_interval"],
            minimum=row["min_frames"],
            maximum=row["max_frames"],
        )
        assert found == row["indices"], row
    for row in recorded["evaluation"]:
        assert uniform(row["n_frames"], row["max_num_frames"]) == row["indices"], row


def test_both_sampling_rules_match_the_copied_record():
    _check(json.loads(COPY.read_text(encoding="utf-8")))


def test_both_sampling_rules_match_the_shared_record(golden):
    _check(json.loads((golden / "data" / "frame_sampling.json").read_text(encoding="utf-8")))


def test_a_wrong_rule_would_be_noticed():
    recorded = json.loads(COPY.read_text(encoding="utf-8"))
    recorded["evaluation"][-1]["indices"][1] += 1
    with pytest.raises(AssertionError):
        _check(recorded)
