"""Qwen2.5-VL, unmodified: transformers' classes do all of it, this file only takes them apart where fusion goes in.

The published files name parameters as transformers 4.50 did (`visual.*`, `model.*`); files written since name them
`model.visual.*` and `model.language_model.*`. Both are read.
"""

import re
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import Cache, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from vgcli_core.model.branching import branching_arguments
from vgcli_core.model.packing import attention_arguments

# Order matters: `model.visual.` must not be taken for a part of the language model.
_RENAMES = (
    (re.compile(r"^visual\."), "model.visual."),
    (re.compile(r"^model\.(?!visual\.|language_model\.)"), "model.language_model."),
)


class Qwen25VL(nn.Module):
    """A 2D tower with its merger, and a language model with multimodal rotary positions."""

    def __init__(self, model: Qwen2_5_VLForConditionalGeneration) -> None:
        super().__init__()
        self.model = model

    @classmethod
    def read_config(cls, plain: dict[str, Any]) -> Qwen2_5_VLConfig:
        """Read a config.json, the flat form of transformers 4.50 as well as the nested one written since."""
        return cast(Qwen2_5_VLConfig, Qwen2_5_VLConfig.from_dict(plain))

    @classmethod
    def empty(cls, config: Qwen2_5_VLConfig) -> "Qwen25VL":
        """Build without memory (on the meta device), to learn names and shapes."""
        with torch.device("meta"):
            return cls(Qwen2_5_VLForConditionalGeneration(config))

    @classmethod
    def from_tensors(
        cls,
        config: Qwen2_5_VLConfig,
        tensors: dict[str, Tensor],
        *,
        dtype: torch.dtype,
        device_map: Any,
        attention: str,
    ) -> "Qwen25VL":
        """Build with weights named as in `state_dict()` of the inner model; placement is transformers' own."""
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            None, config=config, state_dict=tensors, dtype=dtype, device_map=device_map, attn_implementation=attention
        )
        return cls(model)

    @classmethod
    def inner_name(cls, published: str) -> str:
        """Return the name in the inner model of a parameter called `published` in a file."""
        for pattern, new in _RENAMES:
            published, count = pattern.subn(new, published)
            if count:
                break
        return published

    @classmethod
    def published_name(cls, inner: str) -> str:
        """Return the published name of an inner parameter: the inverse of `inner_name` for files of 4.50."""
        return inner.replace("model.visual.", "visual.", 1).replace("model.language_model.", "model.", 1)

    @property
    def tied(self) -> bool:
        """Whether the output head shares the embedding's weights."""
        return bool(self.model.config.tie_word_embeddings)

    @property
    def hidden_size(self) -> int:
        """Width D of the language model."""
        return int(self.model.config.text_config.hidden_size)

    @property
    def vocabulary(self) -> int:
        """Number V of tokens that are scored."""
        return int(self.model.config.text_config.vocab_size)

    @property
    def image_token_id(self) -> int:
        """The placeholder that stands for one merged image token."""
        return int(self.model.config.image_token_id)

    @property
    def vision(self) -> nn.Module:
        """The 2D tower, its connector (`merger`) included."""
        tower: nn.Module = self.model.model.visual
        return tower

    @property
    def language_model(self) -> nn.Module:
        """The decoder, its embedding included; the output head is `model.lm_head`."""
        decoder: nn.Module = self.model.model.language_model
        return decoder

    def checkpoint_gradients(self) -> None:
        """Compute activations a second time in the backward pass instead of keeping them; only in training mode."""
        # The newer name is not in every version; the older one goes in transformers 6.
        name = "activation" if hasattr(self.model, "activation_checkpointing_enable") else "gradient"
        getattr(self.model, f"{name}_checkpointing_enable")({"use_reentrant": False})

    @property
    def attention(self) -> str:
        """The attention backend in use."""
        return str(self.model.config._attn_implementation)

    def image_tokens(self, pixel_values: Tensor, grid_thw: Tensor) -> Tensor:
        """Return merged image tokens [T, D] of `pixel_values` [patches, 1176] with grids [images, 3] in patches."""
        pixels = pixel_values.to(self.model.get_input_embeddings().weight.device)
        # The tower's own dtype: while training, the language model's may be another.
        pixels = pixels.to(next(self.vision.parameters()).dtype)
        features = self.model.model.get_image_features(pixels, grid_thw.to(pixels.device))
        return torch.cat(list(features.pooler_output))

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return text embeddings [B, L, D]."""
        embedding: Tensor = self.model.get_input_embeddings()(input_ids)
        return embedding

    def hidden(
        self,
        embeds: Tensor,
        *,
        positions: Tensor,
        mask: Tensor | None = None,
        cache: Cache | None = None,
        segments: Tensor | None = None,
        branches: Tensor | None = None,
    ) -> Tensor:
        """Return the last hidden states [B, L, D]; `mask` [B, past + L] is 0 where a token is to be ignored.

        With `segments` [B, L], the numbers of the samples in each row, tokens see their own sample alone; with
        `branches` [B, L] the beginning of their row too. `mask` is then not looked at.
        """
        seen: dict[str, Any] = {"attention_mask": mask}
        if segments is not None:
            seen = attention_arguments(segments, self.attention, embeds.dtype)
        elif branches is not None:
            seen = branching_arguments(branches, self.attention, embeds)
        output = self.model.model.language_model(
            inputs_embeds=embeds,
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
            **seen,
        )
        states: Tensor = output.last_hidden_state
        return states

    def logits(self, hidden: Tensor) -> Tensor:
        """Return float32 scores [..., V]."""
        scores: Tensor = self.model.lm_head(hidden)
        return scores.float()
