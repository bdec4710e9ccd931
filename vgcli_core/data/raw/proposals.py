"""Boxes that a 3D detector proposes for a ScanNet scene: from its masks, or ready-made.

`mask/<scene>.mask.npz` (LEO's data release, made with Mask3D) is a sparse matrix of proposals x vertices of the small
mesh. `scannet_val_pred_box.json` (Video-3D LLM's) holds the boxes themselves.

Source: formats of Scan2Cap, section 1. The arrays are read without pickle and put together here, because scipy does not
check that the indices of a compressed matrix stay inside it.
"""

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcli_core.data.raw.json_file import read_json_object
from vgcli_core.data.raw.object_boxes import scan_vertices
from vgcli_core.data.raw.reading import reading, unreadable
from vgcli_core.errors import DataError
from vgcli_core.geometry.boxes import Floats

FIRST = 50  # proposals that the published protocol uses
_MASKS = ("scannet/mask", "mask", "scannet/masks", "leo/mask")
_MASK = ".mask.npz"
_READY = "scannet_val_pred_box.json"
_READY_PLACES = ("scannet", "scannet/metadata", "video3dllm", "")
_LARGEST = 1 << 31  # bytes of the unpacked arrays

PLACES = (
    *(f"{folder}/*{_MASK}" for folder in _MASKS),
    *(f"{folder}/{_READY}" if folder else _READY for folder in _READY_PLACES),
)
"""Where proposals may be, as glob patterns below RAW."""
_FIX = "copy or download it again"


@dataclass(frozen=True)
class Proposals:
    """The proposals of a scene.

    Attributes:
        boxes: [P, 6] axis-aligned: centre and size in the aligned scan, metres.
        empty: rows that select no vertex, and are left out.
        files: what was read.
        notes: remarks for the user.
    """

    boxes: Floats
    empty: int = 0
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def scene_proposals(raw: Path, scene: str, first: int = FIRST) -> Proposals:
    """Return the first proposals of a scene, from its mask where there is one, else ready-made.

    Raises:
        DataError: neither is there, or what is there is damaged.
    """
    mask = mask_file(raw, scene)
    if mask is not None:
        vertices, files, notes = scan_vertices(raw, scene)
        boxes, empty = mask_boxes(mask, vertices, first)
        return Proposals(boxes, empty, (mask, *files), notes)
    ready = ready_file(raw)
    if ready is not None:
        with reading(ready):
            changed = ready.stat().st_mtime_ns
        boxes = _ready_boxes(ready, changed).get(scene, np.empty((0, 6)))
        return Proposals(boxes[:first], files=(ready,), notes=() if len(boxes) else (f"no proposals for {scene}",))
    raise _nothing(f"no proposals for {scene}", raw, f"{scene}{_MASK}")


class MaskProposals(Mapping[str, Floats]):
    """Scene -> the first proposals [P, 6] of its masks below RAW, each read when it is first asked for."""

    def __init__(self, raw: Path) -> None:
        """List the masks below `raw`; scans without one are not in the mapping."""
        self._raw = raw
        found = (path.name for folder in _MASKS for path in (raw / folder).glob(f"*{_MASK}"))
        self._scenes = tuple(dict.fromkeys(sorted(name.removesuffix(_MASK) for name in found)))
        self._boxes: dict[str, Floats] = {}

    def __getitem__(self, scene: str) -> Floats:
        """Return the boxes of a scene. Raises KeyError without a mask, DataError where mask or mesh are damaged."""
        if scene not in self._scenes:
            raise KeyError(scene)
        if scene not in self._boxes:
            self._boxes[scene] = scene_proposals(self._raw, scene).boxes
        return self._boxes[scene]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the scenes."""
        return iter(self._scenes)

    def __len__(self) -> int:
        """Return how many scenes have masks."""
        return len(self._scenes)


def all_proposals(raw: Path) -> Mapping[str, Floats]:
    """Return scene -> boxes [P, 6] of all scenes below RAW, from masks where there are some, else ready-made.

    Raises:
        DataError: neither is there, or the ready-made boxes are damaged.
    """
    masks = MaskProposals(raw)
    ready = ready_file(raw)
    if masks:
        return masks
    if ready is None:
        raise _nothing("no proposals in the folder", raw, f"*{_MASK}")
    return read_ready_boxes(ready)


def mask_file(raw: Path, scene: str) -> Path | None:
    """Return the scene's masks; None where there are none."""
    places = (raw / folder / f"{scene}{_MASK}" for folder in _MASKS)
    return next((place for place in places if place.is_file()), None)


def ready_file(raw: Path) -> Path | None:
    """Return the file of ready-made boxes; None where it is not."""
    return next((raw / folder / _READY for folder in _READY_PLACES if (raw / folder / _READY).is_file()), None)


def mask_boxes(path: Path, vertices: Floats, first: int = FIRST) -> tuple[Floats, int]:
    """Return the boxes [P, 6] of the first rows of a mask, and how many of these rows are empty and left out.

    Args:
        path: the sparse matrix, as scipy stores it (csr, csc or coo).
        vertices: [N, 3] in the aligned scan, in the order of the mesh.
        first: how many rows count.

    Raises:
        DataError: missing, damaged, or made for another mesh.
    """
    rows, columns, shape = _entries(path)
    if shape[1] != len(vertices):
        what = f"{path.name} is for {shape[1]:,} vertices and the mesh has {len(vertices):,}"
        raise DataError(what, where=str(path), fix="use masks and mesh of the same release")
    boxes, empty = [], 0
    order = np.argsort(rows, kind="stable")
    ends = np.searchsorted(rows[order], np.arange(min(first, shape[0]) + 1))
    for start, end in pairwise(ends):
        if start == end:
            empty += 1
            continue
        points = vertices[columns[order[start:end]]]
        low, high = points.min(axis=0), points.max(axis=0)
        boxes.append(np.concatenate([(low + high) / 2, high - low]))
    return np.array(boxes, dtype=np.float64).reshape(-1, 6), empty


def read_ready_boxes(path: Path) -> Mapping[str, Floats]:
    """Return scene -> boxes [P, 6] of `scannet_val_pred_box.json`; its keys are "scannet/<scene>". Raises DataError."""
    return _ready_boxes(path, 0)


@lru_cache(maxsize=1)
def _ready_boxes(path: Path, _changed: int) -> dict[str, Floats]:
    boxes = {}
    for key, listed in read_json_object(path, "boxes of scenes").items():
        try:
            found = np.array(listed, dtype=np.float64).reshape(-1, 6)
        except (ValueError, TypeError) as error:
            raise DataError(f"the boxes of {key[:60]} are not rows of 6 numbers", where=str(path), fix=_FIX) from error
        if not np.isfinite(found).all():
            raise DataError(f"the boxes of {key[:60]} are not finite", where=str(path), fix=_FIX)
        boxes[key.removeprefix("scannet/")] = found
    return boxes


def _nothing(what: str, raw: Path, name: str) -> DataError:
    return DataError(
        what,
        where=str(raw / _MASKS[0] / name),
        fix=f"put LEO's masks there, or {_READY} of Video-3D LLM into {raw / 'scannet'}",
    )


def _entries(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[int, int]]:
    """Return row and column of each entry that is not zero, and the shape."""
    arrays = _arrays(path)
    try:
        form = str(arrays["format"].item(), "ascii")
        height, width = (int(size) for size in arrays["shape"])
        if form == "coo":
            rows, columns = _whole(arrays["row"]), _whole(arrays["col"])
        elif form in ("csr", "csc"):
            inner, ends = _whole(arrays["indices"]), _whole(arrays["indptr"])
            lines = height if form == "csr" else width
            if ends.shape != (lines + 1,) or ends[0] != 0 or ends[-1] != len(inner) or (np.diff(ends) < 0).any():
                raise ValueError("its pointers are wrong")
            outer = np.repeat(np.arange(lines), np.diff(ends))
            rows, columns = (outer, inner) if form == "csr" else (inner, outer)
        else:
            raise ValueError(f"it is stored as {form[:20]}")
        kept = arrays["data"] != 0
        if not len(rows) == len(columns) == len(kept):
            raise ValueError("its arrays differ in length")
        for indices, size in ((rows, height), (columns, width)):
            if len(indices) and not 0 <= indices.min() <= indices.max() < size:
                raise ValueError("an index lies outside")
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise DataError(f"{path.name} is no sparse matrix: {error}", where=str(path), fix=_FIX) from error
    return rows[kept], columns[kept], (height, width)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > _LARGEST:
                raise DataError(f"{path.name} unpacks to more than {_LARGEST:,} bytes", where=str(path), fix=_FIX)
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except PermissionError as error:
        raise unreadable(path, error) from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError, NotImplementedError) as error:
        raise DataError(f"cannot read {path.name}: {error}", where=str(path), fix=_FIX) from error


def _whole(values: NDArray[Any]) -> NDArray[np.int64]:
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise ValueError(f"it has indices of {values.dtype} {values.shape}")
    return values.astype(np.int64)
