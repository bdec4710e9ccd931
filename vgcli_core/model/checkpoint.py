"""Load whole models: every parameter of every file is accounted for, or the load is refused.

Four sources, told apart by the names of their weights (layouts.py): published folders of both generations, a plain
Qwen2.5-VL folder with or without a geometry encoder beside it, and our own form: generation-2 names plus `vgllm.json`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vgcli_core.errors import CheckpointError, ResourceError, VgllmError, first_line
from vgcli_core.geometry.boxes import EulerConvention
from vgcli_core.model.accounting import Account, Source, account_for, reading
from vgcli_core.model.backbones import get_backbone
from vgcli_core.model.config import ModelConfig
from vgcli_core.model.config_files import read_generation_config, read_model_config, with_encoder_of
from vgcli_core.model.conventions import Conventions, conventions_of
from vgcli_core.model.device import choose_placement
from vgcli_core.model.elsewhere import ENCODER, Elsewhere, find_encoder, read_elsewhere, verify
from vgcli_core.model.layouts import BACKBONE, OUTPUT_HEAD, Layout, recognise, recognise_encoder, to_ours
from vgcli_core.model.patch_positions import POSITIONS
from vgcli_core.model.quiet import quiet_libraries
from vgcli_core.model.vgllm import VGLLM, build_empty
from vgcli_core.model.weights import WeightFiles, read_json
from vgcli_core.text.prompts import PromptRevision


@dataclass(frozen=True, slots=True)
class Options:
    """How to load: `auto` decides; a convention that is stated outranks what the checkpoint says.

    `around` are fields of ModelConfig for what is built anew around a plain backbone: fusion, merger, reference frame.
    `geometry=False` leaves out whatever the checkpoint has of it and gives the plain backbone. `patch_positions` adds
    their code where the checkpoint has none. `blind` gives a model that sees nothing, without `geometry`. `offline`
    looks for the encoder of a compact checkpoint on this machine alone.
    """

    device: str = "auto"
    dtype: str = "auto"
    attention: str = "auto"
    device_map: str | None = None
    euler_convention: EulerConvention | None = None
    prompt_revision: PromptRevision | None = None
    geometry_sizes: dict[str, Any] | None = None
    around: Mapping[str, Any] = field(default_factory=dict)
    geometry: bool = True
    patch_positions: bool = False
    blind: bool = False
    offline: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was loaded from where (None: built in memory); `left_out` counts parameters not used, by reason.

    Where neither device nor dtype changes, weights stay mapped from their files: replace a file, never overwrite it.
    """

    path: Path | None
    layout: Layout
    parameters: int
    left_out: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint whose every name is accounted for, and of which no tensor has been read.

    Attributes:
        config: of the model, its conventions worked out.
        plain: its config.json.
        layout: of its weights.
        empty: the model without memory: names and shapes.
        files: the checkpoint's.
        extra: those of a geometry encoder beside it, if any.
        elsewhere: what a compact checkpoint says of that encoder; None for others.
        account: which tensor of which file becomes which parameter.
        notes: for the user.
    """

    config: ModelConfig
    plain: dict[str, Any]
    layout: Layout
    empty: VGLLM
    files: WeightFiles
    extra: WeightFiles | None
    elsewhere: Elsewhere | None
    account: Account
    notes: tuple[str, ...]

    @property
    def saved_dtype(self) -> str:
        """The dtype that config.json states, as torch spells it."""
        return str(self.plain.get("dtype") or self.plain.get("torch_dtype") or "bfloat16")

    def verify_encoder(self, read: Callable[[Source], Tensor]) -> None:
        """Make sure that the encoder beside a compact checkpoint is its own. Raises CheckpointError."""
        if self.elsewhere is not None and self.extra is not None:
            verify(self.elsewhere, self.account.sources, read, where=self.extra.path)


def open_checkpoint(
    folder: Path, options: Options = Options(), *, name: str = "", geometry: Path | None = None
) -> Opened:
    """Read what a checkpoint says of itself, and the names and shapes of its weights; nothing else of them.

    Args:
        folder: config.json and weights, in any of the four forms.
        options: see `load_model`; where the model goes does not matter here.
        name: the hub name it was fetched by, by which published checkpoints are known; empty for a folder.
        geometry: see `load_model`.

    Raises:
        CheckpointError: missing, unexpected or mis-shaped weights, or a configuration that does not fit them.
    """
    plain = read_json(folder / "config.json")
    elsewhere = read_elsewhere(folder) if options.geometry else None
    if elsewhere is not None and geometry is None:
        geometry = find_encoder(elsewhere, folder, offline=options.offline)
    files = WeightFiles(folder)
    layout = recognise(files.entries, where=str(folder))
    extra = WeightFiles(geometry) if geometry is not None else None
    extra_kind = recognise_encoder(extra.entries, where=str(geometry)) if extra is not None else None
    config, notes = read_model_config(
        folder, plain, layout, keys=list(files.entries), extra_kind=extra_kind, sizes=options.geometry_sizes
    )
    joins = layout == "plain" and extra_kind is not None
    if joins:
        config = config.model_copy(update=dict(options.around))
    if geometry is not None and options.geometry_sizes is None:
        config = with_encoder_of(config, geometry, joins=joins)
    new_positions = options.patch_positions and not config.patch_positions
    config = _with_parts(config, options)
    conventions, remarks = conventions_of(
        name,
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
            f"config.json does not describe a model: {first_line(error)}",
            where=str(folder / "config.json"),
            fix="use the file that came with the weights",
        ) from error
    account = account_for(
        empty, files, layout, extra, without_geometry=not options.geometry, new_positions=new_positions
    )
    if elsewhere is not None:
        encoder = {name: one for name, one in account.sources.items() if name.startswith(ENCODER)}
        account.sources |= {name: replace(one, dtype=elsewhere.torch_dtype) for name, one in encoder.items()}
    return Opened(config, plain, layout, empty, files, extra, elsewhere, account, (*notes, *account.notes, *remarks))


def load_model(
    folder: Path, options: Options = Options(), *, name: str = "", geometry: Path | None = None
) -> tuple[VGLLM, LoadReport]:
    """Load a model in evaluation mode.

    Args:
        folder: config.json and weights, in any of the four forms.
        options: device, dtype and so on.
        name: the hub name it was fetched by, by which published checkpoints are known; empty for a folder.
        geometry: a folder or file with weights of VGGT or Pi3, alone or in a whole VG-LLM: the encoder joins a plain
            backbone, or replaces the one inside.

    Raises:
        CheckpointError: missing, unexpected, mis-shaped or unreadable weights or configuration; file and key are named.
        ResourceError: the device is missing or too small.
    """
    opened = open_checkpoint(folder, options, name=name, geometry=geometry)
    config, empty, account, notes = opened.config, opened.empty, opened.account, opened.notes
    generation = read_generation_config(folder)
    parameters = sum(p.numel() for p in empty.parameters())
    placement = choose_placement(
        device=options.device,
        dtype=options.dtype,
        attention=options.attention,
        device_map=options.device_map,
        parameters=parameters,
        saved_dtype=opened.saved_dtype,
    )
    with quiet_libraries(), reading({source.files for source in account.sources.values()}) as read:
        opened.verify_encoder(read)
        tensors = {ours: read(source) for ours, source in account.sources.items()}
        backbone = get_backbone(config.backbone).from_tensors(
            get_backbone(config.backbone).read_config(opened.plain),
            {n.removeprefix(BACKBONE): t for n, t in tensors.items() if n.startswith(BACKBONE)},
            dtype=placement.dtype,
            device_map=placement.device_map or {"": placement.device},
            attention=placement.attention,
        )
        with torch.device("meta"):
            model = VGLLM(config, backbone)
        rest = {n: t.to(model.device, placement.dtype) for n, t in tensors.items() if not n.startswith(BACKBONE)}
        rest |= _new_weights(empty, account.fresh, model.device, placement.dtype, options.seed)
        _attach(model, rest)
        notes += _tied_head_note(opened, read, model)
    if generation is not None:
        model.backbone.model.generation_config = generation
    if any(p.is_meta for p in model.parameters()):
        raise ResourceError(
            "the model does not fit: some of it would have to stay on the disk or in CPU memory",
            where=f"--device-map {placement.device_map}",
            fix="use more or larger devices, --dtype bfloat16, or --device cpu",
        )
    fusion = [name for name in account.fresh if not name.startswith(POSITIONS)]
    if fusion:
        model.config = model.config.model_copy(update={"untrained": True})
        notes = (f"{len(fusion)} fusion weights are new and untrained: answers mean nothing before training", *notes)
    return model.eval(), LoadReport(folder, opened.layout, parameters, dict(account.left_out), notes)


def _with_parts(config: ModelConfig, options: Options) -> ModelConfig:
    """Return a configuration with the parts that the options want, and without those that they do not."""
    changed: dict[str, Any] = {"patch_positions": True} if options.patch_positions else {}
    if options.blind:
        changed = {"blind": True, "patch_positions": False}
    if not options.geometry:
        changed |= {"geometry_encoder": "none", "geometry": {}}
    return config.model_copy(update=changed)


def _tied_head_note(opened: Opened, read: Callable[[Source], Tensor], model: VGLLM) -> tuple[str, ...]:
    """Say so when a file holds an output head of its own that the configuration ties to the embedding."""
    keys = (k for k in opened.files.entries if to_ours(k, opened.layout).name == OUTPUT_HEAD)
    key = next(keys, None)
    if key is None or not model.backbone.tied:
        return ()
    head = read(Source(opened.files, key))
    embedding: Tensor = model.backbone.model.get_input_embeddings().weight.detach().cpu()
    if head.shape == embedding.shape and torch.equal(head.to(embedding.dtype), embedding):
        return ()
    return (f"{key!r} differs from the embedding and is not used: config.json ties the two (tie_word_embeddings)",)


def _recorded(config: ModelConfig) -> Conventions | None:
    if not config.conventions_from:
        return None
    return Conventions(config.euler_convention, config.prompt_revision, config.conventions_from)


def _new_weights(
    empty: VGLLM, names: list[str], device: torch.device, dtype: torch.dtype, seed: int
) -> dict[str, Tensor]:
    """Draw what no file has, as published training does: matrices from N(0, 0.02), biases 0, norms 1; positions 0."""
    generator = torch.Generator().manual_seed(seed)
    shapes = empty.state_dict()
    fresh = {}
    for name in names:
        shape = shapes[name].shape
        if name.startswith(POSITIONS):
            value = torch.zeros(shape)
        elif name.endswith(("weight_2d", "weight_3d")):
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
    for part in ("geometry_encoder", "geometry_merger", "feature_fusion", "patch_positions"):
        module: nn.Module | None = getattr(model, part, None)
        if module is None:
            continue
        own = {n.removeprefix(f"{part}."): t for n, t in tensors.items() if n.startswith(f"{part}.")}
        module.load_state_dict(own, assign=True, strict=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)
