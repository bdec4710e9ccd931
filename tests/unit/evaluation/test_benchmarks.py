"""What holds for every benchmark: its example, its declared range, its names; the order of samples does not matter."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vgcli_core.evaluation.benchmark import PUBLISHED, AnyBenchmark, Extras, Item
from vgcli_core.evaluation.benchmarks import BENCHMARKS
from vgcli_core.evaluation.predictions import line, read_predictions
from vgcli_core.evaluation.report import Report, score

EXTRAS = Extras(word_similarity=lambda first, second: 0.5)


@pytest.fixture(params=BENCHMARKS.values(), ids=BENCHMARKS)
def benchmark_(request) -> AnyBenchmark:
    return request.param


def items(benchmark: AnyBenchmark, texts: list[str]) -> list[Item]:
    convention = "ZXY" if benchmark.boxes_in_text else None
    return [Item(f"s{i:02}", text, benchmark.example, convention) for i, text in enumerate(texts)]


def overall(report: Report, rules: int = 0) -> dict[str, float | None]:
    return {one.metric: one.value for one in report.rules[rules].scores if not one.of}


def test_perfect_and_empty_answers_score_what_the_benchmark_declares(benchmark_):
    perfect = benchmark_.perfect(benchmark_.example)
    for texts, declared in (([perfect] * 3, "oracle"), ([""] * 3, "silent")):
        report = score(benchmark_, items(benchmark_, texts), EXTRAS)
        found = overall(report)
        expected = getattr(report, declared)
        shared = expected.keys() & found.keys()
        assert shared & set(benchmark_.headline), "the range states no headline metric"
        for metric in shared:
            assert found[metric] == pytest.approx(expected[metric], abs=1e-9), (declared, metric)


def test_every_set_of_rules_reads_the_perfect_answer_and_says_why_it_cannot_read_an_empty_one(benchmark_):
    report = score(benchmark_, items(benchmark_, [benchmark_.perfect(benchmark_.example), ""]))
    for rules in report.rules:
        assert sum(rules.unparsed.values()) == 1, rules


def test_the_first_rules_are_the_published_ones_and_others_say_how_they_differ(benchmark_):
    assert next(iter(benchmark_.protocols)) == PUBLISHED
    assert set(benchmark_.protocols) - {PUBLISHED} == set(benchmark_.differs)


def test_published_numbers_are_fractions_of_scores_that_exist(benchmark_):
    report = score(benchmark_, items(benchmark_, [benchmark_.perfect(benchmark_.example), ""]), EXTRAS)
    found = {one.metric for one in report.rules[0].scores}
    found |= set(benchmark_.headline)
    optional = {"refined acc@0.25", "refined acc@0.5"}  # need proposals
    for number in benchmark_.published:
        assert number.metric in found | optional
        assert all(0 <= value < 1 for value in number.values.values())


def test_scores_do_not_depend_on_the_order_of_samples(benchmark_):
    texts = [benchmark_.perfect(benchmark_.example), "", "A", "nonsense 3", "a chair"] * 2
    some = items(benchmark_, texts)
    for rules in benchmark_.protocols.values():
        order = np.random.default_rng(0).permutation(len(some))
        one, other = rules(some, EXTRAS), rules([some[i] for i in order], EXTRAS)
        assert set(one.tally.metrics) == set(other.tally.metrics)
        place = [other.tally.metrics.index(metric) for metric in one.tally.metrics]
        with np.errstate(all="ignore"):
            assert_allclose(one.tally.scores(), other.tally.scores()[place], rtol=1e-12, atol=1e-12)
        assert_allclose(one.values[order], other.values, atol=1e-12)


def test_values_and_scores_are_fractions(benchmark_):
    texts = [benchmark_.perfect(benchmark_.example), "", "A", "nonsense 3", "1e400", "{" * 200]
    for rules in benchmark_.protocols.values():
        outcome = rules(items(benchmark_, texts), EXTRAS)
        assert ((outcome.values >= 0) & (outcome.values <= 1)).all()
        assert len(outcome.unparsed) == len(texts)


def test_an_example_goes_through_a_file_and_a_report_through_json(benchmark_, tmp_path):
    written = items(benchmark_, [benchmark_.perfect(benchmark_.example), ""])
    path = tmp_path / "p.jsonl"
    path.write_text("".join(line(benchmark_.name, item) + "\n" for item in written), encoding="utf-8")
    found = read_predictions(path, benchmark_)
    assert list(found.items) == written
    assert json.loads(score(benchmark_, found.items).to_json())["benchmark"] == benchmark_.name
