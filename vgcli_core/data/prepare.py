"""Prepare a dataset: plan it, build its units in any number of processes and on any number of machines, merge.

Nothing here knows a dataset. A killed run continues where it was; a bad unit is left out with a reason; whichever
process finds all units done writes the set's files.
"""

import errno
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vgcli_core.data.base import Dataset, Need, Plan, Request, Unit
from vgcli_core.data.merge import merge
from vgcli_core.data.pool import build_units
from vgcli_core.data.prepared import open_prepared
from vgcli_core.data.unit_work import Settings
from vgcli_core.data.workplace import MANIFEST, Quarantined, Vanished, Workplace, job_of
from vgcli_core.errors import DataError, OutputError, UsageError, VgllmError, first_line


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `total` parts of the work, numbered from 0: every total-th unit."""

    number: int = 0
    total: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.total:
            raise UsageError(
                f"there is no shard {self.number}/{self.total}",
                where="--shard",
                fix=f"shards are 0/{max(self.total, 1)} to {max(self.total, 1) - 1}/{max(self.total, 1)}",
            )


@dataclass
class Progress:
    """How far a run is: units of this shard, and what this run wrote.

    Attributes:
        total: units of this shard.
        done: those that are finished, earlier or now.
        earlier: those that an earlier run had finished.
        samples, frames, size: written by this run; size in bytes of frames.
        quarantined: units left out by this run.
        doing: what is being done, in words.
    """

    total: int = 0
    done: int = 0
    earlier: int = 0
    samples: int = 0
    frames: int = 0
    size: int = 0
    quarantined: int = 0
    doing: str = "reading annotations"


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        root: the set's folder.
        manifest: of the finished set; None while other shards are at work.
        left: units that other shards have not finished.
        quarantine: units left out, of all shards that are done.
        progress: what this run did.
    """

    root: Path
    manifest: dict[str, Any] | None
    left: int = 0
    quarantine: tuple[Quarantined, ...] = ()
    progress: Progress = field(default_factory=Progress)


def missing_needs(dataset: Dataset, request: Request) -> list[Need]:
    """Return the files that the request needs and that are not there."""
    return [need for need in dataset.needs(request) if not need.optional and not need.find(request.raw)]


def make_plan(dataset: Dataset, request: Request, *, raise_bugs: bool = False) -> Plan:
    """Plan a request.

    Args:
        dataset: what to plan.
        request: what of it.
        raise_bugs: let exceptions through that are no VgllmError, to be looked at.

    Raises:
        DataError: files are missing or cannot be read, or there is nothing to do.
        OutputError: no space is left for temporary files.
    """
    dataset.check(request)
    if request.raw.exists() and not request.raw.is_dir():
        raise DataError(f"{request.raw.name} is a file", where=str(request.raw), fix="name the folder of the raw files")
    try:
        return _plan(dataset, request)
    except VgllmError:
        raise
    except OSError as problem:
        if problem.errno == errno.ENOSPC:
            what, where = "no space is left for temporary files", str(problem.filename or tempfile.gettempdir())
            raise OutputError(
                what, where=where, fix="free some space there, or set TMPDIR to another folder"
            ) from problem
        raise DataError(
            f"a raw file cannot be read: {problem.strerror or problem}",
            where=str(problem.filename or request.raw),
            fix="check its permissions, or copy it again",
        ) from problem
    except Exception as problem:
        if raise_bugs:
            raise
        raise DataError(
            f"the annotations cannot be read: {type(problem).__name__}: {first_line(problem)}",
            where=str(request.raw),
            fix="get them again from their owner; if they are as given, run with --debug and report it",
        ) from problem


def _plan(dataset: Dataset, request: Request) -> Plan:
    missing = missing_needs(dataset, request)
    if missing:
        first = missing[0]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise DataError(
            f"{dataset.name} needs files that are not there: {first.what}{more}",
            where=str(request.raw / first.places[0]),
            fix=f"vgllm prepare {dataset.name} --raw {request.raw} --check says what to get from whom, and where",
        )
    plan = _without_repeats(dataset.plan(request))
    narrowed = request.scenes is not None or request.limit is not None
    empty = [split for split in request.splits if all(unit.split != split for unit in plan.units)]
    if len(empty) == len(request.splits) or (empty and not narrowed):
        raise _nothing(dataset, request, plan, empty)
    unknown = _unknown_scenes(request, plan)
    return replace(plan, notes=(*plan.notes, unknown)) if unknown else plan


def _nothing(dataset: Dataset, request: Request, plan: Plan, empty: Sequence[str]) -> DataError:
    """Say that splits are empty, what was read of them, and how to go on."""
    read = [
        f"{count:,} {name}"
        for split in empty
        for name, count in (*plan.counts.get(split, {}).items(), *plan.drops.get(split, {}).items())
    ]
    others = [split for split in request.splits if split not in empty]
    ways = ["get the annotations again"]
    if request.scenes is not None or request.limit is not None:
        ways = ["ask for more with --scenes and --limit"]
    elif dataset.options:
        ways.append(f"or widen an option (vgllm prepare {dataset.name} --check lists them)")
    if others:
        ways.append(f"or leave it out: --split {','.join(others)}")
    return DataError(
        f"there is nothing to prepare of {', '.join(empty)}" + (f"; what was read: {', '.join(read)}" if read else ""),
        where=str(request.raw),
        fix=", ".join(ways),
    )


def _without_repeats(plan: Plan) -> Plan:
    """Return the plan with each unit once: a list of scenes may name one twice."""
    units: dict[tuple[str, str], Unit] = {}
    for unit in plan.units:
        units.setdefault((unit.split, unit.key), unit)
    repeated = len(plan.units) - len(units)
    if not repeated:
        return plan
    notes = (*plan.notes, f"{repeated} scenes are listed twice, and prepared once")
    return replace(plan, units=list(units.values()), notes=notes)


def prepare(
    dataset: Dataset,
    request: Request,
    settings: Settings,
    *,
    workers: int = 1,
    shard: Shard | None = None,
    restart: bool = False,
    progress: Callable[[Progress], None] = lambda now: None,
) -> Outcome:
    """Make a set, or the part of it that one shard does; continue what an earlier run began.

    Args:
        dataset: what to prepare.
        request: what of it.
        settings: where and how to write.
        workers: processes.
        shard: the part of the units that this run does; all when None.
        restart: discard what an earlier run wrote.
        progress: called before and after every unit.

    Raises:
        DataError, OutputError: annotations cannot be read, or the folder cannot be written or belongs to another job.
    """
    shard = shard or Shard()
    now = Progress()
    progress(now)
    workplace = Workplace(settings.root)
    workplace.tidy()
    if restart:
        workplace.discard()
    plan = make_plan(dataset, request, raise_bugs=settings.raise_bugs)
    job = job_of(dataset, request, plan, pack=settings.pack)
    workplace.claim(job)
    if not workplace.is_there():
        finished = open_prepared(settings.root).manifest
        if not finished["quarantine"]:
            now.total = now.done = now.earlier = len(plan.units)
            return Outcome(settings.root, finished, progress=now)
        workplace.reopen(job)
    try:
        _build(dataset, request, settings, plan, workplace, workers=workers, shard=shard, now=now, progress=progress)
        return _finished(dataset, request, plan, workplace, job, now=now)
    except (Vanished, OutputError) as problem:
        if isinstance(problem, OutputError) and workplace.is_there():
            raise
        if not (settings.root / MANIFEST).exists():
            raise DataError(
                "another run has discarded the set meanwhile",
                where=str(settings.root),
                fix="wait for that run (--restart), then run this command again",
            ) from None
        manifest = open_prepared(settings.root).manifest  # by another process, which did the same
        workplace.tidy()
        return Outcome(settings.root, manifest, 0, _reasons(manifest), now)


def _build(
    dataset: Dataset,
    request: Request,
    settings: Settings,
    plan: Plan,
    workplace: Workplace,
    *,
    workers: int,
    shard: Shard,
    now: Progress,
    progress: Callable[[Progress], None],
) -> None:
    """Build the units of a shard that are not done. Raises Vanished where another process has finished the set."""
    mine = [unit for number, unit in enumerate(plan.units) if number % shard.total == shard.number]
    waiting = [unit for unit in mine if not workplace.is_done(unit)]
    if not workplace.is_there():
        raise Vanished
    now.total, now.done = len(mine), len(mine) - len(waiting)
    now.earlier = now.done
    if dataset.stage is not None and waiting:
        folder = workplace.staged(f"staged {shard.number} of {shard.total}")
        try:
            dataset.stage(request, waiting, folder, lambda doing: _tell(now, doing, progress))
        except Exception as problem:
            if not workplace.is_there():  # whatever failed, failed for that
                raise Vanished from problem
            raise
        request = replace(request, staged=folder)
    _tell(now, "preparing", progress)
    for built in build_units(dataset.build, waiting, request, settings, min(workers, max(len(waiting), 1))):
        now.done += 1
        now.samples += built.samples
        now.frames += built.frames
        now.size += built.size
        now.quarantined += built.quarantined is not None
        now.doing = built.unit.key
        progress(now)


def _unknown_scenes(request: Request, plan: Plan) -> str:
    """Return a remark on scenes that were asked for by name and that no unit is of; "" where there are none."""
    named = request.scenes if isinstance(request.scenes, frozenset) else frozenset()
    keys = "\n".join(unit.key for unit in plan.units)
    unknown = sorted(name for name in named if name not in keys)
    if not unknown:
        return ""
    listed = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
    return f"{len(unknown)} of {len(named)} scenes asked for by name are not there: {listed}"


def _finished(
    dataset: Dataset, request: Request, plan: Plan, workplace: Workplace, job: dict[str, Any], *, now: Progress
) -> Outcome:
    """Merge where all units are done, by whichever shard. Raises Vanished where another process was faster."""
    reasons = tuple(reason for unit in plan.units if (reason := workplace.quarantined(unit)) is not None)
    left = sum(not workplace.is_done(unit) and workplace.quarantined(unit) is None for unit in plan.units)
    if not workplace.is_there():
        raise Vanished
    if left:
        return Outcome(workplace.root, None, left, reasons, now)
    manifest = merge(dataset, request, plan, workplace, job)
    if not manifest["quarantine"]:
        workplace.remove()
    return Outcome(workplace.root, manifest, 0, _reasons(manifest), now)


def _reasons(manifest: dict[str, Any]) -> tuple[Quarantined, ...]:
    return tuple(Quarantined(**row) for row in manifest["quarantine"])


def _tell(now: Progress, doing: str, progress: Callable[[Progress], None]) -> None:
    now.doing = doing
    progress(now)
