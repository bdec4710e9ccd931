"""CV-Bench: counting and spatial relations in 2D, depth and distance in 3D. The mean of 2D and 3D.

Sources: Tong et al., Cambrian-1, NeurIPS 2024 (2D is the mean of two sources); results of arXiv 2505.24625v3, Table 5.
"""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
from pydantic import Field

from vgcli_core.evaluation.benchmark import (
    CORRECTED,
    PUBLISHED,
    Benchmark,
    Extras,
    Item,
    Outcome,
    Published,
    Range,
    Truth,
)
from vgcli_core.evaluation.metrics.choices import LMMS_EVAL, group_means, keep_known, mark_letters, missing
from vgcli_core.evaluation.metrics.letters import ALPHABET, first_capital, leading_letter
from vgcli_core.evaluation.metrics.tally import Metric, Tally, label_means, label_sums
from vgcli_core.geometry.boxes import Floats
from vgcli_core.text.answers import read_choice

LETTERS = "ABCDEF"

Source = Literal["ADE20K", "COCO", "Omni3D"]
Task = Literal["Count", "Relation", "Depth", "Distance"]
SOURCES: tuple[Source, ...] = get_args(Source)
TASKS: tuple[Task, ...] = get_args(Task)
DIMENSIONS: dict[str, tuple[Source, ...]] = {"2D accuracy": ("ADE20K", "COCO"), "3D accuracy": ("Omni3D",)}

_TABLE_5 = "arXiv 2505.24625v3, Table 5"
_TABLE_8 = "arXiv 2505.24625v3, Table 8"


class CvBenchTruth(Truth):
    """One question about a picture: "(A)" and where the picture is from."""

    answer: str = Field(pattern=rf"^\([{LETTERS}]\)$")
    task: Task
    source: Source
    source_filename: str
    choices: tuple[str, ...] = ()

    def group(self) -> str:
        """Return the picture."""
        return f"{self.source}/{self.source_filename}"


def published(items: Sequence[Item[CvBenchTruth]], extras: Extras) -> Outcome:
    """Take the first capital A to F anywhere in the text."""
    return _score(items, lambda item: first_capital(item.text, LETTERS))


def lmms_eval(items: Sequence[Item[CvBenchTruth]], extras: Extras) -> Outcome:
    """Take the letter that the text starts with, be it the start of a word."""
    return _score(items, lambda item: leading_letter(item.text))


def corrected(items: Sequence[Item[CvBenchTruth]], extras: Extras) -> Outcome:
    """Take the option that the text settles on."""
    return _score(items, lambda item: read_choice(item.text, ALPHABET[: len(item.truth.choices)] or LETTERS))


def perfect(truth: CvBenchTruth) -> str:
    """Return the letter."""
    return truth.answer[1]


def score_range(truths: Sequence[CvBenchTruth]) -> Range:
    """Return 1 and 0 for the average and for each dimension that has questions."""
    present = {truth.source for truth in truths}
    names = [name for name, sources in DIMENSIONS.items() if present & set(sources)]
    names += ["average"] if names else []
    return Range(dict.fromkeys(names, 1.0), dict.fromkeys(names, 0.0))


BENCHMARK = Benchmark(
    name="cv_bench",
    title="CV-Bench",
    dataset="cv_bench",
    split="test",
    truth=CvBenchTruth,
    protocols={PUBLISHED: published, LMMS_EVAL: lmms_eval, CORRECTED: corrected},
    headline=("average", *DIMENSIONS),
    published=(
        Published("average", {"4B": 0.795, "8B": 0.817}, _TABLE_5),
        Published("2D accuracy", {"4B": 0.713, "8B": 0.722}, _TABLE_5),
        Published("3D accuracy", {"4B": 0.877, "8B": 0.911}, _TABLE_5),
        Published("accuracy", {"8B": 0.923}, _TABLE_8, "task: Depth"),
        Published("accuracy", {"8B": 0.898}, _TABLE_8, "task: Distance"),
    ),
    example=CvBenchTruth(answer="(B)", task="Depth", source="Omni3D", source_filename="000123.jpg"),
    perfect=perfect,
    range=score_range,
    sizes=(2638,),
    differs={
        LMMS_EVAL: "the letter that the text starts with counts, even as the start of a word; that version also asks "
        "with another prompt",
        CORRECTED: "the option that the text settles on counts, small letters included",
    },
)


def _score(items: Sequence[Item[CvBenchTruth]], read: Callable[[Item[CvBenchTruth]], str | None]) -> Outcome:
    values, unparsed = mark_letters([read(item) for item in items], [item.truth.answer[1] for item in items])
    sources, tasks = [item.truth.source for item in items], [item.truth.task for item in items]
    return Outcome(_tally(values, sources, tasks), values, unparsed, notes=missing(sources, SOURCES))


def _tally(values: Floats, sources: Sequence[str], tasks: Sequence[str]) -> Tally:
    """Score the average, both dimensions, each source and each task."""
    counts = [len(values), *(sum(sources.count(source) for source in own) for own in DIMENSIONS.values())]
    metrics = [Metric(name, "", n) for name, n in zip(("average", *DIMENSIONS), counts, strict=True)]
    metrics += [Metric("accuracy", f"source: {source}", sources.count(source)) for source in SOURCES]
    metrics += [Metric("accuracy", f"task: {task}", tasks.count(task)) for task in TASKS]

    def combine(sums: Floats) -> Floats:
        means = label_means(sums)
        dimensions = group_means(means[..., : len(SOURCES)], SOURCES, list(DIMENSIONS.values()))
        average = group_means(dimensions, list(DIMENSIONS), [list(DIMENSIONS)])
        return np.concatenate([average, dimensions, means], axis=-1)

    sums = np.hstack([label_sums(values, sources, SOURCES), label_sums(values, tasks, TASKS)])
    return keep_known(Tally(tuple(metrics), sums, combine))
