"""Every benchmark of letters, numbers and short answers on truths built here: ranges, order, counts, weights."""

import random

import numpy as np
import pytest
from pydantic import ValidationError

from vgcli_core.evaluation.benchmark import CORRECTED, PUBLISHED, AnyBenchmark, Extras, Item, Outcome
from vgcli_core.evaluation.benchmarks import (
    blink,
    cv_bench,
    nextqa,
    nextqa_oe,
    sqa3d,
    tempcompass,
    video_mme,
    vsi_bench,
)
from vgcli_core.evaluation.benchmarks.blink import SUB_TASKS, BlinkTruth
from vgcli_core.evaluation.benchmarks.cv_bench import CvBenchTruth
from vgcli_core.evaluation.benchmarks.nextqa import NextQaTruth
from vgcli_core.evaluation.benchmarks.nextqa_oe import NextQaOpenTruth
from vgcli_core.evaluation.benchmarks.sqa3d import Sqa3dTruth
from vgcli_core.evaluation.benchmarks.tempcompass import TempCompassTruth
from vgcli_core.evaluation.benchmarks.video_mme import VideoMmeTruth
from vgcli_core.evaluation.benchmarks.vsi_bench import NUMERIC, QUESTION_TYPES, VsiBenchTruth
from vgcli_core.evaluation.metrics.choices import LMMS_EVAL

OPTIONS = {"a0": "a dog", "a1": "a cat", "a2": "run", "a3": "sit", "a4": "eat"}
CAPTIONS = "Which is better?\nOption A: it rises\nOption B: it falls"


def vsi(kind: str, answer: str = "", scene: str = "s") -> VsiBenchTruth:
    default = "4" if kind in NUMERIC else "B"
    return VsiBenchTruth(question_type=kind, ground_truth=answer or default, dataset="scannet", scene_name=scene)


def cv(source: str, task: str, answer: str = "(A)") -> CvBenchTruth:
    return CvBenchTruth(answer=answer, source=source, task=task, source_filename="picture")


def video(answer: str, domain: str, sub_category: str) -> VideoMmeTruth:
    return VideoMmeTruth(
        videoID=domain,
        answer=answer,
        duration="short",
        domain=domain,
        sub_category=sub_category,
        task_type="OCR Problems",
    )


def temporal(task: str, answer: str, question: str = "", dim: str = "speed") -> TempCompassTruth:
    return TempCompassTruth(task=task, video_id=answer, dim=dim, answer=answer, question=question)


def why(answer: int, kind: str = "CW") -> NextQaTruth:
    return NextQaTruth(video=str(answer), type=kind, answer=answer, **OPTIONS)


def opened(kind: str, answer: str, second: str | None = None) -> NextQaOpenTruth:
    return NextQaOpenTruth(video=answer, type=kind, answer=answer, additional_ref_answer=second)


TRUTHS: dict[str, tuple[AnyBenchmark, list]] = {
    "vsi_bench": (vsi_bench.BENCHMARK, [vsi(kind, scene=kind) for kind in QUESTION_TYPES]),
    "vsi_bench, a part": (vsi_bench.BENCHMARK, [vsi("object_counting", "0"), vsi("object_rel_direction_hard")]),
    "cv_bench": (
        cv_bench.BENCHMARK,
        [cv("COCO", "Count"), cv("ADE20K", "Relation", "(F)"), cv("Omni3D", "Depth"), cv("Omni3D", "Distance")],
    ),
    "cv_bench, a part": (cv_bench.BENCHMARK, [cv("Omni3D", "Depth"), cv("Omni3D", "Distance", "(C)")]),
    "blink": (blink.BENCHMARK, [BlinkTruth(idx=task, sub_task=task, answer="(B)") for task in SUB_TASKS]),
    "blink, a part": (blink.BENCHMARK, [BlinkTruth(idx="1", sub_task="Jigsaw", answer="(A)")]),
    "video_mme": (video_mme.BENCHMARK, [video("A", "Knowledge", "Law"), video("D", "Multilingual", "Multilingual")]),
    "video_mme_subtitles": (video_mme.BENCHMARK_SUBTITLES, [video("C", "Knowledge", "Law")]),
    "tempcompass": (
        tempcompass.BENCHMARK,
        [
            temporal("multi_choice", "B. down"),
            temporal("multi_choice", "C. left", dim="order"),
            temporal("yes_no", "no"),
            temporal("caption_matching", "Option B: it falls", CAPTIONS),
        ],
    ),
    "tempcompass, a part": (tempcompass.BENCHMARK, [temporal("yes_no", "yes")]),
    "nextqa": (nextqa.BENCHMARK, [why(0), why(4, "TN"), why(2, "DL")]),
    "nextqa_oe": (
        nextqa_oe.BENCHMARK,
        [
            opened("CW", "dog run"),
            opened("DC", "two", "three"),
            opened("TP", "it is", "cat"),
            opened("DL", "the"),
            opened("DB", "it is"),
        ],
    ),
    "sqa3d": (
        sqa3d.BENCHMARK,
        [Sqa3dTruth(answer=answer, question_type="what", scene="s") for answer in ("Brown", "the 2 chairs", "a")],
    ),
}


def score(benchmark: AnyBenchmark, texts: list[str], truths: list, protocol: str = PUBLISHED) -> Outcome:
    items = [Item(str(n), text, truth) for n, (text, truth) in enumerate(zip(texts, truths, strict=True))]
    return benchmark.protocols[protocol](items, Extras(word_similarity=lambda one, other: 0.5))


def table(outcome: Outcome) -> dict[tuple[str, str], float]:
    names = [(metric.name, metric.of) for metric in outcome.tally.metrics]
    assert len(set(names)) == len(names)
    return dict(zip(names, outcome.tally.scores().tolist(), strict=True))


@pytest.mark.parametrize("name", TRUTHS)
def test_an_oracle_and_a_silent_model_score_what_the_benchmark_says(name):
    benchmark, truths = TRUTHS[name]
    stated = benchmark.range(truths)
    answers = {"oracle": [benchmark.perfect(truth) for truth in truths], "silent": [""] * len(truths)}
    for player, texts in answers.items():
        found = {name: value for (name, of), value in table(score(benchmark, texts, truths)).items() if not of}
        expected = getattr(stated, player)
        defined = {name for name in benchmark.headline if np.isfinite(found.get(name, np.nan))}
        assert {name: found[name] for name in defined} == pytest.approx(dict(expected), abs=1e-12), player


@pytest.mark.parametrize("name", TRUTHS)
def test_scores_do_not_depend_on_the_order_of_the_samples(name):
    benchmark, truths = TRUTHS[name]
    generator = random.Random(1)
    texts = [generator.choice([*"AB4?", "no", "dog", benchmark.perfect(truth)]) for truth in truths]
    pairs = list(zip(texts, truths, strict=True)) * 3
    shuffled = generator.sample(pairs, len(pairs))
    for protocol in benchmark.protocols:
        one, other = (
            table(score(benchmark, [text for text, _ in order], [truth for _, truth in order], protocol))
            for order in (pairs, shuffled)
        )
        assert one == pytest.approx(other, abs=1e-12, nan_ok=True)
        assert list(one) == list(other)


@pytest.mark.parametrize("name", TRUTHS)
def test_every_protocol_reads_a_perfect_answer_and_counts_an_empty_one_as_unparsed(name):
    benchmark, truths = TRUTHS[name]
    for protocol in benchmark.protocols:
        perfect = score(benchmark, [benchmark.perfect(truth) for truth in truths], truths, protocol)
        silent = score(benchmark, [""] * len(truths), truths, protocol)
        assert all(silent.unparsed)
        assert sum(map(bool, perfect.unparsed)) == (2 if name == "nextqa_oe" else 0)  # "the" and "it is" are no words
        assert len(perfect.values) == len(truths)
        assert perfect.values.min() >= 0
        assert perfect.values.max() <= 1


@pytest.mark.parametrize("name", TRUTHS)
def test_each_benchmark_is_described_in_full(name):
    benchmark, truths = TRUTHS[name]
    assert next(iter(benchmark.protocols)) == PUBLISHED
    assert set(benchmark.differs) == set(benchmark.protocols) - {PUBLISHED}
    rows = table(score(benchmark, [benchmark.perfect(truth) for truth in truths], truths))
    if ", a part" not in name:
        assert {(number.metric, number.of) for number in benchmark.published} <= set(rows)
    assert all(0 < value < 1 for number in benchmark.published for value in number.values.values())
    assert all(truth.group() for truth in truths)


@pytest.mark.parametrize("name", TRUTHS)
def test_a_truth_written_to_a_file_reads_back(name):
    benchmark, truths = TRUTHS[name]
    for truth in truths:
        assert benchmark.truth.model_validate(truth.model_dump(mode="json", exclude_defaults=True)) == truth


@pytest.mark.parametrize("name", TRUTHS)
def test_no_samples_give_no_numbers_and_no_error(name):
    benchmark, _ = TRUTHS[name]
    outcome = score(benchmark, [], [])
    assert np.isnan(outcome.tally.scores()).all()
    assert benchmark.range([]).oracle == {}


def test_vsi_bench_weighs_tasks_and_not_questions():
    truths = [vsi("object_counting")] * 3 + [vsi("route_planning")]
    truths += [vsi("object_rel_direction_easy")] * 2 + [vsi("object_rel_direction_hard")]
    scores = table(score(vsi_bench.BENCHMARK, ["4", "4", "9", "A", "B", "A", "A"], truths))
    assert scores["score", "object_counting"] == pytest.approx(2 / 3)
    assert scores["score", "object_rel_direction"] == pytest.approx((1 / 2 + 0) / 2)  # easy and hard weigh the same
    assert scores["average", ""] == pytest.approx((2 / 3 + 0 + 1 / 4) / 3)


def test_vsi_bench_names_what_is_missing_and_what_stopped_the_published_code():
    outcome = score(vsi_bench.BENCHMARK, ["0", "inf"], [vsi("object_counting", "0"), vsi("room_size_estimation")])
    assert outcome.values.tolist() == [1.0, 0.0]
    assert outcome.unparsed == ("", "no number")
    assert outcome.counts == {"targets of 0": 1}
    assert outcome.notes[0].startswith("partial: no object_abs_distance, ")
    assert "division by zero" in outcome.notes[1]
    assert not score(vsi_bench.BENCHMARK, [""] * 10, TRUTHS["vsi_bench"][1]).notes


def test_vsi_bench_protocols_differ_in_what_they_read():
    truths = [vsi("object_counting", "2"), vsi("route_planning", "B")]
    texts = ["about two", "The answer is (B)."]
    expected = {PUBLISHED: [0, 0], LMMS_EVAL: [1, 0], CORRECTED: [1, 1]}
    for protocol, values in expected.items():
        assert score(vsi_bench.BENCHMARK, texts, truths, protocol).values.tolist() == values


def test_cv_bench_is_the_mean_of_dimensions_and_2d_that_of_its_sources():
    truths = [cv("ADE20K", "Count")] * 3 + [cv("COCO", "Relation"), cv("Omni3D", "Depth")]
    scores = table(score(cv_bench.BENCHMARK, ["A", "B", "B", "A", "B"], truths))
    assert scores["2D accuracy", ""] == pytest.approx((1 / 3 + 1) / 2)
    assert scores["3D accuracy", ""] == 0
    assert scores["average", ""] == pytest.approx((1 / 3 + 1) / 4)


def test_blink_reports_all_tasks_and_the_spatial_ones_without_weights():
    tasks = ["Jigsaw", "Jigsaw", "Jigsaw", "Relative_Depth", "Spatial_Relation"]
    truths = [BlinkTruth(idx=str(n), sub_task=task, answer="(A)") for n, task in enumerate(tasks)]
    outcome = score(blink.BENCHMARK, ["A", "B", "B", "A", "b"], truths)
    scores = table(outcome)
    assert scores["average", ""] == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert scores["spatial average", ""] == 0.5
    assert "Multi-view_Reasoning" in outcome.notes[0]
    assert outcome.unparsed[-1] == "no option letter"


def test_video_mme_keeps_a_label_of_two_groupings_apart():
    truths = [video("A", "Multilingual", "Multilingual"), video("A", "Knowledge", "Multilingual")]
    scores = table(score(video_mme.BENCHMARK, ["A", "B"], truths))
    assert scores["accuracy", "domain: Multilingual"] == 1
    assert scores["accuracy", "sub_category: Multilingual"] == 0.5


def test_tempcompass_counts_answers_no_rule_matches_and_reads_more_when_corrected():
    truths = TRUTHS["tempcompass"][1]
    texts = ["b. down", "The answer is C", "nothing", "Option B is right"]
    outcome = score(tempcompass.BENCHMARK, texts, truths)
    assert outcome.values.tolist() == [0, 0, 1, 0]
    assert outcome.counts == {"answers no rule matches": 3}
    assert outcome.notes[0].startswith("3 answers")
    corrected = score(tempcompass.BENCHMARK, texts, truths, CORRECTED)
    assert corrected.values.tolist() == [1, 1, 0, 1]
    assert corrected.unparsed == ("", "", "no rule matches", "")


def test_tempcompass_says_when_the_headline_has_no_questions():
    outcome = score(tempcompass.BENCHMARK, ["yes"], [temporal("yes_no", "yes")])
    assert np.isnan(table(outcome)["accuracy", ""])
    assert table(outcome)["accuracy", "yes_no"] == 1
    assert "no multiple-choice questions" in outcome.notes[0]


def test_nextqa_counts_a_wrong_answer_where_the_published_code_guesses():
    outcome = score(nextqa.BENCHMARK, ["no idea", "A"], [why(0), why(0)])
    assert table(outcome)["accuracy", ""] == 0.5
    assert outcome.counts == {"answers without an option": 1}
    assert "guesses at random" in outcome.notes[0]
    assert score(nextqa.BENCHMARK, ["it does run"], [why(2)], CORRECTED).values.tolist() == [1]


def test_open_ended_nextqa_keeps_two_quirks_and_corrects_them():
    truths = [opened("TP", "cat", "dog")]
    # dog resembles cow by 0.5: the published score at 0.9 compares the second reference at 0.
    published, corrected = (table(score(nextqa_oe.BENCHMARK, ["cow"], truths, name)) for name in (PUBLISHED, CORRECTED))
    assert published["wups@0.9", "type: TN"] == 0.5
    assert corrected["wups@0.9", "type: TP"] == pytest.approx(0.05)


def test_open_ended_nextqa_without_similarities_leaves_wups_out_and_says_so():
    truths = [opened("CW", "dog run"), opened("DC", "two")]
    items = [Item("0", "dog run", truths[0]), Item("1", "three", truths[1])]
    outcome = nextqa_oe.BENCHMARK.protocols[PUBLISHED](items, Extras())
    assert table(outcome)["exact match", ""] == 0.5
    assert not any(metric.name.startswith("wups") for metric in outcome.tally.metrics)
    assert outcome.notes[0].startswith("WUPS is left out")


def test_sqa3d_compares_normalised_first_lines():
    truths = [Sqa3dTruth(answer="left", question_type="what", scene="s")] * 3
    texts = ["The LEFT\nside", "left .", "right"]
    assert score(sqa3d.BENCHMARK, texts, truths).values.tolist() == [1, 0, 0]
    assert score(sqa3d.BENCHMARK, texts, truths, CORRECTED).values.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: vsi("object_counting", "many"),
        lambda: vsi("object_counting", "-1"),
        lambda: vsi("object_counting", "nan"),
        lambda: vsi("route_planning", "AB"),
        lambda: cv("COCO", "Count", "A"),
        lambda: temporal("yes_no", "maybe"),
        lambda: temporal("caption_matching", "Option A: it rises"),
        lambda: why(5),
        lambda: Sqa3dTruth(answer="?", question_type="what", scene="s"),
        lambda: BlinkTruth(idx="1", sub_task="Jigsaw", answer="(A)", letter="A"),
    ],
)
def test_a_truth_that_cannot_be_scored_is_refused(make):
    with pytest.raises(ValidationError):
        make()


def test_intervals_are_drawn_over_groups_and_hold_the_score():
    generator = random.Random(0)
    truths = [vsi(kind, scene=str(scene)) for scene in range(20) for kind in QUESTION_TYPES]
    texts = [truth.ground_truth if generator.random() < 0.5 else "C" for truth in truths]
    tally = score(vsi_bench.BENCHMARK, texts, truths).tally
    low, high = tally.intervals([truth.group() for truth in truths], replicates=200)[0]
    assert low < tally.scores()[0] < high
