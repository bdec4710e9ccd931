"""The loss of training against the plain one: scored where something is learnt, in pieces, and of nothing."""

import pytest
import torch

from vgcli_core.model.tiny import tiny_model
from vgcli_core.model.vgllm import ModelInputs


@pytest.fixture(scope="module")
def model():
    return tiny_model()[0].requires_grad_(True)


def batch(*, labelled: int) -> ModelInputs:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(10, 300, (2, 12), generator=generator)
    labels = torch.full_like(ids, -100)
    labels[:, 12 - labelled :] = ids[:, 12 - labelled :]
    return ModelInputs(ids, torch.ones_like(ids), torch.arange(12).expand(3, 2, -1), labels=labels)


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("at_once", [1, 4, 10, 1024])
def test_the_sum_is_the_mean_of_the_whole_times_the_tokens_however_many_are_scored_at_once(model, at_once):
    inputs = batch(labelled=5)
    expected = model(inputs).loss * 10
    wanted = gradients(model, expected)
    model.scored_at_once = at_once
    found = model.loss_sum(inputs)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    for name, gradient in gradients(model, found).items():
        assert torch.allclose(gradient, wanted[name], atol=1e-5), name


def test_of_no_labelled_token_it_is_a_zero_with_gradients_of_zero_everywhere(model):
    model.train()
    found = model.loss_sum(batch(labelled=0))
    model.eval()
    assert found.item() == 0
    language = {name: g for name, g in gradients(model, found).items() if "language_model" in name or "lm_head" in name}
    assert {name for name, _ in model.named_parameters() if "lm_head" in name} <= language.keys()
    assert all(not g.any() for g in language.values())
