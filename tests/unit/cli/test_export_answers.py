"""`vgllm export` of answers: what it writes and says, and what it refuses."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.unit.data.harness import collect, request_for
from tests.unit.export.answer_files import DETECT, boxes_line, number_line, write_lines, write_result
from vgcli.main import app
from vgcli_core.data.sources.rooms import DATASET
from vgcli_core.evaluation.benchmark import Item
from vgcli_core.evaluation.benchmarks.rooms import BENCHMARK
from vgcli_core.evaluation.predictions import line
from vgcli_core.export.answers_result import SCHEMA
from vgcli_core.geometry.boxes import OrientedBox
from vgcli_core.predict import result as predict

EXAMPLES = Path(__file__).parents[3] / "examples" / "predictions"
CUBE = OrientedBox((0.0, 0.0, 5.0), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0), "chair")


def run(*words: object):
    return CliRunner().invoke(app, ["export", *map(str, words)])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_the_schema_is_the_one_that_predict_writes():
    assert SCHEMA == predict.SCHEMA


def test_the_examples_become_a_table(tmp_path):
    source = EXAMPLES / "vsi_bench_before.jsonl"
    done = run(source, "--format", "csv", "--out", tmp_path / "new" / "answers.csv")
    assert done.exit_code == 0, done.output
    found = rows(tmp_path / "new" / "answers.csv")
    lines = [json.loads(text) for text in source.read_text(encoding="utf-8").splitlines()]
    assert [(row["id"], row["text"]) for row in found] == [(one["id"], one["text"]) for one in lines]
    assert "30, of which" in done.stdout


def test_a_folder_of_an_evaluation_or_a_prediction_will_do(tmp_path):
    for name in ("eval/vsi_bench", "predict"):
        (tmp_path / name).mkdir(parents=True)
    write_lines(tmp_path / "eval" / "vsi_bench" / "predictions.jsonl", number_line("a", "4"))
    write_result(tmp_path / "predict" / "result.json", CUBE)
    for place, name in enumerate(("eval", "eval/vsi_bench", "predict")):
        done = run(tmp_path / name, "--format", "coco", "--out", tmp_path / f"{place}.json")
        assert done.exit_code == 0, done.output
    assert len(json.loads((tmp_path / "2.json").read_text(encoding="utf-8"))["annotations"]) == 1


def test_what_could_not_be_read_is_told(tmp_path):
    found = [{"label": "x", "bbox_3d": [1]}]
    file = write_lines(
        tmp_path / "p.jsonl",
        boxes_line("a", DETECT, found),
        number_line("b", "many"),
        number_line("c", "", failed="no frame"),
    )
    done = run(file, "--format", "csv", "--out", tmp_path / "out.csv")
    assert "2 of 3 answers could not be read" in done.stderr
    assert "1 samples could not be asked" in done.stderr
    assert "1 boxes inside answers could not be used" in done.stderr
    assert [row["status"] for row in rows(tmp_path / "out.csv")] == ["invalid", "none", "failed"]


def test_true_answers_of_rooms_give_the_true_boxes(tmp_path):
    samples = collect(DATASET, request_for(DATASET, tmp_path / "raw", "val", options={"rooms": 2})).samples
    items = [
        Item(sample.id, BENCHMARK.perfect(truth), truth, "ZXY")
        for sample in samples
        if (plain := BENCHMARK.truth_of(sample)) is not None
        for truth in [BENCHMARK.truth.model_validate(plain)]
    ]
    file = tmp_path / "predictions.jsonl"
    file.write_text("".join(line("rooms", item) + "\n" for item in items), encoding="utf-8")
    done = run(file, "--format", "coco", "--out", tmp_path / "out.json")
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert found["info"]["counts"]["ok"] == len(items)
    names = {one["id"]: one["name"] for one in found["categories"]}
    detections = [item for item in items if item.truth.task == "detect"]
    assert detections
    for item in detections:
        own = [one for one in found["annotations"] if one["answer"] == item.id]
        true = item.truth.own.boxes
        assert [names[one["category_id"]] for one in own] == [one.label for one in true]
        np.testing.assert_allclose([one["bbox_3d"] for one in own], [one.bbox_3d for one in true], atol=1e-4)


@pytest.mark.parametrize(
    ("words", "what", "fix"),
    [
        (("{p}",), "the format vgllm is not for answers", "coco or csv or benchmark"),
        (("{p}", "--format", "generation-1"), "not for answers", "coco or csv or benchmark"),
        (("tiny", "--format", "csv"), "the format csv is not for a checkpoint", "vgllm or compact or generation-1"),
        (("nowhere", "--format", "csv"), "nowhere holds no answers", "predictions.jsonl"),
        (("{p}", "--format", "csv", "--dtype", "float32"), "--dtype is for checkpoints", "leave it out"),
        (("{p}", "--format", "csv", "--prompt-revision", "1"), "--prompt-revision is for checkpoints", "leave it out"),
        (("tiny", "--angles", "zxy"), "--angles is for answers", "--euler-convention"),
        (("{root}/two", "--format", "csv"), "2 files of predictions", "sqa3d"),
        (("{root}/old.json", "--format", "csv"), "unknown schema 'vgllm.prediction/0'", SCHEMA),
        (("{root}/broken.json", "--format", "csv"), "answers", "unchanged"),
        (("{root}/far.json", "--format", "csv"), "frame 2 of 1", "unchanged"),
        (("{root}/cut.jsonl", "--format", "csv"), "no JSON", "interrupted"),
        (("{root}/boxes.jsonl", "--format", "csv"), "which Euler convention", "--euler-convention"),
    ],
)
def test_bad_input_is_told_in_three_lines_and_nothing_is_written(tmp_path, words, what, fix):
    root = tmp_path / "in"
    for name in ("vsi_bench", "sqa3d"):
        (root / "two" / name).mkdir(parents=True)
        write_lines(root / "two" / name / "predictions.jsonl", number_line("a", "4"))
    (root / "old.json").write_text('{"schema": "vgllm.prediction/0"}', encoding="utf-8")
    (root / "broken.json").write_text(
        json.dumps(json.loads(write_result(root / "r.json").read_text(encoding="utf-8")) | {"answers": 1}),
        encoding="utf-8",
    )
    far = json.loads(write_result(root / "r.json", CUBE).read_text(encoding="utf-8"))
    (root / "far.json").write_text(json.dumps(far | {"frames": far["frames"][:1]}), encoding="utf-8")
    (root / "cut.jsonl").write_text('{"id": "a", "te', encoding="utf-8")
    answer = [{"label": "x", "bbox_3d": [1] * 9}]
    write_lines(root / "boxes.jsonl", boxes_line("a", DETECT, answer, convention=None))
    p = write_lines(root / "p.jsonl", number_line("a", "4"))
    done = run(*(word.format(root=root, p=p) for word in words), "--out", tmp_path / "out")
    assert done.exit_code == 2, done.output
    error, *rest = done.stderr.splitlines()
    assert error.startswith("error:")
    assert what in error
    assert any(line.startswith("  fix:") and fix in line for line in rest), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_file_that_is_there_stays_unless_it_may_go_and_the_source_always_stays(tmp_path):
    file = write_lines(tmp_path / "p.jsonl", number_line("a", "4"))
    before, old = file.read_bytes(), tmp_path / "out.csv"
    old.write_text("old", encoding="utf-8")
    assert run(file, "--format", "csv", "--out", old).exit_code == 2
    assert old.read_text(encoding="utf-8") == "old"
    assert run(file, "--format", "csv", "--out", old, "--overwrite").exit_code == 0
    assert rows(old)[0]["answer"] == "4"
    assert run(file, "--format", "csv", "--out", file, "--overwrite").exit_code == 2
    assert run(file, "--format", "csv", "--out", tmp_path, "--overwrite").exit_code == 2
    assert file.read_bytes() == before
