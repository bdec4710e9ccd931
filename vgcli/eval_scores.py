"""Scores of stored answers: read, scored, compared, shown; no model is needed for it."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vgcli import display
from vgcli.model_options import Euler
from vgcli_core.atomic import write_text
from vgcli_core.errors import OutputError, PredictionsError, UsageError, lookup

if TYPE_CHECKING:
    from vgcli_core.evaluation.benchmark import AnyBenchmark, Extras

PREDICTIONS = "predictions.jsonl"


@dataclass(frozen=True)
class Scoring:
    """What some scores need beside the answers: files of proposals and similar words, and whether METEOR is wanted."""

    proposals: Path | None = None
    word_similarities: Path | None = None
    meteor: bool = True


def score_stored(
    benchmark: "AnyBenchmark",
    predictions: Path,
    scoring: Scoring,
    *,
    truth: Path | None,
    euler: Euler | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Score a file of answers and show or write the report.

    Args:
        benchmark: that the answers are to.
        predictions: JSON lines.
        scoring: what some scores need.
        truth: a file with the truths, where the lines do not carry them.
        euler: of angles in the answers, where the lines do not say it.
        out: folder of report.json; beside the answers where None.
        as_json: print the JSON instead of tables, and write only with `out`.
    """
    with display.progress("reading answers") as progress:
        from vgcli_core.evaluation.predictions import read_predictions
        from vgcli_core.evaluation.report import score

        wanted = predictions.exists() and not predictions.is_dir() and (out is not None or not as_json)
        target = report_file(out, predictions, benchmark.name) if wanted else None

        found = read_predictions(predictions, benchmark, truth=truth, euler_convention=euler)
        progress("scoring")
        with gathered_extras(benchmark, scoring) as extras:
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


def chosen(names: Sequence[str]) -> "AnyBenchmark":
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
    scoring: Scoring,
    *,
    truth: Path | None,
    euler: Euler | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Compare two runs, or files of answers, and show or write the differences; of runs, every benchmark of both."""
    from vgcli_core.evaluation.benchmarks import BENCHMARKS
    from vgcli_core.evaluation.compare import Comparison, compare
    from vgcli_core.evaluation.predictions import benchmark_of, read_predictions

    found: dict[str, Comparison] = {}
    with display.progress("reading answers") as progress:
        for one, other in pairs(first, second):
            benchmark = lookup("benchmark", BENCHMARKS, benchmark_of(one), where=str(one))
            runs = [
                read_predictions(
                    path, benchmark, truth=truth, euler_convention=euler if benchmark.boxes_in_text else None
                )
                for path in (one, other)
            ]
            notes = [
                f"{place}: {note}" for place, run in zip(("first", "second"), runs, strict=True) for note in run.notes
            ]
            progress(f"comparing {benchmark.name}")
            with gathered_extras(benchmark, scoring, several=first.is_dir()) as extras:
                found[benchmark.name] = compare(benchmark, runs[0].items, runs[1].items, extras, notes=notes)
    alone = next(iter(found.values())) if len(found) == 1 else None
    text = alone.to_json() if alone else _joined({name: one.to_json() for name, one in found.items()})
    if as_json:
        display.json_text(text)
    else:
        for comparison in found.values():
            display.comparison(comparison)
    if out is not None:
        write_text(out / "comparison.json", text)
        display.written([out / "comparison.json"])


def pairs(first: Path, second: Path) -> list[tuple[Path, Path]]:
    """Return the files of answers to compare, benchmark by benchmark.

    Raises:
        PredictionsError: two runs have no finished benchmark in common.
    """
    for path in (first, second):
        if not path.exists():
            raise PredictionsError(
                "there is no such run or file", where=f"--compare {path}", fix="give two run folders, or two files"
            )
    runs = [_answers_of(path) for path in (first, second)]
    if not any(runs):
        # Two files, or folders that hold one file each.
        one, other = (path / PREDICTIONS if path.is_dir() else path for path in (first, second))
        return [(one, other)]
    shared = [name for name in runs[0] if name in runs[1]]
    if not shared:
        said = [", ".join(run) or "none" for run in runs]
        raise PredictionsError(
            "the two have no finished benchmark in common",
            where=f"{first} ({said[0]}) and {second} ({said[1]})",
            fix="finish both runs first: the same vgllm eval command goes on",
        )
    for place, run, path in zip(("first", "second"), runs, (first, second), strict=True):
        alone = [name for name in run if name not in shared]
        if alone:
            display.notes([f"left out: {', '.join(alone)}: only the {place} has them ({path})"])
    return [(runs[0][name], runs[1][name]) for name in shared]


def _answers_of(path: Path) -> dict[str, Path]:
    """Return the files of answers in a run folder by benchmark; nothing where the path is none."""
    return {file.parent.name: file for file in sorted(path.glob(f"*/{PREDICTIONS}"))} if path.is_dir() else {}


def _joined(texts: dict[str, str]) -> str:
    return json.dumps({name: json.loads(text) for name, text in texts.items()}, indent=1) + "\n"


@contextlib.contextmanager
def gathered_extras(benchmark: "AnyBenchmark", scoring: Scoring, *, several: bool = False) -> "Iterator[Extras]":
    """Yield what some scores need beside the answers; the report says what is missing.

    Args:
        benchmark: to be scored.
        scoring: files, and whether METEOR is wanted.
        several: this is one of several benchmarks, and takes of the files what it needs.

    Raises:
        UsageError: an option of another benchmark.
    """
    from vgcli_core.evaluation.benchmark import Extras
    from vgcli_core.evaluation.extras import read_proposals, read_similarities
    from vgcli_core.evaluation.meteor import Meteor, MeteorProcess, find_meteor

    proposals, similarities = scoring.proposals, scoring.word_similarities
    for option, value, name in (
        ("--proposals", proposals, "proposals"),
        ("--word-similarities", similarities, "word_similarity"),
    ):
        if value is not None and name not in benchmark.needs and not several:
            raise UsageError(f"{option} says nothing to {benchmark.name}", fix=f"leave out {option}")
    boxes = read_proposals(proposals) if proposals and "proposals" in benchmark.needs else None
    similar = read_similarities(similarities) if similarities and "word_similarity" in benchmark.needs else None
    jar = find_meteor() if scoring.meteor and "meteor" in benchmark.needs else None
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
