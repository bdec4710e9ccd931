"""Training from the command's side: what is said of a run, and with which exit code it ends."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from vgcli import display
from vgcli.failures import BAD_INPUT
from vgcli.processes import AGAIN, code_of, ended_silently, run_processes, unsaved, work

if TYPE_CHECKING:
    from vgcli_core.processes.launch import Launch
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


def start_processes(launch: "Launch", settings: "Settings") -> None:
    """Run the command that starts the processes, wait for their end, and end likewise."""
    before = _status(settings)
    ended = run_processes(launch)
    status = _status(settings)
    state = "" if status == before else status.get("state", "")
    if state == "finished" or (state in ("", "running") and not ended.signal and ended.code == 0):
        return
    if state == "interrupted" or (ended.signal and state != "failed"):
        if state != "interrupted":
            display.interrupted(unsaved(ended.signal))
        raise typer.Exit(code_of(status.get("signal", "") if state == "interrupted" else ended.signal))
    if state != "failed":
        raise ended_silently(ended, settings.out)
    raise typer.Exit(BAD_INPUT)


def train_here(recipe: "Recipe", settings: "Settings", name: str, *, debug: bool) -> None:
    """Train in this process, alone or as one of several."""

    def run(worker: "Worker | None", rank: int) -> None:
        _finish(_train(recipe, settings, name, first=rank == 0), told=worker is not None, first=rank == 0)

    work(run, command="train", debug=debug)


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
        display.interrupted(f"{outcome.signal}: {done}; {AGAIN}")
    if not told:
        raise typer.Exit(code_of(outcome.signal))


def _status(settings: "Settings") -> dict[str, Any]:
    """Return what the run last said of itself, and when; nothing where it said nothing."""
    path = settings.out / "status.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {**found, "written": path.stat().st_mtime_ns}
    except (OSError, ValueError, TypeError):
        return {}
