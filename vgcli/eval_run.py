"""`vgllm eval NAMES --model M`: ask a model, in one process or several, and report; the same command goes on."""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vgcli import display
from vgcli.eval_scores import Scoring, gathered_extras, versions
from vgcli.processes import AGAIN, code_of, ended_silently, run_processes, stopping_kindly, this_machine, work
from vgcli_core.errors import DataError, UsageError, VgllmError

if TYPE_CHECKING:
    from vgcli.asking import How
    from vgcli_core.evaluation.plan import Asked
    from vgcli_core.evaluation.results import Result
    from vgcli_core.evaluation.run_folder import RunFolder
    from vgcli_core.processes.launch import Launch
    from vgcli_core.processes.workers import Worker

LEFT_OUT = 3  # exit code: scored, but some samples could not be asked


@dataclass(frozen=True)
class Wish:
    """One run as it was asked for.

    Attributes:
        names: of benchmarks.
        data: folder of the prepared sets.
        out: run folder.
        load: what `predict.loading.load` gets; "model" is None for the demo model.
        how: the other fields of `asking.How`.
        split, limit: see `evaluation.plan.plan`.
        num_processes: on this machine; None for one on each GPU, or one.
        shard: which of how many independent jobs this is, from 0.
        retry_failed, restart: see the options.
        scoring: what some scores need.
        words: what was typed after `vgllm`, for the processes that are started.
        debug: leave exceptions to the boundary.
    """

    names: tuple[str, ...]
    data: Path
    out: Path
    load: Mapping[str, Any]
    how: Mapping[str, Any] = field(default_factory=dict)
    split: str | None = None
    limit: int | None = None
    num_processes: int | None = None
    shard: tuple[int, int] = (0, 1)
    retry_failed: bool = False
    restart: bool = False
    scoring: Scoring = field(default_factory=Scoring)
    words: tuple[str, ...] = ()
    debug: bool = False

    @property
    def command(self) -> str:
        """The command as it can be typed."""
        return shlex.join(["vgllm", *self.words])


def show_run(wish: Wish, *, as_json: bool) -> None:
    """Answer, score, and show the scores. Raises typer.Exit where samples could not be asked."""
    with stopping_kindly():
        results = run(wish)
    _show(results, wish.out, as_json=as_json)


def score_again(out: Path, names: Sequence[str], scoring: Scoring, *, as_json: bool) -> None:
    """Score a run that was made before, and show the scores. Raises UsageError where it is not finished."""
    from vgcli_core.evaluation.finish import unanswered

    with stopping_kindly():
        asked, folder = recorded(out, names)
        left = {one.benchmark.name: unanswered(one, folder) for one in asked}
        if any(left.values()):
            said = ", ".join(f"{name} {count:,}" for name, count in left.items() if count)
            fix = _to_continue(folder.record() or {}, [name for name, count in left.items() if count])
            raise UsageError(f"samples of this run are not answered yet: {said}", where=str(out), fix=fix)
        results = finish(asked, folder, scoring)
    _show(results, out, as_json=as_json)


def _to_continue(record: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return how to have the missing samples of benchmarks answered, from the commands that were given."""
    commands = [shlex.split(str(start.get("command", ""))) for start in record.get("starts", ())]
    words = next((one for one in reversed(commands) if any(name in one for name in names)), None)
    if words is None:
        return "give the command that began it once more, --model included"
    words = [word for word in words if word != "--restart"]
    if not any(word == "--model" or word.startswith("--model=") for word in words):
        words += ["--model", str(record.get("model", {}).get("name", ""))]
    sharded = any(word == "--shard" or word.startswith("--shard=") for word in words)
    return shlex.join(words) + (", and so for every other --shard" if sharded else "")


def _show(results: "Sequence[Result]", out: Path, *, as_json: bool) -> None:
    from vgcli_core.evaluation.run_folder import PAGE, REPORT

    if not results:
        return
    if as_json:
        display.json_text((out / REPORT).read_text(encoding="utf-8"))
    else:
        display.run_scores([one.report for one in results])
    display.written(out / name for name in (REPORT, PAGE))
    if any(one.report.failed for one in results):
        raise typer.Exit(LEFT_OUT)


def run(wish: Wish) -> "list[Result]":
    """Answer, and where no other job is still at it, score; return the scored benchmarks, none where others are.

    Raises:
        typer.Exit: stopped by a signal, or by what a process has already shown.
        VgllmError: see the messages.
    """
    from vgcli_core.evaluation.plan import plan
    from vgcli_core.evaluation.run_folder import RunFolder
    from vgcli_core.processes.workers import joined

    folder = RunFolder(wish.out, command=wish.command)
    with display.progress("reading the prepared sets") as progress:
        asked = plan(wish.names, wish.data, split=wish.split, limit=wish.limit)
        progress("loading libraries")
        launch = _launch(wish)
        if launch.how != "command":
            os.environ.update(launch.environment)
        progress("looking at the model")
        _open(wish, asked, folder, launch)
    # One of several processes joins the others in any case: they wait for it.
    if launch.how == "worker" or _unanswered(asked, folder, wish) or _recheck_is_due(wish, asked, folder):
        if launch.how == "command":
            _follow(launch, wish, folder)
        else:
            work(lambda worker, rank: _answer(wish, asked, folder, worker, rank), command="eval", debug=wish.debug)
    if launch.how == "worker" and (not _is_first() or joined() is not None):
        return []  # whoever started this process scores, or the first one does
    return finish(asked, folder, wish.scoring)


def check(wish: Wish) -> None:
    """Refuse what `run` would refuse before its first question; nothing is written.

    Raises:
        VgllmError: a set or the model is not there, or the folder belongs to another run.
    """
    from vgcli_core.evaluation.plan import plan
    from vgcli_core.evaluation.run_folder import RunFolder

    record = _record(wish, plan(wish.names, wish.data, split=wish.split, limit=wish.limit))
    if not wish.restart:
        RunFolder(wish.out).check(record)


def finish(asked: "Sequence[Asked]", folder: "RunFolder", scoring: Scoring) -> "list[Result]":
    """Score and report what is whole; say what other jobs still have to answer.

    Raises:
        OutputError: the folder cannot be written.
    """
    from vgcli_core.evaluation.finish import score_answers, unanswered, write_reports

    left = {one.benchmark.name: unanswered(one, folder) for one in asked}
    if any(left.values()):
        display.answers_missing(left, {one.benchmark.name: len(one.samples) for one in asked})
        return []
    results = []
    with display.progress("scoring") as progress, folder.alone():
        for one in asked:
            progress(f"scoring {one.benchmark.name}")
            with gathered_extras(one.benchmark, scoring, several=True) as extras:
                results.append(score_answers(one, folder, extras, versions=versions()))
    with display.progress("drawing the report"):
        write_reports(folder, [*results, *_scored_before(results, folder)])
    return results


def _scored_before(results: "Sequence[Result]", folder: "RunFolder") -> "Iterator[Result]":
    """Yield the benchmarks of a run that earlier commands have scored, for the report is of the whole run."""
    from vgcli_core.evaluation.finish import read_result

    done = {one.benchmark.name for one in results}
    for name in (folder.record() or {}).get("benchmarks", {}):
        if name in done:
            continue
        try:
            ((asked,), _) = recorded(folder.root, [name])
            found = read_result(asked, folder)
        except VgllmError as problem:
            display.notes([f"{name} is not in the report: {problem.what}"])
            continue
        if found is None:
            display.notes([f"{name} is not in the report: it is not scored yet"])
        else:
            yield found


def recorded(out: Path, names: Sequence[str]) -> "tuple[list[Asked], RunFolder]":
    """Return the benchmarks of a run that was made before, all or those named, for scoring it again.

    Raises:
        DataError: there is no such run, or its sets are gone or were prepared anew.
    """
    from vgcli_core.evaluation.finish import benchmark_facts
    from vgcli_core.evaluation.plan import plan
    from vgcli_core.evaluation.run_folder import RECORD, RunFolder

    folder = RunFolder(out)
    record = folder.record()
    if record is None:
        raise DataError("there is no run to score", where=str(out / RECORD), fix="name a run folder, or give --model")
    known: dict[str, dict[str, Any]] = record["benchmarks"]
    for name in names:
        if name not in known:
            raise UsageError(f"the run has no {name}", where=str(out), fix=f"it has {', '.join(known)}")
    asked = []
    for name in names or known:
        facts = known[name]
        (one,) = plan([name], Path(facts["folder"]).parent, split=facts["split"], limit=facts["limit"])
        for key, value in benchmark_facts(one, limit=facts["limit"]).items():
            if key.endswith("sha256") and value != facts[key]:
                raise DataError(
                    f"the set of {name} was prepared anew since the run", where=facts["folder"], fix="put it back"
                )
        asked.append(one)
    return asked, folder


def _open(wish: Wish, asked: "Sequence[Asked]", folder: "RunFolder", launch: "Launch") -> None:
    """Begin the run or go on with it; of several processes the first one does, and the others wait for it."""
    if launch.how != "worker":
        folder.open(_record(wish, asked), restart=wish.restart)
        return
    if wish.restart:
        raise UsageError(
            "one of several processes cannot discard what all of them write",
            where="--restart",
            fix=f"remove {folder.root} first, or let --num-processes start the processes",
        )
    if _is_first():
        folder.open(_record(wish, asked))
    else:
        folder.wait_for(_record(wish, asked))


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _launch(wish: Wish) -> "Launch":
    from vgcli_core.processes.launch import Wanted, plan_launch

    device = str(wish.load.get("device", "auto"))
    kind = "cpu" if device == "cpu" else "cuda" if device.startswith("cuda") else "auto"
    # A device with a number, or a model spread over all of them, is for one process.
    single = device not in ("auto", "cpu", "cuda") or wish.load.get("device_map") is not None
    if single and (wish.num_processes or 1) > 1:
        raise UsageError(
            "several processes choose their devices themselves",
            where=f"--num-processes {wish.num_processes}",
            fix="leave --device and --device-map out",
        )
    machine = this_machine(Wanted(device=kind))
    on_gpus = machine.gpus > 0 and kind != "cpu"
    count = 1 if single else wish.num_processes
    wanted = Wanted(num_gpus=count, device=kind) if on_gpus else Wanted(num_processes=count, device=kind)
    if wish.num_processes is None and "RANK" in os.environ:
        wanted = Wanted(device=kind)
    return plan_launch(wanted, [word for word in wish.words if word != "--restart"], machine)


def _record(wish: Wish, asked: "Sequence[Asked]") -> dict[str, Any]:
    from vgcli.asking import identity, settings_of
    from vgcli_core.evaluation.finish import benchmark_facts

    return {
        "model": identity(wish.load),
        "settings": settings_of(_how(wish)),
        "benchmarks": {one.benchmark.name: benchmark_facts(one, limit=wish.limit) for one in asked},
    }


def _how(wish: Wish) -> "How":
    from vgcli.asking import How

    return How(load=wish.load, command=wish.command, **wish.how)


def _unanswered(asked: "Sequence[Asked]", folder: "RunFolder", wish: Wish) -> int:
    from vgcli_core.evaluation.plan import Share
    from vgcli_core.evaluation.runner import missing

    share = Share(*wish.shard)
    return sum(len(missing(one, folder, share, retry_failed=wish.retry_failed)) for one in asked)


def _recheck_is_due(wish: Wish, asked: "Sequence[Asked]", folder: "RunFolder") -> bool:
    from vgcli.asking import unchecked

    return wish.shard[0] == 0 and bool(unchecked(asked, _how(wish), folder.record() or {}))


def _answer(wish: Wish, asked: "Sequence[Asked]", folder: "RunFolder", worker: "Worker | None", rank: int) -> None:
    """Answer this process's part."""
    from vgcli.asking import ask, joined_group
    from vgcli_core.evaluation.plan import Share
    from vgcli_core.evaluation.runner import Watch
    from vgcli_core.processes.signals import StopRequest

    world = int(os.environ.get("WORLD_SIZE", "1"))
    job = Share(*wish.shard)
    share = job.part(rank, world)
    with ExitStack() as stack:
        stack.enter_context(folder.held(job, rank, world))
        board = stack.enter_context(display.answering(shown=rank == 0, processes=share.count))
        load = {**wish.load, **stack.enter_context(joined_group(wish.load) if world > 1 else nullcontext({}))}
        stopping = StopRequest(board.stopping)
        watch = Watch(step=board.step, say=board.say, stop=lambda: bool(stopping.requested))
        ask(
            asked,
            folder,
            _how(replace(wish, load=load)),
            share=share,
            first=rank == 0,
            world=world,
            retry_failed=wish.retry_failed,
            watch=watch,
            loading=board.doing,
            listening=stopping,
        )
        requested = stopping.requested
    if requested and worker is None:
        if rank == 0:
            display.interrupted(_kept(requested, wish))
        raise typer.Exit(code_of(requested))


def _follow(launch: "Launch", wish: Wish, folder: "RunFolder") -> None:
    """Run the processes to their end, and end likewise where they were stopped."""
    ended = run_processes(launch)
    if ended.signal:
        display.interrupted(_kept(ended.signal, wish))
        raise typer.Exit(code_of(ended.signal))
    if ended.code != 0:
        raise ended_silently(ended, folder.root)


def _kept(signal: str, wish: Wish) -> str:
    again = AGAIN if not wish.restart else f"{AGAIN}, without --restart"
    return f"{signal}: what is answered is kept in {wish.out}; {again}"
