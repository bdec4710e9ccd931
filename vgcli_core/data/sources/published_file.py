"""An annotation file that the VG-LLM authors publish, taken as it is: `--set file=scanrefer_train_32frames.json`.

It spares generating samples: frames are chosen already, boxes are in cameras already. Files of both generations are
read; boxes become intrinsic Z-X-Y, and texts of the first generation are rewritten to the second unless
`--set rewrite=false` (for weights of the first one). The file is read record by record; a unit is a scene.

`prepare sqa3d`, `spar` and `llava_hound` read the published files of those, too: the first asks as the published
evaluation does, where the stored text is kept here, and the others also take frames out of archives.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from vgcli_core.data.base import Dataset, Need, Option, Plan, Request, Unit, Work
from vgcli_core.data.raw.frames import frame_source, picture_size
from vgcli_core.data.raw.hub_media import is_plain
from vgcli_core.data.raw.json_stream import Record, read_range, read_records
from vgcli_core.data.raw.published import (
    Layout,
    Reading,
    boxes_as_written,
    convention,
    layout_of,
    published_sample,
    scene_of,
)
from vgcli_core.data.raw.reading import reading
from vgcli_core.data.raw.rows import BadRow, text
from vgcli_core.data.sample import Sample
from vgcli_core.data.spar.rows import BAD_MARKERS, is_drawable
from vgcli_core.errors import DataError, MediaError
from vgcli_core.geometry.boxes import EulerConvention, Floats
from vgcli_core.geometry.conventions import CONVENTIONS, convention_of, uprightness
from vgcli_core.media.images import PICTURES
from vgcli_core.media.markers import NOMINAL
from vgcli_core.media.sampling import training_rule

NAME = "published"
SPLITS = ("train", "val", "test")

_MISSING, _DAMAGED = "a frame is missing", "a frame is damaged"
# LLaVA-Hound: a folder of frames counts as 1 frame per second (formats of media, section 1).
_INTERVAL, _LEAST, _MOST = 2.0, 4, 8
_FIX = "name it: --set file=PATH, below the raw folder or anywhere"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records that follow each other in the file: the place of the first one, and the bytes [start, stop)."""

    order: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Job:
    """The payload of a unit: the file, and its records that belong to the unit."""

    path: Path
    stretches: tuple[Stretch, ...]


class _Scene:
    """The records of one scene while the file is read."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        self._last = -1
        self._names: set[str] = set()
        self._more = 0

    def add(self, order: int, record: Record, layout: Layout) -> None:
        """Take a record in; neighbours in the file become one stretch."""
        if self.stretches and order == self._last + 1:
            first = self.stretches.pop()
            self.stretches.append(Stretch(first.order, first.start, record.stop))
        else:
            self.stretches.append(Stretch(order, record.start, record.stop))
        self._last = order
        images = record.value.get("images")
        if layout in ("spar", "llava_hound") or not isinstance(images, list):
            self._more += _MOST if images is None else len(images)  # questions of these hardly share frames
        else:
            self._names.update(PurePosixPath(image).stem for image in images if isinstance(image, str))

    @property
    def frames(self) -> int:
        """About how many frames there are to store."""
        return len(self._names) + self._more


def _needs(request: Request) -> Sequence[Need]:
    named = str(request.options["file"])
    return (
        Need(
            "an annotation file of the VG-LLM authors",
            (named,) if named else ("published/*.json", "published/*.jsonl"),
            "the VG-LLM authors",
            "https://huggingface.co/datasets/zd11024/VG-LLM-Data",
            "those of the datasets that it is about",
            "up to 0.7 GB",
        ),
    )


def _file(request: Request) -> Path:
    """Return the file to read. Raises DataError where several could be meant."""
    (need,) = _needs(request)
    path = need.require(request.raw)
    found = need.find(request.raw)
    if len(found) > 1:
        names = ", ".join(one.name for one in found[:4])
        raise DataError(f"which of {len(found)} files is not said: {names}", where=str(path.parent), fix=_FIX)
    return path


def _check(request: Request) -> None:
    path = _file(request)
    name = path.name
    if len(request.splits) != 1:
        raise DataError("a file has one split", where=str(path), fix="name one of them with --split")
    said = [split for split in SPLITS if split in re.split(r"[^a-z]+", name)]
    if said and request.splits[0] not in said:
        raise DataError(
            f"{name} looks like the split {said[0]}, and {request.splits[0]} was asked for",
            where=str(path),
            fix=f"add --split {said[0]}, or rename the file",
        )
    if request.num_frames is not None:
        raise DataError(
            "the frames are those that the file names", where=str(path), fix="leave out the number of frames"
        )


def _plan(request: Request) -> Plan:
    _check(request)
    path = _file(request)
    (split,) = request.splits
    reading = _reading(request, path, split)
    counts, drops = Counter[str](), Counter[str]()
    scenes: dict[str, _Scene] = {}
    for order, record in enumerate(read_records(path)):
        counts["records"] += 1
        try:
            layout = layout_of(record.value)
            convention(record.value, reading)  # fails here and now where nobody says it
        except BadRow as reason:
            drops[str(reason)] += 1
            continue
        counts[f"records like {layout}"] += 1
        name = scene_of(record.value)
        if name not in scenes and not _is_wanted(name, len(scenes), request):
            continue
        if request.limit is not None and counts["records taken"] >= request.limit:
            break
        counts["records taken"] += 1
        scenes.setdefault(name, _Scene()).add(order, record, layout)
    counts["scenes"] = len(scenes)
    units = [
        Unit(name or "unnamed", split, Job(path, tuple(one.stretches)), one.frames) for name, one in scenes.items()
    ]
    return Plan(units, {split: dict(drops)}, {split: dict(counts)}, inputs=(path,))


def _build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    job: Job = unit.payload
    reading = _reading(request, job.path, unit.split)
    looked: dict[EulerConvention, list[Floats]] = {}
    for stretch in job.stretches:
        for order, record in enumerate(read_range(job.path, stretch.start, stretch.stop), start=stretch.order):
            try:
                frames = _video_frames(record, request) if layout_of(record) == "llava_hound" else None
                sample = published_sample(record, order, reading, frames)
                _store(sample, request, work)
            except BadRow as reason:
                work.drop(str(reason))
                continue
            own = convention(record, reading)
            if own is not None:
                work.count(f"records with {own} angles")
                looked.setdefault(own, []).append(boxes_as_written(record))
            yield sample
    for own, boxes in looked.items():
        found = uprightness(np.concatenate(boxes), own)
        if found.suspicious:
            work.note(
                f"boxes said to have {own} angles look as if they had others: {found.declared:.0%} of {found.n} stand "
                f"upright, {found.other:.0%} the other way; check --set convention"
            )


def _conventions(request: Request) -> Mapping[str, Any]:
    """Say where texts keep the wording and the angles of their own generation; `boxes` never do."""
    return (
        {} if request.options["rewrite"] else {"prompt_revision": "as in the published file", "angles_in_text": "too"}
    )


DATASET = Dataset(
    name=NAME,
    title="an annotation file that the VG-LLM authors publish",
    splits=SPLITS,
    default_splits=("train",),
    needs=_needs,
    plan=_plan,
    build=_build,
    options=(
        Option(
            "file", "", "its name, below the raw folder or anywhere; where it is not said, the only one in published/"
        ),
        Option(
            "convention",
            "auto",
            "of its angles: told by the wording of its prompts, ZXY (since 27 November 2025) or zxy (before)",
            ("auto", *CONVENTIONS),
        ),
        Option("rewrite", True, "bring prompts and answers of the first generation to the second"),
    ),
    check=_check,
    conventions=_conventions,
    whole="the frames that the file names: those of scanrefer_train_32frames.json are about 93,000 of 562 "
    "scans, 9 GB (estimate: 100 kB each)",
)


def _reading(request: Request, path: Path, split: str) -> Reading:
    said = str(request.options["convention"])
    declared = None if said == "auto" else convention_of(said)
    cameras = split != "train" if request.cameras is None else request.cameras
    return Reading(path, NAME, split, declared, bool(request.options["rewrite"]), cameras)


def _is_wanted(scene: str, known: int, request: Request) -> bool:
    if isinstance(request.scenes, int):
        return known < request.scenes
    return request.scenes is None or scene in request.scenes


def _store(sample: Sample, request: Request, work: Work) -> None:
    if not request.with_frames:
        if sample.markers is not None and not is_drawable(sample.markers, [NOMINAL] * len(sample.frames)):
            raise BadRow(BAD_MARKERS)
        return
    try:
        sources = [frame_source(request.raw, name) for name in sample.frames]
    except DataError as error:
        raise BadRow(_MISSING) from error
    try:
        if sample.markers is not None:
            sizes = [picture_size(source) if isinstance(source, Path) else None for source in sources]
            if not is_drawable(sample.markers, sizes):
                raise BadRow(BAD_MARKERS)
        for name, source in zip(sample.frames, sources, strict=True):
            work.frame(name, source)
    except (DataError, MediaError) as error:
        raise BadRow(_DAMAGED) from error


def _video_frames(record: Mapping[str, Any], request: Request) -> list[str]:
    """Return the frames of a LLaVA-Hound record by the reference's training rule: 4 to 8 of its folder, by name."""
    video = text(record, "video")
    folder = request.raw / video
    if not is_plain(video) or not folder.is_dir():
        raise BadRow("the folder of a video is missing")
    with reading(folder, "frames of a video"):
        names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not names:
        raise BadRow("the folder of a video holds no picture")
    chosen = training_rule(len(names), 1.0, interval=_INTERVAL, minimum=_LEAST, maximum=_MOST)
    return [f"{video}/{names[place]}" for place in chosen]
