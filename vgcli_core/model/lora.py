"""Low-rank adapters on the language model (LoRA, arXiv 2106.09685), through peft.

A layer W x becomes W x + (alpha / rank) B A x; W stays as it is, A is random and B starts at zero, so that a new
adapter changes nothing. Shapes: A [rank, in], B [out, rank].
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vgcli_core.atomic import atomic_folder
from vgcli_core.errors import ResourceError, UsageError, first_line
from vgcli_core.model.layouts import BACKBONE
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.model.weights import write_tensors

_NAME = "default"  # peft can hold several adapters; there is one here
_BASE = ".base_layer."
_ADAPTER = re.compile(r"\.lora_[AB]\.")


def is_adapter(name: str) -> bool:
    """Return whether a parameter called `name` belongs to an adapter."""
    return _ADAPTER.search(name) is not None


def add_adapters(
    model: VGLLM,
    *,
    rank: int,
    alpha: float,
    dropout: float,
    targets: Sequence[str],
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Put an adapter on each linear layer of the language model whose own name is one of `targets`.

    The 2D tower is left alone, though some of its layers have the same names. The same seed gives the same adapters.

    Args:
        model: changed in place; the weights of its layers stay the same.
        rank: width of an adapter.
        alpha: scale of its output, times 1 / rank.
        dropout: of its input, while training.
        targets: names of layers, such as q_proj.
        seed: of the matrices A.
        dtype: of the adapters.

    Raises:
        UsageError: a target that no layer has.
        ResourceError: peft is not installed.
    """
    peft = _peft()
    decoder = model.backbone.language_model
    linear = {name.rpartition(".")[2] for name, module in decoder.named_modules() if isinstance(module, nn.Linear)}
    unknown = [target for target in targets if target not in linear]
    if unknown or not targets:
        raise UsageError(
            f"the language model has no linear layer {unknown[0]!r}" if unknown else "no layer is chosen for adapters",
            where="lora.targets",
            fix=f"known: {', '.join(sorted(linear))}",
        )
    config = peft.LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(targets))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(config, decoder, adapter_name=_NAME)
    for name, parameter in decoder.named_parameters():
        if is_adapter(name):
            parameter.data = parameter.data.to(model.device, dtype)


def adapter_tensors(model: VGLLM) -> dict[str, Tensor]:
    """Return the adapters' own parameters by name; empty without adapters."""
    return {name: parameter.detach() for name, parameter in model.named_parameters() if is_adapter(name)}


def added(weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
    """Return a weight [out, in] with its adapter, W + scale * B A, float32; A is [rank, in], B [out, rank]."""
    return weight.float() + scale * (b.float() @ a.float())


class MergedTensors(Mapping[str, Tensor]):
    """A model's `state_dict()` as it would be with its adapters added to the weights, under ordinary names.

    Each tensor is computed when it is asked for, W + scale * B A in float32, in the dtype of W. The model stays as it
    is; without adapters these are its own tensors.
    """

    def __init__(self, model: VGLLM, replaced: Mapping[str, Tensor] | None = None) -> None:
        """Take tensors of `replaced` instead of the model's own: weights gathered from elsewhere.

        Names are those of `state_dict()`; a weight under its ordinary name has its adapter in it.
        """
        given = dict(replaced or {})
        self._state: dict[str, Tensor] = {**model.state_dict(), **given}
        self._names = {name.replace(_BASE, "."): name for name in self._state if not is_adapter(name)}
        self._scales: dict[str, float] = {
            f"{layer}.weight": module.scaling[_NAME]
            for layer, module in model.named_modules()
            if f"{layer}.lora_A.{_NAME}.weight" in self._state and f"{layer}.weight" not in given
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: str) -> Tensor:
        weight = self.base(name)
        if name not in self._scales:
            return weight
        layer = name.removesuffix(".weight")
        a, b = (self._state[f"{layer}.lora_{matrix}.{_NAME}.weight"].detach() for matrix in "AB")
        return added(weight, a, b, self._scales[name]).to(weight.dtype)

    def base(self, name: str) -> Tensor:
        """Return the tensor without its adapter."""
        return self._state[self._names[name]].detach()


def merged_tensors(model: VGLLM, replaced: Mapping[str, Tensor] | None = None) -> MergedTensors:
    """Return all tensors of a model, adapters added to the weights, under the names of a model without adapters."""
    return MergedTensors(model, replaced)


def save_adapter(model: VGLLM, folder: str | Path, *, base: str, replaced: Mapping[str, Tensor] | None = None) -> Path:
    """Write the adapters alone into a new folder, in peft's own form: it loads on the plain Qwen2.5-VL.

    Args:
        model: with adapters.
        folder: appears under its name only when it is complete.
        base: hub name or folder of the weights below the adapters; peft reads it from adapter_config.json.
        replaced: values of adapters by their names in `state_dict()`, gathered from elsewhere.

    Raises:
        OutputError: the folder exists and is not empty, or cannot be written.
    """
    folder = Path(folder)
    tensors = {**adapter_tensors(model), **{n: t for n, t in (replaced or {}).items() if is_adapter(n)}}
    named = {
        f"base_model.model.{name.removeprefix(BACKBONE)}".replace(f".{_NAME}.", "."): tensor.cpu().contiguous()
        for name, tensor in tensors.items()
    }
    # peft leaves its configurations at the module that it changed.
    configs: Any = model.backbone.language_model.peft_config
    config = copy.copy(configs[_NAME])
    # Read by peft on the whole model, whose 2D tower has layers of the same names.
    config.target_modules = rf"model\.language_model\..*\.({'|'.join(sorted(config.target_modules))})"
    config.base_model_name_or_path = base
    config.inference_mode = True
    with atomic_folder(folder) as temporary:
        config.save_pretrained(temporary)
        write_tensors(named, temporary / "adapter_model.safetensors")
    return folder


def check_peft() -> None:
    """Make sure that adapters can be made; cheap to ask before weights are loaded. Raises ResourceError."""
    _peft()


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise ResourceError(
            f"LoRA needs peft, which is not installed: {first_line(error)}",
            where="trained.language_model: lora",
            fix='pip install "vgllm[train]"',
        ) from error
    return peft
