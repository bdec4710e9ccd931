"""Reports and comparisons of a tiny benchmark made up here: yes-or-no questions of three scenes."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from vgcli_core.errors import PredictionsError
from vgcli_core.evaluation.benchmark import (
    CORRECTED,
    PUBLISHED,
    Benchmark,
    Extras,
    Item,
    Outcome,
    Published,
    Range,
    Truth,
)
from vgcli_core.evaluation.compare import compare
from vgcli_core.evaluation.metrics.tally import means
from vgcli_core.evaluation.report import SCHEMA, report_of, score


class Question(Truth):
    answer: str
    scene: str
    kind: str = "is"

    def group(self) -> str:
        return self.scene


def rules(*, strip: bool):
    def scored(items: Sequence[Item[Question]], extras: Extras) -> Outcome:
        texts = [item.text.strip() if strip else item.text for item in items]
        hits = np.array([float(text == item.truth.answer) for text, item in zip(texts, items, strict=True)])
        unparsed = tuple("" if text in ("yes", "no") else "neither yes nor no" for text in texts)
        return Outcome(
            means("accuracy", hits, [item.truth.kind for item in items]), hits, unparsed, {"asked": len(items)}
        )

    return scored


QUIZ = Benchmark(
    name="quiz",
    title="A quiz",
    dataset="quiz",
    split="test",
    truth=Question,
    protocols={PUBLISHED: rules(strip=False), CORRECTED: rules(strip=True)},
    headline=("accuracy",),
    published=(Published("accuracy", {"4B": 0.5}, "here"),),
    example=Question(answer="yes", scene="s0"),
    perfect=lambda truth: truth.answer,
    range=lambda truths: Range({"accuracy": 1.0}, {"accuracy": 0.0}),
    sizes=(6,),
)
TRUTHS = [
    Question(answer="yes" if i % 2 else "no", scene=f"s{i // 2}", kind="can" if i < 2 else "is") for i in range(6)
]


def items(*texts: str) -> list[Item[Question]]:
    return [Item(f"q{i}", text, truth) for i, (text, truth) in enumerate(zip(texts, TRUTHS, strict=False))]


ANSWERS = items("no", "yes", " no", "no", "", "yes")  # 3 right as they stand, 4 without blanks


def test_a_report_holds_both_rules_beside_the_published_number():
    found = score(QUIZ, ANSWERS)
    strict, lenient = found.rules
    assert (strict.name, lenient.name) == ("published", "corrected")
    assert strict.get("accuracy").value == 3 / 6
    assert lenient.get("accuracy").value == 4 / 6
    assert strict.get("accuracy", "can").value == 1.0
    assert (strict.get("accuracy").n, strict.get("accuracy", "is").n) == (6, 4)
    assert strict.unparsed == {"neither yes nor no": 2}
    assert lenient.unparsed == {"neither yes nor no": 1}
    assert (found.n, found.groups) == (6, 3)
    assert found.notes == ()


def test_intervals_lie_around_the_score():
    low, high = score(QUIZ, ANSWERS).rules[0].get("accuracy").ci95
    assert 0 <= low < 0.5 < high <= 1


def test_the_json_is_plain_and_complete_and_does_not_depend_on_the_order_of_samples():
    text = score(QUIZ, ANSWERS, source={"name": "p.jsonl"}, versions={"vgllm": "1"}).to_json()
    assert text == score(QUIZ, ANSWERS[::-1], source={"name": "p.jsonl"}, versions={"vgllm": "1"}).to_json()
    found = json.loads(text)
    assert found["schema"] == SCHEMA
    assert found["protocols"]["published"]["scores"][0] | {"ci95": None} == {
        **{"metric": "accuracy", "of": "", "value": 0.5, "n": 6},
        "ci95": None,
        "unit": "",
    }
    assert found["published"] == [{"metric": "accuracy", "values": {"4B": 0.5}, "source": "here", "of": ""}]
    assert found["range"] == {"oracle": {"accuracy": 1.0}, "silent": {"accuracy": 0.0}}
    assert found["predictions"] == {"name": "p.jsonl"}


def test_metrics_that_are_no_fractions_carry_their_unit():
    report = score(replace(QUIZ, units={"accuracy": "m"}), ANSWERS)
    assert {one.unit for rules in report.rules for one in rules.scores} == {"m"}
    assert {one.unit for rules in score(QUIZ, ANSWERS).rules for one in rules.scores} == {""}


def test_undefined_scores_and_intervals_are_null():
    found = json.loads(score(QUIZ, ANSWERS[:2]).to_json())
    assert found["protocols"]["published"]["scores"][0]["ci95"] is None  # one scene leaves nothing to draw from


def test_a_part_of_a_benchmark_is_said_to_be_one():
    assert "a part" in score(QUIZ, ANSWERS[:4]).notes[0]
    several = replace(QUIZ, sizes=(5130, 5131, 2363))
    assert "4 samples, the whole has 5,130; published" in score(several, ANSWERS[:4]).notes[0]


def test_a_comparison_pairs_the_shared_samples():
    before = items("no", "yes", "no", "no", "yes", "yes")  # right, right, right, wrong, wrong, right
    after = items("no", "no", "no", "yes", "no")  # right, wrong, right, right, right
    found = compare(QUIZ, before, after)
    assert (found.n, found.groups, found.only_first, found.only_second) == (5, 3, 1, 0)
    assert (found.better, found.worse, found.equal) == (2, 1, 2)
    overall = found.gains[0]
    assert (overall.metric, overall.first, overall.second) == ("accuracy", 3 / 5, 4 / 5)
    assert overall.gain == pytest.approx(0.2)
    assert overall.ci95[0] <= 0.2 <= overall.ci95[1]
    assert 0 < overall.p <= 1
    assert {change.id for change in found.changes} == {"q1", "q3", "q4"}
    assert json.loads(found.to_json())["changes"][0]["first_text"] in ("yes", "no")


def test_a_gain_in_every_scene_is_certain_and_no_gain_is_not():
    many = [Question(answer="yes", scene=f"s{i}") for i in range(60)]
    wrong, right = ([Item(f"q{i}", text, one) for i, one in enumerate(many)] for text in ("no", "yes"))
    gain = compare(QUIZ, wrong, right).gains[0]
    assert gain.ci95 == (1.0, 1.0)
    assert gain.p == pytest.approx(1 / 1000)
    same = compare(QUIZ, right, right)
    assert (same.gains[0].gain, same.gains[0].p, same.changes) == (0.0, 1.0, ())


def test_runs_on_other_samples_or_other_truths_are_not_compared():
    with pytest.raises(PredictionsError, match="share no sample"):
        compare(QUIZ, ANSWERS[:2], [Item("other", "no", TRUTHS[0])])
    with pytest.raises(PredictionsError, match="another truth"):
        compare(QUIZ, ANSWERS[:1], [Item("q0", "no", TRUTHS[1])])


def test_a_report_is_read_back_from_its_json():
    given = items("A", "", "b")
    found = score(QUIZ, given, notes=["a note"], failed={given[0].id: "gone"}, cut_off=[given[1].id])
    again = report_of(json.loads(found.to_json()))
    assert again == replace(found, samples=())
    assert again.to_json() == found.to_json()
