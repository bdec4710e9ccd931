"""The folder of a run: what was asked of which model, every answer as it came, and the scores at the end.

    run.json                      the record: model, settings, data, and every start
    answers/NAME/part-0-of-2.jsonl    answers, appended group by group by one process
    NAME/predictions.jsonl        all answers of a benchmark, sorted; NAME/report.json their scores
    report.json, report.html      the run
    locks/                        who writes, while somebody does

A process appends to a file of its own, so that several machines need nothing but a shared folder. A line that a kill
cut off is dropped when the file is opened again, and its sample asked again.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeGuard

from vgcli_core.atomic import output_errors, write_text
from vgcli_core.errors import DataError, OutputError, UsageError
from vgcli_core.evaluation.benchmarks import BENCHMARKS
from vgcli_core.evaluation.plan import Share
from vgcli_core.processes.lock import LOCK, RunLock
from vgcli_core.records import flat

SCHEMA = "vgllm.eval/1"
RECORD = "run.json"
ANSWERS = "answers"
LOCKS = "locks"
PREDICTIONS = "predictions.jsonl"
SCORES = "scores.jsonl"
REPORT = "report.json"
PAGE = "report.html"

_PATIENCE = 900.0  # seconds to wait for another process that writes the record or the scores
_LOOK = 0.2
_ANEW = "choose another folder with --out, or discard what is there with --restart"


class Kept(NamedTuple):
    """A line of answers as it stands in its file, and whether its sample could not be asked.

    Lines of ScanRefer hold every camera: taken apart, all of them would fill a gigabyte.
    """

    row: bytes
    failed: bool


class RunFolder:
    """A run folder; nothing is read or written before it is asked for.

    Args:
        root: made where it is missing.
        command: what was typed, for whoever finds the folder in use.
    """

    def __init__(self, root: Path, *, command: str = "") -> None:
        self.root = root
        self._command = command

    def record(self) -> dict[str, Any] | None:
        """Return the record, None where there is none. Raises DataError where it cannot be read."""
        path = self.root / RECORD
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            record = error
        if isinstance(record, dict) and str(record.get("schema")).startswith("vgllm.run/"):
            raise UsageError(
                "this is the folder of a training run", where=str(self.root), fix="choose another folder with --out"
            )
        if not _is_record(record):
            raise DataError("this is no record of an evaluation that this version can read", where=str(path), fix=_ANEW)
        return record

    def open(self, record: Mapping[str, Any], *, restart: bool = False) -> None:
        """Begin the run that `record` describes, or go on with it; benchmarks may be added.

        Args:
            record: "model", "settings" and "benchmarks" (by name), which say what answers depend on.
            restart: discard what is there.

        Raises:
            UsageError: the folder belongs to another model, other settings or data, or holds something else.
            OutputError: it cannot be written.
        """
        self._refuse_strangers()
        with self.alone():
            if restart:
                self._discard()
            before = self.record()
            if before is None or self._is_blank(before):
                merged = {"schema": SCHEMA, **record, "starts": []}
            else:
                check_same(before, record, where=str(self.root))
                merged = {**before, "benchmarks": {**before["benchmarks"], **record["benchmarks"]}}
            if merged != before:
                self._write_record(merged)

    def check(self, record: Mapping[str, Any]) -> None:
        """Make sure that `open` would take this run; nothing is written.

        Raises:
            UsageError: as `open` does.
        """
        self._refuse_strangers()
        before = self.record()
        if before is not None and not self._is_blank(before):
            check_same(before, record, where=str(self.root))

    def wait_for(self, record: Mapping[str, Any]) -> None:
        """Wait until another process has opened the folder for the same run. Raises UsageError after a long time."""
        until = time.monotonic() + _PATIENCE
        while True:
            before = self.record()
            if before is not None and record["benchmarks"].keys() <= before["benchmarks"].keys():
                check_same(before, record, where=str(self.root))
                return
            if time.monotonic() > until:
                raise UsageError(
                    "this process does not see the run that the first one has begun",
                    where=f"--out {self.root}",
                    fix="all processes of a run need one shared folder",
                )
            time.sleep(_LOOK)

    def start(self, start: Mapping[str, Any]) -> list[str]:
        """Keep the facts of a start; return remarks on what differs from the one before and may change answers.

        Raises:
            UsageError: answers so far were computed in another number format.
        """
        with self.alone():
            record = self.record() or {}
            starts = record.get("starts", [])
            remarks = []
            if starts:
                before = starts[-1]
                if before.get("dtype") != start.get("dtype"):
                    raise UsageError(
                        f"this start computes in {start.get('dtype')}, and the run did in {before.get('dtype')}",
                        where=str(self.root),
                        fix=f"--dtype {before.get('dtype')}, or another folder with --out",
                    )
                remarks = _changes(before, start)
            self._write_record({**record, "starts": [*starts, dict(start)]})
        return remarks

    def note(self, **facts: Any) -> None:
        """Add facts to the record. Raises OutputError."""
        with self.alone():
            self._write_record({**(self.record() or {}), **facts})

    def lines(self, name: str) -> dict[str, Kept]:
        """Return the lines of all parts by sample; where a sample was asked again after a failure, the answer.

        Raises:
            DataError: a whole line that is none of ours.
        """
        found: dict[str, Kept] = {}
        for path in sorted((self.root / ANSWERS / name).glob("part-*.jsonl")):
            for number, row in enumerate(_whole_lines(path), start=1):
                try:
                    line = json.loads(row)
                    key, kept = str(line["id"]), Kept(row, "failed" in line)
                except (ValueError, KeyError, TypeError) as error:
                    raise DataError(
                        f"a line that no run wrote: {row[:60]!r}", where=f"{path}, line {number}", fix=_ANEW
                    ) from error
                if key not in found or (found[key].failed and not kept.failed):
                    found[key] = kept
        return found

    @contextmanager
    def part(self, name: str, share: Share) -> "Iterator[Part]":
        """Yield where this process appends its answers of a benchmark. Raises OutputError."""
        path = self.root / ANSWERS / name / f"{_part(share)}.jsonl"
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                whole = sum(len(row) + 1 for row in _whole_lines(path))
                file.truncate(whole)
                yield Part(file, path)

    @contextmanager
    def held(self, job: Share, rank: int = 0, world: int = 1) -> Iterator[None]:
        """Be the one process that answers its part of a job's share.

        Args:
            job: the share of the whole job.
            rank, world: this process among those of the job.

        Raises:
            UsageError: another process does, or one that cuts the work up otherwise.
        """
        own = self.root / LOCKS / f"job-{job.index}-of-{job.count}-process-{rank}-of-{world}"
        try:
            with RunLock(own, self._command):
                for path in (self.root / LOCKS).glob("job-*"):
                    _, index, _, count, _, _, _, processes = path.name.split("-")
                    same = (index, processes) == (str(job.index), str(world))
                    if count != str(job.count) or (index == str(job.index) and not same):
                        _refuse_if_held(path, count)
                yield
        finally:
            with suppress(OSError):
                own.rmdir()
                own.parent.rmdir()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only process that changes the record or writes scores; others are waited for."""
        until = time.monotonic() + _PATIENCE
        while True:
            lock = RunLock(self.root, self._command)
            try:
                lock.__enter__()
                break
            except UsageError:
                if time.monotonic() > until:
                    raise
                time.sleep(_LOOK)
        try:
            yield
        finally:
            lock.__exit__()

    def _is_blank(self, record: Mapping[str, Any]) -> bool:
        """Tell a run that failed before its first answer: whoever corrects the command may use its folder."""
        return not record.get("starts") and not any((self.root / ANSWERS).glob("*/part-*.jsonl"))

    def _write_record(self, record: Mapping[str, Any]) -> None:
        write_text(self.root / RECORD, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def _refuse_strangers(self) -> None:
        for path in (self.root, *self.root.parents):
            if path.exists() and not path.is_dir():
                raise UsageError(f"{path.name} is a file", where=f"--out {self.root}", fix="name a folder")
        there = {path.name for path in self.root.iterdir()} if self.root.is_dir() else set()
        strangers = {name for name in there if not name.startswith(".")} - {LOCK, LOCKS}
        if strangers and RECORD not in there:
            raise UsageError(
                f"the folder holds something else: {min(strangers)!r}",
                where=f"--out {self.root}",
                fix="choose a folder of its own for each run",
            )

    def _discard(self) -> None:
        """Remove the run's files; the record last, so that a kill leaves no answers that nobody knows the model of.

        A record that cannot be read is ours where nothing but a run's files lies beside it.
        """
        try:
            self.record()
        except DataError:
            ours = {RECORD, ANSWERS, REPORT, PAGE, LOCK, LOCKS, *BENCHMARKS}
            others = {path.name for path in self.root.iterdir() if not path.name.startswith(".")} - ours
            if others:
                raise UsageError(
                    f"{RECORD} is damaged, so nobody knows whose folder this is; it also holds {min(others)!r}",
                    where=str(self.root),
                    fix="move what is not of the run away, or choose another folder with --out",
                ) from None
        with output_errors(self.root):
            files = [self.root / REPORT, self.root / PAGE]
            for name in BENCHMARKS:
                files += [self.root / name / file for file in (PREDICTIONS, REPORT, SCORES)]
                files += sorted((self.root / ANSWERS / name).glob("part-*.jsonl"))
            for path in [*files, self.root / RECORD]:
                path.unlink(missing_ok=True)
            for name in BENCHMARKS:
                for folder in (self.root / name, self.root / ANSWERS / name):
                    with suppress(OSError):
                        folder.rmdir()


class Part:
    """Where one process appends its answers."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path

    def append(self, lines: Iterable[str]) -> None:
        """Append lines, and have them on the disk. Raises OutputError."""
        try:
            self._file.write("".join(f"{line}\n" for line in lines).encode("utf-8"))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(
                f"cannot write answers: {error.strerror or error}",
                where=str(self._path),
                fix="free some space, or check the permissions; what was answered before is kept, and the same command "
                "goes on",
            ) from error


def _is_record(found: object) -> TypeGuard[dict[str, Any]]:
    return (
        isinstance(found, dict)
        and found.get("schema") == SCHEMA
        and all(isinstance(found.get(key), dict) for key in ("model", "settings", "benchmarks"))
        and all(name in BENCHMARKS and isinstance(facts, dict) for name, facts in found["benchmarks"].items())
        and isinstance(found.get("starts"), list)
        and all(isinstance(start, dict) for start in found["starts"])
    )


def check_same(before: Mapping[str, Any], now: Mapping[str, Any], *, where: str) -> None:
    """Make sure that a folder's record and what is asked for now describe the same model, settings and data.

    Raises:
        UsageError: they differ; names what.
    """
    shared = before["benchmarks"].keys() & now["benchmarks"].keys()
    was, wanted = (
        flat({**{key: one[key] for key in ("model", "settings")}, **{name: one["benchmarks"][name] for name in shared}})
        for one in (before, now)
    )
    differ = [
        key
        for key in sorted(was.keys() | wanted.keys())
        # Where things lie and what they are called is no difference: their checksums are compared.
        if was.get(key) != wanted.get(key) and key.rpartition(".")[2] not in ("name", "folder", "revision", "samples")
    ]
    if differ:
        said = dict.fromkeys(_in_words(key, was.get(key), wanted.get(key)) for key in differ)
        raise UsageError(f"the run in this folder asked something else: {'; '.join(said)}", where=where, fix=_ANEW)


def _refuse_if_held(path: Path, count: str) -> None:
    """Refuse a run that another cuts up otherwise; what a dead process left is removed."""
    try:
        with RunLock(path):
            pass
    except UsageError as error:
        fix = f"give every job the same count (--shard i/n), here {count}, and each share to one job; or wait"
        raise UsageError(error.what, where=error.where, fix=fix) from error
    with suppress(OSError):
        path.rmdir()


def _in_words(key: str, was: object, wanted: object) -> str:
    """Return what differs, as somebody who typed a command knows it."""
    first, _, rest = key.partition(".")
    if first == "model":
        name = rest.removeprefix("files.").rpartition(".")[0] if rest.startswith("files.") else ""
        return f"another model ({name} differs)" if name else "another model"
    if first == "settings" and rest in ("system", "preprocessing", "decoding"):
        return f"another version of vgllm (its {rest} differs)"
    if first == "settings":
        option = f"--{rest.partition('.')[0].replace('_', '-')}"
        return f"{option} differs" if "." in rest else f"{option} is {_said(wanted)}, and was {_said(was)}"
    if rest.endswith("_sha256"):
        return f"the set of {first} is another one, or was prepared anew"
    return f"{first}: --{rest} is {_said(wanted)}, and was {_said(was)}"


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    keys = ("device", "attention", "batch_size", "versions", "code")
    old, new = ({key: one.get(key) for key in keys} for one in (before, now))
    was, wanted = flat(old), flat(new)
    return [
        f"{key.rpartition('.')[2].replace('_', ' ')}: {value}, and {was.get(key, 'none')} before; a few answers "
        "may differ from here on"
        for key, value in wanted.items()
        if was.get(key) != value
    ]


def _whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a file that end; what a kill cut off is left out."""
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def _part(share: Share) -> str:
    return f"part-{share.index}-of-{share.count}"


def _said(value: object) -> str:
    return "not given" if value is None else str(value) if isinstance(value, str) else f"{json.dumps(value):.70}"
