"""What an export will write, settled from names, shapes and configurations before any tensor is read."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from vgcli_core.errors import UsageError
from vgcli_core.export.adapters import Adapter, read_adapter
from vgcli_core.export.compact import LeftOut, left_out, name_of
from vgcli_core.export.companions import companions
from vgcli_core.export.old_files import old_files
from vgcli_core.export.provenance import PartName, Provenance, provenance
from vgcli_core.export.published import Published, head_sources, published_config, refuse_unfit
from vgcli_core.export.scores import Scores, read_scores
from vgcli_core.export.tensors import Weight, Weights
from vgcli_core.geometry.boxes import EulerConvention
from vgcli_core.model.accounting import Source
from vgcli_core.model.checkpoint import Opened, Options, open_checkpoint
from vgcli_core.model.config import CONFIG_NAME
from vgcli_core.model.conventions import revision_with
from vgcli_core.model.device import DTYPES
from vgcli_core.model.elsewhere import ENCODER, read_elsewhere
from vgcli_core.model.hub import checkpoint_folder
from vgcli_core.model.layouts import Layout, heads, only_encoder, recognise, to_ours, to_published
from vgcli_core.model.save import backbone_config, own_config
from vgcli_core.model.weights import WeightFiles
from vgcli_core.text.prompts import PromptRevision

Format = Literal["vgllm", "compact", "generation-1", "generation-2"]
_LAYOUTS: Mapping[str, Published] = {"generation-1": "generation-1", "generation-2": "generation-2"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for.

    Attributes:
        format: vgllm is our own form, complete; compact is that without the geometry encoder; the others are the
            published layouts.
        dtype: of all weights: a key of DTYPES; auto leaves each as it is.
        max_shard_size: of a file of weights.
        adapter: a folder of adapters to add to the weights.
        geometry: hub name, folder or file of the geometry encoder that a compact export leaves out, or that a compact
            checkpoint needs.
        heads: a folder or file with the unused heads of the geometry encoder, which published layouts may hold.
        euler_convention, prompt_revision: what the checkpoint was trained on, where it does not say itself.
        geometry_sizes: of the geometry encoder, where they are not the published ones and no file says so; whoever
            states them answers for the published code that is to read a published layout.
        reports: of `vgllm eval` on this model, for the model card.
        origins: hub names of the weights that parts began as, for the model card, where no record says it.
        offline: use only what is on this machine.
        overwrite: an earlier export in the same folder goes.
    """

    format: Format = "vgllm"
    dtype: str = "auto"
    max_shard_size: str = "5GB"
    adapter: Path | None = None
    geometry: str | None = None
    heads: Path | None = None
    euler_convention: EulerConvention | None = None
    prompt_revision: PromptRevision | None = None
    geometry_sizes: dict[str, Any] | None = None
    reports: tuple[Path, ...] = ()
    origins: Mapping[PartName, str] = field(default_factory=dict)
    offline: bool = False
    overwrite: bool = False


AS_IT_IS = Wish()


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be written.

    Attributes:
        opened: the checkpoint.
        weights: by published name.
        shard_size: of a file of weights, in bytes.
        adapter: to be added to weights, if any.
        left_out: the encoder that the export names instead of holding it, if any.
        texts: of files, by name.
        beside: files that are copied.
        found: where the weights come from.
        scores: for the model card.
        notes: what a user should know.
    """

    opened: Opened
    weights: Weights
    shard_size: int
    adapter: Adapter | None
    left_out: LeftOut | None
    texts: Mapping[str, str]
    beside: list[Path]
    found: Provenance
    scores: tuple[Scores, ...]
    notes: tuple[str, ...]


def plan(checkpoint: Path, wish: Wish, *, name: str = "") -> Plan:
    """Settle what to write. See `export_checkpoint` for arguments and errors."""
    shard_size, dtype = _bytes(wish.max_shard_size), _dtype(wish.dtype)
    geometry = None if wish.geometry is None else checkpoint_folder(wish.geometry, offline=wish.offline)
    opened = _open(checkpoint, wish, geometry, name)
    layout = _LAYOUTS.get(wish.format)
    if wish.heads is not None and (layout is None or not heads(layout, opened.config.geometry_encoder)):
        what = f"{wish.format} holds no heads of {opened.config.geometry_encoder}"
        raise UsageError(what, where="--heads", fix="leave it out")
    adapter = None if wish.adapter is None else read_adapter(wish.adapter, opened.empty)
    found = provenance(checkpoint, name=name, stated=wish.origins, adapter=wish.adapter)
    compact = wish.format == "compact"
    without = left_out(opened, geometry, name_of(found, wish.geometry or "")) if compact else None
    scores = tuple(one for report in wish.reports for one in read_scores(report))
    beside = companions(checkpoint)
    stated = dtype or DTYPES.get(opened.saved_dtype, torch.bfloat16)
    texts = {CONFIG_NAME: own_config(opened.empty)}
    extra: dict[str, Source] = {}
    if layout is None:
        texts["config.json"] = backbone_config(opened.empty, stated)
    else:
        refuse_unfit(opened, layout, any_size=wish.geometry_sizes is not None)
        extra = head_sources(opened, layout, None if wish.heads is None else WeightFiles(wish.heads))
        texts["config.json"] = published_config(opened, layout, stated)
        texts |= old_files(checkpoint)
    return Plan(
        opened,
        _weights(opened, layout or "generation-2", dtype, extra, encoder=not compact),
        shard_size,
        adapter,
        without,
        texts,
        [path for path in beside if path.name not in texts],
        found,
        scores,
        (*opened.notes, *_dropped(opened, extra), *_adapter_notes(adapter)),
    )


def _open(checkpoint: Path, wish: Wish, geometry: Path | None, name: str) -> Opened:
    """Open the checkpoint, a compact one with its encoder."""
    compact = read_elsewhere(checkpoint) is not None
    if geometry is not None and wish.format != "compact" and not compact:
        what = "--geometry goes with --format compact, or with a checkpoint that is compact"
        raise UsageError(what, where="--geometry", fix="leave it out")
    options = Options(
        euler_convention=wish.euler_convention,
        prompt_revision=revision_with(wish.euler_convention, wish.prompt_revision),
        geometry_sizes=wish.geometry_sizes,
        offline=wish.offline,
    )
    return open_checkpoint(checkpoint, options, name=name, geometry=geometry if compact else None)


def _weights(
    opened: Opened, layout: Layout, dtype: torch.dtype | None, extra: Mapping[str, Source], *, encoder: bool
) -> Weights:
    """Return where each published tensor comes from.

    Args:
        opened: the checkpoint.
        layout: to name them by.
        dtype: of all of them; None: each as it is.
        extra: those that no model of ours has.
        encoder: whether the geometry encoder is among them.
    """
    found = {
        to_published(ours, opened.config.geometry_encoder, layout): Weight(source, ours, dtype or source.found_dtype)
        for ours, source in opened.account.sources.items()
        if encoder or not ours.startswith(ENCODER)
    }
    dtypes = [weight.dtype for weight in found.values() if weight.name.startswith(ENCODER)]
    # Heads from elsewhere are of the dtype of the encoder that they belong to.
    return found | {key: Weight(source, "", dtypes[0]) for key, source in extra.items()}


def _dtype(name: str) -> torch.dtype | None:
    if name not in ("auto", *DTYPES):
        raise UsageError(f"unknown dtype {name!r}", where="--dtype", fix=f"auto, {', '.join(DTYPES)}")
    return DTYPES.get(name)


def _bytes(size: str) -> int:
    """Return a size such as 5GB in bytes. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT])B", size.strip(), re.IGNORECASE)
    count = int(float(match[1]) * 1000 ** (1 + "KMGT".index(match[2].upper()))) if match else 0
    if count < 1:
        fix = "give a size such as 5GB or 500MB"
        raise UsageError(f"{size!r} is no size of a file", where="--max-shard-size", fix=fix)
    return count


def _dropped(opened: Opened, extra: Mapping[str, Source]) -> tuple[str, ...]:
    """Say what the checkpoint holds that the export does not."""
    kept = Counter(to_ours(one.key, opened.layout).reason for one in extra.values() if one.files is opened.files)
    if opened.extra is not None:  # what a file of the encoder holds besides is no part of the checkpoint
        kind, layout = opened.config.geometry_encoder, recognise(opened.extra.entries)
        kept += Counter(only_encoder(key, kind, layout).reason for key in opened.extra.entries)
    return tuple(f"{count} tensors are left out: {why}" for why, count in (opened.account.left_out - kept).items())


def _adapter_notes(adapter: Adapter | None) -> tuple[str, ...]:
    if adapter is None:
        return ()
    base = f", which says that it was trained on {Path(adapter.base).name}" if adapter.base else ""
    return (f"{len(adapter.pairs)} adapters of rank {adapter.rank} are added, from {adapter.folder.name}{base}",)
