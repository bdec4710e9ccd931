"""3D video detection on ScanNet: windows of 4 or 6 neighbouring frames, and the boxes of all objects in them.

EmbodiedScan's train and val are both parts of ScanNet's train, so frames of this validation are in ScanRefer's and
Scan2Cap's training.

Source: formats of EmbodiedScan; golden/gen2/README.md, section 4.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgcli_core.data.base import Dataset, Need, Option, Plan, Request, Unit, Work
from vgcli_core.data.draws import REFERENCE_SEED
from vgcli_core.data.sample import Sample
from vgcli_core.data.scan import Scan
from vgcli_core.data.sources import scannet_scans
from vgcli_core.data.sources.published import camera_fields, numbers, turns
from vgcli_core.data.sources.scannet_scans import Part
from vgcli_core.data.tasks.detection import DetectionRules, choose_windows, detect_samples, windows
from vgcli_core.errors import DataError

NAME = "scannet_det"

_PARTS: Mapping[str, Part] = {"train": "train", "val": "val", "val_6frames": "val"}
_NUM_FRAMES = {"train": 4, "val": 4, "val_6frames": 6}


@dataclass(frozen=True)
class _Scene:
    """One scan, the windows to make samples of, and how many samples stand before them in the published file.

    Where the windows could not be told, `chosen` is None, and building says why.
    """

    scan: Scan | DataError
    chosen: tuple[int, ...] | None
    first: int


def needs(request: Request) -> list[Need]:
    """Return EmbodiedScan's parts and frames."""
    parts = dict.fromkeys(_PARTS[split] for split in request.splits)
    return [*map(scannet_scans.embodiedscan, parts), *scannet_scans.frame_needs(request)]


def plan(request: Request) -> Plan:
    """Return one unit for each scan of each split."""
    units: list[Unit] = []
    counts = {}
    inputs: list[Path] = []
    for split in request.splits:
        rules = _rules(request, split)
        path = scannet_scans.embodiedscan(_PARTS[split]).require(request.raw)
        inputs.append(path)
        # One generator for all scans of a split, as published.
        generator = random.Random(REFERENCE_SEED) if request.mode == "reference" else None  # noqa: S311
        scans = scannet_scans.scans_of_part(path)
        wanted = set(request.wanted(list(scans.by_scene)))
        total = found = 0
        for scene, scan in scans.by_scene.items():
            chosen: tuple[int, ...] | None = None
            with suppress(DataError):  # which is raised again where it hurts this scan alone
                chosen = tuple(choose_windows(scannet_scans.usable(scan), rules, generator))
            if scene not in wanted:
                continue
            if chosen is not None:
                found += len(windows(scannet_scans.usable(scan), rules))
                chosen = chosen if request.limit is None else chosen[: max(request.limit - total, 0)]
            if chosen is None or chosen:
                frames = len(chosen or ()) * rules.num_frames
                units.append(scannet_scans.unit(scans, scene, split, _Scene(scan, chosen, total), frames))
            total += len(chosen or ())
        counts[split] = {"scans": len(wanted), "windows": found} | scans.counts
    return Plan(units, {}, counts, inputs=tuple(dict.fromkeys(inputs)))


def build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    """Yield the samples of one scan."""
    planned: _Scene = unit.payload
    samples = detect_samples(
        scannet_scans.usable(planned.scan), _rules(request, unit.split), planned.chosen, first=planned.first
    )
    for sample in scannet_scans.stored(samples, request, work):
        if not sample.boxes:
            work.count("samples without boxes")
        yield sample


def record(sample: Sample) -> Mapping[str, Any]:
    """Return the sample in the published layout."""
    return {
        "conversations": turns(sample),
        "images": list(sample.frames),
        "boxes": [{"bbox_3d": numbers(one.box), "label": one.box.label} for one in sample.boxes],
        **camera_fields(sample.cameras),
    }


def check(request: Request) -> None:
    """Refuse a number of frames that contradicts the name of a split."""
    if "val_6frames" in request.splits and request.num_frames is not None:
        raise DataError(
            "the split 'val_6frames' has a number of frames of its own", fix="name the split 'val', with the number"
        )
    if int(request.options["interval"]) < 1:
        raise DataError(f"an interval of {request.options['interval']}", fix="give at least 1")


DATASET = Dataset(
    name=NAME,
    title="3D video detection on ScanNet (EmbodiedScan)",
    splits=("train", "val", "val_6frames"),
    default_splits=("train", "val", "val_6frames"),
    needs=needs,
    plan=plan,
    build=build,
    num_frames=_NUM_FRAMES["train"],
    published={
        "train": {"samples": 144164, "scans": 958, "samples without boxes": 71},
        "val": {"samples": 2424, "scans": 243},
        "val_6frames": {"scans": 243},
    },
    options=(
        Option("interval", 3, "frames from one frame of a window to the next, of every tenth of the recording"),
        Option("reference_frame", "first", "whose camera the boxes are in", ("first", "last")),
    ),
    record=record,
    record_file=lambda split, num_frames, *_: f"scannet_det_{split.partition('_')[0]}_{num_frames}frames.json",
    check=check,
    whole="about 198,000 frames of 1,201 scans, 20 GB (estimate: every tenth frame, 100 kB each)",
)


def _rules(request: Request, split: str) -> DetectionRules:
    training = split == "train"
    return DetectionRules(
        dataset=NAME,
        split=split,
        training=training,
        num_frames=request.num_frames or _NUM_FRAMES[split],
        interval=int(request.options["interval"]),
        reference_frame="last" if request.options["reference_frame"] == "last" else "first",
        mode=request.mode,
        seed=request.seed,
        cameras=not training if request.cameras is None else request.cameras,
    )
