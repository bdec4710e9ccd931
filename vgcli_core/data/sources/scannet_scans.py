"""What the sources on ScanNet share: the files they need, posed scans, true boxes, and storing a sample's frames."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vgcli_core.data.base import Need, Request, Unit, Work
from vgcli_core.data.raw.embodiedscan import SCANNET as PREFIX
from vgcli_core.data.raw.embodiedscan import Findings, read_scans
from vgcli_core.data.raw.frames import EXTRACTED, frame_size, frame_source
from vgcli_core.data.raw.object_boxes import PREPARED, scene_objects
from vgcli_core.data.raw.proposals import PLACES as PROPOSAL_PLACES
from vgcli_core.data.raw.proposals import scene_proposals
from vgcli_core.data.raw.scannet import MESHES, RECORDINGS
from vgcli_core.data.sample import Sample
from vgcli_core.data.scan import Scan
from vgcli_core.data.tasks import frame_choice
from vgcli_core.errors import DataError
from vgcli_core.geometry.boxes import Floats

Part = Literal["train", "val", "test"]

# EmbodiedScan's train and val are a split of ScanNet's train; its test is ScanNet's val.
PARTS: dict[str, tuple[Part, ...]] = {"train": ("train", "val"), "val": ("test",), "test": ("test",)}
EVERY_PART: tuple[Part, ...] = ("train", "val", "test")

STRETCH = "scans of fewer than twice the frames: the rest of the scan is not seen"

_SCANNET = "the ScanNet team"
_SCANNET_URL = "https://kaldir.vc.in.tum.de/scannet/"
_SCANNET_TERMS = "the ScanNet Terms of Use, signed and sent to scannet@googlegroups.com"

LABELS = Need(
    "ScanNet's table of labels (scannetv2-labels.combined.tsv)",
    (
        "scannet/metadata/scannetv2-labels.combined.tsv",
        "scannet/scannetv2-labels.combined.tsv",
        "scannetv2-labels.combined.tsv",
    ),
    _SCANNET,
    _SCANNET_URL,
    _SCANNET_TERMS,
    "0.1 MB",
)
FRAMES = Need(
    "ScanNet frames: the recordings (scannet/scans/<scene>/<scene>.sens), or pictures that were extracted from them "
    "(scannet/posed_images/<scene>/00000.jpg, 00010.jpg, ...)",
    (RECORDINGS[0], *EXTRACTED, *RECORDINGS[1:]),
    _SCANNET,
    _SCANNET_URL,
    _SCANNET_TERMS,
    "1.2 TB of recordings, or some tens of GB of extracted pictures",
    any_of=True,
)
OBJECTS = Need(
    "true boxes of ScanNet's objects: in scannet/scans/<scene>/ the mesh <scene>_vh_clean_2.ply with "
    "<scene>_vh_clean_2.0.010000.segs.json, <scene>.aggregation.json and <scene>.txt; or prepared boxes "
    "(scannet/pcd_with_object_aabbs/<split>/<scene>.pth)",
    (MESHES[0], *PREPARED, *MESHES[1:]),
    _SCANNET,
    _SCANNET_URL,
    _SCANNET_TERMS,
    "about 10 GB of meshes and segments",
    any_of=True,
)

PROPOSALS = Need(
    "proposed boxes of ScanNet's val scenes: Mask3D's masks from LEO's mask.zip (scannet/mask/<scene>.mask.npz), or "
    "Video-3D LLM's scannet_val_pred_box.json",
    PROPOSAL_PLACES,
    "the LEO team",
    "https://huggingface.co/datasets/huangjy-pku/LEO_data",
    "see the page; the terms of ScanNet hold, from which they are made",
    any_of=True,
)


def embodiedscan(part: Part) -> Need:
    """Return what is needed of EmbodiedScan: poses, visibility and boxes of one of its three parts."""
    name = f"embodiedscan_infos_{part}.pkl"
    return Need(
        f"EmbodiedScan annotations, version 2, {part}",
        (f"embodiedscan/{name}", f"embodiedscan/embodiedscan-v2/{name}", f"embodiedscan-v2/{name}", name),
        "the EmbodiedScan team (OpenRobotLab)",
        "https://github.com/OpenRobotLab/EmbodiedScan",
        "the form on that page; CC BY-NC-SA 4.0, and the terms of ScanNet",
    )


def scanrefer(split: str) -> Need:
    """Return what is needed of ScanRefer: the descriptions of one split."""
    name = f"ScanRefer_filtered_{split}.json"
    return Need(
        f"ScanRefer descriptions, {split}",
        (f"scanrefer/{name}", f"ScanRefer/{name}", name),
        "the ScanRefer team",
        "https://github.com/daveredrum/ScanRefer",
        "the ScanRefer Terms of Use, by the form on that page, and the terms of ScanNet",
        "30 MB",
    )


def frame_needs(request: Request) -> tuple[Need, ...]:
    """Return the need for frames, where they are to be stored."""
    return (FRAMES,) if request.with_frames else ()


@dataclass
class Scans:
    """Posed scans by scene, in the order of their files; a damaged one is the error that says why."""

    by_scene: dict[str, Scan | DataError] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def good(self, scene: str) -> Scan | None:
        """Return the scan of a scene; None where there is none, or a damaged one."""
        scan = self.by_scene.get(scene)
        return scan if isinstance(scan, Scan) else None


def load_scans(request: Request, parts: Sequence[Part], scenes: Iterable[str]) -> Scans:
    """Return the posed scans of `scenes`; those that no file has are left out.

    Args:
        request: names the raw folder.
        parts: EmbodiedScan's parts that must be there; the others are looked into where they are.
        scenes: "scene0000_00".

    Raises:
        DataError: a required file is missing, or a file is damaged.
    """
    required = [embodiedscan(part).require(request.raw) for part in parts]
    others = [path for part in EVERY_PART if part not in parts for path in embodiedscan(part).find(request.raw)[:1]]
    scans, missing = Scans(), {PREFIX + scene for scene in scenes}
    for path in (*required, *others):
        if missing:
            _read(path, scans, missing)
            missing -= {PREFIX + scene for scene in scans.by_scene}
    return scans


def scans_of_part(path: Path) -> Scans:
    """Return all scans on ScanNet of one of EmbodiedScan's files, damaged ones last."""
    scans = Scans()
    _read(path, scans, None)
    return scans


def unit(scans: Scans, scene: str, split: str, payload: Any, frames: int) -> Unit:
    """Return the unit of a scene; it stores `frames` frames, but no more than there are."""
    scan = scans.good(scene)
    return Unit(scene, split, payload, frames if scan is None else min(frames, len(scan.frames)))


def usable(scan: Scan | DataError) -> Scan:
    """Return the scan, or raise the error that it is."""
    if isinstance(scan, DataError):
        raise scan
    return scan


def _read(path: Path, scans: Scans, wanted: set[str] | None) -> None:
    findings = Findings()
    scans.files.append(path)
    scans.by_scene.update((scan.scene, scan) for scan in read_scans(path, wanted, findings=findings))
    scans.by_scene.update((name.removeprefix(PREFIX), error) for name, error in findings.bad.items())
    scans.counts.update(findings.counts)


def true_boxes(request: Request, scene: str, work: Work | None = None) -> dict[str, Floats]:
    """Return object id -> true box [9] in the aligned scan, by the text that descriptions have for it.

    Raises:
        DataError: the scene's files are missing or damaged.
    """
    objects = scene_objects(request.raw, scene)
    if work is not None:
        for path in objects.files:
            work.input(path)
        for remark in objects.notes:
            work.note(remark)
    return {str(number): np.append(box, np.zeros(3)) for number, box in objects.boxes.items()}


def proposals(request: Request, scene: str, work: Work) -> Floats:
    """Return the proposed boxes [P, 9] of a scene, at least one.

    Raises:
        DataError: there are none, or they are damaged.
    """
    found = scene_proposals(request.raw, scene)
    for path in found.files:
        work.input(path)
    for remark in found.notes:
        work.note(remark)
    if found.empty:
        work.count("proposals without a vertex, left out", found.empty)
    if not len(found.boxes):
        raise DataError(f"no proposal for {scene}", where=str(request.raw), fix="get the proposals of this scene")
    return np.hstack([found.boxes, np.zeros_like(found.boxes[:, :3])])


def with_size(scan: Scan, request: Request, work: Work) -> Scan:
    """Return the scan with the true size of its frames, where one of them is there; as it is in reference mode."""
    if request.mode == "reference" or scan.size is not None:
        return scan
    size = frame_size(request.raw, [frame.path for frame in scan.frames])
    if size is None:
        work.note("no frame is there to tell the size of the images: it is taken from the principal point")
        return scan
    middle = 2 * scan.intrinsics[0, 2]
    if not 0.9 < size[0] / middle < 1.1:
        work.note("frames are not of the size that their intrinsics belong to: it is taken from the principal point")
        return scan
    return replace(scan, size=size)


def count_stretch(scan: Scan, num_frames: int, request: Request, work: Work) -> None:
    """Count a scan of which a sample sees a stretch alone, by the published rule; as published, nobody is told."""
    neighbours = request.choice == "cyclic" and frame_choice.is_stretch(len(scan.frames), num_frames)
    if neighbours and request.mode == "corrected":
        work.count(STRETCH)


def stored(samples: Iterable[Sample], request: Request, work: Work) -> Iterator[Sample]:
    """Yield the samples, each after its frames were stored."""
    for sample in samples:
        if request.with_frames:
            for path in sample.frames:
                work.frame(path, frame_source(request.raw, path))
        yield sample
