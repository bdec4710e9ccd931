"""A training step with cached features against one that runs the frozen encoders, in turn in one run: the ratio.

The model is random and mid-size. Its encoders take as many times the operations of its language model as those of the
published 4B model do at 32 frames of 640x480 (both counted from the architecture, and printed). Language model and
merger are trained, activations are computed twice, features are read from the cache on disk.

    python tests/bench/bench_feature_cache.py [--rounds 5] [--device cpu] [--precision fp32]
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from random_models import build, example

from vgcli_core.model.config import ModelConfig
from vgcli_core.model.feature_cache import FeatureCache, digest_of, encoders_fingerprint
from vgcli_core.model.pixels import MERGE, PATCH, geometry_size, grid_of, pixels_of
from vgcli_core.model.processor import Processor
from vgcli_core.model.tiny import tiny_tokenizer
from vgcli_core.model.vgllm import Features
from vgcli_core.training.engines import start_engine
from vgcli_core.training.examples import Example, MicroBatch
from vgcli_core.training.objectives.answers import Answers, Cached
from vgcli_core.training.parts import choose
from vgcli_core.training.processes import start_processes
from vgcli_core.training.published_models import PUBLISHED
from vgcli_core.training.recipe import Data, DataSet, Recipe, Run
from vgcli_core.training.sizes import Sizes, sizes_of
from vgcli_core.training.trainer import Done, Loop
from vgcli_core.training.work import decoder_work, encoders_work, sample_work

FULL = "Qwen/Qwen2.5-VL-3B-Instruct"
# Widths and layers of the language model, the 2D tower and the geometry encoder.
SIZES: dict[str, dict[str, int]] = {
    "mid": {"width": 512, "inner": 2176, "layers": 7, "tower": 320, "deep": 4, "embed": 384, "pairs": 4, "vit": 6},
    "tiny": {"width": 64, "inner": 128, "layers": 2, "tower": 64, "deep": 2, "embed": 64, "pairs": 2, "vit": 2},
}


def configurations(size: str, image_token: int) -> tuple[ModelConfig, dict[str, Any]]:
    """Return what is around the backbone, and the backbone's config.json: the published one, made smaller."""
    one = SIZES[size]
    head = one["width"] // 8
    plain = PUBLISHED[FULL] | {
        "vocab_size": 2048,
        "hidden_size": one["width"],
        "intermediate_size": one["inner"],
        "num_hidden_layers": one["layers"],
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "image_token_id": image_token,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "rope_scaling": {"type": "mrope", "mrope_section": [head // 2 - 2 * (head // 6), head // 6, head // 6]},
        "vision_config": PUBLISHED[FULL]["vision_config"]
        | {
            "depth": one["deep"],
            "hidden_size": one["tower"],
            "intermediate_size": one["tower"] * 8 // 3,
            "num_heads": 4,
            "out_hidden_size": one["width"],
            "fullatt_block_indexes": [one["deep"] - 1],
        },
    }
    geometry = {
        "embed_dim": one["embed"],
        "depth": one["pairs"],
        "num_heads": 4,
        "patch_embed_depth": one["vit"],
        "patch_embed_num_heads": 4,
        "img_size": 252,
    }
    return ModelConfig(geometry=geometry, frame_width=252, merger_hidden=2 * one["width"]), plain


def work(sizes: Sizes, recipe: Recipe, *, frames: int, height: int, width: int, text: int) -> tuple[float, float]:
    """Return two ratios of operations for frames of height x width pixels and `text` other tokens.

    The first is that of both encoders to the language model's layers, forward; the second that of a step without the
    cache to one with it.
    """
    _, rows, columns = grid_of(height, width)
    cells, patches, tokens = rows * columns // MERGE**2, height * width // PATCH**2, frames * rows * columns // MERGE**2
    forward = encoders_work(sizes, frames=frames, patches=patches, cells=cells)
    whole, less = (
        sample_work(
            sizes,
            recipe,
            frames=frames,
            tokens=tokens + text,
            labelled=text // 2,
            patches=patches,
            cells=cells,
            cached=cached,
        )
        for cached in (False, True)
    )
    return forward / decoder_work(sizes, tokens=tokens + text), whole / less


def expectation(sizes: Sizes, recipe: Recipe, one: Example) -> Iterator[str]:
    """Yield what the operations let one expect, of this model and of the published one."""
    assert one.frames is not None
    frames, height, width = one.frames.shape[:3]
    text = len(one.encoded.input_ids) - int(one.grid_thw.prod(dim=1).sum()) // MERGE**2
    mid = work(sizes, recipe, frames=frames, height=height, width=width, text=text)
    high, wide = geometry_size(640, 480)
    published = sizes_of(ModelConfig(), PUBLISHED[FULL], name=FULL)
    full = work(published, recipe, frames=32, height=high, width=wide, text=text)
    yield f"encoders / language model, operations forward: {mid[0]:.2f}; the 4B model at 32 frames: {full[0]:.2f}"
    yield f"step without the cache / with it, operations:  {mid[1]:.2f}; the 4B model at 32 frames: {full[1]:.2f}"


def step(loop: Loop, one: Example) -> Done:
    """Run one optimiser step of one sample."""
    return loop.step(loop.updates, 1, iter([MicroBatch([one])]))


def main() -> None:
    """Print the seconds of both kinds of step, their ratio, and what the operations let one expect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="mid")
    parser.add_argument("--num-frames", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    args = parser.parse_args()
    recipe = Recipe(
        data=Data(sets={"noise": DataSet(dataset="rooms")}), run=Run.model_validate({"precision": args.precision})
    )
    tokenizer = tiny_tokenizer()
    config, plain = configurations(args.size, tokenizer.convert_tokens_to_ids("<|image_pad|>"))
    processor = Processor(tokenizer, frame_width=config.frame_width)
    plainly = example(processor, args.num_frames, config.frame_width, sentences=4)
    assert plainly.frames is not None
    processes = start_processes(recipe, device=args.device)
    model = build(recipe, config, plain, processes.device)
    parts = choose(model, recipe.trained, recipe.lora)
    model.backbone.checkpoint_gradients()
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(Path(folder), fingerprint=encoders_fingerprint(model))
        cached = replace(plainly, frames=None, key=cache.key(digest_of(plainly.frames)))
        pixels = pixels_of(plainly.frames.to(processes.device))
        features = model.encode(pixels.pixel_values, pixels.grid_thw, pixels.geometry_frames)
        size = cache.write(cached.key, features)

        def read(one: Example) -> Features:
            return cache.read(one.key)

        reading = Answers(recipe, model, processor, processes.device, Cached(read, cache))
        encoding = Answers(recipe, model, processor, processes.device)
        engine = start_engine(processes, encoding.module, model, parts, recipe.optim)
        # One optimiser: a step of the one kind, a step of the other.
        with_cache = Loop(recipe, processes, engine, reading, 100)
        without = Loop(recipe, processes, engine, encoding, 100)
        # At the schedule's first rate, which is 0: both steps see the same weights.
        first = (step(without, plainly), step(with_cache, cached))
        seconds = [(step(without, plainly).seconds, step(with_cache, cached).seconds) for _ in range(args.rounds)]
    processes.close()
    same = (first[0].loss, first[0].grad_norm) == (first[1].loss, first[1].grad_norm)
    for line in expectation(sizes_of(config, plain, name=args.size), recipe, plainly):
        print(line)
    plain_seconds, cached_seconds = (median(column) for column in zip(*seconds, strict=True))
    print(f"{args.num_frames} frames, {len(plainly.encoded.input_ids)} tokens, {size / 1e6:.1f} MB of features")
    print(f"without the cache: {plain_seconds:.3f} s, with it: {cached_seconds:.3f} s (medians of {args.rounds})")
    print(f"without / with: time {plain_seconds / cached_seconds:.2f}")
    print("loss and norm of the gradient are equal" if same else "loss or norm of the gradient DIFFER")


if __name__ == "__main__":
    main()
