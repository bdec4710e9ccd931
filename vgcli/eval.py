"""`vgllm eval`: score stored answers, compare two sets of them; a table for people, report.json for programs."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vgcli import display
from vgcli.predict import Euler
from vgcli_core.atomic import write_text
from vgcli_core.errors import OutputError, UsageError, lookup

if TYPE_CHECKING:
    from vgcli_core.evaluation.benchmark import AnyBenchmark, Extras

EPILOG = """
[bold]Examples[/]

vgllm eval --list

vgllm eval vsi_bench --example > predictions.jsonl

vgllm eval vsi_bench --predictions predictions.jsonl

vgllm eval scanrefer --predictions run/predictions.jsonl --proposals boxes.json --out run

vgllm eval --compare before/predictions.jsonl after/predictions.jsonl
"""

_WHAT = "What to score"
_MORE = "What some scores need"
_OUT = "Results"


def evaluate(
    benchmarks: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="A benchmark, for example scanrefer.")
    ] = None,
    *,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Answers to score: JSON lines, one per sample.", rich_help_panel=_WHAT),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Two files of answers: differences, sample by sample.", rich_help_panel=_WHAT),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Truths by id, where the answers do not carry them.", rich_help_panel=_WHAT),
    ] = None,
    euler_convention: Annotated[
        Euler | None,
        typer.Option(
            help="Angles inside the answers, where the lines do not say it: ZXY since 27 November 2025, zxy before.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the benchmarks.", rich_help_panel=_WHAT)] = False,
    example: Annotated[
        bool, typer.Option("--example", help="Print two lines of answers to start from.", rich_help_panel=_WHAT)
    ] = False,
    proposals: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="scanrefer: proposal boxes, to score refined too.", rich_help_panel=_MORE),
    ] = None,
    word_similarities: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="nextqa_oe: similarities of words.", rich_help_panel=_MORE),
    ] = None,
    meteor: Annotated[
        bool,
        typer.Option(
            "--meteor/--no-meteor", help="scan2cap: METEOR, where Java and its jar are.", rich_help_panel=_MORE
        ),
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write DIR/report.json. [dim]\\[default: beside the predictions][/]",
            rich_help_panel=_OUT,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the JSON instead of tables; write only with --out.", rich_help_panel=_OUT),
    ] = False,
) -> None:
    """Score stored answers on a benchmark: every number with its interval, beside the paper's."""
    if show_list:
        from vgcli_core.evaluation.benchmarks import BENCHMARKS

        display.listing(list(BENCHMARKS.values()))
        return
    if compare is not None:
        if predictions is not None or benchmarks:
            raise UsageError("--compare takes two files and no NAME", fix="vgllm eval --compare A B")
        files = (proposals, word_similarities)
        show_comparison(
            *compare, truth=truth, euler=euler_convention, files=files, meteor=meteor, out=out, as_json=as_json
        )
        return
    benchmark = chosen(benchmarks or [])
    if example:
        display.line("\n".join(example_lines(benchmark)))
        return
    if predictions is None:
        raise UsageError(
            "no answers to score",
            where=f"vgllm eval {benchmark.name}",
            fix=f"give --predictions FILE; vgllm eval {benchmark.name} --example prints lines to start from",
        )
    with display.progress("reading answers") as progress:
        from vgcli_core.evaluation.predictions import read_predictions
        from vgcli_core.evaluation.report import score

        wanted = predictions.exists() and not predictions.is_dir() and (out is not None or not as_json)
        target = report_file(out, predictions, benchmark.name) if wanted else None

        found = read_predictions(predictions, benchmark, truth=truth, euler_convention=euler_convention)
        progress("scoring")
        with gathered_extras(benchmark, proposals, word_similarities, meteor=meteor) as extras:
            report = score(
                benchmark,
                found.items,
                extras,
                source=found.source,
                versions=versions(),
                notes=found.notes,
                failed=found.failed,
                cut_off=found.cut_off,
            )
    if as_json:
        display.json_text(report.to_json())
    else:
        display.report(report)
    if target is not None:
        write_text(target, report.to_json())
        display.written([target])


def chosen(names: list[str]) -> "AnyBenchmark":
    """Return the benchmark that is named. Raises UsageError for none or several, UnknownName for an unknown one."""
    from vgcli_core.evaluation.benchmarks import BENCHMARKS

    if len(names) != 1:
        what = "no benchmark is named" if not names else f"{len(names)} benchmarks for one file of answers"
        raise UsageError(what, where="vgllm eval NAME --predictions FILE", fix=f"name one: {', '.join(BENCHMARKS)}")
    return lookup("benchmark", BENCHMARKS, names[0])


def example_lines(benchmark: "AnyBenchmark") -> list[str]:
    """Return two lines of an invented run: a perfect answer, and one that says nothing."""
    from vgcli_core.evaluation.benchmark import Item
    from vgcli_core.evaluation.predictions import line

    convention: Euler | None = "ZXY" if benchmark.boxes_in_text else None
    texts = {"perfect": benchmark.perfect(benchmark.example), "silent": ""}
    return [line(benchmark.name, Item(name, text, benchmark.example, convention)) for name, text in texts.items()]


def show_comparison(
    first: Path,
    second: Path,
    *,
    truth: Path | None,
    euler: Euler | None,
    files: tuple[Path | None, Path | None],
    meteor: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Compare two files (or folders that hold predictions.jsonl) and show or write the difference."""
    from vgcli_core.evaluation.benchmarks import BENCHMARKS
    from vgcli_core.evaluation.compare import compare
    from vgcli_core.evaluation.predictions import benchmark_of, read_predictions

    with display.progress("reading answers") as progress:
        runs = [path / "predictions.jsonl" if path.is_dir() else path for path in (first, second)]
        benchmark = lookup("benchmark", BENCHMARKS, benchmark_of(runs[0]), where=str(runs[0]))
        one, other = (read_predictions(path, benchmark, truth=truth, euler_convention=euler) for path in runs)
        notes = [f"{place}: {note}" for place, run in (("first", one), ("second", other)) for note in run.notes]
        progress("comparing")
        with gathered_extras(benchmark, *files, meteor=meteor) as extras:
            found = compare(benchmark, one.items, other.items, extras, notes=notes)
    if as_json:
        display.json_text(found.to_json())
    else:
        display.comparison(found)
    if out is not None:
        write_text(out / "comparison.json", found.to_json())
        display.written([out / "comparison.json"])


@contextlib.contextmanager
def gathered_extras(
    benchmark: "AnyBenchmark", proposals: Path | None, similarities: Path | None, *, meteor: bool
) -> "Iterator[Extras]":
    """Yield what some scores need beside the answers; the report says what is missing.

    Raises:
        UsageError: an option of another benchmark.
    """
    from vgcli_core.evaluation.benchmark import Extras
    from vgcli_core.evaluation.extras import read_proposals, read_similarities
    from vgcli_core.evaluation.meteor import Meteor, MeteorProcess, find_meteor

    for option, value, name in (
        ("--proposals", proposals, "proposals"),
        ("--word-similarities", similarities, "word_similarity"),
    ):
        if value is not None and name not in benchmark.needs:
            raise UsageError(f"{option} says nothing to {benchmark.name}", fix=f"leave out {option}")
    boxes = read_proposals(proposals) if proposals else None
    similar = read_similarities(similarities) if similarities else None
    jar = find_meteor() if meteor and "meteor" in benchmark.needs else None
    if not isinstance(jar, Meteor):
        yield Extras(boxes, similar)
        return
    with MeteorProcess(jar) as aligner:
        yield Extras(boxes, similar, aligner)


def report_file(out: Path | None, predictions: Path, benchmark: str) -> Path:
    """Return where the report goes: DIR/report.json, or beside the answers; never over the report of other answers.

    Raises:
        OutputError: something else is there, or the answers come from a pipe and have no folder.
    """
    if out is None and not predictions.is_file():
        raise OutputError("no folder to put report.json into", where=str(predictions), fix="choose a folder with --out")
    beside = "report.json" if predictions.stem == "predictions" else f"{predictions.stem}.report.json"
    target = predictions.parent / beside if out is None else out / "report.json"
    if target.is_file():
        try:
            before = json.loads(target.read_text(encoding="utf-8"))
            same = before["benchmark"] == benchmark and before["predictions"]["name"] == predictions.name
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            same = False
        if not same:
            what = f"{target.name} is already there, and is not the report of {predictions.name}"
            raise OutputError(what, where=str(target), fix="choose another folder with --out, or move that file away")
    return target


def versions() -> dict[str, str]:
    """Return the versions that a score may depend on."""
    import platform

    import numpy
    import scipy

    from vgcli_core.version import __version__

    return {
        "vgllm": __version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
    }
