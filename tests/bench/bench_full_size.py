"""The full-size model with random weights on real frames: seconds and peak memory of each stage, 1 and 10 questions.

Answers mean nothing, the work is the real one: sizes of the published 4B (or 8B) model, frames of 640x480. On a GPU
with 32 frames it also prints the achieved TFLOP/s against the operations counted from the architecture
(about 272 TFLOP for 32 frames: geometry encoder 176, 2D tower 41, prefix 55).

    python tests/bench/bench_full_size.py [--size 4b] [--device cuda] [--num-frames 32] [--new-tokens 64]
"""

import argparse
import time
from pathlib import Path

import psutil
import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from vgcli_core.media.sampling import Sampling
from vgcli_core.model.backbones.qwen2_5_vl import Qwen25VL
from vgcli_core.model.checkpoint import LoadReport
from vgcli_core.model.config import ModelConfig
from vgcli_core.model.tiny import tiny_tokenizer
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.predict.pipeline import Predictor
from vgcli_core.text.questions import Question
from vgcli_core.training.published_models import PUBLISHED

VIDEO = Path(__file__).parents[2] / "examples" / "rooms" / "kitchen.mp4"
THINGS = ("sink", "stove", "fridge", "table", "window", "door", "red pot", "plant", "chair", "cutting board")
TFLOP = {"encode": 176 + 41, "prefill": 55}
PUBLISHED_NAMES = {"4b": "Qwen/Qwen2.5-VL-3B-Instruct", "8b": "Qwen/Qwen2.5-VL-7B-Instruct"}


def full_size(size: str, device: str, attention: str) -> Predictor:
    """Build the model on the device in bfloat16; the tiny tokenizer stands in, with the published vocabulary size."""
    tokenizer = tiny_tokenizer()
    plain = PUBLISHED[PUBLISHED_NAMES[size]] | {"image_token_id": tokenizer.convert_tokens_to_ids("<|image_pad|>")}
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        config = Qwen25VL.read_config(plain)
        config._attn_implementation = attention
        backbone = Qwen25VL(Qwen2_5_VLForConditionalGeneration(config))
        known = {"euler_convention": "ZXY", "prompt_revision": 2, "conventions_from": "benchmark", "untrained": True}
        model = VGLLM(ModelConfig.model_validate(known), backbone).eval()
    torch.set_default_dtype(torch.float32)
    parameters = sum(p.numel() for p in model.parameters())
    return Predictor(model, tokenizer, LoadReport(Path(), "generation-2", parameters), name=f"{size}, random")


def peak_gib(device: str) -> float:
    """Return the peak memory so far in GiB on a GPU, or what this process holds now."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**30
    return psutil.Process().memory_info().rss / 2**30


def main() -> None:
    """Run one and ten questions and print the stages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(PUBLISHED_NAMES), default="4b")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--num-frames", type=int, default=32)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--questions", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--attention", default="sdpa")
    parser.add_argument("--no-warm-up", action="store_true")
    args = parser.parse_args()
    started = time.perf_counter()
    model = full_size(args.size, args.device, args.attention)
    info = model.info()
    print(
        f"{info.name}: {info.parameters / 1e9:.2f} B parameters, {info.dtype} on {info.device}, {info.attention}, ",
        end="",
    )
    print(f"built in {time.perf_counter() - started:.0f} s, {peak_gib(args.device):.1f} GiB")
    if not args.no_warm_up:
        model.ask(VIDEO, "where is the sink?", sampling=Sampling(num_frames=2), max_new_tokens=4)
    for count in args.questions:
        questions = [Question(f"where is the {thing}?") for thing in THINGS[:count]]
        result = model.answer(
            VIDEO,
            questions,
            sampling=Sampling(num_frames=args.num_frames),
            max_new_tokens=args.new_tokens,
            batch_size=count,
        )
        stages = "  ".join(f"{name} {seconds:.2f} s" for name, seconds in result.timings.items() if name != "load")
        print(f"{count:2d} questions, {args.num_frames} frames, {result.counts['prompt_tokens']} tokens: {stages}")
        print(f"   decode steps {result.counts['decode_steps']}, peak {peak_gib(args.device):.1f} GiB")
        if args.num_frames == 32 and args.size == "4b":
            rates = "  ".join(f"{n} {TFLOP[n] / result.timings[n]:.0f} TFLOP/s" for n in TFLOP)
            print(f"   {rates}")


if __name__ == "__main__":
    main()
