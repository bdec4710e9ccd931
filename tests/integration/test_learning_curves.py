"""examples/learning_curves.py on logs of runs."""

import json
import os
import subprocess
import sys

import pytest
from PIL import Image


@pytest.fixture
def draw(repository, tmp_path):
    """Run the script in a folder of its own."""
    script = repository / "examples" / "learning_curves.py"
    environment = {**os.environ, "PYTHONPATH": str(repository)}

    def run(*arguments):
        words = [sys.executable, script, *arguments]
        return subprocess.run(words, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


@pytest.fixture
def runs(tmp_path):
    """Three runs: one that sees, a blind one without middles, and one that was never measured."""
    measured = {
        "sees": [{"answers": 1.2, "middle": 0.6}, {"answers": 0.9, "middle": 0.4}],
        "blind": [{"answers": 1.3}, {"answers": 1.25}],
        "short": [],
    }
    for name, found in measured.items():
        folder = tmp_path / name
        folder.mkdir()
        lines = [{"step": 1, "loss": 2.0}] + [
            {"step": 100 * (at + 1), "validation": one} for at, one in enumerate(found)
        ]
        (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return list(measured)


def test_each_measured_run_has_its_colour(draw, runs, tmp_path):
    assert draw(*runs, "--out", "curves.png").returncode == 0
    with Image.open(tmp_path / "curves.png") as picture:
        colours = {color for _, color in picture.convert("RGB").getcolors(1 << 20)}
    assert {(31, 95, 191), (219, 104, 20)} <= colours
    assert (34, 139, 80) not in colours


def test_a_measure_that_nobody_took_is_an_error(draw, runs, tmp_path):
    done = draw(*runs, "--measure", "depth", "--out", "curves.png")
    assert done.returncode == 2
    assert "depth" in done.stderr
    assert not (tmp_path / "curves.png").exists()


def test_a_log_that_no_run_wrote_is_an_error(draw, runs, tmp_path):
    (tmp_path / "sees" / "log.jsonl").write_text("no line of a run\n", encoding="utf-8")
    done = draw(*runs)
    assert done.returncode == 2
    assert done.stderr.startswith("this is not a line that a run writes\n  where: ")
