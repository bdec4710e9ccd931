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
from vgcli_core.export.companions import companions
from vgcli_core.export.old_files import old_files
from vgcli_core.export.provenance import PartName, Provenance, provenance
from vgcli_core.export.published import head_sources, published_config, refuse_unfit
from vgcli_core.export.scores import Scores, read_scores
from vgcli_core.export.tensors import Weight, Weights
from vgcli_core.geometry.boxes import EulerConvention
from vgcli_core.model.accounting import Source
from vgcli_core.model.checkpoint import Opened, Options, open_checkpoint
from vgcli_core.model.config import CONFIG_NAME
from vgcli_core.model.device import DTYPES
from vgcli_core.model.layouts import heads, to_ours, to_published
from vgcli_core.model.save import backbone_config, own_config
from vgcli_core.model.weights import FLOATS, WeightFiles
from vgcli_core.text.prompts import PromptRevision

Format = Literal["vgllm", "generation-1", "generation-2"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for.

    Attributes:
        format: vgllm is our own form, complete; the others are the published layouts.
        dtype: of all weights: a key of DTYPES; auto leaves each as it is.
        max_shard_size: of a file of weights.
        adapter: a folder of adapters to add to the weights.
        heads: a folder or file with the unused heads of the geometry encoder, which published layouts may hold.
        euler_convention, prompt_revision: what the checkpoint was trained on, where it does not say itself.
        geometry_sizes: of the geometry encoder, where they are not the published ones and no file says so; whoever
            states them answers for the published code that is to read a published layout.
        reports: of `vgllm eval` on this model, for the model card.
        origins: hub names of the weights that parts began as, for the model card, where no record says it.
        overwrite: an earlier export in the same folder goes.
    """

    format: Format = "vgllm"
    dtype: str = "auto"
    max_shard_size: str = "5GB"
    adapter: Path | None = None
    heads: Path | None = None
    euler_convention: EulerConvention | None = None
    prompt_revision: PromptRevision | None = None
    geometry_sizes: dict[str, Any] | None = None
    reports: tuple[Path, ...] = ()
    origins: Mapping[PartName, str] = field(default_factory=dict)
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
    texts: Mapping[str, str]
    beside: list[Path]
    found: Provenance
    scores: tuple[Scores, ...]
    notes: tuple[str, ...]


def plan(checkpoint: Path, wish: Wish, *, name: str = "") -> Plan:
    """Settle what to write. See `export_checkpoint` for arguments and errors."""
    shard_size = _bytes(wish.max_shard_size)
    if wish.dtype not in ("auto", *DTYPES):
        raise UsageError(f"unknown dtype {wish.dtype!r}", where="--dtype", fix=f"auto, {', '.join(DTYPES)}")
    dtype = DTYPES.get(wish.dtype)
    options = Options(
        euler_convention=wish.euler_convention,
        prompt_revision=wish.prompt_revision,
        geometry_sizes=wish.geometry_sizes,
    )
    opened = open_checkpoint(checkpoint, options, name=name)
    adapter = None if wish.adapter is None else read_adapter(wish.adapter, opened.empty)
    found = provenance(checkpoint, name=name, stated=wish.origins, adapter=wish.adapter)
    scores = tuple(one for report in wish.reports for one in read_scores(report))
    beside = companions(checkpoint)
    _refuse_heads(opened, wish)
    stated = dtype or DTYPES.get(opened.saved_dtype, torch.bfloat16)
    texts = {CONFIG_NAME: own_config(opened.empty)}
    extra: dict[str, Source] = {}
    if wish.format == "vgllm":
        texts["config.json"] = backbone_config(opened.empty, stated)
    else:
        refuse_unfit(opened, wish.format, any_size=wish.geometry_sizes is not None)
        extra = head_sources(opened, wish.format, None if wish.heads is None else WeightFiles(wish.heads))
        texts["config.json"] = published_config(opened, wish.format, stated)
        texts |= old_files(checkpoint)
    return Plan(
        opened,
        _weights(opened, wish, dtype, extra),
        shard_size,
        adapter,
        texts,
        [path for path in beside if path.name not in texts],
        found,
        scores,
        (*opened.notes, *_left_out(opened, extra), *_adapter_notes(adapter)),
    )


def _refuse_heads(opened: Opened, wish: Wish) -> None:
    """Refuse heads that would not be written. Raises UsageError."""
    kind = opened.config.geometry_encoder
    if wish.heads is not None and (wish.format == "vgllm" or not heads(wish.format, kind)):
        raise UsageError(f"{wish.format} holds no heads of {kind}", where="--heads", fix="leave it out")


def _weights(opened: Opened, wish: Wish, dtype: torch.dtype | None, extra: Mapping[str, Source]) -> Weights:
    """Return where each published tensor comes from; `extra` are those that no model of ours has."""
    kind = opened.config.geometry_encoder
    layout = "generation-2" if wish.format == "vgllm" else wish.format
    found = {
        to_published(ours, kind, layout): Weight(source, ours, dtype or _dtype(source))
        for ours, source in opened.account.sources.items()
    }
    encoder = [weight.dtype for weight in found.values() if weight.name.startswith("geometry_encoder.")]
    # Heads from elsewhere are of the dtype of the encoder that they belong to.
    return found | {key: Weight(source, "", encoder[0]) for key, source in extra.items()}


def _dtype(source: Source) -> torch.dtype:
    return FLOATS[source.files.entries[source.key].dtype]


def _bytes(size: str) -> int:
    """Return a size such as 5GB in bytes. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT])B", size.strip(), re.IGNORECASE)
    count = int(float(match[1]) * 1000 ** (1 + "KMGT".index(match[2].upper()))) if match else 0
    if count < 1:
        fix = "give a size such as 5GB or 500MB"
        raise UsageError(f"{size!r} is no size of a file", where="--max-shard-size", fix=fix)
    return count


def _left_out(opened: Opened, extra: Mapping[str, Source]) -> tuple[str, ...]:
    """Say what the checkpoint holds that the export does not."""
    kept = Counter(to_ours(one.key, opened.layout).reason for one in extra.values() if one.files is opened.files)
    return tuple(f"{count} tensors are left out: {why}" for why, count in (opened.account.left_out - kept).items())


def _adapter_notes(adapter: Adapter | None) -> tuple[str, ...]:
    if adapter is None:
        return ()
    base = f", which says that it was trained on {Path(adapter.base).name}" if adapter.base else ""
    return (f"{len(adapter.pairs)} adapters of rank {adapter.rank} are added, from {adapter.folder.name}{base}",)
