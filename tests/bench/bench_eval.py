"""Questions as VSI-Bench asks them, 18 about each video of 32 frames, against the same one by one, in one run.

"Together" is what `vgllm eval` does: frames are read ahead, each video is encoded once and read once by the language
model, its questions are decoded in batches. "One by one" reads, encodes and prefills the frames for every question.
The answers are compared: in float32 they must be the same to the letter; in bfloat16 the share that differs is printed.

The model is random and mid-size (see bench_feature_cache.py); `--full-size` takes the sizes of the published 4B model,
in bfloat16 on a GPU. Random weights never end an answer, so each has 16 tokens: real ones end after one or two, which
only makes the encoders weigh more. They are also chaotic: the share in bfloat16 is not that of trained weights.

    python tests/bench/bench_eval.py [--dtype bfloat16] [--videos 1] [--questions 18] [--full-size] [--device cuda]
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from bench_feature_cache import SIZES, configurations
from bench_full_size import full_size, peak_gib
from PIL import Image
from random_models import build

from vgcli_core.data.frame_store import FRAMES
from vgcli_core.data.groups import groups
from vgcli_core.data.sample import Sample, Turn, human_turn
from vgcli_core.model.answer import Answerer, Look
from vgcli_core.model.frames_ahead import FramesAhead, look
from vgcli_core.model.generate import Decoding
from vgcli_core.model.processor import Processor
from vgcli_core.model.tiny import tiny_tokenizer
from vgcli_core.model.vgllm import VGLLM, Counts, cast_parameters
from vgcli_core.text.prompts import MAX_NEW_TOKENS, Task, ask_prompt
from vgcli_core.text.written import Written
from vgcli_core.training.recipe import Data, DataSet, Recipe, Run

GOAL_CALLS, GOAL_TIME = 8, 5
THINGS = ("sink", "stove", "fridge", "table", "window", "door")
TEMPLATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("How many {}(s) are in this room?", ()),
    ("What is the length of the longest dimension (length, width, or height) of the {}, measured in centimeters?", ()),
    ("Measuring from the closest point of each object, which of these objects is the closest to the {}?", THINGS[:4]),
)
# Factor on the language model's weights: as they are drawn, all answers are the same, and nothing would be compared.
LOUDER = 8
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Asked:
    """Texts, and what they took: seconds, counted work, and GiB at the peak (on a CPU: held at the end)."""

    texts: list[Written]
    seconds: float
    counts: Counts
    memory: float

    def __str__(self) -> str:
        tokens = sum(text.tokens for text in self.texts)
        return (
            f"{self.seconds:7.2f} s, {self.counts.encoder_calls} encoder calls, {self.counts.prefix_runs} prefix runs, "
            f"{self.counts.decode_steps} decode steps, {tokens / self.seconds:.1f} tokens/s, {self.memory:.1f} GiB"
        )


def mid_size(size: str, dtype: str, device: str) -> tuple[VGLLM, Processor]:
    """Build a random model whose encoders and language model stand in the proportion of the published ones."""
    tokenizer = tiny_tokenizer()
    config, plain = configurations(size, tokenizer.convert_tokens_to_ids("<|image_pad|>"))
    recipe = Recipe(data=Data(sets={"noise": DataSet(dataset="rooms")}), run=Run(precision="fp32"))
    model = build(recipe, config, plain, torch.device(device)).eval()
    model.feature_dtype = None
    cast_parameters(model, DTYPES[dtype])
    return model, Processor(tokenizer, frame_width=config.frame_width)


def make_louder(model: VGLLM) -> None:
    """Multiply what the language model's layers add, see LOUDER."""
    with torch.no_grad():
        for name, parameter in model.backbone.language_model.named_parameters():
            if parameter.dim() > 1 and "embed" not in name:
                parameter.mul_(LOUDER)


def question(video: int, number: int, frames: int) -> Sample:
    """Return question `number` about a video: three kinds, six objects."""
    text, options = TEMPLATES[number % len(TEMPLATES)]
    prompt = ask_prompt(text.format(THINGS[number // len(TEMPLATES) % len(THINGS)]), options).text
    names = tuple(f"{video}/{place:02d}.jpg" for place in range(frames))
    turns = (human_turn(prompt, frames, newline="\n"), Turn("gpt", ""))
    return Sample(f"{video}-{number}", "vsi_bench", "test", str(video), "ask", names, turns)


def write_frames(root: Path, samples: Sequence[Sample]) -> None:
    """Write the frames of samples as JPEGs of 640x480: blurred noise, as costly to read as photographs."""
    generator = np.random.default_rng(0)
    for name in dict.fromkeys(name for sample in samples for name in sample.frames):
        path = root / FRAMES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = Image.fromarray(generator.integers(0, 255, (48, 64, 3), dtype=np.uint8))
        noise.resize((640, 480), Image.Resampling.BICUBIC).save(path, quality=90)


def asked(model: VGLLM, ask: Callable[[], list[Written]]) -> Asked:
    """Ask, and return what it took, finished work on a GPU included."""
    model.counts = Counts()
    cuda = model.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(model.device)
    started = time.perf_counter()
    texts = ask()
    if cuda:
        torch.cuda.synchronize(model.device)
    return Asked(texts, time.perf_counter() - started, model.counts, peak_gib(model.device.type))


def main() -> None:
    """Print seconds and counted work of both ways, their ratios, and how many answers differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="mid")
    parser.add_argument("--full-size", action="store_true")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="float32")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--videos", type=int, default=1)
    parser.add_argument("--questions", type=int, default=18)
    parser.add_argument("--num-frames", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=8)
    args = parser.parse_args()
    if args.full_size:
        predictor = full_size("4b", args.device, "sdpa")
        model, processor = predictor.model, predictor.processor
    else:
        model, processor = mid_size(args.size, args.dtype, args.device)
    make_louder(model)
    dtype = str(model.backbone.model.dtype).removeprefix("torch.")
    size = sum(parameter.numel() for parameter in model.parameters())
    print(f"{size / 1e9:.2f} B parameters, {dtype} on {model.device}; {args.videos} x {args.num_frames} frames")
    samples = [question(video, n, args.num_frames) for video in range(args.videos) for n in range(args.questions)]
    decoding: dict[Task, Decoding] = {"ask": Decoding(MAX_NEW_TOKENS["ask"], frozenset({processor.ids["<|im_end|>"]}))}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_frames(root, samples)

        def answerer(frames: Look) -> Answerer:
            return Answerer(model, processor, frames, decoding=decoding, batch_size=args.batch_size)

        def together() -> list[Written]:
            lists = [(root, one) for one in samples[:: args.questions]]
            with FramesAhead(lists, width=processor.frame_width, workers=1) as frames:
                ask = answerer(frames)
                return [text for members in groups(samples) for text in ask([samples[place] for place in members])]

        alone = answerer(partial(look, root=root, width=processor.frame_width))
        alone.one_by_one([question(0, 0, 1)])  # warm up
        fast = asked(model, together)
        slow = asked(model, lambda: alone.one_by_one(samples))
    print(f"together:   {fast}")
    print(f"one by one: {slow}")
    calls, ratio = slow.counts.encoder_calls / fast.counts.encoder_calls, slow.seconds / fast.seconds
    print(f"one by one / together: encoder calls {calls:.1f} (goal {GOAL_CALLS}), time {ratio:.1f} (goal {GOAL_TIME})")
    differing = sum(a != b for a, b in zip(fast.texts, slow.texts, strict=True))
    print(f"{differing} of {len(samples)} answers differ ({dtype}); {len(set(slow.texts))} different texts")


if __name__ == "__main__":
    main()
