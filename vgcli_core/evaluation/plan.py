"""What a run asks a model: the samples of its benchmarks, in groups that are answered together."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vgcli_core.data.checksums import checksum
from vgcli_core.data.commands import prepare_command
from vgcli_core.data.groups import frames_key, groups
from vgcli_core.data.prepared import Prepared, open_prepared
from vgcli_core.data.sample import Sample
from vgcli_core.data.sources import DATASETS
from vgcli_core.data.workplace import MANIFEST
from vgcli_core.errors import DataError, UsageError, lookup
from vgcli_core.evaluation.benchmark import AnyBenchmark
from vgcli_core.evaluation.benchmarks import BENCHMARKS


@dataclass(frozen=True)
class Share:
    """The `index`-th of `count` equal parts of the groups, from 0."""

    index: int = 0
    count: int = 1

    def part(self, rank: int, world: int) -> "Share":
        """Return the part of this share that one of `world` processes takes."""
        return Share(self.index + self.count * rank, self.count * world)


WHOLE = Share()


@dataclass(frozen=True)
class Asked:
    """One benchmark of a run.

    Attributes:
        benchmark: which.
        prepared: the set.
        split: of it.
        samples: to be answered, in the order of the set.
        truths: of the samples, in the benchmark's form.
        groups: places of samples with the same frames and prompt layout; those with the same frames stand together.
        notes: what a reader of the scores should know of the set.
    """

    benchmark: AnyBenchmark
    prepared: Prepared
    split: str
    samples: tuple[Sample, ...]
    truths: tuple[Any, ...]
    groups: tuple[tuple[int, ...], ...]
    notes: tuple[str, ...] = ()

    def share(self, share: Share) -> Iterator[list[Sample]]:
        """Yield the groups of one part. All groups of the same frames are in one part, so that it encodes them once."""
        number, before = -1, None
        for group in self.groups:
            members = [self.samples[place] for place in group]
            key = frames_key(members[0])
            number += key != before
            before = key
            if number % share.count == share.index:
                yield members

    @property
    def frame_lists(self) -> int:
        """How many lists of frames there are to encode."""
        return len({frames_key(self.samples[group[0]]) for group in self.groups})


def plan(names: Sequence[str], data: Path, *, split: str | None = None, limit: int | None = None) -> list[Asked]:
    """Open the sets of benchmarks and group their samples.

    Args:
        names: of benchmarks.
        data: folder of the prepared sets; a benchmark's is in the folder of its own name, else of its dataset's.
        split: instead of the benchmark's own; for one benchmark.
        limit: at most so many samples of each benchmark, evenly spread.

    Raises:
        UnknownName, UsageError: no such benchmark, one named twice, a split for several.
        DataError: sets are missing (all are named, with the commands that make them), damaged, or of another kind.
    """
    benchmarks = [lookup("benchmark", BENCHMARKS, name, where="vgllm eval") for name in names]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice", where="vgllm eval", fix="name each benchmark once")
    if split is not None and len(names) != 1:
        raise UsageError("--split goes with one benchmark", where=f"--split {split}", fix="name one benchmark")
    if not data.is_dir():
        raise DataError(
            "there is no such folder",
            where=f"--data {data}",
            fix="name the folder that holds the prepared sets (data/scanrefer and so on, made by vgllm prepare)",
        )
    if (data / MANIFEST).is_file():
        raise DataError(
            "this is a prepared set, not the folder of the sets",
            where=f"--data {data}",
            fix=f"--data {data.parent if data.name else '..'}",
        )
    wanted = [(one, split or one.split, _root(one, data)) for one in benchmarks]
    missing = [(one, part, root) for one, part, root in wanted if not (root / MANIFEST).is_file()]
    if missing:
        commands = dict.fromkeys(prepare_command(DATASETS[one.dataset], part, root) for one, part, root in missing)
        raise DataError(
            f"prepared sets are missing: {', '.join(dict.fromkeys(one.name for one, _, _ in missing))}",
            where=", ".join(dict.fromkeys(str(root) for _, _, root in missing)),
            fix=f"make them: {'; '.join(commands)} (vgllm prepare NAME --check tells what is needed, and from whom)",
        )
    return [_asked(one, open_prepared(root), part, limit) for one, part, root in wanted]


def _root(benchmark: AnyBenchmark, data: Path) -> Path:
    own = data / benchmark.name
    return own if (own / MANIFEST).is_file() else data / benchmark.dataset


def _asked(benchmark: AnyBenchmark, prepared: Prepared, split: str, limit: int | None) -> Asked:
    job = prepared.manifest["job"]
    if job["dataset"] not in (benchmark.dataset, "published"):
        raise DataError(
            f"the set is of {job['dataset']}, and {benchmark.name} is asked about {benchmark.dataset}",
            where=str(prepared.root),
            fix="put each set into the folder of its own name",
        )
    command = prepare_command(DATASETS[benchmark.dataset], split, prepared.root.with_name(benchmark.name))
    if split not in prepared.splits:
        raise DataError(
            f"the set has no split {split}, only {', '.join(prepared.splits)}",
            where=str(prepared.root),
            fix=f"make it in a folder of its own, where it is looked for first: {command}",
        )
    if not job["with_frames"]:
        raise DataError("the set was made without frames", where=str(prepared.root), fix=f"make it again: {command}")
    if checksum(prepared.path(split), large=sys.maxsize).sha256 != prepared.manifest["splits"][split]["sha256"]:
        raise DataError(
            f"{prepared.path(split).name} is not the file that was prepared: its checksum differs from the manifest's",
            where=str(prepared.path(split)),
            fix=f"put it back, or prepare the set again: {command} --restart",
        )
    found = list(prepared.samples(split))
    stated = [(sample, truth) for sample in found if (truth := benchmark.truth_of(sample)) is not None]
    if not stated:
        raise DataError(
            f"no sample of the split {split} has a truth to score against" if found else f"the split {split} is empty",
            where=str(prepared.path(split)),
            fix="use a split for evaluation (vgllm eval --list), or prepare the set again",
        )
    notes = _notes(prepared, split, without=len(found) - len(stated))
    if limit is not None and limit < len(stated):
        notes += (f"--limit: {limit:,} of {len(stated):,} samples are asked, evenly spread",)
        stated = [stated[place * len(stated) // limit] for place in range(limit)]
    samples = tuple(sample for sample, _ in stated)
    try:
        truths = tuple(benchmark.truth.model_validate(truth) for _, truth in stated)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise DataError(
            f"a truth is not of {benchmark.name}'s form: {problem['msg']} ({'.'.join(map(str, problem['loc']))})",
            where=str(prepared.path(split)),
            fix=f"prepare the set again with this version: {command} --restart",
        ) from None
    return Asked(benchmark, prepared, split, samples, truths, tuple(map(tuple, groups(samples))), notes)


def _notes(prepared: Prepared, split: str, *, without: int) -> tuple[str, ...]:
    notes = []
    if without:
        notes.append(f"{without:,} samples of the set have no truth, and are left out")
    damaged = [reason for reason in prepared.manifest.get("quarantine", ()) if reason.get("split") == split]
    if damaged:
        notes.append(f"{len(damaged):,} damaged scenes or videos were left out when the set was prepared")
    return tuple(notes)
