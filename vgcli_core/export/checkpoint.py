"""Export a checkpoint: from its files to those of a folder that others can use, tensor by tensor.

No model is loaded. Names, shapes and configuration are settled and everything that can be refused is, before the first
tensor is read; the folder has its name only when it is complete.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from vgcli_core.errors import UsageError
from vgcli_core.export.adapters import Adapter, read_adapter
from vgcli_core.export.companions import companions, copy_files
from vgcli_core.export.target import check_space, check_target, new_folder, write_record
from vgcli_core.export.tensors import Change, Tensors
from vgcli_core.geometry.boxes import EulerConvention
from vgcli_core.model.checkpoint import Opened, Options, open_checkpoint
from vgcli_core.model.device import DTYPES
from vgcli_core.model.layouts import to_published
from vgcli_core.model.save import write_configs, write_shards
from vgcli_core.text.prompts import PromptRevision
from vgcli_core.version import __version__

Format = Literal["vgllm"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for.

    Attributes:
        format: vgllm is our own form, complete.
        dtype: of all weights: a key of DTYPES; auto leaves each as it is.
        max_shard_size: of a file of weights.
        adapter: a folder of adapters to add to the weights.
        euler_convention, prompt_revision: what the checkpoint was trained on, where it does not say itself.
        geometry_sizes: of the geometry encoder, where they are not the published ones and no file says so.
        overwrite: an earlier export in the same folder goes.
    """

    format: Format = "vgllm"
    dtype: str = "auto"
    max_shard_size: str = "5GB"
    adapter: Path | None = None
    euler_convention: EulerConvention | None = None
    prompt_revision: PromptRevision | None = None
    geometry_sizes: dict[str, Any] | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        folder: that holds it.
        format: see Wish.
        parameters: in its files.
        size: of these files, in bytes.
        files: how many they are.
        dtypes: of the tensors, with how many have them.
        notes: what a user should know.
    """

    folder: Path
    format: Format
    parameters: int
    size: int
    files: int
    dtypes: dict[str, int]
    notes: tuple[str, ...]


def export_checkpoint(
    checkpoint: Path,
    out: Path,
    wish: Wish = Wish(),
    *,
    name: str = "",
    progress: Callable[[str], None] = lambda text: None,
) -> Exported:
    """Write a checkpoint as a folder of its own.

    Args:
        checkpoint: a folder with config.json and weights, in any form that `load_model` reads.
        out: a new folder, or that of an earlier export.
        wish: see Wish.
        name: the hub name that the checkpoint was fetched by; empty for a folder.
        progress: told what is being done, before each tensor.

    Raises:
        CheckpointError: the checkpoint or the adapters are damaged, incomplete, or nothing to export.
        OutputError: `out` must not, or cannot, be written.
        UsageError: a dtype or size that cannot be read.
    """
    check_target(out, checkpoint, overwrite=wish.overwrite)
    dtype, shard_bytes = _dtype(wish.dtype), _bytes(wish.max_shard_size)
    options = Options(
        euler_convention=wish.euler_convention,
        prompt_revision=wish.prompt_revision,
        geometry_sizes=wish.geometry_sizes,
    )
    opened = open_checkpoint(checkpoint, options, name=name)
    adapter = None if wish.adapter is None else read_adapter(wish.adapter, opened.empty)
    beside = companions(checkpoint)
    tensors = _tensors(opened, dtype)
    sizes = tensors.sizes()
    total = sum(one.numel() * one.itemsize for one in sizes.values())
    check_space(out, total)
    with ExitStack() as stack:
        read = stack.enter_context(opened.reading())
        add = _unchanged if adapter is None else stack.enter_context(adapter.reading())
        temporary = stack.enter_context(new_folder(out, overwrite=wish.overwrite))
        files = write_shards(
            sizes,
            lambda key: tensors.value(key, read, add),
            temporary,
            max_shard_size=shard_bytes,
            progress=progress,
        )
        write_configs(opened.empty, temporary, dtype=dtype or DTYPES.get(opened.saved_dtype, torch.bfloat16))
        copy_files(beside, temporary)
        write_record(
            temporary, {"format": wish.format, "vgllm": __version__, "name": name or checkpoint.resolve().name}
        )
    return Exported(
        out,
        wish.format,
        parameters=sum(one.numel() for one in sizes.values()),
        size=total,
        files=len(files),
        dtypes=_counted(sizes),
        notes=(*opened.notes, *_left_out(opened), *_adapter_notes(adapter), *_change_notes(tensors.change)),
    )


def _dtype(name: str) -> torch.dtype | None:
    if name not in ("auto", *DTYPES):
        raise UsageError(f"unknown dtype {name!r}", where="--dtype", fix=f"auto, {', '.join(DTYPES)}")
    return DTYPES.get(name)


def _tensors(opened: Opened, dtype: torch.dtype | None) -> Tensors:
    """Return where each published tensor comes from."""
    kind = opened.config.geometry_encoder
    ours = {to_published(name, kind): name for name in opened.account.sources}
    return Tensors({key: opened.account.sources[name] for key, name in ours.items()}, ours, dtype)


def _unchanged(name: str, weight: Tensor) -> Tensor:
    return weight


def _bytes(size: str) -> int:
    """Return a size such as 5GB in bytes. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT])B", size.strip(), re.IGNORECASE)
    count = int(float(match[1]) * 1000 ** (1 + "KMGT".index(match[2].upper()))) if match else 0
    if count < 1:
        fix = "give a size such as 5GB or 500MB"
        raise UsageError(f"{size!r} is no size of a file", where="--max-shard-size", fix=fix)
    return count


def _counted(sizes: Mapping[str, Tensor]) -> dict[str, int]:
    names = [str(one.dtype).removeprefix("torch.") for one in sizes.values()]
    return {name: names.count(name) for name in sorted(set(names))}


def _left_out(opened: Opened) -> tuple[str, ...]:
    return tuple(f"{count} tensors are left out: {reason}" for reason, count in opened.account.left_out.items())


def _adapter_notes(adapter: Adapter | None) -> tuple[str, ...]:
    if adapter is None:
        return ()
    base = f", which says that it was trained on {adapter.base}" if adapter.base else ""
    return (f"{len(adapter.pairs)} adapters of rank {adapter.rank} are added, from {adapter.folder.name}{base}",)


def _change_notes(change: Change) -> tuple[str, ...]:
    lost, names = change.zero.total(), [name for name, count in change.zero.items() if count]
    if not change.values:
        return ()
    what = f"{lost:,} of {change.values:,} converted values became 0"
    return (f"{what}, most in {change.zero.most_common(1)[0][0]!r}" if names else f"{what}, and none infinite",)
