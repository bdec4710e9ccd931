"""Several samples on one beginning in a row: what they share is read once, and each sees it and itself.

`branches` [B, L] are 0 where samples begin alike, which stands in their row once, and number what each goes on with
from 1. Padding at the end of a row is 0 too: nothing stands after it that could see it.

A mask says so, but most of what it is computed for is then thrown away. So there is an attention backend that works
piece by piece: the beginning alone, then each branch over the beginning and itself.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from vgcli_core.errors import UsageError
from vgcli_core.model.packing import FLASH, masked

# transformers' name of the backend; without branches it is torch's own attention.
PIECEWISE = "piecewise"


@dataclass(frozen=True)
class Pieces:
    """How rows are cut: `sizes` of the beginning, of each branch, and of the padding, which together are L."""

    sizes: tuple[tuple[int, ...], ...]
    masks: dict[tuple[int, int, torch.dtype], Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, branches: Tensor) -> "Pieces":
        """Read them off `branches` [B, L]."""
        rows = []
        for row in branches.cpu():
            numbers, counts = torch.unique_consecutive(row, return_counts=True)
            ends = int(numbers[-1]) == 0
            rows.append((*([] if int(numbers[0]) == 0 else [0]), *counts.tolist(), *([] if ends else [0])))
        return cls(tuple(rows))

    def mask(self, queries: int, keys: int, like: Tensor) -> Tensor:
        """Return [queries, keys] to add to scores: what the last `queries` of `keys` tokens see is 0, else -inf.

        It is made once for all layers, in the dtype and on the device of `like`.
        """
        key = (queries, keys, like.dtype)
        if key not in self.masks:
            self.masks[key] = torch.full(key[:2], float("-inf")).triu(keys - queries + 1).to(like)
        return self.masks[key]


def branching_arguments(branches: Tensor, attention: str, embeds: Tensor) -> dict[str, Any]:
    """Return what transformers' decoder is called with for rows whose samples share their beginning.

    Args:
        branches: [B, L] int64; where their lengths are read, so the CPU is best.
        attention: transformers' name of the attention backend.
        embeds: [B, L, D] that enter the decoder.

    Raises:
        UsageError: flash-attn, whose kernel is causal within contiguous samples alone.
    """
    if attention == FLASH:
        raise UsageError(
            "flash-attn cannot let several questions see the same frames",
            where="rows that share their frames",
            fix="use torch's own attention: sdpa",
        )
    if attention == PIECEWISE:
        return {"attention_mask": {"full_attention": Pieces.of(branches)}}
    return masked(branching(branches.to(embeds.device)), attention, embeds.dtype)


def branching(branches: Tensor) -> Tensor:
    """Return [B, 1, L, L], true where the token of a row may see that of a column: the past of its branch and of 0."""
    length = branches.shape[1]
    past = torch.ones(length, length, dtype=torch.bool, device=branches.device).tril()
    seen = branches[:, None, :]
    return (((seen == branches[:, :, None]) | (seen == 0)) & past)[:, None]


def piecewise_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: "Pieces | Tensor | None",
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Attend as transformers asks for it: queries [B, H, L, D] over keys and values of fewer heads to [B, L, H, D]."""
    if not isinstance(attention_mask, Pieces):
        plain: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **more
        )
        return plain
    groups = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    query = query * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    rows = []
    for sizes, *row in zip(attention_mask.sizes, query, key, value, strict=True):
        # Cut at once: the gradient of each slice would be as large as the whole.
        queries, keys, values = (one[None].split(sizes, dim=2) for one in row)
        found = [_attended(queries[0], keys[0], values[0], attention_mask, dropout)]
        for q, k, v in zip(queries[1:-1], keys[1:-1], values[1:-1], strict=True):
            all_keys, all_values = torch.cat((keys[0], k), dim=2), torch.cat((values[0], v), dim=2)
            found.append(_attended(q, all_keys, all_values, attention_mask, dropout))
        rows.append(torch.cat((*found, torch.zeros_like(queries[-1])), dim=2))
    return torch.cat(rows).transpose(1, 2).contiguous(), None


def _attended(q: Tensor, k: Tensor, v: Tensor, pieces: Pieces, dropout: float) -> Tensor:
    """Attend from queries, which are scaled, to keys that end with the same token."""
    queries, keys = q.shape[2], k.shape[2]
    if queries == 0:
        return q
    if q.device.type != "cpu" or not q.requires_grad:
        whole = queries == keys
        mask = None if whole else pieces.mask(queries, keys, q)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=whole, dropout_p=dropout, scale=1.0)
    # The backward pass of torch's fused kernel takes several times as long on a CPU as these two products.
    scores = torch.matmul(q, k.mT)
    scores = scores + pieces.mask(queries, keys, scores)
    weights = F.dropout(F.softmax(scores, dim=-1, dtype=torch.float32).to(v.dtype), dropout)
    return torch.matmul(weights, v)


ALL_ATTENTION_FUNCTIONS.register(PIECEWISE, piecewise_attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(PIECEWISE, sdpa_mask)
