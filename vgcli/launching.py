"""A run from the command's side: start processes, or be one of them; what is said, and with which exit code it ends."""

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from vgcli import display
from vgcli.failures import BAD_INPUT, DONE, INTERRUPTED, TRY_AGAIN, explain
from vgcli_core.errors import ResourceError

if TYPE_CHECKING:
    from vgcli_core.processes.launch import Launch, Machine, Wanted
    from vgcli_core.processes.workers import Worker
    from vgcli_core.training.progress import Outcome, Settings, Validate, Watch
    from vgcli_core.training.recipe import Recipe

    class Train(Protocol):
        """Trains by a recipe."""

        def __call__(
            self, recipe: Recipe, settings: Settings, *, validate: Validate | None = None, watch: Watch | None = None
        ) -> Outcome:
            """See `vgcli_core.training.run.train`."""

    class BuildValidate(Protocol):
        """Builds what the trainer calls to validate."""

        def __call__(self, recipe: Recipe, data: Path) -> Validate | None:
            """See `vgcli.validation.build_validate`."""


# Where processes were started by hand, the first one's message is shown first, and usually ends the others.
_AFTER_THE_FIRST = 3.0
_AGAIN = "run the same command again to continue"


def this_machine(wanted: "Wanted") -> "Machine":
    """Return what there is to train with; torch is asked for GPUs only where the answer matters."""
    from vgcli_core.processes.launch import Machine

    gpus = 0
    if not wanted.on_cpu:
        import torch  # takes seconds

        gpus = torch.cuda.device_count()
    return Machine(os.environ, gpus, os.cpu_count() or 1, sys.executable)


def start_processes(launch: "Launch", settings: "Settings") -> None:
    """Run the command that starts the processes, wait for their end, and end likewise."""
    from vgcli_core.processes.workers import run_command

    before = _status(settings)
    with display.running(str(launch)):
        ended = run_command(launch)
    if ended.problem is not None:
        problem, code = ended.problem
        display.error(problem)
        raise typer.Exit(code)
    status = _status(settings)
    state = "" if status == before else status.get("state", "")
    if state == "finished" or (state in ("", "running") and not ended.signal and ended.code == 0):
        return
    if state == "interrupted" or (ended.signal and state != "failed"):
        if state != "interrupted":
            display.interrupted(_unsaved(ended.signal))
        raise typer.Exit(_code_of(status.get("signal", "") if state == "interrupted" else ended.signal))
    if state != "failed":
        ended_by = f"signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"
        display.error(
            ResourceError(
                f"the processes ended without a word of their own ({ended_by})",
                where=str(settings.out),
                fix="see what the command printed above; a process that was killed (signal 9) mostly lacked memory: "
                "vgllm train --dry-run says what fits; the same command continues the run",
            )
        )
    raise typer.Exit(BAD_INPUT)


def work(recipe: "Recipe", settings: "Settings", name: str, *, debug: bool) -> None:
    """Train in this process, alone or as one of several."""
    from vgcli_core.processes.signals import StopAtOnce, Stopped
    from vgcli_core.processes.workers import joined

    worker, rank = joined(), int(os.environ.get("RANK", "0"))
    try:
        with StopAtOnce():
            if worker is not None or "TORCHELASTIC_RUN_ID" in os.environ:
                _follow_the_starter(worker)
            _finish(_train(recipe, settings, name, first=rank == 0), told=worker is not None, first=rank == 0)
    except Stopped as stopped:
        if worker is not None:
            raise typer.Exit(DONE) from None  # the process that started this one says it, once
        if rank == 0:
            display.interrupted(_unsaved(stopped.name))
        raise typer.Exit(TRY_AGAIN) from None
    except KeyboardInterrupt:
        if worker is None and rank == 0:
            raise
        raise typer.Exit(INTERRUPTED if worker is None else DONE) from None
    except typer.Exit:
        raise
    except Exception as problem:
        alone = os.environ.get("WORLD_SIZE") == os.environ.get("LOCAL_WORLD_SIZE")  # one machine
        if worker is not None and alone and not debug:
            worker.fails(*explain(problem, training=True))
        elif rank > 0:
            time.sleep(_AFTER_THE_FIRST)
        raise
    finally:
        if worker is not None:
            worker.leaves()


def trainer() -> "tuple[Train, BuildValidate]":
    """Return what trains and what builds its validation; loading them takes seconds."""
    from vgcli.validation import build_validate
    from vgcli_core.training.run import train

    return train, build_validate


def _train(recipe: "Recipe", settings: "Settings", name: str, *, first: bool) -> "Outcome":
    if not first:
        train, build_validate = trainer()
        return train(recipe, settings, validate=build_validate(recipe, settings.data))
    with display.progress("loading libraries"):
        train, build_validate = trainer()
    display.training_opening(recipe, settings, name, int(os.environ.get("WORLD_SIZE", "1")))
    with display.training(name) as (watch, board):
        outcome = train(recipe, settings, validate=build_validate(recipe, settings.data), watch=watch)
    if outcome.state == "finished":
        display.training_closing(outcome, board)
        display.written(outcome.written)
    return outcome


def _finish(outcome: "Outcome", *, told: bool, first: bool) -> None:
    """Say that a run stopped after saving, and exit accordingly; `told`: the starter sees it in status.json."""
    if outcome.state == "finished":
        return
    if first:
        done = f"saved after step {outcome.step:,} of {outcome.steps:,} in {outcome.folder}"
        display.interrupted(f"{outcome.signal}: {done}; {_AGAIN}")
    if not told:
        raise typer.Exit(_code_of(outcome.signal))


def _follow_the_starter(worker: "Worker | None") -> None:
    from vgcli_core.processes.workers import end_with

    if worker is None:
        end_with([os.getppid()])
        return
    end_with([os.getppid(), worker.launcher], worker.folder)
    worker.listens()


def _unsaved(signal: str) -> str:
    return f"{signal}: nothing new was to be saved; {_AGAIN}"


def _code_of(signal: str) -> int:
    return INTERRUPTED if signal == "SIGINT" else TRY_AGAIN


def _status(settings: "Settings") -> dict[str, Any]:
    """Return what the run last said of itself, and when; nothing where it said nothing."""
    path = settings.out / "status.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {**found, "written": path.stat().st_mtime_ns}
    except (OSError, ValueError, TypeError):
        return {}
