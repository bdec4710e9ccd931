"""Letters, numbers, words and their scores against the recorded ones: every question exactly, aggregates to 1e-9.

The files under data/metrics are a few lines of each recording; the aggregates need the shared ones.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgcli_core.evaluation.benchmark import CORRECTED, PUBLISHED, AnyBenchmark, Extras, Item, Outcome
from vgcli_core.evaluation.benchmarks import (
    blink,
    cv_bench,
    nextqa,
    nextqa_oe,
    tempcompass,
    video_mme,
    vsi_bench,
)
from vgcli_core.evaluation.metrics.choices import LMMS_EVAL
from vgcli_core.evaluation.metrics.judge import read_caption_verdict, read_verdict
from vgcli_core.evaluation.metrics.letters import (
    best_ranked,
    first_capital,
    first_word,
    last_named,
    leading_letter,
    stated_letter,
)
from vgcli_core.evaluation.metrics.numbers import BOUNDS, first_number, strict_number
from vgcli_core.evaluation.metrics.words import wups

NOT_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
READERS = {
    "reference_cvbench_and_blink": lambda text: first_capital(text, "ABCDEF"),
    "reference_vsibench_first_word": first_word,
    "lmms_eval_0.3.0_videomme": lambda text: first_capital(text, "ABCD"),
    "lmms_eval_0.7.3_videomme": lambda text: best_ranked(text, "ABCD"),
    "lmms_eval_0.7.3_blink_ABCD": lambda text: stated_letter(text, "ABCD"),
    "lmms_eval_0.7.3_cv_bench": leading_letter,
}
# Similarities of words of the recordings beyond the recorded pairs: WordNet 3.0 through nltk 3.10.4, as those.
SIMILARITIES = Path(__file__).parent / "data" / "wordnet_similarities.json"


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    found = [
        json.loads(line) for line in (folder / "metrics" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert found
    return found


def truths(name: str, found: list[dict[str, Any]]) -> list[Any]:
    """The truth of each recorded question; the recordings name no scene, so each question has its own."""
    makers = {
        "vsibench": lambda row: vsi_bench.VsiBenchTruth(
            question_type=row["question_type"], ground_truth=row["ground_truth"], dataset="", scene_name=str(row["id"])
        ),
        "cvbench": lambda row: cv_bench.CvBenchTruth(
            answer=row["answer"],
            task=row["task"],
            source=row["source"],
            source_filename=str(row["idx"]),
            choices=row["choices"],
        ),
        "blink": lambda row: blink.BlinkTruth(idx=row["idx"], sub_task=row["sub_task"], answer=row["answer"]),
        "videomme": lambda row: video_mme.VideoMmeTruth(
            **{key: row[key] for key in ("videoID", "answer", "duration", "domain", "sub_category", "task_type")}
        ),
        "tempcompass": lambda row: tempcompass.TempCompassTruth(
            **{key: row[key] for key in ("task", "video_id", "dim", "answer", "question")}
        ),
        "nextqa_mc": lambda row: nextqa.NextQaTruth(
            **{key: row[key] for key in ("video", "type", "answer", "a0", "a1", "a2", "a3", "a4")}
        ),
        "nextqa_oe": lambda row: nextqa_oe.NextQaOpenTruth(
            video="", **{key: row[key] for key in ("type", "answer", "additional_ref_answer")}
        ),
    }
    return [makers[name](row) for row in found]


def scored(
    benchmark: AnyBenchmark, name: str, found: list[dict[str, Any]], protocol: str = PUBLISHED, **extras: Any
) -> Outcome:
    texts = [row["prediction"] for row in found]
    items = [Item(str(n), text, truth) for n, (text, truth) in enumerate(zip(texts, truths(name, found), strict=True))]
    return benchmark.protocols[protocol](items, Extras(**extras))


def table(outcome: Outcome) -> dict[tuple[str, str], float]:
    names = [(metric.name, metric.of) for metric in outcome.tally.metrics]
    return dict(zip(names, outcome.tally.scores().tolist(), strict=True))


def samples(outcome: Outcome) -> dict[tuple[str, str], int]:
    return {(metric.name, metric.of): metric.n for metric in outcome.tally.metrics}


@pytest.fixture(scope="module")
def summary(golden) -> dict[str, Any]:
    return json.loads((golden / "metrics" / "mcq_summary.json").read_text())


@pytest.mark.parametrize("reader", READERS)
def test_letters_are_read_as_recorded(golden_or_copy, reader):
    for row in rows(golden_or_copy, "letter_extraction"):
        assert (READERS[reader](row["text"]) or "") == row[reader], row["text"]


def test_numbers_are_read_as_recorded(golden_or_copy):
    for row in rows(golden_or_copy, "number_extraction"):
        assert first_word(row["text"]) == row["first_word"]
        expected = NOT_FINITE.get(row["value"], row["value"]) if isinstance(row["value"], str) else row["value"]
        # By their text, so that NaN equals NaN and None differs from it.
        assert repr(strict_number(row["text"])) == repr(expected), row
        assert first_number(row["text"]) == row["value_lmms_eval_0.7.3"], row


def test_vsi_bench_scores_every_question_as_recorded(golden_or_copy):
    found = rows(golden_or_copy, "vsibench")
    assert [first_word(row["prediction"]) for row in found] == [row["matched_text"] for row in found]
    assert scored(vsi_bench.BENCHMARK, "vsibench", found).values.tolist() == [row["score"] for row in found]
    later = scored(vsi_bench.BENCHMARK, "vsibench", found, LMMS_EVAL)
    assert later.values.tolist() == [row["score_lmms_eval_0.7.3"] for row in found]


def test_cv_bench_and_blink_read_and_mark_every_question_as_recorded(golden_or_copy):
    for name, benchmark in (("cvbench", cv_bench.BENCHMARK), ("blink", blink.BENCHMARK)):
        found = rows(golden_or_copy, name)
        outcome = scored(benchmark, name, found)
        assert [first_capital(row["prediction"], "ABCDEF") or "" for row in found] == [
            row["extracted"] for row in found
        ]
        assert outcome.values.tolist() == [row["result"] for row in found]
        assert [not why for why in outcome.unparsed] == [bool(row["extracted"]) for row in found]


@pytest.mark.parametrize(("protocol", "column"), [(PUBLISHED, "extracted_0.3.0"), (LMMS_EVAL, "extracted_0.7.3")])
def test_video_mme_marks_every_question_as_recorded(golden_or_copy, protocol, column):
    found = rows(golden_or_copy, "videomme")
    outcome = scored(video_mme.BENCHMARK, "videomme", found, protocol)
    assert outcome.values.tolist() == [row[column] == row["answer"] for row in found]
    assert [not why for why in outcome.unparsed] == [bool(row[column]) for row in found]


def test_tempcompass_matches_and_rates_every_answer_as_recorded(golden_or_copy):
    found = rows(golden_or_copy, "tempcompass")
    outcome = scored(tempcompass.BENCHMARK, "tempcompass", found)
    assert [not why for why in outcome.unparsed] == [row["rule_matched"] for row in found]
    assert outcome.values.tolist() == [row["rating"] or 0 for row in found]


def test_judges_replies_are_read_as_recorded(golden_or_copy):
    recorded = json.loads((golden_or_copy / "metrics" / "tempcompass_judge.json").read_text())
    for row in recorded["verdict"]:
        expected = None if isinstance(row["rating"], str) else bool(row["rating"])
        assert read_verdict(row["judge_text"]) is expected, row
    for row in recorded["captioning"]:
        found = read_caption_verdict(row["judge_text"], row["mc_answer"])
        assert (found.answer, found.reasoning) == (row["answer_read"], row["reasoning_read"]), row
        assert found.correct is {1: True, 0: False, -1: None}[row["rating"]], row


def test_nextqa_reads_every_answer_as_recorded_and_nothing_where_the_reference_guesses(golden_or_copy):
    found = rows(golden_or_copy, "nextqa_mc")
    outcome = scored(nextqa.BENCHMARK, "nextqa_mc", found)
    read = [
        last_named(row["prediction"], truth.options())
        for row, truth in zip(found, truths("nextqa_mc", found), strict=True)
    ]
    assert [letter or "RANDOM" for letter in read] == [row["extracted"] for row in found]
    assert outcome.values.tolist() == [bool(row["exact_match"]) for row in found]


class Similarities:
    """The recorded similarity of two words; asking for a pair that is not recorded raises KeyError."""

    def __init__(self, folder: Path) -> None:
        own = json.loads(SIMILARITIES.read_text())
        values = [int(up) / int(down) for up, down in (value.split("/") for value in own["values"])]
        self.known = {
            (one, other): values[place]
            for one, places in zip(own["words"], own["rows"], strict=True)
            for other, place in zip(own["words"], places, strict=True)
        }
        for row in json.loads((folder / "metrics" / "nextqa_wup_pairs.json").read_text()):
            self.known[row["w1"], row["w2"]] = row["wup_0"]

    def __call__(self, one: str, other: str) -> float:
        pair = (one, other)
        return self.known[pair] if pair in self.known else self.known[other, one]


def test_open_ended_nextqa_scores_every_answer_as_recorded(golden_or_copy):
    similarity = Similarities(golden_or_copy)
    checked = 0
    for row in rows(golden_or_copy, "nextqa_oe"):
        try:
            outcome = scored(nextqa_oe.BENCHMARK, "nextqa_oe", [row], word_similarity=similarity)
        except KeyError:  # a word that neither list holds
            continue
        checked += 1
        scores = table(outcome)
        assert (scores["wups@0", ""], scores["wups@0.9", ""]) == (row["wups_0"], row["wups_0.9"]), row
        assert ("wups@0", f"type: {row['qtype_counted_as']}") in scores
    assert checked


def test_recorded_word_pairs_count_a_tenth_below_the_threshold(golden_or_copy):
    for pair in json.loads((golden_or_copy / "metrics" / "nextqa_wup_pairs.json").read_text()):
        for threshold, column in ((0, "wup_0"), (0.9, "wup_0.9")):
            # One word each, and the same similarity both ways, since the lower direction counts.
            found = wups([pair["w1"]], [pair["w2"]], lambda *_, pair=pair: pair["wup_0"], threshold)
            assert found == pytest.approx(pair[column], abs=1e-9), pair


def test_vsi_bench_aggregates_are_the_recorded_ones(golden, summary):
    expected = summary["vsibench"]
    outcome = scored(vsi_bench.BENCHMARK, "vsibench", rows(golden, "vsibench"))
    scores = table(outcome)
    assert scores["average", ""] == pytest.approx(expected["overall_times_100"] / 100, abs=1e-9)
    for kind, value in (expected["per_type_raw"] | expected["per_type_reported"]).items():
        assert scores["score", kind] == pytest.approx(value, abs=1e-9), kind
    for kind, count in expected["counts"].items():
        assert samples(outcome)["score", kind] == count
    assert list(BOUNDS) == expected["mra_bounds"]
    assert len(BOUNDS) == expected["mra_number_of_levels"]


def test_cv_bench_aggregates_are_the_recorded_ones(golden, summary):
    expected = summary["cvbench"]
    scores = table(scored(cv_bench.BENCHMARK, "cvbench", rows(golden, "cvbench")))
    pairs = {
        ("average", ""): expected["combined_times_100"] / 100,
        ("2D accuracy", ""): expected["accuracy_2d"],
        ("3D accuracy", ""): expected["accuracy_3d"],
        ("accuracy", "source: ADE20K"): expected["ade20k"],
        ("accuracy", "source: COCO"): expected["coco"],
        ("accuracy", "source: Omni3D"): expected["omni3d"],
        **{("accuracy", f"task: {task}"): value for task, value in expected["tasks"].items()},
    }
    assert scores == pytest.approx(pairs, abs=1e-9)


def test_blink_aggregates_are_the_recorded_ones(golden, summary):
    expected = summary["blink"]
    outcome = scored(blink.BENCHMARK, "blink", rows(golden, "blink"))
    pairs = {
        ("average", ""): expected["blink_all_unweighted"] / 100,
        ("spatial average", ""): expected["blink_spatial_unweighted"] / 100,
        **{("accuracy", task): value / 100 for task, value in expected["per_subtask_times_100"].items()},
    }
    assert table(outcome) == pytest.approx(pairs, abs=1e-9)
    assert set(expected["blink_spatial_subtasks"]) == set(blink.SPATIAL)
    for task, count in expected["counts"].items():
        assert samples(outcome)["accuracy", task] == count


@pytest.mark.parametrize(("protocol", "version"), [(PUBLISHED, "0.3.0"), (LMMS_EVAL, "0.7.3")])
def test_video_mme_aggregates_are_the_recorded_ones(golden, summary, protocol, version):
    expected = summary["videomme"][version]
    pairs = {("accuracy", ""): expected["overall"] / 100}
    groupings = {"duration": "duration", "category": "domain", "sub_category": "sub_category", "task": "task_type"}
    for recorded, ours in groupings.items():
        pairs |= {("accuracy", f"{ours}: {label}"): value / 100 for label, value in expected[f"by_{recorded}"].items()}
    found = table(scored(video_mme.BENCHMARK, "videomme", rows(golden, "videomme"), protocol))
    assert found == pytest.approx(pairs, abs=1e-9)


def test_tempcompass_aggregates_are_the_recorded_ones(golden, summary):
    outcome = scored(tempcompass.BENCHMARK, "tempcompass", rows(golden, "tempcompass"))
    scores, judged = table(outcome), 0
    for task, recorded in summary["tempcompass"].items():
        if not isinstance(recorded, dict):
            continue
        judged += recorded["sent_to_judge"]
        for name, entry in recorded.items():
            if isinstance(entry, dict):
                dim = name.removesuffix("_accuracy")
                of = task if dim == "avg" else f"{task}: {dim}"
                expected = entry["accuracy_times_100_unjudged_counted_wrong"] / 100
                assert scores["accuracy", of] == pytest.approx(expected, abs=1e-9), of
                assert samples(outcome)["accuracy", of] == entry["n"]
    assert scores["accuracy", ""] == scores["accuracy", "multi_choice"]
    assert outcome.counts["answers no rule matches"] == judged


def test_nextqa_aggregates_are_the_recorded_ones(golden, summary):
    expected = summary["nextqa"]["mc"]
    outcome = scored(nextqa.BENCHMARK, "nextqa_mc", rows(golden, "nextqa_mc"))
    scores = table(outcome)
    assert scores["accuracy", ""] == pytest.approx(expected["accuracy_random_counted_wrong"], abs=1e-9)
    assert outcome.counts["answers without an option"] == expected["random_guess"]
    parsed = [value for value, why in zip(outcome.values, outcome.unparsed, strict=True) if not why]
    assert np.mean(parsed) == pytest.approx(expected["accuracy_over_parsed"], abs=1e-9)
    for kind, value in expected["by_type_random_counted_wrong"].items():
        assert scores["accuracy", f"type: {kind}"] == pytest.approx(value, abs=1e-9), kind


def test_open_ended_nextqa_aggregates_are_the_recorded_ones(golden, summary):
    found, expected = rows(golden, "nextqa_oe"), summary["nextqa"]["oe"]
    try:
        outcome = scored(nextqa_oe.BENCHMARK, "nextqa_oe", found, word_similarity=Similarities(golden))
    except KeyError as pair:
        pytest.skip(f"no similarity is recorded for the words {pair}")
    scores = table(outcome)
    assert scores["wups@0", ""] == pytest.approx(expected["returned_wups_0_times_100"] / 100, abs=1e-9)
    assert scores["wups@0.9", ""] == pytest.approx(expected["mean_wups_0.9_times_100_not_returned"] / 100, abs=1e-9)
    types = Counter(row["qtype_counted_as"] for row in found)
    assert {of: n for (name, of), n in samples(outcome).items() if name == "wups@0" and of} == {
        f"type: {kind}": n for kind, n in types.items()
    }


def test_the_corrected_protocols_read_more_of_the_recorded_answers_than_strict_ones(golden_or_copy):
    for benchmark, name in ((vsi_bench.BENCHMARK, "vsibench"), (tempcompass.BENCHMARK, "tempcompass")):
        found = rows(golden_or_copy, name)
        published, corrected = (scored(benchmark, name, found, protocol) for protocol in (PUBLISHED, CORRECTED))
        assert sum(map(bool, corrected.unparsed)) < sum(map(bool, published.unparsed))
