"""EmbodiedScan's annotations (`embodiedscan_infos_<part>.pkl`): posed frames, what they show, oriented boxes.

A file lists the scans of four datasets. `read_scans` makes one `Scan` after the other and lets go of what it has read,
so that only the scans that are asked for stay in memory.

Source: formats of EmbodiedScan, sections 1 and 2.
"""

import operator
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vgcli_core.data.raw.unpickle import load_pickle
from vgcli_core.data.scan import Instance, Scan, ScanFrame
from vgcli_core.errors import DataError
from vgcli_core.geometry.boxes import Floats

SCANNET = "scannet/"
LOST_POSE = "frames without a pose"
NO_ALIGNMENT = "scans without an alignment, taken as aligned"
NOTHING_LISTED = "frames that list objects in a scan without objects"

_PATH = re.compile(r"(?!/)(?!.*(?:^|/)\.\.?(?:/|\Z))[^\\:\x00-\x1f]+")
_FIX = "use embodiedscan-v2 as its owners distribute it, or leave this scan out"


@dataclass
class Findings:
    """What was noticed while scans were read: `counts` of odd things, and `bad` scans with the reason, by name."""

    counts: Counter[str] = field(default_factory=Counter)
    bad: dict[str, DataError] = field(default_factory=dict)


def read_scans(
    path: Path,
    wanted: Collection[str] | None = None,
    *,
    prefix: str = SCANNET,
    findings: Findings | None = None,
) -> Iterator[Scan]:
    """Yield the scans of a file, in its order.

    Frames whose pose is not finite are left out and counted. A scan of the test part has no objects.

    Args:
        path: the pickle.
        wanted: names of the only scans to make, with their source ("scannet/scene0000_00"); None for all.
        prefix: scans whose name begins otherwise are passed over.
        findings: is filled; scans that cannot be used are listed there and left out.

    Raises:
        DataError: the file cannot be read, or, where there are no `findings`, a scan in it.
    """
    content = load_pickle(path)
    where = str(path)
    if not isinstance(content, dict) or not isinstance(content.get("data_list"), list):
        raise DataError(f"{path.name} has no list called data_list", where=where, fix=_FIX)
    scans: list[Any] = content["data_list"]
    names = _category_names(content.get("metainfo"), where)
    seen: set[str] = set()
    for place, entry in enumerate(scans):
        scans[place] = None
        name = entry.get("sample_idx") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise DataError(f"entry {place} of data_list has no sample_idx", where=where, fix=_FIX)
        if not name.startswith(prefix) or (wanted is not None and name not in wanted):
            continue
        counts: Counter[str] = Counter()
        try:
            if name in seen:
                raise _Wrong("it is there twice")
            scan = _scan(name, entry, names, counts)
        except (_Wrong, TypeError, ValueError, KeyError, OverflowError) as problem:
            said = f"lacks {problem}" if isinstance(problem, KeyError) else str(problem)
            error = DataError(f"the scan {name} cannot be used: {said}", where=where, fix=_FIX)
            if findings is None:
                raise error from problem
            findings.bad[name] = error
            continue
        finally:
            seen.add(name)
        if findings is not None:
            findings.counts.update(counts)
        yield scan


_LARGEST = 10_000.0  # metres: no room is so far away
_OFF = 0.05  # measured rotations are slightly off
_LAST_ROW = np.array([0.0, 0.0, 0.0, 1.0])


class _Wrong(ValueError):
    """A value that a scan cannot have."""


def _category_names(metainfo: object, where: str) -> dict[int, str]:
    categories = metainfo.get("categories") if isinstance(metainfo, dict) else None
    if not isinstance(categories, dict):
        raise DataError("there is no table of categories in metainfo", where=where, fix=_FIX)
    names = {}
    for name, number in categories.items():
        if not isinstance(name, str) or not isinstance(number, int | np.integer) or int(number) in names:
            raise DataError(
                f"the category {name!r:.40} has the odd or repeated id {number!r:.20}", where=where, fix=_FIX
            )
        names[int(number)] = name
    return names


def _scan(name: str, entry: Mapping[str, Any], names: Mapping[int, str], counts: Counter[str]) -> Scan:
    if not _PATH.fullmatch(name):
        raise _Wrong("its name is no path")
    instances = tuple(_instance(one, place, names) for place, one in enumerate(_listed(entry, "instances", empty=True)))
    images = _listed(entry, "images")
    frames = []
    for image in images:
        frame = _frame(image, len(instances), counts)
        if frame is None:
            counts[LOST_POSE] += 1
        else:
            frames.append(frame)
    if entry.get("axis_align_matrix") is None:
        counts[NO_ALIGNMENT] += 1
        alignment: Floats = np.eye(4)
    else:
        alignment = _finite(_matrix(entry["axis_align_matrix"], "axis_align_matrix"), "axis_align_matrix")
        if not _is_rigid(alignment):
            raise _Wrong("axis_align_matrix is no rigid motion")
    return Scan(name, tuple(frames), _intrinsics(entry, images), alignment, instances)


def _frame(image: Mapping[str, Any], num_instances: int, counts: Counter[str]) -> ScanFrame | None:
    path = image["img_path"]
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise _Wrong(f"a frame has the path {path!r:.60}")
    pose = _matrix(image["cam2global"], "cam2global")
    visible = tuple(operator.index(one) for one in image.get("visible_instance_ids", ()))
    if visible and not num_instances:
        counts[NOTHING_LISTED] += 1
        visible = ()
    if visible and not 0 <= min(visible) <= max(visible) < num_instances:
        raise _Wrong(f"{path} shows the object {max(visible, key=abs)} of {num_instances}")
    return ScanFrame(path, pose, visible) if _is_rigid(pose) else None


def _instance(one: Mapping[str, Any], place: int, names: Mapping[int, str]) -> Instance:
    box = np.asarray(one["bbox_3d"], dtype=np.float64)
    if box.shape != (9,):
        raise _Wrong(f"the box of object {place} has not 9 numbers")
    _finite(box, f"the box of object {place}")
    if not (box[3:6] >= 0).all() or (np.abs(box[:6]) > _LARGEST).any():
        raise _Wrong(f"the box of object {place} is {box[:6].round(2).tolist()}: no place and size in metres")
    label = operator.index(one["bbox_label_3d"])
    if label not in names:
        raise _Wrong(f"object {place} has the unknown category {label}")
    return Instance(names[label], box, operator.index(one.get("bbox_id", place)))


def _intrinsics(entry: Mapping[str, Any], images: list[Any]) -> Floats:
    """Return the intrinsics [4, 4] of the scan. Some datasets repeat them in each frame; then all must be equal."""
    if entry.get("cam2img") is not None:
        return _finite(_matrix(entry["cam2img"], "cam2img"), "cam2img")
    own = [_matrix(image["cam2img"], "cam2img") for image in images]
    if not own or any(not np.array_equal(one, own[0]) for one in own):
        raise _Wrong("its frames have different intrinsics" if own else "it has no intrinsics and no frames")
    return _finite(own[0], "cam2img")


def _matrix(value: object, name: str) -> Floats:
    """Return a matrix [4, 4]; intrinsics of [3, 3] are widened."""
    matrix = np.asarray(value, dtype=np.float64)
    if name == "cam2img" and matrix.shape == (3, 3):
        wide = np.eye(4)
        wide[:3, :3] = matrix
        return wide
    if matrix.shape != (4, 4):
        raise _Wrong(f"{name} has the shape {matrix.shape} instead of (4, 4)")
    return matrix


def _is_rigid(matrix: Floats) -> bool:
    """Tell whether a matrix [4, 4] turns and shifts by metres; lost poses are infinite, damaged ones anything else."""
    if not np.isfinite(matrix).all() or (np.abs(matrix) > _LARGEST).any():
        return False
    return abs(float(np.linalg.det(matrix[:3, :3])) - 1) < _OFF and bool((np.abs(matrix[3] - _LAST_ROW) < _OFF).all())


def _finite(values: Floats, name: str) -> Floats:
    if not np.isfinite(values).all():
        raise _Wrong(f"{name} is not finite")
    return values


def _listed(entry: Mapping[str, Any], key: str, *, empty: bool = False) -> list[Any]:
    found = entry.get(key)
    if found is None and empty:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _Wrong(f"{key} is no list of records")
    return found
