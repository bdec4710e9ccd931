"""Scan2Cap: describe the object at a point. Training points come from true boxes, validation points from proposals.

Scan2Cap has no annotations of its own: its captions are ScanRefer's descriptions. In validation an object is given by
the proposal (Mask3D's masks, or ready-made boxes) that overlaps its true box most, however little that is.

Source: formats of Scan2Cap; golden/gen2/README.md, section 4.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vgcli_core.data.base import Dataset, Need, Option, Plan, Request, Unit, Work
from vgcli_core.data.draws import REFERENCE_SEED
from vgcli_core.data.sample import Sample
from vgcli_core.data.scan import Scan
from vgcli_core.data.sources import scannet_scans
from vgcli_core.data.sources.described import (
    BAD_ROW,
    NO_BOX,
    NO_SCAN,
    Row,
    by_object,
    counts_of,
    described_needs,
    read_table,
)
from vgcli_core.data.sources.published import camera_fields, metadata, turns
from vgcli_core.data.tasks import frame_choice
from vgcli_core.data.tasks.captioning import Captioned, CaptioningRules, caption_samples
from vgcli_core.errors import DataError
from vgcli_core.geometry.boxes import Floats
from vgcli_core.geometry.overlap import iou

NAME = "scan2cap"
NUM_FRAMES = 32
POOR = "objects given a box under IoU 0.5"

_Group = tuple[Row, ...]  # the descriptions that make one sample: one in training, all of an object in validation


@dataclass(frozen=True)
class _Scene:
    """One scan; of each sample its descriptions, its place in the published file, and in reference mode its start."""

    scan: Scan | DataError
    groups: tuple[tuple[_Group, int, int | None], ...]


def needs(request: Request) -> list[Need]:
    """Return descriptions, EmbodiedScan's parts, labels, true boxes, frames, and proposals for validation."""
    proposals = [scannet_scans.PROPOSALS] if "val" in request.splits else []
    return [*described_needs(_splits(request)), *proposals, *scannet_scans.frame_needs(request)]


def plan(request: Request) -> Plan:
    """Return one unit for each scene of each split. In reference mode all random starts are drawn here, in order."""
    units: list[Unit] = []
    drops, counts = {}, {}
    inputs: list[Path] = []
    generator = random.Random(REFERENCE_SEED)  # noqa: S311 no secrets are drawn
    reference = request.mode == "reference"
    for split in _splits(request):
        table = read_table(request, split)
        inputs += table.files
        # As published, the draws of one sample depend on those of all before it, training before validation.
        groups = _groups(table.rows if reference else table.wanted, split)
        posed = {group[0].description.scene for group in groups}
        scans = scannet_scans.load_scans(request, scannet_scans.PARTS[split], posed)
        inputs += scans.files
        starts: dict[int, int] = {}
        for group in groups if reference else ():
            scan = scans.good(group[0].description.scene)
            if scan is not None:
                starts[group[0].place] = next(frame_choice.starts(generator, len(scan.frames), "reference"))
        if split in request.splits:
            rank = {group[0].place: place for place, group in enumerate(groups)}
            wanted = _groups(table.wanted, split)[: request.limit]
            lost = Counter({BAD_ROW: table.bad}) if table.bad else Counter()
            for scene, own in _by_scene(wanted).items():
                if scene not in scans.by_scene:
                    lost[NO_SCAN] += len(own)
                    continue
                planned = tuple((group, rank[group[0].place], starts.get(group[0].place)) for group in own)
                frames = len(own) * _rules(request, split).num_frames
                units.append(scannet_scans.unit(scans, scene, split, _Scene(scans.by_scene[scene], planned), frames))
            described = [row for group in wanted for row in group]
            drops[split], counts[split] = dict(lost), counts_of(described) | scans.counts
    return Plan(units, drops, counts, inputs=tuple(dict.fromkeys(inputs)))


def build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    """Yield the samples of one scene."""
    planned: _Scene = unit.payload
    scan, training = scannet_scans.usable(planned.scan), unit.split == "train"
    boxes = scannet_scans.true_boxes(request, scan.scene, work)
    proposals = np.empty((0, 9)) if training else scannet_scans.proposals(request, scan.scene, work)
    captioned = []
    starts: dict[str, int] = {}
    for group, order, start in planned.groups:
        first = group[0]
        if first.description.object_id not in boxes:
            work.drop(NO_BOX)
            continue
        true_box = boxes[first.description.object_id]
        box, overlap = (true_box, 1.0) if training else _best(true_box, proposals)
        if overlap < 0.5:
            work.count(POOR)
        one = Captioned(
            id=first.id if training else f"{first.description.object_id}/{first.description.object_name}",
            text=first.description.text,
            box=box,
            true_box=true_box,
            iou=overlap,
            references=tuple(row.description.text for row in group),
            kind=first.kind,
            info=first.info,
            order=order,
        )
        captioned.append(one)
        if start is not None:
            starts[one.id] = start
    rules = _rules(request, unit.split)
    scannet_scans.count_stretch(scan, rules.num_frames, request, work)
    recorded = (lambda one: starts[one.id]) if request.mode == "reference" else None
    yield from scannet_scans.stored(caption_samples(scan, captioned, rules, work, recorded), request, work)


def record(sample: Sample) -> Mapping[str, Any]:
    """Return the sample in the published layout."""
    row = {
        "conversations": turns(sample),
        "images": list(sample.frames),
        "input_box": sample.info["input_box"][:6],
        "gt_box": sample.info["gt_box"][:6],
        "iou": sample.info["iou"],
        "metadata": metadata(sample),
    }
    if sample.truth is not None:
        row["annotations"] = list(sample.truth["references"])
    return {**row, **camera_fields(sample.cameras)}


DATASET = Dataset(
    name=NAME,
    title="Scan2Cap: captions of objects",
    splits=("train", "val"),
    default_splits=("train", "val"),
    needs=needs,
    plan=plan,
    build=build,
    num_frames=NUM_FRAMES,
    published={
        "train": {"samples": 36665, "descriptions": 36665, "objects": 7875, "scenes": 562},
        "val": {"samples": 2068, "descriptions": 9508, "objects": 2068, "scenes": 141},
    },
    options=(Option("reference_frame", "first", "whose camera the point is given in", ("first", "last")),),
    record=record,
    record_file=lambda split, num_frames, *_: f"scan2cap_{split}_{num_frames}frames.json",
    chooses_frames=True,
    whole="about 116,000 frames of 703 scans, 12 GB (estimate: every tenth frame, 100 kB each)",
)


def _splits(request: Request) -> tuple[str, ...]:
    """Return the splits that planning reads: validation's published draws follow those of training."""
    if request.mode == "reference":
        return ("train", "val") if "val" in request.splits else ("train",)
    return request.splits


def _rules(request: Request, split: str) -> CaptioningRules:
    training = split == "train"
    return CaptioningRules(
        dataset=NAME,
        split=split,
        training=training,
        num_frames=request.num_frames or NUM_FRAMES,
        reference_frame="last" if request.options["reference_frame"] == "last" else "first",
        mode=request.mode,
        choice=request.choice,
        seed=request.seed,
        cameras=not training if request.cameras is None else request.cameras,
    )


def _groups(rows: Sequence[Row], split: str) -> list[_Group]:
    return [(row,) for row in rows] if split == "train" else by_object(rows)


def _by_scene(groups: Sequence[_Group]) -> dict[str, list[_Group]]:
    scenes: dict[str, list[_Group]] = {}
    for group in groups:
        scenes.setdefault(group[0].description.scene, []).append(group)
    return scenes


def _best(true_box: Floats, proposals: Floats) -> tuple[Floats, float]:
    """Return the proposal [9] that overlaps a box most, the first one on ties, and the overlap."""
    overlaps = iou(true_box[None], proposals)[0]
    best = int(overlaps.argmax())
    return proposals[best], float(overlaps[best])
