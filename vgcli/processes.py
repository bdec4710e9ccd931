"""A command in several processes, from its own side: start them, or be one of them; how both end."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from vgcli import display
from vgcli.failures import BAD_INPUT, DONE, INTERRUPTED, TRY_AGAIN, explain
from vgcli_core.errors import ResourceError

if TYPE_CHECKING:
    from vgcli_core.processes.launch import Launch, Machine, Wanted
    from vgcli_core.processes.workers import Ended, Worker

# Where processes were started by hand, the first one's message is shown first, and usually ends the others.
_AFTER_THE_FIRST = 3.0
AGAIN = "run the same command again to continue"


def this_machine(wanted: "Wanted") -> "Machine":
    """Return what there is to compute with; torch is asked for GPUs only where the answer matters."""
    from vgcli_core.processes.launch import Machine

    gpus = 0
    if not wanted.on_cpu:
        import torch  # takes seconds

        gpus = torch.cuda.device_count()
    return Machine(os.environ, gpus, os.cpu_count() or 1, sys.executable)


def run_processes(launch: "Launch") -> "Ended":
    """Run the command that starts the processes and wait for their end; what stopped one of them is shown."""
    from vgcli_core.processes.workers import run_command

    with display.running(str(launch)):
        ended = run_command(launch)
    if ended.problem is not None:
        problem, code = ended.problem
        display.error(problem)
        raise typer.Exit(code)
    return ended


def ended_silently(ended: "Ended", where: object) -> typer.Exit:
    """Show that processes ended without a word of their own, and return what to raise."""
    ended_by = f"signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"
    display.error(
        ResourceError(
            f"the processes ended without a word of their own ({ended_by})",
            where=str(where),
            fix="see what the command printed above; a process that was killed (signal 9) mostly lacked memory "
            "(for training, vgllm train --dry-run says what fits); the same command continues the run",
        )
    )
    return typer.Exit(BAD_INPUT)


def work(run: "Callable[[Worker | None, int], None]", *, command: str, debug: bool) -> None:
    """Do a command's work in this process, alone or as one of several.

    Args:
        run: gets this process's side where a command of ours started it, and its number among all.
        command: its name, for advice.
        debug: leave exceptions to the boundary, which shows tracebacks.
    """
    from vgcli_core.processes.signals import StopAtOnce, Stopped
    from vgcli_core.processes.workers import joined

    worker, rank = joined(), int(os.environ.get("RANK", "0"))
    try:
        with StopAtOnce():
            if worker is not None or "TORCHELASTIC_RUN_ID" in os.environ:
                _follow_the_starter(worker)
            run(worker, rank)
    except Stopped as stopped:
        if worker is not None:
            raise typer.Exit(DONE) from None  # the process that started this one says it, once
        if rank == 0:
            display.interrupted(unsaved(stopped.name))
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
            worker.fails(*explain(problem, command=command))
        elif rank > 0:
            time.sleep(_AFTER_THE_FIRST)
        raise
    finally:
        if worker is not None:
            worker.leaves()


@contextmanager
def stopping_kindly() -> Iterator[None]:
    """Say so, and ask to be started again, where a scheduler's signal strikes outside of `work`."""
    from vgcli_core.processes.signals import StopAtOnce, Stopped

    try:
        with StopAtOnce():
            yield
    except Stopped as stopped:
        display.interrupted(unsaved(stopped.name))
        raise typer.Exit(TRY_AGAIN) from None


def unsaved(signal: str) -> str:
    """Return what to say where a signal struck before there was anything to save."""
    return f"{signal}: nothing new was to be saved; {AGAIN}"


def code_of(signal: str) -> int:
    """Return the exit code of a run that a signal stopped."""
    return INTERRUPTED if signal == "SIGINT" else TRY_AGAIN


def _follow_the_starter(worker: "Worker | None") -> None:
    from vgcli_core.processes.workers import end_with

    if worker is None:
        end_with([os.getppid()])
        return
    end_with([os.getppid(), worker.launcher], worker.folder)
    worker.listens()
