"""DINOv2 with registers, as VGGT and Pi3 use it to turn one frame into patch tokens.

Source: "Vision Transformers Need Registers" (arXiv 2309.16588); sizes and constants as in the published weights.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vgcli_core.model.geometry_encoders.blocks import Block, LayerNorm

_EPS = 1e-6


class PatchProjection(nn.Module):
    """A convolution whose kernel is one patch."""

    def __init__(self, patch: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=patch, stride=patch)

    def forward(self, frames: Tensor) -> Tensor:
        """Map [F, 3, H, W] to float32 tokens [F, h * w, C], row by row."""
        tokens: Tensor = self.proj(frames.to(self.proj.weight.dtype))
        return tokens.flatten(2).transpose(1, 2).float()


class DinoV2(nn.Module):
    """Patch tokens of single frames; `mask_token` exists only where the published file has one, and is never used."""

    def __init__(
        self,
        *,
        img_size: int,
        patch: int,
        dim: int,
        depth: int,
        heads: int,
        mlp_ratio: float,
        registers: int,
        mask_token: bool,
    ) -> None:
        super().__init__()
        self.patch = patch
        self.table_side = img_size // patch
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.table_side**2, dim))
        self.register_tokens = nn.Parameter(torch.zeros(1, registers, dim))
        if mask_token:
            self.mask_token = nn.Parameter(torch.zeros(1, dim))
        self.patch_embed = PatchProjection(patch, dim)
        self.blocks = nn.ModuleList(Block(dim, heads, mlp_ratio=mlp_ratio, eps=_EPS) for _ in range(depth))
        self.norm = LayerNorm(dim, eps=_EPS)

    def forward(self, frames: Tensor) -> Tensor:
        """Map normalised frames [F, 3, H, W] to patch tokens [F, h * w, C] after the last norm, float32."""
        count, _, height, width = frames.shape
        x = self.patch_embed(frames) + self.position_table(height // self.patch, width // self.patch)
        # Registers are inserted after positions are added and get none; the class token has its own entry.
        cls = (self.cls_token + self.pos_embed[:, :1]).float().expand(count, -1, -1)
        registers = self.register_tokens.float().expand(count, -1, -1)
        x = torch.cat((cls, registers, x), dim=1)
        for block in self.blocks:
            x = block(x)
        y: Tensor = self.norm(x[:, 1 + self.register_tokens.shape[1] :])
        return y

    def position_table(self, rows: int, columns: int) -> Tensor:
        """Return the position embedding [1, rows * columns, C], resized bicubically with antialiasing in float32."""
        table = self.pos_embed[:, 1:].float()
        if (rows, columns) == (self.table_side, self.table_side):
            return table
        square = table.view(1, self.table_side, self.table_side, -1).permute(0, 3, 1, 2)
        # Apple's MPS lacks this resize; the table is small.
        square = square.cpu() if square.device.type == "mps" else square
        resized = F.interpolate(square, size=(rows, columns), mode="bicubic", antialias=True).to(table.device)
        return resized.flatten(2).transpose(1, 2)
