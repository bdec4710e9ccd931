"""A room as `pcd_with_object_aabbs/<split>/<scene>.pth`: aligned vertices of the mesh and boxes of its objects.

What `torch.save` makes of a dictionary of numpy arrays, written without torch: a zip archive around a pickle.

Source: formats of ScanNet, section 3 (the data release of Video-3D LLM).
"""

import pickle
import zipfile
from pathlib import Path

import numpy as np

from vgcli_core.atomic import atomic_path
from vgcli_core.data.rooms.layouts.recording import Recording
from vgcli_core.data.rooms.layouts.scannet import mesh_of
from vgcli_core.geometry.boxes import corners

_PROTOCOL = 4
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # a date in the file would make each one different


def write_prepared_boxes(recording: Recording, split: str, raw: Path) -> Path:
    """Write a scan's vertices and boxes below `raw`/scannet/pcd_with_object_aabbs; return the file."""
    mesh = mesh_of(recording)
    owner = np.full(len(mesh.points), -1, dtype=np.int64)
    boxes = []
    for number in range(len(mesh.objects)):
        members = mesh.members(number)
        owner[members] = number
        low, high = mesh.points[members].min(axis=0), mesh.points[members].max(axis=0)
        boxes.append(np.concatenate([(low + high) / 2, high - low, np.zeros(3)]))
    content = {
        "xyz": mesh.points.astype(np.float32),
        "rgb": mesh.colours,
        "instance_ids": owner,
        "aabb_obj_ids": np.arange(len(boxes)),
        "aabb_corner_xyz": corners(np.array(boxes).reshape(-1, 9)).astype(np.float32),
    }
    path = raw / "scannet" / "pcd_with_object_aabbs" / split / f"{recording.scene}.pth"
    members_of_file = {
        "data.pkl": pickle.dumps(content, protocol=_PROTOCOL),
        "byteorder": b"little",
        "version": b"3\n",
    }
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, data in members_of_file.items():
            archive.writestr(zipfile.ZipInfo(f"{recording.scene}/{name}", _LONG_AGO), data)
    return path
