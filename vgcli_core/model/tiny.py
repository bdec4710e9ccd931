"""A tiny random VG-LLM, built in memory in a moment: the real classes at toy sizes, so everything runs offline.

Its weights are drawn from a seed and were never trained: its answers mean nothing, and say so wherever they appear.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from vgcli_core.model.backbones.qwen2_5_vl import Qwen25VL
from vgcli_core.model.config import ModelConfig
from vgcli_core.model.quiet import quiet_libraries
from vgcli_core.model.vgllm import VGLLM, cast_parameters
from vgcli_core.text.prompts import ask_prompt, caption_prompt, detect_prompt, ground_prompt

NAME = "tiny (random, untrained)"

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# Qwen's pre-tokenisation: words with a leading blank, single digits, runs of punctuation, line ends.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_GEOMETRY: dict[str, dict[str, Any]] = {
    "vggt": {
        "img_size": 140,
        "embed_dim": 48,
        "depth": 3,
        "num_heads": 4,
        "patch_embed_depth": 2,
        "patch_embed_num_heads": 4,
    },
    "pi3": {
        "img_size": 140,
        "encoder_embed_dim": 48,
        "encoder_depth": 2,
        "encoder_num_heads": 4,
        "decoder_embed_dim": 48,
        "decoder_depth": 2,
        "decoder_num_heads": 4,
    },
    "none": {},
}


def tiny_model(
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    frame_width: int = 140,
    geometry_encoder: str = "vggt",
    **choices: Any,
) -> tuple[VGLLM, Any]:
    """Build the tiny model and its tokenizer; the same seed gives the same weights.

    Args:
        seed: of the weights.
        dtype: of the parameters.
        frame_width: 140 pixels instead of 518, so that a laptop answers in seconds.
        geometry_encoder: a key of GEOMETRY_ENCODERS.
        choices: further fields of ModelConfig: fusion, merger, reference_frame.
    """
    tokenizer = tiny_tokenizer()
    config = new_config(
        geometry_encoder=geometry_encoder,
        geometry=_GEOMETRY[geometry_encoder],
        merger_hidden=64,
        frame_width=frame_width,
        conventions_from="the tiny model",
        **choices,
    )
    return build(config, backbone_config(tokenizer), tokenizer, draw=_draw, seed=seed, dtype=dtype), tokenizer


def new_config(**fields: Any) -> ModelConfig:
    """Return the configuration of a model whose weights are random, and to be trained on data as it is now."""
    return ModelConfig(euler_convention="ZXY", prompt_revision=2, untrained=True, **fields)


def build(
    config: ModelConfig,
    plain: dict[str, Any],
    tokenizer: Any,
    *,
    draw: Callable[[VGLLM], None],
    seed: int,
    dtype: torch.dtype,
) -> VGLLM:
    """Build a model whose weights no file holds, in evaluation mode.

    Args:
        config: what is around the backbone.
        plain: the backbone, as a config.json says it.
        tokenizer: knows the tokens that end a text.
        draw: gives the weights that the classes do not draw themselves their values, from torch's generator.
        seed: of that generator, which is left as it was.
        dtype: of the parameters.
    """
    with quiet_libraries(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        from transformers import Qwen2_5_VLForConditionalGeneration

        inner = Qwen2_5_VLForConditionalGeneration(Qwen25VL.read_config(plain))
        model = VGLLM(config, Qwen25VL(inner))
        draw(model)
    model.backbone.model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.backbone.model.generation_config.pad_token_id = tokenizer.pad_token_id
    cast_parameters(model, dtype)
    return model.eval()


def _draw(model: VGLLM) -> None:
    for name, parameter in model.named_parameters():
        if not name.startswith("backbone.") and parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.02)


def tiny_tokenizer() -> Any:
    """Build a byte-level tokenizer that knows the words of our prompts; nothing is trained, so it never changes."""
    from transformers import PreTrainedTokenizerFast

    vocab = {symbol: index for index, symbol in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges: list[tuple[str, str]] = []
    splitter = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    for word in _words(splitter):
        # Grow the word letter by letter: each step is one merge.
        for end in range(2, len(word) + 1):
            if word[:end] not in vocab:
                vocab[word[:end]] = len(vocab)
                merges.append((word[: end - 1], word[end - 1]))
    bare = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    bare.normalizer = normalizers.NFC()
    bare.pre_tokenizer = splitter
    bare.decoder = decoders.ByteLevel()
    bare.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(tokenizer_object=bare, **names)


def _words(splitter: Any) -> Iterable[str]:
    texts = [
        "system\nYou are a helpful assistant.\nuser\nassistant\nFrame-0: ",
        ask_prompt("Where is the sink?", ("a chair", "a table")).text,
        ask_prompt("How many chairs are there in the room?").text,
        ground_prompt("The sink", 2).text,
        detect_prompt(2).text,
        caption_prompt((0.0, 0.0, 1.0)).text,
        '```json\n\t{"frame": 0, "bbox_3d": [0.1, -0.2]}\n```',
    ]
    seen: dict[str, None] = {}
    for text in texts:
        seen |= {word: None for word, _ in splitter.pre_tokenize_str(text)}
    return seen


def backbone_config(tokenizer: Any) -> dict[str, Any]:
    """Return the tiny backbone as the contents of a config.json."""
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIAL}
    return {
        "model_type": "qwen2_5_vl",
        "vocab_size": -(-len(tokenizer) // 64) * 64,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0,
        "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
        "tie_word_embeddings": False,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "vision_config": {
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_heads": 4,
            "in_chans": 3,
            "out_hidden_size": 64,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
    }
