"""`vgllm eval` with a real (tiny, untrained) model: one process or two, stopped, killed, and given bad input."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from tests.unit.evaluation.sets import question, write_set
from vgcli.eval_run import _to_continue
from vgcli.main import app
from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_model
from vgcli_core.processes.workers import LAUNCH

forks = pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
SCENES, EACH = 8, 3
WORLD = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", LAUNCH)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A folder with data/vsi_bench and a saved model."""
    folder = tmp_path_factory.mktemp("world")
    write_set(folder / "data", [question(number, scene=number // EACH) for number in range(SCENES * EACH)])
    model, tokenizer = tiny_model(frame_width=56)
    save_model(model, folder / "model", tokenizer=tokenizer)
    return folder


def words(world: Path, out: Path, *more: str) -> list[str]:
    given = ["eval", "vsi_bench", "--model", str(world / "model"), "--data", str(world / "data"), "--out", str(out)]
    return [*given, "--device", "cpu", "--workers", "0", *more]


def here(*given: object):
    return CliRunner().invoke(app, [str(word) for word in given])


def start(*given: object) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if name not in WORLD}
    return subprocess.Popen(
        [sys.executable, "-m", "vgcli", *map(str, given)],
        env={**kept, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def predictions(out: Path) -> list[str]:
    return (out / "vsi_bench" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()


def answered(out: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in out.glob("answers/*/*"))


@pytest.fixture(scope="module")
def whole(world) -> Path:
    """An uninterrupted run in one process."""
    done = here(*words(world, world / "whole"))
    assert done.exit_code == 0, done.output
    return world / "whole"


def test_a_run_leaves_answers_scores_and_a_page(whole):
    assert len(predictions(whole)) == SCENES * EACH
    line = json.loads(predictions(whole)[0])
    assert set(line) >= {"id", "text", "truth", "benchmark", "info"}
    record = json.loads((whole / "run.json").read_text(encoding="utf-8"))
    assert {"model", "settings", "benchmarks", "starts"} <= record.keys()
    assert record["starts"][0]["dtype"] == "float32"
    assert "vgllm eval vsi_bench" in record["starts"][0]["command"]
    report = json.loads((whole / "report.json").read_text(encoding="utf-8"))
    assert report["reports"]["vsi_bench"]["n"] == SCENES * EACH
    page = (whole / "report.html").read_text(encoding="utf-8")
    assert "VSI-Bench" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


def test_the_same_command_asks_nothing_and_scores_again(world, whole, monkeypatch):
    monkeypatch.setattr("vgcli_core.predict.loading.load_model", lambda *_, **__: pytest.fail("loaded"))
    before = predictions(whole)
    (whole / "report.html").unlink()  # as if the report had been interrupted
    (whole / "vsi_bench" / "report.json").unlink()
    done = here(*words(world, whole))
    assert done.exit_code == 0, done.output
    assert (whole / "report.html").is_file()
    assert predictions(whole) == before
    again = here("eval", "--out", whole, "--json")
    assert json.loads(again.stdout)["reports"]["vsi_bench"]["n"] == SCENES * EACH


def test_two_processes_answer_as_one(world, whole, tmp_path):
    process = start(*words(world, tmp_path / "run", "--num-processes", "2"))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "VSI-Bench" in out
    parts = sorted(path.name for path in (tmp_path / "run" / "answers" / "vsi_bench").iterdir())
    assert parts == ["part-0-of-2.jsonl", "part-1-of-2.jsonl"]
    assert predictions(tmp_path / "run") == predictions(whole)
    assert not (tmp_path / "run" / "locks").exists()


def test_another_tokenizer_or_penalty_is_another_model(world, tmp_path):
    shutil.copytree(world / "model", tmp_path / "model")
    given = ["eval", "vsi_bench", "--model", tmp_path / "model", "--data", world / "data", "--out", tmp_path / "run"]
    assert here(*given, "--device", "cpu", "--limit", "2", "--workers", "0").exit_code == 0
    path = tmp_path / "model" / "generation_config.json"
    path.write_text(json.dumps({"repetition_penalty": 1.7}), encoding="utf-8")
    done = here(*given, "--device", "cpu", "--limit", "2")
    assert done.exit_code == 2
    assert "another model (generation_config.json differs)" in done.stderr


def test_shards_answer_as_one_and_the_last_one_reports(world, whole, tmp_path):
    first = here(*words(world, tmp_path / "run", "--shard", "1/2"))
    assert first.exit_code == 0, first.output
    assert f"12 of {SCENES * EACH} samples are not answered" in first.stderr
    assert not (tmp_path / "run" / "report.json").exists()
    last = here(*words(world, tmp_path / "run", "--shard", "0/2"))
    assert last.exit_code == 0, last.output
    assert predictions(tmp_path / "run") == predictions(whole)
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 20))])
def test_a_killed_run_ends_with_the_same_predictions(world, whole, tmp_path, seed):
    out = tmp_path / "run"
    more = () if seed % 2 else ("--num-processes", "2")
    process = start(*words(world, out, "--batch-size", "1", "--max-new-tokens", "16", *more))
    wait_until(lambda: answered(out) > (seed * 7) % 10, process)
    everyone = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for each in everyone:
        each.kill()
    process.communicate()
    assert 0 < answered(out) < SCENES * EACH, "killed too late to mean anything"
    done = here(*words(world, out, "--batch-size", "1", "--max-new-tokens", "16"))
    assert done.exit_code == 0, done.output
    assert predictions(out) == predictions(whole)


@forks
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_signal_keeps_what_is_answered(world, whole, tmp_path, number, code):
    shutil.copytree(world / "data", tmp_path / "data")
    frame = tmp_path / "data" / "vsi_bench" / "frames" / "4" / "0.png"
    picture = frame.read_bytes()
    frame.unlink()
    os.mkfifo(frame)  # the run waits here for a signal
    out = tmp_path / "run"
    given = ["eval", "vsi_bench", "--model", world / "model", "--data", tmp_path / "data", "--out", out]
    process = start(*given, "--device", "cpu", "--workers", "1")
    wait_until(lambda: answered(out) == 4 * EACH, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "what is answered is kept" in err
    assert "Traceback" not in err
    frame.unlink()
    frame.write_bytes(picture)
    done = here(*given, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert predictions(out) == predictions(whole)


def wait_until(happened, process, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not happened() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    assert happened(), process.communicate()[1] if process.poll() is not None else "nothing happened"


def test_what_cannot_be_read_fails_its_samples_alone(world, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(world / "data", data)
    (data / "vsi_bench" / "frames" / "3" / "1.png").write_bytes(b"no picture")
    (data / "vsi_bench" / "frames" / "5" / "0.png").unlink()
    out = tmp_path / "run"
    given = ["eval", "vsi_bench", "--model", world / "model", "--data", data, "--out", out, "--device", "cpu"]
    done = here(*given)
    assert done.exit_code == 3, done.output
    assert f"{2 * EACH} of {SCENES * EACH}" in done.stdout
    report = json.loads((out / "vsi_bench" / "report.json").read_text(encoding="utf-8"))
    assert sum(report["failed"].values()) == 2 * EACH
    shutil.copytree(world / "data", data, dirs_exist_ok=True)
    assert here(*given).exit_code == 3
    mended = here(*given, "--retry-failed")
    assert mended.exit_code == 0, mended.output


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["vsibench"], "did you mean 'vsi_bench'"),
        (["vsi_bench", "--data", "nowhere"], "no such folder"),
        (["vsi_bench", "scanrefer"], "vgllm prepare scanrefer"),
        (["vsi_bench", "--shard", "2/2"], "shard"),
        (["vsi_bench", "--model", "nowhere/model"], "nowhere/model"),
        (["vsi_bench", "--max-new-tokens", "4"], "--max-new-tokens differs"),
        (["vsi_bench", "--limit", "3"], "--limit is 3, and was not given"),
        (["vsi_bench", "--predictions", "p.jsonl"], "goes with --model, not with --predictions"),
        (["vsi_bench", "--truth", "p.jsonl"], "--truth goes with"),
        (["--split", "test"], "no benchmark is named"),
    ],
)
def test_bad_input_is_told_at_once(world, whole, change, says):
    model = [] if "--model" in change else ["--model", world / "model"]
    done = here("eval", *model, "--data", world / "data", "--out", whole, "--device", "cpu", *change)
    assert done.exit_code == 2, done.output
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.output
    assert len(predictions(whole)) == SCENES * EACH


def test_the_report_is_of_the_whole_run(world, tmp_path):
    for name, dataset in (("vsi_bench", "vsi_bench"), ("sqa3d", "sqa3d")):
        if name == "sqa3d":
            truth = {"answer": "two", "question_type": "how", "scene": "s"}
            sample = replace(question(0), dataset=name, truth=truth)
            write_set(tmp_path / "data", [sample], dataset=dataset)
        else:
            shutil.copytree(world / "data" / dataset, tmp_path / "data" / dataset)
        given = ["eval", name, "--model", world / "model", "--data", tmp_path / "data", "--out", tmp_path / "run"]
        done = here(*given, "--device", "cpu", "--limit", "4")
        assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert sorted(found["reports"]) == ["sqa3d", "vsi_bench"]
    here("eval", "sqa3d", "--out", tmp_path / "run")
    again = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert again["reports"]["vsi_bench"] == found["reports"]["vsi_bench"]


@forks
def test_a_set_that_is_a_link_is_found_again(world, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "vsi_bench").symlink_to(shutil.copytree(world / "data" / "vsi_bench", tmp_path / "elsewhere"))
    given = ["eval", "vsi_bench", "--model", world / "model", "--data", tmp_path / "data", "--out", tmp_path / "run"]
    assert here(*given, "--device", "cpu", "--limit", "2", "--workers", "0").exit_code == 0
    done = here("eval", "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output


def test_an_unfinished_run_is_not_scored(world, tmp_path):
    assert here(*words(world, tmp_path / "run", "--shard", "0/2")).exit_code == 0
    done = here("eval", "--out", tmp_path / "run")
    assert done.exit_code == 2
    assert "vsi_bench 12" in done.stderr
    assert "vgllm eval vsi_bench" in done.stderr
    assert "every other --shard" in done.stderr


def test_the_command_to_continue_is_one_that_asks_what_is_missing():
    def of(*commands, model="m"):
        return {"model": {"name": model}, "starts": [{"command": f"vgllm eval {one}"} for one in commands]}

    both = of("blink --model m --out r", "sqa3d --model m --out r --restart")
    assert _to_continue(both, ["sqa3d"]) == "vgllm eval sqa3d --model m --out r"
    assert _to_continue(both, ["blink"]) == "vgllm eval blink --model m --out r"
    assert _to_continue(of("blink --out r", model="a b"), ["blink"]) == "vgllm eval blink --out r --model 'a b'"
    assert "began it" in _to_continue(of("blink --out r"), ["sqa3d"])


@forks
def test_frames_that_hang_do_not_hang_the_report(world, tmp_path):
    shutil.copytree(world / "data", tmp_path / "data")
    frame = tmp_path / "data" / "vsi_bench" / "frames" / "2" / "0.png"
    frame.unlink()
    os.mkfifo(frame)
    given = ["eval", "vsi_bench", "--model", world / "model", "--data", tmp_path / "data", "--out", tmp_path / "run"]
    done = here(*given, "--device", "cpu", "--timeout", "1")
    assert done.exit_code == 3, done.output
    assert "longer than 1 s to read" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    other = tmp_path / "data" / "vsi_bench" / "frames" / "3" / "0.png"  # that was read while it was a picture
    other.unlink()
    os.mkfifo(other)
    assert here("eval", "--out", tmp_path / "run").exit_code == 3


def test_two_runs_are_compared_benchmark_by_benchmark(world, whole, tmp_path):
    other = tmp_path / "other"
    assert here(*words(world, other, "--max-new-tokens", "1")).exit_code == 0
    done = here("eval", "--compare", whole, other, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["benchmark"], found["n"]) == ("vsi_bench", SCENES * EACH)


def test_a_suite_fills_the_tables_of_the_paper_role_by_role(world, tmp_path):
    model, out = world / "model", tmp_path / "paper"
    given = ["vsi_bench", "--suite", "paper", "--data", world / "data", "--device", "cpu", "--out", out]
    done = here("eval", *given, "--model", f"spatial={model}", "--limit", "6")
    assert done.exit_code == 0, done.output
    again = here("eval", *given, "--model", f"spatial-no-geometry={model}")
    assert again.exit_code == 0, again.output
    text = (out / "tables.md").read_text(encoding="utf-8")
    # The paper's number, both of ours, and which command made them.
    said = ("47.3", "ours: spatial", "ours: spatial-no-geometry", f"--model {model}", "--limit 6")
    assert [part for part in said if part not in text] == []
    assert "ours: scene" in text
    assert r"\begin{tabular}" in (out / "tables.tex").read_text(encoding="utf-8")
    assert (out / "spatial" / "report.html").is_file()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--suite", "papers"], "did you mean 'paper'"),
        (["--suite", "paper"], "no model plays a row"),
        (["--suite", "paper", "--model", "somewhere"], "names no role"),
        (["--suite", "paper", "--model", "scen=somewhere"], "did you mean 'scene'"),
        (["--suite", "paper", "--model", "scene=a", "--model", "scene=b"], "given twice"),
        (["blink", "--suite", "paper", "--model", "scene=a"], "in no table with blink"),
        (["--suite", "paper", "--model", "scene=a"], "prepared sets are missing: scanrefer, scan2cap, scannet_det"),
    ],
)
def test_a_suite_that_cannot_be_is_refused(world, tmp_path, given, says):
    done = here("eval", *given, "--data", world / "data", "--out", tmp_path / "paper", "--device", "cpu")
    assert done.exit_code == 2, done.output
    assert says in " ".join(done.stderr.split())
    assert not (tmp_path / "paper").exists()


def test_half_precision_tells_how_many_answers_asking_one_by_one_would_change(world, tmp_path):
    done = here(*words(world, tmp_path / "half", "--dtype", "bfloat16"))
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "half" / "run.json").read_text(encoding="utf-8"))
    assert record["recheck"]["asked"] == 16
    assert record["recheck"]["dtype"] == "bfloat16"
    assert f"{record['recheck']['different']} of 16 answers differ" in done.stderr
    assert "one by one" in (tmp_path / "half" / "report.html").read_text(encoding="utf-8")


def test_in_float32_asking_one_by_one_changes_nothing(world, tmp_path):
    done = here(*words(world, tmp_path / "whole", "--recheck", "24"))
    assert done.exit_code == 0, done.output
    assert "asked again one by one: 0 of 24 answers differ" in done.stderr


def test_features_that_are_kept_are_found_again(world, tmp_path, monkeypatch):
    given = words(world, tmp_path / "first", "--cache-features", str(tmp_path / "cache"))
    assert here(*given).exit_code == 0
    files = sorted(path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors"))
    assert len(files) == SCENES
    monkeypatch.setattr("vgcli_core.model.vgllm.VGLLM.encode", lambda *_: pytest.fail("encoded again"))
    again = words(world, tmp_path / "second", "--cache-features", str(tmp_path / "cache"), "--workers", "1")
    done = here(*again)
    assert done.exit_code == 0, done.output
    assert predictions(tmp_path / "second") == predictions(tmp_path / "first")
