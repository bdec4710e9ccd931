"""Memory of real training steps against the forecast, part by part: a mid-size random model, or the 4B one on a GPU.

Each case runs in a process of its own: two steps through the trainer's loop, the second of two micro-batches. On a CPU
the growth of resident memory since before the model was built is compared, on a GPU the allocator's peak. malloc (of
glibc) keeps much of what is freed; with --give-back it does not, and what is left is torch's tensors.

    python tests/bench/bench_train_memory.py [--cases fp32 lora] [--size mid] [--device cpu] [--give-back]
"""

import argparse
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import torch
from random_models import build, example

from vgcli_core.model.config import ModelConfig
from vgcli_core.model.processor import Processor
from vgcli_core.model.tiny import tiny_tokenizer
from vgcli_core.training.engines import start_engine
from vgcli_core.training.examples import MicroBatch
from vgcli_core.training.fitting import overhead_of
from vgcli_core.training.memory import Longest, Memory, memory_of
from vgcli_core.training.objectives.answers import Answers
from vgcli_core.training.parts import choose
from vgcli_core.training.processes import start_processes
from vgcli_core.training.published_models import PUBLISHED
from vgcli_core.training.recipe import Data, DataSet, Lora, Recipe, Run, Trained
from vgcli_core.training.sizes import sizes_of
from vgcli_core.training.trainer import Loop

_THRESHOLD = "MALLOC_MMAP_THRESHOLD_"  # of glibc: larger blocks go back to the system when they are freed
MERGER_ONLY = Trained(language_model="none")
LORA = Trained(language_model="lora")
# What is trained, precision, checkpoints, layers of the mid-size model, frames of a sample.
CASES: dict[str, tuple[Trained, str, bool, int, int]] = {
    "fp32": (Trained(), "fp32", True, 8, 4),
    "fp32, no checkpoints": (Trained(), "fp32", False, 8, 4),
    "bf16": (Trained(), "bf16", True, 8, 4),
    "bf16, no checkpoints": (Trained(), "bf16", False, 8, 4),
    "lora": (LORA, "bf16", False, 8, 8),
    "merger only": (MERGER_ONLY, "fp32", False, 8, 8),
}
SIZES: dict[str, dict[str, int]] = {
    "mid": {"width": 1024, "inner": 4096, "heads": 8, "kv": 2, "vocabulary": 32768, "embed": 512, "depth": 4},
    "tiny": {"width": 64, "inner": 128, "heads": 2, "kv": 1, "vocabulary": 1024, "embed": 64, "depth": 2},
}


def backbone(size: str, layers: int, image_token: int) -> dict[str, Any]:
    """Return a config.json: the published 4B one, or a smaller one of the same build."""
    if size == "4b":
        return PUBLISHED["Qwen/Qwen2.5-VL-3B-Instruct"] | {"image_token_id": image_token}
    one = SIZES[size]
    published = PUBLISHED["Qwen/Qwen2.5-VL-7B-Instruct"]
    section = [one["width"] // one["heads"] // 8 * n // 2 for n in (2, 3, 3)]
    return published | {
        "vocab_size": one["vocabulary"],
        "hidden_size": one["width"],
        "intermediate_size": one["inner"],
        "num_hidden_layers": layers,
        "num_attention_heads": one["heads"],
        "num_key_value_heads": one["kv"],
        "image_token_id": image_token,
        "rope_scaling": {"type": "mrope", "mrope_section": section},
        "vision_config": published["vision_config"]
        | {
            "depth": 4,
            "hidden_size": one["embed"],
            "intermediate_size": 2 * one["embed"],
            "num_heads": 8,
            "out_hidden_size": one["width"],
            "fullatt_block_indexes": [1, 3],
        },
    }


def geometry(size: str) -> dict[str, int]:
    """Return sizes of the geometry encoder; none are the published ones."""
    if size == "4b":
        return {}
    embed, depth = SIZES[size]["embed"], SIZES[size]["depth"]
    return {"embed_dim": embed, "depth": depth, "num_heads": 8, "patch_embed_depth": depth, "patch_embed_num_heads": 8}


def run(case: str, size: str, device: str, frames: int | None) -> tuple[Memory, int, int]:
    """Run the steps; return the forecast, bytes after the model was built, and at the peak."""
    trained, precision, checkpoints, layers, usual = CASES[case]
    recipe = Recipe(
        trained=trained,
        data=Data(sets={"noise": DataSet(dataset="rooms")}),
        run=Run.model_validate({"precision": precision, "checkpoint_gradients": checkpoints}),
        lora=Lora(),
    )
    tokenizer = tiny_tokenizer()
    plain = backbone(size, layers, tokenizer.convert_tokens_to_ids("<|image_pad|>"))
    width = 140 if size == "tiny" else 518
    config = ModelConfig(geometry=geometry(size), frame_width=width, merger_hidden=2048 if size == "mid" else 4096)
    processor = Processor(tokenizer, frame_width=width)
    one = example(processor, frames or usual, width, sentences=8)
    assert one.frames is not None
    height, wide = one.frames.shape[1:3]
    cells = int(one.grid_thw[0].prod()) // 4
    tokens = len(one.encoded.input_ids)
    longest = Longest(len(one.frames), tokens, tokens - len(one.frames) * cells, height * wide // 14**2, cells)
    processes = start_processes(recipe, device=device)
    forecast = memory_of(sizes_of(config, plain, name=size), recipe, longest, world=1, turns=2, gpu=device != "cpu")
    before = memory(processes.device)
    model = build(recipe, config, plain, processes.device)
    parts = choose(model, recipe.trained, recipe.lora)
    if checkpoints:
        model.backbone.checkpoint_gradients()
    answers = Answers(recipe, model, processor, processes.device)
    engine = start_engine(processes, answers.module, model, parts, recipe.optim)
    loop = Loop(recipe, processes, engine, answers, 10, updates=1)
    built = memory(processes.device) - before
    batch = MicroBatch([one], [])
    with Peak(processes.device) as peak:
        for step, turns in enumerate((1, 2)):
            done = loop.step(step, turns, iter([batch] * turns))
            assert done.labelled > 0
    processes.close()
    return forecast, built, peak.bytes - before


def memory(device: torch.device) -> int:
    """Return bytes in use now."""
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    return int(psutil.Process().memory_info().rss)


class Peak:
    """The most memory in use inside a block."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.bytes, self._over = device, 0, threading.Event()

    def __enter__(self) -> "Peak":
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self._thread = threading.Thread(target=self._watch)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.device.type == "cuda":
            self.bytes = int(torch.cuda.max_memory_allocated(self.device))
        else:
            self._over.set()
            self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.002):
            self.bytes = max(self.bytes, memory(self.device))


def show(case: str, found: tuple[Memory, int, int], *, gpu: bool) -> Iterator[str]:
    """Yield the lines of one case."""
    forecast, built, peak = found
    # A GPU's allocator counts tensors alone, and so does a process that gives memory back.
    extra = 0 if gpu or _THRESHOLD in os.environ else overhead_of(forecast.total, world=1, gpu=False)
    expected = forecast.total + extra
    yield f"{case}: forecast {expected / 1e9:.2f} GB, measured {peak / 1e9:.2f} GB, "
    yield f"forecast / measured {expected / peak:.2f}; largest at: {forecast.moment}\n"
    yield f"   model: forecast {forecast.parts['weights'] / 1e9:.2f}, measured {built / 1e9:.2f}\n"
    yield "   " + ", ".join(f"{name} {size / 1e9:.2f}" for name, size in forecast.parts.items() if size)
    yield f", beside torch's tensors {extra / 1e9:.2f}\n"
    yield "   " + ", ".join(f"{name} {size / 1e9:.2f}" for name, size in forecast.moments.items()) + "\n"


def main(write: Callable[[str], Any] = sys.stdout.write) -> None:
    """Run each case in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--size", choices=[*SIZES, "4b"], default="mid")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--give-back", action="store_true", help="let malloc return what is freed")
    args = parser.parse_args()
    if len(args.cases) == 1 and not args.give_back:
        found = run(args.cases[0], args.size, args.device, args.frames)
        for line in show(args.cases[0], found, gpu=args.device != "cpu"):
            write(line)
        return
    environment = os.environ | ({_THRESHOLD: "131072"} if args.give_back else {})
    for case in args.cases:
        again = [sys.executable, __file__, "--cases", case, "--size", args.size, "--device", args.device]
        again += ["--frames", str(args.frames)] if args.frames else []
        done = subprocess.run(again, env=environment, capture_output=True, text=True, check=False)
        write(done.stdout if done.returncode == 0 else f"{case}: failed\n{done.stderr}")


if __name__ == "__main__":
    main()
