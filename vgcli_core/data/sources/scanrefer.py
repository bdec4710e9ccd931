"""ScanRefer as video grounding: a description, frames of the scan, and the object's box in the clearest of them.

Posed frames and what they show come from EmbodiedScan, true boxes from ScanNet's own annotation.

Source: formats of ScanRefer; golden/gen2/README.md, section 4.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    by_scene,
    counts_of,
    described_needs,
    read_table,
)
from vgcli_core.data.sources.published import camera_fields, metadata, numbers, published_order, turns
from vgcli_core.data.sources.scannet_scans import Scans
from vgcli_core.data.tasks.grounding import (
    Described,
    GroundingRules,
    ground_samples,
    published_starts,
    samples_of_description,
)
from vgcli_core.data.tasks.visibility import matches
from vgcli_core.errors import DataError
from vgcli_core.geometry.boxes import Floats

NAME = "scanrefer"
NUM_FRAMES = 32

_Starts = Sequence[Sequence[int]]  # of each choice of frames, the random starts until one was taken


@dataclass(frozen=True)
class _Scene:
    """One scan; of each description its row, its place in the published file, and in reference mode its starts."""

    scan: Scan | DataError
    rows: tuple[tuple[Row, int, _Starts], ...]


def needs(request: Request) -> list[Need]:
    """Return descriptions, EmbodiedScan's parts, labels, true boxes and frames."""
    return [*described_needs(request.splits), *scannet_scans.frame_needs(request)]


def plan(request: Request) -> Plan:
    """Return one unit for each scene of each split. In reference mode all random starts are drawn here, in order."""
    units: list[Unit] = []
    drops, counts = {}, {}
    inputs: list[Path] = []
    reference = request.mode == "reference"
    for split in request.splits:
        table = read_table(request, split)
        wanted = table.wanted[: request.limit]
        # As published, the draws of one description depend on those of all before it.
        posed = {row.description.scene for row in (table.rows if reference else wanted)}
        scans = scannet_scans.load_scans(request, scannet_scans.PARTS[split], posed)
        order = published_order(len(table.rows), int(request.options["published_workers"]))
        handled = [table.rows[place] for place in order]
        starts = _draw(request, split, handled, scans) if reference else {}
        each = samples_of_description(_rules(request, split))
        rank = {row.place: number for number, row in enumerate(handled)}
        lost = Counter({BAD_ROW: table.bad * each}) if table.bad else Counter()
        for scene, rows in by_scene(wanted).items():
            if scene in scans.by_scene:
                planned = tuple((row, rank[row.place], starts.get(row.place, ())) for row in rows)
                frames = len(rows) * each * _rules(request, split).num_frames
                units.append(scannet_scans.unit(scans, scene, split, _Scene(scans.by_scene[scene], planned), frames))
            else:
                lost[NO_SCAN] += len(rows) * each
        drops[split], counts[split] = dict(lost), counts_of(wanted) | scans.counts
        inputs += [*table.files, *scans.files]
    return Plan(units, drops, counts, inputs=tuple(dict.fromkeys(inputs)))


def build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    """Yield the samples of one scene."""
    planned: _Scene = unit.payload
    scan = scannet_scans.with_size(scannet_scans.usable(planned.scan), request, work)
    boxes = scannet_scans.true_boxes(request, scan.scene, work)
    rules = _rules(request, unit.split)
    scannet_scans.count_stretch(scan, rules.num_frames, request, work)
    described, starts = [], {}
    for row, order, drawn in planned.rows:
        if row.description.object_id in boxes:
            described.append(_described(row, boxes[row.description.object_id], order))
            starts[row.id] = drawn
        else:
            work.drop(NO_BOX, samples_of_description(rules))
    samples = ground_samples(
        scan,
        described,
        rules,
        work,
        (lambda one, draw: iter(starts[one.id][draw])) if request.mode == "reference" else None,
    )
    yield from scannet_scans.stored(samples, request, work)


def record(sample: Sample) -> Mapping[str, Any]:
    """Return the sample in the published layout."""
    target = None
    if sample.boxes:
        target = {"frame": sample.boxes[0].frame, "bbox_3d": numbers(sample.boxes[0].box, 2)}
    return {
        "images": list(sample.frames),
        "conversations": turns(sample),
        "metadata": metadata(sample),
        "target": target,
        "gt_bbox": [*sample.info["gt_bbox"][:6], 0, 0, 0],
        "prompt": sample.question,
        **camera_fields(sample.cameras),
    }


DATASET = Dataset(
    name=NAME,
    title="ScanRefer: video grounding",
    splits=("train", "val"),
    default_splits=("train", "val"),
    needs=needs,
    plan=plan,
    build=build,
    num_frames=NUM_FRAMES,
    published={
        "train": {"descriptions": 36665, "objects": 7875, "scenes": 562},
        "val": {"samples": 9508, "descriptions": 9508, "objects": 2068, "scenes": 141},
    },
    options=(
        Option("published_workers", 1, "reference mode: processes of the published generator, which decide its order"),
    ),
    record=record,
    record_file=lambda split, num_frames, *_: f"scanrefer_{split}_{num_frames}frames.json",
    chooses_frames=True,
    whole="about 116,000 frames of 703 scans, 12 GB (estimate: every tenth frame, 100 kB each)",
)


def _rules(request: Request, split: str) -> GroundingRules:
    return GroundingRules(
        dataset=NAME,
        split=split,
        training=split == "train",
        num_frames=request.num_frames or NUM_FRAMES,
        mode=request.mode,
        choice=request.choice,
        seed=request.seed,
        cameras=bool(request.cameras),
    )


def _described(row: Row, box: Floats, order: int) -> Described:
    return Described(row.id, row.description.text, box, row.label, row.kind, row.info, order)


def _draw(request: Request, split: str, handled: Sequence[Row], scans: Scans) -> dict[int, _Starts]:
    """Draw the starts of a whole split from one generator, in the order in which it was published."""
    rules = _rules(request, split)
    generator = random.Random(REFERENCE_SEED)  # noqa: S311 no secrets are drawn
    boxes: dict[str, dict[str, Floats]] = {}
    starts: dict[int, _Starts] = {}
    for row in handled:
        scene, object_id = row.description.scene, row.description.object_id
        scan = scans.good(scene)
        if scan is None:
            continue
        if scene not in boxes:
            boxes[scene] = scannet_scans.true_boxes(request, scene)
        if object_id in boxes[scene]:
            match = matches(scan, boxes[scene][object_id][None])[0]
            starts[row.place] = published_starts(scan, match, rules, generator)
    return starts
