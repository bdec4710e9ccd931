import math

import pytest
import torch
from torch import nn

from vgcli_core.training.optim import Optimizers, adamw, lr_factor, parameter_groups
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


def layers():
    torch.manual_seed(0)
    shapes = {"lm.layers.0.weight": (4, 6), "lm.layers.0.bias": (4,), "lm.embed.weight": (5, 4)}
    return {name: nn.Parameter(torch.randn(shape)) for name, shape in shapes.items()}


def step(optimizers, weights, seed):
    torch.manual_seed(seed)
    for parameter in weights.values():
        parameter.grad = torch.randn(parameter.shape)
    optimizers.step()
    optimizers.zero_grad()


def optimizers_of(weights, optim):
    groups = parameter_groups(weights, {"language_model": list(weights)}, optim)
    return Optimizers(groups, optim, torch.device("cpu"))


def test_muon_has_the_matrices_of_layers_and_a_rate_of_their_own():
    weights = layers()
    optimizers = optimizers_of(weights, Optim(lr=1e-3, muon_lr=4e-3))
    found = {name: group["peak"] for group in optimizers.param_groups for name in group["names"]}
    assert found == {"lm.layers.0.weight": 4e-3, "lm.layers.0.bias": 1e-3, "lm.embed.weight": 1e-3}
    before = weights["lm.layers.0.weight"].detach().clone()
    step(optimizers, weights, 1)
    # An update without weight decay is a multiple of a matrix with orthonormal rows, about.
    spread = torch.linalg.svdvals(weights["lm.layers.0.weight"].detach() - before)
    assert spread.max() / spread.min() < 3
    assert set(optimizers.moments(weights["lm.layers.0.weight"])) == {"exp_avg"}
    assert set(optimizers.moments(weights["lm.embed.weight"])) == {"exp_avg", "exp_avg_sq"}


def test_an_optimiser_that_took_up_moments_goes_on_as_if_never_stopped():
    optim = Optim(lr=1e-3, muon_lr=4e-3)
    whole, weights = layers(), layers()
    first = optimizers_of(whole, optim)
    for seed in (1, 2):
        step(first, whole, seed)
    for name, parameter in weights.items():
        parameter.data.copy_(whole[name].data)
    second = optimizers_of(weights, optim)
    for name, parameter in weights.items():
        for moment, value in first.moments(whole[name]).items():
            second.load(parameter, moment, value, 2)
    step(first, whole, 3)
    step(second, weights, 3)
    for name, parameter in weights.items():
        assert torch.equal(parameter, whole[name]), name
