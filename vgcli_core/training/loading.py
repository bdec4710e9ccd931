"""Samples are read ahead by processes of their own, which leave signals to the one that trains."""

import atexit
import os
import re
import signal
import sys
from collections.abc import Generator, Iterable, Sequence
from typing import Any
from weakref import WeakSet

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from vgcli_core.errors import ResourceError
from vgcli_core.processes.signals import FROM_SCHEDULER
from vgcli_core.training.examples import Bad, Example, MicroBatch

# Where torch finds no memory or no file to pass frames on.
_NO_ROOM = re.compile(r"shared memory|No space left on device|Too many open files")
_STREAMS: "WeakSet[Generator[MicroBatch, None, None]]" = WeakSet()


def load(
    examples: Dataset[Any], micro_batches: Iterable[Sequence[int]], *, workers: int
) -> Generator[MicroBatch, None, None]:
    """Yield micro-batches in the order given, read ahead by `workers` processes (0: by this one, when asked for).

    torch's global generator is left alone. Processes end with the generator: when it is used up, closed or forgotten.

    Raises:
        ResourceError: a process died.
    """
    stream = _stream(examples, micro_batches, workers)
    _STREAMS.add(stream)
    return stream


def lost_worker(error: RuntimeError) -> ResourceError | None:
    """Return what to raise where torch says that a worker died; it may say so anywhere in the main thread."""
    if not str(error).startswith("DataLoader worker") and not _NO_ROOM.search(str(error)):
        return None
    return ResourceError(
        f"a process that reads frames ended: {str(error).strip().splitlines()[-1]}",
        where="data.workers",
        fix="use fewer workers (data.workers=1, or 0 for none), or give more memory and shared memory: /dev/shm, for "
        "containers --shm-size or --ipc=host",
    )


def _stream(
    examples: Dataset[Any], micro_batches: Iterable[Sequence[int]], workers: int
) -> Generator[MicroBatch, None, None]:
    # The tokenizer would warn in each worker that it was used before the fork.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # A fork starts at once, and shares the mixture and the tokenizer; what must not be open before one (decord) is not
    # used here: frames are pictures. Elsewhere there is no fork, or the system's libraries do not survive it.
    context = ("fork" if sys.platform == "linux" else "spawn") if workers else None
    loader = DataLoader(
        examples,
        batch_sampler=map(list, micro_batches),
        collate_fn=_collate,
        num_workers=workers,
        worker_init_fn=_start_worker,
        multiprocessing_context=context,
        generator=torch.Generator().manual_seed(0),
    )
    try:
        yield from loader
    except RuntimeError as error:
        if lost := lost_worker(error):
            raise lost from error
        raise


@atexit.register
def _close() -> None:
    # Otherwise the interpreter ends the processes by one SIGTERM, which they survive, and waits for them for ever.
    for stream in list(_STREAMS):
        stream.close()


def _collate(found: Sequence[Example | Bad]) -> MicroBatch:
    examples = [one for one in found if not isinstance(one, Bad)]
    if get_worker_info() is not None:
        for one in examples:
            if one.frames is not None:
                # Sent frames are put there anyway, but in a thread whose errors nobody sees.
                one.frames.share_memory_()  # type: ignore[no-untyped-call]
    return MicroBatch(examples, [one for one in found if isinstance(one, Bad)])


def _start_worker(_: int) -> None:
    """Let the process that trains decide what a signal means: terminal and scheduler send theirs to all processes."""
    for number in (signal.SIGINT, *FROM_SCHEDULER):
        signal.signal(number, signal.SIG_IGN)
    # The first one may be the scheduler's, while the last steps are still run; a second one ends the worker.
    signal.signal(signal.SIGTERM, lambda number, _: signal.signal(number, signal.SIG_DFL))
