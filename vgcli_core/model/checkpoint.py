"""Load whole models: every parameter of every file is accounted for, or the load is refused.

Four sources, told apart by the names of their weights (layouts.py): published folders of both generations, a plain
Qwen2.5-VL folder with or without a geometry encoder beside it, and our own form: generation-2 names plus `vgllm.json`.
"""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vgcli_core.errors import CheckpointError, VgllmError
from vgcli_core.geometry.boxes import EulerConvention
from vgcli_core.model.backbones import get_backbone
from vgcli_core.model.config import ModelConfig
from vgcli_core.model.config_files import read_model_config
from vgcli_core.model.conventions import Conventions, conventions_of
from vgcli_core.model.device import choose_placement
from vgcli_core.model.layouts import (
    BACKBONE,
    OUTPUT_HEAD,
    Layout,
    Named,
    encoder_to_ours,
    recognise,
    recognise_encoder,
    to_ours,
)
from vgcli_core.model.quiet import quiet_libraries
from vgcli_core.model.vgllm import VGLLM, build_empty
from vgcli_core.model.weights import WeightFiles, read_json
from vgcli_core.text.prompts import PromptRevision


@dataclass(frozen=True, slots=True)
class Options:
    """How to load: `auto` decides; a convention that is stated outranks what the checkpoint says."""

    device: str = "auto"
    dtype: str = "auto"
    attention: str = "auto"
    device_map: str | None = None
    euler_convention: EulerConvention | None = None
    prompt_revision: PromptRevision | None = None
    geometry_sizes: dict[str, Any] | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was loaded from where (None: built in memory); `left_out` counts parameters not used, by reason."""

    path: Path | None
    layout: Layout
    parameters: int
    left_out: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    """Where each of our parameters comes from: its file table and the name it has there."""

    files: WeightFiles
    key: str


def load_model(
    folder: Path, options: Options = Options(), *, name: str = "", geometry: Path | None = None
) -> tuple[VGLLM, LoadReport]:
    """Load a model in evaluation mode.

    Args:
        folder: config.json and weights, in any of the four forms.
        options: device, dtype and so on.
        name: what the user called it, by which published checkpoints are known; the folder's name where empty.
        geometry: a folder or file of VGGT or Pi3 weights: joins a plain backbone, or replaces the encoder inside.

    Raises:
        CheckpointError: missing, unexpected, mis-shaped or unreadable weights or configuration; file and key are named.
        ResourceError: the device is missing or too small.
    """
    plain = read_json(folder / "config.json")
    files = WeightFiles(folder)
    layout = recognise(files.entries, where=str(folder))
    extra = WeightFiles(geometry) if geometry is not None else None
    extra_kind = recognise_encoder(extra.entries, where=str(geometry)) if extra is not None else None
    config, notes = read_model_config(
        folder, plain, layout, keys=list(files.entries), extra_kind=extra_kind, sizes=options.geometry_sizes
    )
    conventions, remarks = conventions_of(
        name or str(folder),
        layout,
        recorded=_recorded(config),
        euler=options.euler_convention,
        revision=options.prompt_revision,
    )
    config = config.model_copy(
        update={
            "euler_convention": conventions.euler,
            "prompt_revision": conventions.revision,
            "conventions_from": conventions.source,
        }
    )
    try:
        empty = build_empty(config, plain)
    except (VgllmError, MemoryError):
        raise
    except Exception as error:  # transformers and pydantic report bad configurations by many types
        raise CheckpointError(
            f"config.json does not describe a model: {str(error).splitlines()[0]}",
            where=str(folder / "config.json"),
            fix="use the file that came with the weights",
        ) from error
    sources, left_out = _assign(empty, files, layout, extra, extra_kind)
    fresh = _check(empty, sources, folder, may_be_new=extra is not None and layout == "plain")
    parameters = sum(p.numel() for p in empty.parameters())
    placement = choose_placement(
        device=options.device,
        dtype=options.dtype,
        attention=options.attention,
        device_map=options.device_map,
        parameters=parameters,
        saved_dtype=str(plain.get("dtype") or plain.get("torch_dtype") or "bfloat16"),
    )
    with quiet_libraries(), ExitStack() as stack:
        readers = {table: stack.enter_context(table.reader()) for table in (files, extra) if table is not None}
        tensors = {ours: readers[source.files].tensor(source.key) for ours, source in sources.items()}
        backbone = get_backbone(config.backbone).from_tensors(
            get_backbone(config.backbone).read_config(plain),
            {n.removeprefix(BACKBONE): t for n, t in tensors.items() if n.startswith(BACKBONE)},
            dtype=placement.dtype,
            device_map=placement.device_map or {"": placement.device},
            attention=placement.attention,
        )
        with torch.device("meta"):
            model = VGLLM(config, backbone)
        rest = {n: t.to(model.device, placement.dtype) for n, t in tensors.items() if not n.startswith(BACKBONE)}
        rest |= _new_weights(empty, fresh, model.device, placement.dtype, options.seed)
        _attach(model, rest)
    if fresh:
        model.config = model.config.model_copy(update={"untrained": True})
        notes += (f"{len(fresh)} fusion weights are new and untrained: answers mean nothing before training",)
    return model.eval(), LoadReport(folder, layout, parameters, left_out, (*notes, *remarks))


def _recorded(config: ModelConfig) -> Conventions | None:
    if not config.conventions_from:
        return None
    return Conventions(config.euler_convention, config.prompt_revision, config.conventions_from)


def _assign(
    empty: VGLLM, files: WeightFiles, layout: Layout, extra: WeightFiles | None, extra_kind: str | None
) -> tuple[dict[str, _Source], dict[str, int]]:
    """Map every parameter of the files to one of ours; raise on names nobody knows."""
    sources: dict[str, _Source] = {}
    left_out: Counter[str] = Counter()
    unknown: list[str] = []
    tables: list[tuple[WeightFiles, dict[str, Named]]] = [(files, {key: to_ours(key, layout) for key in files.entries})]
    if extra is not None and extra_kind is not None:
        tables.append((extra, {key: encoder_to_ours(key, extra_kind) for key in extra.entries}))
    known = set(empty.state_dict())
    for table, names in tables:
        for key, named in names.items():
            if named.name is None and named.reason:
                left_out[named.reason] += 1
            elif named.name is None or named.name not in known:
                unknown.append(f"{key} ({table.entries[key].file.name})")
            else:
                sources[named.name] = _Source(table, key)
    if unknown:
        raise CheckpointError(
            f"{len(unknown)} parameters belong to no part of the model: {', '.join(unknown[:3])}"
            + (" ..." if unknown[3:] else ""),
            where=str(files.path),
            fix="this is not a VG-LLM checkpoint of a known layout, or its config.json belongs to another model",
        )
    if empty.backbone.tied and sources.pop(OUTPUT_HEAD, None) is not None:
        left_out["output head, tied to the embedding"] += 1
    return sources, dict(left_out)


def _check(empty: VGLLM, sources: dict[str, _Source], folder: Path, *, may_be_new: bool) -> list[str]:
    """Compare names and shapes with the empty model; return the names that training shall start afresh."""
    missing: list[str] = []
    fresh: list[str] = []
    for name, wanted in empty.state_dict().items():
        if name == OUTPUT_HEAD and empty.backbone.tied:
            continue
        source = sources.get(name)
        if source is None:
            is_new = may_be_new and name.startswith(("geometry_merger.", "feature_fusion."))
            (fresh if is_new else missing).append(name)
            continue
        entry = source.files.entries[source.key]
        if entry.shape != tuple(wanted.shape):
            raise CheckpointError(
                f"{source.key!r} has shape {list(entry.shape)}, the model needs {list(wanted.shape)}",
                where=str(entry.file),
                fix="config.json and weights belong to different models",
            )
    if missing:
        raise CheckpointError(
            f"{len(missing)} parameters are missing: {', '.join(_readable(n) for n in missing[:3])}"
            + (" ..." if missing[3:] else ""),
            where=str(folder),
            fix="fetch all shards; for a plain Qwen2.5-VL folder give the geometry encoder with --geometry",
        )
    return fresh


def _readable(name: str) -> str:
    return name.removeprefix(BACKBONE)


def _new_weights(
    empty: VGLLM, names: list[str], device: torch.device, dtype: torch.dtype, seed: int
) -> dict[str, Tensor]:
    """Draw what no file has, as published training does: matrices from N(0, 0.02), biases 0, norms 1."""
    generator = torch.Generator().manual_seed(seed)
    shapes = empty.state_dict()
    fresh = {}
    for name in names:
        shape = shapes[name].shape
        if name.endswith(("weight_2d", "weight_3d")):
            value = torch.full(shape, 0.5)
        elif len(shape) > 1:
            value = torch.randn(shape, generator=generator) * 0.02
        else:
            value = torch.zeros(shape) if name.endswith("bias") else torch.ones(shape)
        fresh[name] = value.to(device, dtype)
    return fresh


def _attach(model: VGLLM, tensors: dict[str, Tensor]) -> None:
    """Put tensors in place of the meta parameters outside the backbone."""
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    for part in ("geometry_encoder", "geometry_merger", "feature_fusion"):
        module: nn.Module | None = getattr(model, part, None)
        if module is None:
            continue
        own = {n.removeprefix(f"{part}."): t for n, t in tensors.items() if n.startswith(f"{part}.")}
        module.load_state_dict(own, assign=True, strict=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)
