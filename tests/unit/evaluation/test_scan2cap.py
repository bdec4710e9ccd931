"""Scan2Cap: the gate, the notes, and what an oracle and a silent model score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vgcli_core.evaluation.benchmark import CORRECTED, PUBLISHED, Extras, Item
from vgcli_core.evaluation.benchmarks.scan2cap import BENCHMARK, OBJECTS, Scan2CapTruth

CHAIR = Scan2CapTruth(references=("this is a brown chair. it is near the door.", "a chair"), iou=0.8, scene="a")
LAMP = Scan2CapTruth(references=("the lamp is tall, and it stands on the desk.",), iou=0.3, scene="b")

references = st.lists(
    st.lists(st.sampled_from(["a", "chair", "is", ".", ", ", "Lamp", "sos", "eos", "."]), max_size=8).map(" ".join),
    min_size=1,
    max_size=3,
)
truths = st.lists(
    st.builds(
        Scan2CapTruth,
        references=references.map(tuple),
        iou=st.sampled_from([0.0, 0.2, 0.25, 0.4999, 0.5, 0.9, 1.0]),
        scene=st.sampled_from("abc"),
    ),
    min_size=1,
    max_size=6,
)


def items(pairs):
    return [Item(str(place), text, truth) for place, (text, truth) in enumerate(pairs)]


def outcome(pairs, protocol=PUBLISHED, extras=None):
    return BENCHMARK.protocols[protocol](items(pairs), extras or Extras())


def scores(found):
    return {metric.name: score for metric, score in zip(found.tally.metrics, found.tally.scores(), strict=True)}


class OneWordInTwo:
    """A stand-in for METEOR: every caption and reference has two words and one match; it records what was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, hypotheses, references):
        self.asked.append((list(hypotheses), [list(own) for own in references]))
        row = [2, 2, 0, 0, 1, 1, *[0] * 14, 1, 1, 1]
        return np.array([row] * len(hypotheses), dtype=np.float64).reshape(-1, 23)


@given(truths)
@settings(max_examples=60)
def test_an_oracle_and_a_silent_model_score_what_the_benchmark_declares(truths):
    declared = BENCHMARK.range(truths)
    for texts, expected in (
        ([BENCHMARK.perfect(truth) for truth in truths], declared.oracle),
        ([""] * len(truths), declared.silent),
    ):
        found = scores(outcome(zip(texts, truths, strict=True)))
        assert {name: found[name] for name in expected} == pytest.approx(expected, rel=0, abs=1e-9)
        assert {"BLEU-4@0.5", "ROUGE-L@0.5"} <= expected.keys()


def test_a_silent_model_scores_no_cider_and_still_matches_the_markers():
    silent = BENCHMARK.range([CHAIR, LAMP]).silent
    assert silent["CIDEr@0.5"] == 0
    # "sos", "" and "eos" are all in CHAIR's first text and in LAMP's, each of 16 words with marks and empty ones;
    # CHAIR's second, "sos a chair eos", lacks "". Precision is 1 for both.
    chair, lamp = max(3 / 16, 2 / 4), 3 / 16
    expected = sum(2.44 * recall / (recall + 1.44) for recall in (chair, lamp)) / 2
    assert silent["ROUGE-L@0.5"] == pytest.approx(expected)


def test_an_object_given_a_bad_box_is_scored_as_if_nothing_was_said():
    said = scores(outcome([(CHAIR.references[0], CHAIR), (LAMP.references[0], LAMP)]))
    nothing = scores(outcome([(CHAIR.references[0], CHAIR), ("", LAMP)]))
    for metric in ("CIDEr", "BLEU-4", "ROUGE-L"):
        assert said[f"{metric}@0.5"] == nothing[f"{metric}@0.5"] == nothing[f"{metric}@0"]
        assert said[f"{metric}@0.25"] == said[f"{metric}@0"] > said[f"{metric}@0.5"]


@pytest.mark.parametrize(("iou", "counts"), [(0.4999999, False), (0.5, True)])
def test_a_box_at_the_limit_counts(iou, counts):
    truth = LAMP.model_copy(update={"iou": iou})
    found = scores(outcome([(LAMP.references[0], truth)]))["ROUGE-L@0.5"]
    assert bool(found == pytest.approx(1)) is counts


@pytest.mark.parametrize("broken", ["a brown\nchair", "a brown\r\nchair", "a brown\rchair"])
@pytest.mark.parametrize("protocol", BENCHMARK.protocols)
def test_a_line_break_reads_as_a_blank(broken, protocol):
    found, plain = (outcome([(text, CHAIR), ("x", LAMP)], protocol) for text in (broken, "a brown chair"))
    assert scores(found) == scores(plain)
    assert found.counts["captions with line breaks"] == 1


def test_a_missed_object_scores_nothing_by_the_corrected_rules():
    found = scores(outcome([("", CHAIR), ("the lamp", LAMP)], CORRECTED))
    assert {name for name, score in found.items() if name.endswith("@0.5") and score > 1e-6} == set()
    assert found["ROUGE-L@0.25"] > 0


def test_punctuation_makes_no_difference_to_the_corrected_rules():
    plain, marked = (
        scores(outcome([(text, CHAIR), ("x", LAMP)], CORRECTED)) for text in ("a Brown chair", "A brown, chair!")
    )
    assert plain == marked


def test_meteor_is_left_out_with_a_note_where_there_is_none():
    found = outcome([("a chair", CHAIR)])
    assert not any(metric.name.startswith("METEOR") for metric in found.tally.metrics)
    assert any("vgllm[meteor]" in note for note in found.notes)


def test_meteor_is_asked_for_every_caption_and_for_nothing_where_a_gate_can_drop_it():
    aligner = OneWordInTwo()
    found = outcome([("A chair", CHAIR), ("a lamp", LAMP)], extras=Extras(meteor=aligner))
    captions, empty = aligner.asked
    assert captions[0] == ["sos a chair eos", "sos a lamp eos"]
    assert captions[1][1] == ["sos the lamp is tall ,  and it stands on the desk .  eos"]
    assert empty == (["sos  eos"], [captions[1][1]])
    # One of two words matches, so F is 1/2; one chunk per matched word takes the whole penalty of 0.6.
    assert scores(found)["METEOR@0.5"] == pytest.approx(0.5 * 0.4)
    assert not any("vgllm[meteor]" in note for note in found.notes)


def test_a_part_of_the_benchmark_is_said_to_be_one():
    assert any("rarity" in note for note in outcome([("a chair", CHAIR)]).notes)
    whole = outcome([("a chair", CHAIR)] * OBJECTS)
    assert not any("rarity" in note for note in whole.notes)


def test_every_sample_is_counted_and_an_empty_caption_is_named():
    found = outcome([("a chair", CHAIR), (" \n", LAMP)])
    assert found.unparsed == ("", "empty")
    assert found.counts["objects given a box under IoU 0.5"] == 1
    assert {metric.n for metric in found.tally.metrics} == {2}


@pytest.mark.parametrize("protocol", BENCHMARK.protocols)
def test_the_value_of_a_sample_is_its_share_of_the_largest_cider(protocol):
    pairs = [(CHAIR.references[1], CHAIR), (LAMP.references[0], LAMP.model_copy(update={"iou": 0.7}))]
    found = outcome(pairs, protocol)
    assert (found.values >= 0).all()
    assert (found.values <= 1).all()
    assert found.values.mean() == pytest.approx(scores(found)["CIDEr@0.5"] / 10)
    assert found.values[1] == pytest.approx(1)


def test_scores_do_not_depend_on_the_order_of_the_samples():
    pairs = [("a brown chair", CHAIR), ("the lamp.", LAMP), ("it is near", CHAIR.model_copy(update={"scene": "c"}))]
    one, other = scores(outcome(pairs)), scores(outcome(pairs[::-1]))
    assert one == pytest.approx(other, rel=0, abs=1e-12)


def test_intervals_enclose_the_scores():
    pairs = [(text, CHAIR.model_copy(update={"scene": str(place)})) for place, text in enumerate(["a chair", "x"] * 10)]
    found = outcome(pairs)
    low, high = found.tally.intervals([truth.group() for _, truth in pairs], replicates=200).T
    points = found.tally.scores()
    assert ((low <= points) & (points <= high)).all()
    assert low[5] < high[5]


def test_no_samples_give_no_scores_and_no_error():
    assert all(np.isnan(score) for score in scores(outcome([])).values())
    assert BENCHMARK.range([]).oracle == {}


@pytest.mark.parametrize(
    "wrong",
    [{"iou": float("nan")}, {"iou": 55.0}, {"iou": -0.1}, {"references": []}, {"reference": ["a"]}],
)
def test_a_truth_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        Scan2CapTruth.model_validate({"references": ["a"], "iou": 0.5, "scene": "s"} | wrong)


def test_published_numbers_are_of_headline_metrics():
    assert {number.metric for number in BENCHMARK.published} == set(BENCHMARK.headline)
