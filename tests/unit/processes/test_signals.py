"""Signals are noted while steps run and stop the run at once before; with real processes, as a scheduler sends them."""

import queue
import signal
import subprocess
import sys
import threading

import pytest

from vgcli_core.processes.signals import FROM_SCHEDULER, StopAtOnce, Stopped, StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, *FROM_SCHEDULER])
def test_the_first_signal_is_noted_and_the_earlier_handler_comes_back(number):
    earlier = signal.getsignal(number)
    heard: queue.Queue[str] = queue.Queue()
    with StopRequest(heard.put) as stop:
        assert stop.requested == ""
        signal.raise_signal(number)
        assert stop.requested == signal.Signals(number).name
    assert heard.get(timeout=10) == signal.Signals(number).name
    assert signal.getsignal(number) is earlier


def test_a_second_ctrl_c_stops_at_once_and_a_repeated_term_does_not():
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert stop.requested == "SIGTERM"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", FROM_SCHEDULER)
def test_where_nothing_has_to_be_saved_a_signal_stops_at_once(number):
    with StopAtOnce(), pytest.raises(Stopped) as stopped:
        signal.raise_signal(number)
    assert stopped.value.name == signal.Signals(number).name


def test_stepping_within_a_command_notes_and_after_it_stops_at_once_again():
    with StopAtOnce():
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGTERM)
        assert stop.requested == "SIGTERM"
        with pytest.raises(Stopped):
            signal.raise_signal(signal.SIGTERM)


def test_outside_the_main_thread_nothing_is_installed():
    earlier, found = signal.getsignal(signal.SIGTERM), []

    def elsewhere() -> None:
        with StopRequest():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [earlier]


def test_a_process_that_inherited_ignored_signals_hears_them():
    """The launcher starts torchrun with them ignored, and children inherit that."""
    program = (
        "import signal, subprocess, sys\n"
        "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)\n"
        "child = 'import signal\\nfrom vgcli_core.processes.signals import StopRequest\\n"
        "with StopRequest() as stop: signal.raise_signal(signal.SIGTERM)\\nprint(stop.requested)'\n"
        "print(subprocess.run([sys.executable, '-c', child], capture_output=True, text=True).stdout)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["SIGTERM"]
