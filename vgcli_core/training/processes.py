"""The processes of a run: who this one is, and the few things that all do together. On accelerate."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DeepSpeedPlugin, DistributedDataParallelKwargs, DistributedType, InitProcessGroupKwargs
from transformers.integrations import unset_hf_deepspeed_config

from vgcli_core.errors import ResourceError, UsageError, first_line
from vgcli_core.training.recipe import Recipe

T = TypeVar("T")

_PATIENCE = timedelta(hours=6)
# Elements that DeepSpeed sends or fetches at a time.
_BUCKETS = {
    "reduce_bucket_size": 100_000_000,
    "stage3_prefetch_bucket_size": 50_000_000,
    "stage3_param_persistence_threshold": 100_000,
}


@dataclass(frozen=True)
class Processes:
    """This process among all.

    Attributes:
        accelerator: accelerate's.
        zero: DeepSpeed's stage, 0 without it.
        notes: what of a user's file is overruled.
    """

    accelerator: Accelerator
    zero: int = 0
    notes: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        return dist.get_rank() if dist.is_initialized() else 0

    @property
    def world(self) -> int:
        """Number of processes."""
        return dist.get_world_size() if dist.is_initialized() else 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and shows."""
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        device: torch.device = self.accelerator.device
        return device

    def sums(self, *values: float) -> list[float]:
        """Return each value added up over all processes, in float64."""
        if self.world == 1:
            return list(values)
        # MPS knows no float64, and has one process.
        both = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(both)
        found: list[float] = both.tolist()
        return found

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process."""
        return self.sums(float(flag))[0] > 0

    def lists(self, values: list[T]) -> list[T]:
        """Return the lists of all processes, one after the other."""
        if self.world == 1:
            return values
        gathered: list[list[T]] = [[] for _ in range(self.world)]
        dist.all_gather_object(gathered, values)
        return [value for part in gathered for value in part]

    def from_first(self, value: T) -> T:
        """Return the value of the first process, in every process."""
        if self.world == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=0)
        return held[0]

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            dist.barrier()

    def close(self) -> None:
        """Leave the group, so that another run may start in this process."""
        if dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()
        AcceleratorState._reset_state(reset_partial_state=True)


def start_processes(recipe: Recipe, *, device: str = "auto", deepspeed: Path | None = None) -> Processes:
    """Join the group that the environment describes, or be alone.

    Args:
        recipe: `run.zero` and `run.precision` decide.
        device: auto, cpu or cuda.
        deepspeed: the user's own configuration, instead of the one for `run.zero`.

    Raises:
        UsageError: a setup that training cannot use.
        ResourceError: DeepSpeed is not installed, or the device is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ResourceError("this machine has no CUDA device", where="--device cuda", fix="use --device cpu or auto")
    cpu = device == "cpu" or (device == "auto" and not torch.cuda.is_available())
    notes: list[str] = []
    given = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if given not in ("no", recipe.run.precision):
        notes.append(f"the accelerate file asks for {given}: run.precision ({recipe.run.precision}) decides")
    config = _deepspeed_config(recipe, deepspeed, notes)
    plugin = None
    if config is not None:
        if cpu:
            os.environ.setdefault("DS_ACCELERATOR", "cpu")
        plugin = _plugin(config)
    if not dist.is_initialized():
        # What another user of accelerate in this process has left would decide how many we are.
        AcceleratorState._reset_state(reset_partial_state=True)
    try:
        accelerator = Accelerator(
            # Told that it is on a CPU, accelerate would leave DeepSpeed out.
            cpu=cpu and plugin is None,
            mixed_precision="bf16" if plugin is not None and recipe.run.precision == "bf16" else "no",
            deepspeed_plugin=plugin,
            kwargs_handlers=[
                DistributedDataParallelKwargs(broadcast_buffers=False, gradient_as_bucket_view=True),
                # One process alone writes checkpoints, which may take longer than the usual ten minutes.
                InitProcessGroupKwargs(timeout=_PATIENCE),
            ],
            step_scheduler_with_optimizer=False,
        )
    except (ValueError, RuntimeError, ImportError) as error:
        raise ResourceError(
            f"the processes cannot be started: {first_line(error)}",
            where="accelerate",
            fix="check the launch command, and the accelerate or DeepSpeed file",
        ) from error
    if accelerator.distributed_type == DistributedType.FSDP:
        raise UsageError(
            "FSDP is not supported",
            where="the accelerate file",
            fix="use DeepSpeed (run.zero) or plain data parallelism: checkpoints are made for these",
        )
    # Models are built whole and handed over: transformers must not cut them up on its own (stage 3).
    unset_hf_deepspeed_config()
    zero = 0 if config is None else int(config["zero_optimization"]["stage"])
    return Processes(accelerator, zero, tuple(notes))


def zero_config(recipe: Recipe) -> dict[str, Any] | None:
    """Return the DeepSpeed configuration of a recipe; None where it asks for plain data parallelism."""
    if recipe.run.zero == 0:
        return None
    return {
        "zero_optimization": {
            "stage": recipe.run.zero,
            "overlap_comm": True,
            "contiguous_gradients": True,
            **_BUCKETS,
        },
        "bf16": {"enabled": recipe.run.precision == "bf16"},
        "gradient_clipping": recipe.optim.clip,
        "gradient_accumulation_steps": 1,
        "train_micro_batch_size_per_gpu": recipe.batch.micro,
    }


def fitted(config: Mapping[str, Any], recipe: Recipe, *, where: str, notes: list[str]) -> dict[str, Any]:
    """Return a user's DeepSpeed configuration with what the recipe decides; `notes` gets what is overruled.

    Values of "auto" are filled in as the recipe says; sizes of batches are ours, since a step is counted in samples.

    Raises:
        UsageError: it contradicts the recipe, or asks for what training does not do.
    """
    plain = _without_auto(config)
    for name in ("optimizer", "scheduler"):
        if name in plain:
            notes.append(f"{where}: its {name} is left out, the recipe's `optim` decides")
            del plain[name]
    stage = plain.get("zero_optimization", {}).get("stage", 0)
    if stage not in (1, 2, 3):
        raise UsageError(
            f"ZeRO stage {stage} spreads nothing over processes",
            where=where,
            fix="set zero_optimization.stage to 1, 2 or 3, or leave DeepSpeed out, which does the same",
        )
    if plain.get("fp16", {}).get("enabled"):
        raise UsageError("float16 is not supported", where=f"{where}, fp16", fix="use bf16, and run.precision=bf16")
    half = recipe.run.precision == "bf16"
    if bool(plain.get("bf16", {}).get("enabled", half)) != half:
        raise UsageError(
            f"bf16.enabled is {not half}, and run.precision is {recipe.run.precision}".lower(),
            where=where,
            fix=f"set run.precision to {'fp32' if half else 'bf16'}, or leave bf16 out of the file",
        )
    clip = plain.get("gradient_clipping", recipe.optim.clip)
    if clip != recipe.optim.clip:
        notes.append(f"{where}: gradients are clipped at {clip}, not at optim.clip ({recipe.optim.clip})")
    plain.pop("train_batch_size", None)
    return {
        **plain,
        "zero_optimization": {**_BUCKETS, **plain["zero_optimization"]},
        "bf16": {"enabled": half},
        "gradient_clipping": clip,
        "gradient_accumulation_steps": 1,
        "train_micro_batch_size_per_gpu": recipe.batch.micro,
    }


def read_deepspeed(path: Path) -> dict[str, Any]:
    """Read a user's DeepSpeed configuration. Raises UsageError."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the DeepSpeed configuration cannot be read: {error}", where=str(path), fix="give a JSON file"
        ) from error
    if not isinstance(config, dict):
        raise UsageError("the DeepSpeed configuration is not a JSON object", where=str(path), fix="give a JSON file")
    return config


def _deepspeed_config(recipe: Recipe, path: Path | None, notes: list[str]) -> dict[str, Any] | None:
    """Return what DeepSpeed is to do: by the user's file, by accelerate's file, or by the recipe; None without it."""
    if path is not None:
        return fitted(read_deepspeed(path), recipe, where=str(path), notes=notes)
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true":
        # accelerate has put its file into variables, which its plugin reads.
        return fitted(_plugin(None).deepspeed_config, recipe, where="the accelerate file", notes=notes)
    return zero_config(recipe)


def _without_auto(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_auto(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if value != "auto"
    }


def _plugin(config: dict[str, Any] | None) -> DeepSpeedPlugin:
    try:
        import deepspeed  # noqa: F401
    except ImportError as error:
        raise ResourceError(
            "DeepSpeed is not installed", where="run.zero", fix='pip install "vgllm[train]", or --set run.zero=0'
        ) from error
    try:
        return DeepSpeedPlugin() if config is None else DeepSpeedPlugin(hf_ds_config=config)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise UsageError(
            f"the DeepSpeed configuration cannot be used: {first_line(error)}",
            where="DeepSpeed",
            fix="check the accelerate or DeepSpeed file",
        ) from error
