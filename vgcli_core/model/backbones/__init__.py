"""Backbones: a 2D tower and a language model that take fused image tokens from outside. One line per backbone."""

from typing import Any, Protocol

from torch import Tensor
from transformers import Cache

from vgcli_core.errors import lookup
from vgcli_core.model.backbones.qwen2_5_vl import Qwen25VL


class Backbone(Protocol):
    """What the model needs of a backbone; every one is a torch module too.

    Shapes: B samples of L tokens, width D; T merged image tokens of all pictures, in order.
    """

    hidden_size: int
    image_token_id: int

    def image_tokens(self, pixel_values: Tensor, grid_thw: Tensor) -> Tensor:
        """Return the merged tokens [T, D] of pictures given as patches and their grids [images, 3]."""

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the text embeddings [B, L, D]; image tokens are placeholders to be overwritten."""

    def hidden(
        self,
        embeds: Tensor,
        *,
        positions: Tensor,
        mask: Tensor | None,
        cache: Cache | None,
        segments: Tensor | None = None,
        branches: Tensor | None = None,
    ) -> Tensor:
        """Run the language model on embeddings [B, L, D] at positions [3, B, L]; fills `cache` when one is given.

        `segments` [B, L] number the samples of packed rows, `branches` [B, L] those of rows with one beginning.
        """

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the scores of the vocabulary for hidden states [..., D]."""


BACKBONES = {
    "qwen2_5_vl": Qwen25VL,
}


def get_backbone(name: str, *, where: str = "") -> Any:
    """Return the backbone class called `name`, or raise UnknownName with the nearest one."""
    return lookup("backbone", BACKBONES, name, where=where)
