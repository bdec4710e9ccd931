"""Tables that lose nothing: at any width every number, heading and name stands whole."""

import io
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from vgcli import display, scores
from vgcli.sheets import Sheet
from vgcli_core.evaluation import tables
from vgcli_core.evaluation.benchmark import Extras, Item
from vgcli_core.evaluation.benchmarks import BENCHMARKS, rooms, scanrefer
from vgcli_core.evaluation.report import score

WIDTHS = (80, 100, 60)  # 60 counts as 80
CAN_VIEW = {"visible_frames": [0], "in_view_frames": [0]}


def shown(width, blocks, monkeypatch) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    console = display._wide()
    console.file = io.StringIO()
    console.print(*blocks, sep="\n")
    return console.file.getvalue()


def perfect(benchmark, truths, extras=None):
    convention = "ZXY" if benchmark.boxes_in_text else None
    items = [Item(f"s{i}", benchmark.perfect(truth), truth, convention) for i, truth in enumerate(truths)]
    return grown(score(benchmark, items, extras))


def grown(report):
    """The same report with numbers as long as they get: CIDEr above 1, intervals to 100 %, thousands of samples."""
    rules = tuple(
        replace(
            one,
            scores=tuple(
                replace(
                    found,
                    n=12345,
                    value=12.345 if found.unit else 1.2345,
                    ci95=(12.5, 178.25) if found.unit else (1.0, 1.283),
                )
                for found in one.scores
            ),
        )
        for one in report.rules
    )
    return replace(report, rules=rules, n=12345)


def refined():
    """ScanRefer with refined scores and both frame ceilings."""
    known = {**scanrefer.BENCHMARK.example.model_dump(), **CAN_VIEW}
    truth = scanrefer.GroundingTruth.model_validate(known)
    other = scanrefer.GroundingTruth.model_validate(
        {**known, "scene": "scene0012_00", "kind": "multiple", "visible_frames": None}
    )
    boxes = {name: np.array([[1.2, 2.4, 0.5, 0.6, 0.6, 0.9]]) for name in (truth.scene, other.scene)}
    return perfect(scanrefer.BENCHMARK, [truth, other], Extras(proposals=boxes))


def all_rooms():
    truths = [
        rooms.RoomsTruth(ground=refined_truth, description=kind, label=label)
        for refined_truth, kind, label in (
            (scanrefer.GroundingTruth.model_validate({**ground(), **CAN_VIEW}), "unique", "chest of drawers"),
            (scanrefer.GroundingTruth.model_validate({**ground(), **CAN_VIEW}), "relational", "lamp"),
        )
    ]
    truths += [rooms.RoomsTruth(**{task: one.example}) for task, one in rooms.BY_TASK.items() if task != "ground"]
    return perfect(rooms.BENCHMARK, truths, Extras())


def ground():
    return scanrefer.BENCHMARK.example.model_dump()


REPORTS = {name: lambda one=one: perfect(one, [one.example]) for name, one in BENCHMARKS.items()}
REPORTS |= {"refined": refined, "all rooms": all_rooms}


def expect_whole(text, report, found, metrics_of):
    """Assert that values, intervals, counts and every word of names stand in the text."""
    printed = Counter(text.split())
    wanted: Counter[str] = Counter()
    for one in found:
        wanted.update(tables.shown(one).split())
    assert {word: n - printed[word] for word, n in wanted.items() if printed[word] < n} == {}
    for metric in metrics_of:
        assert set(metric.split()) <= set(printed), metric
    for model in tables.models(report):
        assert model in printed
    assert not any("…" in word for word in printed)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", REPORTS)
def test_every_number_heading_and_name_of_a_report_is_whole(name, width, monkeypatch):
    report = REPORTS[name]()
    text = shown(width, scores.report(report), monkeypatch)
    assert max(map(len, text.splitlines())) <= max(width, 80)
    published = report.rules[0].scores
    metrics = {one.metric for one in published if not one.of}
    expect_whole(text, report, published, metrics)
    for part in tables.class_tables(report.rules[0]):
        task = tables.shared_word(part.metrics)
        for heading in (*(metric.removeprefix(task) for metric in part.metrics), *part.rows):
            assert set(heading.split()) <= set(text.split()), heading
        assert text.split().count("12,345") >= len(part.rows)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_overview_of_all_benchmarks_is_whole(width, monkeypatch):
    reports = [find() for name, find in REPORTS.items() if name != "rooms"]
    text = shown(width, scores.overview(reports), monkeypatch)
    assert max(map(len, text.splitlines())) <= max(width, 80)
    first = [score for one in reports for metric in one.headline if (score := one.rules[0].get(metric))]
    for one in reports:
        expect_whole(text, one, [], [one.benchmark, *(s.metric for s in first if s in one.rules[0].scores)])
    expect_whole(text, reports[0], first, [])
    assert text.split().count("12,345") >= len(first)
    assert {"found", "interval", "n", "paper", "score", "benchmark"} <= set(text.split())


def test_numbers_that_do_not_fit_stand_in_tables_below_with_names_and_counts():
    sheet = Sheet("of", "n", *(f"metric {i}" for i in range(20)), kept=("n",))
    sheet.add_row("a class", "1,234", *(f"{i}.00 degrees" for i in range(20)))
    console = Console(file=io.StringIO(), width=80)
    console.print(sheet)
    text = console.file.getvalue()
    assert [text.count(f" {i}.00 degrees") for i in range(20)] == [1] * 20
    assert 2 <= text.count("a class") == text.count("1,234") <= 7
    assert max(map(len, text.splitlines())) <= 80


def test_a_name_longer_than_the_line_is_broken_and_not_cut():
    sheet = Sheet("sample", "first", "second")
    sheet.add_row("x" * 200, "0.00", "100.00")
    console = Console(file=io.StringIO(), width=80)
    console.print(sheet)
    assert console.file.getvalue().count("x") == 200
    assert "100.00" in console.file.getvalue()


def test_a_table_without_numbers_and_rows_prints_its_headings():
    console = Console(file=io.StringIO(), width=80)
    console.print(Sheet("name", "what", names=("what",)))
    assert console.file.getvalue().split()[:2] == ["name", "what"]
