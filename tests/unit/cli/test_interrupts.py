"""Ctrl-C that a finaliser swallowed is raised again at the next step, and nothing else is printed."""

import subprocess
import sys

PROGRAM = """
import signal
from vgcli import interrupts

class Swallows:
    def __del__(self):
        {lost}

interrupts.install()
interrupts.check()
lost = Swallows()
del lost
try:
    interrupts.check()
except KeyboardInterrupt:
    print("raised again")
"""


def run(lost: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(lost=lost)], capture_output=True, text=True, timeout=60, check=False
    )


def test_an_interrupt_lost_in_a_finaliser_is_raised_at_the_next_check_without_a_traceback():
    done = run("signal.raise_signal(signal.SIGINT)")
    assert done.stdout.strip() == "raised again"
    assert done.stderr == ""


def test_other_errors_in_finalisers_are_still_shown():
    done = run("raise ValueError('broken')")
    assert done.stdout == ""
    assert "ValueError: broken" in done.stderr


def test_nothing_is_raised_when_nobody_asked():
    from vgcli import interrupts

    interrupts.check()
