"""Several samples in one row: what keeps the tokens of one sample from seeing those of another.

`segments` [B, L] number the samples of each row; equal numbers stand together, -1 is padding. Padding sees itself: a
softmax over nothing would be no number.
"""

from typing import Any

import torch
from torch import Tensor

FLASH = "flash_attention_2"


def attention_arguments(segments: Tensor, attention: str, dtype: torch.dtype) -> dict[str, Any]:
    """Return what transformers' decoder is called with for packed rows.

    Args:
        segments: [B, L] int64, on the decoder's device.
        attention: transformers' name of the attention backend.
        dtype: of the hidden states.

    Returns:
        `attention_mask` alone; for flash-attn where each sample starts and ends (its kernel is causal within them).
    """
    if attention == FLASH:
        return {"attention_mask": None, **_lengths(segments)}
    return masked(block_causal(segments), attention, dtype)


def block_causal(segments: Tensor) -> Tensor:
    """Return [B, 1, L, L], true where the token of a row may see the token of a column: its own sample's past."""
    length = segments.shape[1]
    past = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    return ((segments[:, :, None] == segments[:, None, :]) & past)[:, None]


def masked(mask: Tensor, attention: str, dtype: torch.dtype) -> dict[str, Any]:
    """Return the arguments for a mask [B, 1, L, L], true where a token is seen."""
    # Only sdpa reads booleans; the plain products add the mask to their scores.
    return {"attention_mask": mask if attention == "sdpa" else _additive(mask, dtype)}


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)


def _lengths(segments: Tensor) -> dict[str, Any]:
    """Return the bounds of samples in all rows one after another, as flash-attn's kernel for varied lengths has it."""
    starts = torch.ones_like(segments, dtype=torch.bool)
    starts[:, 1:] = segments[:, 1:] != segments[:, :-1]
    ends = torch.tensor([segments.numel()], device=segments.device)
    bounds = torch.cat((starts.flatten().nonzero()[:, 0], ends)).to(torch.int32)
    longest = int(bounds.diff().max())
    return {"cu_seq_lens_q": bounds, "cu_seq_lens_k": bounds, "max_length_q": longest, "max_length_k": longest}
