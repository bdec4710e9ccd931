"""Ctrl-C that a finaliser swallowed is raised again at the next step."""

import signal

import pytest

from vgcli import interrupts


class Swallows:
    """What a library's finaliser does to a KeyboardInterrupt: Python prints it and goes on."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_lost_in_a_finaliser_is_raised_at_the_next_check():
    before = signal.getsignal(signal.SIGINT)
    interrupts.install()
    try:
        interrupts.check()
        lost = Swallows()
        del lost
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    finally:
        interrupts.install()
        signal.signal(signal.SIGINT, before)
