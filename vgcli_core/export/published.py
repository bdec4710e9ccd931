"""The published folder layouts: what they can hold, their config.json, and the unused heads that belong to them.

Our names become published ones by the tables that reading uses (model/layouts.py, model/config_files.py), the other way
round. A folder also gets our vgllm.json, which the published code does not look at: it says what a layout cannot.
"""

import json
from typing import Any, Literal

import torch

from vgcli_core.errors import CheckpointError
from vgcli_core.model.accounting import Source
from vgcli_core.model.checkpoint import Opened
from vgcli_core.model.config import ModelConfig
from vgcli_core.model.config_files import geometry_keys
from vgcli_core.model.geometry_encoders import get_geometry_encoder
from vgcli_core.model.layouts import Layout, heads, recognise, recognise_encoder, to_published, within_encoder
from vgcli_core.model.weights import FLOATS, WeightFiles

Published = Literal["generation-1", "generation-2"]

_ARCHITECTURE = "Qwen2_5_VLForConditionalGenerationWithVGGT"
# What a generation-1 model is, whatever it is called in a configuration.
_GENERATION_1 = {"geometry_encoder": "vggt", "fusion": "add", "merger": "mlp"}
_OURS = "--format vgllm, our own form, which holds everything"

# config.json of transformers 4.50, the version of the published code, is flat: entries of the language model, of the
# whole, and of the 2D tower.
_TEXT = (
    *("attention_dropout", "bos_token_id", "eos_token_id", "hidden_act", "hidden_size", "initializer_range"),
    *("intermediate_size", "max_position_embeddings", "max_window_layers", "num_attention_heads"),
    *("num_hidden_layers", "num_key_value_heads", "rms_norm_eps", "use_sliding_window", "vocab_size"),
)
_WHOLE = (
    *("image_token_id", "tie_word_embeddings", "video_token_id", "vision_end_token_id", "vision_start_token_id"),
    "vision_token_id",
)
_VISION = (
    *("depth", "fullatt_block_indexes", "hidden_act", "hidden_size", "intermediate_size", "num_heads"),
    *("out_hidden_size", "patch_size", "spatial_merge_size", "temporal_patch_size", "tokens_per_second"),
    "window_size",
)
# Of both published backbones. Newer transformers forget it where `use_sliding_window` is false, and nothing reads it.
_SLIDING_WINDOW = 32768


def refuse_unfit(opened: Opened, layout: Published, *, any_size: bool = False) -> None:
    """Refuse a model that the published code of a generation cannot run as it was trained.

    Args:
        opened: the checkpoint.
        layout: to write.
        any_size: the caller answers for sizes that the published code does not have.

    Raises:
        CheckpointError: it has a part, a setting or a size that the layout has no place for.
    """
    config = opened.config
    problem = ""
    if config.blind:
        problem = "the model is blind: it sees nothing"
    elif config.geometry_encoder == "none":
        problem = "the checkpoint has no geometry encoder"
    elif config.patch_positions:
        problem = "image tokens carry a code of their places (patch_positions)"
    elif layout == "generation-1" and any(getattr(config, key) != value for key, value in _GENERATION_1.items()):
        found = ", ".join(f"{key} {getattr(config, key)}" for key in _GENERATION_1)
        problem = f"generation 1 has {', '.join(f'{k} {v}' for k, v in _GENERATION_1.items())}; this is {found}"
    elif not any_size:
        problem = _size(config)
    if problem:
        fix = f"{_OURS}, or --format generation-2" if problem.startswith("generation 1") else _OURS
        raise CheckpointError(f"{layout} cannot hold this checkpoint: {problem}", where=str(opened.files.path), fix=fix)


def published_config(opened: Opened, layout: Published, dtype: torch.dtype) -> str:
    """Return the config.json that published training would write of this model, with weights in `dtype`."""
    whole = opened.empty.backbone.model.config
    text, vision = whole.text_config, whole.vision_config
    rope = dict(text.rope_parameters)
    tower = {key: getattr(vision, key) for key in _VISION}
    tower |= {"model_type": "qwen2_5_vl", "in_channels": vision.in_channels, "in_chans": vision.in_channels}
    tower["spatial_patch_size"] = getattr(vision, "spatial_patch_size", vision.patch_size)
    plain: dict[str, Any] = {key: getattr(text, key) for key in _TEXT}
    plain |= {key: getattr(whole, key) for key in _WHOLE if hasattr(whole, key)}
    plain |= {
        "architectures": [_ARCHITECTURE],
        "model_type": "qwen2_5_vl",
        "torch_dtype": str(dtype).removeprefix("torch."),
        "transformers_version": "4.50.0",
        "use_cache": True,
        "sliding_window": text.sliding_window or _SLIDING_WINDOW,
        "rope_theta": rope["rope_theta"],
        "rope_scaling": {"mrope_section": rope["mrope_section"], "rope_type": "default", "type": "default"},
        "vision_config": tower,
    }
    plain |= geometry_keys(opened.config, layout, all_of_them=False)
    if layout == "generation-1":
        plain["use_dense_supervision"] = False
    return json.dumps(plain, indent=2, sort_keys=True) + "\n"


def head_sources(opened: Opened, layout: Published, given: WeightFiles | None) -> dict[str, Source]:
    """Return the heads that belong to a layout, by published name: of `given`, else from where the encoder comes.

    Args:
        opened: the checkpoint.
        layout: to write.
        given: files of the encoder alone or of a VG-LLM.

    Raises:
        CheckpointError: they are nowhere, of another encoder, or incomplete.
    """
    kind = opened.config.geometry_encoder
    wanted = heads(layout, kind)
    if not wanted:
        return {}
    files = given or opened.extra or opened.files
    if given is not None and (found := recognise_encoder(given.entries, where=str(given.path))) != kind:
        raise CheckpointError(
            f"these are heads of {found}, and the model has {kind}", where=str(given.path), fix=_give(kind)
        )
    of: Layout = recognise(files.entries)
    names = {key: within_encoder(key, kind, of) for key in files.entries}
    kept = {key: name for key, name in names.items() if name is not None and name.startswith(wanted)}
    lacking = [start for start in wanted if not any(name.startswith(start) for name in kept.values())]
    if lacking:
        raise CheckpointError(
            f"{layout} also holds heads of {kind} that nothing uses, and there is no {lacking[0].rstrip('.')!r}",
            where=str(files.path),
            fix=_give(kind),
        )
    odd = next((key for key in kept if files.entries[key].dtype not in FLOATS), None)
    if odd is not None:
        what = f"{odd!r} has type {files.entries[odd].dtype}, and weights must be floating point"
        raise CheckpointError(what, where=str(files.path), fix=_give(kind))
    return {to_published(f"geometry_encoder.{name}", kind, layout): Source(files, key) for key, name in kept.items()}


def _give(kind: str) -> str:
    name = {"vggt": "facebook/VGGT-1B", "pi3": "Pi3"}[kind]
    return f"--heads with the folder or hub name of {name}, or --format vgllm, which has none"


def _size(config: ModelConfig) -> str:
    """Return which size of a model the published code does not have, "" where it has all."""
    sizes = get_geometry_encoder(config.geometry_encoder).Config
    ours, published = sizes.model_validate(config.geometry).model_dump(), sizes().model_dump()
    for key, value in published.items():
        if ours[key] != value:
            return f"its {config.geometry_encoder} has {key} {ours[key]}, and the published code builds it with {value}"
    if config.frame_width != ModelConfig().frame_width:
        return (
            f"it sees frames {config.frame_width} pixels wide, and the published code makes {ModelConfig().frame_width}"
        )
    return ""
