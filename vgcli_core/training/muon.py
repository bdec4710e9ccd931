"""Muon: momentum whose matrices are made orthogonal, so that an update moves all directions by about the same.

What torch.optim.Muon computes (which torch has since 2.9), but in a chosen precision: bfloat16 is slow on processors
that do not know it, and its rounding tells two machines apart after a few steps.

Source: https://kellerjordan.github.io/posts/muon; its scale is that of arXiv 2502.16982, so rates mean what AdamW's do.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

MOMENT = "momentum_buffer"

_MOMENTUM = 0.95
_STEPS = 5
_A, _B, _C = 3.4445, -4.7750, 2.0315
_LEAST = 1e-7


class Muon(torch.optim.Optimizer):
    """Updates matrices; Nesterov's momentum, decoupled weight decay.

    Args:
        groups: of matrices, with `lr` and `weight_decay`.
        dtype: of the products that make an update orthogonal.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], dtype: torch.dtype) -> None:
        super().__init__(groups, {"lr": 1e-3, "weight_decay": 0.0})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient; closures are not taken."""
        for group in self.param_groups:
            lr, decay = group["lr"], group["weight_decay"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if MOMENT not in state:
                    state[MOMENT] = torch.zeros_like(parameter.grad)
                moment = state[MOMENT]
                moment.lerp_(parameter.grad, 1 - _MOMENTUM)
                update = orthogonal(parameter.grad.lerp(moment, _MOMENTUM), self._dtype)
                parameter.mul_(1 - lr * decay)
                parameter.add_(update, alpha=-lr * 0.2 * max(parameter.shape) ** 0.5)


def orthogonal(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a matrix with the same singular vectors and singular values of about 1 (0.7 to 1.2), by Newton-Schulz."""
    tall = matrix.shape[0] > matrix.shape[1]
    found = matrix.to(dtype, copy=True)
    found = found.T if tall else found
    found.div_(found.norm().clamp(min=_LEAST))
    for _ in range(_STEPS):
        gram = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=_B, alpha=_C), found, beta=_A)
    return found.T if tall else found
