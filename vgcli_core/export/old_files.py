"""Tokenizer and image processor as the published code's libraries read them (transformers 4.50).

Newer versions write a shorter tokenizer_config.json, which older ones fail on, and neither vocab.json nor merges.txt,
which their slow tokenizer needs. All of it is in tokenizer.json.
"""

import json
from pathlib import Path
from typing import Any

from vgcli_core.model.pixels import CLIP_MEAN, CLIP_STD, MERGE, PATCH, TEMPORAL
from vgcli_core.model.weights import read_json

_TOKENIZER, _PROCESSOR, _TEMPLATE = "tokenizer_config.json", "preprocessor_config.json", "chat_template"
_OF_A_TOKEN = ("lstrip", "normalized", "rstrip", "single_word", "special")
# Limits of a picture in published training. Frames of its width are within them, so that none is resized again.
_PIXELS = {"min_pixels": 16 * 28 * 28, "max_pixels": 576 * 28 * 28}


def old_files(folder: Path) -> dict[str, str]:
    """Return the files that the folder of a checkpoint lacks for the published code, or has in a newer form, by name.

    Args:
        folder: with tokenizer.json and tokenizer_config.json, or with the older files.
    """
    found = {}
    if not (folder / _PROCESSOR).is_file():
        found[_PROCESSOR] = _json(_processor())
    template = _template(folder)
    if template and not (folder / f"{_TEMPLATE}.json").is_file():
        found[f"{_TEMPLATE}.json"] = _json({_TEMPLATE: template})
    config = read_json(folder / _TOKENIZER) if (folder / _TOKENIZER).is_file() else {}
    if (folder / "tokenizer.json").is_file() and "added_tokens_decoder" not in config:
        found |= _tokenizer(config, read_json(folder / "tokenizer.json"), template)
    return found


def _tokenizer(config: dict[str, Any], whole: dict[str, Any], template: str) -> dict[str, str]:
    tokens = {token["content"]: token for token in whole["added_tokens"]}
    decoder = {
        str(token["id"]): {"content": name, **{key: token[key] for key in _OF_A_TOKEN}}
        for name, token in tokens.items()
    }
    extra = config.get("extra_special_tokens") or [name for name, token in tokens.items() if token["special"]]
    ends = {key: config.get(key) for key in ("bos_token", "eos_token", "pad_token", "unk_token")}
    special = [name for name in extra if name not in (ends["pad_token"],)]
    old = {
        "added_tokens_decoder": decoder,
        "additional_special_tokens": special,
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        "model_max_length": config.get("model_max_length"),
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        **ends,
        **({_TEMPLATE: template} if template else {}),
    }
    model = whole["model"]
    pairs = [one if isinstance(one, str) else " ".join(one) for one in model["merges"]]
    return {
        _TOKENIZER: _json(old),
        "special_tokens_map.json": _json(
            {"additional_special_tokens": special, **{key: name for key, name in ends.items() if name}}
        ),
        "added_tokens.json": _json({name: token["id"] for name, token in tokens.items()}),
        "vocab.json": json.dumps(model["vocab"], ensure_ascii=False),
        "merges.txt": "\n".join(["#version: 0.2", *pairs]) + "\n",
    }


def _template(folder: Path) -> str:
    """Return the chat template that newer versions keep in a file of its own, "" where there is none."""
    path = folder / f"{_TEMPLATE}.jinja"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _processor() -> dict[str, Any]:
    return {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": list(CLIP_MEAN),
        "image_processor_type": "Qwen2VLImageProcessor",
        "image_std": list(CLIP_STD),
        "merge_size": MERGE,
        "patch_size": PATCH,
        "processor_class": "Qwen2_5_VLProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": _PIXELS["min_pixels"], "longest_edge": _PIXELS["max_pixels"]},
        "temporal_patch_size": TEMPORAL,
        **_PIXELS,
    }


def _json(plain: dict[str, Any]) -> str:
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"
