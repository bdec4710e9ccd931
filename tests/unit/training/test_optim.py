import math

import pytest
import torch
from torch import nn

from vgcli_core.training.optim import adamw, lr_factor, parameter_groups
from vgcli_core.training.recipe import Optim


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0), (1, 1 / 3), (3, 1), (50, 0.5 * (1 + math.cos(math.pi * 47 / 97))), (100, 0)]
)
def test_the_cosine_rises_for_three_percent_of_the_steps_and_falls_to_zero(step, expected):
    assert lr_factor(step, 100, Optim(warmup=0.03)) == pytest.approx(expected)


@pytest.mark.parametrize(("schedule", "expected"), [("linear", 0.5), ("constant", 1.0)])
def test_other_schedules_halfway_down(schedule, expected):
    assert lr_factor(55, 100, Optim(warmup=0.1, schedule=schedule)) == pytest.approx(expected)


def test_without_a_warm_up_the_first_update_has_the_whole_rate():
    assert lr_factor(0, 100, Optim(warmup=0)) == 1


def test_three_rates_and_no_decay_of_norms_and_biases():
    weights = {name: nn.Parameter(torch.zeros(2, 2)) for name in ("lm", "merger", "tower")}
    vectors = {f"{name}.norm": nn.Parameter(torch.zeros(2)) for name in weights}
    parts = {
        "language_model": ["lm", "lm.norm"],
        "geometry_merger": ["merger", "merger.norm"],
        "vision_tower": ["tower", "tower.norm"],
    }
    optim = Optim(lr=1e-5, merger_lr=1e-4, weight_decay=0.01)
    groups = parameter_groups({**weights, **vectors}, parts, optim)
    found = {tuple(group["names"]): (group["peak"], group["weight_decay"]) for group in groups}
    assert found == {
        ("lm",): (1e-5, 0.01),
        ("lm.norm",): (1e-5, 0.0),
        ("merger",): (1e-4, 0.01),
        ("merger.norm",): (1e-4, 0.0),
        ("tower",): (1e-5, 0.01),
        ("tower.norm",): (1e-5, 0.0),
    }
    assert len(adamw(groups, optim, torch.device("cpu")).param_groups) == 6
