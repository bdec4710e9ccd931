"""The optimiser: AdamW over three groups of parameters, Muon for matrices where a recipe asks for it, and the learning
rate of every step.

The schedule is a function of the step alone, so that a resumed run needs no state of it.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vgcli_core.training.muon import MOMENT, Muon
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


_ADAMW_MOMENTS = {name: name for name in ("exp_avg", "exp_avg_sq")}
_MUON_MOMENTS = {"exp_avg": MOMENT}


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


class Optimizers:
    """AdamW, and Muon beside it for the matrices inside layers where `optim.muon_lr` is set: as one optimiser.

    Muon's updates are orthogonal matrices: a network from scratch learns in fewer steps. Embeddings, heads, norms and
    biases stay with AdamW, as its author recommends.

    `dtype` is that of Muon's own products. Source: https://kellerjordan.github.io/posts/muon.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        optim: Optim,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        rest, matrices = groups, []
        if optim.muon_lr is not None:
            rest = [found for group in groups if (found := _part(group, inside_layers=False))["params"]]
            matrices = [found for group in groups if (found := _part(group, inside_layers=True))["params"]]
            matrices = [{**group, "peak": optim.muon_lr, "lr": optim.muon_lr} for group in matrices]
        self._adamw = adamw(rest, optim, device) if rest else None
        self._muon = Muon(matrices, dtype) if matrices else None
        self._by_muon = {parameter for group in matrices for parameter in group["params"]}

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Return the groups of both."""
        return [group for one in self._both() for group in one.param_groups]

    def step(self) -> None:
        """Update all parameters."""
        for one in self._both():
            one.step()

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for one in self._both():
            one.zero_grad(set_to_none=True)

    def moments(self, parameter: nn.Parameter) -> Mapping[str, Tensor]:
        """Return what is kept of a parameter between updates, by AdamW's names; nothing before the first update."""
        state = self._state(parameter)
        return {ours: state[theirs] for ours, theirs in self.moment_names(parameter).items() if theirs in state}

    def load(self, parameter: nn.Parameter, moment: str, value: Tensor, updates: int) -> None:
        """Take up a moment of a parameter after so many updates."""
        state = self._state(parameter)
        if parameter not in self._by_muon:
            # The fused kernel wants its counter beside the parameter.
            state.setdefault("step", torch.tensor(float(updates), device=parameter.device))
        state[self.moment_names(parameter)[moment]] = value.to(parameter.device, torch.float32, copy=True)

    def moment_names(self, parameter: nn.Parameter) -> Mapping[str, str]:
        """Return which moments are kept of a parameter: AdamW's names, and those of the optimiser that keeps them."""
        return _MUON_MOMENTS if parameter in self._by_muon else _ADAMW_MOMENTS

    def _state(self, parameter: nn.Parameter) -> dict[str, Any]:
        one = self._muon if parameter in self._by_muon else self._adamw
        if one is None:
            raise KeyError(parameter)
        state: dict[str, Any] = one.state[parameter]
        return state

    def _both(self) -> list[torch.optim.Optimizer]:
        return [one for one in (self._adamw, self._muon) if one is not None]


def _part(group: dict[str, Any], *, inside_layers: bool) -> dict[str, Any]:
    """Return a group with those of its parameters that are, or are not, matrices inside layers."""
    pairs = list(zip(group["names"], group["params"], strict=True))
    chosen = [(name, parameter) for name, parameter in pairs if _inside_layers(name, parameter) is inside_layers]
    return {**group, "names": [name for name, _ in chosen], "params": [parameter for _, parameter in chosen]}


def _inside_layers(name: str, parameter: nn.Parameter) -> bool:
    return parameter.dim() == 2 and any(part in name for part in (".layers.", "blocks."))


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
