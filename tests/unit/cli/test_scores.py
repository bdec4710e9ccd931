"""Tables of scores: percent, 80 columns, nothing obeyed that stands in an answer or an id."""

import io

from rich.console import Console

from vgcli import scores
from vgcli_core.evaluation.benchmark import Item, Published
from vgcli_core.evaluation.benchmarks import BENCHMARKS
from vgcli_core.evaluation.compare import Change, Comparison, Gain
from vgcli_core.evaluation.report import Report, Rules, Scored, score


def shown(blocks) -> str:
    console = Console(file=io.StringIO(), width=80, markup=False, highlight=False)
    console.print(*blocks, sep="\n")
    return console.file.getvalue()


def rules(name: str, value: float | None, **more) -> Rules:
    found = (
        Scored("accuracy", "", value, (0.25, 0.5), 8),
        Scored("accuracy", "what", 1.0, None, 2),
        Scored("other", "", 0.1, None, 8),
    )
    return Rules(name, "they differ", found, more.get("unparsed", {}), more.get("counts", {}), more.get("notes", ()))


def report(*found: Rules) -> Report:
    published = (Published("accuracy", {"4B": 0.364}, "Table 1"), Published("accuracy", {"4B": 0.5}, "Table 2", "what"))
    return Report(
        "quiz", "A quiz", 8, 1, found, ("accuracy", "absent"), published, {"accuracy": 1.0}, {"accuracy": 0.0}
    )


def test_a_report_shows_percent_intervals_and_the_published_number():
    text = shown(scores.report(report(rules("published", 0.375), rules("corrected", None))))
    assert "8 samples of 1 scene or video;" in text
    headline = next(line for line in text.splitlines() if "published" in line and "37.50" in line)
    assert headline.split() == ["accuracy", "published", "37.50", "25.0", "to", "50.0", "36.4"]
    assert any(line.split() == ["corrected", "-", "25.0", "to", "50.0"] for line in text.splitlines())
    assert "perfect answers would score accuracy 100.00; empty ones accuracy 0.00" in text
    assert next(line for line in text.splitlines() if line.strip().startswith("what")).split() == [
        "what",
        "2",
        "100.00",
        "50.0",
    ]
    assert next(line for line in text.splitlines() if line.strip().startswith("other")).split()[:2] == [
        "other",
        "10.00",
    ]


def test_what_could_not_be_read_is_counted_with_reasons_and_notes_are_said_once():
    unparsed = {"no letter": 3, **{f"reason {i}": 1 for i in range(6)}}
    one = rules("published", 0.5, unparsed=unparsed, counts={"boxes lost": 2, "none": 0}, notes=("partial",))
    text = " ".join(shown(scores.report(report(one, rules("corrected", 0.5, notes=("partial",))))).split())
    assert "published: 9 of 8 answers (no letter 3, reason 0 1" in text
    assert "2 more reasons with --json" in text
    assert "corrected: every answer could be read" in text
    assert "published: 2 boxes lost" in text
    assert "none" not in text
    assert text.count("partial") == 1


def test_a_comparison_shows_signed_gains_and_the_largest_changes():
    gains = (
        Gain("accuracy", "", 0.5, 0.75, 0.25, (0.1, 0.4), 0.002),
        Gain("accuracy", "what", None, None, None, None, None),
    )
    changes = tuple(Change(f"q{i}\x1b[2J", 0.0, 1.0, "a", "b") for i in range(10))
    text = shown(
        scores.comparison(Comparison("quiz", "published", ("accuracy",), 20, 5, 1, 0, gains, 10, 0, 10, changes))
    )
    assert "+25.00" in text
    assert "10.0 to 40.0  0.002" in text
    assert "1 more scores with --json" in text
    assert "left out: 1 samples only in the first" in text
    assert "and 2 more samples that differ" in text
    assert "\x1b" not in text


def test_the_list_names_every_benchmark_with_its_paper_number():
    text = shown(scores.listing(list(BENCHMARKS.values())))
    assert [name for name in BENCHMARKS if name not in text] == []
    assert "36.4" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_score_with_a_unit_is_shown_as_it_is():
    far = Scored("error", "", 0.375, (0.25, 0.5), 8, "m")
    text = shown(scores.report(report(Rules("published", "", (far,), {}, {}, ()))))
    line = next(line for line in text.splitlines() if line.strip().startswith("error"))
    assert line.split()[:5] == ["error", "0.38", "m", "0.25", "to"]


def test_a_task_that_all_metrics_of_a_table_name_stands_above_it():
    found = [
        Scored(f"ground {name}", f"label: {label}", 0.5, None, 8) for label in "ab" for name in ("acc@0.25", "error")
    ]
    text = shown(scores.report(report(Rules("published", "", tuple(found), {}, {}, ()))))
    assert "ground published rules" in text
    assert next(line for line in text.splitlines() if "acc@0.25" in line).split() == ["of", "n", "acc@0.25", "error"]


def test_a_benchmark_without_any_headline_score_says_what_it_needs():
    one = BENCHMARKS["nextqa_oe"]
    found = score(one, [Item("a", "open door", one.example)])
    for blocks in (scores.report(found), scores.overview([report(rules("published", 0.5)), found])):
        text = " ".join(shown(blocks).split())
        assert "no score" in text
        assert "it needs the similarity of words (--word-similarities)" in text
    row = next(line for line in shown(scores.overview([found])).splitlines() if "no score" in line)
    assert row.split() == ["nextqa_oe", "no", "score", "-", "-", "1"]


def test_classes_that_do_not_occur_are_said_to_count_as_0():
    one = BENCHMARKS["scannet_det"]
    items = [Item("a", one.perfect(one.example), one.example, "ZXY")]
    text = " ".join(shown(scores.report(score(one, items))).split())
    assert "n = 0: absent from these scenes; counts as 0 by the published rules" in text
    assert "n = 0" not in shown(scores.report(report(rules("published", 0.5))))
