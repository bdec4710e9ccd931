"""The benchmarks run and print their ratios; the figures themselves are in tests/bench/RESULTS.md."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("script", "arguments", "expected"),
    [
        (
            "bench_geometry_encoder.py",
            ["--frames", "2", "--embed", "32", "--depth", "3", "--heads", "2", "--repeat", "1"],
            "ours / straightforward: time",
        ),
        ("bench_overlap.py", ["--rounds", "1"], "of the recorded rate"),
        ("bench_prepare.py", ["--rooms", "2", "--samples", "200"], "the files are equal"),
        ("bench_captions.py", ["--rounds", "1"], "recorded / ours"),
        ("bench_train_run.py", ["--steps", "3", "--long", "12", "--size", "tiny"], "late / early ratio"),
        (
            "bench_sens.py",
            ["--frames", "3", "--width", "160", "--height", "120", "--rounds", "1"],
            "recording / files: frames/s ratio",
        ),
        ("bench_rooms.py", ["--rooms", "1", "--frames", "2"], "times the target in pixels"),
        (
            "bench_feature_cache.py",
            ["--size", "tiny", "--num-frames", "2", "--rounds", "1"],
            "loss and norm of the gradient are equal",
        ),
        ("bench_train_memory.py", ["--size", "tiny", "--cases", "bf16", "--device", "cpu"], "forecast / measured"),
        ("bench_questions.py", ["--num-frames", "2", "--width", "140", "--max-new-tokens", "3"], "0 of 10"),
        (
            "bench_eval.py",
            ["--size", "tiny", "--num-frames", "2", "--questions", "4", "--videos", "2", "--device", "cpu"],
            "0 of 8 answers differ (float32)",
        ),
    ],
)
def test_a_benchmark_runs_and_prints_its_ratio(repository: Path, script: str, arguments: list[str], expected: str):
    command = [sys.executable, str(repository / "tests" / "bench" / script), *arguments]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stderr
    assert expected in found.stdout
