"""Vertices of a PLY mesh: binary or text, whatever the order and types of their properties. Faces are not read.

Source: the header that every PLY file begins with says all that is needed.
"""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vgcli_core.data.raw.reading import reading
from vgcli_core.errors import DataError
from vgcli_core.geometry.boxes import Floats

_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4"},
    **{"double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float32": "f4", "float64": "f8"},
}
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
_LONGEST_HEADER = 1 << 16
_FIX = "copy or download the mesh again"


@dataclass
class _Element:
    """One kind of row: how many, and the name and type of each column; None for a list."""

    name: str
    count: int
    columns: list[tuple[str, str | None]] = field(default_factory=list)


def read_vertices(path: Path) -> Floats:
    """Return the vertices [N, 3] of a mesh, in file order and in its own coordinate frame and unit.

    Raises:
        DataError: missing, no PLY file, cut off, without x, y and z, or with vertices that are not finite.
    """
    with reading(path), path.open("rb") as file:
        order, elements = _header(file, path)
        points = _text_points(file, elements, path) if order == "" else _points(file, order, elements, path)
    if not np.isfinite(points).all():
        raise _wrong(f"{path.name} has vertices that are not finite", path)
    return points


def _header(file: BinaryIO, path: Path) -> tuple[str, list[_Element]]:
    if file.readline(16).strip() != b"ply":
        raise _wrong(f"{path.name} is no PLY file", path)
    order: str | None = None
    elements: list[_Element] = []
    while True:
        line = file.readline(_LONGEST_HEADER)
        if not line or file.tell() > _LONGEST_HEADER:
            raise _wrong(f"{path.name} has no end of its header", path)
        words = line.decode("ascii", "replace").split()
        match words:
            case ["end_header"]:
                break
            case ["format", form, _] if form in _ORDERS:
                order = _ORDERS[form]
            case ["element", name, count] if count.isdecimal() and len(count) < 12:
                elements.append(_Element(name, int(count)))
            case ["property", "list", *_] if elements:
                elements[-1].columns.append((words[-1], None))
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1].columns.append((name, _TYPES[kind]))
            case [] | ["comment" | "obj_info", *_]:
                pass
            case _:
                raise _wrong(f"{path.name} has the header line {line[:60]!r}", path)
    if order is None:
        raise _wrong(f"{path.name} does not say its format", path)
    return order, _up_to_vertices(elements, path)


def _up_to_vertices(elements: list[_Element], path: Path) -> list[_Element]:
    """Return the elements up to the vertices, and check that rows of all of them have a fixed length."""
    names = [element.name for element in elements]
    if "vertex" not in names:
        raise _wrong(f"{path.name} has no vertices", path)
    kept = elements[: names.index("vertex") + 1]
    columns = [name for name, _ in kept[-1].columns]
    if not {"x", "y", "z"} <= set(columns) or len(set(columns)) < len(columns):
        raise _wrong(f"{path.name} has vertices of {', '.join(columns)[:60]} instead of one x, y and z", path)
    if any(kind is None for element in kept for _, kind in element.columns):
        raise _wrong(f"{path.name} has lists before or in its vertices", path)
    return kept


def _points(file: BinaryIO, order: str, elements: list[_Element], path: Path) -> Floats:
    for element in elements:
        kind = np.dtype([(f"{at}", order + str(code)) for at, (_, code) in enumerate(element.columns)])
        size = element.count * kind.itemsize
        if size > path.stat().st_size - file.tell():
            raise _wrong(
                f"{path.name} is cut off: it has not all of its {element.count:,} rows of {element.name}", path
            )
        raw = file.read(size)
    rows = np.frombuffer(raw, dtype=kind)
    names = [name for name, _ in elements[-1].columns]
    return np.column_stack([rows[f"{names.index(axis)}"].astype(np.float64) for axis in "xyz"])


def _text_points(file: BinaryIO, elements: list[_Element], path: Path) -> Floats:
    lines = (line.split() for line in file if line.strip())
    for element in elements[:-1]:
        next(itertools.islice(lines, element.count, element.count), None)
    vertices = elements[-1]
    rows = list(itertools.islice(lines, vertices.count))
    names = [name for name, _ in vertices.columns]
    if len(rows) < vertices.count:
        raise _wrong(f"{path.name} is cut off: it has not all of its {vertices.count:,} vertices", path)
    try:
        points = [[float(row[names.index(axis)]) for axis in "xyz"] for row in rows]
    except (ValueError, IndexError) as error:
        raise _wrong(f"{path.name} has a vertex that is no row of numbers", path) from error
    return np.array(points, dtype=np.float64).reshape(-1, 3)


def _wrong(what: str, path: Path) -> DataError:
    return DataError(what, where=str(path), fix=_FIX)
