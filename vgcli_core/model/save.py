"""Write a model in our own form: weights named as in generation 2, and vgllm.json for what config.json cannot say."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vgcli_core.atomic import atomic_folder
from vgcli_core.model.config import CONFIG_NAME
from vgcli_core.model.layouts import OUTPUT_HEAD, to_published
from vgcli_core.model.lora import MergedTensors, merged_tensors
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.model.weights import write_tensors


def save_model(
    model: VGLLM,
    folder: str | Path,
    *,
    tokenizer: Any = None,
    tensors: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype | None = None,
    max_shard_size: str = "5GB",
) -> Path:
    """Write our own form into a new folder: generation-2 names in safetensors, config.json, vgllm.json, tokenizer.

    The folder appears under its name only when it is complete. Loading it gives the same model, bit for bit; adapters
    are added to the weights they belong to. Only the tensors of one shard are converted and in CPU memory at a time.

    Args:
        model: to save; it is not changed.
        folder: to write.
        tokenizer: saved beside it, where given.
        tensors: values instead of the model's own, gathered from several processes: by their names in `state_dict()`,
            or by their ordinary names with the adapters added.
        dtype: of the floating-point tensors in the files; as they are where None.
        max_shard_size: of one file.

    Raises:
        OutputError: the folder exists and is not empty, or cannot be written.
    """
    folder = Path(folder)
    merged = merged_tensors(model, tensors)
    names = {
        to_published(name, model.config.geometry_encoder): name
        for name in merged
        if not (name == OUTPUT_HEAD and model.backbone.tied)
    }
    config = model.config.model_copy(update={"geometry": model.geometry_encoder.config.model_dump()})
    with atomic_folder(folder) as temporary:
        _write_shards(merged, names, temporary, dtype, max_shard_size)
        for name, text in (
            ("config.json", json.dumps(_backbone_config(model, dtype), indent=2)),
            (CONFIG_NAME, config.model_dump_json(indent=2)),
        ):
            (temporary / name).write_text(text + "\n", encoding="utf-8")
        generation = model.backbone.model.generation_config
        if generation is not None:
            # Not save_pretrained, which refuses published files: they ask for a temperature without sampling.
            (temporary / "generation_config.json").write_text(generation.to_json_string(), encoding="utf-8")
        if tokenizer is not None:
            tokenizer.save_pretrained(temporary)
    return folder


def _write_shards(
    merged: MergedTensors, names: Mapping[str, str], folder: Path, dtype: torch.dtype | None, max_shard_size: str
) -> None:
    from huggingface_hub import split_torch_state_dict_into_shards

    # Planned with tensors that take no memory: names and shapes decide.
    sizes = {published: _converted(merged.base(name).to("meta"), dtype) for published, name in names.items()}
    plan = split_torch_state_dict_into_shards(sizes, max_shard_size=max_shard_size)
    for file, keys in plan.filename_to_tensors.items():
        shard = {key: _converted(merged[names[key]], dtype).cpu().contiguous() for key in keys}
        write_tensors(shard, folder / file)
    if plan.is_sharded:
        index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
        text = json.dumps(index, indent=2, sort_keys=True) + "\n"
        (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")


def _converted(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    return tensor if dtype is None or not tensor.is_floating_point() else tensor.to(dtype)


def _backbone_config(model: VGLLM, dtype: torch.dtype | None) -> dict[str, Any]:
    """Return config.json: the backbone's, in the form of the installed transformers, and the switches for geometry."""
    plain: dict[str, Any] = json.loads(model.backbone.model.config.to_json_string(use_diff=False))
    plain["dtype"] = str(dtype or model.backbone.model.dtype).removeprefix("torch.")
    config = model.config
    if model.has_geometry:
        plain |= {
            "use_geometry_encoder": True,
            "geometry_encoder_type": config.geometry_encoder,
            "feature_fusion_method": config.fusion,
            "fusion_num_layers": config.fusion_layers,
            "fusion_attention_heads": config.fusion_heads,
            "fusion_dropout": config.fusion_dropout,
            "geometry_merger_type": config.merger,
            "geometry_merger_hidden_dim": config.merger_hidden,
            "reference_frame": config.reference_frame,
        }
    return plain
