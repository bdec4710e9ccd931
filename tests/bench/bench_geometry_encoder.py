"""Geometry encoder against the straightforward way, side by side in one run: peak extra memory and time.

The straightforward way is how the aggregator is usually written: it computes every frame/global pair and keeps every
pair's output, of which one is used. Ours stops after the pair that is used and keeps nothing else. Same weights, same
blocks, same attention; the features must be equal. Each variant runs in a fresh process, so peaks do not mix.

    python tests/bench/bench_geometry_encoder.py [--frames 8] [--embed 256] [--depth 12] [--repeat 3]
"""

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time

import psutil
import torch

from vgcli_core.model.geometry_encoders.blocks import scene_tables
from vgcli_core.model.geometry_encoders.normalise import imagenet_normalise
from vgcli_core.model.geometry_encoders.vggt import VGGT, Aggregator

MIB = 2**20


def straightforward(aggregator: Aggregator, frames: torch.Tensor) -> torch.Tensor:
    """Compute all pairs, keep all outputs, take the second to last."""
    count, _, height, width = frames.shape
    patches = aggregator.patch_embed(imagenet_normalise(frames))
    special = torch.cat((aggregator.camera_token, aggregator.register_token), dim=2).float()
    x = torch.cat((special[0, (torch.arange(count) > 0).long()], patches), dim=1)
    size = (height // 14, width // 14)
    in_frame, across = scene_tables(count, *size, special.shape[2], aggregator.head_dim, device=frames.device)
    outputs = []
    for frame_block, global_block in zip(aggregator.frame_blocks, aggregator.global_blocks, strict=True):
        within = frame_block(x, in_frame)
        x = global_block(within.flatten(0, 1)[None], across).view_as(within)
        outputs.append(torch.cat((within, x), dim=-1))
    return outputs[-2]


class Peak:
    """The largest resident memory of this process inside a block, sampled every 2 ms."""

    def __enter__(self) -> "Peak":
        self.process = psutil.Process()
        self.before = self.highest = self.process.memory_info().rss
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def watch(self) -> None:
        while not self.done.wait(0.002):
            self.highest = max(self.highest, self.process.memory_info().rss)

    def __exit__(self, *error: object) -> None:
        self.done.set()
        self.thread.join()

    @property
    def extra(self) -> float:
        return (self.highest - self.before) / MIB


def measure(variant: str, args: argparse.Namespace) -> None:
    """Run one variant and print its figures as JSON."""
    torch.manual_seed(0)
    encoder = VGGT.from_sizes(
        {
            "embed_dim": args.embed,
            "depth": args.depth,
            "num_heads": args.heads,
            "patch_embed_depth": args.depth,
            "patch_embed_num_heads": args.heads,
        }
    ).eval()
    frames = torch.rand(args.frames, 3, 392, 518)
    run = encoder.aggregator if variant == "ours" else lambda x: straightforward(encoder.aggregator, x)
    with torch.inference_mode():
        encoder.aggregator(frames[:1])  # warm up
        seconds, peaks = [], []
        for _ in range(args.repeat):
            with Peak() as peak:
                started = time.perf_counter()
                features = run(frames)
                seconds.append(time.perf_counter() - started)
            peaks.append(peak.extra)
            checksum = float(features.double().sum())
            del features
    print(json.dumps({"seconds": statistics.median(seconds), "mib": peaks[0], "checksum": checksum}))


def main() -> None:
    """Measure both variants in turn and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--embed", type=int, default=256)
    parser.add_argument("--depth", type=int, default=12)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--variant", choices=["ours", "straightforward"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.variant:
        measure(args.variant, args)
        return
    found = {}
    for variant in ("straightforward", "ours"):
        command = [sys.executable, __file__, *sys.argv[1:], "--variant", variant]
        found[variant] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        facts = found[variant]
        print(f"{variant:16s} {facts['seconds']:7.2f} s   {facts['mib']:7.0f} MiB extra at the peak")
    ours, theirs = found["ours"], found["straightforward"]
    assert abs(ours["checksum"] - theirs["checksum"]) <= 1e-6 * abs(theirs["checksum"]), "the features differ"
    seconds, memory = ours["seconds"] / theirs["seconds"], ours["mib"] / theirs["mib"]
    print(f"ours / straightforward: time {seconds:.2f}, memory {memory:.2f}")


if __name__ == "__main__":
    main()
