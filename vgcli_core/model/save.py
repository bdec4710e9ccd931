"""Write a model in our own form: weights named as in generation 2, and vgllm.json for what config.json cannot say."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vgcli_core.atomic import atomic_folder
from vgcli_core.model.config import CONFIG_NAME
from vgcli_core.model.config_files import geometry_keys
from vgcli_core.model.layouts import OUTPUT_HEAD, to_published
from vgcli_core.model.lora import merged_tensors
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
    sizes = {published: _converted(merged.base(name).to("meta"), dtype) for published, name in names.items()}
    with atomic_folder(folder) as temporary:
        write_shards(sizes, lambda key: _converted(merged[names[key]], dtype), temporary, max_shard_size=max_shard_size)
        for name, text in (
            ("config.json", backbone_config(model, dtype or model.backbone.model.dtype)),
            (CONFIG_NAME, own_config(model)),
        ):
            (temporary / name).write_text(text, encoding="utf-8")
        generation = model.backbone.model.generation_config
        if generation is not None:
            # Not save_pretrained, which refuses published files: they ask for a temperature without sampling.
            (temporary / "generation_config.json").write_text(generation.to_json_string(), encoding="utf-8")
        if tokenizer is not None:
            tokenizer.save_pretrained(temporary)
    return folder


def write_shards(
    sizes: Mapping[str, Tensor],
    value: Callable[[str], Tensor],
    folder: Path,
    *,
    max_shard_size: str | int,
    progress: Callable[[str], None] = lambda text: None,
) -> list[str]:
    """Write weights as safetensors, with an index where they are several files; return the names of the weight files.

    Only the tensors of one shard are in memory at a time.

    Args:
        sizes: tensors without memory (meta) by published name: shapes and dtypes decide what goes into which file.
        value: gives a tensor by its published name, of that shape and dtype.
        folder: exists.
        max_shard_size: of one file, in bytes or such as "5GB".
        progress: told what is being done, before each tensor.

    Raises:
        OSError: it cannot be written.
    """
    from huggingface_hub import split_torch_state_dict_into_shards

    plan = split_torch_state_dict_into_shards(dict(sizes), max_shard_size=max_shard_size)
    for number, (file, keys) in enumerate(plan.filename_to_tensors.items(), start=1):
        shard: dict[str, Tensor] = {}
        for key in keys:
            progress(f"weights, file {number} of {len(plan.filename_to_tensors)}")
            shard[key] = value(key).cpu().contiguous()
        write_tensors(shard, folder / file)
    if plan.is_sharded:
        index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
        text = json.dumps(index, indent=2, sort_keys=True) + "\n"
        (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")
    return list(plan.filename_to_tensors)


def own_config(model: VGLLM) -> str:
    """Return the vgllm.json of a model, which may be without memory."""
    config = model.config.model_copy(update={"geometry": model.geometry_encoder.config.model_dump()})
    return config.model_dump_json(indent=2) + "\n"


def backbone_config(model: VGLLM, dtype: torch.dtype) -> str:
    """Return the config.json of a model whose weights are saved in `dtype`.

    It is that of the backbone, in the form of the installed transformers, with the switches for geometry.
    """
    plain: dict[str, Any] = json.loads(model.backbone.model.config.to_json_string(use_diff=False))
    plain["dtype"] = str(dtype).removeprefix("torch.")
    return json.dumps(plain | geometry_keys(model.config, "generation-2"), indent=2) + "\n"


def _converted(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    return tensor if dtype is None or not tensor.is_floating_point() else tensor.to(dtype)
