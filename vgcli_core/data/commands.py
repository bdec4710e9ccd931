"""The command that makes a prepared set: messages about missing sets quote it, such that it can be pasted."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from vgcli_core.data.base import Dataset


def prepare_command(dataset: Dataset, split: str, root: Path, more: Sequence[str] = ()) -> str:
    """Return the command that makes a split of a dataset in the folder `root`; `more` words stand before its end."""
    chosen = [] if split in dataset.default_splits else ["--split", split]
    return shlex.join(["vgllm", "prepare", dataset.name, *chosen, *more, "--out", root.as_posix()])
