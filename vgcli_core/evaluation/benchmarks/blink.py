"""BLINK: fourteen perception tasks on pictures. The plain mean of their accuracies, and of the three spatial ones.

Sources: Fu et al., BLINK, ECCV 2024, validation split; results of arXiv 2505.24625v3, Table 6. The paper names no
group; the figures of its base models fit the mean of all fourteen.
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
from vgcli_core.evaluation.metrics.letters import ALPHABET, first_capital, stated_letter
from vgcli_core.evaluation.metrics.tally import Metric, Tally, label_means, label_sums
from vgcli_core.geometry.boxes import Floats
from vgcli_core.text.answers import read_choice

LETTERS = "ABCDEF"

SubTask = Literal[
    "Art_Style",
    "Counting",
    "Forensic_Detection",
    "Functional_Correspondence",
    "IQ_Test",
    "Jigsaw",
    "Multi-view_Reasoning",
    "Object_Localization",
    "Relative_Depth",
    "Relative_Reflectance",
    "Semantic_Correspondence",
    "Spatial_Relation",
    "Visual_Correspondence",
    "Visual_Similarity",
]
SUB_TASKS: tuple[SubTask, ...] = get_args(SubTask)
SPATIAL: tuple[SubTask, ...] = ("Multi-view_Reasoning", "Relative_Depth", "Spatial_Relation")


class BlinkTruth(Truth):
    """One question about one to four pictures of its own."""

    idx: str
    sub_task: SubTask
    answer: str = Field(pattern=rf"^\([{LETTERS}]\)$")
    choices: tuple[str, ...] = ()

    def group(self) -> str:
        """Return the question: its pictures are its own."""
        return self.idx


def published(items: Sequence[Item[BlinkTruth]], extras: Extras) -> Outcome:
    """Take the first capital A to F anywhere in the text."""
    return _score(items, lambda item: first_capital(item.text, LETTERS))


def lmms_eval(items: Sequence[Item[BlinkTruth]], extras: Extras) -> Outcome:
    """Take the option that the text states."""
    return _score(items, lambda item: stated_letter(item.text, _letters(item.truth)))


def corrected(items: Sequence[Item[BlinkTruth]], extras: Extras) -> Outcome:
    """Take the option that the text settles on."""
    return _score(items, lambda item: read_choice(item.text, _letters(item.truth)))


def perfect(truth: BlinkTruth) -> str:
    """Return the letter."""
    return truth.answer[1]


def score_range(truths: Sequence[BlinkTruth]) -> Range:
    """Return 1 and 0 for each group that has questions."""
    groups = {"average": set(SUB_TASKS), "spatial average": set(SPATIAL)}
    names = [name for name, group in groups.items() if any(truth.sub_task in group for truth in truths)]
    return Range(dict.fromkeys(names, 1.0), dict.fromkeys(names, 0.0))


BENCHMARK = Benchmark(
    name="blink",
    title="BLINK (validation)",
    dataset="blink",
    split="val",
    truth=BlinkTruth,
    protocols={PUBLISHED: published, LMMS_EVAL: lmms_eval, CORRECTED: corrected},
    headline=("average", "spatial average"),
    published=(Published("average", {"4B": 0.489, "8B": 0.515}, "arXiv 2505.24625v3, Table 6"),),
    example=BlinkTruth(idx="val_Relative_Depth_1", sub_task="Relative_Depth", answer="(A)"),
    perfect=perfect,
    range=score_range,
    sizes=(1901,),
    differs={
        LMMS_EVAL: "the option that the text states counts (a bare letter, 'answer is A', '(A)'); that version also "
        "asks with another prompt and weighs questions, not tasks",
        CORRECTED: "the option that the text settles on counts, small letters included",
    },
)


def _score(items: Sequence[Item[BlinkTruth]], read: Callable[[Item[BlinkTruth]], str | None]) -> Outcome:
    values, unparsed = mark_letters([read(item) for item in items], [item.truth.answer[1] for item in items])
    tasks = [item.truth.sub_task for item in items]
    return Outcome(_tally(values, tasks), values, unparsed, notes=missing(tasks, SUB_TASKS))


def _letters(truth: BlinkTruth) -> str:
    return ALPHABET[: len(truth.choices)] or LETTERS


def _tally(values: Floats, tasks: Sequence[str]) -> Tally:
    """Score both groups and each task."""
    metrics = [
        Metric("average", "", len(values)),
        Metric("spatial average", "", sum(task in SPATIAL for task in tasks)),
        *(Metric("accuracy", task, tasks.count(task)) for task in SUB_TASKS),
    ]

    def combine(sums: Floats) -> Floats:
        means = label_means(sums)
        return np.concatenate([group_means(means, SUB_TASKS, [SUB_TASKS, SPATIAL]), means], axis=-1)

    return keep_known(Tally(tuple(metrics), label_sums(values, tasks, SUB_TASKS), combine))
