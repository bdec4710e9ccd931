"""Which files of two runs are compared, and what is said of the rest."""

from pathlib import Path

from vgcli.eval_scores import PREDICTIONS, pairs


def run(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / PREDICTIONS).write_text("", encoding="utf-8")
    return folder


def test_benchmarks_of_one_run_alone_are_named_in_one_line_for_each_run(tmp_path, capsys):
    first, second = run(tmp_path / "1", "blink", "cv_bench", "sqa3d"), run(tmp_path / "2", "blink", "nextqa")
    assert pairs(first, second) == [(first / "blink" / PREDICTIONS, second / "blink" / PREDICTIONS)]
    assert capsys.readouterr().err.splitlines() == [
        f"note: left out: cv_bench, sqa3d: only the first has them ({first})",
        f"note: left out: nextqa: only the second has them ({second})",
    ]
    pairs(second, run(tmp_path / "3", "blink", "nextqa"))
    assert capsys.readouterr().err == ""
