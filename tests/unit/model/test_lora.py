"""Adapters: new ones change nothing, trained ones can be merged, saved, and read by peft itself."""

import builtins

import pytest
import torch

from vgcli_core.errors import ResourceError, UsageError
from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.lora import adapter_tensors, add_adapters, is_adapter, merged_tensors, save_adapter
from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_model
from vgcli_core.model.vgllm import VGLLM, ModelInputs, cast_parameters

pytest.importorskip("peft", reason='LoRA needs peft: pip install "vgllm[train]"')

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def text(rows: int = 2) -> ModelInputs:
    ids = torch.randint(0, 400, (rows, 12), generator=torch.Generator().manual_seed(3))
    positions = torch.arange(12).expand(3, rows, -1)
    return ModelInputs(ids, torch.ones_like(ids), positions, labels=ids)


def adapted(**choices) -> VGLLM:
    model, _ = tiny_model()
    add_adapters(model, **{"rank": 4, "alpha": 8, "dropout": 0.0, "targets": TARGETS, **choices})
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_adapter(name))
    return model


def train(model: VGLLM, steps: int = 3) -> None:
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for _ in range(steps):
        optimiser.zero_grad()
        model.loss_sum(text()).backward()
        optimiser.step()


@pytest.fixture(scope="module")
def trained() -> VGLLM:
    model = adapted()
    train(model)
    return model


def logits(model: VGLLM) -> torch.Tensor:
    with torch.no_grad():
        return model(text()).logits


def test_new_adapters_change_nothing():
    plain, _ = tiny_model()
    assert torch.equal(logits(plain), logits(adapted(dropout=0.1)))


def test_the_language_model_alone_gains_them_and_the_seed_decides_their_values():
    one, same, other = adapted(seed=1), adapted(seed=1), adapted(seed=2)
    tensors = adapter_tensors(one)
    assert len(tensors) == 2 * 7 * 2  # layers, targets, matrices
    assert all(name.startswith("backbone.model.model.language_model.layers.") for name in tensors)
    assert all(torch.equal(value, adapter_tensors(same)[name]) for name, value in tensors.items())
    assert any(not torch.equal(value, adapter_tensors(other)[name]) for name, value in tensors.items())


def test_merged_tensors_have_the_names_and_shapes_of_a_model_without_adapters(trained):
    plain = tiny_model()[0].state_dict()
    merged = merged_tensors(trained)
    assert list(merged) == list(plain)
    assert len(merged) == len(plain)
    for name, value in merged.items():
        assert (value.shape, value.dtype) == (plain[name].shape, plain[name].dtype)
        assert torch.equal(value, plain[name]) != name.endswith(tuple(f"{one}.weight" for one in TARGETS)) or (
            "visual" in name
        )


def test_a_merged_weight_is_w_plus_alpha_over_rank_b_a(trained):
    name = "backbone.model.model.language_model.layers.1.mlp.up_proj"
    state = trained.state_dict()
    a, b = (state[f"{name}.lora_{matrix}.default.weight"] for matrix in "AB")
    expected = state[f"{name}.base_layer.weight"] + 2.0 * b @ a
    torch.testing.assert_close(merged_tensors(trained)[f"{name}.weight"], expected)


def test_values_gathered_from_elsewhere_are_merged_instead_of_the_models_own(trained):
    zero = {name: torch.zeros_like(value) for name, value in adapter_tensors(trained).items()}
    plain = tiny_model()[0].state_dict()
    assert all(torch.equal(value, plain[name]) for name, value in merged_tensors(trained, zero).items())


def test_values_that_are_merged_already_are_not_merged_twice(trained):
    once = dict(merged_tensors(trained))
    twice = merged_tensors(trained, once)
    assert list(twice) == list(once)
    assert all(torch.equal(value, once[name]) for name, value in twice.items())


def test_the_saved_model_answers_as_the_adapted_one(trained, tmp_path):
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    save_model(trained, tmp_path / "model")
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())
    again, report = load_model(tmp_path / "model", Options(device="cpu", dtype="float32"))
    assert report.left_out == {}
    assert (logits(trained) - logits(tiny_model()[0])).abs().max() > 0.1
    torch.testing.assert_close(logits(again), logits(trained), atol=1e-5, rtol=0)


def test_peft_reads_the_adapter_on_the_plain_backbone(trained, tmp_path):
    from peft import PeftConfig, PeftModel

    save_adapter(trained, tmp_path / "adapter", base="Qwen/Qwen2.5-VL-3B-Instruct")
    assert PeftConfig.from_pretrained(tmp_path / "adapter").base_model_name_or_path == "Qwen/Qwen2.5-VL-3B-Instruct"
    model, _ = tiny_model()
    inner = PeftModel.from_pretrained(model.backbone.model, tmp_path / "adapter")
    loaded = [name for name, _ in inner.named_parameters() if is_adapter(name)]
    assert len(loaded) == len(adapter_tensors(trained))
    assert torch.equal(logits(model), logits(trained))


def test_adapters_learn_on_a_frozen_half_base_with_checkpointed_gradients():
    def gradients(checkpointed: bool) -> dict[str, torch.Tensor]:
        model, _ = tiny_model()
        cast_parameters(model, torch.bfloat16)
        add_adapters(model, rank=4, alpha=8, dropout=0.0, targets=TARGETS)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(is_adapter(name))
        if checkpointed:
            model.backbone.checkpoint_gradients()
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss_sum(text())
        loss.backward()
        assert all(p.dtype == torch.float32 for name, p in model.named_parameters() if is_adapter(name))
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    found, expected = gradients(True), gradients(False)
    assert found.keys() == expected.keys()
    assert len(found) == 2 * 7 * 2
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert all(value.any() for name, value in found.items() if ".lora_B." in name)


def test_an_unknown_target_is_refused_with_the_known_ones():
    model, _ = tiny_model()
    with pytest.raises(UsageError, match="'query'") as caught:
        add_adapters(model, rank=4, alpha=8, dropout=0.0, targets=("q_proj", "query"))
    assert "down_proj, gate_proj" in caught.value.fix


def test_without_peft_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def absent(name, *rest, **named):
        if name == "peft":
            raise ImportError("No module named 'peft'")
        return real(name, *rest, **named)

    model, _ = tiny_model()
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ResourceError, match="peft") as caught:
        add_adapters(model, rank=4, alpha=8, dropout=0.0, targets=TARGETS)
    assert caught.value.fix == 'pip install "vgllm[train]"'
