"""VGGT's aggregator: frames of one scene to geometry tokens, by attention within and across frames in turn.

Parameter names are those of `aggregator.*` in facebook/VGGT-1B. Only what the tokens need is run: the feature is the
output of the second to last frame/global pair, so the last pair is stored but idle, and no other pair's output is kept.

Source: VGGT (arXiv 2503.11651); the feature used by VG-LLM (arXiv 2505.24625), entry -2 of the aggregator's outputs.
"""

from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from vgcli_core.model.geometry_encoders.blocks import Block, scene_tables
from vgcli_core.model.geometry_encoders.dinov2 import DinoV2
from vgcli_core.model.geometry_encoders.normalise import imagenet_normalise

_EPS = 1e-5


class VGGTConfig(BaseModel):
    """Sizes of the aggregator; the defaults are VGGT-1B's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    img_size: int = Field(518, gt=0, description="side of the square picture the position table was made for")
    patch_size: int = Field(14, gt=0, description="pixels")
    embed_dim: int = Field(1024, gt=0)
    depth: int = Field(24, ge=2, description="frame/global pairs, the idle last one included")
    num_heads: int = Field(16, gt=0)
    patch_embed_depth: int = Field(24, gt=0)
    patch_embed_num_heads: int = Field(16, gt=0)
    num_register_tokens: int = Field(4, ge=0)
    mlp_ratio: float = Field(4.0, gt=0)


class Aggregator(nn.Module):
    """The network itself; `VGGT` below wraps it so that names start with `aggregator.` as in the published file."""

    def __init__(self, config: VGGTConfig) -> None:
        super().__init__()
        dim = config.embed_dim
        self.num_registers = config.num_register_tokens
        self.head_dim = dim // config.num_heads
        self.patch = config.patch_size
        # Entry 0 of both tokens is for the first frame, the scene's reference; entry 1 for all others.
        self.camera_token = nn.Parameter(torch.randn(1, 2, 1, dim) * 1e-6)
        self.register_token = nn.Parameter(torch.randn(1, 2, config.num_register_tokens, dim) * 1e-6)
        self.patch_embed = DinoV2(
            img_size=config.img_size,
            patch=config.patch_size,
            dim=dim,
            depth=config.patch_embed_depth,
            heads=config.patch_embed_num_heads,
            mlp_ratio=config.mlp_ratio,
            registers=config.num_register_tokens,
            mask_token=True,
        )
        self.frame_blocks = nn.ModuleList(self._block(config) for _ in range(config.depth))
        self.global_blocks = nn.ModuleList(self._block(config) for _ in range(config.depth))

    @staticmethod
    def _block(config: VGGTConfig) -> Block:
        return Block(
            config.embed_dim,
            config.num_heads,
            mlp_ratio=config.mlp_ratio,
            eps=_EPS,
            qk_norm=True,
            layer_scale=0.01,
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Map the frames of one scene [F, 3, H, W] in [0, 1] to tokens [F, 1 + R + h * w, 2C], float32.

        The first token of a frame is its camera token, then R registers, then patches row by row. Channels are the
        output of the frame attention followed by that of the global attention of the second to last pair.
        """
        return self.scenes(frames[None])[0]

    def scenes(self, frames: Tensor) -> Tensor:
        """Map S scenes of F frames each, [S, F, 3, H, W], to tokens [S, F, 1 + R + h * w, 2C]: each as if alone."""
        scenes, count, _, height, width = frames.shape
        patches = self.patch_embed(imagenet_normalise(frames.flatten(0, 1)))
        special = torch.cat((self.camera_token, self.register_token), dim=2).float()  # [1, 2, 1 + R, C]
        first_or_other = (torch.arange(count, device=frames.device) > 0).long().repeat(scenes)
        x = torch.cat((special[0, first_or_other], patches), dim=1)
        size = (height // self.patch, width // self.patch)
        in_frame, across = scene_tables(count, *size, special.shape[2], self.head_dim, device=frames.device)
        last = len(self.frame_blocks) - 2
        for frame_block, global_block in zip(self.frame_blocks[: last + 1], self.global_blocks, strict=False):
            within: Tensor = frame_block(x, in_frame)
            x = global_block(within.reshape(scenes, -1, within.shape[-1]), across).view_as(within)
        both = torch.cat((within, x), dim=-1)
        return both.view(scenes, count, *both.shape[1:])


class VGGT(nn.Module):
    """The geometry encoder of VG-LLM: frames [F, 3, H, W] in [0, 1] to tokens [F, h, w, 2C]."""

    Config = VGGTConfig
    # Files of the published encoder hold heads that no feature depends on.
    unused_prefixes = ("point_head.", "depth_head.", "camera_head.", "track_head.")
    has_reference_frame = True

    def __init__(self, config: VGGTConfig) -> None:
        super().__init__()
        self.config = config
        self.patch = config.patch_size
        self.dim = 2 * config.embed_dim
        self.aggregator = Aggregator(config)

    @property
    def idle_prefixes(self) -> tuple[str, ...]:
        """The last pair, and a token of DINOv2's own training."""
        last = self.config.depth - 1
        return (
            f"aggregator.frame_blocks.{last}.",
            f"aggregator.global_blocks.{last}.",
            "aggregator.patch_embed.mask_token",
        )

    @classmethod
    def from_sizes(cls, sizes: dict[str, object]) -> Self:
        """Build from a plain dict of sizes; unknown names are errors."""
        return cls(VGGTConfig.model_validate(sizes))

    def forward(self, frames: Tensor) -> Tensor:
        """Return tokens [F, h, w, 2C], float32; the first frame is the scene's reference."""
        count, _, height, width = frames.shape
        tokens = self.aggregator(frames)[:, 1 + self.aggregator.num_registers :]
        grid: Tensor = tokens.reshape(count, height // self.patch, width // self.patch, self.dim)
        return grid
