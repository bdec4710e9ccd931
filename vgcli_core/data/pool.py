"""Units in processes: as many as asked for, each fed one unit at a time, none outliving the command.

A process that dies (a decoder that crashes, the kernel short of memory) costs its unit and not the run.
"""

import multiprocessing
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from vgcli_core.data.base import Build, Request, Unit
from vgcli_core.data.unit_work import Built, Settings, build_unit
from vgcli_core.data.workplace import Quarantined, Vanished, Workplace
from vgcli_core.errors import OutputError, VgllmError
from vgcli_core.processes.children import serve_parent, without_interrupts


def build_units(
    build: Build, units: Iterable[Unit], request: Request, settings: Settings, workers: int
) -> Iterator[Built]:
    """Build units and yield each outcome as it comes, in any order.

    Args:
        build: how, a function of a module, so that another process finds it.
        units: taken one by one as processes become free.
        request: what is asked for.
        settings: where and how to write.
        workers: processes; 1 builds in this one.

    Raises:
        OutputError: nothing can be written any more; the other processes are stopped.
    """
    if workers == 1:
        yield from (build_unit(build, unit, request, settings) for unit in units)
        return
    pool = _Pool(build, request, settings)
    try:
        yield from pool.run(iter(units), workers)
    finally:
        pool.stop()


class _Pool:
    def __init__(self, build: Build, request: Request, settings: Settings) -> None:
        self._task = (build, request, settings)
        self._workers: dict[Connection, tuple[SpawnProcess, Unit]] = {}

    def run(self, units: Iterator[Unit], workers: int) -> Iterator[Built]:
        for _, unit in zip(range(workers), units, strict=False):
            self._start(unit)
        while self._workers:
            for pipe in wait(list(self._workers)):
                assert isinstance(pipe, Connection)  # noqa: S101 wait() returns what it is given
                process, unit = self._workers.pop(pipe)
                found = self._receive(pipe, process, unit)
                following = next(units, None)
                if following is not None:
                    if process.is_alive() and not pipe.closed:
                        self._send(pipe, process, following)
                    else:
                        self._start(following)
                elif not pipe.closed:
                    pipe.send(None)
                    pipe.close()
                yield found

    def stop(self) -> None:
        for pipe, (process, _) in self._workers.items():
            process.terminate()
            pipe.close()

    def _start(self, unit: Unit) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, *self._task), daemon=True)
        with without_interrupts():
            process.start()
        theirs.close()
        self._send(ours, process, unit)

    def _send(self, pipe: Connection, process: SpawnProcess, unit: Unit) -> None:
        with suppress(OSError):  # it died between two units: `_receive` finds out
            pipe.send(unit)
        self._workers[pipe] = (process, unit)

    def _receive(self, pipe: Connection, process: SpawnProcess, unit: Unit) -> Built:
        """Return a unit's outcome; raise what must stop the run."""
        try:
            found: Any = pipe.recv()
        except (EOFError, OSError):
            pipe.close()
            process.join()
            what = f"the process that built it ended with code {process.exitcode}"
            fix = "the machine may be short of memory: fewer --workers; or a file crashes its decoder"
            reason = Quarantined(unit.split, unit.key, what, "", fix)
            Workplace(self._task[2].root).quarantine(unit, reason)
            return Built(unit, quarantined=reason)
        if isinstance(found, BaseException):
            raise found
        built: Built = found
        return built


def _work(pipe: Connection, build: Build, request: Request, settings: Settings) -> None:
    """Build what comes through the pipe until it ends."""
    serve_parent()
    while (unit := _next(pipe)) is not None:
        try:
            found: object = build_unit(build, unit, request, settings)
        except Vanished as gone:
            found = gone
        except VgllmError as problem:
            found = _Message(problem)
        except Exception as problem:
            found = _Bug(problem)
        pipe.send(found)


class _Message(OutputError):
    """An OutputError that survives the way between processes."""

    def __init__(self, problem: VgllmError) -> None:
        super().__init__(problem.what, where=problem.where, fix=problem.fix)

    def __reduce__(self) -> tuple[Any, ...]:
        return _message, (self.what, self.where, self.fix)


def _message(what: str, where: str, fix: str) -> OutputError:
    return OutputError(what, where=where, fix=fix)


class _Bug(RuntimeError):
    """Any other exception, as text: not every exception can be sent."""

    def __init__(self, problem: BaseException | str) -> None:
        super().__init__(problem if isinstance(problem, str) else f"{type(problem).__name__}: {problem}")


def _next(pipe: Connection) -> Unit | None:
    try:
        unit: Unit | None = pipe.recv()
    except (EOFError, OSError):
        return None
    return unit
