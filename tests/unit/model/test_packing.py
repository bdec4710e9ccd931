"""Packed rows, padded rows and text alone: each sample is what it is by itself."""

from dataclasses import replace

import pytest
import torch

from vgcli_core.model.backbones.qwen2_5_vl import Qwen25VL
from vgcli_core.model.packing import FLASH, attention_arguments, block_causal
from vgcli_core.model.processor import Processor
from vgcli_core.model.tiny import tiny_model
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.training.examples import Example, MicroBatch
from vgcli_core.training.rows import inputs_of

WIDTH = 56
CPU = torch.device("cpu")


@pytest.fixture
def tiny() -> tuple[VGLLM, Processor]:
    model, tokenizer = tiny_model(frame_width=WIDTH)
    return model, Processor(tokenizer, frame_width=WIDTH)


def example(processor: Processor, frames: int, answer: str, *, seed: int = 0) -> Example:
    pictures = torch.randint(0, 256, (frames, WIDTH, WIDTH, 3), generator=torch.Generator().manual_seed(seed))
    grid = torch.tensor([[1, 4, 4]]).expand(frames, -1)
    turns = [{"from": "human", "value": "<image>" * frames + "where?"}, {"from": "gpt", "value": answer}]
    encoded = processor.conversation(turns, grid)
    return Example(0, answer, encoded, pictures.to(torch.uint8) if frames else None, grid)


def three(processor: Processor) -> list[Example]:
    return [
        example(processor, 2, "left of the sink", seed=1),
        example(processor, 0, "a chair"),
        example(processor, 1, "b", seed=2),
    ]


def inputs(processor: Processor, examples: list[Example], *, packing: bool):
    return inputs_of(MicroBatch(examples), processor, CPU, features=None, packing=packing)


def gradients(model: VGLLM) -> dict[str, torch.Tensor]:
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("packing", [True, False])
def test_samples_together_are_what_they_are_alone(tiny, packing, attention):
    model, processor = tiny
    model.backbone.model.set_attn_implementation(attention)
    examples = three(processor)
    together = inputs(processor, examples, packing=packing)
    states = model.hidden(together)
    lengths = [len(one.encoded.input_ids) for one in examples]
    found = states[0].split(lengths) if packing else [row[:size] for row, size in zip(states, lengths, strict=True)]
    for one, part in zip(examples, found, strict=True):
        torch.testing.assert_close(part, model.hidden(inputs(processor, [one], packing=False))[0], atol=1e-5, rtol=0)

    model.loss_sum(together).backward()
    summed = gradients(model)
    for one in examples:
        model.loss_sum(inputs(processor, [one], packing=False)).backward()
    alone = gradients(model)
    assert summed.keys() == alone.keys()
    for name, gradient in summed.items():
        torch.testing.assert_close(gradient, alone[name], atol=1e-5, rtol=1e-4, msg=lambda text, n=name: f"{n}: {text}")


def test_another_first_sample_leaves_the_second_as_it_is_bit_for_bit(tiny):
    model, processor = tiny
    first, *others = three(processor)
    changed = example(processor, 2, "left of the sink", seed=9)
    with torch.no_grad():
        before = model.hidden(inputs(processor, [first, *others], packing=True))[0]
        after = model.hidden(inputs(processor, [changed, *others], packing=True))[0]
    size = len(first.encoded.input_ids)
    assert not torch.equal(before[:size], after[:size])
    assert torch.equal(before[size:], after[size:])


def test_a_token_sees_the_past_of_its_own_sample_and_padding_sees_itself():
    mask = block_causal(torch.tensor([[0, 0, 1, -1]]))
    assert mask[0, 0].tolist() == [
        [True, False, False, False],
        [True, True, False, False],
        [False, False, True, False],
        [False, False, False, True],
    ]


def test_flash_attention_is_told_where_each_sample_of_each_row_ends():
    segments = torch.tensor([[0, 0, 0, 1], [0, 1, 1, -1]])
    found = attention_arguments(segments, FLASH, torch.bfloat16)
    assert found["attention_mask"] is None
    assert found["cu_seq_lens_q"].tolist() == found["cu_seq_lens_k"].tolist() == [0, 3, 4, 5, 7, 8]
    assert found["cu_seq_lens_q"].dtype == torch.int32
    assert found["max_length_q"] == found["max_length_k"] == 3


def test_the_bounds_reach_the_attention_of_every_layer(tiny, monkeypatch):
    """transformers hands them on to its flash-attn call; here a stand-in for it sees them, without the kernel."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    model, processor = tiny
    seen = []

    def stand_in(module, query, key, value, attention_mask, **arguments):
        seen.append((attention_mask, arguments.get("cu_seq_lens_q"), arguments.get("max_length_k")))
        return ALL_ATTENTION_FUNCTIONS["sdpa"](module, query, key, value, attention_mask, **arguments)

    ALL_ATTENTION_FUNCTIONS.register("stand_in", stand_in)
    packed = inputs(processor, three(processor), packing=True)
    embeds = model.embeds(packed)
    model.backbone.model.set_attn_implementation("stand_in")
    monkeypatch.setattr(Qwen25VL, "attention", FLASH)
    model.backbone.hidden(embeds, positions=packed.position_ids, segments=packed.segments)
    lengths = [len(one.encoded.input_ids) for one in three(processor)]
    assert len(seen) == 2
    for mask, bounds, longest in seen:
        assert mask is None
        assert bounds.diff().tolist() == lengths
        assert longest == max(lengths)


@pytest.mark.parametrize("geometry_encoder", ["vggt", "pi3"])
@pytest.mark.parametrize("vision", [False, True])
def test_text_alone_gives_every_trained_parameter_a_gradient_and_the_same_loss(geometry_encoder, vision):
    model, tokenizer = tiny_model(frame_width=WIDTH, geometry_encoder=geometry_encoder, fusion="concat")
    processor = Processor(tokenizer, frame_width=WIDTH)
    model.backbone.vision.requires_grad_(vision)
    batch = inputs(processor, [example(processor, 0, "a chair")], packing=False)
    expected = model.eval().loss_sum(batch)
    loss = model.train().loss_sum(batch)
    loss.backward()
    assert torch.equal(loss, expected)
    assert model.counts.encoder_calls == (1 if vision else 0)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    found = gradients(model)
    assert found.keys() == trained
    for name, gradient in found.items():
        if not name.startswith(("backbone.model.model.language_model", "backbone.model.lm_head")):
            assert not gradient.any(), name


def test_image_tokens_are_counted_for_each_sample_of_a_packed_row(tiny):
    from vgcli_core.errors import FusionError

    model, processor = tiny
    packed = inputs(processor, three(processor), packing=True)
    with pytest.raises(FusionError, match="sample 0 has 8 image tokens, its 1 frames give 4"):
        model.hidden(replace(packed, geometry_frames=list(reversed(packed.geometry_frames))))
