"""The folder of one run: who may write there, what it belongs to, its checkpoints and models, how the run ended.

Every process of a run holds one and calls the same methods; the first process alone writes. What the first cannot write
stops all of them, and whatever was complete before stays.
"""

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vgcli_core.atomic import output_errors, write_text
from vgcli_core.errors import OutputError, UsageError, VgllmError
from vgcli_core.model.lora import is_adapter, save_adapter
from vgcli_core.model.save import save_model
from vgcli_core.processes.lock import LOCK, RunLock
from vgcli_core.training.checkpoints import FOLDER, Saved, Writer, recover, replace_folder, saved, sweep
from vgcli_core.training.engines import Engine
from vgcli_core.training.log import BAD, LOG, TIMING
from vgcli_core.training.processes import Processes
from vgcli_core.training.progress import Settings
from vgcli_core.training.recipe import Recipe
from vgcli_core.training.recipe_files import to_yaml
from vgcli_core.training.record import RECORD, check_same_run, read_record

STATUS, PICTURE, RECIPE = "status.json", "loss.png", "recipe.yaml"
MODEL, BEST, ADAPTER = "model", "best", "adapter"
# What a run writes; --restart removes these and nothing else, the last ones first.
_WRITTEN = (RECORD, RECIPE, LOG, TIMING, BAD, PICTURE, STATUS, FOLDER, MODEL, BEST, ADAPTER, "trackers")
# Names while something is being written, replaced or removed (atomic.py, checkpoints.py, lock.py).
_FILES = "|".join(name.partition(".")[0] for name in _WRITTEN if "." in name)
_MODELS = f"{MODEL}|{BEST}|{ADAPTER}"
_TEMPORARY = re.compile(
    rf"\.(?:{_FILES})\.[a-z0-9_]{{8}}\.\w+"
    rf"|\.(?:{_MODELS})\.(?:new|old)|\.\.(?:{_MODELS})\.new\.[a-z0-9_]{{8}}"
    rf"|\.(?:{_MODELS}|{FOLDER}|trackers)\.gone|\.{LOCK}-[0-9a-f]{{16}}(?:-old)?"
)
_PATIENCE = 60.0  # seconds that a process waits for what another one has written


@dataclass(frozen=True, slots=True)
class Found:
    """What a run folder holds: the checkpoint to go on from, and whether the run is finished."""

    checkpoint: Saved | None
    finished: bool


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
    ) -> "Found":
        """Make the folder ours until `stack` closes; return what the run goes on from, the same in every process.

        Raises:
            UsageError: another run writes there, it holds another run or something else, or it is not one folder for
                all processes.
            CheckpointError: the newest checkpoint is damaged.
            OutputError: it cannot be written.
        """
        problem: VgllmError | None = None
        step, finished = -1, False
        if self.processes.first:
            try:
                step, finished = self._take(recipe, settings, data, stack, say)
            except VgllmError as error:
                problem = error
        told = problem and {"what": problem.what, "where": problem.where, "fix": problem.fix}
        told, step, finished = self.processes.from_first((told, step, finished))
        if told:
            raise problem or UsageError(told["what"], where=told["where"], fix=told["fix"])
        self._taken = True
        return Found(self._checkpoint(step) if step >= 0 else None, finished)

    def save(self, engine: Engine, step: int, state: Mapping[str, Any], *, keep: int) -> None:
        """Write a checkpoint, then remove all but the newest `keep`. Raises OutputError in every process."""
        with self._together(self.out / FOLDER):
            if not self.processes.first:
                for _ in chain(engine.weights(), engine.moments()):
                    pass  # all take part in putting each together, and none is kept here
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

    def write_adapter(self, engine: Engine, base: str) -> Path:
        """Write the adapters alone, in peft's form, for the language model of `base`. Raises OutputError everywhere."""
        target = self.out / ADAPTER
        with self._together(target):
            tensors = {name: tensor for name, tensor in engine.tensors() if is_adapter(name)}
            if self.processes.first:
                new = self.out / f".{ADAPTER}.new"
                shutil.rmtree(new, ignore_errors=True)
                save_adapter(engine.model, new, base=base, replaced=tensors)
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

    def _take(
        self, recipe: Recipe, settings: Settings, data: Mapping[str, Any], stack: ExitStack, say: Callable[[str], None]
    ) -> tuple[int, bool]:
        """Do what the first process does; return the step to go on from, -1 for none, and whether all is done."""
        self._check_strangers()
        stack.enter_context(RunLock(self.out, settings.command, waits=say))
        for name in (MODEL, BEST, ADAPTER):
            recover(self.out / name)
        self._sweep()
        if settings.restart:
            self._discard()
        record = read_record(self.out)
        sweep(self.out, recipe.run.keep)
        found = saved(self.out)
        if found:
            found[-1].verify(others=len(found) - 1)
        whole = (self.out / MODEL).is_dir()  # written at the end; best/ may be there before the first checkpoint
        if record is None and (found or whole):
            raise UsageError(
                "the folder holds parts of a run whose record is gone",
                where=str(self.out / RECORD),
                fix="choose another folder with --out, or discard what is there with --restart",
            )
        finished = whole and self._read_status() == "finished"
        if record is not None and (found or whole):
            for key, value in check_same_run(record, recipe, data, self.out).items():
                say(f"{key} is now {value}")
            if not found and not finished:
                raise UsageError(
                    "the checkpoints of this run are gone, and it was not finished",
                    where=str(self.out / FOLDER),
                    fix="put them back, or begin again with --restart, which removes its models too",
                )
        elif record is not None:
            # Nothing is lost, and whoever corrects a recipe that failed at once may do so.
            say("the run in this folder had saved nothing yet: starting anew")
            self._discard()
        write_text(self.out / RECIPE, to_yaml(recipe))
        return (found[-1].step if found else -1), finished

    def _checkpoint(self, step: int) -> Saved:
        """Return the checkpoint that the first process has found; a network file system may show it later."""
        until = time.monotonic() + _PATIENCE
        while True:
            for one in saved(self.out):
                if one.step == step:
                    return one
            if time.monotonic() > until:
                raise UsageError(
                    f"this process does not see the checkpoint of step {step} that the first one sees",
                    where=f"--out {self.out}",
                    fix="all machines of a run need one shared folder",
                )
            time.sleep(1)

    def _read_status(self) -> str:
        try:
            return str(json.loads((self.out / STATUS).read_text(encoding="utf-8"))["state"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _check_strangers(self) -> None:
        for path in (self.out, *self.out.parents):
            if path.exists() and not path.is_dir():
                raise UsageError(f"{path.name} is a file", where=f"--out {self.out}", fix="name a folder")
        there = {path.name for path in self.out.iterdir()} if self.out.is_dir() else set()
        strangers = {name for name in there if not name.startswith(".")} - {*_WRITTEN, LOCK}
        if strangers and RECORD not in there:
            raise UsageError(
                f"the folder holds something else: {min(strangers)!r}",
                where=f"--out {self.out}",
                fix="choose a folder of its own for each run",
            )

    def _sweep(self) -> None:
        """Remove what a killed run was just writing; names that nothing here writes are left alone."""
        for path in self.out.glob(".*"):
            if _TEMPORARY.fullmatch(path.name):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def _discard(self) -> None:
        """Remove a run; its record last, so that a kill leaves no checkpoint that nobody knows the recipe of."""
        for name in reversed(_WRITTEN):
            path = self.out / name
            with output_errors(path):
                if path.is_dir():
                    gone = path.with_name(f".{name}.gone")
                    shutil.rmtree(gone, ignore_errors=True)
                    path.replace(gone)
                    shutil.rmtree(gone)
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
