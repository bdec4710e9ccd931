"""Where a run starts: the weights its recipe names, each part in the dtype it is trained or kept in.

Weights are mapped from their files, converted one parameter at a time, and moved: no device ever holds two copies.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from vgcli_core.errors import UsageError
from vgcli_core.model.branching import PIECEWISE
from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.config import ModelConfig
from vgcli_core.model.config_files import read_model_config
from vgcli_core.model.device import choose_attention
from vgcli_core.model.hub import checkpoint_folder
from vgcli_core.model.layouts import recognise, recognise_encoder
from vgcli_core.model.machine import source_of
from vgcli_core.model.processor import Processor
from vgcli_core.model.small import fresh_weights, small_model
from vgcli_core.model.tiny import tiny_model
from vgcli_core.model.tokenizer import load_tokenizer
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.model.weights import WeightFiles, read_json
from vgcli_core.training.parts import learns
from vgcli_core.training.recipe import Recipe, Start, Trained

TINY, SMALL = "tiny", "small"
RANDOM = "random"
NEW: Mapping[str, Callable[..., tuple[VGLLM, Any]]] = {TINY: tiny_model, SMALL: small_model}
"""Models that are drawn from the recipe's seed."""


@dataclass(frozen=True, slots=True)
class Started:
    """A model ready to be trained, but for the choice of its parts.

    Attributes:
        model: on its device, in evaluation mode.
        processor: for its frame width.
        tokenizer: saved with the model.
        notes: what the user should know of the load.
        source: names, folders, revisions and checksums of the weights, for the run's record.
    """

    model: VGLLM
    processor: Processor
    tokenizer: Any
    notes: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)


def start(
    recipe: Recipe,
    *,
    device: torch.device,
    offline: bool = False,
    master: bool = True,
    sizes: dict[str, Any] | None = None,
) -> Started:
    """Load or build the model that `recipe.start` describes.

    Args:
        recipe: `start`, `trained`, `run.precision` and `seed` of it matter here.
        device: where the model goes.
        offline: use only what is on this machine.
        master: trained parameters are float32; with False they are of the run's precision, where another keeps masters.
        sizes: of the geometry encoder, where they are not the published ones and no file says so.

    Raises:
        CheckpointError: weights or configuration that are missing, damaged, or do not fit together.
        ResourceError: too little memory.
        UsageError: the recipe says something else of the model than its checkpoint.
    """
    given = recipe.start
    half = recipe.run.precision == "bf16"
    if given.weights in NEW:
        model, tokenizer = build_new(given, seed=recipe.seed)
        notes: tuple[str, ...] = ()
        source: dict[str, Any] = {"weights": {"name": given.weights, "seed": recipe.seed}}
    else:
        model, tokenizer, notes, source = _load(recipe, offline=offline, sizes=sizes)
    model.config = model.config.model_copy(
        update={
            "frame_width": given.frame_width,
            "euler_convention": "ZXY",
            "prompt_revision": 2,
            "conventions_from": "trained on data prepared by vgllm",
            "untrained": False,
            "num_frames": _num_frames(recipe),
        }
    )
    precision = torch.bfloat16 if half else torch.float32
    model.backbone.model.set_attn_implementation(_attention(recipe, device, precision))
    _place(model, recipe.trained, device, frozen=precision, trained=torch.float32 if master else precision)
    model.feature_dtype = precision
    return Started(model, Processor(tokenizer, frame_width=given.frame_width), tokenizer, notes, source)


def build_new(given: Start, *, seed: int = 0) -> tuple[VGLLM, Any]:
    """Build the model that `given.weights`, a key of NEW, names, and its tokenizer.

    Raises:
        UsageError: the recipe says of it what it has not. Defaults, which are those of published weights, say nothing.
    """
    if given.geometry_weights not in (None, RANDOM, Start().geometry_weights):
        raise UsageError(
            f"{given.weights} draws all of its weights, and the recipe names {given.geometry_weights}",
            where="start.geometry_weights",
            fix="set it to null, or start from a folder: that of a finished run holds its model",
        )
    choices = _choices(given)
    if given.patch_positions or given.blind:
        choices |= {"patch_positions": given.patch_positions, "blind": given.blind}
    model, tokenizer = NEW[given.weights](seed=seed, frame_width=given.frame_width, **choices)
    if model.has_geometry and given.merger_hidden not in (model.config.merger_hidden, Start().merger_hidden):
        raise _contradiction("merger_hidden", given.merger_hidden, given.weights, model.config.merger_hidden)
    return model, tokenizer


def _draw_encoder(model: VGLLM, seed: int) -> None:
    """Give the geometry encoder weights that were never trained, in memory of their own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for parameter in model.geometry_encoder.parameters():
            parameter.data = torch.empty(parameter.shape)
        fresh_weights(model.geometry_encoder)


def _attention(recipe: Recipe, device: torch.device, precision: torch.dtype) -> str:
    """Return transformers' name of an attention backend."""
    if recipe.batch.questions > 1 and recipe.start.attention in ("auto", "sdpa"):
        return PIECEWISE  # torch's own too, and flash-attn cannot run rows that share their frames
    return choose_attention(recipe.start.attention, device, precision)


def _num_frames(recipe: Recipe) -> int | None:
    """Return how many frames all samples have, None where the recipe does not say or they differ."""
    counts = {one.num_frames for one in recipe.data.sets.values()}
    return counts.pop() if len(counts) == 1 else None


def _choices(given: Start) -> dict[str, Any]:
    """Return what the recipe says of the parts around a backbone, as fields of ModelConfig."""
    names = ("geometry_encoder", "fusion", "fusion_layers", "merger", "reference_frame")
    return {name: getattr(given, name) for name in names}


def _load(
    recipe: Recipe, *, offline: bool, sizes: dict[str, Any] | None
) -> tuple[VGLLM, Any, tuple[str, ...], dict[str, Any]]:
    given = recipe.start
    folder = checkpoint_folder(given.weights, offline=offline)
    plain = read_json(folder / "config.json")
    tokenizer = load_tokenizer(folder)
    source = {"weights": source_of(given.weights, folder)}
    found = _found(folder, plain)
    if found.blind and not given.blind:
        raise _contradiction("blind", "false", given.weights, "true")
    notes: tuple[str, ...] = ()
    encoder = None
    drawn = given.geometry_encoder != "none" and given.geometry_weights == RANDOM
    if given.geometry_encoder == "none" and found.geometry_encoder != "none":
        notes = (
            f"start.geometry_encoder is none: the geometry of {given.weights} ({found.geometry_encoder}) is left out",
        )
    elif given.geometry_encoder != "none":
        if found.geometry_encoder != "none":
            _check_agreement(given, found)
        elif given.geometry_weights in (None, RANDOM):
            raise UsageError(
                f"{given.weights} holds no geometry encoder",
                where="start.geometry_weights",
                fix="name weights of VGGT or Pi3 there, or set start.geometry_encoder to none",
            )
        if drawn:
            source["geometry_weights"] = {"name": RANDOM, "seed": recipe.seed}
            notes = ("the weights of the geometry encoder are random: start.geometry_weights says so",)
        elif given.geometry_weights is not None:
            encoder = checkpoint_folder(given.geometry_weights, offline=offline)
            kind = recognise_encoder(WeightFiles(encoder).entries, where=str(encoder))
            if kind != given.geometry_encoder:
                raise _contradiction("geometry_encoder", given.geometry_encoder, given.geometry_weights, kind)
            source["geometry_weights"] = source_of(given.geometry_weights, encoder)
    saved = str(plain.get("dtype") or plain.get("torch_dtype") or "bfloat16")
    options = Options(
        device="cpu",
        # As saved, so that weights stay mapped; rounded only where the run itself is.
        dtype=saved if recipe.run.precision == "bf16" else "float32",
        attention="sdpa",
        euler_convention="ZXY",
        prompt_revision=2,
        geometry_sizes=sizes,
        around={**_choices(given), "merger_hidden": given.merger_hidden, "geometry": sizes or {}},
        geometry=given.geometry_encoder != "none",
        patch_positions=given.patch_positions,
        blind=given.blind,
        seed=recipe.seed,
    )
    model, report = load_model(folder, options, geometry=encoder)
    if drawn:
        _draw_encoder(model, recipe.seed)
    return model, tokenizer, (*notes, *report.notes), source


def _found(folder: Path, plain: dict[str, Any]) -> ModelConfig:
    """Return what a checkpoint says of itself; only the heads of its files are read."""
    keys = list(WeightFiles(folder).entries)
    layout = recognise(keys, where=str(folder))
    return read_model_config(folder, plain, layout, keys=keys, extra_kind=None, sizes=None)[0]


def _check_agreement(given: Start, found: ModelConfig) -> None:
    """Refuse a recipe that describes another model than its checkpoint."""
    names = ["geometry_encoder", "fusion", "merger", "merger_hidden", "reference_frame"]
    for name in names + ["fusion_layers"] * (given.fusion == "cross_attention"):
        if getattr(given, name) != getattr(found, name):
            raise _contradiction(name, getattr(given, name), given.weights, getattr(found, name))


def _contradiction(key: str, wanted: object, name: str, found: object) -> UsageError:
    return UsageError(
        f"the recipe says {wanted}, and {name} has {found}",
        where=f"start.{key}",
        fix=f"set start.{key} to {found}, or start from other weights",
    )


def _place(model: VGLLM, choice: Trained, device: torch.device, *, frozen: torch.dtype, trained: torch.dtype) -> None:
    """Convert and move parameter by parameter; buffers (rotary frequencies) stay float32. Tied weights stay tied."""
    for name, parameter in model.named_parameters():
        own = learns(name, choice)
        # A copy of what is trained: a mapped file must not see the optimiser's writes.
        parameter.data = parameter.data.to(device, trained if own else frozen, copy=own)
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            module._buffers[name] = buffer.to(device)
