"""The processes that a command starts, seen from both sides.

The command (torchrun or accelerate) runs in a session of its own, so that a signal to the group of this process does
not reach it: torchrun answers SIGTERM by killing what it started. A folder, named by VGLLM_LAUNCH, connects both sides:
each worker leaves its number there once it listens to signals, and what is wrong where it fails. So signals go straight
to the workers, and of eight processes that fail for one reason the first alone is shown.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from vgcli_core.atomic import write_text
from vgcli_core.errors import ResourceError, VgllmError
from vgcli_core.processes.launch import Launch
from vgcli_core.processes.signals import FROM_SCHEDULER

LAUNCH = "VGLLM_LAUNCH"
BUG, BAD_INPUT = 1, 2  # exit codes: of what is nobody's input, and of what is somebody's

_EVERY = 0.1  # seconds between two looks
_ORPHANED = 1.0
_TOGETHER = 1.0  # within which processes fail for one reason
_GRACE = 60.0  # seconds for the rest, once the first process has ended after a signal
_NUMBERS = (signal.SIGINT, *FROM_SCHEDULER)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its own exit code; negative for a signal.
        signal: name of the first signal that was passed on, "" for none.
        problem: what the first failing worker said, and the exit code that belongs to it.
    """

    code: int
    signal: str = ""
    problem: tuple[VgllmError, int] | None = None


def run_command(launch: Launch) -> Ended:
    """Run a command to its end, passing signals on to the processes it starts; must be called in the main thread."""
    asked: list[int] = []
    with tempfile.TemporaryDirectory(prefix="vgllm-", ignore_cleanup_errors=True) as name:
        environment = {**os.environ, **launch.environment, LAUNCH: f"{os.getpid()}:{name}"}
        with _handled(lambda number, frame: asked.append(number)) as ignored:
            with ignored():
                process = subprocess.Popen(launch.command, env=environment, start_new_session=True)  # noqa: S603
            try:
                return _follow(process, Path(name), launch.processes, asked)
            finally:
                _end(process)


def joined() -> "Worker | None":
    """Return this process's side where a command of ours started it, else None."""
    pid, _, folder = os.environ.get(LAUNCH, "").partition(":")
    return Worker(Path(folder), int(pid)) if folder and pid.isdecimal() else None


@dataclass(frozen=True)
class Worker:
    """One of the processes that a command started. `launcher` is the process that ran the command."""

    folder: Path
    launcher: int

    def listens(self) -> None:
        """Say that signals are handled from now on."""
        with contextlib.suppress(VgllmError):  # the launcher is gone
            write_text(self.folder / f"worker-{os.getpid()}", "")

    def leaves(self) -> None:
        """Say that this process ends by itself: one that listens, is gone and has not said so was killed."""
        with contextlib.suppress(OSError):
            (self.folder / f"worker-{os.getpid()}").rename(self.folder / f"left-{os.getpid()}")

    def fails(self, problem: VgllmError, code: int) -> None:
        """Leave what is wrong, then wait to be ended: whoever ends first is what the others would complain about."""
        said = {"what": problem.what, "where": problem.where, "fix": problem.fix, "code": code}
        with contextlib.suppress(VgllmError):
            write_text(self.folder / f"problem-{os.getpid()}", json.dumps(said))
            time.sleep(_GRACE)


def end_with(pids: list[int], folder: Path | None = None) -> None:
    """Send this process SIGTERM when one of others ends: a worker whose starter was killed saves and stops.

    `folder`, which the starter would have removed, is removed then.
    """
    watched = []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            watched.append(psutil.Process(pid))

    def watch() -> None:
        while all(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in watched):
            time.sleep(_ORPHANED)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="orphan watch", daemon=True).start()


def _follow(process: "subprocess.Popen[bytes]", folder: Path, expected: int, asked: list[int]) -> Ended:
    first, interrupts, until = "", 0, float("inf")
    while process.poll() is None:
        workers = [int(path.name.partition("-")[2]) for path in folder.glob("worker-*")]
        left = len(list(folder.glob("left-*")))
        while asked:
            number = asked.pop(0)
            first = first or signal.Signals(number).name
            interrupts += number == signal.SIGINT
            if (
                len(workers) + left < max(expected, 1) or interrupts > 2
            ):  # nothing is there to be saved, or nobody wants it
                _end(process)
            for pid in workers:
                with contextlib.suppress(psutil.Error):
                    psutil.Process(pid).send_signal(number)
        if first and until == float("inf") and not all(psutil.pid_exists(pid) for pid in workers):
            until = time.monotonic() + _GRACE
        killed = [] if first else [pid for pid in workers if _is_gone(pid) and (folder / f"worker-{pid}").exists()]
        if killed and len(workers) + left > 1:
            # At once: torchrun would wait for the others, which wait for the one that is gone.
            _end(process)
            return Ended(process.wait(), first, (_was_killed(killed[0], len(workers) + left), BAD_INPUT))
        if _problem(folder) is not None or time.monotonic() > until:
            time.sleep(_TOGETHER)
            _end(process)
            return Ended(process.wait(), first, _problem(folder))
        time.sleep(_EVERY)
    return Ended(process.wait(), first, _problem(folder))


def _is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def _was_killed(pid: int, processes: int) -> VgllmError:
    return ResourceError(
        f"one of the {processes} processes was killed, so the others cannot go on",
        where=f"process {pid}",
        fix="mostly it lacked memory (for training, vgllm train --dry-run says what fits); the same command goes on",
    )


def _problem(folder: Path) -> tuple[VgllmError, int] | None:
    """Return what the first failing worker left; what a user can act on before what looks like a bug.

    Where one process gives up, others lose their connection to it, which no message explains.
    """
    found: list[tuple[bool, int, VgllmError, int]] = []
    for path in folder.glob("problem-*"):
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        problem = VgllmError(said["what"], where=said["where"], fix=said["fix"])
        found.append((said["code"] == BUG, path.stat().st_mtime_ns, problem, int(said["code"])))
    return min(found, key=lambda one: one[:2])[2:] if found else None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill the command and what it started, the command first: it would report the death of its workers at length."""
    if process.poll() is not None:
        return
    with contextlib.suppress(psutil.Error):
        everyone = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for one in everyone:
            with contextlib.suppress(psutil.Error):
                one.kill()
    process.wait()


@contextlib.contextmanager
def _handled(
    handler: Callable[[int, FrameType | None], None],
) -> "Iterator[Callable[[], contextlib.AbstractContextManager[None]]]":
    """Handle signals inside a block; yield a block inside which they are ignored, for a child to inherit that."""
    earlier: Mapping[signal.Signals, Any] = {number: signal.signal(number, handler) for number in _NUMBERS}

    @contextlib.contextmanager
    def ignored() -> Iterator[None]:
        for number in _NUMBERS:
            signal.signal(number, signal.SIG_IGN)
        try:
            yield
        finally:
            for number in _NUMBERS:
                signal.signal(number, handler)

    try:
        yield ignored
    finally:
        for number, before in earlier.items():
            signal.signal(number, before)
