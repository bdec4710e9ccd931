"""The folder `.work` of an unfinished set: what was asked for, and one record for every unit that is done.

Everything in it is written whole and then renamed, so any number of processes and machines can share it and be killed
at any moment. It is removed when the set is finished; `manifest.json` then says that nothing is left to do.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vgcli_core.atomic import write_text
from vgcli_core.data.base import Dataset, Request, Unit
from vgcli_core.data.frame_store import FRAMES, temporary_name
from vgcli_core.data.sample import FORMAT
from vgcli_core.errors import DataError, OutputError
from vgcli_core.version import __version__

WORK = ".work"
MANIFEST = "manifest.json"
FRAME_LIST = "frames.sha256"
INPUT_LIST = "inputs.jsonl"


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


class Workplace:
    """The work folder of the set in `root`."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / WORK
        self.temporary = self.folder / "tmp"

    def claim(self, job: Mapping[str, Any]) -> None:
        """Make the folder for a job, or join the one that is there.

        Raises:
            OutputError: the folder holds something else, or is none.
            DataError: the folder belongs to another job.
        """
        self._refuse_strangers()
        if not self.is_begun():
            write_text(self.folder / "job.json", _dumped(job))
        found = self._job()
        if found != json.loads(_dumped(job)):
            raise DataError(
                f"the folder belongs to another run: {_difference(found, job)}",
                where=str(self.root),
                fix="choose another --out, repeat the first command to continue it, or discard it with --restart",
            )

    def is_begun(self) -> bool:
        """Tell whether the folder holds a set, finished or not."""
        return (self.folder / "job.json").exists() or (self.root / MANIFEST).exists()

    def discard(self) -> None:
        """Remove a set, finished or not. Raises OutputError, and removes nothing, where anything else is there."""
        self._refuse_strangers()
        if not self.is_begun():
            return
        # The manifest goes last: until then the folder can still be recognised.
        for name in self._files() - {MANIFEST}:
            (self.root / name).unlink(missing_ok=True)
        shutil.rmtree(self.root / FRAMES, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.root / MANIFEST).unlink(missing_ok=True)

    def lines(self, unit: Unit) -> Path:
        """Return the file of a unit's lines."""
        return self._named("parts", unit, ".jsonl")

    def is_done(self, unit: Unit) -> bool:
        """Tell whether a unit is finished."""
        return self._named("parts", unit, ".json").exists()

    def record(self, unit: Unit) -> Record | None:
        """Return what a finished unit left behind, None while it is not finished."""
        try:
            row = json.loads(self._named("parts", unit, ".json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        for key in ("frames", "inputs"):
            row[key] = tuple(tuple(entry) for entry in row[key])
        return Record(**row | {"visible": tuple(row["visible"])})

    def finish(self, unit: Unit, record: Record) -> None:
        """Write a unit's record; its lines and frames must be in place."""
        write_text(self._named("parts", unit, ".json"), json.dumps(asdict(record), ensure_ascii=False) + "\n")
        self._named("quarantine", unit, ".json").unlink(missing_ok=True)

    def quarantine(self, unit: Unit, reason: Quarantined) -> None:
        """Note that a unit is left out, and why."""
        write_text(self._named("quarantine", unit, ".json"), json.dumps(asdict(reason), ensure_ascii=False) + "\n")

    def quarantined(self, unit: Unit) -> Quarantined | None:
        """Return why a unit was left out, None where it was not."""
        try:
            return Quarantined(**json.loads(self._named("quarantine", unit, ".json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    @contextmanager
    def replacing(self, target: Path) -> Iterator[Path]:
        """Yield a temporary name; what is written there becomes `target` when the block ends.

        The temporary file lies in the work folder, so that nothing of a killed run is left beside the set.
        """
        temporary = temporary_name(self.temporary)
        try:
            yield temporary
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder of a finished set."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _files(self) -> set[str]:
        """Return the names of the files beside the frames that a set of this job has."""
        names = {MANIFEST, FRAME_LIST, INPUT_LIST}
        if self.is_begun():
            names |= {f"{split}.jsonl" for split in self._job()["splits"]}
            with suppress(FileNotFoundError):
                finished = json.loads((self.root / MANIFEST).read_text(encoding="utf-8"))
                layouts = (held.get("published_layout") for held in finished["splits"].values())
                names |= {layout["file"] for layout in layouts if layout}
        return names

    def _refuse_strangers(self) -> None:
        if self.root.exists() and not self.root.is_dir():
            raise OutputError(f"{self.root.name} is a file", where=str(self.root), fix="name a folder for --out")
        known = self._files() | {FRAMES, WORK} if self.is_begun() else {WORK}
        strangers = (
            sorted(path.name for path in self.root.iterdir() if path.name not in known) if self.root.exists() else []
        )
        if strangers:
            raise OutputError(
                f"{self.root.name} holds something else ({strangers[0]})",
                where=str(self.root),
                fix="choose another folder for --out; nothing was changed",
            )

    def _job(self) -> dict[str, Any]:
        with suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads((self.folder / "job.json").read_text(encoding="utf-8"))
            return found
        finished: dict[str, Any] = json.loads((self.root / MANIFEST).read_text(encoding="utf-8"))
        return dict(finished["job"])

    def _named(self, kind: str, unit: Unit, suffix: str) -> Path:
        return self.folder / kind / safe_name(unit.split) / (safe_name(unit.key) + suffix)


def job_of(dataset: Dataset, request: Request, units: Iterable[Unit], *, pack: bool) -> dict[str, Any]:
    """Return all that decides the bytes of a set, but for the raw files themselves."""
    names = hashlib.sha256()
    for unit in units:
        names.update(f"{unit.split}\x1f{unit.key}\n".encode())
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
    }


def safe_name(text: str) -> str:
    """Return `text` as a file name; what had to be changed or cut is told apart by a checksum."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip(".")[:100]
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _difference(found: Mapping[str, Any], job: Mapping[str, Any]) -> str:
    for key, value in json.loads(_dumped(job)).items():
        if key == "units" and found.get(key) != value:
            return "its list of scenes is another one, so the raw files have changed"
        if found.get(key) != value:
            return f"{key} was {found.get(key)!r:.80} there and is {value!r:.80} now"
    return "it was made by another version"


def _dumped(job: Mapping[str, Any]) -> str:
    return json.dumps(job, ensure_ascii=False, indent=1) + "\n"
