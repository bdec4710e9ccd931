"""Greedy decoding, with the work over a shared prefix done once.

A video's prompt is `prefix + question`: the prefix holds the system turn and all frames, thousands of tokens, and is
the same for every question of one prompt layout. `prefill` runs it once; `continue_from` answers any number of
questions from it.

Shapes: B questions, P prefix tokens, S tokens of the longest question, V the vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from vgcli_core.model.positions import multimodal_positions
from vgcli_core.model.vgllm import VGLLM


@dataclass(frozen=True, slots=True)
class Decoding:
    """How texts are generated: greedy, up to a limit; a penalty above 1 makes tokens already seen less likely.

    Source of the penalty: arXiv 1909.05858; the published base model's generation_config asks for 1.05.
    """

    max_new_tokens: int
    stop: frozenset[int]
    repetition_penalty: float = 1.0


@dataclass(frozen=True, slots=True)
class Prefix:
    """The language model's memory of a prompt's beginning; `position` is where the next token stands."""

    cache: DynamicCache
    input_ids: tuple[int, ...]
    position: int


@torch.inference_mode()
def prefill(model: VGLLM, input_ids: Sequence[int], image_tokens: Tensor, grid_thw: Tensor) -> Prefix:
    """Run the language model once over a prefix of P ids whose placeholders stand for `image_tokens` [T, D]."""
    ids = torch.tensor([list(input_ids)], device=model.device)
    positions, following = multimodal_positions(input_ids, grid_thw, model.backbone.image_token_id)
    embeds = model.place(model.backbone.embed(ids), ids, image_tokens)
    cache = DynamicCache()
    model.backbone.hidden(embeds, positions=positions[:, None].to(model.device), mask=None, cache=cache)
    model.counts.prefix_runs += 1
    return Prefix(cache, tuple(input_ids), following)


@torch.inference_mode()
def continue_from(
    model: VGLLM, prefix: Prefix, questions: Sequence[Sequence[int]], decoding: Sequence[Decoding]
) -> list[list[int]]:
    """Answer questions (text ids that follow the prefix) as one batch; returns the new ids of each, end token included.

    The prefix is left as it was. Rows are padded on the left, between prefix and question, and the padding is masked.
    """
    longest = max(len(ids) for ids in questions)
    rows = len(questions)
    ids = torch.zeros(rows, longest, dtype=torch.long)
    mask = torch.ones(rows, len(prefix.input_ids) + longest, dtype=torch.long)
    positions = torch.ones(3, rows, longest, dtype=torch.long)
    for row, question in enumerate(questions):
        pad = longest - len(question)
        ids[row, pad:] = torch.tensor(question)
        mask[row, len(prefix.input_ids) : len(prefix.input_ids) + pad] = 0
        positions[:, row, pad:] = torch.arange(prefix.position, prefix.position + len(question))
    seen = [(*prefix.input_ids, *question) for question in questions]
    return greedy(
        model,
        model.backbone.embed(ids.to(model.device)),
        mask=mask,
        positions=positions,
        seen=seen,
        decoding=decoding,
        cache=_copy(prefix.cache, rows),
    )


@torch.inference_mode()
def greedy(
    model: VGLLM,
    embeds: Tensor,
    *,
    mask: Tensor,
    positions: Tensor,
    seen: Sequence[Sequence[int]],
    decoding: Sequence[Decoding],
    cache: DynamicCache | None = None,
) -> list[list[int]]:
    """Decode a batch from prompt embeddings [B, S, D] until each row has its stop token or its limit.

    Args:
        mask: [B, past + S], 0 at padding; the last column must be real in every row (left padding).
        positions: [3, B, S].
        seen: ids that the repetition penalty of each row counts as used, the prompt's.
        decoding: one per row.
        cache: the memory of what came before; it is extended in place.

    Returns:
        The new ids of each row, its stop token included.
    """
    cache = DynamicCache() if cache is None else cache
    device = embeds.device
    # Without padding torch's kernel needs no mask at all, which is both faster and exact.
    mask = mask.to(device)
    padded = not bool(mask.all())
    positions = positions.to(device)
    penalty = _Penalty(seen, decoding)
    texts: list[list[int]] = [[] for _ in decoding]
    active = set(range(len(decoding)))
    for step in range(max(d.max_new_tokens for d in decoding)):
        hidden = model.backbone.hidden(embeds, positions=positions, mask=mask if padded else None, cache=cache)
        scores = penalty(model.backbone.logits(hidden[:, -1]))
        chosen = scores.argmax(dim=-1)
        penalty.mark(chosen)
        chosen = chosen.to(device)
        model.counts.decode_steps += 1
        for row, token in enumerate(chosen.tolist()):
            if row not in active:
                continue
            texts[row].append(token)
            if token in decoding[row].stop or step + 1 == decoding[row].max_new_tokens:
                active.discard(row)
        if not active:
            break
        embeds = model.backbone.embed(chosen[:, None])
        mask = torch.cat((mask, mask.new_ones(len(texts), 1)), dim=1)
        positions = positions[:, :, -1:] + 1
    return texts


class _Penalty:
    """The repetition penalty of a batch: which ids each row has used; does nothing when no row asks for it."""

    def __init__(self, seen: Sequence[Sequence[int]], decoding: Sequence[Decoding]) -> None:
        self.factors = torch.tensor([d.repetition_penalty for d in decoding])[:, None]
        self.needed = any(d.repetition_penalty != 1.0 for d in decoding)
        self.seen = seen
        self.used: Tensor | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        if not self.needed:
            return logits
        if self.used is None:
            # Where the backbone is split over devices, scores come from another one than the embeddings.
            self.factors = self.factors.to(logits.device)
            self.used = torch.zeros_like(logits, dtype=torch.bool)
            for row, ids in enumerate(self.seen):
                self.used[row, torch.tensor(sorted(set(ids)), device=logits.device)] = True
        weakened = torch.where(logits > 0, logits / self.factors, logits * self.factors)
        return torch.where(self.used, weakened, logits)

    def mark(self, chosen: Tensor) -> None:
        if self.used is not None:
            self.used.scatter_(1, chosen[:, None], True)


def _copy(cache: DynamicCache, rows: int) -> DynamicCache:
    """Return a cache for `rows` rows that starts as `cache`, which has one."""
    copied = DynamicCache()
    for index, layer in enumerate(cache.layers):
        copied.update(layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1), index)
    return copied
