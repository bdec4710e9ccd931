"""Write a model in our own form, which is also a generation-2 folder that published code finds its way in."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from vgcli_core.errors import OutputError
from vgcli_core.model.config import CONFIG_NAME
from vgcli_core.model.layouts import OUTPUT_HEAD, to_published
from vgcli_core.model.vgllm import VGLLM


def save_model(model: VGLLM, folder: Path, *, tokenizer: Any = None, max_shard_size: str = "5GB") -> Path:
    """Write our own form into a new folder: generation-2 names in safetensors, config.json, vgllm.json, tokenizer.

    The folder appears under its name only when it is complete. Loading it gives the same model, bit for bit.

    Raises:
        OutputError: the folder exists and is not empty, or cannot be written.
    """
    from huggingface_hub import save_torch_state_dict

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(
            f"{folder.name} exists and is not empty", where=str(folder), fix="choose another folder, or remove this one"
        )
    tensors = {
        to_published(name, model.config.geometry_encoder): tensor.detach()
        for name, tensor in model.state_dict().items()
        if not (name == OUTPUT_HEAD and model.backbone.tied)
    }
    config = model.config.model_copy(update={"geometry": model.geometry_encoder.config.model_dump()})
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        save_torch_state_dict(tensors, temporary, max_shard_size=max_shard_size)
        backbone = _backbone_config(model)
        (temporary / "config.json").write_text(json.dumps(backbone, indent=2) + "\n", encoding="utf-8")
        (temporary / CONFIG_NAME).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        if model.backbone.model.generation_config is not None:
            model.backbone.model.generation_config.save_pretrained(temporary)
        if tokenizer is not None:
            tokenizer.save_pretrained(temporary)
        if folder.exists():
            folder.rmdir()
        temporary.chmod(0o755)
        temporary.replace(folder)
    except OSError as error:
        raise OutputError(
            f"cannot write {folder.name}: {error.strerror or error}",
            where=str(folder),
            fix="free some space or choose another folder; nothing was left half-written",
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _backbone_config(model: VGLLM) -> dict[str, Any]:
    """Return config.json: the backbone's, with the switches by which published code finds the geometry encoder."""
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
