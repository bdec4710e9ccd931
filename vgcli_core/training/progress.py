"""What a run tells whoever watches it; plain values, so that showing them needs nothing of training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vgcli_core.model.processor import Processor
    from vgcli_core.model.vgllm import VGLLM


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands after a step.

    Attributes:
        step, steps: done, and in all.
        loss: mean over the labelled tokens of this step.
        lr: of the language model.
        grad_norm: before clipping.
        tokens_per_second, samples_per_second: over all processes; tokens without padding.
        wait_share: of the step's time, spent waiting for data.
        memory: bytes at the peak: of the fullest GPU, or resident in the largest process on a CPU.
        seconds_left: by the speed of the last steps.
        bad: samples left out so far.
        measures: of the validation after this step, by name; empty where there was none.
    """

    step: int
    steps: int
    loss: float
    lr: float
    grad_norm: float
    tokens_per_second: float
    samples_per_second: float
    wait_share: float
    memory: int
    seconds_left: float
    bad: int = 0
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Watch:
    """Where a run reports to; it is called in the first process alone.

    Attributes:
        step: after every step.
        say: one line about what is going on, or a remark that the user must see ("note: ..." is up to the caller).
        doing: what takes a while just now (loading, encoding frames); replaced by the next one.
    """

    step: Callable[[Progress], None] = lambda now: None
    say: Callable[[str], None] = lambda text: None
    doing: Callable[[str], None] = lambda text: None


@dataclass(frozen=True, slots=True)
class Settings:
    """What is not part of a recipe: where things are on this machine, and how it is asked for.

    Attributes:
        data: folder of the prepared sets.
        out: run folder.
        restart: discard what is there.
        cache: folder of cached features; None for no cache.
        cache_limit: bytes that the features of this run's mixture may take in it; those of others do not count.
        trackers: of "tensorboard", "wandb", "trackio".
        device: auto, cpu or cuda.
        deepspeed: the user's own DeepSpeed configuration, instead of the one that `run.zero` asks for.
        offline: no network.
        command: what was typed, for the record.
    """

    data: Path
    out: Path
    restart: bool = False
    cache: Path | None = None
    cache_limit: int = 200 * 10**9
    trackers: tuple[str, ...] = ()
    device: str = "auto"
    deepspeed: Path | None = None
    offline: bool = False
    command: str = ""


LAST_STEPS = 50


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: with its last step, or asked to stop after saving (`signal` says by what).

    `loss` is the mean over the last steps (LAST_STEPS, or all of fewer) of a run that is finished, as its log has them.
    """

    state: Literal["finished", "interrupted"]
    step: int
    steps: int
    folder: Path
    signal: str = ""
    bad: int = 0
    written: tuple[Path, ...] = ()
    loss: float | None = None


# Answers questions with the model as it is, and returns measures by name; `rank` of `world` takes its share of the
# questions and every process gets the same result.
Validate = Callable[["VGLLM", "Processor", int, int], Mapping[str, float]]
