"""Processes that work for a command and never outlive it."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait

from vgcli_core.processes.signals import FROM_SCHEDULER


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back while a process starts: it inherits the mask, and would fail with a traceback of its own.

    The command hears of it right after. Windows has no such masks.
    """
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is None:
        yield
        return
    before = mask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)


def serve_parent() -> None:
    """Leave signals to the command, which ends its processes, and end at once when it is killed."""
    for number in (signal.SIGINT, *FROM_SCHEDULER):
        if number != signal.SIGTERM:  # by which the command ends them
            signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process at once when the command is killed, so that nothing writes on behind a new run's back."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        sys.stdout.flush()
        os._exit(1)
