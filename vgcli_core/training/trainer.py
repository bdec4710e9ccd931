"""The loop: one optimiser step after another, each a function of the recipe, the data and the step's number.

The loss of a step is the cross-entropy added up over every labelled token of every process and micro-batch, divided by
their number: the same whatever the number of processes. The random numbers of a micro-batch (dropout) are drawn from a
seed of its own, so they too do not depend on who runs it, and no state of a generator has to be saved.
"""

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from vgcli_core.data.draws import seed_of
from vgcli_core.errors import DataError, VgllmError
from vgcli_core.training.engines import Engine
from vgcli_core.training.examples import Bad, MicroBatch
from vgcli_core.training.objectives.objective import Objective
from vgcli_core.training.optim import lr_factor
from vgcli_core.training.processes import Processes
from vgcli_core.training.recipe import Recipe


class NonFiniteLoss(VgllmError):
    """The loss or the gradient is not a number."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a step did; all but `wait`, `seconds` and `bad` are the same in every process.

    Attributes:
        loss: mean over the labelled tokens of all processes; 0 where none was left.
        grad_norm: before clipping.
        lr: of the language model.
        samples, tokens, labelled: over all processes.
        shortened: samples of all processes that lost frames to fit.
        bad: samples of all processes that were left out.
        wait: seconds this process waited for data.
        seconds: the whole step took.
    """

    loss: float
    grad_norm: float
    lr: float
    samples: int
    tokens: int
    labelled: int
    shortened: int
    bad: tuple[Bad, ...]
    wait: float
    seconds: float


@dataclass
class Loop:
    """What the loop works with; it counts the optimiser's updates, samples left out, and samples that lost frames."""

    recipe: Recipe
    processes: Processes
    engine: Engine
    objective: Objective
    steps: int
    updates: int = 0
    bad: int = 0
    shortened: int = 0

    def step(self, number: int, turns: int, stream: Iterator[MicroBatch]) -> Done:
        """Run step `number` (from 0): `turns` micro-batches of this process, then one update.

        Raises:
            NonFiniteLoss: the checkpoints are from before it.
        """
        started = time.perf_counter()
        batches, wait = [], 0.0
        for _ in range(turns):
            asked = time.perf_counter()
            batches.append(next(stream))
            wait += time.perf_counter() - asked
        everyone = self.processes.sums(
            *(sum(values) for values in zip(*(_counts(batch) for batch in batches), strict=True))
        )
        samples, tokens, labelled, left_out, shortened = (round(value) for value in everyone)
        found = self.processes.lists([one for batch in batches for one in batch.bad]) if left_out else []
        # In one order, whichever process met them.
        bad = tuple(sorted(found, key=lambda one: one.index))
        self.bad += len(bad)
        self.shortened += shortened
        factor = lr_factor(self.updates, self.steps, self.recipe.optim)
        if labelled == 0:
            return Done(0.0, 0.0, 0.0, samples, tokens, 0, shortened, bad, wait, time.perf_counter() - started)
        total = 0.0
        for turn, batch in enumerate(batches):
            self.engine.begin(last=turn + 1 == turns)
            place = turn * self.processes.world + self.processes.rank
            loss = self._loss(batch, seed_of(self.recipe.seed, "dropout", number, place))
            self._check(loss, batch, number)
            self.engine.backward(loss * (self.processes.world / labelled))
            total += float(loss.detach())
        norm = self.engine.update(factor)
        if not math.isfinite(norm):
            ids = self.processes.lists([one.id for batch in batches for one in batch.examples])
            raise _not_finite("the gradient", norm, number, ids)
        self.updates += 1
        mean = self.processes.sums(total)[0] / labelled
        lr = self.recipe.optim.lr * factor
        seconds = time.perf_counter() - started
        return Done(mean, norm, lr, samples, tokens, labelled, shortened, bad, wait, seconds)

    def held_out(self, stream: Iterator[MicroBatch]) -> tuple[dict[str, float], int]:
        """Return means over all processes' samples, in evaluation mode, and how many samples could not be used.

        "loss" is one of them, and what else the objective measures; there are none where no sample could be used.

        Raises:
            NonFiniteLoss: it is no number.
        """
        total, labelled, bad = 0.0, 0, 0
        measures: Counter[str] = Counter()
        with evaluation_mode(self.engine.model), torch.no_grad():
            for batch in stream:
                total += float(self._loss(batch, 0))
                measures.update(self.objective.measured())
                labelled += batch.labelled
                bad += len(batch.bad)
        names = self.objective.measures
        total, count, bad_samples, *sums = self.processes.sums(total, labelled, bad, *(measures[one] for one in names))
        if not math.isfinite(total):
            raise _not_finite("the held-out loss", total, self.updates - 1, ["of the held-out part"])
        if not count:
            return {}, round(bad_samples)
        means = {name: value / count for name, value in zip(names, sums, strict=True)}
        return {"loss": total / count, **means}, round(bad_samples)

    def check_bad(self, done: Done | None) -> None:
        """Stop where more samples were bad than the recipe allows, or every one so far.

        Args:
            done: the step; None before the first one.

        Raises:
            DataError: there were.
        """
        limit = self.recipe.data.max_bad
        last = done.bad if done else ()
        nothing = done is not None and self.updates == 0
        if self.bad <= limit and not nothing:
            return
        reason = f"; the last one, {last[-1].id}: {last[-1].reason}" if last else ""
        allowed = "and none could so far" if nothing else f"the recipe allows {limit}"
        raise DataError(
            f"{self.bad} samples could not be used, {allowed}{reason}",
            where=last[-1].where if last else "bad.jsonl",
            fix="mend the data (bad.jsonl lists all), or raise data.max_bad",
        )

    def _loss(self, batch: MicroBatch, seed: int) -> Tensor:
        inputs = self.objective.inputs(batch, seed)
        torch.manual_seed(seed % 2**63)
        half = self.recipe.run.precision == "bf16" and self.processes.zero == 0
        with torch.autocast(self.processes.device.type, torch.bfloat16, enabled=half):
            loss: Tensor = self.engine.module(inputs)
        return loss

    def _check(self, loss: Tensor, batch: MicroBatch, number: int) -> None:
        if not self.processes.any(not bool(torch.isfinite(loss))):
            return
        here = [] if bool(torch.isfinite(loss)) else [one.id for one in batch.examples]
        raise _not_finite("the loss", loss.item(), number, self.processes.lists(here))


class evaluation_mode:  # noqa: N801  a block, used like a function
    """Switch a model to evaluation inside a block, and back part by part: frozen parts are always in evaluation."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __enter__(self) -> None:
        self.training = [module for module in self.model.modules() if module.training]
        self.model.eval()

    def __exit__(self, *_: object) -> None:
        for module in self.training:
            module.training = True


def peak_memory(device: torch.device) -> int:
    """Return bytes: the allocator's peak on a GPU, what is resident on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return int(psutil.Process().memory_info().rss)


def record_of(number: int, epoch: int, done: Done) -> Mapping[str, Any]:
    """Return the line of log.jsonl of a step: what a repeated run gives again."""
    return {
        "step": number,
        "epoch": epoch,
        "loss": done.loss,
        "lr": done.lr,
        "grad_norm": done.grad_norm,
        "samples": done.samples,
        "tokens": done.tokens,
        "labelled": done.labelled,
        "shortened": done.shortened,
    }


def _counts(batch: MicroBatch) -> tuple[int, ...]:
    return len(batch.examples), batch.tokens, batch.labelled, len(batch.bad), batch.shortened


def _not_finite(what: str, value: float, number: int, ids: Sequence[str]) -> NonFiniteLoss:
    shown = ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
    return NonFiniteLoss(
        f"{what} is {value} in step {number + 1}",
        where=f"samples {shown}",
        fix="look at these samples, or lower optim.lr; the last checkpoint is from before this step",
    )
