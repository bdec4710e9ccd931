"""One run at a time in a folder: with real processes that live, are killed, and start at the same moment."""

import json
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from vgcli_core.errors import UsageError
from vgcli_core.processes import lock
from vgcli_core.processes.lock import LOCK, RunLock

HOLD = """
import sys, time
from pathlib import Path
from vgcli_core.errors import UsageError
from vgcli_core.processes.lock import RunLock
sys.stdin.readline()
try:
    with RunLock(Path(sys.argv[1]), "vgllm train --recipe toy"):
        print("has it", flush=True)
        sys.stdin.readline()
except UsageError as error:
    print("refused", error.what, flush=True)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def tell(process: subprocess.Popen[str], answer: bool = True) -> str:
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip() if answer else ""


def stranger(folder: Path, **values: object) -> Path:
    path = folder / LOCK
    path.write_text(
        json.dumps({"host": "elsewhere", "pid": 1, "started": 0.0, "since": "yesterday", "token": "ab", **values})
    )
    return path


def test_the_folder_is_made_and_the_file_goes_with_the_run(tmp_path):
    folder = tmp_path / "runs" / "rooms"
    with RunLock(folder, "vgllm train"):
        owner = json.loads((folder / LOCK).read_text())
        assert (owner["pid"], owner["host"], owner["command"]) == (os.getpid(), platform.node(), "vgllm train")
        with pytest.raises(UsageError, match="another run writes here"), RunLock(folder):
            pass
    assert list(folder.iterdir()) == []


def test_a_living_run_is_named_and_a_killed_one_is_followed(tmp_path):
    first = holder(tmp_path)
    assert tell(first) == "has it"
    with pytest.raises(UsageError) as refused, RunLock(tmp_path):
        pass
    assert f"process {first.pid} on" in refused.value.what
    assert "vgllm train --recipe toy" in refused.value.what
    first.kill()  # not waited for: a process that nobody has buried yet is dead all the same
    while psutil.Process(first.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    with RunLock(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    first.communicate()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left_behind", ["nothing", "dead run", "dead run and dead heir"])
def test_of_many_starters_at_once_one_runs(tmp_path, left_behind):
    if left_behind != "nothing":
        stranger(tmp_path, host=platform.node(), pid=2**22 + 1)
    if left_behind == "dead run and dead heir":
        (tmp_path / ".lock-ab-heir").write_text(
            json.dumps({"host": platform.node(), "pid": 2**22 + 1, "started": 0.0, "token": "cd"})
        )
    starters = [holder(tmp_path) for _ in range(4)]
    for one in starters:
        tell(one, answer=False)
    said = [one.stdout.readline().strip() for one in starters]
    assert said.count("has it") == 1
    assert sum(words.startswith("refused another run writes here") for words in said) == 3
    for one in starters:
        one.communicate("\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("attempt", range(20))
def test_of_many_threads_that_follow_a_dead_run_one_runs(tmp_path, attempt):
    stranger(tmp_path, host=platform.node(), pid=2**22 + 1)
    inside, together, gate = [], threading.Barrier(8), threading.Lock()
    most = []

    def start() -> None:
        together.wait()
        try:
            with RunLock(tmp_path):
                with gate:
                    inside.append(1)
                    most.append(len(inside))
                time.sleep(0.005)
                with gate:
                    inside.pop()
        except UsageError:
            pass

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert list(tmp_path.iterdir()) == []


def test_a_silent_run_on_another_machine_is_followed_after_a_while(tmp_path):
    stranger(tmp_path)
    said: list[str] = []
    with RunLock(tmp_path, waits=said.append, patience=0.2):
        assert json.loads((tmp_path / LOCK).read_text())["host"] == platform.node()
    assert len(said) == 1 and "waiting" in said[0]


def test_a_run_on_another_machine_that_gives_signs_of_life_is_left_alone(tmp_path):
    path = stranger(tmp_path, command="vgllm train --recipe scene")
    # Its clock is years behind: only that the time moves counts.
    threading.Timer(0.1, lambda: os.utime(path, (1000, 1000))).start()
    with pytest.raises(UsageError, match="on elsewhere, since yesterday: vgllm train --recipe scene"):
        RunLock(tmp_path, patience=2).__enter__()
    assert path.exists()


def test_the_owner_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "REFRESH", 0.02)
    with RunLock(tmp_path):
        os.utime(tmp_path / LOCK, (1000, 1000))
        until = time.monotonic() + 5
        while (tmp_path / LOCK).stat().st_mtime < 2000 and time.monotonic() < until:
            time.sleep(0.02)
        assert (tmp_path / LOCK).stat().st_mtime > 2000


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 3, "token": "../x"}'])
def test_a_damaged_file_belongs_to_nobody(tmp_path, content):
    (tmp_path / LOCK).write_text(content)
    with RunLock(tmp_path, patience=0.1):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_became_anothers_is_not_removed(tmp_path):
    with RunLock(tmp_path):
        stranger(tmp_path)
    assert json.loads((tmp_path / LOCK).read_text())["host"] == "elsewhere"
