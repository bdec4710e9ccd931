"""What holds the weights while they are trained: torch alone (one process or several), or DeepSpeed.

Both offer the same few verbs to the loop, and give and take the float32 weights and AdamW's two moments by name, so
that a checkpoint does not depend on which of them made it, nor on the number of processes.
"""

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vgcli_core.errors import CheckpointError, UsageError
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.training.optim import Optimizers, adamw, parameter_groups
from vgcli_core.training.processes import Processes
from vgcli_core.training.recipe import Optim, Part

MOMENTS = ("exp_avg", "exp_avg_sq")


class Engine(Protocol):
    """The verbs of the loop. All processes call each of them together."""

    model: VGLLM
    module: nn.Module

    def begin(self, *, last: bool) -> None:
        """Call before the forward pass of every micro-batch; after the `last` one comes an update."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a micro-batch; what counts in the end is their mean over processes."""

    def update(self, factor: float) -> float:
        """Clip, take one step with peak learning rates times `factor`, forget gradients; return their norm before."""

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the float32 weights that are trained, whole, one by one."""

    def moments(self) -> Iterator[tuple[str, Tensor]]:
        """Yield AdamW's moments, whole, as `exp_avg/NAME` and `exp_avg_sq/NAME`; none before the first update."""

    def load(self, weights: Iterator[tuple[str, Tensor]], moments: Iterator[tuple[str, Tensor]], updates: int) -> None:
        """Take up what a checkpoint holds. Raises CheckpointError when names or shapes differ."""

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every tensor of the model, whole, by its name in `state_dict()`, in the dtype that it is held in."""


def start_engine(
    processes: Processes, module: nn.Module, model: VGLLM, parts: Mapping[Part, list[str]], optim: Optim
) -> Engine:
    """Wrap a model for training on these processes.

    `module` calls `model` and returns its loss. What it has in `heads` is trained too, and saved in checkpoints as
    `heads.NAME`, but is no part of the model.
    """
    kind = Zero if processes.zero else Plain
    return kind(processes, module, model, parts, optim)


class _Base(ABC):
    def __init__(
        self, processes: Processes, module: nn.Module, model: VGLLM, parts: Mapping[Part, list[str]], optim: Optim
    ) -> None:
        self.processes, self.model, self.optim = processes, model, optim
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        heads: Part = "heads"
        beside = {f"{heads}.{name}": p for name, p in _heads(module).named_parameters()}
        self.parameters |= beside
        groups = parameter_groups(self.parameters, {**parts, heads: list(beside)}, optim)
        self.optimizer: Any = self._optimizer(groups)
        self.module = self._prepare(module)

    def _optimizer(self, groups: list[dict[str, Any]]) -> Any:
        return adamw(groups, self.optim, self.processes.device)

    @abstractmethod
    def _prepare(self, module: nn.Module) -> nn.Module:
        """Return what the loop calls instead of `module`."""

    def _checked(self, found: Iterator[tuple[str, Tensor]], expected: set[str]) -> Iterator[tuple[str, Tensor]]:
        """Yield what was saved, as long as it belongs to this run's parameters; complain of what lacks at the end."""
        missing = set(expected)
        for name, tensor in found:
            # A moment's name is that of its parameter after "exp_avg/".
            own = self.parameters.get(name.rpartition("/")[2])
            if name not in expected or own is None or _shape(own) != tensor.shape:
                raise _differs(f"it holds {name!r} of shape {tuple(tensor.shape)}, the run does not train that")
            missing.discard(name)
            yield name, tensor
        if missing:
            raise _differs(f"it lacks {min(missing)!r}")


class Plain(_Base):
    """One process, or several that average their gradients (torch's DistributedDataParallel)."""

    optimizer: Optimizers

    def _optimizer(self, groups: list[dict[str, Any]]) -> Optimizers:
        return Optimizers(groups, self.optim, self.processes.device, self.model.feature_dtype or torch.float32)

    def _prepare(self, module: nn.Module) -> nn.Module:
        prepared: nn.Module = self.processes.accelerator.prepare_model(module)
        if self.processes.world > 1 and not isinstance(prepared, DistributedDataParallel):
            raise RuntimeError("the processes would not share their gradients")
        return prepared

    def begin(self, *, last: bool) -> None:
        """See Engine. Gradients of all but the last micro-batch stay in this process."""
        if self.processes.world > 1:
            self.module.require_backward_grad_sync = last  # type: ignore[assignment]

    def backward(self, loss: Tensor) -> None:
        """See Engine."""
        loss.backward()  # type: ignore[no-untyped-call]

    def update(self, factor: float) -> float:
        """See Engine."""
        norm = float(nn.utils.clip_grad_norm_(self.parameters.values(), self.optim.clip))
        if math.isfinite(norm):
            for group in self.optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            self.optimizer.step()
        self.optimizer.zero_grad()
        return norm

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """See Engine."""
        for name, parameter in self.parameters.items():
            yield name, parameter.detach()

    def moments(self) -> Iterator[tuple[str, Tensor]]:
        """See Engine."""
        for moment in MOMENTS:
            for name, parameter in self.parameters.items():
                kept = self.optimizer.moments(parameter)
                if moment in kept:
                    yield f"{moment}/{name}", kept[moment]

    def load(self, weights: Iterator[tuple[str, Tensor]], moments: Iterator[tuple[str, Tensor]], updates: int) -> None:
        """See Engine."""
        for name, tensor in self._checked(weights, set(self.parameters)):
            self.parameters[name].data.copy_(tensor)
        if updates == 0:
            return
        kept = {name: self.optimizer.moment_names(parameter) for name, parameter in self.parameters.items()}
        expected = {f"{moment}/{name}" for name, names in kept.items() for moment in names}
        for name, tensor in self._checked(moments, expected):
            moment, _, parameter = name.partition("/")
            self.optimizer.load(self.parameters[parameter], moment, tensor, updates)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """See Engine."""
        yield from self.model.state_dict().items()


class Zero(_Base):
    """DeepSpeed's ZeRO: gradients and optimiser (and weights in stage 3) are spread over the processes."""

    def _prepare(self, module: nn.Module) -> nn.Module:
        buffers = {name: tensor.clone() for name, tensor in module.named_buffers()}
        self._hidden: dict[str, nn.Module] = {}
        if self.processes.zero == 3:
            self._hide_encoders()
        engine, _ = self.processes.accelerator.prepare(module, self.optimizer)
        # DeepSpeed casts buffers with the weights; rotary frequencies in bfloat16 would move every token.
        for name, tensor in module.named_buffers():
            tensor.data = buffers[name].to(tensor.device)
        self.engine = engine
        prepared: nn.Module = engine
        return prepared

    def begin(self, *, last: bool) -> None:
        """See Engine."""
        self.engine.set_gradient_accumulation_boundary(is_boundary=last)

    def backward(self, loss: Tensor) -> None:
        """See Engine."""
        # DeepSpeed divides by the number of micro-batches in its configuration; ours are weighed by tokens instead.
        self.engine.backward(loss * self.engine.gradient_accumulation_steps())

    def update(self, factor: float) -> float:
        """See Engine."""
        for group in self.engine.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        self.engine.step()
        norm = self.engine.get_global_grad_norm()
        return float("nan") if norm is None else float(norm)

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """See Engine."""
        from deepspeed.utils import safe_get_full_fp32_param

        for name, parameter in self.parameters.items():
            yield name, safe_get_full_fp32_param(parameter)

    def moments(self) -> Iterator[tuple[str, Tensor]]:
        """See Engine."""
        from deepspeed.utils import safe_get_full_optimizer_state

        if not self._base.state:
            return
        self._link()
        for moment in MOMENTS:
            for name, parameter in self.parameters.items():
                yield f"{moment}/{name}", safe_get_full_optimizer_state(parameter, moment)

    def load(self, weights: Iterator[tuple[str, Tensor]], moments: Iterator[tuple[str, Tensor]], updates: int) -> None:
        """See Engine. Every process reads the whole checkpoint and keeps its share."""
        for name, tensor in self._checked(weights, set(self.parameters)):
            self._put(self.parameters[name], tensor)
        if updates == 0:
            return
        outer = self.engine.optimizer
        third = self.processes.zero == 3
        for flat in outer.fp32_partitioned_groups_flat if third else outer.single_partition_of_fp32_groups:
            zeros = {moment: torch.zeros_like(flat.data, dtype=torch.float32) for moment in MOMENTS}
            self._base.state[flat] = {"step": torch.tensor(float(updates), device=flat.device), **zeros}
        self._link()
        expected = {f"{moment}/{name}" for moment in MOMENTS for name in self.parameters}
        for name, tensor in self._checked(moments, expected):
            moment, _, parameter = name.partition("/")
            self._put(self.parameters[parameter], tensor, moment)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """See Engine. In stage 3 each weight is put together for a moment."""
        if self.processes.zero < 3:
            yield from self.model.state_dict().items()
            return
        from deepspeed import zero

        held = dict(self.model.named_parameters())
        for name, tensor in self.model.state_dict().items():
            if name in held:
                with zero.GatheredParameters([held[name]]):
                    yield name, held[name].detach().to("cpu", copy=True)
            else:
                yield name, tensor
        for prefix, module in self._hidden.items():
            yield from ((f"{prefix}.{name}", tensor) for name, tensor in module.state_dict().items())

    def _hide_encoders(self) -> None:
        """Take the encoders out of DeepSpeed's sight in stage 3, for good.

        It would cut their weights up too, and put them together at each call, which every process would have to make
        equally often; but they run once for each sample. They stay whole in every process.
        """
        holders = {"geometry_encoder": self.model, "backbone.model.model.visual": self.model.backbone.model.model}
        for path, holder in holders.items():
            name = path.rpartition(".")[2]
            module = getattr(holder, name)
            if any(p.requires_grad for p in module.parameters()):
                raise _not_in_stage_3(f"an encoder ({name})")
            del holder._modules[name]
            object.__setattr__(holder, name, module)  # found as before, but no longer a part
            self._hidden[path] = module.to(self.processes.device)
        if getattr(getattr(self.model, "feature_fusion", None), "by_frame", False):
            raise _not_in_stage_3("this fusion, which runs once for each sample")
        # The output head too is called once by every process.
        self.model.scored_at_once = sys.maxsize

    @property
    def _base(self) -> Any:
        """The AdamW under DeepSpeed's optimiser: its parameters are flat pieces."""
        return self.engine.optimizer.optimizer

    def _link(self) -> None:
        """Tell parameters where their moments are; DeepSpeed itself forgets all groups but the first (0.19)."""
        if self.processes.zero == 3:
            return
        from deepspeed.utils import lazy_init_hp_params_optimizer_state

        outer = self.engine.optimizer
        for bits, flat in zip(outer.bit16_groups, outer.single_partition_of_fp32_groups, strict=True):
            lazy_init_hp_params_optimizer_state(bits, flat, self._base.state)

    def _put(self, parameter: nn.Parameter, value: Tensor, moment: str | None = None) -> None:
        """Put a whole float32 tensor where a weight (and its copy of lower precision) or a moment is kept."""
        from deepspeed import utils, zero

        if self.processes.zero == 3:
            count = parameter.ds_tensor.numel()  # type: ignore[attr-defined]
            padded = torch.zeros(count * self.processes.world)
            padded[: value.numel()] = value.flatten()
            piece = padded[count * self.processes.rank : count * (self.processes.rank + 1)]
            if moment is not None:
                utils.safe_set_local_optimizer_state(parameter, piece, moment)
                return
            utils.safe_set_local_fp32_param(parameter, piece)
            with zero.GatheredParameters([parameter], modifier_rank=0):
                parameter.data.copy_(value)
            return
        if moment is not None:
            utils.safe_set_full_optimizer_state(parameter, value, moment)
            return
        utils.safe_set_full_fp32_param(parameter, value)
        parameter.data.copy_(value)


def _heads(module: nn.Module) -> nn.Module:
    found: nn.Module = getattr(module, "heads", nn.Module())
    return found


def _shape(parameter: nn.Parameter) -> torch.Size:
    """Return the whole shape; stage 3 leaves an empty tensor in a parameter's place."""
    shape: torch.Size = getattr(parameter, "ds_shape", parameter.shape)
    return shape


def _not_in_stage_3(what: str) -> UsageError:
    return UsageError(f"ZeRO stage 3 cannot train {what}", where="run.zero", fix="use stage 2")


def _differs(what: str) -> CheckpointError:
    return CheckpointError(
        f"the checkpoint does not belong to this run: {what}",
        where="checkpoints/",
        fix="start anew with --restart, or choose another --out",
    )
