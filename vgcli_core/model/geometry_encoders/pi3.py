"""Pi3's encoder: like VGGT built from DINOv2 and alternating attention, but without a reference frame.

Even blocks attend within a frame, odd ones across frames; the feature is the output of the last two, side by side.
Parameter names are those of the published file. Its point, confidence and camera heads are not built.

Source: Pi3 (arXiv 2507.13347); its use in the second generation of VG-LLM's published code.
"""

from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from vgcli_core.model.geometry_encoders.blocks import Block, scene_tables
from vgcli_core.model.geometry_encoders.dinov2 import DinoV2
from vgcli_core.model.geometry_encoders.normalise import imagenet_normalise

_EPS = 1e-6


class Pi3Config(BaseModel):
    """Sizes of Pi3; the defaults are the published ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    img_size: int = Field(518, gt=0, description="side of the square picture the position table was made for")
    patch_size: int = Field(14, gt=0, description="pixels")
    encoder_embed_dim: int = Field(1024, gt=0)
    encoder_depth: int = Field(24, gt=0)
    encoder_num_heads: int = Field(16, gt=0)
    encoder_num_register_tokens: int = Field(4, ge=0)
    decoder_embed_dim: int = Field(1024, gt=0)
    decoder_depth: int = Field(36, ge=2)
    decoder_num_heads: int = Field(16, gt=0)
    decoder_num_register_tokens: int = Field(5, ge=0)
    mlp_ratio: float = Field(4.0, gt=0)


class Pi3(nn.Module):
    """Frames [F, 3, H, W] in [0, 1] to tokens [F, h, w, 2C]; any order of the frames gives the same tokens."""

    Config = Pi3Config
    unused_prefixes = (
        "point_decoder.",
        "point_head.",
        "conf_decoder.",
        "conf_head.",
        "camera_decoder.",
        "camera_head.",
        # Constants, which this file keeps in float32; in a bfloat16 file they are rounded.
        "image_mean",
        "image_std",
    )
    has_reference_frame = False
    idle_prefixes = ()

    def __init__(self, config: Pi3Config) -> None:
        super().__init__()
        self.config = config
        self.patch = config.patch_size
        self.dim = 2 * config.decoder_embed_dim
        self.head_dim = config.decoder_embed_dim // config.decoder_num_heads
        self.encoder = DinoV2(
            img_size=config.img_size,
            patch=config.patch_size,
            dim=config.encoder_embed_dim,
            depth=config.encoder_depth,
            heads=config.encoder_num_heads,
            mlp_ratio=config.mlp_ratio,
            registers=config.encoder_num_register_tokens,
            mask_token=False,
        )
        self.register_token = nn.Parameter(
            torch.randn(1, 1, config.decoder_num_register_tokens, config.decoder_embed_dim) * 1e-6
        )
        self.decoder = nn.ModuleList(
            Block(
                config.decoder_embed_dim,
                config.decoder_num_heads,
                mlp_ratio=config.mlp_ratio,
                eps=_EPS,
                qk_norm=True,
                layer_scale=0.01,
            )
            for _ in range(config.decoder_depth)
        )

    @classmethod
    def from_sizes(cls, sizes: dict[str, object]) -> Self:
        """Build from a plain dict of sizes; unknown names are errors."""
        return cls(Pi3Config.model_validate(sizes))

    def decode(self, patches: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Return the outputs [F, R + h * w, C] of the last two blocks for patch tokens [F, h * w, C]."""
        count = len(patches)
        registers = self.register_token.float()[0].expand(count, -1, -1)
        x = torch.cat((registers, patches), dim=1)
        in_frame, across = scene_tables(count, rows, columns, registers.shape[1], self.head_dim, device=patches.device)
        before = x
        for index, block in enumerate(self.decoder):
            before = x
            x = block(x, in_frame) if index % 2 == 0 else block(x.flatten(0, 1)[None], across).view_as(x)
        return before, x

    def forward(self, frames: Tensor) -> Tensor:
        """Return tokens [F, h, w, 2C], float32."""
        count, _, height, width = frames.shape
        rows, columns = height // self.patch, width // self.patch
        pair = self.decode(self.encoder(imagenet_normalise(frames)), rows, columns)
        tokens = torch.cat(pair, dim=-1)[:, self.register_token.shape[2] :]
        return tokens.reshape(count, rows, columns, self.dim)
