"""Detection as a benchmark: lists, protocols, what is counted, what an oracle and a silent model score."""

import json
import random

import numpy as np
import pytest

from vgcli_core.errors import ConventionError
from vgcli_core.evaluation.benchmark import Extras, Item
from vgcli_core.evaluation.benchmarks.scannet_det import BENCHMARK, BENCHMARK_6_FRAMES, CLASSES, DetectionTruth
from vgcli_core.evaluation.metrics.matching import CLASSES_20

CUBE = (0.0, 0.0, 2.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
TILTED = (0.0, 0.0, 2.0, 2.0, 0.3, 0.5, 0.9, 1.2, -0.7)
TINY = (0.0, 0.0, 2.0, 0.01, 0.01, 0.01, 0.0, 0.0, 0.0)


def truth(*boxes, convention="ZXY", scene="scene0000_00"):
    rows = [{"label": label, "bbox_3d": box} for label, box in boxes]
    return DetectionTruth(boxes=rows, euler_convention=convention, scene=scene)


def text(*boxes):
    return "\n".join(json.dumps({"label": label, "bbox_3d": box}) for label, box in boxes)


def score(items, protocol="published"):
    outcome = BENCHMARK.protocols[protocol](items, Extras())
    names = [(metric.name, metric.of) for metric in outcome.tally.metrics]
    return dict(zip(names, outcome.tally.scores(), strict=True)), outcome


def rooms(seed, convention="ZXY"):
    generator = np.random.default_rng(seed)
    for number in range(6):
        boxes = [
            (CLASSES[generator.integers(len(CLASSES))], (*generator.uniform(0.2, 2, 6), *generator.uniform(-3, 3, 3)))
            for _ in range(generator.integers(0, 9))
        ]
        yield truth(*boxes, convention=convention, scene=f"scene{number % 3}")


def answered(truths, write):
    return [Item(str(number), write(truth), truth, truth.euler_convention) for number, truth in enumerate(truths)]


def test_classes_that_never_occur_stay_in_the_means():
    items = [Item("0", text(("chair", CUBE), ("chair", CUBE), ("plant", CUBE)), truth(("chair", CUBE)), "ZXY")]
    scores, outcome = score(items)
    assert scores["precision", "chair"] == 1 / 2
    assert scores["recall", "chair"] == 1
    assert scores["f1", "chair"] == pytest.approx(2 / 3)
    assert scores["precision", ""] == pytest.approx(1 / 2 / 20)
    assert scores["recall", "8 classes"] == pytest.approx(1 / 8)
    assert scores["f1", "31 classes as published"] == pytest.approx(2 / 3 / 31)
    assert scores["precision", "plant"] == scores["f1", "bed"] == 0
    assert outcome.values.tolist() == [2 / (2 + 2 + 0)]  # one hit, two false positives, nothing missed
    samples = {metric.of: metric.n for metric in outcome.tally.metrics}
    assert (samples[""], samples["chair"], samples["plant"], samples["bed"]) == (1, 1, 1, 0)


def test_lamp_weighs_double_and_towel_nothing_in_the_published_list_of_31():
    boxes = [("lamp", CUBE), ("towel", CUBE)]
    scores, _ = score([Item("0", text(*boxes), truth(*boxes), "ZXY")])
    assert scores["f1", "31 classes as published"] == pytest.approx(2 / 31)
    assert scores["f1", "30 classes"] == pytest.approx(2 / 30)


def test_a_list_on_one_line_counts_in_the_corrected_protocol_only():
    items = [Item("0", json.dumps([{"label": "chair", "bbox_3d": CUBE}]), truth(("chair", CUBE)), "ZXY")]
    assert score(items)[0]["recall", "chair"] == 0
    assert score(items, "corrected")[0]["recall", "chair"] == 1
    assert score(items)[1].unparsed == ("the line is not one Python dictionary",)
    assert score(items, "corrected")[1].unparsed == ("",)


def test_a_box_with_seven_numbers_is_a_false_positive_in_the_published_protocol_only():
    items = [Item("0", text(("chair", CUBE[:7]), ("chair", CUBE)), truth(("chair", CUBE)), "ZXY")]
    assert score(items)[0]["precision", "chair"] == 1 / 2
    assert score(items)[1].counts["boxes without volume"] == 1
    assert score(items, "corrected")[0]["precision", "chair"] == 1
    assert score(items, "corrected")[1].counts["boxes in answers that could not be read"] == 1


def test_tiny_boxes_are_refused_in_the_published_protocol_only():
    items = [Item("0", text(("bottle", TINY)), truth(("bottle", TINY)), "ZXY")]
    assert score(items)[0]["f1", "bottle"] == 0
    assert score(items)[1].counts["boxes refused by the published overlap"] == 2
    assert score(items, "corrected")[0]["f1", "bottle"] == 1


def test_declared_conventions_are_followed_by_the_corrected_protocol_and_ignored_by_the_published_one():
    same_numbers = Item("0", text(("bed", TILTED)), truth(("bed", TILTED), convention="ZXY"), "zxy")
    assert score([same_numbers])[0]["f1", "bed"] == 1
    assert "another Euler convention" in score([same_numbers])[1].notes[0]
    assert score([same_numbers], "corrected")[0]["f1", "bed"] == 0
    consistent = Item("0", text(("bed", TILTED)), truth(("bed", TILTED), convention="zxy"), "zxy")
    assert score([consistent], "corrected")[0]["f1", "bed"] == 1
    assert not any("Euler" in note for note in score([consistent])[1].notes)


def test_an_answer_of_no_declared_convention_is_refused_where_it_matters():
    with pytest.raises(ConventionError, match="does not declare"):
        score([Item("7", "[]", truth(), None)], "corrected")


@pytest.mark.parametrize("convention", ["ZXY", "zxy"])
def test_an_oracle_and_a_silent_model_score_what_the_benchmark_declares(convention):
    truths = [*rooms(1, convention), truth(("bottle", TINY), ("bottle", CUBE), ("bed", TINY), convention=convention)]
    for write, expected in ((BENCHMARK.perfect, "oracle"), (lambda _: "", "silent")):
        scores, _ = score(answered(truths, write))
        for name, value in getattr(BENCHMARK.range(truths), expected).items():
            assert scores[name, ""] == pytest.approx(value, abs=1e-12)
    # Without refusals an oracle reaches the share of the 20 classes that occur.
    occurring = {box.label for truth in truths for box in truth.boxes} & set(CLASSES_20)
    assert score(answered(truths, BENCHMARK.perfect), "corrected")[0]["f1", ""] == pytest.approx(len(occurring) / 20)


@pytest.mark.parametrize("protocol", ["published", "corrected"])
def test_scores_do_not_depend_on_the_order_of_samples(protocol):
    truths = list(rooms(2))
    items = answered(truths, BENCHMARK.perfect)
    items = [Item(a.id, b.text, a.truth, "ZXY") for a, b in zip(items, [*items[1:], items[0]], strict=True)] + items
    shuffled = random.Random(0).sample(items, len(items))
    first, second = score(items, protocol)[0], score(shuffled, protocol)[0]
    assert max(abs(first[key] - second[key]) for key in first) < 1e-12


def test_published_numbers_name_metrics_that_exist_and_agree_with_their_own_mean():
    scores, _ = score([])
    for benchmark in (BENCHMARK, BENCHMARK_6_FRAMES):
        for row in benchmark.published:
            assert (row.metric, row.of) in scores
        by_class = [row.values["4B"] for row in benchmark.published if row.of]
        (mean,) = [row.values["4B"] for row in benchmark.published if (row.metric, row.of) == ("f1", "")]
        assert np.mean(by_class) == pytest.approx(mean, abs=1e-3)


def test_a_misspelt_key_of_the_truth_is_an_error():
    with pytest.raises(ValueError, match="bbox"):
        DetectionTruth(boxes=[{"label": "bed", "bbox": CUBE}], euler_convention="ZXY", scene="")
