"""The tables of the paper as documents: Markdown that GitHub renders, LaTeX that compiles."""

import re

import pytest

from tests.unit.evaluation.suite_reports import report, shifted
from vgcli_core.evaluation.suite import Table, tables
from vgcli_core.evaluation.suite_text import latex, markdown

MODEL = "runs/50%_a|b & {c} #1 $x ~^\\`"
COMMAND = "vgllm eval --suite paper --model 'scene=runs/50%_a'\n  --out runs/paper"
NOTE = 'a note of --flag with 5% of_all {a & b} <c> #1 $x "y" ~^\\ *z*'


@pytest.fixture(scope="module")
def found() -> tuple[Table, ...]:
    scene = shifted("scene", 0.02)
    scores = {("acc@0.25", ""): 0.37, ("acc@0.5", ""): 0.08}
    scene["scanrefer"] = report("scanrefer", scores, n=9508, notes=(NOTE,), failed={"gone": 1})
    scene["scan2cap"] = report("scan2cap", {("CIDEr@0.5", ""): 0.7}, n=12)
    return tables(
        {"scene": scene, "spatial-8b": shifted("spatial-8b", -0.01)},
        commands={"scene": [COMMAND], "spatial-8b": ["vgllm eval spatial"]},
        models={"scene": MODEL, "spatial-8b": "M"},
        sizes={"scene": "4B", "spatial-8b": None},
    )


@pytest.fixture(scope="module")
def page(found) -> str:
    return markdown(found, when="2 January 2026", versions={"vgllm": "0.1.0", "torch": "2.7.0"})


@pytest.fixture(scope="module")
def document(found) -> str:
    return latex(found, when="2 January 2026", versions={"vgllm": "0.1.0"})


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_every_row_of_a_markdown_table_fills_its_columns(page):
    grids = [block.splitlines() for block in page.split("\n\n") if block.startswith("| ")]
    assert len(grids) == 2 + 7
    for head, rule, *rows in grids:
        assert set(cells(rule)) <= {"---", "---:"}
        assert {len(cells(row)) for row in (rule, *rows)} == {len(cells(head))}


def test_our_rows_stand_out_with_their_details_below(page):
    lines = page.splitlines()
    place = lines.index("| **ours: scene** | **no** | **37.0**<sup>2</sup> | **8.0** |")
    assert lines[place + 1 : place + 4] == [
        "| &emsp;95 % interval |  | 36.0–38.0 | 7.0–9.0 |",
        "| &emsp;n |  | 9,508 | 9,508 |",
        "| &emsp;difference |  | +0.6 | -3.8 |",
    ]


def test_what_is_reproduced_is_said_once_and_first(page):
    part = page[page.index("## Reproduced?") : page.index("## Models")]
    assert part.index("`scanrefer`") < part.index("`vsi_bench`")
    assert "| `scene` | `scanrefer` | Acc@0.25 | 37.0 | 36.4 | +0.6 | ±1.0 | yes |" in part
    assert "| `scene` | `scanrefer` | Acc@0.5 | 8.0 | 11.8 | -3.8 | ±1.0 | **no** |" in part
    assert "| `scene` | `scan2cap` | C | 70.0 | 78.6 | -8.6 | ±2.5 | not comparable: a part of the benchmark |" in part
    assert "| `spatial-8b` | `vsi_bench` | Avg | 49.7 | 50.7 | -1.0 | ±1.5 | yes |" in part
    # Two of grounding, one of captions, detection on 4 and on 6 frames, VSI-Bench.
    assert part.count("| `scene`") == 5
    assert part.count("| `spatial-8b`") == 1


def test_what_a_user_named_cannot_break_markdown(page):
    (row,) = [line for line in page.splitlines() if line.startswith("| `scene` | 3D scenes")]
    assert cells(row)[3] == "`` runs/50%_a\\|b & {c} #1 $x ~^\\` ``"
    assert '5% of\\_all {a \\& b} \\<c\\> #1 \\$x "y" \\~^\\\\ \\*z\\*' in page


def test_commands_stand_in_blocks_to_be_pasted(page):
    made, would = re.findall(r"```bash\n(.*?)\n```", page, re.DOTALL)
    assert made == f"{COMMAND}\nvgllm eval spatial"
    assert "vgllm train --recipe scene-no-geometry --data data --out runs/scene-no-geometry" in would.splitlines()
    assert "--model scene=" not in would


def test_the_document_says_when_and_with_what(page):
    assert "Written on 2 January 2026 with vgllm 0.1.0, torch 2.7.0." in page


def test_a_run_without_scores_is_a_document_too():
    empty = tables({}, commands={}, models={})
    page = markdown(empty, when="today")
    assert "Nothing was run." in page
    assert "Written on today.\n" in page
    assert r"\textbf" not in latex(empty, when="today")


def body(document: str) -> list[str]:
    return [line for line in document.splitlines() if not line.startswith("%")]


def test_braces_and_environments_of_latex_balance(document):
    depth, opened = 0, []
    for line in body(document):
        for token in re.findall(r"\\\\|\\[{}]|\\(?:begin|end)\{\w+\*?\}|[{}]", line):
            if token.startswith(r"\begin"):
                opened.append(token[7:-1])
            elif token.startswith(r"\end"):
                assert opened.pop() == token[5:-1]
            elif token in "{}":
                depth += 1 if token == "{" else -1
                assert depth >= 0
    assert (depth, opened) == (0, [])


def test_every_row_of_a_latex_table_fills_its_columns(document):
    found = re.findall(r"\\begin\{tabular\}\{([lr]+)\}\n(.*?)\\end\{tabular\}", "\n".join(body(document)), re.DOTALL)
    assert len(found) == 7
    for sides, text in found:
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(sides)}
        assert set(text.splitlines()) - set(rows) == {r"\toprule", r"\midrule", r"\bottomrule"}


def test_latex_has_no_mark_that_means_something_else(document):
    marks = "".join(body(document)).replace(r"{!}{%", "")
    assert not re.findall(r"(?<!\\)[%#~]", marks)
    assert not re.findall(r"(?<![\\$])[_^]", marks)
    assert len(re.findall(r"(?<!\\)\$", marks)) % 2 == 0
    assert marks.isascii()
    assert (
        r"5\% of\_all \{a \& b\} \textless{}c\textgreater{} \#1 \$x \textquotedbl{}y\textquotedbl{} "
        r"\textasciitilde{}\textasciicircum{}\textbackslash{} *z*"
    ) in document


def test_two_hyphens_are_no_dash_and_ranges_have_one(document):
    assert r"{\footnotesize 36.0\textendash{}38.0}" in document
    assert "-{}-flag" in document
    assert "--" not in "".join(body(document))


def test_our_rows_are_bold_and_missing_ones_comments(document):
    assert r"\textbf{ours: scene} & \textbf{no} & \textbf{37.0}$^{2}$ & \textbf{8.0} \\" in document
    assert r"\quad {\footnotesize difference} &  & {\footnotesize +0.6} & {\footnotesize $-$3.8} \\" in document
    assert "% ours: scene-8b & no & not run & \\\\" in document.splitlines()


def test_commands_are_comments_of_one_line(document):
    made = "% scene, made by: vgllm eval --suite paper --model 'scene=runs/50%_a' --out runs/paper"
    assert document.splitlines().count(made) == 4  # Tables 1, 2, 3 and 7
    assert "% scene-concat, not run; to run it: vgllm train --recipe scene" in document
