"""Build one unit: its lines, its frames and its record, or the reason why it is left out."""

import errno
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from vgcli_core.data.base import Build, FrameSource, Request, Unit
from vgcli_core.data.checksums import checksum
from vgcli_core.data.frame_store import FrameFolder, FrameTar, Stored, check_name, is_picture
from vgcli_core.data.sample import Sample, to_line
from vgcli_core.data.workplace import Quarantined, Record, Vanished, Workplace, safe_name
from vgcli_core.errors import OutputError, VgllmError, first_line

# No space, no quota, no permission: of the place that is written to, since raw files are only read.
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EROFS, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a set is written.

    Attributes:
        root: its folder.
        pack: frames go into tar files.
        link: frame files are hard links to the raw files where the file system allows it.
        raise_bugs: an exception that is no VgllmError stops the run, to be looked at.
    """

    root: Path
    pack: bool = False
    link: bool = True
    raise_bugs: bool = False


@dataclass(frozen=True, slots=True)
class Built:
    """The outcome of one unit: how much was written, or why it is left out."""

    unit: Unit
    samples: int = 0
    frames: int = 0
    size: int = 0
    quarantined: Quarantined | None = None


class UnitWork:
    """What a unit reports to (`base.Work`)."""

    def __init__(self, unit: Unit, request: Request, settings: Settings, workplace: Workplace) -> None:
        self._request = request
        pack = f"{unit.split}/{safe_name(unit.key)}.tar"
        self.store: FrameFolder | FrameTar = (
            FrameTar(settings.root, workplace.new_file, pack)
            if settings.pack
            else FrameFolder(settings.root, workplace.new_file, link=settings.link)
        )
        self.stored: dict[str, Stored] = {}
        self.inputs: dict[Path, None] = {}
        self.drops: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()

    def frame(self, name: str, source: FrameSource) -> str:
        """Store a frame, see `base.Work`."""
        if self._request.with_frames and name not in self.stored:
            self.stored[check_name(name)] = self.store.put(name, source)
        return name

    def file(self, name: str, data: bytes) -> None:
        """Store a text file, see `base.Work`."""
        if self._request.with_frames and name not in self.stored:
            self.stored[check_name(name)] = self.store.put(name, data, picture=False)

    def input(self, path: Path) -> Path:
        """Note that a raw file was read."""
        self.inputs[path] = None
        return path

    def drop(self, reason: str, count: int = 1) -> None:
        """Count annotated items that become no sample."""
        self.drops[reason] += count

    def count(self, name: str, count: int = 1) -> None:
        """Count something else."""
        self.counts[name] += count

    def note(self, remark: str) -> None:
        """Keep a remark."""
        self.notes[remark] += 1


def build_unit(build: Build, unit: Unit, request: Request, settings: Settings) -> Built:
    """Build a unit and put it in place, frames first, then its lines, then its record.

    A VgllmError, or any other exception, quarantines the unit: a scan of terabytes must not stop at one bad scene.

    Raises:
        OutputError: nothing can be written any more.
        Vanished: another process has finished the set.
    """
    workplace = Workplace(settings.root)
    if not workplace.is_there():
        raise Vanished
    work = UnitWork(unit, request, settings, workplace)
    try:
        return _write(build, unit, request, work, workplace)
    except Vanished:
        raise
    except Exception as problem:
        if not workplace.is_there():  # whatever failed, failed for that
            raise Vanished from problem
        if isinstance(problem, OutputError):
            raise
        if isinstance(problem, OSError) and _is_of_output(problem, settings.root):
            raise OutputError(
                f"cannot write: {problem.strerror}",
                where=str(settings.root),
                fix="free some space and run the same command again: what is finished is kept",
            ) from problem
        if settings.raise_bugs and not isinstance(problem, VgllmError | OSError):
            raise
        reason = _reason(unit, problem)
        workplace.quarantine(unit, reason)
        return Built(unit, quarantined=reason)
    finally:
        work.store.abandon()


def _is_of_output(problem: OSError, root: Path) -> bool:
    """Tell a folder that cannot be written any more from a raw file that cannot be read."""
    names = [Path(str(name)) for name in (problem.filename, problem.filename2) if name is not None]
    return problem.errno in _FULL or any(name.is_relative_to(root) for name in names)


def _reason(unit: Unit, problem: Exception) -> Quarantined:
    if isinstance(problem, VgllmError):
        return Quarantined(unit.split, unit.key, problem.what, problem.where, problem.fix)
    if isinstance(problem, OSError) and problem.filename is not None:
        what = f"a file cannot be read: {problem.strerror or type(problem).__name__}"
        return Quarantined(unit.split, unit.key, what, str(problem.filename), "check its permissions, or copy it again")
    what = f"{type(problem).__name__}: {first_line(problem)}"
    return Quarantined(unit.split, unit.key, what, "", "run again with --debug --workers 1 and report it")


def _write(build: Build, unit: Unit, request: Request, work: UnitWork, workplace: Workplace) -> Built:
    visible = Counter[bool | None]()
    ids: set[str] = set()
    lines = workplace.new_file()
    try:
        with lines.open("wb") as file:
            for sample in build(unit, request, work):
                line = _line(sample, work, work.store.pack if request.with_frames else "")
                if line is None:
                    continue
                if sample.id in ids:
                    work.drop("a sample's id stands twice in a scene")
                    continue
                ids.add(sample.id)
                file.write(line)
                visible[sample.target_visible] += 1
        if not workplace.is_there():  # what was extracted from archives may have gone while we read it
            raise Vanished
        work.store.close()
        workplace.place(workplace.lines(unit), lines)
    finally:
        with suppress(OSError):
            lines.unlink(missing_ok=True)
    frames = tuple(work.stored.values())
    pictures = sum(is_picture(frame.name) for frame in frames)
    record = Record(
        len(ids),
        dict(work.drops),
        dict(work.counts),
        dict(work.notes),
        (visible[True], visible[False], visible[None]),
        pictures,
        work.store.files(frames),
        tuple(input_entry(path, request.raw) for path in work.inputs),
    )
    workplace.finish(unit, record)
    return Built(unit, len(ids), pictures, sum(frame.size for frame in frames))


def input_entry(path: Path, raw: Path) -> tuple[str, int, str, str]:
    """Return a raw file as a record lists it: its path below `raw`, bytes, SHA-256, what that covers."""
    name = path.relative_to(raw).as_posix() if path.is_relative_to(raw) else path.name
    return name, *checksum(path)


def _line(sample: Sample, work: UnitWork, pack: str) -> bytes | None:
    """Return a sample's line; what cannot be written as JSON in UTF-8 is dropped and counted."""
    try:
        return (to_line(replace(sample, pack=pack) if pack and sample.frames else sample) + "\n").encode()
    except UnicodeEncodeError:
        work.drop("text that is no Unicode (half of a surrogate pair)")
    except ValueError:  # json's word for NaN and infinity
        work.drop("a number that is not finite")
    return None
