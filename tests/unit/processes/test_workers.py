"""The starter and its processes, with real ones: signals reach them, one message of many, nobody is left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from vgcli_core.processes.launch import Launch
from vgcli_core.processes.signals import FROM_SCHEDULER
from vgcli_core.processes.workers import LAUNCH, run_command

WORKER = """
import os, sys, time
from pathlib import Path
from vgcli_core.errors import DataError
from vgcli_core.processes.signals import StopAtOnce, StopRequest, Stopped
from vgcli_core.processes.workers import end_with, joined
out, rank = Path(sys.argv[1]), os.environ.get("RANK", "0")
worker = joined()
def write(name, text=""):
    (out / f"{name}-{rank}.new").write_text(text)
    (out / f"{name}-{rank}.new").rename(out / f"{name}-{rank}")
"""
STEPS = """
with StopRequest() as stop:
    if worker is not None:
        worker.listens()
    end_with([os.getppid()], out / "left-behind")
    write("ready", str(os.getpid()))
    while not stop.requested:
        time.sleep(0.01)
write("saved", stop.requested)
"""
FAILS = """
with StopAtOnce():
    worker.listens()
    worker.fails(DataError(f"frame {rank} is missing", where="frames", fix="prepare again"), 2)
    raise SystemExit(2)
"""


def script(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "worker.py"
    path.write_text(WORKER + textwrap.dedent(body))
    return path


def launch(tmp_path: Path, body: str, processes: int = 1) -> Launch:
    words = (str(script(tmp_path, body)), str(tmp_path))
    if processes == 1:
        return Launch("command", {}, (sys.executable, *words), 1)
    torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
    environment = {"OMP_NUM_THREADS": "1", "PET_SIGNALS_TO_HANDLE": "SIGHUP,SIGQUIT"}
    return Launch("command", environment, (sys.executable, *torchrun, *words), processes)


def wait_for(condition) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def signal_when(condition, *numbers: int) -> threading.Thread:
    def send() -> None:
        wait_for(condition)
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(0.3)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("number", [signal.SIGINT, *FROM_SCHEDULER])
def test_a_signal_is_passed_on_and_the_worker_saves(tmp_path, number):
    earlier = signal.getsignal(number)
    sender = signal_when((tmp_path / "ready-0").exists, number)
    ended = run_command(launch(tmp_path, STEPS))
    sender.join()
    name = signal.Signals(number).name
    assert (ended.code, ended.signal, ended.problem) == (0, name, None)
    assert (tmp_path / "saved-0").read_text() == name
    assert signal.getsignal(number) is earlier


def test_both_workers_of_torchrun_hear_a_signal_that_torchrun_does_not(tmp_path):
    sender = signal_when(lambda: all((tmp_path / f"ready-{rank}").exists() for rank in (0, 1)), signal.SIGTERM)
    ended = run_command(launch(tmp_path, STEPS, processes=2))
    sender.join()
    assert (ended.code, ended.signal) == (0, "SIGTERM")
    assert [(tmp_path / f"saved-{rank}").read_text() for rank in (0, 1)] == ["SIGTERM", "SIGTERM"]


def test_of_two_workers_that_fail_one_is_heard_and_torchrun_does_not_report(tmp_path, capfd):
    ended = run_command(launch(tmp_path, FAILS, processes=2))
    assert ended.problem is not None
    problem, code = ended.problem
    assert problem.what in ("frame 0 is missing", "frame 1 is missing")
    assert (problem.where, problem.fix, code) == ("frames", "prepare again", 2)
    assert capfd.readouterr().err == ""


def test_what_a_user_can_act_on_is_heard_before_what_follows_from_it(tmp_path):
    body = """
    from vgcli_core.errors import VgllmError
    from vgcli_core.processes.workers import BUG
    from threading import Thread
    def fails(name, *problem):
        path = worker.folder / name
        Thread(target=worker.fails, args=problem, daemon=True).start()
        while not list(worker.folder.glob("problem-*")):
            time.sleep(0.01)
        next(worker.folder.glob("problem-*")).rename(path)
    fails("other", VgllmError("this is a bug in vgllm: connection closed"), BUG)
    fails("cause", DataError("a frame is missing"), 2)
    (worker.folder / "other").rename(worker.folder / "problem-1")
    time.sleep(0.3)
    (worker.folder / "cause").rename(worker.folder / "problem-2")
    time.sleep(60)
    """
    ended = run_command(launch(tmp_path, body))
    assert ended.problem is not None
    assert (ended.problem[0].what, ended.problem[1]) == ("a frame is missing", 2)


def test_a_signal_before_anybody_listens_ends_all(tmp_path):
    body = "write('ready', str(os.getpid()))\ntime.sleep(60)"
    sender = signal_when((tmp_path / "ready-0").exists, signal.SIGTERM)
    ended = run_command(launch(tmp_path, body))
    sender.join()
    assert ended.signal == "SIGTERM"
    assert ended.code < 0
    assert gone(int((tmp_path / "ready-0").read_text()))


def test_a_third_ctrl_c_ends_those_who_do_not_listen_any_more(tmp_path):
    body = """
    import signal
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker.listens()
    write("ready", str(os.getpid()))
    time.sleep(60)
    """
    sender = signal_when((tmp_path / "ready-0").exists, *[signal.SIGINT] * 3)
    ended = run_command(launch(tmp_path, body))
    sender.join()
    assert ended.signal == "SIGINT"
    assert gone(int((tmp_path / "ready-0").read_text()))


def test_a_command_that_fails_by_itself_gives_its_code(tmp_path):
    ended = run_command(launch(tmp_path, "raise SystemExit(7)"))
    assert (ended.code, ended.signal, ended.problem) == (7, "", None)


def test_a_worker_whose_starter_is_killed_saves(tmp_path):
    starter = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, {str(script(tmp_path, STEPS))!r}, {str(tmp_path)!r}])\n"
        "time.sleep(60)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != LAUNCH}
    (tmp_path / "left-behind").mkdir()
    with subprocess.Popen([sys.executable, "-c", starter], env=environment) as process:
        wait_for((tmp_path / "ready-0").exists)
        process.kill()
    wait_for((tmp_path / "saved-0").exists)
    assert not (tmp_path / "left-behind").exists()
    assert (tmp_path / "saved-0").read_text() == "SIGTERM"


def test_a_worker_that_is_killed_ends_the_others_at_once_and_is_told(tmp_path, capfd):
    def kill() -> None:
        wait_for(lambda: all((tmp_path / f"ready-{rank}").exists() for rank in (0, 1)))
        os.kill(int((tmp_path / "ready-1").read_text()), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    started = time.monotonic()
    stuck = STEPS + "time.sleep(60)  # waits for the one that is gone\n"
    ended = run_command(launch(tmp_path, stuck, processes=2))
    thread.join()
    assert time.monotonic() - started < 25  # torchrun alone would wait for thirty seconds
    assert ended.problem is not None
    assert ended.problem[0].what == "one of the 2 processes was killed, so the others cannot go on"
    assert ended.problem[1] == 2
    assert "Traceback" not in capfd.readouterr().err
    assert gone(int((tmp_path / "ready-0").read_text()))
