"""A small VG-LLM that learns from nothing on a CPU: the real classes at 7 million parameters, drawn to be trained.

Sizes and first weights are for rooms of 168x126 pixels. Matrices are drawn by the number of their inputs: 0.02, the
usual deviation of large models, is far too little at these widths. What published weights learn slowly from a start
near 0 (layer scales, positions, word identities) starts at order 1.
"""

from typing import Any

import torch
from torch import Tensor, nn

from vgcli_core.errors import UsageError
from vgcli_core.model.geometry_encoders.dinov2 import DinoV2
from vgcli_core.model.small_tokenizer import small_tokenizer
from vgcli_core.model.tiny import backbone_config, build, new_config
from vgcli_core.model.vgllm import VGLLM

GEOMETRY: dict[str, Any] = {
    "img_size": 168,
    "embed_dim": 192,
    "depth": 4,
    # Heads of 64: wide enough to tell a hundred patches apart.
    "num_heads": 3,
    "mlp_ratio": 3.0,
    "patch_embed_depth": 1,
    "patch_embed_num_heads": 3,
}
MERGER_HIDDEN = 256
WIDTH = 192  # of the language model
_WORDS = 0.5  # deviation of word embeddings: less drowns which word it is
_FASTEST, _RANGE = 3.0, 100.0  # radians per patch of the fastest position code, and how much slower the slowest is


def small_model(
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    frame_width: int = 168,
    geometry_encoder: str = "vggt",
    patch_positions: bool = True,
    **choices: Any,
) -> tuple[VGLLM, Any]:
    """Build the small model and its tokenizer; the same seed gives the same weights.

    Args:
        seed: of the weights.
        dtype: of the parameters.
        frame_width: pixels.
        geometry_encoder: "vggt" or "none".
        patch_positions: see ModelConfig.
        choices: further fields of ModelConfig.

    Raises:
        UsageError: another geometry encoder.
    """
    if geometry_encoder not in ("vggt", "none"):
        raise UsageError(
            f"the small model has no geometry encoder {geometry_encoder!r}",
            where="start.geometry_encoder",
            fix="set it to vggt or none, or start from other weights",
        )
    tokenizer = small_tokenizer()
    config = new_config(
        geometry_encoder=geometry_encoder,
        geometry=GEOMETRY if geometry_encoder == "vggt" else {},
        merger_hidden=MERGER_HIDDEN,
        frame_width=frame_width,
        patch_positions=patch_positions,
        conventions_from="the small model",
        **choices,
    )
    return build(config, _backbone_config(tokenizer), tokenizer, draw=fresh_weights, seed=seed, dtype=dtype), tokenizer


@torch.no_grad()
def fresh_weights(module: nn.Module) -> None:
    """Draw all weights of a model, or of a part of it, anew, from torch's generator, to be trained from nothing."""
    for name, parameter in module.named_parameters():
        _draw(name, parameter)
    for part in module.modules():
        if isinstance(part, DinoV2):
            part.pos_embed[:, 1:] = positions(part.table_side, part.pos_embed.shape[-1])


def positions(side: int, width: int) -> Tensor:
    """Return sines and cosines [1, side * side, width] of row and column of a square of patches, order 1."""
    share = torch.arange(width // 4) / (width // 4)
    angles = torch.arange(side)[:, None] * _FASTEST * _RANGE**-share
    code = torch.cat((angles.sin(), angles.cos()), dim=1)  # [side, width / 2]
    rows, columns = code[:, None].expand(-1, side, -1), code[None].expand(side, -1, -1)
    return torch.cat((rows, columns), dim=-1).reshape(1, side * side, width)


def _backbone_config(tokenizer: Any) -> dict[str, Any]:
    tower = {"depth": 4, "hidden_size": 128, "intermediate_size": 320, "num_heads": 4, "out_hidden_size": WIDTH}
    decoder = {
        "hidden_size": WIDTH,
        "intermediate_size": 416,
        "num_hidden_layers": 5,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "rope_scaling": {"type": "mrope", "mrope_section": [4, 6, 6]},
    }
    plain = backbone_config(tokenizer)
    whole = {"window_size": 56, "fullatt_block_indexes": [1, 3]}
    return {**plain, **decoder, "vision_config": {**plain["vision_config"], **tower, **whole}}


def _draw(name: str, parameter: nn.Parameter) -> None:
    last = name.rpartition(".")[2]
    if last == "gamma" or (last == "weight" and parameter.dim() == 1):
        nn.init.ones_(parameter)
    elif last == "bias" or last in ("pos_embed", "mask_token"):
        nn.init.zeros_(parameter)
    elif last.endswith(("_token", "_tokens")) or "embed_tokens" in name:
        nn.init.normal_(parameter, std=_WORDS)
    elif parameter.dim() > 1:
        nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
