"""Ctrl-C that is never lost: Python drops a KeyboardInterrupt that strikes inside a finaliser, as libraries have them.

The handler notes the wish before it raises; `check`, called between the steps of a command, raises again. The traceback
that Python would print for the lost one is left out.
"""

import signal
import sys
import threading
from types import FrameType

_asked = threading.Event()


def install() -> None:
    """Take over Ctrl-C; only the main thread may, elsewhere nothing changes."""
    _asked.clear()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _note)
        sys.unraisablehook = _say_nothing_of_interrupts


def check() -> None:
    """Raise KeyboardInterrupt when Ctrl-C was pressed and got lost."""
    if _asked.is_set():
        raise KeyboardInterrupt


def _say_nothing_of_interrupts(lost: "sys.UnraisableHookArgs") -> None:
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)


def _note(number: int, frame: FrameType | None) -> None:
    _asked.set()
    raise KeyboardInterrupt
