"""The optimiser: AdamW over three groups of parameters, and the learning rate of every step.

The schedule is a function of the step alone, so that a resumed run needs no state of it.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from vgcli_core.training.recipe import Optim, Part

# Which learning rate each part has; the three groups of the paper's training code.
GROUPS: dict[Part, str] = {
    "language_model": "language_model",
    "geometry_merger": "merger",
    "connector": "vision",
    "vision_tower": "vision",
    "geometry_encoder": "vision",
    "heads": "language_model",
}


def parameter_groups(
    parameters: Mapping[str, nn.Parameter], parts: Mapping[Part, list[str]], optim: Optim
) -> list[dict[str, Any]]:
    """Return groups for torch.optim: one for each learning rate, without weight decay where a norm or bias is.

    The published runs decay RMS norms too, and give the 2D tower's connector, where it is trained, the merger's rate.

    Args:
        parameters: the trained ones by name.
        parts: names by part.
        optim: rates and decay.

    Returns:
        Dicts with `params`, `names`, `group`, `peak` and `weight_decay`; empty groups are left out.
    """
    part_of = {name: part for part, names in parts.items() for name in names}
    rates = {"language_model": optim.lr, "merger": optim.merger_lr or optim.lr, "vision": optim.vision_lr or optim.lr}
    groups: dict[tuple[str, bool], dict[str, Any]] = {}
    for name, parameter in parameters.items():
        group, decays = GROUPS[part_of[name]], parameter.dim() > 1
        one = groups.setdefault(
            (group, decays),
            {
                "params": [],
                "names": [],
                "group": group,
                "peak": rates[group],
                "lr": rates[group],
                "weight_decay": optim.weight_decay if decays else 0.0,
            },
        )
        one["params"].append(parameter)
        one["names"].append(name)
    return [groups[key] for key in sorted(groups)]


def adamw(groups: list[dict[str, Any]], optim: Optim, device: torch.device) -> torch.optim.AdamW:
    """Return the optimiser; torch's fused kernel where there is one, which needs no temporary copies."""
    fused = device.type in ("cuda", "cpu")
    return torch.optim.AdamW(groups, lr=optim.lr, betas=optim.betas, eps=optim.eps, fused=fused)


def lr_factor(step: int, steps: int, optim: Optim) -> float:
    """Return what a peak learning rate is multiplied by in update `step` (from 0) of `steps`.

    Rises from 0 over the first `warmup` share (rounded up), then falls to 0: the published runs' schedule, whose very
    first update has a rate of 0.
    """
    warmup = math.ceil(optim.warmup * steps)
    if step < warmup:
        return step / warmup
    if optim.schedule == "constant":
        return 1.0
    progress = (step - warmup) / max(1, steps - warmup)
    return 1.0 - progress if optim.schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * progress))
