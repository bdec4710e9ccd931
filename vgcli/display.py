"""Everything that reaches the terminal: answers and JSON on stdout; notes, progress and errors on stderr.

No other file prints. Text from a model, a file or a user is data: it is never read as markup, and control characters
are shown (`\\x1b`), not obeyed, so that an answer cannot repaint or retitle the reader's terminal.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from traceback import format_exception
from typing import TYPE_CHECKING, Literal

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from vgcli import evaluating, exporting, forecasting, interrupts, preparing, readable
from vgcli import recipes as recipe_views
from vgcli import training as training_views

if TYPE_CHECKING:
    from vgcli_core.data.base import Dataset, Plan, Request
    from vgcli_core.data.check import Forecast, Status
    from vgcli_core.data.prepare import Outcome, Progress
    from vgcli_core.data.workplace import Quarantined
    from vgcli_core.errors import VgllmError
    from vgcli_core.evaluation.benchmark import AnyBenchmark
    from vgcli_core.evaluation.compare import Comparison
    from vgcli_core.evaluation.report import Report
    from vgcli_core.evaluation.runner import Progress as Answered
    from vgcli_core.export.checkpoint import Exported
    from vgcli_core.export.predictions import Exported as ExportedAnswers
    from vgcli_core.predict.result import Result
    from vgcli_core.training.forecast import Forecast as TrainingForecast
    from vgcli_core.training.progress import Outcome as TrainingOutcome
    from vgcli_core.training.progress import Settings, Watch
    from vgcli_core.training.recipe import Recipe

_LOG_EVERY = 60.0  # seconds between two lines of progress where stderr is no terminal


def result(found: "Result") -> None:
    """Show every answer on stdout, for people."""
    _print(_console(), readable.blocks(found))


def as_json(found: "Result") -> None:
    """Write the documented JSON, and nothing else, to stdout."""
    json_text(found.to_json())


def report(found: "Report") -> None:
    """Show the scores of a benchmark on stdout, for people."""
    from vgcli import scores

    _print(_wide(), scores.report(found))


def comparison(found: "Comparison") -> None:
    """Show the difference of two sets of answers on stdout, for people."""
    from vgcli import scores

    _print(_wide(), scores.comparison(found))


def listing(benchmarks: "Sequence[AnyBenchmark]") -> None:
    """Show the benchmarks on stdout."""
    from vgcli import scores

    _print(_wide(), scores.listing(benchmarks))


def datasets(found: "Sequence[Dataset]") -> None:
    """Show the datasets on stdout."""
    _print(_wide(), preparing.datasets(found))


def needs(dataset: "Dataset", request: "Request", found: "Sequence[Status]", *, stderr: bool = False) -> None:
    """Show what a dataset needs, what is there, and how to get what is missing."""
    _print(_wide(stderr=stderr), preparing.needs(dataset, request, found))


def forecast(dataset: "Dataset", request: "Request", found: "Forecast") -> None:
    """Show how large a result will be."""
    _print(_wide(), preparing.forecast(dataset, request, found))


def plan(dataset: "Dataset", request: "Request", found: "Plan", size: "Forecast", out: Path) -> None:
    """Show what a run would do."""
    _print(_wide(), preparing.plan(dataset, request, found, size, out))


def prepared(outcome: "Outcome") -> None:
    """Show what a finished set holds, beside the published counts."""
    _print(_wide(), preparing.prepared(outcome))


def shard_done(outcome: "Outcome") -> None:
    """Say that this shard is done and others are not."""
    _print(_wide(), preparing.shard_done(outcome))


def quarantine(reasons: "Sequence[Quarantined]") -> None:
    """Show on stderr what was left out, and why."""
    _print(_wide(stderr=True), preparing.quarantine(reasons))


def recipes(found: "Mapping[str, Recipe]") -> None:
    """Show the recipes on stdout."""
    _print(_wide(), recipe_views.listing(found))


def recipe(text: str) -> None:
    """Show a recipe's YAML on stdout, such that it can be saved."""
    _console().print(recipe_views.shown(text), soft_wrap=True)


def training_forecast(found: "TrainingForecast") -> None:
    """Show on stdout what a run will take."""
    _print(_wide(), forecasting.forecast(found))


def training_opening(recipe: "Recipe", settings: "Settings", name: str, world: int) -> None:
    """Show on stderr what is about to be trained."""
    _print(_wide(stderr=True), training_views.opening(recipe, settings, name, world))


def exported(found: "Exported") -> None:
    """Show what an export wrote, and what to know of it."""
    notes(found.notes)
    _print(_wide(), exporting.exported(found))


def exported_answers(found: "ExportedAnswers") -> None:
    """Show what an export of answers wrote, and what to know of it."""
    notes(found.notes)
    _print(_wide(), exporting.exported_answers(found))


def training_closing(outcome: "TrainingOutcome", board: training_views.Board) -> None:
    """Show how a finished run ended."""
    _print(_wide(), training_views.closing(outcome, board))


@contextlib.contextmanager
def running(command: str) -> Iterator[None]:
    """Show a command, such that it can be copied, and afterwards the cursor, which a killed process may have hidden."""
    _line("running:", command, "bold")
    try:
        yield
    finally:
        _console(stderr=True).show_cursor()


def json_text(text: str) -> None:
    """Write JSON, and nothing else, to stdout."""
    text = text.removesuffix("\n")
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # a Windows code page: the same JSON in ASCII
        text = json.dumps(json.loads(text), indent=2)
    sys.stdout.write(text + "\n")


def notes(remarks: Iterable[str]) -> None:
    """Show remarks that change how an answer is to be read, one line each."""
    for remark in remarks:
        _line("note:", remark, "yellow")


def footer(found: "Result", files: Iterable[Path | str] = ()) -> None:
    """Show what answered, on which frames, how long it took, and which files were written."""
    _print(_console(stderr=True), [readable.footer(found)])
    written(files)


def written(files: Iterable[Path | str]) -> None:
    """Show which files were written."""
    for path in files:
        _line("written:", str(path), "green")


def untrained() -> None:
    """Say on stderr that the answer means nothing: for runs whose stdout is JSON."""
    _line("warning:", readable.UNTRAINED, "bold red")


def error(problem: "VgllmError") -> None:
    """Show what is wrong, where, and how to fix it."""
    _line("error:", problem.what, "bold red")
    if problem.where:
        _line("  where:", problem.where, "bold")
    if problem.fix:
        _line("  fix:", problem.fix, "bold")


def traceback(problem: BaseException) -> None:
    """Show where an exception came from, for developers."""
    sys.stderr.write("".join(format_exception(problem)))


def interrupted(said: str = "stopped before the end; no file was left half-written") -> None:
    """Say that Ctrl-C, or another signal, was heard."""
    _line("interrupted:", said, "bold")


def line(text: str) -> None:
    """Write one line of data to stdout."""
    sys.stdout.write(text + "\n")


@contextlib.contextmanager
def progress(first: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows what is being done; it does nothing unless stderr is a terminal."""
    console = _console(stderr=True)
    if not console.is_terminal:
        yield lambda message: interrupts.check()
        return

    def update(message: str) -> None:
        interrupts.check()
        status.update(Text(readable.one_line(message)))

    # The "line" spinner is ASCII: the prettier ones cannot be shown by every Windows console.
    with console.status(Text(first), spinner="line") as status:
        yield update


@contextlib.contextmanager
def long_progress(name: str) -> "Iterator[Callable[[Progress], None]]":
    """Yield a function that shows how far a long run is: on a terminal a line that moves, in a log one every minute."""
    console = _console(stderr=True)
    clock = preparing.Clock()
    if not console.is_terminal:

        def log(now: "Progress") -> None:
            interrupts.check()
            if clock.is_due(_LOG_EVERY):
                _line(f"{name}:", clock.line(now), "bold")

        yield log
        return

    def update(now: "Progress") -> None:
        interrupts.check()
        status.update(Text(f"{name}: {readable.one_line(clock.line(now))}"))

    with console.status(Text(f"{name}: reading annotations"), spinner="line") as status:
        yield update


@dataclass(frozen=True)
class Answering:
    """Where a process that asks a model reports to."""

    step: "Callable[[Answered], None]"
    say: Callable[[str], None]
    doing: Callable[[str], None]
    stopping: Callable[[str], None]


@contextlib.contextmanager
def answering(*, shown: bool, processes: int = 1) -> Iterator[Answering]:
    """Yield where an evaluation reports to: on a terminal a line that moves, in a log one every minute.

    Args:
        shown: this process is the one that shows.
        processes: that share the work; this one's part is told.
    """
    console = _console(stderr=True)
    clock = evaluating.Clock(processes)
    say: Callable[[str], None] = partial(_line, "note:", style="yellow")
    stopping: Callable[[str], None] = lambda name: interrupted(evaluating.stopping(name))  # noqa: E731
    if not shown:
        yield Answering(lambda now: None, lambda text: None, lambda text: None, lambda name: None)
        return
    if not console.is_terminal:

        def log(now: "Answered") -> None:
            if clock.is_due(now, _LOG_EVERY):
                _line(f"{now.name}:", clock.line(now), "bold")

        yield Answering(log, say, lambda text: None, stopping)
        return
    with console.status(Text("loading libraries"), spinner="line") as status:

        def update(text: str) -> None:
            status.update(Text(readable.one_line(text)))

        yield Answering(lambda now: update(f"{now.name}: {clock.line(now)}"), say, update, stopping)


def answers_missing(left: "Mapping[str, int]", of: "Mapping[str, int]") -> None:
    """Say how many samples other jobs still have to answer."""
    _print(_wide(stderr=True), evaluating.missing(left, of))


def run_scores(found: "Sequence[Report]") -> None:
    """Show the scores of a run: of one benchmark in full, of several the headlines."""
    from vgcli import scores

    _print(_wide(), scores.report(found[0]) if len(found) == 1 else scores.overview(found))


@contextlib.contextmanager
def training(name: str) -> "Iterator[tuple[Watch, training_views.Board]]":
    """Yield where a run reports to: on a terminal a block that stays in place, in a log a line every minute."""
    board = training_views.Board(name)
    console = _console(stderr=True)
    if not console.is_terminal:
        yield training_views.logged(board, _line, every=_LOG_EVERY), board
        return
    with Live(board, console=console, refresh_per_second=4, redirect_stdout=False, redirect_stderr=False) as live:
        say = partial(live.console.print, soft_wrap=True)
        yield training_views.moving(board, lambda text: say(_headed("note:", text, "yellow"))), board


def prepare_streams() -> None:
    """Let a console that cannot show a character show `?` in its place instead of failing."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us: what is written goes nowhere
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def close_stdout() -> None:
    """Drop what is left for a reader that went away (`| head`), so that closing the stream cannot fail either."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())


def _print(console: Console, blocks: Iterable[RenderableType]) -> None:
    """Print blocks; in a file or a pipe, without the spaces that fill a terminal's lines."""
    if console.is_terminal:
        console.print(*blocks, sep="\n")
        return
    with console.capture() as capture:
        console.print(*blocks, sep="\n")
    console.file.write("".join(f"{row.rstrip()}\n" for row in capture.get().splitlines()))


def _line(head: str, text: str, style: str = "bold") -> None:
    """Write one line to stderr. `soft_wrap` keeps paths whole, so that they can be copied."""
    _console(stderr=True).print(_headed(head, text, style), soft_wrap=True)


def _headed(head: str, text: str, style: str) -> Text:
    return Text.assemble((head, style), " ", readable.one_line(text))


def _console(*, stderr: bool = False) -> Console:
    """Return a console for the streams of this moment. NO_COLOR turns off every style, bold too."""
    plain = bool(os.environ.get("NO_COLOR"))
    colors: Literal["auto"] | None = None if plain else "auto"
    return _Console(stderr=stderr, color_system=colors, markup=False, highlight=False, emoji=False)


def _wide(*, stderr: bool = False) -> Console:
    """Return a console of at least 80 columns: on a narrower terminal rows break, and no digit is dropped."""
    console = _console(stderr=stderr)
    console.width = max(console.width, 80)
    return console


class _Console(Console):
    """A console that leaves a broken pipe to the error boundary; rich would exit with code 1."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise BrokenPipeError
