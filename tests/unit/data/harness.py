"""Run a dataset in memory: every unit built, nothing written, everything that it reports kept."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from vgcli_core.data.base import Dataset, FrameSource, Request, Unit
from vgcli_core.data.sample import Sample, from_line, to_line
from vgcli_core.errors import VgllmError


@dataclass
class MemoryWork:
    """A `Work` that keeps frames (name -> bytes) and counts in memory."""

    frames: dict[str, bytes] = field(default_factory=dict)
    drops: Counter = field(default_factory=Counter)
    counts: Counter = field(default_factory=Counter)
    notes: Counter = field(default_factory=Counter)
    inputs: list[Path] = field(default_factory=list)

    def frame(self, name: str, source: FrameSource) -> str:
        assert not name.startswith("/") and ".." not in name.split("/") and "\\" not in name
        if name not in self.frames:
            data = (
                source if isinstance(source, bytes) else source.read_bytes() if isinstance(source, Path) else source()
            )
            assert data[:2] == b"\xff\xd8" or data[:4] == b"\x89PNG", name
            self.frames[name] = data
        return name

    def file(self, name: str, data: bytes) -> None:
        assert name.endswith((".txt", ".safetensors")) and ".." not in name.split("/")
        self.frames.setdefault(name, data)

    def input(self, path: Path) -> Path:
        assert path.exists()
        self.inputs.append(path)
        return path

    def drop(self, reason: str, count: int = 1) -> None:
        self.drops[reason] += count

    def count(self, name: str, count: int = 1) -> None:
        self.counts[name] += count

    def note(self, remark: str) -> None:
        self.notes[remark] += 1


@dataclass
class Collected:
    """What a request gave."""

    samples: list[Sample]
    work: MemoryWork
    quarantined: dict[str, VgllmError]
    units: list[Unit]


def request_for(dataset: Dataset, raw: Path, *splits: str, options: dict | None = None, **values) -> Request:
    """A request with every option at its default, but for those given."""
    assert set(options or {}) <= {option.name for option in dataset.options}
    return Request(raw, splits or dataset.default_splits, options=dataset.options_with(options or {}), **values)


def collect(dataset: Dataset, request: Request) -> Collected:
    """Plan and build everything; each sample goes through its line and back, and ids are unique."""
    plan = dataset.plan(request)
    work, samples, quarantined = MemoryWork(), [], {}
    for drops in plan.drops.values():
        work.drops.update(drops)
    for counts in plan.counts.values():
        work.counts.update(counts)
    work.notes.update(plan.notes)
    assert len({(unit.split, unit.key) for unit in plan.units}) == len(plan.units)
    for unit in plan.units:
        assert unit.split in request.splits
        try:
            built = list(dataset.build(unit, request, work))
        except VgllmError as error:
            quarantined[unit.key] = error
            continue
        for sample in built:
            assert sample.dataset == dataset.name and sample.split == unit.split
            assert to_line(from_line(to_line(sample))) == to_line(sample)
        samples += built
    assert len({(sample.split, sample.id) for sample in samples}) == len(samples)
    return Collected(samples, work, quarantined, list(plan.units))
