"""The published backbones by hub name: what defines their sizes, so that a forecast needs neither files nor network."""

from typing import Any

_COMMON: dict[str, Any] = {
    "model_type": "qwen2_5_vl",
    "max_position_embeddings": 128000,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
    "image_token_id": 151655,
}
_VISION: dict[str, Any] = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "in_chans": 3,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
# What defines the sizes in the config.json of the published backbones.
PUBLISHED: dict[str, dict[str, Any]] = {
    "Qwen/Qwen2.5-VL-3B-Instruct": _COMMON
    | {
        "vocab_size": 151936,
        "hidden_size": 2048,
        "intermediate_size": 11008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
        "vision_config": _VISION | {"out_hidden_size": 2048},
    },
    "Qwen/Qwen2.5-VL-7B-Instruct": _COMMON
    | {
        "vocab_size": 152064,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "tie_word_embeddings": False,
        "vision_config": _VISION | {"out_hidden_size": 3584},
    },
}
