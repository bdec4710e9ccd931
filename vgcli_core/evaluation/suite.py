"""The paper's tables filled: every published row, and under it the same model run here, with its difference.

Pure: reports in, tables as plain data out; `suite_text` writes them as Markdown and LaTeX. Numbers are percent with one
decimal, as the paper prints them, and differences are those of the printed numbers.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from vgcli_core.errors import lookup
from vgcli_core.evaluation.report import Report
from vgcli_core.evaluation.suite_places import Place, as_printed, points
from vgcli_core.evaluation.suite_published import TABLES, Block, Column, Number, PaperTable, numbers_of
from vgcli_core.evaluation.suite_roles import ROLES, commands_of

Kind = Literal["paper", "ours", "interval", "n", "difference", "not run"]


class Cell(NamedTuple):
    """A text and the numbers, from 1, of the footnotes it points to."""

    text: str
    notes: tuple[int, ...] = ()


class Line(NamedTuple):
    """One row of a table: its columns of text, then its scores."""

    kind: Kind
    leads: tuple[Cell, ...]
    cells: tuple[Cell, ...]


class Part(NamedTuple):
    """A role in the tables: the model that plays it, "" for none; the commands that made its rows, or would do so."""

    role: str
    model: str
    commands: tuple[str, ...]


class Verdict(NamedTuple):
    """Whether a score is reproduced, in points; `reached` is None where only a part of the benchmark was run."""

    role: str
    benchmark: str
    score: str
    ours: float
    published: float
    tolerance: float
    reached: bool | None

    @property
    def difference(self) -> float:
        """Ours minus the published number."""
        return round(self.ours - self.published, 1) + 0.0


@dataclass(frozen=True, slots=True)
class Table:
    """One filled table.

    Attributes:
        number: as in the paper.
        title, caption: what it is, and what else to know of its columns.
        leads, columns: heads of the columns of text, and of the scores.
        blocks: lines that belong together.
        footnotes: counted from 1.
        parts: the roles of its rows.
        verdicts: on the scores with a stated tolerance.
    """

    number: int
    title: str
    caption: str
    leads: tuple[str, ...]
    columns: tuple[str, ...]
    blocks: tuple[tuple[Line, ...], ...]
    footnotes: tuple[str, ...]
    parts: tuple[Part, ...]
    verdicts: tuple[Verdict, ...]


def suite_benchmarks(roles: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the benchmarks that fill all rows of each role, in the order of the tables.

    Raises:
        UnknownName: there is no such role.
    """
    found: dict[str, dict[str, None]] = {_known(role): {} for role in roles}
    for table in TABLES:
        for block in table.blocks:
            for role in _roles(block):
                if role in found:
                    found[role] |= dict.fromkeys(column.benchmark for column in block.columns)
    return {role: tuple(names) for role, names in found.items()}


def tables(
    reports: Mapping[str, Mapping[str, Report]],
    *,
    commands: Mapping[str, Sequence[str]],
    models: Mapping[str, str],
    sizes: Mapping[str, str | None] | None = None,
    data: str = "data",
    out: str = "runs/paper",
) -> tuple[Table, ...]:
    """Return Tables 1 to 7 with a row for every role, run or not.

    Args:
        reports: role -> name of a benchmark -> its report. What is missing there was not run.
        commands: role -> the commands that made its reports.
        models: role -> name of its model.
        data, out: folders of the sets and of the suite, for the commands that would fill what is missing.
        sizes: role -> "4B" or "8B", None for others and where it is not known. A model of the other published size
            than its row is compared with nothing; one of None is compared, and the row says so.

    Raises:
        UnknownName: there is no such role.
    """
    for role in (*reports, *models):
        _known(role)
    parts = {
        role: Part(role, models.get(role, role), tuple(commands.get(role, ())))
        if reports.get(role)
        else Part(role, "", commands_of(role, data=data, out=out))
        for role in ROLES
    }
    return tuple(_Filling(table, reports, sizes or {}).table(parts) for table in TABLES)


def _known(role: str) -> str:
    lookup("role", ROLES, role, where="vgllm eval --suite paper")
    return role


def _roles(block: Block) -> list[str]:
    return [*(row.role for row in block.rows if row.role), *block.extra]


class _Filling:
    """One table on its way, with the footnotes and verdicts found so far."""

    def __init__(
        self, table: PaperTable, reports: Mapping[str, Mapping[str, Report]], sizes: Mapping[str, str | None]
    ) -> None:
        self._table = table
        self._reports = reports
        self._sizes = sizes
        self._notes: dict[str, int] = {}
        self._verdicts: list[Verdict] = []

    def table(self, parts: Mapping[str, Part]) -> Table:
        blocks = tuple(tuple(self._lines(block)) for block in self._table.blocks)
        roles = dict.fromkeys(role for block in self._table.blocks for role in _roles(block))
        return Table(
            self._table.number,
            self._table.title,
            self._table.caption,
            self._table.leads,
            tuple(column.title for column in self._table.blocks[0].columns),
            blocks,
            tuple(self._notes),
            tuple(parts[role] for role in roles),
            tuple(self._verdicts),
        )

    def _lines(self, block: Block) -> Iterator[Line]:
        for row in block.rows:
            numbers = numbers_of(row, block.columns)
            leads = self._leads(row.name, row.second, row.remarks.get("", ""))
            cells = [
                Cell(as_printed(number), self._note(row.remarks.get(column.title, "")))
                for number, column in zip(numbers, block.columns, strict=True)
            ]
            yield Line("paper", leads, tuple(cells))
            if row.role:
                yield from self._ours(row.role, row.second, block.columns, numbers)
        for role in block.extra:
            yield from self._ours(role, block.second, block.columns, None)

    def _ours(
        self, role: str, second: str, columns: Sequence[Column], published: Sequence[Number] | None
    ) -> Iterator[Line]:
        reports = self._reports.get(role, {})
        asked = [column.benchmark for column in columns]
        places = [
            Place(column, reports.get(column.benchmark), first=column.benchmark not in asked[:index])
            for index, column in enumerate(columns)
        ]
        if not any(place.report for place in places):
            empty = [Cell("")] * (len(columns) - 1)
            yield Line("not run", self._leads(f"ours: {role}", second), (Cell("not run"), *empty))
            return
        size, stated = ROLES[role].size, self._sizes.get(role)
        remark = "" if published else "the paper has no such row"
        if stated is None:
            remark = remark or f"compared with {size}: the model is of neither published size, or its size is not known"
        elif stated != size:
            remark, published = f"a model of {stated}, not of {size}: compared with nothing", None
        leads = self._leads(f"ours: {role}", second, remark)
        yield Line("ours", leads, tuple(Cell(place.value(), self._note(place.remark(role))) for place in places))
        yield self._more("interval", "95 % interval", [place.interval() for place in places])
        yield self._more("n", "n", [place.n() for place in places])
        if published:
            differences = [place.difference(number) for place, number in zip(places, published, strict=True)]
            yield self._more("difference", "difference", differences)
            self._judge(role, places, published)

    def _judge(self, role: str, places: Sequence[Place], published: Sequence[Number]) -> None:
        for place, number in zip(places, published, strict=True):
            column, ours = place.column, points(place.plain)
            if column.tolerance is None or ours is None or number.plain is None:
                continue
            verdict = Verdict(role, column.benchmark, column.title, ours, number.plain, column.tolerance, None)
            reached = None if place.part else abs(verdict.difference) <= column.tolerance
            self._verdicts.append(verdict._replace(reached=reached))

    def _more(self, kind: Kind, name: str, texts: Sequence[str]) -> Line:
        return Line(kind, self._leads(name, ""), tuple(Cell(text) for text in texts))

    def _leads(self, name: str, second: str, remark: str = "") -> tuple[Cell, ...]:
        return (Cell(name, self._note(remark)), Cell(second))[: len(self._table.leads)]

    def _note(self, text: str) -> tuple[int, ...]:
        return (self._notes.setdefault(text, len(self._notes) + 1),) if text else ()
