"""Muon: updates are orthogonal, in either precision, and those of torch where torch has it."""

import pytest
import torch

from vgcli_core.training.muon import MOMENT, Muon, orthogonal

SHAPES = ((8, 24), (24, 8), (16, 16))


def matrices() -> list[torch.nn.Parameter]:
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]


def step(optimizer, parameters, seed):
    torch.manual_seed(seed)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape)
    optimizer.step()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_singular_values_become_about_one_and_vectors_stay(shape, dtype):
    torch.manual_seed(1)
    matrix = torch.randn(shape)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    before = matrix.clone()
    inside = left.T @ orthogonal(matrix, dtype).float() @ right.T
    assert torch.equal(matrix, before)
    assert values.max() / values.min() > 2.5
    assert inside.diagonal().min() > 0.6 and inside.diagonal().max() < 1.3
    assert (inside - inside.diagonal().diag()).abs().max() < (1e-4 if dtype is torch.float32 else 0.1)


def test_a_first_update_has_the_size_of_adamw_and_weights_decay():
    (parameter,) = (torch.nn.Parameter(torch.ones(4, 16)),)
    parameter.grad = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    Muon([{"params": [parameter], "lr": 0.1, "weight_decay": 0.5}], torch.float32).step()
    # 1 - 0.1 x 0.5 of the weight is left; four singular values of about 1 in 64 numbers, times 0.2 sqrt(16).
    moved = (parameter.detach() - 0.95) / 0.1
    assert moved.square().mean().sqrt() == pytest.approx(0.2 * 4 * (4 / 64) ** 0.5, rel=0.3)


def test_what_has_no_gradient_stays():
    (parameter,) = (torch.nn.Parameter(torch.ones(4, 16)),)
    optimizer = Muon([{"params": [parameter], "lr": 0.1, "weight_decay": 0.5}], torch.float32)
    optimizer.step()
    assert torch.equal(parameter.detach(), torch.ones(4, 16)) and not optimizer.state


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has Muon since 2.9")
def test_in_bfloat16_it_is_that_of_torch():
    ours, theirs = matrices(), matrices()
    own = Muon([{"params": ours, "lr": 0.02, "weight_decay": 0.1}], torch.bfloat16)
    other = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for seed in range(3):
        step(own, ours, seed)
        step(other, theirs, seed)
    for one, two in zip(ours, theirs, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(own.state[one][MOMENT], other.state[two]["momentum_buffer"])


def test_momentum_is_allocated_once(monkeypatch):
    parameters = matrices()
    optimizer = Muon([{"params": parameters, "lr": 0.1, "weight_decay": 0.0}], torch.float32)
    step(optimizer, parameters, 1)
    kept = [optimizer.state[one][MOMENT] for one in parameters]
    monkeypatch.setattr(torch, "zeros_like", None)
    step(optimizer, parameters, 2)
    assert all(optimizer.state[one][MOMENT] is moment for one, moment in zip(parameters, kept, strict=True))
