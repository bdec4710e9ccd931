"""True boxes of a ScanNet scene's objects, and its vertices: from the owner's mesh, or from prepared `.pth` files.

`pcd_with_object_aabbs/<split>/<scene>.pth` (the data release of LEO and Video-3D LLM) holds the same boxes as corners,
and the aligned vertices in the order of the mesh.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vgcli_core.data.raw.pth import load_pth
from vgcli_core.data.raw.scannet import NOT_ALIGNED, aligned_vertices, object_files, read_info, read_objects, scene_file
from vgcli_core.errors import DataError
from vgcli_core.geometry.boxes import Floats

_PREPARED = ("scannet/pcd_with_object_aabbs", "pcd_with_object_aabbs")
_SPLITS = ("train", "val", "test", ".")

PREPARED = tuple(f"{folder}/{inner}" for folder in _PREPARED for inner in ("*/*.pth", "*.pth"))
"""Where prepared files may be, as glob patterns below RAW."""
_FIX = (
    "put the scene's files into scannet/scans/<scene>/ (mesh _vh_clean_2.ply, _vh_clean_2.0.010000.segs.json, "
    ".aggregation.json, .txt) or <scene>.pth into scannet/pcd_with_object_aabbs/<split>/"
)


@dataclass(frozen=True)
class SceneObjects:
    """The objects of a scene.

    Attributes:
        boxes: object id -> [6] centre and size in the aligned scan, metres.
        labels: object id -> ScanNet's label; empty where the boxes come from a prepared file, which has none.
        files: what was read.
        notes: remarks for the user.
    """

    boxes: Mapping[int, Floats]
    labels: Mapping[int, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def object_boxes(raw: Path, scene: str) -> Mapping[int, Floats]:
    """Return object id -> box [6]: centre and size in the aligned scan, metres. Raises as `scene_objects` does."""
    return scene_objects(raw, scene).boxes


def scene_objects(raw: Path, scene: str) -> SceneObjects:
    """Return the objects of a scene; the owner's own files come before prepared ones.

    Raises:
        DataError: neither is there, or what is there is damaged.
    """
    files = object_files(raw, scene)
    if files:
        objects, remarks = read_objects(files)
        boxes, labels = {one.id: one.box for one in objects}, {one.id: one.label for one in objects}
        return SceneObjects(boxes, labels, files, tuple(remarks))
    path = prepared_file(raw, scene)
    if path is None:
        raise DataError(f"no true boxes of {scene}", where=str(raw), fix=_FIX)
    return SceneObjects(_prepared_boxes(path), files=(path,))


def scan_vertices(raw: Path, scene: str) -> tuple[Floats, tuple[Path, ...], tuple[str, ...]]:
    """Return the vertices [N, 3] in the aligned scan, metres, in the mesh's order; the files read; remarks.

    Raises:
        DataError: neither a mesh with its metadata nor a prepared file is there, or it is damaged.
    """
    mesh, text = scene_file(raw, scene, "_vh_clean_2.ply"), scene_file(raw, scene, ".txt")
    if mesh is not None and text is not None:
        info = read_info(text)
        return aligned_vertices(mesh, info), (mesh, text), () if info.aligned else (NOT_ALIGNED,)
    path = prepared_file(raw, scene)
    if path is None:
        raise DataError(f"no mesh of {scene}", where=str(raw), fix=_FIX)
    points = _numbers(_content(path), "xyz", path)
    if points.ndim != 2 or points.shape[1] != 3:
        raise _wrong(f"{path.name} has vertices of the shape {points.shape}", path)
    return points, (path,), ()


def prepared_file(raw: Path, scene: str) -> Path | None:
    """Return the scene's prepared file; None where there is none."""
    places = (raw / folder / split / f"{scene}.pth" for folder in _PREPARED for split in _SPLITS)
    return next((place for place in places if place.is_file()), None)


def _prepared_boxes(path: Path) -> dict[int, Floats]:
    content = _content(path)
    ids, corners = _numbers(content, "aabb_obj_ids", path), _numbers(content, "aabb_corner_xyz", path)
    if ids.ndim != 1 or corners.shape != (len(ids), 8, 3) or (ids != np.round(ids)).any():
        raise _wrong(f"{path.name} has ids of the shape {ids.shape} and corners of the shape {corners.shape}", path)
    low, high = corners.min(axis=1), corners.max(axis=1)
    boxes = np.hstack([(low + high) / 2, high - low])
    return {int(number): box for number, box in zip(ids, boxes, strict=True)}


def _content(path: Path) -> dict[Any, Any]:
    content = load_pth(path)
    if not isinstance(content, dict):
        raise _wrong(f"{path.name} holds a {type(content).__name__} instead of named arrays", path)
    return content


def _numbers(content: Mapping[Any, Any], key: str, path: Path) -> Floats:
    try:
        values = np.asarray(content[key], dtype=np.float64)
    except (KeyError, ValueError, TypeError) as error:
        raise _wrong(f"{path.name} has no numbers called {key}", path) from error
    if not np.isfinite(values).all():
        raise _wrong(f"{path.name} has values of {key} that are not finite", path)
    return values


def _wrong(what: str, path: Path) -> DataError:
    return DataError(what, where=str(path), fix="copy or download it again")
