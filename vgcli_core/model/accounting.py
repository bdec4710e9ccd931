"""Which tensor of which file becomes which parameter: every name on both sides is accounted for, or loading fails."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from vgcli_core.errors import CheckpointError
from vgcli_core.model.layouts import (
    BACKBONE,
    OUTPUT_HEAD,
    Layout,
    Named,
    only_encoder,
    recognise,
    recognise_encoder,
    to_ours,
    to_published,
)
from vgcli_core.model.patch_positions import POSITIONS
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.model.weights import FLOATS, WeightFiles

_NEW = ("geometry_merger.", "feature_fusion.")


@dataclass(frozen=True, slots=True)
class Source:
    """Where one of our parameters comes from: a table of files, the name it has there, and a dtype to round it to."""

    files: WeightFiles
    key: str
    dtype: torch.dtype | None = None

    @property
    def found_dtype(self) -> torch.dtype:
        """The dtype that a reader gives it in."""
        return self.dtype or FLOATS[self.files.entries[self.key].dtype]


@contextmanager
def reading(tables: Iterable[WeightFiles]) -> Iterator[Callable[[Source], Tensor]]:
    """Open files; yield a function that gives a tensor of theirs, mapped from its file. Closes them at the end."""
    with ExitStack() as stack:
        readers = {table: stack.enter_context(table.reader()) for table in tables}
        yield lambda source: readers[source.files].tensor(source.key).to(source.found_dtype)


@dataclass(slots=True)
class Account:
    """The outcome: a source for each parameter, names that start afresh, and what is left out, by reason."""

    sources: dict[str, Source] = field(default_factory=dict)
    fresh: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()


def account_for(
    empty: VGLLM,
    files: WeightFiles,
    layout: Layout,
    encoder: WeightFiles | None,
    *,
    without_geometry: bool = False,
    new_positions: bool = False,
) -> Account:
    """Map every parameter of the files to one of the model.

    Args:
        empty: the model without memory: names and shapes.
        files: the checkpoint, in `layout`.
        encoder: files that hold a geometry encoder, alone or in a whole model, which replaces the checkpoint's encoder
            or joins a plain backbone.
        without_geometry: leave out geometry and its fusion.
        new_positions: the checkpoint has no code of patch positions, and the model gets one.

    Raises:
        CheckpointError: names that are unknown, missing or stand for the same parameter twice; shapes or types that
            do not fit. File and key are named as they are in the files.
    """
    account = Account()
    named = {key: to_ours(key, layout) for key in files.entries}
    for key, to in named.items():
        reason = _unwanted(to, geometry=not without_geometry, positions=not empty.config.blind)
        if reason:
            named[key] = Named(None, reason)
    if encoder is not None:
        replaced = [key for key, to in named.items() if to.name and to.name.startswith("geometry_encoder.")]
        for key in replaced:
            named[key] = Named(None, "geometry encoder, replaced by the one given")
        if replaced:
            account.notes = (f"the geometry encoder of the checkpoint is replaced by {encoder.path}",)
    wanted = empty.state_dict()
    _collect(account, files, named, known=set(wanted))
    if encoder is not None:
        kind, whole = recognise_encoder(encoder.entries, where=str(encoder.path)), recognise(encoder.entries)
        _collect(account, encoder, {key: only_encoder(key, kind, whole) for key in encoder.entries}, known=set(wanted))
    if empty.backbone.tied and OUTPUT_HEAD in account.sources:
        account.sources.pop(OUTPUT_HEAD)
        account.left_out["output head, which this model ties to its embedding"] += 1
    new: tuple[str, ...] = _NEW if encoder is not None and layout == "plain" else ()
    new += (POSITIONS,) if new_positions else ()
    for name, tensor in wanted.items():
        if name in account.sources:
            _check_tensor(account.sources[name], tuple(tensor.shape))
        elif name.startswith(new):
            account.fresh.append(name)
    settled = {*account.sources, *account.fresh, *([OUTPUT_HEAD] if empty.backbone.tied else [])}
    lacking = [name for name in wanted if name not in settled]
    if lacking:
        raise _missing(lacking, empty.config.geometry_encoder, layout, files, encoder)
    return account


def _unwanted(named: Named, *, geometry: bool, positions: bool) -> str:
    """Return why a parameter is left out on purpose, "" where it is not."""
    if named.name is None or named.name.startswith(BACKBONE):
        return ""
    if named.name.startswith(POSITIONS):
        return "" if positions else "code of patch positions, which is not wanted"
    return "" if geometry else "geometry, which is not wanted"


def _collect(account: Account, files: WeightFiles, named: dict[str, Named], *, known: set[str]) -> None:
    unknown: list[str] = []
    for key, to in named.items():
        if to.name is None and to.reason:
            account.left_out[to.reason] += 1
        elif to.name is None or to.name not in known:
            unknown.append(f"{key} ({files.entries[key].file.name})")
        elif to.name in account.sources:
            twin = account.sources[to.name]
            raise CheckpointError(
                f"{key!r} and {twin.key!r} are the same parameter under two names",
                where=str(files.entries[key].file),
                fix="keep the files of one checkpoint in a folder of their own",
            )
        else:
            account.sources[to.name] = Source(files, key)
    if unknown:
        raise CheckpointError(
            f"the model has no place for {_counted(unknown)}",
            where=str(files.path),
            fix="this is not a VG-LLM checkpoint of a known layout, or its config.json belongs to another model",
        )


def _check_tensor(source: Source, shape: tuple[int, ...]) -> None:
    entry = source.files.entries[source.key]
    if entry.shape != shape:
        raise CheckpointError(
            f"{source.key!r} has shape {list(entry.shape)}, the model needs {list(shape)}",
            where=str(entry.file),
            fix="config.json and weights belong to different models",
        )
    if entry.dtype not in FLOATS:
        raise CheckpointError(
            f"{source.key!r} has type {entry.dtype}, and weights must be floating point",
            where=str(entry.file),
            fix="quantised weights are not supported: use the original ones",
        )


def _missing(
    names: Sequence[str], kind: str, layout: Layout, files: WeightFiles, encoder: WeightFiles | None
) -> CheckpointError:
    if encoder is not None and names[0].startswith("geometry_encoder."):
        shown = [name.removeprefix("geometry_encoder.") for name in names]
        where: Path = encoder.path
        fix = "fetch the geometry encoder's weights again"
    else:
        shown = [to_published(name, kind, layout) for name in names]
        where = files.path
        fix = "fetch all shards of this checkpoint; config.json and weights must belong together"
    return CheckpointError(f"missing from the weights: {_counted(shown)}", where=str(where), fix=fix)


def _counted(names: Sequence[str]) -> str:
    listed = ", ".join(names[:3]) + (" ..." if names[3:] else "")
    return f"{len(names)} parameter{'s' if names[1:] else ''}: {listed}"
