"""Weight files as one table of named tensors: sharded or single, safetensors first, nothing ever executed.

Names and shapes are read before any tensor is, so that a checkpoint that does not fit is refused in a second. Tensors
are mapped from disk, not copied, until they are placed.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vgcli_core.errors import CheckpointError, first_line

_SINGLE = ("model.safetensors", "pytorch_model.bin", "model.pt")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
# Types of weights, as safetensors spells them.
FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_DAMAGED = "the file is damaged or was not downloaded completely: fetch it again and compare its checksum"


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of a checkpoint: the file that holds it, its shape, and its type as safetensors spells it."""

    file: Path
    shape: tuple[int, ...]
    dtype: str


class WeightFiles:
    """The tensors of a folder or file; `entries` maps their names to files and shapes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pickled: dict[Path, Mapping[str, Tensor]] = {}
        self.entries: dict[str, Entry] = {}
        for file, expected in _files(path).items():
            found = self._entries(file)
            lacking = [key for key in expected if key not in found]
            stray = [key for key in found if key not in expected] if expected else []
            if lacking or stray:
                problem, keys = ("lacks", lacking) if lacking else ("holds, against the index,", stray)
                raise CheckpointError(
                    f"{file.name} {problem} {keys[0]!r}" + (f" and {len(keys) - 1} more" if keys[1:] else ""),
                    where=str(file),
                    fix="index and shards belong to different saves: fetch the whole folder again",
                )
            self.entries.update(found)

    @contextmanager
    def reader(self) -> Iterator["Reader"]:
        """Open the files for reading tensors by name; closes them at the end of the block."""
        with ExitStack() as stack:
            yield Reader(self.entries, stack, self._pickled)

    def _entries(self, file: Path) -> dict[str, Entry]:
        if file.suffix == ".safetensors":
            try:
                with safe_open(file, framework="pt") as handle:
                    slices = {key: handle.get_slice(key) for key in handle.keys()}  # noqa: SIM118
                    return {k: Entry(file, tuple(s.get_shape()), s.get_dtype()) for k, s in slices.items()}
            except (SafetensorError, OSError, ValueError) as error:
                raise CheckpointError(f"cannot read {file.name}: {error}", where=str(file), fix=_DAMAGED) from error
        self._pickled[file] = _read_pickled(file)
        return {k: Entry(file, tuple(t.shape), _spelling(t.dtype)) for k, t in self._pickled[file].items()}


class Reader:
    """Open weight files."""

    def __init__(
        self, entries: dict[str, Entry], stack: ExitStack, pickled: Mapping[Path, Mapping[str, Tensor]]
    ) -> None:
        self._entries = entries
        self._stack = stack
        self._pickled = pickled
        self._open: dict[Path, Any] = {}

    def tensor(self, key: str) -> Tensor:
        """Return the tensor called `key`. Raises CheckpointError with file and key when its bytes cannot be read."""
        file = self._entries[key].file
        if file in self._pickled:
            return self._pickled[file][key]
        try:
            if file not in self._open:
                self._open[file] = self._stack.enter_context(safe_open(file, framework="pt"))
            tensor: Tensor = self._open[file].get_tensor(key)
        except (SafetensorError, OSError, RuntimeError) as error:
            raise CheckpointError(f"cannot read {key!r}: {error}", where=str(file), fix=_DAMAGED) from error
        return tensor


def write_tensors(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Write a safetensors file. Raises OSError where it cannot be written, a full disk included."""
    try:
        save_file(dict(tensors), file, metadata={"format": "pt"})
    except SafetensorError as error:  # how the writer reports a full disk
        raise OSError(str(error)) from error


def add_to_digest(digest: Any, name: str, tensor: Tensor) -> None:
    """Add a tensor to a hash of hashlib: its name, shape, dtype and bytes."""
    digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
    digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())


def _spelling(dtype: torch.dtype) -> str:
    return next((name for name, known in FLOATS.items() if known == dtype), str(dtype).removeprefix("torch."))


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object. Raises CheckpointError that names file, line and column."""
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{file.name} is missing", where=str(file.parent), fix="give the folder that holds config.json and weights"
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"cannot read {file.name}: {error}", where=str(file), fix=_DAMAGED) from error
    if not isinstance(plain, dict):
        raise CheckpointError(f"{file.name} is not a JSON object", where=str(file), fix=_DAMAGED)
    return plain


def _files(path: Path) -> dict[Path, list[str]]:
    """Return the weight files at `path` and the keys that an index says are in each."""
    if path.is_file():
        return {path: []}
    for name in _INDEXES:
        if not (path / name).is_file():
            continue
        table: dict[Path, list[str]] = {}
        weight_map = read_json(path / name).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise CheckpointError(f"{name} has no weight_map", where=str(path / name), fix=_DAMAGED)
        for key, file in weight_map.items():
            table.setdefault(_inside(path, str(file), name), []).append(key)
        absent = [file for file in table if not file.is_file()]
        if absent:
            raise CheckpointError(
                f"{len(absent)} of {len(table)} weight files are missing: {', '.join(f.name for f in absent[:4])}",
                where=f"{path / name}, which lists {table[absent[0]][0]!r} there",
                fix="fetch the missing shards into the same folder",
            )
        return table
    for name in _SINGLE:
        if (path / name).is_file():
            return {path / name: []}
    raise CheckpointError(
        "no weights found",
        where=str(path),
        fix=f"expected {_SINGLE[0]}, or {_INDEXES[0]} with its shards",
    )


def _inside(folder: Path, name: str, index: str) -> Path:
    if Path(name).name != name or name in {"", ".", ".."}:
        raise CheckpointError(
            f"{index} names a file outside its folder: {name!r}",
            where=str(folder / index),
            fix="do not use this folder",
        )
    return folder / name


def _read_pickled(file: Path) -> Mapping[str, Tensor]:
    """Read a torch file; only tensors and plain containers are allowed in it."""
    try:
        plain = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises many types for a damaged or forbidden file
        raise CheckpointError(
            f"cannot read {file.name} as plain tensors: {first_line(error)}",
            where=str(file),
            fix="use the .safetensors file of the same weights; code, and files older than torch 1.6, are refused",
        ) from error
    if isinstance(plain, dict) and isinstance(plain.get("model"), dict):
        plain = plain["model"]
    if not isinstance(plain, dict) or not all(isinstance(v, Tensor) for v in plain.values()):
        raise CheckpointError(f"{file.name} is not a table of tensors", where=str(file), fix="give a state dict")
    return plain
