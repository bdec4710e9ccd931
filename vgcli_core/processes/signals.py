"""Being asked to stop: while steps run, a signal is noted, so that the run can save first; before, it stops at once.

SIGTERM and SIGUSR1 come from schedulers, SIGINT from Ctrl-C. Handlers are Python's, so they run in the main thread,
between two instructions of Python code; outside the main thread nothing is installed.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

# SIGUSR1 does not exist on Windows.
FROM_SCHEDULER = tuple(
    number for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGUSR1")) if number is not None
)


class Stopped(BaseException):
    """A scheduler's signal struck where there was nothing to save. No Exception: nothing that retries may catch it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Handlers:
    """A block with other handlers; the earlier ones come back at its end."""

    def __init__(self) -> None:
        self._earlier: dict[int, Any] = {}

    def _install(self, numbers: tuple[signal.Signals, ...], handler: Callable[[int, FrameType | None], None]) -> None:
        if threading.current_thread() is threading.main_thread():
            self._earlier = {number: signal.signal(number, handler) for number in numbers}

    def __exit__(self, *_: object) -> None:
        for number, earlier in self._earlier.items():
            # None stands for a handler that was not installed from Python.
            signal.signal(number, signal.SIG_DFL if earlier is None else earlier)


class StopAtOnce(_Handlers):
    """A block in which a scheduler's signal raises Stopped; Ctrl-C stays what it is."""

    def __enter__(self) -> Self:
        self._install(FROM_SCHEDULER, _stop)
        return self


class StopRequest(_Handlers):
    """A block in which the first signal is noted, for a run that looks at `requested` after every step.

    A second Ctrl-C raises KeyboardInterrupt at once; a scheduler may repeat its signals as it likes.

    Attributes:
        requested: name of the first signal, "" while there was none.
    """

    def __init__(self, noticed: Callable[[str], None] = lambda name: None) -> None:
        super().__init__()
        self.requested = ""
        self._noticed = noticed
        self._interrupts = 0

    def __enter__(self) -> Self:
        self._install((signal.SIGINT, *FROM_SCHEDULER), self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1:
            raise KeyboardInterrupt
        if not self.requested:
            self.requested = signal.Signals(number).name
            # In a thread: the handler may have struck inside a write to the stream that `noticed` writes to.
            threading.Thread(target=self._noticed, args=(self.requested,)).start()


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(signal.Signals(number).name)
