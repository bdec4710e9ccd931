"""Exact IoU: batched against one pair at a time, in one run, and beside the recorded rates of the usual package.

The recorded rates are pytorch3d's, on one thread of another, busy machine (golden/metrics/iou_timing_peer.json), in
pairs per second of processor time; they were not measured in this run.

    python tests/bench/bench_overlap.py [--rounds 3]
"""

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np

from vgcli_core.geometry.overlap import iou

RECORDED = {"100 x 100, every pair overlaps": 5_300, "1000 x 1000, boxes spread over a room": 75_600}


def overlapping(count: int, seed: int) -> np.ndarray:
    """Boxes around one point: every pair overlaps."""
    rng = np.random.default_rng(seed)
    return np.hstack(
        [rng.uniform(-0.15, 0.15, (count, 3)), rng.uniform(0.3, 2, (count, 3)), rng.uniform(-3, 3, (count, 3))]
    )


def spread(count: int, seed: int) -> np.ndarray:
    """Boxes spread over a room of 8 x 8 x 2.5 m: about 2 % of the pairs overlap, as in the recorded run."""
    rng = np.random.default_rng(seed)
    places = rng.uniform([-4, -4, 0], [4, 4, 2.5], (count, 3))
    return np.hstack([places, rng.uniform(0.2, 1.2, (count, 3)), rng.uniform(-3, 3, (count, 3))])


def cpu_seconds(call: Callable[[], object], rounds: int) -> float:
    """Return the best of some rounds."""
    best = []
    for _ in range(rounds):
        started = time.process_time()
        call()
        best.append(time.process_time() - started)
    return min(best)


def main() -> None:
    """Print pairs per processor second and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    near = overlapping(100, 0), overlapping(100, 1)
    room = spread(1000, 0), spread(1000, 1)
    for (name, recorded), (first, second) in zip(RECORDED.items(), (near, room), strict=True):
        rate = len(first) * len(second) / cpu_seconds(lambda first=first, second=second: iou(first, second), rounds)
        share = (iou(first, second) > 0).mean()
        print(
            f"{name} ({share:.1%} of pairs do): {rate:,.0f} pairs a second, {rate / recorded:.1f} of the recorded rate"
        )
    batched = cpu_seconds(lambda: iou(*near), rounds) / 10_000
    single = cpu_seconds(lambda: [iou(near[0][i : i + 1], near[1][i : i + 1]) for i in range(100)], rounds) / 100
    print(
        f"every pair overlaps: {1 / single:,.0f} a second one pair at a time, batched {single / batched:.1f} times that"
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    large = spread(2000, 2)
    seconds = cpu_seconds(lambda: iou(large, large), rounds)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"2000 x 2000: {seconds:.1f} s, peak memory {after / 1024:.0f} MiB, {(after - before) / 1024:.0f} above before"
    )


if __name__ == "__main__":
    main()
