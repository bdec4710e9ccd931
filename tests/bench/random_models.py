"""Random models as a run holds them, and samples of noise; for the benchmarks beside this file."""

from typing import Any

import numpy as np
import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from vgcli_core.model.backbones.qwen2_5_vl import Qwen25VL
from vgcli_core.model.config import ModelConfig
from vgcli_core.model.pixels import fit_frames, grid_of
from vgcli_core.model.processor import Processor
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.training.examples import Example
from vgcli_core.training.parts import learns
from vgcli_core.training.recipe import Recipe


def build(recipe: Recipe, config: ModelConfig, plain: dict[str, Any], device: torch.device) -> VGLLM:
    """Build with random weights on the device, in the dtypes that a run has."""
    frozen = torch.bfloat16 if recipe.run.precision == "bf16" else torch.float32
    torch.manual_seed(0)
    torch.set_default_dtype(frozen)
    with device:
        read = Qwen25VL.read_config(plain)
        read._attn_implementation = "sdpa"
        model = VGLLM(config, Qwen25VL(Qwen2_5_VLForConditionalGeneration(read)))
    torch.set_default_dtype(torch.float32)
    for name, parameter in model.named_parameters():
        if learns(name, recipe.trained):
            parameter.data = parameter.data.float()
    model.feature_dtype = frozen
    return model


def example(processor: Processor, frames: int, width: int, *, sentences: int) -> Example:
    """Return a sample of random 4:3 frames whose answer repeats a sentence."""
    noise = np.random.default_rng(0).integers(0, 255, (width * 3 // 4, width, 3), dtype=np.uint8)
    fitted = fit_frames([noise] * frames, width=width).frames
    grid = torch.tensor([grid_of(*fitted.shape[1:3])] * frames)
    answer = "The chair is left of the table. " * sentences
    turns = [{"from": "human", "value": "<image>" * frames + "Where?"}, {"from": "gpt", "value": answer}]
    return Example(0, "one", processor.conversation(turns, grid), fitted, grid)
