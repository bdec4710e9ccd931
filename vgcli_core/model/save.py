"""Write a model in our own form: weights named as in generation 2, and vgllm.json for what config.json cannot say."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from vgcli_core.atomic import atomic_folder
from vgcli_core.model.config import CONFIG_NAME
from vgcli_core.model.layouts import OUTPUT_HEAD, to_published
from vgcli_core.model.vgllm import VGLLM


def save_model(model: VGLLM, folder: str | Path, *, tokenizer: Any = None, max_shard_size: str = "5GB") -> Path:
    """Write our own form into a new folder: generation-2 names in safetensors, config.json, vgllm.json, tokenizer.

    The folder appears under its name only when it is complete. Loading it gives the same model, bit for bit.

    Raises:
        OutputError: the folder exists and is not empty, or cannot be written.
    """
    from huggingface_hub import save_torch_state_dict

    folder = Path(folder)
    tensors = {
        to_published(name, model.config.geometry_encoder): tensor.detach()
        for name, tensor in model.state_dict().items()
        if not (name == OUTPUT_HEAD and model.backbone.tied)
    }
    config = model.config.model_copy(update={"geometry": model.geometry_encoder.config.model_dump()})
    with atomic_folder(folder) as temporary:
        try:
            save_torch_state_dict(tensors, temporary, max_shard_size=max_shard_size)
        except SafetensorError as error:  # how the writer reports a full disk
            raise OSError(str(error)) from error
        for name, text in (
            ("config.json", json.dumps(_backbone_config(model), indent=2)),
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


def _backbone_config(model: VGLLM) -> dict[str, Any]:
    """Return config.json: the backbone's, in the form of the installed transformers, and the switches for geometry."""
    plain: dict[str, Any] = json.loads(model.backbone.model.config.to_json_string(use_diff=False))
    plain["dtype"] = str(model.backbone.model.dtype).removeprefix("torch.")
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
