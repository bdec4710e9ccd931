"""Read a prepared set: its manifest, its samples one by one, the pictures of a sample."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgcli_core.data.frame_store import read_images
from vgcli_core.data.sample import Sample, from_line
from vgcli_core.data.workplace import MANIFEST, WORK
from vgcli_core.errors import DataError
from vgcli_core.media.images import Pixels

SCHEMA = "vgllm.prepared/1"


@dataclass(frozen=True)
class Prepared:
    """A finished set in a folder; `manifest` is its manifest.json."""

    root: Path
    manifest: dict[str, Any]

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that it holds."""
        return tuple(self.manifest["splits"])

    def count(self, split: str) -> int:
        """Return the number of samples of a split, as the manifest says."""
        return int(self.manifest["splits"][split]["samples"])

    def path(self, split: str) -> Path:
        """Return the file of a split's samples. Raises DataError."""
        if split not in self.splits:
            raise DataError(
                f"there is no split {split!r}", where=str(self.root), fix=f"choose from {', '.join(self.splits)}"
            )
        return self.root / f"{split}.jsonl"

    def samples(self, split: str) -> Iterator[Sample]:
        """Yield the samples of a split in order, reading as they are asked for. Raises DataError."""
        path = self.path(split)
        try:
            with path.open(encoding="utf-8", newline="\n") as file:
                for number, line in enumerate(file, start=1):
                    yield from_line(line, where=f"{path}, line {number}")
        except OSError as error:
            raise unreadable(path, error) from error

    def sample_at(self, split: str, offset: int, *, where: str = "") -> Sample:
        """Return the sample whose line begins after `offset` bytes of the split's file. Raises DataError.

        The file is opened each time, so that processes share nothing; its frames are many files more.
        """
        path = self.path(split)
        try:
            with path.open("rb") as file:
                file.seek(offset)
                line = file.readline()
        except OSError as error:
            raise unreadable(path, error) from error
        return from_line(line.decode("utf-8", errors="replace"), where=where or f"{path}, byte {offset}")

    def images(self, sample: Sample) -> list[Pixels]:
        """Return the frames of a sample, [H, W, 3] uint8 RGB each, markers drawn. Raises MediaError, DataError."""
        return read_images(sample, self.root)


def unreadable(path: Path, error: OSError) -> DataError:
    """Return what to raise where a split's file cannot be read."""
    return DataError(f"cannot read {path.name}: {error.strerror}", where=str(path), fix="prepare it again")


def open_prepared(root: Path | str) -> Prepared:
    """Open the set in a folder.

    Raises:
        DataError: the folder holds no finished set, or one of a format that this version does not read.
    """
    root = Path(root)
    if root.is_file():
        raise DataError(f"{root.name} is a file", where=str(root), fix="name the folder that `vgllm prepare` wrote")
    path = root / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if (root / WORK).is_dir():
            what, fix = "the set is not finished", "run the same `vgllm prepare` command again: it continues"
        else:
            what, fix = "the folder holds no prepared set", "name a folder that `vgllm prepare` wrote"
        raise DataError(what, where=str(root), fix=fix) from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"the manifest cannot be read: {error}", where=str(path), fix="prepare the set again"
        ) from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        found = manifest.get("schema") if isinstance(manifest, dict) else type(manifest).__name__
        raise DataError(
            f"the manifest is of the form {found!r}, not {SCHEMA!r}", where=str(path), fix="prepare the set again"
        )
    return Prepared(root, manifest)
