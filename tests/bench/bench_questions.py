"""One question against ten on one video, side by side in one run: time and encoder calls.

"Alone" asks the ten one by one, each encoding the video again; "together" asks them in one call. The answers are
compared: in float32 they must be the same, token for token; in bfloat16 the share that differs is printed.

    python tests/bench/bench_questions.py [--model demo] [--dtype float32] [--num-frames 16] [--device cpu]
"""

import argparse
import time
from pathlib import Path

from vgcli_core import load
from vgcli_core.media.sampling import Sampling
from vgcli_core.model.checkpoint import LoadReport
from vgcli_core.model.tiny import tiny_model
from vgcli_core.predict.pipeline import Predictor
from vgcli_core.predict.result import Result
from vgcli_core.text.questions import Question

VIDEO = Path(__file__).parents[2] / "examples" / "rooms" / "kitchen.mp4"
THINGS = ("sink", "stove", "refrigerator", "desk", "bathtub", "toilet", "cabinet", "door", "window", "green chair")


def predictor(args: argparse.Namespace) -> Predictor:
    """Load the model named, or the tiny one at the trained width so that the frames cost something."""
    if args.model:
        return load(args.model, dtype=args.dtype, device=args.device)
    import torch

    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[args.dtype]
    network, tokenizer = tiny_model(frame_width=args.width, dtype=dtype)
    return Predictor(network.to(args.device), tokenizer, LoadReport(Path(), "generation-2", 0), name="tiny")


def ask(model: Predictor, things: tuple[str, ...], args: argparse.Namespace) -> tuple[Result, float]:
    """Ask where each thing is, in one call; return the result and its seconds."""
    questions = [Question(f"where is the {thing}?") for thing in things]
    started = time.perf_counter()
    result = model.answer(
        VIDEO, questions, sampling=Sampling(num_frames=args.num_frames), max_new_tokens=args.max_new_tokens
    )
    return result, time.perf_counter() - started


def main() -> None:
    """Print seconds, encoder calls and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--num-frames", type=int, default=8)
    parser.add_argument("--width", type=int, default=280, help="frame width of the tiny model")
    parser.add_argument("--max-new-tokens", type=int, default=60)
    args = parser.parse_args()
    model = predictor(args)
    ask(model, THINGS[:1], args)  # warm up

    _, one = ask(model, THINGS[:1], args)
    together, ten = ask(model, THINGS, args)
    alone, calls, apart = [], 0, 0.0
    for thing in THINGS:
        result, seconds = ask(model, (thing,), args)
        alone.append(result.answers[0].text)
        calls += result.counts["encoder_calls"]
        apart += seconds
    differing = sum(a.text != b for a, b in zip(together.answers, alone, strict=True))
    counts = together.counts
    print(f"1 question:            {one:6.2f} s")
    runs = f"{counts['encoder_calls']} encoder call, {counts['prefix_runs']} prefix run"
    print(f"10 questions together: {ten:6.2f} s, {runs}")
    print(f"10 questions alone:    {apart:6.2f} s, {calls} encoder calls")
    print(f"together / one {ten / one:.2f}, together / alone {ten / apart:.2f}")
    print(f"answers that differ between together and alone ({args.dtype}): {differing} of {len(THINGS)}")


if __name__ == "__main__":
    main()
