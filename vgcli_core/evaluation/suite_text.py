"""The filled tables of the paper as a Markdown document that GitHub renders, and as LaTeX with booktabs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from vgcli_core.evaluation.suite import Cell, Line, Part, Table, Verdict
from vgcli_core.evaluation.suite_places import PART
from vgcli_core.evaluation.suite_published import SOURCE
from vgcli_core.evaluation.suite_roles import ROLES

_MARKDOWN = re.compile(r"([\\`*_<>|\[\]~$&])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "–": r"\textendash{}",
    PART: r"$^\dagger$",
    **{mark: f"\\{mark}" for mark in "%_&#{}$"},
}
_WIDE = 6  # columns of scores that fit between the margins as they are
_DETAILS = ("interval", "n", "difference")

_READ = (
    f"Plain rows are those of {SOURCE}, in percent. Rows called *ours* are models that were asked here, each below the "
    "published model of its kind, and named by the role it plays (see Models).",
    "Ours are scored by the published rules, quirks included, since the published numbers were. The run's reports hold "
    "the corrected rules too.",
    "The interval is the 95 % bootstrap interval over scenes or videos: what another draw of test scenes would do. It "
    "does not contain the noise of training. n is the number of samples behind a score.",
    "A difference is ours minus the paper's, of the numbers as printed here. Numbers in parentheses are refined by "
    "proposals of the 3D point cloud, and so not made of the video alone.",
    f"{PART} marks a run on a part of a benchmark. It compares with no published number.",
    "The paper's boxes were scored before its code settled on one convention of angles: box scores may differ a little "
    "in either direction.",
)


def markdown(tables: Sequence[Table], *, when: str, versions: Mapping[str, str] | None = None) -> str:
    """Return a document: how to read it, what is reproduced, the models, the tables, the commands.

    Args:
        tables: of `suite.tables`.
        when: the day, for the reader.
        versions: of what computed the numbers, by name.
    """
    parts = _parts(tables)
    made_with = ", ".join(f"{name} {version}" for name, version in (versions or {}).items())
    blocks = [
        f"# Tables 1 to 7 of VG-LLM ({SOURCE}), and the same made here",
        _plain(f"Written on {when}" + (f" with {made_with}." if made_with else ".")),
        "\n".join(f"- {text}" for text in _READ),
        "## Reproduced?",
        *_verdicts(tables),
        "## Models",
        _grid(("Role", "What", "Size", "Model", "Recipe of the role"), "lllll", [_model(part) for part in parts]),
        *chain.from_iterable(_markdown_table(table) for table in tables),
        "## Commands",
        "What made the rows above:",
        _commands([part for part in parts if part.model]) or "Nothing was run.",
    ]
    waiting = _commands([part for part in parts if not part.model])
    if waiting:
        blocks += ["What would fill the rows that were not run:", waiting]
    return "\n\n".join(blocks) + "\n"


def latex(tables: Sequence[Table], *, when: str, versions: Mapping[str, str] | None = None) -> str:
    """Return a LaTeX document (booktabs, graphicx) with one table environment each; arguments as for `markdown`.

    Rows that were not run stand as comments, and so do the commands.
    """
    made_with = ", ".join(f"{name} {version}" for name, version in (versions or {}).items())
    return "\n".join(
        (
            _comment(f"Tables 1 to 7 of VG-LLM ({SOURCE}), ours in bold. Written on {when}. {made_with}".strip()),
            r"\documentclass{article}",
            r"\usepackage[utf8]{inputenc}",
            r"\usepackage[T1]{fontenc}",
            r"\usepackage{booktabs}",
            r"\usepackage{graphicx}",
            r"\begin{document}",
            *chain.from_iterable(_latex_table(table) for table in tables),
            r"\end{document}",
            "",
        )
    )


def _parts(tables: Sequence[Table]) -> list[Part]:
    found = {part.role: part for table in tables for part in table.parts}
    return [found[role] for role in ROLES if role in found]


def _verdicts(tables: Sequence[Table]) -> list[str]:
    order = list(ROLES)
    found = sorted(
        {verdict: None for table in tables for verdict in table.verdicts}, key=lambda one: order.index(one.role)
    )
    if not found:
        return ["No score that the paper prints, and for which a tolerance is stated, was run."]
    heads = ("Role", "Benchmark", "Score", "Ours", "Paper", "Difference", "Tolerance", "Reproduced")
    note = (
        "Tolerances are points, and not the paper's: they are as wide as what is known to change from one training, "
        "and from one version of the libraries, to another."
    )
    return [_grid(heads, "lllrrrrl", [_verdict(one) for one in found]), note]


def _verdict(one: Verdict) -> list[str]:
    said = "not comparable: a part of the benchmark" if one.reached is None else "yes" if one.reached else "**no**"
    numbers = (f"{one.ours:.1f}", f"{one.published:.1f}", f"{one.difference:+.1f}", f"±{one.tolerance:.1f}")
    return [_code(one.role), _code(one.benchmark), _plain(one.score), *numbers, said]


def _model(part: Part) -> list[str]:
    role = ROLES[part.role]
    recipe = " ".join((role.recipe, *(f"--set {setting}" for setting in role.settings)))
    return [
        _code(part.role),
        _plain(role.what),
        role.size,
        _code(part.model) if part.model else "not run",
        _code(recipe) if recipe else "none",
    ]


def _markdown_table(table: Table) -> Iterator[str]:
    yield f"## Table {table.number}: {_plain(table.title)}"
    yield _plain(table.caption)
    rows = [_markdown_row(line) for block in table.blocks for line in block]
    yield _grid((*table.leads, *table.columns), "l" * len(table.leads) + "r" * len(table.columns), rows)
    if table.footnotes:
        yield "\n".join(f"{number}. {_plain(text)}" for number, text in enumerate(table.footnotes, 1))


def _markdown_row(line: Line) -> list[str]:
    cells = [_plain(cell.text) for cell in (*line.leads, *line.cells)]
    if line.kind == "ours":
        cells = [f"**{text}**" if text else "" for text in cells]
    elif line.kind in _DETAILS:
        cells[0] = f"&emsp;{cells[0]}"
    marks = (", ".join(map(str, cell.notes)) for cell in (*line.leads, *line.cells))
    return [f"{text}<sup>{mark}</sup>" if mark else text for text, mark in zip(cells, marks, strict=True)]


def _grid(heads: Sequence[str], sides: str, rows: Sequence[Sequence[str]]) -> str:
    rule = ["---:" if side == "r" else "---" for side in sides]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *rows))


def _commands(parts: Sequence[Part]) -> str:
    lines = dict.fromkeys(command for part in parts for command in part.commands)
    return "```bash\n" + "\n".join(lines) + "\n```" if lines else ""


def _plain(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence, gap = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{gap}{' '.join(text.split())}{gap}{fence}".replace("|", "\\|")


def _latex_table(table: Table) -> Iterator[str]:
    yield ""
    for part in table.parts:
        made = "made by" if part.model else "not run; to run it"
        yield from (_comment(f"{part.role}, {made}: {command}") for command in part.commands)
    caption = _escape(f"{table.title[0].upper()}{table.title[1:]}. {table.caption}")
    wide = len(table.columns) > _WIDE
    environment = "table*" if wide else "table"
    yield from (f"\\begin{{{environment}}}", r"\centering", f"\\caption{{{caption}}}")
    yield f"\\label{{tab:vgllm-{table.number}}}"
    if wide:
        yield r"\resizebox{\textwidth}{!}{%"
    yield f"\\begin{{tabular}}{{{'l' * len(table.leads)}{'r' * len(table.columns)}}}"
    yield r"\toprule"
    yield _latex_row([_escape(head) for head in (*table.leads, *table.columns)])
    for block in table.blocks:
        yield r"\midrule"
        yield from (_latex_line(line) for line in block)
    yield r"\bottomrule"
    yield r"\end{tabular}" + ("}" if wide else "")
    if table.footnotes:
        yield r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize"
        yield from (f"$^{{{number}}}$ {_escape(text)}\\par" for number, text in enumerate(table.footnotes, 1))
        yield r"\end{minipage}"
    yield f"\\end{{{environment}}}"


def _latex_line(line: Line) -> str:
    cells = [_latex_cell(cell, line) for cell in (*line.leads, *line.cells)]
    if line.kind in _DETAILS:
        cells[0] = r"\quad " + cells[0]
    return _comment(_latex_row(cells)) if line.kind == "not run" else _latex_row(cells)


def _latex_cell(cell: Cell, line: Line) -> str:
    text = _escape(cell.text)
    if line.kind == "difference":
        text = text.replace("-", "$-$")
    if text and line.kind == "ours":
        text = f"\\textbf{{{text}}}"
    elif text and line.kind in _DETAILS:
        text = f"{{\\footnotesize {text}}}"
    return text + (f"$^{{{','.join(map(str, cell.notes))}}}$" if cell.notes else "")


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _escape(text: str) -> str:
    # Letters beyond Latin need fonts that an article does not load.
    known = "".join(mark if mark in _LATEX or ord(mark) < 0x180 else "?" for mark in " ".join(text.split()))
    return "".join(_LATEX.get(mark, mark) for mark in known).replace("--", "-{}-")  # no dash of "--limit"


def _comment(text: str) -> str:
    return f"% {' '.join(text.split())}"
