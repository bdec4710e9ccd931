"""The folder `.work` of an unfinished set: what was asked for, and one record for every unit that is done.

Everything in it is written whole and then renamed, so any number of processes and machines can share it and be killed
at any moment. It is removed when the set is finished; `manifest.json` then says that nothing is left to do.
"""

import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from vgcli_core.atomic import write_text
from vgcli_core.data.base import Dataset, Plan, Request, Unit
from vgcli_core.data.checksums import checksum
from vgcli_core.data.frame_store import FRAMES
from vgcli_core.data.sample import FORMAT
from vgcli_core.errors import DataError, OutputError
from vgcli_core.version import __version__

WORK = ".work"
MANIFEST = "manifest.json"
FRAME_LIST = "frames.sha256"
INPUT_LIST = "inputs.jsonl"

_NAMES = "names.json"
_ANNOUNCED = "files"
_numbers = count()


@dataclass(frozen=True)
class Record:
    """What a finished unit left behind, beside its lines.

    Attributes:
        samples: number of lines.
        drops: reason -> annotated items that became no sample.
        counts: name -> number.
        notes: remark -> how often.
        visible: samples whose target is in some frame, in none, and those where that is not known.
        pictures: number of frames.
        frames: [name, bytes, SHA-256] of every file below frames/ that holds them.
        inputs: [path, bytes, SHA-256, what that covers] of every raw file.
    """

    samples: int
    drops: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    visible: tuple[int, int, int] = (0, 0, 0)
    pictures: int = 0
    frames: tuple[tuple[str, int, str], ...] = ()
    inputs: tuple[tuple[str, int, str, str], ...] = ()


@dataclass(frozen=True)
class Quarantined:
    """A unit that was left out, and why."""

    split: str
    unit: str
    what: str
    where: str = ""
    fix: str = ""


class Vanished(Exception):
    """The work folder is gone: another process has finished the set, or discarded it."""


class Workplace:
    """The work folder of the set in `root`.

    Several processes may share it. The one that finishes the set moves it away in one step; the others then find it
    gone whatever they do next (`Vanished`), and never make it anew by accident.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / WORK

    def tidy(self) -> None:
        """Complete what a killed run began, and remove what it or an overtaken one left. Raises OutputError."""
        self._names()
        self._finish_discarding()
        if self.folder.exists() and not self.is_there() and (self.root / MANIFEST).exists():
            self.remove()
        for path in self.root.glob(f"{WORK}-*-*"):
            shutil.rmtree(path, ignore_errors=True)

    def claim(self, job: Mapping[str, Any]) -> None:
        """Make the folder for a job, or join the one that is there.

        Raises:
            OutputError: the folder holds something else, or is none.
            DataError: the folder belongs to another job.
        """
        self._refuse_strangers()
        if not self.is_begun():
            try:
                write_text(self._job_file, _dumped(job))
            except OutputError:
                if not self.is_begun():  # else another process has finished meanwhile
                    raise
        found = self._job()
        if found != json.loads(_dumped(job)):
            raise DataError(
                f"the folder belongs to another run: {_difference(found, job)}",
                where=str(self.root),
                fix="choose another --out, repeat the first command to continue it, or discard it with --restart",
            )

    def is_begun(self) -> bool:
        """Tell whether the folder holds a set, finished or not."""
        return self.is_there() or (self.root / MANIFEST).exists()

    def is_there(self) -> bool:
        """Tell whether the work folder is there: false before the start, and when another process has finished."""
        return self._job_file.exists()

    def reopen(self, job: Mapping[str, Any]) -> None:
        """Make the work folder of a finished set again, to try once more what was left out of it."""
        if not self.is_there():
            write_text(self._job_file, _dumped(job))

    def discard(self) -> None:
        """Remove a set, finished or not. Raises OutputError, and removes nothing, where anything else is there.

        First a folder appears that names what goes, then everything is moved into it, the manifest before all else. So
        a set that is half discarded is never taken for a whole one, and a process that lags behind can move nothing
        of a new set: the folder is gone by then.
        """
        self._refuse_strangers()
        if not self.is_begun():
            return
        new = self._away()
        try:
            new.mkdir()
            names = json.dumps(sorted(self._files()))
            (new / _NAMES).write_text(names, encoding="utf-8")
            with suppress(OSError):  # another process is at it already
                new.rename(self._discarded)
        except OSError as error:
            what = f"cannot discard {self.root.name}: {error.strerror or error}"
            raise OutputError(what, where=str(self.root), fix="check the folder's permissions") from error
        finally:
            shutil.rmtree(new, ignore_errors=True)
        self._finish_discarding()

    def lines(self, unit: Unit) -> Path:
        """Return the file of a unit's lines."""
        return self._named("parts", unit, ".jsonl")

    def is_done(self, unit: Unit) -> bool:
        """Tell whether a unit is finished."""
        return self._named("parts", unit, ".json").exists()

    def record(self, unit: Unit) -> Record | None:
        """Return what a finished unit left behind, None while it is not finished. Raises DataError where damaged."""
        path = self._named("parts", unit, ".json")
        try:
            row = _object(path, "drops", "counts", "notes")
            for key in ("frames", "inputs"):
                row[key] = tuple(tuple(entry) for entry in row[key])
            return Record(**row | {"visible": tuple(row["visible"])})
        except FileNotFoundError:
            return None
        except (KeyError, TypeError) as error:
            raise _damaged(path) from error

    def finish(self, unit: Unit, record: Record) -> None:
        """Write a unit's record; its lines and frames must be in place. Raises Vanished, OutputError."""
        self._write(self._named("parts", unit, ".json"), json.dumps(asdict(record)) + "\n")
        self._named("quarantine", unit, ".json").unlink(missing_ok=True)

    def quarantine(self, unit: Unit, reason: Quarantined) -> None:
        """Note that a unit is left out, and why. Raises Vanished, OutputError."""
        text = json.dumps(asdict(reason)) + "\n"  # in ASCII: a reason may quote anything
        self._write(self._named("quarantine", unit, ".json"), text)

    def quarantined(self, unit: Unit) -> Quarantined | None:
        """Return why a unit was left out, None where it was not."""
        try:
            return Quarantined(**json.loads(self._named("quarantine", unit, ".json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def staged(self, name: str) -> Path:
        """Return a folder for what a shard extracts from archives; it lasts until the set is finished."""
        folder = self.folder / safe_name(name)
        self._make(folder)
        return folder

    def new_file(self) -> Path:
        """Return a new name in the work folder that no other process or machine uses. Raises Vanished."""
        folder = self.folder / "tmp"
        self._make(folder)
        return folder / f"{platform.node()}-{os.getpid()}-{next(_numbers)}"

    @contextmanager
    def replacing(self, target: Path) -> Iterator[Path]:
        """Yield a temporary name; what is written there becomes `target` when the block ends.

        The temporary file lies in the work folder, so that nothing of a killed run is left beside the set.

        Raises:
            Vanished: another process has finished the set.
            OutputError: it cannot be written.
        """
        temporary = self.new_file()
        try:
            yield temporary
            temporary.replace(target)
        except OSError as error:
            if not self.is_there():
                raise Vanished from error
            raise OutputError(
                f"cannot write {target.name}: {error.strerror or error}",
                where=str(target),
                fix="free some space, and run the same command again: what is finished is kept",
            ) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def announce(self, name: str) -> None:
        """Note the name of a file that the set will have beside its own ones, before it is written. Raises Vanished.

        A run that is killed between that file and the manifest leaves a folder that is still known as a set.
        """
        marker = self.folder / _ANNOUNCED / name
        self._make(marker.parent)
        marker.touch()

    def place(self, target: Path, temporary: Path) -> None:
        """Put a finished file of the work folder in its place there. Raises Vanished."""
        self._make(target.parent)
        temporary.replace(target)

    def remove(self) -> None:
        """Remove the folder of a finished set: for others it is gone in one step."""
        away = self._away()
        with suppress(OSError):  # another process was faster, or the disk is in trouble: the next run tidies up
            self.folder.replace(away)
        shutil.rmtree(away, ignore_errors=True)

    @property
    def _job_file(self) -> Path:
        return self.folder / "job.json"

    @property
    def _discarded(self) -> Path:
        return self.root / f"{WORK}-discard"

    def _away(self) -> Path:
        """Return a new name beside the work folder; whatever has one goes when a run begins."""
        return self.root / f"{WORK}-{platform.node()}-{os.getpid()}.{next(_numbers)}"

    def _finish_discarding(self) -> None:
        """Move what is named in the folder of discarded things into it, and remove it."""
        try:
            names = json.loads((self._discarded / _NAMES).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except ValueError:
            names = []
        listed = [name for name in names if _is_plain(name)] if isinstance(names, list) else []
        for name in dict.fromkeys([MANIFEST, WORK, *listed, FRAMES]):
            with suppress(FileNotFoundError):  # gone already, or another process has removed the folder
                (self.root / name).rename(self._discarded / f"{os.getpid()}-{next(_numbers)}-{name}")
        away = self._away()
        with suppress(FileNotFoundError):
            self._discarded.rename(away)
        shutil.rmtree(away, ignore_errors=True)

    def _write(self, target: Path, text: str) -> None:
        self._make(target.parent)
        with self.replacing(target) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")

    def _make(self, folder: Path) -> None:
        """Make a folder inside the work folder, but never the work folder itself."""
        try:
            for part in [*reversed(folder.relative_to(self.folder).parents), folder.relative_to(self.folder)][1:]:
                (self.folder / part).mkdir(exist_ok=True)
        except FileNotFoundError as error:
            raise Vanished from error

    def _files(self) -> set[str]:
        """Return the names of the files beside the frames that a set of this job has."""
        names = {MANIFEST, FRAME_LIST, INPUT_LIST}
        if self.is_begun():
            splits = self._job().get("splits")
            names |= {f"{split}.jsonl" for split in splits} if isinstance(splits, list) else set()
            with suppress(FileNotFoundError):
                held = _object(self.root / MANIFEST, "splits").get("splits", {})
                layouts = (split.get("published_layout") for split in held.values() if isinstance(split, dict))
                names |= {layout["file"] for layout in layouts if isinstance(layout, dict) and "file" in layout}
            with suppress(FileNotFoundError):
                names |= {path.name for path in (self.folder / _ANNOUNCED).iterdir()}
        return {name for name in names if _is_plain(name)}

    def _names(self) -> list[str]:
        """Return the names in the set's folder, none where there is no such folder yet. Raises OutputError."""
        try:
            if self.root.exists() and not self.root.is_dir():
                raise OutputError(f"{self.root.name} is a file", where=str(self.root), fix="name a folder for --out")
            return sorted(path.name for path in self.root.iterdir()) if self.root.exists() else []
        except OSError as error:
            what = f"{self.root.name[:60]} cannot be used: {error.strerror or error}"
            raise OutputError(what, where=str(self.root), fix="choose another folder for --out") from error

    def _refuse_strangers(self) -> None:
        there = self._names()
        known = self._files() | {FRAMES, WORK} if self.is_begun() else {WORK}
        strangers = [name for name in there if name not in known and not name.startswith(f"{WORK}-")]
        if strangers:
            raise OutputError(
                f"{self.root.name} holds something else ({strangers[0]})",
                where=str(self.root),
                fix="choose another folder for --out; nothing was changed",
            )

    def _job(self) -> dict[str, Any]:
        try:
            return _object(self._job_file)
        except FileNotFoundError:
            return dict(_object(self.root / MANIFEST, "job")["job"])

    def _named(self, kind: str, unit: Unit, suffix: str) -> Path:
        return self.folder / kind / safe_name(unit.split) / (safe_name(unit.key) + suffix)


def job_of(dataset: Dataset, request: Request, plan: Plan, *, pack: bool) -> dict[str, Any]:
    """Return all that decides the bytes of a set, but for the raw files of single units."""
    names, inputs = hashlib.sha256(), hashlib.sha256()
    for unit in plan.units:
        names.update(f"{unit.split}\x1f{unit.key}\n".encode(errors="surrogatepass"))
    for path in plan.inputs:
        name = path.relative_to(request.raw).as_posix() if path.is_relative_to(request.raw) else path.name
        inputs.update(f"{name}\x1f{checksum(path).sha256}\n".encode(errors="surrogatepass"))
    scenes = sorted(request.scenes) if isinstance(request.scenes, frozenset) else request.scenes
    return {
        "format": FORMAT,
        "vgllm": __version__,
        "dataset": dataset.name,
        "splits": list(request.splits),
        "mode": request.mode,
        "frames": request.choice if dataset.chooses_frames else None,
        "num_frames": request.num_frames,
        "seed": request.seed,
        "scenes": scenes,
        "limit": request.limit,
        "cameras": request.cameras,
        "with_frames": request.with_frames,
        "pack": pack,
        "options": dict(request.options),
        "units": names.hexdigest(),
        "inputs": inputs.hexdigest(),
    }


def safe_name(text: str) -> str:
    """Return `text` as a file name; what had to be changed or cut is told apart by a checksum."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip(".")[:100]
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:12]}"


def _object(path: Path, *keys: str) -> dict[str, Any]:
    """Read a JSON object that prepare wrote, with objects under these keys. Raises DataError for anything else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or any(not isinstance(found.get(key), dict) for key in keys):
        raise _damaged(path)
    return found


def _damaged(path: Path) -> DataError:
    return DataError(
        f"{path.name} is damaged", where=str(path), fix="remove the set's folder by hand, or choose another --out"
    )


def _is_plain(name: object) -> bool:
    """Tell whether a name stays in its folder, whatever a damaged file says."""
    return isinstance(name, str) and name not in ("", ".", "..") and "/" not in name and Path(name).name == name


def _difference(found: Mapping[str, Any], job: Mapping[str, Any]) -> str:
    for key, value in json.loads(_dumped(job)).items():
        if key in ("units", "inputs") and found.get(key) != value:
            return "the raw files have changed since"
        if found.get(key) != value:
            return f"{key} was {found.get(key)!r:.80} there and is {value!r:.80} now"
    return "it was made by another version"


def _dumped(job: Mapping[str, Any]) -> str:
    return json.dumps(job, indent=1) + "\n"
