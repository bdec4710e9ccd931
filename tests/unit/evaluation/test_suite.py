"""The paper's tables, filled: our rows below their published ones, and what stands in them."""

import pytest

from tests.unit.evaluation.suite_reports import report, shifted
from vgcli_core.errors import UnknownName
from vgcli_core.evaluation.report import Report
from vgcli_core.evaluation.suite import Line, Table, suite_benchmarks, tables

SCENE = ("scanrefer", "scan2cap", "scannet_det", "scannet_det_6frames")
SCANREFER = {
    ("acc@0.25", ""): 0.3712,
    ("acc@0.5", ""): 0.1,
    ("refined acc@0.25", ""): 0.53,
    ("refined acc@0.5", ""): 0.5,
}


def filled(role: str = "scene", reports: dict[str, Report] | None = None, size: str | None = "4B") -> tuple[Table, ...]:
    return tables({role: reports or {}}, commands={role: ["vgllm eval it"]}, models={role: "M"}, sizes={role: size})


def texts(line: Line) -> list[str]:
    return [cell.text for cell in (*line.leads, *line.cells)]


def rows(table: Table, role: str) -> list[Line]:
    """Return the published row of a role, if there is one, and ours with its details."""
    lines = [line for block in table.blocks for line in block]
    place = next(index for index, line in enumerate(lines) if line.leads[0].text == f"ours: {role}")
    end = next((index for index in range(place + 1, len(lines)) if lines[index].kind in ("paper", "not run")), None)
    return lines[place - 1 : end]


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("scene", SCENE),
        ("scene-8b-no-geometry", SCENE),
        ("scene-concat", SCENE[:3]),
        (
            "spatial",
            ("vsi_bench", "cv_bench", "video_mme", "video_mme_subtitles", "blink", "tempcompass", "nextqa"),
        ),
        ("spatial-no-geometry", ("vsi_bench", "cv_bench")),
        ("base", ("video_mme", "video_mme_subtitles", "blink", "tempcompass", "nextqa")),
    ],
)
def test_a_role_is_asked_what_its_rows_show(role, names):
    assert suite_benchmarks([role]) == {role: names}


def test_our_row_stands_below_the_published_one_with_interval_number_and_difference():
    paper, *ours = rows(filled(reports={"scanrefer": report("scanrefer", SCANREFER, n=9508)})[0], "scene")
    assert [line.kind for line in ours] == ["ours", "interval", "n", "difference"]
    assert texts(paper) == ["VG LLM-4B", "no", "36.4 (53.5)", "11.8 (47.5)"]
    assert [texts(line) for line in ours] == [
        ["ours: scene", "no", "37.1 (53.0)", "10.0 (50.0)"],
        ["95 % interval", "", "36.1–38.1 (52.0–54.0)", "9.0–11.0 (49.0–51.0)"],
        ["n", "", "9,508", "9,508"],
        ["difference", "", "+0.7 (-0.5)", "-1.8 (+2.5)"],
    ]


def test_a_score_is_reproduced_within_its_tolerance_of_the_numbers_as_printed():
    (near, far) = filled(reports={"scanrefer": report("scanrefer", SCANREFER, n=9508)})[0].verdicts
    assert (near.score, near.difference, near.tolerance, near.reached) == ("Acc@0.25", 0.7, 1.0, True)
    assert (far.score, far.difference, far.tolerance, far.reached) == ("Acc@0.5", -1.8, 1.0, False)


def test_a_part_of_a_benchmark_is_marked_and_not_judged():
    notes = ("--limit: 12 of 9,508 samples are asked, evenly spread",)
    table = filled(reports={"scanrefer": report("scanrefer", SCANREFER, n=12, notes=notes)})[0]
    ours = rows(table, "scene")[1]
    assert [cell.text for cell in ours.cells] == ["37.1 (53.0)†", "10.0 (50.0)†"]
    assert [verdict.reached for verdict in table.verdicts] == [None, None]
    (note,) = ours.cells[0].notes
    assert table.footnotes[note - 1] == f"scene, scanrefer: {notes[0]}"


@pytest.mark.parametrize(("n", "mark"), [(2068, ""), (2000, "†")])
def test_some_captions_are_a_part_of_all_captions(n, mark):
    table = filled(reports={"scan2cap": report("scan2cap", {("CIDEr@0.5", ""): 0.8}, n=n)})[1]
    assert texts(rows(table, "scene")[1]) == [
        "ours: scene",
        "boxes only",
        f"80.0{mark}",
        f"-{mark}",
        f"-{mark}",
        f"-{mark}",
    ]


def test_samples_that_were_not_asked_or_not_read_are_counted_in_a_footnote():
    found = report(
        "scanrefer",
        {("acc@0.25", ""): 0.3, ("acc@0.5", ""): 0.1},
        n=9508,
        failed={"the video is missing": 2, "no frame": 1},
        unparsed={"empty": 1500},
        cut_off=4,
    )
    table = filled(reports={"scanrefer": found})[0]
    (note,) = rows(table, "scene")[1].cells[0].notes
    assert table.footnotes[note - 1].split("; ") == [
        "scene, scanrefer: 3 of 9,508 samples could not be asked and count as empty answers (the video is missing: 2, "
        "no frame: 1)",
        "1,500 of 9,508 answers could not be read (empty: 1,500)",
        "4 of 9,508 answers ended at the limit of their tokens",
        "not refined, which needs 3D proposals of each scan, for the refined scores that the paper prints in "
        "parentheses",
    ]


def test_a_role_that_was_not_run_says_so_and_how_to_run_it():
    table = filled()[6]
    paper, ours = rows(table, "scene-concat")
    assert paper.leads[0].text == "concatenation"
    assert ours.kind == "not run"
    assert texts(ours) == ["ours: scene-concat", "not run", *[""] * 6]
    part = next(part for part in table.parts if part.role == "scene-concat")
    assert part.model == ""
    assert part.commands == (
        "vgllm train --recipe scene --set start.fusion=concat --data data --out runs/scene-concat",
        "vgllm eval --suite paper --model scene-concat=runs/scene-concat/model --data data --out runs/paper",
    )


def test_a_benchmark_that_was_not_run_leaves_its_places_of_a_row():
    table = filled(reports={"scannet_det": report("scannet_det", {("f1", ""): 0.4}, n=2424)})[6]
    _, ours, _, _, difference = rows(table, "scene")
    assert texts(ours) == ["ours: scene", "not run", "", "not run", "", "-", "-", "40.0"]
    assert texts(difference) == ["difference", *[""] * 6, "+1.8"]


def test_the_detection_on_six_frames_has_a_block_of_its_own():
    table = filled("scene-8b", {"scannet_det_6frames": report("scannet_det_6frames", {("f1", "bathtub"): 0.4})}, "8B")[
        2
    ]
    four, six = table.blocks
    assert [line.kind for line in four if line.leads[0].text == "ours: scene-8b"] == ["not run"]
    (place,) = [index for index, line in enumerate(six) if line.kind == "ours"]
    paper, ours, difference = six[place - 1], six[place], six[place + 3]
    column = table.columns.index("bathtub")
    assert (paper.cells[column].text, ours.cells[column].text) == ("40.4", "40.0")
    assert difference.cells[column].text == "-0.4"
    assert "45.2" in table.footnotes[paper.cells[column].notes[0] - 1]


def test_a_row_that_the_paper_lacks_has_no_difference():
    table = filled("spatial-no-geometry", {"cv_bench": report("cv_bench", {("average", ""): 0.7}, n=2638)})[4]
    _, ours, *details = rows(table, "spatial-no-geometry")
    assert table.footnotes[ours.leads[0].notes[0] - 1] == "the paper has no such row"
    assert [line.kind for line in details] == ["interval", "n"]


@pytest.mark.parametrize(
    ("size", "remark", "kinds"),
    [
        ("4B", None, ["ours", "interval", "n", "difference"]),
        (
            None,
            "compared with 4B: the model is of neither published size, or its size is not known",
            ["ours", "interval", "n", "difference"],
        ),
        ("8B", "a model of 8B, not of 4B: compared with nothing", ["ours", "interval", "n"]),
    ],
)
def test_models_are_compared_with_models_of_their_size(size, remark, kinds):
    table = filled(reports=shifted("scene", 0.0), size=size)[1]
    lines = rows(table, "scene")[1:]
    assert [line.kind for line in lines] == kinds
    assert [table.footnotes[note - 1] for note in lines[0].leads[0].notes] == ([remark] if remark else [])


def test_equal_scores_differ_by_nothing_in_every_table():
    found = tables(
        {role: shifted(role, 0.0) for role in ("scene", "spatial")},
        commands={},
        models={},
        sizes={"scene": "4B", "spatial": "4B"},
    )
    differences = [
        cell.text
        for table in found
        for block in table.blocks
        for line in block
        if line.kind == "difference"
        for cell in line.cells
    ]
    # 2 + 4 + 2 x 11 + 9 + 3 + 5 + 7 columns; places of ScanRefer hold two numbers.
    assert len(differences) == 52
    assert set(differences) == {"+0.0", "+0.0 (+0.0)"}
    assert all(verdict.reached for table in found for verdict in table.verdicts)


def test_the_model_and_commands_of_a_run_are_kept():
    (part,) = [part for part in filled(reports=shifted("scene", 0.0))[0].parts if part.model]
    assert part == ("scene", "M", ("vgllm eval it",))


@pytest.mark.parametrize("ask", [lambda: suite_benchmarks(["scen"]), lambda: filled("scen")])
def test_a_misspelt_role_is_answered_with_the_nearest(ask):
    with pytest.raises(UnknownName, match="scen") as caught:
        ask()
    assert "did you mean 'scene'" in str(caught.value)
