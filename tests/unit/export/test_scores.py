"""Scores for a card are the headlines of reports, and only of the model that is exported."""

import json
from pathlib import Path

import pytest

from tests.unit.export.checkpoints import tiny_folder
from tests.unit.export.records import report, score, write_evaluation
from vgcli_core.errors import PredictionsError, UsageError
from vgcli_core.export.checkpoint import export_checkpoint
from vgcli_core.export.plan import Wish
from vgcli_core.export.scores import read_scores


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("saved") / "tiny")


def test_headlines_of_the_whole_benchmark_are_read(tmp_path):
    one = report(
        score(), score("acc@0.5"), score(of="chair"), score("acc@0.25", value=None, ci95=None), benchmark="scanrefer"
    )
    folder = write_evaluation(tmp_path / "eval", None, one, report(benchmark="rooms"))
    first, second = read_scores(folder)
    assert [(row.metric, row.value, row.ci95, row.n) for row in first.rows] == [
        ("acc@0.25", 0.5, (0.25, 0.75), 40),
        ("acc@0.25", None, None, 40),
    ]
    assert (first.benchmark, second.benchmark) == ("scanrefer", "rooms")
    assert first.notes == ("a part of the benchmark",)


def test_a_run_its_file_and_a_benchmarks_file_name_the_same_weights(tiny, tmp_path):
    folder = write_evaluation(tmp_path / "eval", tiny, report())
    found = [read_scores(path)[0].weights for path in (folder, folder / "report.json", folder / "scanrefer")]
    assert list(found[0]) == ["model.safetensors"]
    assert found[0] == found[1] == found[2]
    alone = tmp_path / "alone.json"
    alone.write_text(json.dumps(report()), encoding="utf-8")
    assert read_scores(alone)[0].weights == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "vgllm.report/9"}', '{"schema": "vgllm.report/1"}'])
def test_anything_else_is_refused(tmp_path, text):
    file = tmp_path / "report.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PredictionsError, match="no report") as refused:
        read_scores(file)
    assert refused.value.where == str(file)
    with pytest.raises(PredictionsError, match="no report"):
        read_scores(tmp_path / "none")


def test_a_report_on_the_checkpoint_or_on_the_export_itself_is_taken(tiny, tmp_path):
    wish = Wish(dtype="bfloat16")
    half = export_checkpoint(tiny, tmp_path / "half", wish)
    for number, evaluated in enumerate((tiny, half.folder)):
        evaluation = write_evaluation(tmp_path / f"eval{number}", evaluated, report())
        again = Wish(dtype="bfloat16", reports=(evaluation,), overwrite=True)
        done = export_checkpoint(tiny, tmp_path / "half", again)
        text = (done.folder / "README.md").read_text(encoding="utf-8")
        assert "| acc@0.25 | published | 50.0 | 25.0 to 75.0 | 40 |" in text
        assert "Whoever exported it" not in text


def test_a_report_on_another_model_is_refused_and_leaves_nothing(tiny, tmp_path):
    other = tiny_folder(tmp_path / "other", seed=1)
    evaluation = write_evaluation(tmp_path / "eval", other, report())
    with pytest.raises(UsageError, match="scanrefer is of another model"):
        export_checkpoint(tiny, tmp_path / "out", Wish(reports=(evaluation,)))
    assert not (tmp_path / "out").exists()
