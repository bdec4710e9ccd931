"""A benchmark of your own over a prepared set: python examples/add_a_benchmark.py [DATA]

DATA is the folder of prepared sets, "data" by default; `vgllm prepare rooms --scenes 2` makes one there. A benchmark
that `vgllm eval` is to know goes into vgcli_core/evaluation/benchmarks/ instead: see CONTRIBUTING.md.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vgcli_core.data.sample import Sample, truth_of
from vgcli_core.errors import VgllmError
from vgcli_core.evaluation.benchmark import PUBLISHED, Benchmark, Extras, Item, Outcome, Range, Truth
from vgcli_core.evaluation.benchmarks import BENCHMARKS
from vgcli_core.evaluation.metrics.choices import accuracies
from vgcli_core.evaluation.plan import WHOLE, plan
from vgcli_core.evaluation.report import Report, score
from vgcli_core.text.answers import read_number

METRIC = "within a quarter"


class DistanceTruth(Truth):
    """How far two objects are apart, in metres, and in which room."""

    metres: float
    room: str

    def group(self) -> str:
        """Return the room: intervals come from drawing rooms, not single questions."""
        return self.room


def distance_truth(sample: Sample) -> dict[str, Any] | None:
    """Return the truth of a distance question; None leaves every other sample of the set out."""
    truth = truth_of(sample)
    if truth is None or truth.get("question_type") != "object_abs_distance":
        return None
    return {"metres": truth["ground_truth"], "room": truth["scene_name"]}


def score_distances(items: Sequence[Item[DistanceTruth]], extras: Extras) -> Outcome:
    """Count answers that are off by at most a quarter of the distance, and apart for near and far objects."""
    found = [read_number(item.text) for item in items]
    metres = [item.truth.metres for item in items]
    right = [one is not None and abs(one - true) <= true / 4 for one, true in zip(found, metres, strict=True)]
    values = np.array(right, dtype=np.float64)
    tally = accuracies(values, {"objects": ["near" if true < 2 else "far" for true in metres]}, name=METRIC)
    return Outcome(tally, values, tuple("no number" if one is None else "" for one in found))


def score_range(truths: Sequence[DistanceTruth]) -> Range:
    """Return what perfect and empty answers score, worked out without scoring any."""
    return Range(oracle={METRIC: 1.0}, silent={METRIC: 0.0})


BENCHMARK = Benchmark(
    name="distances",
    title="Distances in rooms",
    dataset="rooms",
    split="val",
    truth=DistanceTruth,
    truth_of=distance_truth,
    protocols={PUBLISHED: score_distances},
    headline=(METRIC,),
    published=(),
    example=DistanceTruth(metres=1.9, room="room_800000"),
    perfect=lambda truth: str(truth.metres),
    range=score_range,
)
BENCHMARKS[BENCHMARK.name] = BENCHMARK


def evaluate(data: Path, generate: Callable[[Sequence[Sample]], Sequence[str]]) -> Report:
    """Ask `generate` about each group of samples with the same frames, and score what it answers."""
    (asked,) = plan([BENCHMARK.name], data)
    truths = dict(zip((sample.id for sample in asked.samples), asked.truths, strict=True))
    items = [
        Item(sample.id, text, truths[sample.id])
        for members in asked.share(WHOLE)
        for sample, text in zip(members, generate(members), strict=True)
    ]
    return score(BENCHMARK, items, notes=asked.notes)


def main(data: str = "data") -> None:
    """Print what an oracle, a silent model and a guess of two metres score."""
    models: dict[str, Callable[[Sequence[Sample]], Sequence[str]]] = {
        "oracle": lambda samples: [one.answer for one in samples],
        "silent": lambda samples: [""] * len(samples),
        "always two metres": lambda samples: ["2.0"] * len(samples),
    }
    for name, generate in models.items():
        report = evaluate(Path(data), generate)
        print(name)
        for one in report.rules[0].scores:
            print(f"  {one.metric} {one.of or 'of all'}: {one.value:.0%} of {one.n}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except VgllmError as problem:
        sys.exit(f"error: {problem}")
