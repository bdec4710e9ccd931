"""The transformer blocks that VGGT, Pi3 and their DINOv2 patch embedding are made of.

Parameter names are those of the published weights. The residual stream and every norm run in float32 whatever the
dtype of the weights, as they do under the autocast the weights were trained with; only matrix products and attention
run in the weights' dtype. In float32 this is the plain computation.

Shapes: B sequences of N tokens of width C; H heads of width D = C / H.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RotaryTable = tuple[Tensor, Tensor]


class LayerNorm(nn.LayerNorm):
    """Layer norm that computes and returns float32, also for half-precision weights."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis of `x`; the result is float32."""
        return F.layer_norm(x.float(), self.normalized_shape, self.weight.float(), self.bias.float(), self.eps)


class LayerScale(nn.Module):
    """Multiply each channel by a learnt factor `gamma` [C]."""

    def __init__(self, dim: int, initial: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), initial))

    def forward(self, x: Tensor) -> Tensor:
        """Scale `x` [..., C]; the result is float32 so that it can join the residual stream."""
        return x.float() * self.gamma.float()


class Mlp(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., C] to [..., C] in the weights' dtype."""
        y: Tensor = self.fc2(F.gelu(self.fc1(x.to(self.fc1.weight.dtype))))
        return y


class Attention(nn.Module):
    """Multi-head self-attention with optional query/key norm and rotary embedding, through torch's fused kernel."""

    def __init__(self, dim: int, heads: int, *, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.q_norm = LayerNorm(dim // heads, eps=1e-5) if qk_norm else None
        self.k_norm = LayerNorm(dim // heads, eps=1e-5) if qk_norm else None
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, rotary: RotaryTable | None = None) -> Tensor:
        """Attend within each of B sequences [B, N, C]; `rotary` holds cosines and sines [N, D] for one sequence."""
        q, k, v = self.projected(x, rotary)
        y = _attended(q.to(v.dtype), k.to(v.dtype), v)
        out: Tensor = self.proj(y.transpose(1, 2).reshape(x.shape))
        return out

    def projected(self, x: Tensor, rotary: RotaryTable | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values [B, H, N, D] of [B, N, C], normed and turned as attention compares them."""
        batch, length, dim = x.shape
        x = x.to(self.qkv.weight.dtype)
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        if rotary is not None:
            q, k = rotate(q, rotary), rotate(k, rotary)
        return q, k, v


def _attended(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    if v.requires_grad and v.device.type == "cpu":
        # The backward pass of torch's fused kernel takes several times as long there as these two products.
        return torch.matmul(F.softmax(torch.matmul(q, k.mT) * q.shape[-1] ** -0.5, dim=-1), v)
    return F.scaled_dot_product_attention(q, k, v)


class Block(nn.Module):
    """Pre-norm transformer block with layer scale."""

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        mlp_ratio: float = 4.0,
        eps: float,
        qk_norm: bool = False,
        layer_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim, eps=eps)
        self.attn = Attention(dim, heads, qk_norm=qk_norm)
        self.ls1 = LayerScale(dim, layer_scale)
        self.norm2 = LayerNorm(dim, eps=eps)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.ls2 = LayerScale(dim, layer_scale)

    def forward(self, x: Tensor, rotary: RotaryTable | None = None) -> Tensor:
        """Map float32 tokens [B, N, C] to float32 tokens [B, N, C]."""
        x = x + self.ls1(self.attn(self.norm1(x), rotary))
        y: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return y


def rotary_table(positions: Tensor, head_dim: int, base: float = 100.0) -> RotaryTable:
    """Return cosines and sines [N, D] of the 2D rotary embedding for (row, column) `positions` [N, 2].

    The first half of a head turns with the row, the second with the column; within a half, channel i and channel
    i + D/4 form one rotating pair.
    """
    frequencies = base ** -(torch.arange(0, head_dim // 2, 2, device=positions.device).float() / (head_dim // 2))
    angles = positions.float()[:, :, None] * frequencies  # [N, 2, D/4]
    angles = torch.cat((angles, angles), dim=-1).flatten(1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, table: RotaryTable) -> Tensor:
    """Apply a rotary table [N, D] to queries or keys [B, H, N, D], in float32."""
    cos, sin = table
    x = x.float()
    a, b, c, d = x.chunk(4, dim=-1)
    return x * cos + torch.cat((-b, a, -d, c), dim=-1) * sin


def scene_tables(
    frames: int, rows: int, columns: int, special: int, head_dim: int, *, device: torch.device
) -> tuple[RotaryTable, RotaryTable]:
    """Return the rotary tables of attention within one frame and across all frames of a scene.

    Tokens of a frame: `special` ones, all at (0, 0), then patches row by row, from (1, 1). Across frames every frame
    has the same positions: attention does not know which frame a token is from.
    """
    grid = torch.cartesian_prod(torch.arange(1, rows + 1), torch.arange(1, columns + 1))
    positions = torch.cat((torch.zeros(special, 2, dtype=grid.dtype), grid)).to(device)
    cos, sin = rotary_table(positions, head_dim)
    return (cos, sin), (cos.repeat(frames, 1), sin.repeat(frames, 1))
