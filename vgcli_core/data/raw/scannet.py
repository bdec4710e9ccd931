"""A ScanNet scene from its owner's files: alignment, aligned vertices, and its objects with their boxes.

Objects are groups of segments, segments are groups of vertices of the small mesh (`<scene>_vh_clean_2.ply`); the files
of the large mesh look alike and do not fit. An object's box is the smallest axis-aligned one around the vertices of its
own segments, after alignment; a vertex that two objects claim counts for both.

Source: formats of ScanNet, sections 1, 4 and 5; formats of ScanRefer, section 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcli_core.data.raw.json_file import read_json_object
from vgcli_core.data.raw.ply import read_vertices
from vgcli_core.data.raw.reading import reading
from vgcli_core.errors import DataError
from vgcli_core.geometry.boxes import Floats

# Where folders of scenes may be, below RAW; the first is where a user is told to put them.
SCENE_FOLDERS = ("scannet/scans", "scannet/scans_test", "scans", "scans_test", "scannet")
RECORDINGS = tuple(f"{folder}/*/*.sens" for folder in SCENE_FOLDERS)
"""Where recordings may be, as glob patterns below RAW."""
MESHES = tuple(f"{folder}/*/*_vh_clean_2.ply" for folder in SCENE_FOLDERS)
"""Where meshes may be; the other files of a scene stand beside its mesh."""

_MESH, _SEGMENTS, _GROUPS = "_vh_clean_2.ply", "_vh_clean_2.0.010000.segs.json", ".aggregation.json"
_FIX = "use the scene's files as ScanNet distributes them"
NOT_ALIGNED = "the scene has no axisAlignment: it is taken as aligned"


@dataclass(frozen=True)
class SceneInfo:
    """What `<scene>.txt` says.

    Attributes:
        alignment: [4, 4] from the scan as it was recorded to the aligned scan; the identity where `aligned` is false.
        aligned: the file has an alignment; those of test scenes have none.
        values: all lines, as text.
    """

    alignment: Floats
    aligned: bool
    values: Mapping[str, str]


@dataclass(frozen=True)
class SceneObject:
    """One annotated object.

    Attributes:
        id: `objectId`, from 0, not always consecutive.
        label: ScanNet's own: "office chair".
        box: [6] centre and size in the aligned scan, metres.
    """

    id: int
    label: str
    box: Floats


def scene_file(raw: Path, scene: str, ending: str) -> Path | None:
    """Return the file `<scene><ending>` below the raw folder, wherever it usually is; None where it is not."""
    places = (raw / folder / scene / f"{scene}{ending}" for folder in SCENE_FOLDERS)
    return next((place for place in places if place.is_file()), None)


def object_files(raw: Path, scene: str) -> tuple[Path, ...]:
    """Return the files that `read_objects` needs: mesh, segments, groups, metadata; empty where one is missing."""
    found = [scene_file(raw, scene, ending) for ending in (_MESH, _SEGMENTS, _GROUPS, ".txt")]
    return tuple(path for path in found if path is not None) if all(found) else ()


def read_info(path: Path) -> SceneInfo:
    """Return what `<scene>.txt` says.

    Raises:
        DataError: missing, or an alignment that is not 16 finite numbers with an invertible rotation.
    """
    with reading(path, "metadata of the scene"):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    values = {key.strip(): value.strip() for key, sign, value in (line.partition("=") for line in lines) if sign}
    if "axisAlignment" not in values:
        return SceneInfo(np.eye(4), False, values)
    try:
        alignment = np.array(values["axisAlignment"].split(), dtype=np.float64).reshape(4, 4)
    except ValueError as error:
        raise DataError(
            f"{path.name} has an axisAlignment that is not 16 numbers", where=str(path), fix=_FIX
        ) from error
    if not np.isfinite(alignment).all() or abs(np.linalg.det(alignment[:3, :3]) - 1) > 0.01:
        raise DataError(f"{path.name} has an axisAlignment that is no rotation", where=str(path), fix=_FIX)
    return SceneInfo(alignment, True, values)


def aligned_vertices(mesh: Path, info: SceneInfo) -> Floats:
    """Return the vertices [N, 3] of a mesh in the aligned scan, metres, in file order. Raises DataError."""
    return read_vertices(mesh) @ info.alignment[:3, :3].T + info.alignment[:3, 3]


def read_objects(files: tuple[Path, ...]) -> tuple[list[SceneObject], list[str]]:
    """Return the annotated objects by ascending id, and remarks on odd ones.

    Args:
        files: of `object_files`.

    Raises:
        DataError: a file is damaged, or files of the large and the small mesh are mixed.
    """
    mesh, segments_file, groups_file, text = files
    info = read_info(text)
    vertices = aligned_vertices(mesh, info)
    segments = _segments(segments_file)
    if len(segments) != len(vertices):
        what = f"{segments_file.name} has {len(segments):,} entries and {mesh.name} {len(vertices):,} vertices"
        raise DataError(what, where=str(segments_file.parent), fix=_FIX)
    groups, remarks = _groups(groups_file)
    if not info.aligned:
        remarks.append(NOT_ALIGNED)
    ids, low, high = _bounds(vertices, segments)
    objects = []
    for number, (label, wanted) in sorted(groups.items()):
        found = np.flatnonzero(np.isin(ids, wanted))
        if found.size == 0:
            remarks.append(f"object {number} ({label}) has no vertex: it is left out")
            continue
        lowest, highest = low[found].min(axis=0), high[found].max(axis=0)
        objects.append(SceneObject(number, label, np.concatenate([(lowest + highest) / 2, highest - lowest])))
    return objects, remarks


def _segments(path: Path) -> NDArray[np.int64]:
    content = read_json_object(path, "segments")
    return _whole_numbers(content.get("segIndices"), "segIndices", path)


def _groups(path: Path) -> tuple[dict[int, tuple[str, NDArray[np.int64]]], list[str]]:
    """Return label and segments of each object, and remarks. Of two groups with one id the later counts, as usual."""
    content = read_json_object(path, "groups of segments")
    source = content.get("segmentsFile", "")
    if isinstance(source, str) and source and "_vh_clean_2." not in source:
        raise DataError(f"{path.name} belongs to {source[:60]!r}, not to the small mesh", where=str(path), fix=_FIX)
    listed = content.get("segGroups")
    if not isinstance(listed, list) or not all(isinstance(group, dict) for group in listed):
        raise DataError(f"{path.name} has no list of segGroups", where=str(path), fix=_FIX)
    groups: dict[int, tuple[str, NDArray[np.int64]]] = {}
    remarks = []
    for place, group in enumerate(listed):
        number, label = group.get("objectId"), group.get("label")
        if type(number) is not int or not isinstance(label, str):
            raise DataError(f"{path.name} has no objectId or label in group {place}", where=str(path), fix=_FIX)
        if number in groups:
            remarks.append(f"object {number} is there twice: the later group counts")
        groups[number] = (label, _whole_numbers(group.get("segments"), f"segments of group {place}", path))
    return groups, remarks


def _bounds(vertices: Floats, segments: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return the segments' ids [S] and the lowest and highest corner [S, 3] of each."""
    if len(segments) == 0:
        return segments, np.empty((0, 3)), np.empty((0, 3))
    order = np.argsort(segments, kind="stable")
    ids, starts = np.unique(segments[order], return_index=True)
    ordered = vertices[order]
    return ids, np.minimum.reduceat(ordered, starts), np.maximum.reduceat(ordered, starts)


def _whole_numbers(value: Any, name: str, path: Path) -> NDArray[np.int64]:
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise DataError(f"{path.name} has no list of whole numbers called {name}", where=str(path), fix=_FIX)
    try:
        return np.array(value, dtype=np.int64)
    except OverflowError as error:
        raise DataError(
            f"{path.name} has a number of 20 digits or more in {name}", where=str(path), fix=_FIX
        ) from error
