"""Lines for the evaluation code of others: their keys, untouched texts, and angles in their convention."""

import json

import numpy as np
import pytest

from tests.unit.export.answer_files import BOX, DETECT, GROUND, boxes_line, number_line, write_lines, write_result
from vgcli_core.errors import PredictionsError, UsageError
from vgcli_core.evaluation.benchmark import Extras, Item
from vgcli_core.evaluation.benchmarks import BENCHMARKS, scannet_det, scanrefer
from vgcli_core.evaluation.predictions import line
from vgcli_core.export.answers_benchmark import RECORDS, as_benchmark
from vgcli_core.export.answers_eval import read_evaluation
from vgcli_core.export.answers_result import read_result
from vgcli_core.text.reference_answers import read_detection_as_reference, read_grounding_as_reference


def export(tmp_path, *lines, angles="ZXY"):
    text = as_benchmark(read_evaluation(write_lines(tmp_path / "p.jsonl", *lines)), angles)
    return [json.loads(one) for one in text.splitlines()]


@pytest.mark.parametrize("name", RECORDS)
def test_the_example_of_each_benchmark_becomes_a_record_of_its_owners(tmp_path, name):
    benchmark = BENCHMARKS[name]
    text = benchmark.perfect(benchmark.example)
    plain = json.loads(line(name, Item("7", text, benchmark.example, "ZXY" if benchmark.boxes_in_text else None)))
    (found,) = export(tmp_path, plain)
    assert found["prediction"] == text
    keys = RECORDS[name].keys
    assert {key: found[key] for key in keys} == {key: plain["truth"][key] for key in keys}


@pytest.mark.parametrize(
    ("name", "file", "keys"),
    [
        ("vsi_bench", "vsibench", "question_type ground_truth prediction"),
        ("cv_bench", "cvbench", "idx task source answer prediction"),
        ("blink", "blink", "idx sub_task answer prediction"),
        ("video_mme", "videomme", "question_id videoID duration domain sub_category task_type answer prediction"),
        ("tempcompass", "tempcompass", "task video_id answer dim prediction"),
        ("nextqa", "nextqa_mc", "video a0 a1 a2 a3 a4 answer type prediction"),
        ("nextqa_oe", "nextqa_oe", "answer type prediction"),
        ("scanrefer", "scanrefer_transform", "gt_bbox axis_align_matrix cam2global"),
    ],
)
def test_keys_are_those_of_the_recorded_evaluations(tmp_path, golden, name, file, keys):
    with (golden / "metrics" / f"{file}.jsonl").open(encoding="utf-8") as lines:
        recorded = json.loads(next(lines))
    item = Item("7", "", BENCHMARKS[name].example, None)
    (found,) = export(tmp_path, json.loads(line(name, item)))
    assert set(keys.split()) <= set(recorded) & set(found)


def test_only_benchmarks_with_a_documented_file_are_there(tmp_path):
    assert set(BENCHMARKS) - set(RECORDS) == {"sqa3d", "rooms"}
    with pytest.raises(UsageError, match="sqa3d") as refused:
        export(tmp_path, {**number_line("a", "4"), "benchmark": "sqa3d"})
    assert "vsi_bench, cv_bench" in refused.value.fix
    with pytest.raises(UsageError, match="scanrefer and vsi_bench"):
        export(tmp_path, number_line("a", "4"), boxes_line("b", GROUND, ""))
    path = write_result(tmp_path / "result.json")
    with pytest.raises(UsageError, match="vgllm predict"):
        as_benchmark(read_result(path, path.read_text(encoding="utf-8")), "ZXY")


def test_ids_are_as_their_owners_write_them(tmp_path):
    assert [one["id"] for one in export(tmp_path, number_line("12", "4"), number_line("07", "4"))] == [12, "07"]
    truth = {"task": "Depth", "source": "Omni3D", "source_filename": "1.jpg", "answer": "(A)"}
    (found,) = export(tmp_path, {"benchmark": "cv_bench", "id": "3D_5", "text": "A", "truth": truth})
    assert (found["idx"], found["type"]) == (5, "3D")


def test_unread_and_failed_answers_are_lines_too(tmp_path):
    lines = (number_line("a", "many"), number_line("b", "", failed="no frame"))
    assert [one["prediction"] for one in export(tmp_path, *lines)] == ["many", ""]
    assert export(tmp_path, boxes_line("a", DETECT, "none", convention="zxy"))[0]["prediction"] == "none"


@pytest.mark.parametrize("written", ["ZXY", "zxy"])
@pytest.mark.parametrize("angles", ["ZXY", "zxy"])
def test_a_grounding_line_scores_the_same_in_the_convention_of_the_code_that_reads_it(tmp_path, written, angles):
    # The true box is turned about all three axes: read in the wrong convention the answer would miss it.
    truth = scanrefer.GroundingTruth.model_validate({**GROUND, "euler_convention": written})
    text = scanrefer.BENCHMARK.perfect(truth)
    plain = json.loads(line("scanrefer", Item("a", text, truth, written)))
    (found,) = export(tmp_path, plain, angles=angles)
    assert (found["prediction"] == text) == (written == angles)
    assert read_grounding_as_reference(found["prediction"], 3).status == "ok"
    poses = [None if pose is None else np.array(found["axis_align_matrix"]) @ pose for pose in found["cam2global"]]
    again = {
        "bbox_3d": found["gt_bbox"],
        "euler_convention": found["euler_convention"],
        "camera_to_world": [None if pose is None else pose.tolist() for pose in poses],
        "scene": "s",
    }
    item = Item("a", found["prediction"], scanrefer.GroundingTruth.model_validate(again), angles)
    score = scanrefer.BENCHMARK.protocols["corrected"]
    assert score([item], Extras()).values == pytest.approx([1], abs=1e-6)
    other = Item(item.id, item.text, item.truth, "ZXY" if angles == "zxy" else "zxy")
    assert score([other], Extras()).values[0] < 0.9


@pytest.mark.parametrize("angles", ["ZXY", "zxy"])
def test_a_detection_line_is_read_by_the_published_rules(tmp_path, angles):
    answer = boxes_line("a", DETECT, [{"label": "chair", "bbox_3d": BOX}, {"label": "sofa", "bbox_3d": BOX}])
    (found,) = export(tmp_path, answer, angles=angles)
    truth = {"boxes": found["boxes"], "euler_convention": angles, "scene": "s"}
    item = Item("a", found["prediction"], scannet_det.DetectionTruth.model_validate(truth), angles)
    score = scannet_det.BENCHMARK.protocols["corrected"]([item], Extras())
    assert score.values == pytest.approx([2 / 3])  # F1 of one right, one too many
    if angles == "zxy":  # written anew, a box a line
        assert [one.label for one in read_detection_as_reference(found["prediction"]).boxes] == ["chair", "sofa"]
        assert found["boxes"][0]["bbox_3d"][:6] == BOX[:6]
        assert found["boxes"][0]["bbox_3d"][6:] != pytest.approx(BOX[6:], abs=0.1)


@pytest.mark.parametrize(
    "line",
    [
        number_line("a", "4") | {"truth": {"ground_truth": "4"}},
        boxes_line("a", {**DETECT, "boxes": [{"label": "x"}]}, "[]"),
        boxes_line("a", {**DETECT, "boxes": [{"label": "x", "bbox_3d": [1]}]}, "[]"),
        boxes_line("a", {**GROUND, "bbox_3d": [float("nan")] * 9}, ""),
        boxes_line("a", {**GROUND, "bbox_3d": []}, ""),
    ],
)
def test_a_truth_in_another_form_is_refused(tmp_path, line):
    with pytest.raises(PredictionsError, match="not in the form of") as refused:
        export(tmp_path, line)
    assert "--example" in refused.value.fix
