"""What a dataset is: the files it needs, how they split into independent units of work, and how a unit becomes samples.

`prepare` runs the units, in any number of processes and on any number of machines; a dataset says nothing about that.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal, Protocol

from vgcli_core.data.sample import Sample
from vgcli_core.errors import DataError, lookup

# "reference" reproduces the published generators, draws and bugs included; "corrected" is ours.
Mode = Literal["corrected", "reference"]
# "cyclic" is the published choice (a random start for each sample); "fixed" the same frames for all samples of a scene.
FrameChoice = Literal["cyclic", "fixed"]
OptionValue = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks `prepare` for; the same request and raw files give the same bytes.

    Attributes:
        raw: folder of the raw files, in their owners' layouts.
        splits: splits to make, keys of `Dataset.splits`.
        mode: see Mode.
        choice: see FrameChoice; datasets without a choice of frames ignore it.
        num_frames: frames of a sample; None for the dataset's own number.
        seed: of all random draws in corrected mode; each sample has its own generator (`draws.generator`).
        scenes: the only scenes wanted, or how many of them from the start; None for all.
        limit: at most this many annotated items of each split, from the start, before any is dropped.
        cameras: write poses into every sample; None leaves it to the dataset (evaluation splits have them).
        with_frames: store the frames; without, samples name frames that nobody copied.
        options: what only this dataset knows, by name; all names of `Dataset.options` are there.
        staged: the folder that `Dataset.stage` filled, while units are built; None for datasets without it.
    """

    raw: Path
    splits: tuple[str, ...]
    mode: Mode = "corrected"
    choice: FrameChoice = "cyclic"
    num_frames: int | None = None
    seed: int = 0
    scenes: frozenset[str] | int | None = None
    limit: int | None = None
    cameras: bool | None = None
    with_frames: bool = True
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    staged: Path | None = None

    def wanted(self, names: Sequence[str]) -> list[str]:
        """Return those of the scenes `names` that the request asks for, in their order.

        Raises:
            DataError: a scene is asked for by name and not there.
        """
        if self.scenes is None:
            return list(names)
        if isinstance(self.scenes, int):
            return list(names[: self.scenes])
        return [name for name in names if name in self.scenes]


@dataclass(frozen=True, slots=True)
class Need:
    """Files that a dataset needs from an owner.

    Attributes:
        what: in words: "ScanRefer descriptions, train".
        places: glob patterns relative to the raw folder; the first one that matches anything wins, and the first one
            is where a user is told to put the files.
        owner: who gives the files.
        url: where to ask for them.
        terms: what has to be accepted, in words; "" for none.
        size: roughly, in words.
        optional: the dataset can do without; `what` then says what for.
        any_of: places match thousands of files or millions, of which one tells that they are there: no more are looked
            for. Such a place names files and not their folder, which says nothing when it is empty; "**" in it stands
            for up to six folders.
    """

    what: str
    places: tuple[str, ...]
    owner: str
    url: str
    terms: str = ""
    size: str = ""
    optional: bool = False
    any_of: bool = False

    def find(self, raw: Path) -> list[Path]:
        """Return the files of the first place that has any, sorted, or one of them (`any_of`); empty where none are.

        Raises:
            DataError: a folder may not be looked into.
        """
        for place in self.places:
            try:
                found = list(self._matches(raw, place))
            except PermissionError as error:
                raise DataError(
                    f"{self.what}: a folder may not be looked into",
                    where=str(error.filename or raw / place),
                    fix="give yourself permission to read it",
                ) from error
            if found:
                return found
        return []

    def _matches(self, raw: Path, place: str) -> Iterator[Path]:
        if self.any_of:
            first = _first_match(raw, place.split("/"))
            yield from () if first is None else (first,)
        elif _is_pattern(place):
            yield from sorted(path for path in raw.glob(place) if path.exists())
        elif (raw / place).exists():
            yield raw / place

    def require(self, raw: Path) -> Path:
        """Return the first file. Raises DataError that says what to get from whom, and where to put it."""
        found = self.find(raw)
        if not found:
            terms = f" ({self.terms})" if self.terms else ""
            raise DataError(
                f"{self.what}: not found",
                where=str(raw / self.places[0]),
                fix=f"get it from {self.owner}, {self.url}{terms}, and put it there",
            )
        return found[0]


_DEEPEST = 6  # folders that "**" stands for


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _first_match(folder: Path, parts: Sequence[str]) -> Path | None:
    """Return any path below a folder whose parts match patterns. `Path.glob` would list every folder on the way."""
    if not parts:
        return folder if folder.exists() else None
    name, *rest = parts
    if name == "**":
        depths = (_first_match(folder, ["*"] * depth + rest) for depth in range(_DEEPEST + 1))
        return next((found for found in depths if found), None)
    if not _is_pattern(name):
        return _first_match(folder / name, rest)
    try:
        with os.scandir(folder) as entries:
            matching = (folder / entry.name for entry in entries if fnmatch(entry.name, name))
            return next((found for path in matching if (found := _first_match(path, rest))), None)
    except (FileNotFoundError, NotADirectoryError):
        return None


@dataclass(frozen=True, slots=True)
class Unit:
    """An independent piece of work: usually one scene of one split.

    Attributes:
        key: unique within the split, and the same in every run; any text (it is made safe where it names a file).
        split: the split that its samples belong to.
        payload: what `build` needs beyond the request; small, and can be pickled.
        frames: about how many frames it will store: for the forecast.
    """

    key: str
    split: str
    payload: Any = None
    frames: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """All units in the order of the result, and what was noticed while planning.

    Attributes:
        units: in order; samples of unit i stand before those of unit i + 1.
        drops: split -> reason -> how many annotated items never reach a unit.
        counts: split -> name -> number, compared with `Dataset.published`.
        notes: remarks for the user.
        inputs: files that planning read.
    """

    units: Sequence[Unit]
    drops: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()


FrameSource = Path | bytes | Callable[[], bytes]


class Work(Protocol):
    """What a unit reports to while it is built."""

    def frame(self, name: str, source: FrameSource) -> str:
        """Store a frame (JPEG or PNG bytes, a file to copy or link, or a function that gives bytes); return `name`.

        A name that this unit stored already is not stored again, and its source is not looked at.

        Raises:
            DataError: the source is missing, empty, or no JPEG or PNG.
        """

    def file(self, name: str, data: bytes) -> None:
        """Store a small file beside the frames, named ".txt" or ".safetensors"; no sample names it."""

    def input(self, path: Path) -> Path:
        """Note that a raw file was read; return it."""

    def drop(self, reason: str, count: int = 1) -> None:
        """Count annotated items that become no sample, and why."""

    def count(self, name: str, count: int = 1) -> None:
        """Count something else that belongs into the manifest."""

    def note(self, remark: str) -> None:
        """Say something that a user should know of this unit's scene; equal remarks are counted, not repeated."""


Build = Callable[[Unit, Request, Work], Iterator[Sample]]


@dataclass(frozen=True, slots=True)
class Option:
    """An option of one dataset: `--set name=value`. Its type is that of `default`."""

    name: str
    default: OptionValue
    help: str
    choices: tuple[OptionValue, ...] = ()


def _no_check(request: Request) -> None:
    """Accept every request."""


def _no_conventions(request: Request) -> Mapping[str, Any]:
    """Keep to the conventions of all sets."""
    return {}


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset.

    Attributes:
        name: on the command line.
        title: for people.
        splits: all it has; `default_splits` are made when none is named.
        needs: request -> files it needs from owners.
        plan: request -> units. Reads annotations, never frames; raises DataError when they cannot be read.
        build: unit, request, work -> its samples, one after the other. Must be a function of a module, so that another
            process can find it. A VgllmError that leaves it quarantines the unit: none of its samples are kept.
        num_frames: of a sample by default; None where that is fixed or varies.
        published: split -> name of a count (or "samples") -> the published number.
        options: what only this dataset knows.
        presets: value of its option "preset" -> values of other options, where --set gives none.
        frame_bytes: of a typical stored frame: for the forecast.
        record: sample -> its record in the published annotation layout, for reference mode; None where there is none.
        record_file: split, number of frames, number of records, request -> the published file name.
        chooses_frames: `FrameChoice` makes a difference.
        check: request -> None; raises DataError where options contradict each other.
        whole: how large the whole set is, in words, for --check before any annotation is there.
        conventions: request -> what the manifest says of conventions beyond `merge.CONVENTIONS`, or instead of them.
        stage: request, units still to be built, a folder, progress -> None: called once before them, for sources that
            can only be read from front to end (archives). It extracts what the units need into the folder, each file
            by a temporary name and a rename, and skips what is there: it is called again after an interruption. The
            folder goes when the set is finished; a stored frame is a link to its file, not a second copy.
    """

    name: str
    title: str
    splits: tuple[str, ...]
    default_splits: tuple[str, ...]
    needs: Callable[[Request], Sequence[Need]]
    plan: Callable[[Request], Plan]
    build: Build
    num_frames: int | None = None
    published: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    options: tuple[Option, ...] = ()
    presets: Mapping[str, Mapping[str, OptionValue]] = field(default_factory=dict)
    frame_bytes: int = 100_000
    record: Callable[[Sample], Mapping[str, Any]] | None = None
    record_file: Callable[[str, int, int, Request], str] | None = None
    chooses_frames: bool = False
    check: Callable[[Request], None] = _no_check
    conventions: Callable[[Request], Mapping[str, Any]] = _no_conventions
    whole: str = ""
    stage: Callable[[Request, Sequence[Unit], Path, Callable[[str], None]], None] | None = None

    def options_with(self, given: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
        """Return the value of every option: the given one, else that of the preset, else the default.

        Raises UnknownName where no preset is called so.
        """
        defaults = {option.name: option.default for option in self.options}
        none = str(defaults.get("preset"))
        known: dict[str, Mapping[str, OptionValue]] = {none: {}, **self.presets}
        preset = lookup(f"preset of {self.name}", known, str(given.get("preset", none)))
        return {**defaults, **preset, **given}
