"""Runs of one and two processes, killed and not: they end alike. Processes are forked, so each starts in a moment."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.training.runs import log, losses, recipe, run, weights
from tests.unit.training.test_deepspeed_files import USUAL
from vgcli_core.errors import UsageError
from vgcli_core.training import run_folder
from vgcli_core.training.recipe import Recipe

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and sends SIGKILL")

KILLED = recipe(
    run={"max_steps": 12, "epochs": 2, "save_every": 3}, validation={"every": 4, "hold_out": 4}, data={"workers": 1}
)


def start(
    what: Recipe, data: Path, out: Path | tuple[Path, ...], *, world: int = 1, **settings: Any
) -> list[multiprocessing.Process]:
    """Start the processes of a run, as torchrun would; each may have a folder of its own."""
    outs = out if isinstance(out, tuple) else (out,) * world
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    found = [
        context.Process(target=_work, args=(what, data, outs[rank], (rank, world, port), settings))
        for rank in range(world)
    ]
    for one in found:
        one.start()
    return found


def _work(what: Recipe, data: Path, out: Path, place: tuple[int, int, int], settings: dict[str, Any]) -> None:
    rank, world, port = place
    torch.set_num_threads(1)
    if world > 1:
        os.environ |= {
            **{"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world)},
            **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
        }
    os.setpgid(0, 0)  # so that its own workers go with it
    run(what, data, out, **settings)


def finish(what: Recipe, data: Path, out: Path, *, world: int = 1) -> None:
    """Run to the end."""
    processes = start(what, data, out, world=world)
    for one in processes:
        one.join(240)
    assert [one.exitcode for one in processes] == [0] * world


def kill_somewhere(what: Recipe, data: Path, out: Path, *, seed: int, world: int = 1) -> int:
    """Start a run and end it with SIGKILL at a random moment of a random step; return how many steps it had done."""
    draw = random.Random(seed)
    wanted, patience = draw.randrange(12), draw.random() * 0.3
    processes = start(what, data, out, world=world)
    until = time.monotonic() + 120
    while done(out) < wanted and any(one.is_alive() for one in processes) and time.monotonic() < until:
        time.sleep(0.002)
    time.sleep(patience)
    for one in processes:
        try:
            os.killpg(one.pid, signal.SIGKILL)
        except ProcessLookupError:
            one.kill()
        one.join()
    return done(out)


def done(out: Path) -> int:
    path = out / "log.jsonl"
    return path.read_bytes().count(b'"loss"') if path.exists() else 0


@pytest.fixture(scope="module")
def whole(rooms, tmp_path_factory) -> Path:
    """A run of one process that was never stopped."""
    out = tmp_path_factory.mktemp("whole") / "run"
    finish(KILLED, rooms, out)
    return out


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[pytest.mark.slow] if seed >= 2 else []) for seed in range(12)]
)
def test_a_run_that_is_killed_at_any_moment_ends_as_if_it_had_not_been(whole, rooms, tmp_path, seed):
    out = tmp_path / "run"
    kill_somewhere(KILLED, rooms, out, seed=seed)
    kill_somewhere(KILLED, rooms, out, seed=100 + seed)
    finish(KILLED, rooms, out)
    assert (out / "log.jsonl").read_bytes() == (whole / "log.jsonl").read_bytes()
    for name in ("model", "best"):
        found, expected = weights(out, name), weights(whole, name)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]


def test_two_processes_give_the_losses_of_one_for_the_same_batch(whole, rooms, tmp_path):
    finish(KILLED, rooms, tmp_path / "two", world=2)
    assert losses(tmp_path / "two") == pytest.approx(losses(whole), rel=1e-6)
    both = zip(log(tmp_path / "two"), log(whole), strict=True)
    assert all(one.get("tokens") == other.get("tokens") for one, other in both)
    found, expected = weights(tmp_path / "two"), weights(whole)
    assert all(torch.allclose(found[name], expected[name], atol=1e-5) for name in expected)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_two_killed_processes_go_on_as_one_run(whole, rooms, tmp_path, seed):
    kill_somewhere(KILLED, rooms, tmp_path / "run", seed=seed, world=2)
    finish(KILLED, rooms, tmp_path / "run", world=2)
    assert losses(tmp_path / "run") == pytest.approx(losses(whole), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed_gives_the_losses_of_one_process_and_right_names_and_goes_on(rooms, tmp_path, stage, precision):
    """Slow, since DeepSpeed compiles its communication at the first use."""
    plain = {"max_steps": 6, "precision": precision}
    finish(recipe(run=plain), rooms, tmp_path / "one")
    zero = recipe(run={**plain, "zero": stage})
    finish(zero, rooms, tmp_path / "zero", world=2)
    close = 1e-6 if precision == "fp32" else 2e-3
    assert losses(tmp_path / "zero") == pytest.approx(losses(tmp_path / "one"), rel=close)
    found, expected = weights(tmp_path / "zero"), weights(tmp_path / "one")
    assert found.keys() == expected.keys()
    assert {tensor.dtype for tensor in found.values()} == {torch.float32 if precision == "fp32" else torch.bfloat16}
    # Killed, and continued by another number of processes.
    kill_somewhere(zero, rooms, tmp_path / "run", seed=3, world=2)
    finish(zero, rooms, tmp_path / "run", world=2)
    assert losses(tmp_path / "run") == pytest.approx(losses(tmp_path / "zero"), rel=close)


def test_a_process_that_sees_another_folder_stops_all(rooms, tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "_PATIENCE", 0.5)
    finish(recipe(run={"max_steps": 2}), rooms, tmp_path / "mine")
    (tmp_path / "mine" / "status.json").unlink()  # as if it had been killed before its end
    shutil.rmtree(tmp_path / "mine" / "model")
    processes = start(recipe(run={"max_steps": 2}), rooms, (tmp_path / "mine", tmp_path / "other"), world=2)
    for one in processes:
        one.join(60)
    assert processes[1].exitcode == 1
    assert processes[0].exitcode != 0


@pytest.mark.slow
def test_a_users_deepspeed_file_trains_as_the_recipe_says(rooms, tmp_path):
    finish(recipe(), rooms, tmp_path / "one")
    file = tmp_path / "ds.json"
    file.write_text(json.dumps(USUAL))
    processes = start(recipe(), rooms, tmp_path / "zero", world=2, deepspeed=file)
    for one in processes:
        one.join(240)
    assert [one.exitcode for one in processes] == [0, 0]
    assert losses(tmp_path / "zero") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)


@pytest.mark.slow
def test_a_run_goes_on_without_deepspeed_where_it_stopped_with_it(rooms, tmp_path):
    def with_stage(stage: int, steps: int) -> Recipe:
        return recipe(run={"max_steps": 6, "zero": stage, "save_every": steps})

    finish(with_stage(0, 6), rooms, tmp_path / "one")
    # Ended by a signal to the first process after step 3.
    processes = start(with_stage(3, 3), rooms, tmp_path / "run", world=2)
    while done(tmp_path / "run") < 3 and processes[0].is_alive():
        time.sleep(0.01)
    os.kill(processes[0].pid, signal.SIGTERM)
    for one in processes:
        one.join(120)
    finish(with_stage(0, 6), rooms, tmp_path / "run")
    assert losses(tmp_path / "run") == pytest.approx(losses(tmp_path / "one"), rel=1e-6)


def test_two_runs_in_one_folder_the_second_is_refused_and_the_first_goes_on(whole, rooms, tmp_path):
    out = tmp_path / "run"
    first = start(KILLED, rooms, out)[0]
    while not (out / "lock").exists() and first.is_alive():
        time.sleep(0.005)
    with pytest.raises(UsageError, match="another run"):
        run(KILLED, rooms, out)
    first.join(120)
    assert first.exitcode == 0
    assert (out / "log.jsonl").read_bytes() == (whole / "log.jsonl").read_bytes()
