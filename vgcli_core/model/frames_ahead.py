"""Frames are read ahead by processes of their own, while the model works; one that hangs or dies costs one list.

Each process reads one list of frames and holds it until it is asked for, so there are as many lists in memory as there
are processes. What is asked for is named by its sample (`data.groups.frames_key`).
"""

import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess, SpawnProcess
from pathlib import Path
from typing import Any, Self

import torch

from vgcli_core.data.frame_store import read_images
from vgcli_core.data.frames_digest import frames_digest
from vgcli_core.data.groups import frames_key
from vgcli_core.data.sample import Sample
from vgcli_core.errors import DataError, FusionError, MediaError, VgllmError
from vgcli_core.model.answer import Seen
from vgcli_core.model.feature_cache import FeatureCache
from vgcli_core.model.pixels import fit_frames
from vgcli_core.processes.children import serve_parent, without_interrupts

_KINDS: dict[str, type[VgllmError]] = {kind.__name__: kind for kind in (MediaError, DataError, FusionError)}


_LOOK = 0.1  # seconds between two looks whether to stop


class NobodyWaits(BaseException):
    """The run is to stop, and frames that are not read yet are not waited for. No Exception: nothing may retry it."""


@dataclass(slots=True)
class _Reader:
    """A process, its pipe, and since when it has been reading for which sample."""

    process: ForkProcess | SpawnProcess
    pipe: Connection
    sample: Sample
    since: float


class FramesAhead:
    """A block in which lists of frames are read before they are asked for.

    Args:
        lists: the set's folder and one sample for each list, in the order in which they will be asked for.
        width: of fitted frames.
        workers: processes; 0 reads when asked, in this process and without a time limit.
        timeout: seconds after which reading one list is given up.
        cache: lists whose features are in it are not decoded.
        stop: asked while frames are waited for.
    """

    def __init__(
        self,
        lists: Sequence[tuple[Path, Sample]],
        *,
        width: int,
        workers: int,
        timeout: float = 300.0,
        cache: FeatureCache | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._stop = stop
        self._roots = {frames_key(sample): root for root, sample in lists}
        self._next = deque(sample for _, sample in lists)
        self._width, self._workers, self._timeout, self._cache = width, workers, timeout, cache
        self._readers: dict[Any, _Reader] = {}
        self._refused: dict[Any, VgllmError] = {}

    def __enter__(self) -> Self:
        for _ in range(min(self._workers, len(self._next))):
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers.values():
            _end(reader)
        self._readers.clear()

    def __call__(self, sample: Sample) -> Seen:
        """Return the frames of a sample.

        Raises:
            MediaError, DataError, FusionError: they cannot be read, take too long, or their reader died.
            KeyError: no list of these frames was announced.
            NobodyWaits: it was to stop before they were read.
        """
        key = frames_key(sample)
        if key in self._refused:  # it is not read again: what hung would hang here
            raise self._refused[key]
        reader = self._readers.pop(key, None)
        if reader is None:
            return look(sample, self._roots[key], width=self._width, cache=self._cache)
        try:
            found = self._receive(reader)
        except BaseException as problem:
            _end(reader)
            self._start()
            if isinstance(problem, VgllmError):
                self._refused[key] = problem
            raise
        self._give(reader)
        if isinstance(found, VgllmError):
            self._refused[key] = found
            raise found
        frames, digest = found
        return Seen(None if frames is None else torch.from_numpy(frames), digest)

    def _receive(self, reader: _Reader) -> Any:
        """Return what a process has read: pixels and name, or the error that it met."""
        while not reader.pipe.poll(_LOOK):
            if self._stop():
                raise NobodyWaits
            if time.monotonic() < reader.since + self._timeout:
                continue
            raise MediaError(
                f"the frames took longer than {self._timeout:g} s to read",
                where=f"frames of {reader.sample.scene}",
                fix="look at the disk or network they lie on; --timeout gives more time, --retry-failed asks again",
            )
        try:
            found = reader.pipe.recv()
        except (EOFError, OSError) as error:
            reader.process.join()
            raise MediaError(
                f"the process that read the frames ended with code {reader.process.exitcode}",
                where=f"frames of {reader.sample.scene}",
                fix="a file may crash its decoder, or the machine is short of memory: fewer --workers",
            ) from error
        if isinstance(found, str):
            raise RuntimeError(f"reading the frames of {reader.sample.id}: {found}")
        if isinstance(found, dict):
            kind = _KINDS[found.pop("kind")]
            return kind(found.pop("what"), **found)
        return found

    def _start(self) -> None:
        """Begin to read the next list in a new process, if there is one."""
        if not self._next:
            return
        # A fork starts at once; frames are pictures, whose reader survives it. Elsewhere there is none.
        forks = sys.platform == "linux"
        context = multiprocessing.get_context("fork") if forks else multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, ours, self._width, self._cache), daemon=True)
        with without_interrupts():
            process.start()
        theirs.close()
        self._give(_Reader(process, ours, self._next[0], 0.0))

    def _give(self, reader: _Reader) -> None:
        """Let a process read the next list, or end it where there is none."""
        if not self._next:
            _end(reader)
            return
        sample = self._next.popleft()
        reader.sample, reader.since = sample, time.monotonic()
        with suppress(OSError):  # it died meanwhile: found out when the frames are asked for
            reader.pipe.send((sample, self._roots[frames_key(sample)]))
        self._readers[frames_key(sample)] = reader


def look(sample: Sample, root: Path, *, width: int, cache: FeatureCache | None = None) -> Seen:
    """Read the frames of a sample of a prepared set, unless the cache has their features.

    Args:
        sample: whose frames.
        root: folder of the set.
        width: of fitted frames.
        cache: of features.

    Raises:
        MediaError, DataError: a frame is missing or damaged, or markers do not fit the frames.
    """
    if not sample.frames:
        raise DataError("a sample without frames", where=sample.id, fix="this model is asked about frames")
    digest = "" if cache is None else frames_digest(sample, root)
    if cache is not None and cache.has(cache.key(digest)):
        return Seen(None, digest)
    return Seen(fit_frames(read_images(sample, root), width=width, where=sample.id).frames, digest)


def _end(reader: _Reader) -> None:
    reader.process.kill()
    reader.process.join()
    reader.pipe.close()


def _work(pipe: Connection, other_end: Connection, width: int, cache: FeatureCache | None) -> None:
    """Read what comes through the pipe until it ends; errors are sent as their words."""
    other_end.close()  # a fork has it too
    torch.set_num_threads(1)
    serve_parent()
    # A scheduler's signal strikes all processes of a job; the one that asks decides when this one ends.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        while True:
            sample, root = pipe.recv()
            pipe.send(_read(sample, root, width, cache))


def _read(sample: Sample, root: Path, width: int, cache: FeatureCache | None) -> Any:
    try:
        seen = look(sample, root, width=width, cache=cache)
    except tuple(_KINDS.values()) as problem:
        return {"kind": type(problem).__name__, "what": problem.what, "where": problem.where, "fix": problem.fix}
    except Exception as problem:  # not every exception can be sent
        return f"{type(problem).__name__}: {problem}"
    return None if seen.frames is None else seen.frames.numpy(), seen.digest
