"""The folder of one run: who may write there, what it belongs to, its checkpoints and models, how the run ended.

Every process of a run holds one and calls the same methods; the first process alone writes. What the first cannot write
stops all of them, and whatever was complete before stays.
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vgcli_core.atomic import output_errors, write_text
from vgcli_core.errors import OutputError, UsageError, VgllmError
from vgcli_core.model.save import save_model
from vgcli_core.training.checkpoints import FOLDER, Saved, Writer, recover, replace_folder, saved, sweep
from vgcli_core.training.engines import Engine
from vgcli_core.training.lock import LOCK, RunLock
from vgcli_core.training.log import BAD, LOG, TIMING
from vgcli_core.training.processes import Processes
from vgcli_core.training.progress import Settings
from vgcli_core.training.recipe import Recipe
from vgcli_core.training.recipe_files import to_yaml
from vgcli_core.training.record import RECORD, check_same_run, read_record

STATUS, PICTURE, RECIPE = "status.json", "loss.png", "recipe.yaml"
MODEL, BEST = "model", "best"
# What a run writes; --restart removes these and nothing else.
_WRITTEN = (RECORD, RECIPE, LOG, TIMING, BAD, PICTURE, STATUS, FOLDER, MODEL, BEST, "trackers")


class RunFolder:
    """The folder `out` of a run, shared by its processes."""

    def __init__(self, out: Path, processes: Processes) -> None:
        self.out, self.processes = out, processes
        self._taken = False

    def take(
        self,
        recipe: Recipe,
        settings: Settings,
        data: Mapping[str, Any],
        *,
        stack: ExitStack,
        say: Callable[[str], None],
    ) -> Saved | None:
        """Make the folder ours until `stack` closes; return the checkpoint to go on from.

        Raises:
            UsageError: another run writes there, or it holds another run or something else.
            OutputError: it cannot be written.
        """
        if self.processes.first:
            self._check_strangers()
            stack.enter_context(RunLock(self.out, settings.command, waits=say))
            if settings.restart:
                self._discard()
            for name in (MODEL, BEST):
                recover(self.out / name)
            self._sweep()
            record = read_record(self.out)
            if record is not None and not saved(self.out):
                # Nothing is lost, and whoever corrects a recipe that failed at once may do so.
                say("the run in this folder had saved nothing yet: starting anew")
                self._discard()
            elif record is not None:
                for key, value in check_same_run(record, recipe, data, self.out).items():
                    say(f"{key} is now {value}")
            sweep(self.out, recipe.run.keep)
            write_text(self.out / RECIPE, to_yaml(recipe))
        self.processes.wait()
        self._taken = True
        found = saved(self.out)
        return found[-1] if found else None

    def save(self, engine: Engine, step: int, state: Mapping[str, Any], *, keep: int) -> None:
        """Write a checkpoint, then remove all but the newest `keep`. Raises OutputError in every process."""
        with self._together(self.out / FOLDER):
            if not self.processes.first:
                for _ in (*engine.weights(), *engine.moments()):
                    pass  # these are put together by all
                return
            writer = Writer(self.out, step)
            writer.write("weights", engine.weights())
            writer.write("moments", engine.moments())
            writer.finish({"format": 1, "step": step, **state})
            sweep(self.out, keep)

    def write_model(self, name: str, engine: Engine, tokenizer: Any, dtype: torch.dtype) -> Path:
        """Write the whole model, loadable as it is, in place of an earlier one. Raises OutputError in every process."""
        target = self.out / name
        with self._together(target):
            tensors: dict[str, Tensor] = {}
            for key, tensor in engine.tensors():
                if self.processes.first:  # the others take part in putting it together
                    tensors[key] = tensor
            if self.processes.first:
                new = self.out / f".{name}.new"
                shutil.rmtree(new, ignore_errors=True)
                save_model(engine.model, new, tokenizer=tokenizer, tensors=tensors, dtype=dtype)
                replace_folder(new, target)
        return target

    def status(self, state: str, **facts: Any) -> None:
        """Write status.json: running, finished, interrupted or failed, and what belongs to it."""
        if self.processes.first:
            text = json.dumps({"state": state, **facts, "time": time.strftime("%Y-%m-%d %H:%M:%S")}, indent=1)
            write_text(self.out / STATUS, text + "\n")

    def fail(self, problem: VgllmError) -> None:
        """Note why the run stopped, for whoever started this process; only in a folder that this run has taken."""
        if not self._taken:
            return
        error = {"kind": type(problem).__name__, "what": problem.what, "where": problem.where, "fix": problem.fix}
        with suppress(OutputError):
            self.status("failed", error=error)

    def _check_strangers(self) -> None:
        if self.out.exists() and not self.out.is_dir():
            raise UsageError(f"{self.out.name} is a file", where=f"--out {self.out}", fix="name a folder")
        there = {path.name for path in self.out.iterdir()} if self.out.is_dir() else set()
        strangers = {name for name in there if not name.startswith(".")} - {*_WRITTEN, LOCK}
        if strangers and RECORD not in there:
            raise UsageError(
                f"the folder holds something else: {min(strangers)!r}",
                where=f"--out {self.out}",
                fix="choose a folder of its own for each run",
            )

    def _sweep(self) -> None:
        """Remove what a killed run was just writing, by a temporary name: dots, what it was to be, and more."""
        stems = tuple(name.partition(".")[0] for name in _WRITTEN)
        for path in self.out.glob(".*"):
            if path.name.lstrip(".").startswith(stems):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def _discard(self) -> None:
        for name in _WRITTEN:
            path = self.out / name
            with output_errors(path):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)

    def _together(self, target: Path) -> "_Together":
        return _Together(self.processes, target)


class _Together:
    """A block that fails in every process where it fails in one: nobody waits for a process that has given up."""

    def __init__(self, processes: Processes, target: Path) -> None:
        self.processes, self.target = processes, target

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and not isinstance(error, OutputError):
            return
        if self.processes.any(error is not None) and error is None:
            raise OutputError("the first process could not write", where=str(self.target), fix="see its message")
