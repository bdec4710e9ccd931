"""`vgllm eval` as a user runs it: tables, report.json, comparisons, and bad input with exit code 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vgcli_core.evaluation.benchmarks import BENCHMARKS

BEFORE, AFTER = (f"examples/predictions/vsi_bench_{name}.jsonl" for name in ("before", "after"))


def vgllm(*words: str | Path, folder: Path, width: str = "80") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": width, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "vgcli", *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
    )


def test_stored_answers_get_a_table_and_a_report_beside_them(repository, tmp_path):
    answers = tmp_path / "predictions.jsonl"
    answers.write_bytes((repository / AFTER).read_bytes())
    done = vgllm("eval", "vsi_bench", "--predictions", "predictions.jsonl", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for words in ("30 samples of 6 scenes", "published", "corrected", "47.3", "95 % interval", "object_counting"):
        assert words in done.stdout
    assert "written: report.json" in done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["predictions"]["name"] == "predictions.jsonl"
    value = report["protocols"]["published"]["scores"][0]["value"]
    assert 0 < value < 1  # a fraction in the file, percent in the table
    assert f"{100 * value:.2f}" in done.stdout

    again = vgllm("eval", "vsi_bench", "--predictions", "predictions.jsonl", folder=tmp_path)
    assert (again.returncode, again.stdout) == (0, done.stdout)


def test_a_narrow_terminal_loses_no_digit(repository, tmp_path):
    words = ("eval", "vsi_bench", "--predictions", repository / AFTER, "--out", "run")
    narrow, usual = (vgllm(*words, folder=tmp_path, width=width) for width in ("30", "80"))
    assert narrow.stdout == usual.stdout


def test_json_is_the_report_and_nothing_is_written_unless_asked(repository, tmp_path):
    done = vgllm("eval", "vsi_bench", "--predictions", repository / AFTER, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["benchmark"] == "vsi_bench"
    assert list(tmp_path.iterdir()) == []
    vgllm("eval", "vsi_bench", "--predictions", repository / AFTER, "--json", "--out", "run", folder=tmp_path)
    assert (tmp_path / "run" / "report.json").read_text() == done.stdout


def test_a_report_of_something_else_is_not_replaced(repository, tmp_path):
    (tmp_path / "predictions.jsonl").write_bytes((repository / AFTER).read_bytes())
    (tmp_path / "report.json").write_text('{"mine": 1}')
    done = vgllm("eval", "vsi_bench", "--predictions", "predictions.jsonl", folder=tmp_path)
    assert done.returncode == 2
    assert "not the report of predictions.jsonl" in done.stderr
    assert "--out" in done.stderr
    assert (tmp_path / "report.json").read_text() == '{"mine": 1}'

    (tmp_path / "other.jsonl").write_bytes((repository / AFTER).read_bytes())
    for _ in range(2):  # its own report may be written again, beside the other
        done = vgllm("eval", "vsi_bench", "--predictions", "other.jsonl", folder=tmp_path)
        assert "written: other.report.json" in done.stderr


def test_two_files_are_compared_sample_by_sample(repository, tmp_path):
    done = vgllm("eval", "--compare", repository / BEFORE, repository / AFTER, "--out", "run", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "30 shared samples" in done.stdout
    assert "better 15, worse 3, equal 12" in done.stdout
    found = json.loads((tmp_path / "run" / "comparison.json").read_text())
    assert (found["n"], found["better"], len(found["changes"])) == (30, 15, 18)


def test_runs_may_be_named_by_their_folders(repository, tmp_path):
    for name, file in (("a", BEFORE), ("b", AFTER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "predictions.jsonl").write_bytes((repository / file).read_bytes())
    assert "better 15" in vgllm("eval", "--compare", "a", "b", folder=tmp_path).stdout


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_every_benchmark_prints_an_example_that_can_be_scored(name, tmp_path):
    lines = vgllm("eval", name, "--example", folder=tmp_path)
    assert lines.returncode == 0, lines.stderr
    (tmp_path / "p.jsonl").write_text(lines.stdout, encoding="utf-8")
    done = vgllm("eval", name, "--predictions", "p.jsonl", "--no-meteor", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 samples" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_benchmarks_can_be_listed(tmp_path):
    done = vgllm("eval", "--list", folder=tmp_path)
    assert done.returncode == 0
    assert [name for name in BENCHMARKS if name not in done.stdout] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["scanreferr", "--predictions", "x"], "did you mean 'scanrefer'?"),
        (["--predictions", "x"], "no benchmark is named"),
        (["vsi_bench", "blink", "--predictions", "x"], "2 benchmarks for one file"),
        (["vsi_bench"], "--predictions FILE"),
        (["vsi_bench", "--predictions", "nothing.jsonl"], "cannot read the file"),
        (["vsi_bench", "--predictions", "."], "cannot read the file"),
        (["vsi_bench", "--predictions", "half.jsonl"], "interrupted run"),
        (["blink", "--predictions", AFTER], "benchmark 'vsi_bench', not 'blink'"),
        (["vsi_bench", "--predictions", AFTER, "--proposals", "x.json"], "says nothing to vsi_bench"),
        (["scanrefer", "--predictions", "empty.jsonl"], "no prediction"),
        (["scanrefer", "--predictions", "unsaid.jsonl"], "euler"),
        (["vsi_bench", "--compare", BEFORE, AFTER], "no NAME"),
        (["--compare", BEFORE, "nothing.jsonl"], "no such run or file"),
        (["--compare", "unsaid.jsonl", AFTER], "names no benchmark"),
        (["vsi_bench", "--predictions", AFTER, "--out", "half.jsonl"], "cannot write"),
    ],
)
def test_bad_input_says_what_to_do_and_exits_with_2(words, says, repository, tmp_path):
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "predictions").mkdir()
    for file in (BEFORE, AFTER):
        (tmp_path / file).write_bytes((repository / file).read_bytes())
    (tmp_path / "half.jsonl").write_bytes((repository / AFTER).read_bytes()[:1000])
    (tmp_path / "empty.jsonl").write_text("")
    pose = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    truth = {"bbox_3d": [0, 0, 2, 1, 1, 1, 0, 0, 0], "euler_convention": "ZXY", "camera_to_world": [pose], "scene": "s"}
    (tmp_path / "unsaid.jsonl").write_text(json.dumps({"id": "a", "text": "", "truth": truth}))
    done = vgllm("eval", *words, folder=tmp_path, width="300")
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_every_field_of_the_report_is_documented_in_readme(repository, tmp_path):
    done = vgllm("eval", "vsi_bench", "--predictions", repository / AFTER, "--json", folder=tmp_path)
    report = json.loads(done.stdout)
    text = (repository / "README.md").read_text(encoding="utf-8")
    section = text[text.index("What `report.json` holds") : text.index("Overlaps of boxes are exact")]
    rules = report["protocols"]["published"]
    parts = (report, rules, rules["scores"][0], report["published"][0], report["range"], report["predictions"])
    fields = {name for part in parts for name in part}
    assert sorted(name for name in fields if f"`{name}" not in section) == []
