"""From two encoders' tokens to one: crop both to the same grid, merge 2x2 geometry patches, combine patch by patch.

Shapes of one scene: F frames, h x w patches, merged to h' x w' cells (h' = h // 2); C the geometry width, D the width
of the language model. `a` are image tokens [N, D], of any number of scenes, and `g` merged geometry tokens of the same
shape; a fusion whose class says `by_frame` takes [F, h', w', D] of one scene. Parameter names are those of the
published checkpoints.

Source: arXiv 2505.24625: both encoders' features are fused at the patch level, by addition. The other methods are those
of its ablation, as the second generation of the published code defines them.
"""

import math

import torch
from torch import Tensor, nn

from vgcli_core.errors import FusionError, lookup

MERGE = 2


def crop_to_even(tokens: Tensor) -> Tensor:
    """Drop the last row and column of tokens [F, h, w, C] where their number is odd: the backbone never saw them."""
    rows, columns = tokens.shape[1:3]
    return tokens[:, : rows - rows % MERGE, : columns - columns % MERGE]


def cells(tokens: Tensor) -> Tensor:
    """Return the 2x2 patches of each merged cell, row by row, of tokens [F, h, w, C]: [F * h' * w', 4, C]."""
    tokens = crop_to_even(tokens)
    frames, rows, columns, dim = tokens.shape
    blocks = tokens.reshape(frames, rows // MERGE, MERGE, columns // MERGE, MERGE, dim).transpose(2, 3)
    return blocks.reshape(-1, MERGE**2, dim)


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis, computed in float32, epsilon 1e-6."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` normalised, in the dtype of the weight."""
        y = x.float()
        y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + 1e-6)
        return self.weight * y.to(self.weight.dtype)


class GeometryMerger(nn.Module):
    """Merge 2x2 geometry patches into one token of the language model's width.

    `mlp` normalises each patch and concatenates the four, row by row; `avg` takes their mean without a norm.
    """

    def __init__(self, dim: int, hidden: int, out: int, *, kind: str = "mlp") -> None:
        super().__init__()
        lookup("geometry merger", MERGERS, kind)
        self.kind = kind
        if kind == "mlp":
            self.ln_q = RMSNorm(dim)
        self.mlp = nn.Sequential(
            nn.Linear(dim * (MERGE**2 if kind == "mlp" else 1), hidden),
            nn.GELU(),
            nn.Linear(hidden, out),
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Map the four patches of each cell [N, 4, C] (see `cells`) to [N, D] in the weights' dtype."""
        patches = self.ln_q(patches) if self.kind == "mlp" else patches
        merged = patches.flatten(1) if self.kind == "mlp" else patches.mean(dim=1)
        weight = next(self.mlp.parameters())
        y: Tensor = self.mlp(merged.to(weight.dtype))
        return y


# What each merger does with the four patches of a cell.
MERGERS = {"mlp": "concatenate", "avg": "average"}


class Add(nn.Module):
    """a + g: the published method."""

    def __init__(self, dim: int, **_: float) -> None:
        super().__init__()

    def forward(self, a: Tensor, g: Tensor) -> Tensor:
        """Return tokens like `a`."""
        return a + g


class Concat(nn.Module):
    """Project the two normalised tokens side by side; no residual."""

    def __init__(self, dim: int, **_: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.projection = nn.Linear(2 * dim, dim)

    def forward(self, a: Tensor, g: Tensor) -> Tensor:
        """Return tokens like `a`."""
        y: Tensor = self.projection(torch.cat((self.norm1(a), self.norm2(g)), dim=-1))
        return y


class Gated(nn.Module):
    """A learnt gate per channel between the two normalised tokens (not between `a` and `g` themselves)."""

    def __init__(self, dim: int, **_: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.gate_projection = nn.Sequential(nn.Linear(2 * dim, dim), nn.Sigmoid())

    def forward(self, a: Tensor, g: Tensor) -> Tensor:
        """Return tokens like `a`."""
        a, g = self.norm1(a), self.norm2(g)
        gate = self.gate_projection(torch.cat((a, g), dim=-1))
        y: Tensor = gate * a + (1 - gate) * g
        return y


class Weighted(nn.Module):
    """Two learnt scalars, normalised by their sum."""

    def __init__(self, dim: int, **_: float) -> None:
        super().__init__()
        self.weight_2d = nn.Parameter(torch.tensor(0.5))
        self.weight_3d = nn.Parameter(torch.tensor(0.5))

    def forward(self, a: Tensor, g: Tensor) -> Tensor:
        """Return tokens like `a`. Raises FusionError when training has driven the sum of the weights to zero."""
        total = self.weight_2d + self.weight_3d
        if not torch.isfinite(1 / total.float()):
            raise FusionError(
                "the two weights of the weighted fusion add up to zero",
                fix="the checkpoint is unusable: take one from earlier in training",
            )
        return (self.weight_2d * a + self.weight_3d * g) / total


class CrossAttention(nn.Module):
    """Each frame's image tokens attend to the same frame's geometry tokens, layer after layer."""

    by_frame = True

    def __init__(self, dim: int, *, layers: float = 1, heads: float = 8, dropout: float = 0.1, **_: float) -> None:
        super().__init__()
        self.cross_attn_blocks = nn.ModuleList(_CrossBlock(dim, int(heads), dropout) for _ in range(int(layers)))

    def forward(self, a: Tensor, g: Tensor) -> Tensor:
        """Return tokens like `a`."""
        rows, columns, dim = a.shape[1:]
        table = sine_positions(rows, columns, dim, a.device).to(a.dtype)
        x, g = a.flatten(1, 2), g.flatten(1, 2)
        for block in self.cross_attn_blocks:
            x = block(x, g, table)
        return x.view_as(a)


class _CrossBlock(nn.Module):
    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1_query = nn.LayerNorm(dim)
        self.norm1_key = nn.LayerNorm(dim)
        self.norm1_value = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.cross_attention = nn.MultiheadAttention(dim, heads, dropout=dropout, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * dim, dim), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor, g: Tensor, table: Tensor) -> Tensor:
        query, key, value = self.norm1_query(x) + table, self.norm1_key(g) + table, self.norm1_value(g)
        x = x + self.cross_attention(query, key, value, need_weights=False)[0]
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


def sine_positions(rows: int, columns: int, dim: int, device: torch.device) -> Tensor:
    """Return a fixed table [rows * columns, D]: half the channels encode the row, half the column."""
    frequencies = torch.exp(torch.arange(dim // 4, device=device) * (-math.log(10000.0) / (dim // 4)))
    row, column = (torch.arange(n, device=device, dtype=torch.float32)[:, None] * frequencies for n in (rows, columns))
    row = torch.cat((row.sin(), row.cos()), dim=-1)[:, None].expand(rows, columns, -1)
    column = torch.cat((column.sin(), column.cos()), dim=-1)[None].expand(rows, columns, -1)
    return torch.cat((row, column), dim=-1).flatten(0, 1)


FUSIONS: dict[str, type[Add] | type[Concat] | type[Gated] | type[Weighted] | type[CrossAttention]] = {
    "add": Add,
    "concat": Concat,
    "gated": Gated,
    "weighted": Weighted,
    "cross_attention": CrossAttention,
}


def fuse(fusion: nn.Module, image_tokens: Tensor, geometry_tokens: Tensor) -> Tensor:
    """Combine image tokens and merged geometry tokens, [N, D] or [F, h', w', D], cell by cell.

    Raises:
        FusionError: the shapes differ, so the encoders saw frames of different sizes and the wrong patches would pair.
    """
    if image_tokens.shape != geometry_tokens.shape:
        raise FusionError(
            f"image tokens {tuple(image_tokens.shape)} and geometry tokens {tuple(geometry_tokens.shape)} differ",
            fix="give both encoders the frames that Processor prepared",
        )
    fused: Tensor = fusion(image_tokens, geometry_tokens.to(image_tokens))
    return fused
