"""examples/rooms_end_to_end.sh: run at its smallest; its commands and signals with a Python that is only played."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vgcli_core.training.recipe_files import load_recipe

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

# Writes down what it is asked for, and plays it; in a folder where a file `slow` lies, training waits for a signal.
STAND_IN = """#!/usr/bin/env bash
if [ "$1" = -c ]; then echo 2; exit; fi
[ ! -e "$CALLS.slow" ] || [ "$3" != train ] || trap 'echo "saved $5" >> "$CALLS"; exit 75' TERM
echo "${*:3}" >> "$CALLS"
if [ -e "$CALLS.slow" ] && [ "$3" = train ]; then while true; do sleep 0.05; done; fi
"""


@pytest.fixture
def script(repository: Path) -> str:
    return str(repository / "examples" / "rooms_end_to_end.sh")


@pytest.fixture
def played(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is really run; commands are written to `calls`."""
    stand_in = tmp_path / "python"
    stand_in.write_text(STAND_IN, encoding="utf-8")
    stand_in.chmod(0o755)
    return {**os.environ, "PYTHON": "./python", "CALLS": str(tmp_path / "calls")}


def calls(folder: Path) -> list[list[str]]:
    path = folder / "calls"
    return [line.split() for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def test_the_smallest_run_goes_from_rooms_to_an_answer(tmp_path, repository, script):
    chosen = {"SIZE": "tiny", "OUT": "all", "PROCESSES": "1", "PYTHON": sys.executable, "PYTHONPATH": str(repository)}
    environment = {**os.environ, **chosen}
    done = subprocess.run(
        ["bash", script], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["all"]
    runs = tmp_path / "all" / "runs"
    for name in ("rooms-geometry", "rooms-vision", "rooms"):
        assert json.loads((runs / name / "status.json").read_text(encoding="utf-8"))["state"] == "finished"
    record = json.loads((runs / "rooms" / "run.json").read_text(encoding="utf-8"))
    assert "runs/rooms-geometry/model" in json.dumps(record)
    assert (runs / "eval" / "report.html").is_file()
    assert len(json.loads((runs / "kitchen" / "result.json").read_text(encoding="utf-8"))["answers"]) == 2


def test_the_full_size_is_the_recipes_as_they_are(tmp_path, script, played):
    done = subprocess.run(
        ["bash", script], cwd=tmp_path, env={**played, "SIZE": "full"}, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    asked = calls(tmp_path)
    assert [words[0] for words in asked] == ["prepare"] * 2 + ["train"] * 3 + ["eval", "predict"]
    (prepare,) = {one.prepare for one in load_recipe("rooms").data.sets.values()}
    (folder,) = {one.folder for one in load_recipe("rooms").data.sets.values()}
    assert sorted(asked[0][2:]) == sorted([*prepare.split(), "--out", f"data/{folder}"])
    assert sorted(words[2] for words in asked[2:4]) == ["rooms-geometry", "rooms-vision"]
    assert all("--set" not in words for words in asked[2:4])
    settings = [word for before, word in itertools.pairwise(asked[4]) if before == "--set"]
    assert settings == ["batch.micro=2"]


def test_another_precision_is_that_of_all_three_stages(tmp_path, script, played):
    environment = {**played, "SIZE": "full", "PRECISION": "fp32"}
    subprocess.run(["bash", script], cwd=tmp_path, env=environment, check=True, capture_output=True)
    trained = [" ".join(words) for words in calls(tmp_path) if words[0] == "train"]
    assert len(trained) == 3 and all("--set run.precision=fp32" in command for command in trained)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"SIZE": "huge"}, "SIZE is huge: give tiny, small or full\n"),
        ({"PROCESSES": "3"}, "PROCESSES is 3: give 1, 2 or 4\n"),
    ],
)
def test_what_cannot_be_chosen_is_refused_before_anything_is_done(tmp_path, script, played, chosen, said):
    environment = {**played, **chosen}
    done = subprocess.run(["bash", script], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, said)
    assert not (tmp_path / "calls").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals between processes")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_both_encoders_are_told_to_stop(tmp_path, script, played, number, code):
    (tmp_path / "calls.slow").touch()
    run = subprocess.Popen(["bash", script], cwd=tmp_path, env=played, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while sum(words[0] == "train" for words in calls(tmp_path)) < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    run.send_signal(number)
    assert run.wait(timeout=30) == code
    assert sorted(" ".join(words) for words in calls(tmp_path)[4:]) == ["saved rooms-geometry", "saved rooms-vision"]
