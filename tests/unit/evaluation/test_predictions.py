"""The predictions file: what is read, what is refused, and with which words."""

import json
from pathlib import Path

import pytest

from vgcli_core.errors import ConventionError, PredictionsError
from vgcli_core.evaluation.benchmark import Item
from vgcli_core.evaluation.benchmarks import nextqa, scan2cap, scannet_det
from vgcli_core.evaluation.predictions import benchmark_of, line, read_predictions
from vgcli_core.evaluation.report import score

CAPTIONS, BOXES = scan2cap.BENCHMARK, scannet_det.BENCHMARK
HALF = chr(0xD83D)  # half of a surrogate pair, as a cut-off answer may end
TRUTH = {"references": ["a chair"], "iou": 0.7, "scene": "scene0011_00"}
SCENE = {"boxes": [], "euler_convention": "ZXY", "scene": "scene0011_00"}


def write(path: Path, *lines: object) -> Path:
    path.write_text(
        "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines), encoding="utf-8"
    )
    return path


def caption(name: str = "a", **more: object) -> dict[str, object]:
    return {"benchmark": "scan2cap", "id": name, "text": "A chair.", "truth": TRUTH, **more}


def test_items_come_in_the_order_of_their_ids_with_raw_text_and_checked_truth(tmp_path):
    odd = " " + chr(0x1F600) + " two\nlines" + chr(0x2028) + " and half a pair " + HALF
    path = write(tmp_path / "p.jsonl", caption("b", text=odd), "", caption("a", info={"seconds": 3}))
    found = read_predictions(path, CAPTIONS)
    assert [item.id for item in found.items] == ["a", "b"]
    assert found.items[1].text == odd
    assert found.items[0].truth.references == ("a chair",)
    assert found.source["name"] == "p.jsonl"
    assert len(found.source["sha256"]) == 64


def test_a_line_written_is_a_line_read(tmp_path):
    item = Item("x", 'say "hi"\n' + HALF, scan2cap.Scan2CapTruth.model_validate(TRUTH))
    path = write(tmp_path / "p.jsonl", line("scan2cap", item))
    assert read_predictions(path, CAPTIONS).items == (item,)
    assert benchmark_of(path) == "scan2cap"


def test_what_failed_and_what_was_cut_off_is_read_and_counted(tmp_path):
    items = [Item(name, "", scan2cap.Scan2CapTruth.model_validate(TRUTH)) for name in "abc"]
    lines = [
        line("scan2cap", items[0], failed="no frame"),
        line("scan2cap", items[1], cut_off=True),
        line("scan2cap", items[2]),
    ]
    found = read_predictions(write(tmp_path / "p.jsonl", *lines), CAPTIONS)
    assert (found.failed, found.cut_off) == ({"a": "no frame"}, frozenset("b"))
    report = score(CAPTIONS, found.items, failed=found.failed, cut_off=found.cut_off)
    assert (report.failed, report.cut_off, [one.failed for one in report.samples]) == (
        {"no frame": 1},
        1,
        ["no frame", "", ""],
    )


@pytest.mark.parametrize("more", [{"failed": 1}, {"cut_off": "yes"}, {"cut_off": None}])
def test_another_kind_of_value_is_refused(tmp_path, more):
    with pytest.raises(PredictionsError, match=next(iter(more))):
        read_predictions(write(tmp_path / "p.jsonl", caption(**more)), CAPTIONS)


def test_numbers_serve_as_ids(tmp_path):
    assert read_predictions(write(tmp_path / "p.jsonl", caption() | {"id": 17}), CAPTIONS).items[0].id == "17"


def test_truths_may_come_from_a_second_file_and_unanswered_samples_count_as_empty(tmp_path):
    answers = write(tmp_path / "p.jsonl", {"id": "a", "text": "A chair."}, {"id": "z", "text": "left out"})
    truths = write(tmp_path / "t.jsonl", {"id": "a", "truth": TRUTH}, {"id": "b", "truth": TRUTH})
    found = read_predictions(answers, CAPTIONS, truth=truths)
    assert [(item.id, item.text) for item in found.items] == [("a", "A chair."), ("b", "")]
    assert (found.source["without_answer"], found.source["without_truth"]) == (1, 1)
    assert len(found.notes) == 2


def test_an_unanswered_sample_needs_no_convention(tmp_path):
    answers = write(tmp_path / "p.jsonl", {"id": "a", "text": "[]", "euler_convention": "zxy"})
    truths = write(tmp_path / "t.jsonl", {"id": "a", "truth": SCENE}, {"id": "b", "truth": SCENE})
    assert [item.text for item in read_predictions(answers, BOXES, truth=truths).items] == ["[]", ""]


@pytest.mark.parametrize(
    ("lines", "says", "where", "fix"),
    [
        (["{"], "no JSON", "line 1", "interrupted run"),
        (["{", caption()], "no JSON", "line 1", "one JSON object"),
        (["[1]"], "not a JSON object", "line 1", "{...}"),
        (["[" * 100_000], "no JSON", "line 1", ""),
        ([caption(), caption()], "twice, on lines 1 and 2", "p.jsonl", "one line per sample"),
        ([caption(txt="")], "unknown key 'txt'", "line 1", "did you mean 'text'?"),
        ([{"id": "a", "truth": TRUTH}], "'text' is missing", "line 1", "raw answer"),
        ([caption(text=None)], "'text' is no text but None", "line 1", ""),
        ([{"text": "", "truth": TRUTH}], "'id' is missing", "line 1", ""),
        ([caption(benchmark="blink")], "benchmark 'blink', not 'scan2cap'", "line 1", "vgllm eval blink"),
        ([{"id": "a", "text": ""}], "no truth", "line 1", "--example"),
        ([caption(truth={**TRUTH, "scenes": 1})], "truth.scenes", "line 1", "did you mean 'scene'?"),
        ([caption(truth={**TRUTH, "iou": "high"})], "truth.iou", "line 1", "--example"),
        ([caption(truth=3)], "truth", "line 1", "--example"),
        ([caption(truth={**TRUTH, "references": []})], "at least 1 item", "line 1", "--example"),
        ([caption(truth={**TRUTH, "references": 3})], "valid list", "line 1", "--example"),
        ([caption(benchmark=["scan2cap"])], "'benchmark' is no text", "line 1", ""),
        ([caption(id=True)], "'id' is no text", "line 1", ""),
        ([""], "no prediction", "p.jsonl", "one JSON object per line"),
    ],
)
def test_a_file_that_cannot_be_scored_says_what_where_and_how_to_fix_it(tmp_path, lines, says, where, fix):
    path = write(tmp_path / "p.jsonl", *lines)
    if lines == ["{"]:
        path.write_text("{")
    with pytest.raises(PredictionsError) as refusal:
        read_predictions(path, CAPTIONS)
    assert says in refusal.value.what
    assert where in refusal.value.where
    assert fix in refusal.value.fix


def test_bytes_that_are_no_utf8_are_told_apart(tmp_path):
    (tmp_path / "p.jsonl").write_bytes(b'{"id": "\xff"}\n')
    with pytest.raises(PredictionsError, match="UTF-8"):
        read_predictions(tmp_path / "p.jsonl", CAPTIONS)


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    for path in (tmp_path / "nothing.jsonl", tmp_path):
        with pytest.raises(PredictionsError, match="cannot read"):
            read_predictions(path, CAPTIONS)


def test_a_truth_file_of_other_samples_is_refused(tmp_path):
    answers = write(tmp_path / "p.jsonl", caption("a"))
    truths = write(tmp_path / "t.jsonl", {"id": "b", "truth": TRUTH})
    with pytest.raises(PredictionsError, match="no id"):
        read_predictions(answers, CAPTIONS, truth=truths)


def test_boxes_without_a_declared_convention_are_refused_and_the_command_may_declare_it(tmp_path):
    path = write(tmp_path / "p.jsonl", {"id": "a", "text": "[]", "truth": SCENE})
    with pytest.raises(ConventionError) as refusal:
        read_predictions(path, BOXES)
    assert "line 1" in refusal.value.where
    assert "--euler-convention" in refusal.value.fix
    assert read_predictions(path, BOXES, euler_convention="zxy").items[0].euler_convention == "zxy"


def test_a_line_and_a_command_that_contradict_each_other_are_refused(tmp_path):
    path = write(tmp_path / "p.jsonl", {"id": "a", "text": "[]", "truth": SCENE, "euler_convention": "ZXY"})
    with pytest.raises(PredictionsError, match="the command 'zxy'"):
        read_predictions(path, BOXES, euler_convention="zxy")
    assert read_predictions(path, BOXES, euler_convention="ZXY").items


def test_the_first_line_must_name_the_benchmark_for_a_comparison(tmp_path):
    with pytest.raises(PredictionsError, match="names no benchmark"):
        benchmark_of(write(tmp_path / "p.jsonl", {"id": "a", "text": ""}))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_true_boxes_must_be_finite(tmp_path, number):
    box = f'{{"label": "chair", "bbox_3d": [0, 0, 2, 1, 1, 1, 0, 0, {number}]}}'
    truth = f'{{"boxes": [{box}], "euler_convention": "ZXY", "scene": "s"}}'
    path = write(tmp_path / "p.jsonl", f'{{"id": "a", "text": "", "euler_convention": "ZXY", "truth": {truth}}}')
    with pytest.raises(PredictionsError, match="finite"):
        read_predictions(path, BOXES)


def test_owners_that_write_ids_as_numbers_are_understood(tmp_path):
    truth = {"video": 4010069381, "type": "CW", "answer": 1, **{f"a{i}": "x" for i in range(5)}}
    path = write(tmp_path / "p.jsonl", {"id": "a", "text": "B", "truth": truth})
    assert read_predictions(path, nextqa.BENCHMARK).items[0].truth.video == "4010069381"
