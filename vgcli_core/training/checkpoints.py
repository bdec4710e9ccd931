"""Checkpoints of a run: the trained weights and the optimiser's moments, float32, by name, in safetensors.

The form is the same for one process, many, and every ZeRO stage, so a run can go on with another number of GPUs. A
checkpoint has its name only when it is complete; older ones go after that, so a full disk costs no checkpoint.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from vgcli_core.atomic import output_errors
from vgcli_core.errors import CheckpointError, OutputError
from vgcli_core.model.weights import write_tensors

FOLDER = "checkpoints"
_SHARD = 2 * 10**9  # bytes in memory at a time
_AGAIN = "there is no other one: begin again with --restart"
_NAME = re.compile(r"step-(\d{6,})")


@dataclass(frozen=True, slots=True)
class Saved:
    """A complete checkpoint: its step, its folder, and state.json."""

    step: int
    folder: Path
    state: dict[str, Any]

    def verify(self, *, others: int) -> None:
        """Compare the files with their checksums; `others` is how many older checkpoints there are.

        Raises:
            CheckpointError: a file is damaged or missing.
        """
        for name, expected in self.state["files"].items():
            path = self.folder / name
            if not path.is_file() or _checksum(path) != expected:
                raise CheckpointError(
                    f"{name} of the newest checkpoint is {'damaged' if path.is_file() else 'missing'}",
                    where=str(path),
                    fix=f"remove the folder {self.folder.name}: the one before it serves" if others else _AGAIN,
                )

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the trained weights by name. Raises CheckpointError."""
        return _read(self.folder, "weights")

    def moments(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the optimiser's moments, named `exp_avg/NAME` and `exp_avg_sq/NAME`. Raises CheckpointError."""
        return _read(self.folder, "moments")


class Writer:
    """Writes one checkpoint, tensor by tensor; `finish` makes it count.

    Errors are kept until `finish`: where several processes gather each tensor together, all must take part to the end.
    """

    def __init__(self, run: Path, step: int) -> None:
        self.target = run / FOLDER / f"step-{step:06d}"
        self._temporary = self.target.with_name(f".{self.target.name}.part")
        self.error: OutputError | None = None
        with self._kept():
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary.mkdir(parents=True)

    def write(self, kind: str, tensors: Iterable[tuple[str, Tensor]]) -> None:
        """Write tensors of one kind, `weights` or `moments`, in files of about 2 GB."""
        shard: dict[str, Tensor] = {}
        number, size = 1, 0
        for name, tensor in tensors:
            if self.error is not None:
                continue
            shard[name] = tensor.detach().to("cpu").contiguous()
            size += tensor.numel() * tensor.element_size()
            if size >= _SHARD:
                self._save(f"{kind}-{number:05d}.safetensors", shard)
                shard, number, size = {}, number + 1, 0
        if shard or number == 1:
            self._save(f"{kind}-{number:05d}.safetensors", shard)

    def finish(self, state: Mapping[str, Any]) -> None:
        """Give the checkpoint its name. Raises OutputError if anything could not be written; then nothing is left."""
        if self.error is None:
            self._name(state)
        if self.error is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            raise self.error

    def _name(self, state: Mapping[str, Any]) -> None:
        with self._kept():
            files = {path.name: _checksum(path) for path in sorted(self._temporary.iterdir())}
            text = json.dumps({**state, "files": files}, indent=2) + "\n"
            (self._temporary / "state.json").write_text(text, encoding="utf-8")
            for path in (*self._temporary.iterdir(), self._temporary):
                _sync(path)
            if self.target.exists():
                # The same step again, after a resume from an older one.
                shutil.rmtree(self.target)
            self._temporary.replace(self.target)
            _sync(self.target.parent)

    def _save(self, name: str, shard: dict[str, Tensor]) -> None:
        with self._kept():
            write_tensors(shard, self._temporary / name)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Keep the first failure of a block instead of raising it."""
        try:
            with output_errors(self.target):
                yield
        except OutputError as told:
            self.error = self.error or told


def saved(run: Path) -> list[Saved]:
    """Return the complete checkpoints of a run, oldest first. Raises CheckpointError where state.json is damaged."""
    found = []
    for folder in (run / FOLDER).glob("step-*") if (run / FOLDER).is_dir() else ():
        match = _NAME.fullmatch(folder.name)
        if match is None:
            continue
        try:
            state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            if not {"updates", "bad", "best", "files"} <= state.keys():
                raise ValueError("state.json lacks what a run writes into it")
        except (OSError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"the checkpoint cannot be read: {error}",
                where=str(folder),
                fix="remove this folder; an older one serves, or without any begin again with --restart",
            ) from error
        found.append(Saved(int(match[1]), folder, state))
    return sorted(found, key=lambda one: one.step)


def sweep(run: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints, and what an interrupted writer left."""
    for old in saved(run)[:-keep]:
        # First out of sight, in one move: half a checkpoint must not look like one.
        away = old.folder.with_name(f".{old.folder.name}.old")
        with suppress(OSError):
            old.folder.replace(away)
    if (run / FOLDER).is_dir():
        for left in (run / FOLDER).glob(".step-*"):
            shutil.rmtree(left, ignore_errors=True)


def replace_folder(new: Path, target: Path) -> None:
    """Put the folder `new` in the place of `target`; `recover` finishes what a kill interrupts."""
    old = target.with_name(f".{target.name}.old")
    with output_errors(target):
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.replace(old)
        new.replace(target)
        shutil.rmtree(old, ignore_errors=True)


def recover(target: Path) -> None:
    """Bring `target` back if a kill struck between the two moves of `replace_folder`."""
    old = target.with_name(f".{target.name}.old")
    if old.is_dir() and not target.exists():
        old.replace(target)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Make sure that a file, or the names in a folder, are on the disk: older checkpoints go right after."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(folder: Path, kind: str) -> Iterator[tuple[str, Tensor]]:
    files = sorted(folder.glob(f"{kind}-*.safetensors"))
    for file in files:
        try:
            with safe_open(file, framework="pt") as handle:
                for name in handle.keys():  # noqa: SIM118
                    yield name, handle.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"cannot read {file.name}: {error}", where=str(file), fix="remove this checkpoint; older ones serve"
            ) from error
