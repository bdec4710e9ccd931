"""Raw files of made-up scans in their owners' layouts: EmbodiedScan, boxes, frames, labels, ScanRefer, masks."""

import json
import pickle
from pathlib import Path

import numpy as np
import scipy.sparse
import torch

from tests.unit.data.sources.hub import picture
from vgcli_core.data.scan import Scan
from vgcli_core.geometry.boxes import corners

LABELS = "id\traw_category\tcategory\tcount\tnyu40id\n1\tchair\tchair\t9\t5\n2\ttable\ttable\t9\t7\n"
IDS = {0: 100, 1: 200}  # place in `Scan.instances` -> id of ScanNet's object


def write_embodiedscan(raw: Path, **parts: list[Scan]) -> None:
    """Parts by name, an empty file for those that are not given."""
    for part in ("train", "val", "test"):
        scans = parts.get(part, [])
        names = sorted({instance.label for scan in scans for instance in scan.instances})
        content = {
            "metainfo": {"categories": {name: 2 * place + 1 for place, name in enumerate(names)}},
            "data_list": [_entry(scan, names) for scan in scans],
        }
        path = raw / "embodiedscan" / f"embodiedscan_infos_{part}.pkl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(content, protocol=4))


def write_frames(raw: Path, scan: Scan, size=(64, 48)) -> None:
    """Extracted frames, all of another colour."""
    for place, frame in enumerate(scan.frames):
        path = raw / frame.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(size=size, colour=place % 256))


def write_objects(raw: Path, scan: Scan, split="train") -> None:
    """The prepared boxes of a scan: corners of its first instances (axis-aligned), and 10 points inside each."""
    boxes = np.array([[*scan.instances[place].box[:6], 0, 0, 0] for place in IDS])
    draw = np.random.default_rng(0)
    points = [box[:3] + box[3:6] * (draw.random((10, 3)) - 0.5) for box in boxes]
    path = raw / "scannet" / "pcd_with_object_aabbs" / split / f"{scan.scene}.pth"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"aabb_obj_ids": np.array(list(IDS.values())), "aabb_corner_xyz": corners(boxes)}
    torch.save({**content, "xyz": np.concatenate(points)}, path)


def write_masks(raw: Path, scan: Scan, rows: list[list[int]]) -> None:
    """Proposals as the vertices that each selects."""
    matrix = np.zeros((len(rows), 10 * len(IDS)), dtype=np.int8)
    for place, row in enumerate(rows):
        matrix[place, row] = 1
    path = raw / "scannet" / "mask" / f"{scan.scene}.mask.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.sparse.save_npz(path, scipy.sparse.csr_matrix(matrix))


def description(scene: str, object_id: str, ann_id: str = "0", name: str = "chair", text: str = "a chair.") -> dict:
    """One entry of ScanRefer."""
    ids = {"scene_id": scene, "object_id": object_id, "object_name": name, "ann_id": ann_id}
    return {**ids, "description": text, "token": text.split()}


def write_scanrefer(raw: Path, split: str, entries: list) -> Path:
    """Descriptions of one split, and the table of labels."""
    path = raw / "scanrefer" / f"ScanRefer_filtered_{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries), encoding="utf-8")
    table = raw / "scannet" / "metadata" / "scannetv2-labels.combined.tsv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(LABELS, encoding="utf-8")
    return path


def _entry(scan: Scan, names: list[str]) -> dict:
    return {
        "sample_idx": scan.name,
        "axis_align_matrix": scan.alignment,
        "cam2img": scan.intrinsics,
        "images": [
            {"img_path": frame.path, "cam2global": frame.camera_to_scan, "visible_instance_ids": list(frame.visible)}
            for frame in scan.frames
        ],
        "instances": [
            {"bbox_3d": one.box.tolist(), "bbox_label_3d": 2 * names.index(one.label) + 1, "bbox_id": one.id}
            for one in scan.instances
        ],
    }
