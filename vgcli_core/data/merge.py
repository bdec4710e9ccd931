"""Put the units of a finished job together: one JSONL per split, lists of checksums, and the manifest, written last.

Any process that finds all units done may do it, several at once too: they write the same bytes, each file whole.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, BinaryIO

from vgcli_core.data.base import Dataset, Plan, Request, Unit
from vgcli_core.data.frame_store import FRAMES, is_picture
from vgcli_core.data.prepared import SCHEMA
from vgcli_core.data.sample import from_line
from vgcli_core.data.unit_work import input_entry
from vgcli_core.data.workplace import FRAME_LIST, INPUT_LIST, MANIFEST, Record, Vanished, Workplace
from vgcli_core.version import __version__

CONVENTIONS = {
    "units": "metres, radians",
    "camera_axes": "x right, y down, z forward (OpenCV)",
    "world_axes": "aligned scan, z up",
    "box": "[x, y, z, dx, dy, dz, a, b, c] in the camera of the frame it names; dx, dy, dz are full edges",
    "euler_convention": "ZXY",
    "euler_meaning": "intrinsic: R = Rz(a) @ Rx(b) @ Ry(c) takes box axes to camera axes",
    "prompt_revision": 2,
    "frames": "paths below frames/; one newline after each <image> is dropped when a sample is tokenised",
}
_VERSIONS = ("numpy", "scipy", "pillow", "av", "decord", "opencv-python-headless", "pyarrow")
_COPY = 1024 * 1024


def merge(
    dataset: Dataset, request: Request, plan: Plan, workplace: Workplace, job: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the set's files and return its manifest.

    Args:
        dataset: the set's.
        request: what was asked for.
        plan: all of whose units are done or quarantined.
        workplace: that holds them.
        job: what decides the bytes, see `workplace.job_of`.

    Raises:
        Vanished: another process has finished the set.
        OutputError: a file cannot be written.
    """
    root = workplace.root
    splits = {split: _merge_split(dataset, request, plan, workplace, split) for split in request.splits}
    frames = _list_frames(plan, workplace)
    inputs = _list_inputs(plan, request, workplace)
    notes = _notes(plan, workplace)
    quarantine = [reason for unit in plan.units if (reason := workplace.quarantined(unit)) is not None]
    manifest = {
        "schema": SCHEMA,
        "dataset": dataset.name,
        "title": dataset.title,
        "job": dict(job),
        "conventions": {**CONVENTIONS, **dataset.conventions(request)},
        "splits": splits,
        "frames": frames,
        "inputs": inputs,
        "quarantine": [vars(reason) for reason in quarantine],
        "notes": notes,
        "versions": versions(),
    }
    with workplace.replacing(root / MANIFEST) as temporary:
        temporary.write_text(_readable(manifest) + "\n", encoding="utf-8", newline="\n")
    return manifest


def versions() -> dict[str, str]:
    """Return the versions of vgllm and of what the bytes of frames and numbers depend on."""
    found = {"vgllm": __version__}
    for name in _VERSIONS:
        try:
            found[name] = installed_version(name)
        except PackageNotFoundError:
            continue
    return found


def _readable(manifest: Mapping[str, Any]) -> str:
    """Return JSON with letters of all languages as they are; in ASCII where remarks quote what is no Unicode."""
    text = json.dumps(manifest, ensure_ascii=False, indent=1)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(manifest, indent=1)
    return text


def _merge_split(dataset: Dataset, request: Request, plan: Plan, workplace: Workplace, split: str) -> dict[str, Any]:
    drops, counts = Counter(plan.drops.get(split, {})), Counter(plan.counts.get(split, {}))
    visible = [0, 0, 0]
    samples = units = quarantined = 0
    target = workplace.root / f"{split}.jsonl"
    with workplace.replacing(target) as temporary, temporary.open("wb") as file:
        writer = _Hashing(file)
        for unit, record in _records(plan, workplace, split):
            if record is None:
                quarantined += 1
                continue
            with workplace.lines(unit).open("rb") as lines:
                while piece := lines.read(_COPY):
                    writer.write(piece)
            samples, units = samples + record.samples, units + 1
            drops.update(record.drops)
            counts.update(record.counts)
            visible = [total + more for total, more in zip(visible, record.visible, strict=True)]
    found: dict[str, Any] = {
        "file": target.name,
        "samples": samples,
        "units": units,
        "quarantined_units": quarantined,
        "bytes": writer.size,
        "sha256": writer.digest(),
        "drops": dict(sorted(drops.items())),
        "counts": dict(sorted(counts.items())),
        "published": dict(dataset.published.get(split, {})),
        "target_visible": _share(visible),
    }
    if request.mode == "reference" and dataset.record is not None and dataset.record_file is not None:
        found["published_layout"] = _write_published(dataset, request, plan, workplace, split)
    return found


def _records(plan: Plan, workplace: Workplace, split: str | None = None) -> Iterator[tuple[Unit, Record | None]]:
    """Yield the units of a split, or of all, with their records; None for those in quarantine. Raises Vanished."""
    for unit in plan.units:
        if split in (None, unit.split):
            record = workplace.record(unit)
            if record is None and workplace.quarantined(unit) is None:
                raise Vanished
            yield unit, record


def _share(visible: list[int]) -> dict[str, Any]:
    shown, hidden, unknown = visible
    return {
        "yes": shown,
        "no": hidden,
        "unknown": unknown,
        "share": shown / (shown + hidden) if shown + hidden else None,
    }


def _write_published(
    dataset: Dataset, request: Request, plan: Plan, workplace: Workplace, split: str
) -> dict[str, Any]:
    """Write the split as one JSON list in the published layout and order.

    The order is that of `info["order"]`, a number within the split; only numbers and places are held in memory.
    """
    assert dataset.record is not None and dataset.record_file is not None  # noqa: S101 the caller looked
    places: list[tuple[int, Unit, int]] = []
    num_frames = 0
    for unit, record in _records(plan, workplace, split):
        if record is None:
            continue
        with workplace.lines(unit).open("rb") as lines:
            start = 0
            for line in lines:
                sample = from_line(line.decode())
                num_frames = max(num_frames, len(sample.frames))
                places.append((int(sample.info.get("order", len(places))), unit, start))
                start += len(line)
    places.sort(key=lambda place: place[0])
    shown = request.num_frames or dataset.num_frames or num_frames
    target = workplace.root / dataset.record_file(split, shown, len(places), request)
    workplace.announce(target.name)
    with workplace.replacing(target) as temporary, temporary.open("wb") as file:
        writer = _Hashing(file)
        writer.write(b"[")
        for number, (_, unit, start) in enumerate(places):
            with workplace.lines(unit).open("rb") as lines:
                lines.seek(start)
                sample = from_line(lines.readline().decode())
            row = json.dumps(dataset.record(sample), ensure_ascii=False, allow_nan=False)
            writer.write((",\n" if number else "\n").encode() + row.encode())
        writer.write(b"\n]\n")
    return {"file": target.name, "bytes": writer.size, "sha256": writer.digest()}


def _list_frames(plan: Plan, workplace: Workplace) -> dict[str, Any]:
    """Write `frames.sha256`, which `sha256sum -c` checks, remove files that no sample names, and return the sums."""
    seen: set[str] = set()
    pictures = size = 0
    with workplace.replacing(workplace.root / FRAME_LIST) as temporary, temporary.open("wb") as file:
        writer = _Hashing(file)
        for _, record in _records(plan, workplace):
            for name, length, sha256 in record.frames if record else ():
                if name in seen:
                    continue
                seen.add(name)
                size += length
                pictures += record.pictures if record and name.endswith(".tar") else is_picture(name)
                writer.write(f"{sha256}  {FRAMES}/{name}\n".encode())
    _sweep(workplace.root / FRAMES, seen)
    return {"count": pictures, "files": len(seen), "bytes": size, "list": FRAME_LIST, "sha256": writer.digest()}


def _sweep(folder: Path, named: set[str]) -> None:
    """Remove what quarantined units left in the folder of frames."""
    for parent, folders, files in os.walk(folder, topdown=False):
        place = Path(parent)
        for name in files:
            if (place / name).relative_to(folder).as_posix() not in named:
                (place / name).unlink(missing_ok=True)
        if not folders or not any(place.iterdir()):
            with suppress(OSError):  # it is not empty
                place.rmdir()


def _list_inputs(plan: Plan, request: Request, workplace: Workplace) -> dict[str, Any]:
    found = {entry[0]: entry for entry in (input_entry(path, request.raw) for path in plan.inputs)}
    for _, record in _records(plan, workplace):
        found.update((entry[0], entry) for entry in (record.inputs if record else ()))
    with workplace.replacing(workplace.root / INPUT_LIST) as temporary, temporary.open("wb") as file:
        writer = _Hashing(file)
        for name in sorted(found):
            _, size, sha256, covers = found[name]
            row = {"path": name, "bytes": size, "sha256": sha256, "covers": covers}
            writer.write((json.dumps(row) + "\n").encode())
    total = sum(entry[1] for entry in found.values())
    return {"files": len(found), "bytes": total, "list": INPUT_LIST, "sha256": writer.digest()}


def _notes(plan: Plan, workplace: Workplace) -> dict[str, int]:
    notes = Counter(plan.notes)
    for _, record in _records(plan, workplace):
        notes.update(record.notes if record else {})
    return dict(sorted(notes.items()))


class _Hashing:
    """A file that is written and hashed at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def digest(self) -> str:
        return self._digest.hexdigest()
