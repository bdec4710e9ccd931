"""Two claims about whole runs: data is hardly waited for, and memory does not grow with the number of steps.

The first run trains a random mid-size model (that of bench_feature_cache.py, saved and loaded) on rooms of 640x480
pixels: one process trains, one reads frames. The second trains the tiny model for many steps. Both go through
`training.run.train`, and the figures are those of its timing.jsonl.

    python tests/bench/bench_train_run.py [--steps 10] [--long 2000] [--size mid]
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch
from bench_feature_cache import configurations
from random_models import build

from vgcli_core.data.base import Request
from vgcli_core.data.prepare import Settings as PrepareSettings
from vgcli_core.data.prepare import prepare
from vgcli_core.data.sources import DATASETS
from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_tokenizer
from vgcli_core.training.log import TIMING, read_log
from vgcli_core.training.progress import Settings
from vgcli_core.training.recipe import Recipe
from vgcli_core.training.run import train


def rooms(data: Path, *, width: int, height: int) -> None:
    """Prepare two rooms of frames of this size."""
    source = DATASETS["rooms"]
    options = {option.name: option.default for option in source.options} | {"width": width, "height": height}
    prepare(
        source, Request(Path(), ("train",), scenes=2, num_frames=8, options=options), PrepareSettings(data / "rooms")
    )


def timings(folder: Path, data: Path, **sections: dict[str, Any]) -> list[dict[str, float]]:
    """Train and return the lines of timing.jsonl."""
    plain: dict[str, Any] = {
        "start": {"weights": "tiny", "geometry_weights": None, "frame_width": 84},
        "data": {"sets": {"rooms": {"dataset": "rooms"}}, "max_length": 4096, "workers": 1},
        "run": {"epochs": 1000, "precision": "fp32", "save_every": 1000},
    }
    for section, values in sections.items():
        plain[section] = {**plain.get(section, {}), **values}
    train(Recipe.model_validate(plain), Settings(data, folder, device="cpu"))
    return read_log(folder, TIMING)


def main() -> None:
    """Print the share of waiting, and memory late over early."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--long", type=int, default=2000)
    parser.add_argument("--size", default="mid", choices=("mid", "tiny"))
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # First, while nothing has been freed that growth could hide in.
        rooms(folder / "small", width=168, height=126)
        many = timings(folder / "second", folder / "small", batch={"size": 2}, run={"max_steps": wanted.long})
        early, late = (many[place]["memory"] for place in (len(many) // 10, -1))
        sys.stdout.write(
            f"{wanted.long} steps: {early / 2**20:.0f} MiB after step {len(many) // 10 + 1}, {late / 2**20:.0f} MiB at "
            f"the end, late / early ratio {late / early:.3f}\n"
        )
        rooms(folder / "large", width=640, height=480)
        tokenizer = tiny_tokenizer()
        config, plain = configurations(wanted.size, tokenizer.convert_tokens_to_ids("<|image_pad|>"))
        recipe = Recipe.model_validate({"data": {"sets": {"a": {"dataset": "rooms"}}}, "run": {"precision": "fp32"}})
        model = build(recipe, config, plain, torch.device("cpu"))
        save_model(model, folder / "model", tokenizer=tokenizer)
        start = {
            "weights": str(folder / "model"),
            "frame_width": config.frame_width,
            "merger_hidden": config.merger_hidden,
        }
        steps = timings(
            folder / "first", folder / "large", start=start, batch={"size": 2}, run={"max_steps": wanted.steps}
        )
        # The first step waits for the workers to start.
        shares = [line["wait_share"] for line in steps[1:]]
        seconds = median(line["seconds"] for line in steps[1:])
        sys.stdout.write(
            f"{wanted.size} size: {seconds:.2f} s a step, waiting for data {median(shares):.2%} of it "
            f"(at most {max(shares):.2%}; goal below 5 %)\n"
        )


if __name__ == "__main__":
    main()
