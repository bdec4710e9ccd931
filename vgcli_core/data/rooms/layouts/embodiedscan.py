"""Rooms as EmbodiedScan's pickles: posed frames, what they show, oriented boxes.

Its train and val parts are of ScanNet's train scans, its test part of ScanNet's val scans, whose objects it keeps back.
A part also lists scans of other sources, which ScanNet's readers pass over.

Source: formats of EmbodiedScan, section 2.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vgcli_core.atomic import atomic_path
from vgcli_core.data.rooms.film import Film
from vgcli_core.data.rooms.labels import NYU40, detection_label
from vgcli_core.data.rooms.layouts.recording import Recording, recorded_scan
from vgcli_core.data.rooms.layouts.scannet import intrinsics
from vgcli_core.data.scan import Scan

_SURROUNDINGS = ("wall", "floor", "ceiling", "object")  # categories that nobody is asked about
_PROTOCOL = 4


def write_embodiedscan(part: str, rooms: Sequence[tuple[Film, Recording]], raw: Path) -> Path:
    """Write one part, "train", "val" or "test", below `raw`/embodiedscan; return the file."""
    names = sorted({detection_label(label) for label in NYU40} | set(_SURROUNDINGS))
    categories = {name: 3 * place + 1 for place, name in enumerate(names)}  # ids with gaps
    scans = [_scan(film, recording, categories, hidden=part == "test") for film, recording in rooms]
    others = [{**scan, "sample_idx": scan["sample_idx"].replace("scannet/", "3rscan/")} for scan in scans[:1]]
    content = {
        "metainfo": {"categories": categories, "DATASET": "EmbodiedScan", "VERSION": "v2"},
        "data_list": [*scans[:1], *others, *scans[1:]],
    }
    path = raw / "embodiedscan" / f"embodiedscan_infos_{part}.pkl"
    with atomic_path(path) as temporary:
        temporary.write_bytes(pickle.dumps(content, protocol=_PROTOCOL))
    return path


def _scan(film: Film, recording: Recording, categories: dict[str, int], *, hidden: bool) -> dict[str, Any]:
    scan = recorded_scan(film, recording)
    color, depth = intrinsics(recording)
    walls = [] if hidden else [_instance(len(scan.instances), categories["wall"], _room_box(film))]
    things = [
        _instance(number, categories[instance.label], instance.box) for number, instance in enumerate(scan.instances)
    ]
    return {
        "sample_idx": scan.name,
        "axis_align_matrix": scan.alignment.copy(),
        "cam2img": color,
        "cam2depth": np.eye(4),
        "depth_cam2img": depth,
        "images": [_image(scan, place, hidden=hidden) for place in range(len(scan.frames))],
        "instances": [] if hidden else [*things, *walls],
    }


def _image(scan: Scan, place: int, *, hidden: bool) -> dict[str, Any]:
    frame = scan.frames[place]
    # The walls are in every frame.
    visible = [] if hidden else [*frame.visible, len(scan.instances)]
    return {
        "img_path": frame.path,
        "depth_path": frame.path.replace(".jpg", ".png"),
        "cam2global": frame.camera_to_scan.copy(),
        "visible_instance_ids": visible,
    }


def _instance(number: int, category: int, box: np.ndarray[Any, Any]) -> dict[str, Any]:
    # bbox_id is another numbering than the place in the list, as in version 2.
    return {"bbox_3d": box.tolist(), "bbox_label_3d": category, "bbox_id": number + 100}


def _room_box(film: Film) -> np.ndarray[Any, Any]:
    width, depth, height = film.room.size
    return np.array([0, 0, height / 2, width, depth, height, 0, 0, 0], dtype=np.float64)
