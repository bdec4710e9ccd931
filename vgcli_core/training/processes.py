"""The processes of a run: who this one is, and the few things that all do together. On accelerate."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DeepSpeedPlugin, DistributedDataParallelKwargs, DistributedType
from transformers.integrations import unset_hf_deepspeed_config

from vgcli_core.errors import ResourceError, UsageError, first_line
from vgcli_core.training.recipe import Recipe

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """This process among all. `zero` is DeepSpeed's stage, 0 without DeepSpeed."""

    accelerator: Accelerator
    zero: int = 0

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
    config = read_deepspeed(deepspeed) if deepspeed is not None else zero_config(recipe)
    by_environment = os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true"
    plugin = None
    if config is not None or by_environment:
        if cpu:
            os.environ.setdefault("DS_ACCELERATOR", "cpu")
        plugin = _plugin(config)
    precision = "bf16" if plugin is not None and recipe.run.precision == "bf16" else "no"
    try:
        accelerator = Accelerator(
            # Told that it is on a CPU, accelerate would leave DeepSpeed out.
            cpu=cpu and plugin is None,
            mixed_precision=precision,
            deepspeed_plugin=plugin,
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False, gradient_as_bucket_view=True)],
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
    zero = 0
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        zero = int(accelerator.state.deepspeed_plugin.zero_stage)
    return Processes(accelerator, zero)


def zero_config(recipe: Recipe) -> dict[str, Any] | None:
    """Return the DeepSpeed configuration of a recipe; None where it asks for plain data parallelism."""
    if recipe.run.zero == 0:
        return None
    return {
        "zero_optimization": {
            "stage": recipe.run.zero,
            "overlap_comm": True,
            "contiguous_gradients": True,
            "reduce_bucket_size": 100_000_000,
            "stage3_prefetch_bucket_size": 50_000_000,
            "stage3_param_persistence_threshold": 100_000,
        },
        "bf16": {"enabled": recipe.run.precision == "bf16"},
        "gradient_clipping": recipe.optim.clip,
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


def _plugin(config: dict[str, Any] | None) -> DeepSpeedPlugin:
    try:
        import deepspeed  # noqa: F401
    except ImportError as error:
        raise ResourceError(
            "DeepSpeed is not installed", where="run.zero", fix='pip install "vgllm[train]", or --set run.zero=0'
        ) from error
    return DeepSpeedPlugin() if config is None else DeepSpeedPlugin(hf_ds_config=config)
