"""The parts of a model: which one a parameter belongs to, and which of them learn.

| part | parameters |
|---|---|
| language_model | the decoder, its embedding and its output head; with LoRA the adapters alone learn |
| geometry_merger | the merger of geometry tokens, the fusion, and the code of patch positions |
| connector | the 2D tower's own merger |
| vision_tower | the 2D tower without its merger |
| geometry_encoder | VGGT or Pi3 |
| heads | what an objective needs to compute its losses; not a part of the model |
"""

from typing import Any, get_args

import torch
from torch import nn

from vgcli_core.errors import UsageError
from vgcli_core.model.lora import add_adapters, is_adapter
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.training.recipe import Lora, Part, Trained

PARTS: tuple[Part, ...] = tuple(part for part in get_args(Part) if part != "heads")

# The first prefix that fits decides.
_PREFIXES: tuple[tuple[str, Part], ...] = (
    ("backbone.model.model.visual.merger.", "connector"),
    ("backbone.model.model.visual.", "vision_tower"),
    ("backbone.", "language_model"),
    ("geometry_merger.", "geometry_merger"),
    ("feature_fusion.", "geometry_merger"),
    ("patch_positions.", "geometry_merger"),
    ("geometry_encoder.", "geometry_encoder"),
)


def part_of(name: str) -> Part:
    """Return the part that the parameter called `name` in `state_dict()` belongs to."""
    return next(part for prefix, part in _PREFIXES if name.startswith(prefix))


def learns(name: str, trained: Trained) -> bool:
    """Return whether the parameter called `name` is trained; of a language model with LoRA, its adapters alone."""
    part = part_of(name)
    if part == "language_model":
        return trained.language_model == "full" or (trained.language_model == "lora" and is_adapter(name))
    return bool(getattr(trained, part))


def choose(
    model: VGLLM, trained: Trained, lora: Lora, *, seed: int = 0, dtype: torch.dtype = torch.float32
) -> dict[Part, list[str]]:
    """Make exactly the chosen parts learn; the other encoders and mergers are in evaluation mode.

    Args:
        model: changed in place; with `trained.language_model: lora` it gains adapters.
        trained: the parts.
        lora: rank and so on of the adapters.
        seed: of new adapters.
        dtype: of new adapters.

    Returns:
        The names of the trained parameters by part, as in `named_parameters()`; parts without any are left out.

    Raises:
        UsageError: nothing would be trained, or no layer fits `lora.targets`.
        ResourceError: adapters are asked for and peft is not installed.
    """
    if trained.language_model == "lora":
        add_adapters(
            model,
            rank=lora.rank,
            alpha=lora.alpha,
            dropout=lora.dropout,
            targets=lora.targets,
            seed=seed,
            dtype=dtype,
        )
    idle = tuple(f"geometry_encoder.{prefix}" for prefix in model.geometry_encoder.idle_prefixes)
    names: dict[Part, list[str]] = {}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(learns(name, trained) and not name.startswith(idle))
        if parameter.requires_grad:
            names.setdefault(part_of(name), []).append(name)
    if not names:
        raise UsageError(
            "nothing is trained: this model has none of the parts that are chosen",
            where="trained",
            fix="set trained.language_model to full or lora, or one of the other parts to true",
        )
    _set_modes(model, names)
    return names


def _set_modes(model: VGLLM, names: dict[Part, list[str]]) -> None:
    """Put the parts in `names` into training mode, and the others into evaluation: dropout only where it is learnt.

    The language model is always in training mode. It has no dropout of its own, gradients pass through it even where
    it is frozen, and transformers computes activations twice, instead of keeping them, in that mode alone.
    """
    model.train()
    tower: Any = model.backbone.vision
    modules: dict[Part, tuple[nn.Module, ...]] = {
        "geometry_merger": (model.geometry_merger, model.feature_fusion) if model.has_geometry else (),
        # The tower before its merger: it holds it.
        "vision_tower": (tower,),
        "connector": (tower.merger,),
        "geometry_encoder": (model.geometry_encoder,),
    }
    for part, held in modules.items():
        for module in held:
            module.train(part in names)
