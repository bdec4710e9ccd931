"""README is true: every command and every program in it runs, here or (the two that install) in .ci/run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vgcli_core.evaluation.benchmarks import BENCHMARKS
from vgcli_core.evaluation.predictions import benchmark_of, read_predictions

README = Path(__file__).parents[2] / "README.md"

# Commands that cannot run here, and why. Each must still be in README, letter for letter.
ELSEWHERE = {
    "--model zd11024/vgllm-3d-vggt-4b": "downloads published weights",
    "--model path/to/Qwen2.5-VL-3B-Instruct --geometry path/to/VGGT-1B": "needs published weights on disk",
}


def blocks(language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def commands() -> list[str]:
    return [line for block in blocks("bash") for line in block.splitlines() if line and not line.startswith("#")]


def installs(command: str) -> bool:
    return "pip install" in command


def reason(command: str) -> str:
    return next((why for part, why in ELSEWHERE.items() if command.endswith(part)), "")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """What README's commands find: the examples, raw files (of rooms, in the real layouts), and a prepared set."""
    folder = tmp_path_factory.mktemp("world")
    shutil.copytree(repository / "examples", folder / "examples")
    for words in (["rooms", "--layouts", "--scenes", "2", "--out", "raw"], ["rooms", "--scenes", "2"]):
        done = run([sys.executable, "-m", "vgcli", "prepare", *words], folder, repository)
        assert done.returncode == 0, done.stderr
    (folder / "raw").rename(folder / "rooms_raw")
    shutil.copytree(folder / "rooms_raw", folder / "raw", copy_function=os.link)
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path, world: Path) -> Path:
    """A folder of its own for every command, so that nothing is written into the clone."""
    shutil.copytree(world, tmp_path, copy_function=os.link, dirs_exist_ok=True)
    return tmp_path


def run(words: list[str], folder: Path, repository: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(repository), "HF_HUB_OFFLINE": "1"}
    environment.pop("VGLLM_MODEL", None)
    return subprocess.run(
        words, cwd=folder, env=environment, check=False, capture_output=True, text=True, encoding="utf-8", timeout=300
    )


def test_readme_shows_two_commands_that_install_and_ci_runs_exactly_those(repository):
    installing = [command for command in commands() if installs(command)]
    assert len(installing) == 2
    assert commands()[:2] == installing
    pattern = re.search(r"grep -E '(.*?)' README.md", (repository / ".ci" / "run").read_text(encoding="utf-8"))[1]
    lines = README.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if re.search(pattern, line)] == installing


def test_every_command_that_does_not_run_here_is_still_in_readme():
    assert sorted(part for part in ELSEWHERE if not any(reason(c) and c.endswith(part) for c in commands())) == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="README's commands are written for a shell")
@pytest.mark.parametrize("command", [c.split(" && ", 1)[1] if installs(c) else c for c in commands() if not reason(c)])
def test_a_command_of_readme_runs(command, elsewhere, repository):
    if "pytest" in command:
        pytest.skip("this very run of the tests")
    made = re.search(r"prepare rooms .*--out (\S+)", command)
    if made:  # what this very command makes must not be there
        shutil.rmtree(elsewhere / made[1])
    done = run(["bash", "-euo", "pipefail", "-c", command], elsewhere, repository)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("program", blocks("python"))
def test_a_program_of_readme_runs(program, elsewhere, repository):
    done = run([sys.executable, "-c", program], elsewhere, repository)
    assert done.returncode == 0, done.stderr
    expected = ["Difference(distance=array([0.1])"]  # the boxes' centres are 0.1 m apart
    if "load()" in program:
        expected = ["where is the sink?: ", "How many chair(s) are in this room?: "]
    elif "open_prepared" in program:
        expected = ["Localize the first clear frame", "-> ```json", "(126, 168, 3)"]
    assert [words for words in expected if words not in done.stdout] == []


def test_the_line_of_predictions_in_readme_can_be_read(tmp_path):
    (line,) = (block for block in blocks("json") if '"benchmark"' in block)
    path = tmp_path / "predictions.jsonl"
    path.write_text(line, encoding="utf-8")
    benchmark = BENCHMARKS[benchmark_of(path)]
    assert len(read_predictions(path, benchmark).items) == 1


def test_the_example_program_runs(repository, tmp_path):
    done = run([sys.executable, str(repository / "examples" / "ask_a_video.py")], tmp_path, repository)
    assert done.returncode == 0, done.stderr
    assert "where is the sink? ->" in done.stdout
    assert re.search("^note: .*the demo model", done.stdout, re.MULTILINE)


def test_the_example_of_a_benchmark_scores_an_oracle_a_silent_model_and_a_guess(repository, world):
    done = run([sys.executable, str(repository / "examples" / "add_a_benchmark.py")], world, repository)
    assert done.returncode == 0, done.stderr
    shares = re.findall(r"^(\w.*)\n  within a quarter of all: (\d+)% of (\d+)$", done.stdout, re.MULTILINE)
    assert [name for name, _, _ in shares] == ["oracle", "silent", "always two metres"]
    assert [share for _, share, _ in shares][:2] == ["100", "0"]
    assert len({n for _, _, n in shares} - {"0"}) == 1
