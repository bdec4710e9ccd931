"""Files of `torch.save`, read without torch: numpy arrays inside, or tensors, which become numpy arrays.

Such a file is a zip archive: `<name>/data.pkl` is a pickle, and the numbers of its tensors lie beside it as plain
bytes, `<name>/data/<key>`. The pickle goes through the same restricted machine as any other.
"""

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vgcli_core.data.raw.pickled_numpy import CONSTRUCTORS, Name, Refused, described
from vgcli_core.data.raw.reading import unreadable
from vgcli_core.data.raw.unpickle import unpickle
from vgcli_core.errors import DataError

_STORAGES = {
    **{"FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "BoolStorage": "b1"},
    **{"LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1"},
}
_LARGEST_MEMBER = 1 << 32
# torch stores members uncompressed; a repacked file may be compressed, but not by more than deflate does to real data.
_LARGEST_RATIO = 200
_FIX = "copy or download it again; a file with anything but arrays in it is not read"


@dataclass(frozen=True)
class _Storage:
    """The flat numbers that tensors are views of."""

    numbers: Any


def load_pth(path: Path) -> Any:
    """Return what `torch.save` stored: containers with numpy arrays in the place of tensors, as `load_pickle` does.

    Raises:
        DataError: missing, no such file, damaged, or with something else than arrays and plain containers inside.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _load(archive, path)
    except PermissionError as error:
        raise unreadable(path, error) from error
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        what = f"cannot read {path.name}: {error}"
        if isinstance(error, zipfile.BadZipFile) and path.is_file():
            what = f"{path.name} is no zip archive, as torch writes them since version 1.6, or is cut off"
        raise DataError(what, where=str(path), fix="copy or download it again") from error


def _load(archive: zipfile.ZipFile, path: Path) -> Any:
    pickles = [name for name in archive.namelist() if name.endswith("/data.pkl") or name == "data.pkl"]
    if len(pickles) != 1:
        raise DataError(
            f"{path.name} has {len(pickles)} members called data.pkl instead of one", where=str(path), fix=_FIX
        )
    folder = pickles[0].removesuffix("data.pkl")
    order = "<"
    if f"{folder}byteorder" in archive.namelist():
        order = ">" if _member(archive, f"{folder}byteorder", path).strip() == b"big" else "<"
    storages: dict[str, _Storage] = {}

    def persistent(reference: Any) -> _Storage:
        if not isinstance(reference, tuple) or len(reference) != 5 or reference[0] != "storage":
            raise Refused(f"refers to {described(reference)} instead of numbers beside it")
        _, kind, key, _, count = reference
        if not isinstance(kind, Name) or kind.name not in _STORAGES or not isinstance(key, str) or not key.isalnum():
            raise Refused(f"refers to numbers of {described(kind)}")
        if key not in storages:
            raw = _member(archive, f"{folder}data/{key}", path)
            dtype = np.dtype(order + _STORAGES[kind.name])
            if type(count) is not int or count * dtype.itemsize > len(raw) or count < 0:
                raise Refused(f"expects more numbers in data/{key} than there are")
            storages[key] = _Storage(np.frombuffer(raw, dtype, count) if count else np.empty(0, dtype))
        return storages[key]

    where = f"{path}, {pickles[0]}"
    return unpickle(_member(archive, pickles[0], path), where=where, constructors=_NAMES, persistent=persistent)


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """Return the bytes of a member, after its declared size was looked at; zipfile reads no more than that."""
    try:
        info = archive.getinfo(name)
    except KeyError as error:
        raise DataError(f"{path.name} lacks its member {name}", where=str(path), fix=_FIX) from error
    if info.file_size > min(_LARGEST_MEMBER, _LARGEST_RATIO * max(info.compress_size, 1 << 12)):
        what = f"the member {name} says that {info.compress_size:,} bytes become {info.file_size:,}"
        raise DataError(what, where=str(path), fix=_FIX)
    return archive.read(info)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_rest: Any) -> Any:
    """Return the array behind torch's `_rebuild_tensor_v2`; tensors that show a number twice are refused."""
    numbers = storage.numbers if isinstance(storage, _Storage) else None
    whole = isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride) <= 16
    if numbers is None or not whole or not all(type(n) is int and n >= 0 for n in (offset, *size, *stride)):
        raise Refused("has a tensor of an unknown form")
    count = int(np.prod([float(n) for n in size]))
    reach = offset + 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if count else offset
    if count > numbers.size or reach > numbers.size:
        raise Refused(f"has a tensor of the shape {described(size)} in {numbers.size:,} numbers")
    steps = tuple(step * numbers.itemsize for step in stride)
    return np.ndarray(size, numbers.dtype, buffer=numbers, offset=offset * numbers.itemsize, strides=steps)


def _never(*_arguments: Any) -> Any:
    raise Refused("calls a storage of torch")


_NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    **CONSTRUCTORS,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    **{("torch", name): _never for name in _STORAGES},
}
