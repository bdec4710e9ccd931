"""`vgllm train` over real processes, torchrun's and accelerate's, with a trainer that is only played."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from vgcli_core.processes.workers import LAUNCH

# Python runs this file at every start, before anything else: it takes the trainer's place in all processes.
STAND_IN = """
import json, os, time
from vgcli import launching
from vgcli_core.errors import DataError
from vgcli_core.training import sets
from vgcli_core.training.progress import Outcome
from vgcli_core.processes.signals import StopRequest

def train(recipe, settings, *, validate=None, watch=None):
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    settings.out.mkdir(parents=True, exist_ok=True)
    def status(**values):
        if rank == 0:
            (settings.out / "status.json").write_text(json.dumps(values))
    if recipe.seed == 13:
        raise DataError("a frame is missing", where="frames", fix="prepare again")
    with StopRequest() as stop:
        (settings.out / f"process-{rank}").write_text(f"{os.getpid()} of {world}")
        for step in range(1, 1 + recipe.run.max_steps):
            time.sleep(0.02)
            if stop.requested:
                status(state="interrupted", signal=stop.requested)
                return Outcome("interrupted", step, recipe.run.max_steps, settings.out, signal=stop.requested)
    status(state="finished")
    return Outcome("finished", recipe.run.max_steps, recipe.run.max_steps, settings.out)

launching.trainer = lambda: (train, lambda recipe, data: None)
sets.open_sets = lambda recipe, data: []
"""
WORLD = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", LAUNCH)


@pytest.fixture
def environment(tmp_path, repository) -> dict[str, str]:
    (tmp_path / "sitecustomize.py").write_text(STAND_IN)
    kept = {name: value for name, value in os.environ.items() if name not in WORLD}
    return {**kept, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(repository))), "OMP_NUM_THREADS": "1"}


def start(folder: Path, environment: dict[str, str], steps: int, *words: str) -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "vgcli", "train", "--recipe", "toy", "--set", f"run.max_steps={steps}", *words)
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def pids(folder: Path, count: int) -> list[int]:
    """Return the processes of a run, once all of them step."""
    until = time.monotonic() + 60
    while True:
        told = [path.read_text().split() for path in folder.glob("runs/toy/process-*")]
        if len(told) == count and all(told):
            return [int(words[0]) for words in told]
        assert time.monotonic() < until
        time.sleep(0.05)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.skipif(sys.platform == "win32", reason="signals between processes, and a POSIX shell")
def test_two_processes_save_when_asked_and_the_printed_command_runs_by_hand(tmp_path, environment):
    first = start(tmp_path, environment, 10_000, "--num-processes", "2")
    both = pids(tmp_path, 2)
    first.send_signal(signal.SIGTERM)
    said = first.communicate(timeout=60)[1]
    assert first.returncode == 75, said
    assert said.count("run the same command again to continue") == 1
    assert "interrupted: SIGTERM: saved after step" in said
    assert "Traceback" not in said
    assert all(map(gone, both))

    (line,) = [line for line in said.splitlines() if line.startswith("running: ")]
    typed = line.removeprefix("running: ").replace("run.max_steps=10000", "run.max_steps=2")
    (tmp_path / "runs" / "toy" / "status.json").unlink()
    done = subprocess.run(typed, shell=True, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "runs" / "toy" / "status.json").read_text()) == {"state": "finished"}
    assert (tmp_path / "runs" / "toy" / "process-1").read_text().endswith(" of 2")
    assert "2 processes x 4 at a time x 1 turn" in done.stderr
    assert "finished" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="signals between processes")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_one_process_saves_when_asked(tmp_path, environment, number, code):
    run = start(tmp_path, environment, 10_000, "--device", "cpu")
    pids(tmp_path, 1)
    run.send_signal(number)
    said = run.communicate(timeout=60)[1]
    assert run.returncode == code, said
    assert f"interrupted: {signal.Signals(number).name}: saved after step" in said
    assert "running:" not in said


def test_what_every_process_finds_wrong_is_said_once(tmp_path, environment):
    run = start(tmp_path, environment, 2, "--num-processes", "2", "--set", "seed=13")
    said = run.communicate(timeout=60)[1]
    assert run.returncode == 2, said
    assert said.count("a frame is missing") == 1
    assert said.endswith("error: a frame is missing\n  where: frames\n  fix: prepare again\n")


def test_an_accelerate_file_is_taken_as_it_is(tmp_path, environment):
    # accelerate starts one process on a CPU whatever the file says, and gives it no world.
    (tmp_path / "own.yaml").write_text("distributed_type: 'NO'\nuse_cpu: true\nnum_processes: 1\n")
    run = start(tmp_path, environment, 2, "--accelerate", "own.yaml")
    said = run.communicate(timeout=60)[1]
    assert run.returncode == 0, said
    assert "-m accelerate.commands.launch --config_file own.yaml -m vgcli train --recipe toy" in said
    assert json.loads((tmp_path / "runs" / "toy" / "status.json").read_text()) == {"state": "finished"}


def test_a_command_that_fails_by_itself_is_not_taken_for_a_run(tmp_path, environment):
    (tmp_path / "own.yaml").write_text("nonsense: 1\n")
    run = start(tmp_path, environment, 2, "--accelerate", "own.yaml")
    said = run.communicate(timeout=60)[1]
    assert run.returncode == 2
    assert "error: the processes ended without a word of their own (exit code 1)\n  where: runs/toy\n" in said
