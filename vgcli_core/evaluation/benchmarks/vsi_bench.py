"""VSI-Bench: spatial questions about a video of a room. The plain mean of eight tasks, half of them numeric.

Sources: Yang et al., Thinking in Space, arXiv 2412.14171; results of arXiv 2505.24625v3, Table 4.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, Self, get_args

import numpy as np
from pydantic import model_validator

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
from vgcli_core.evaluation.metrics.choices import LMMS_EVAL, NO_LETTER, group_means, keep_known, missing
from vgcli_core.evaluation.metrics.letters import ALPHABET, first_word_letter
from vgcli_core.evaluation.metrics.numbers import first_number, mean_relative_accuracy, strict_number
from vgcli_core.evaluation.metrics.tally import Metric, Tally, label_means, label_sums
from vgcli_core.geometry.boxes import Floats
from vgcli_core.text.answers import read_choice, read_number

QuestionType = Literal[
    "object_counting",
    "object_abs_distance",
    "object_size_estimation",
    "room_size_estimation",
    "object_rel_distance",
    "object_rel_direction_easy",
    "object_rel_direction_medium",
    "object_rel_direction_hard",
    "route_planning",
    "obj_appearance_order",
]
QUESTION_TYPES: tuple[QuestionType, ...] = get_args(QuestionType)
NUMERIC = QUESTION_TYPES[:4]
DIRECTIONS = QUESTION_TYPES[5:8]
# The columns of the published tables in their order. Three kinds of direction questions make one task.
TASKS: dict[str, tuple[str, ...]] = {
    **{task: (task,) for task in QUESTION_TYPES[:5]},
    "object_rel_direction": DIRECTIONS,
    **{task: (task,) for task in QUESTION_TYPES[8:]},
}

_NO_NUMBER = "no number"
_TABLE_4 = "arXiv 2505.24625v3, Table 4"
_PUBLISHED_4B = (0.660, 0.378, 0.552, 0.592, 0.446, 0.456, 0.335, 0.364)
_PUBLISHED_8B = (0.679, 0.377, 0.586, 0.620, 0.466, 0.407, 0.324, 0.592)

ReadNumber = Callable[[str], float | None]


class VsiBenchTruth(Truth):
    """One question: its type and its answer, a letter or a number as text."""

    question_type: QuestionType
    ground_truth: str
    dataset: str
    scene_name: str
    options: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _answer_fits_the_type(self) -> Self:
        if self.question_type in NUMERIC:
            if not 0 <= float(self.ground_truth) < math.inf:
                raise ValueError(f"{self.ground_truth} is no size, distance or count")
        elif len(self.ground_truth) != 1 or self.ground_truth not in ALPHABET:
            raise ValueError(f"{self.ground_truth!r} is no option letter")
        return self

    def group(self) -> str:
        """Return the dataset and scene of the video."""
        return f"{self.dataset}/{self.scene_name}"


def published(items: Sequence[Item[VsiBenchTruth]], extras: Extras) -> Outcome:
    """Read the first word alone, as a letter or by Python's `float`."""
    return _score(items, _first_letter, strict_number)


def lmms_eval(items: Sequence[Item[VsiBenchTruth]], extras: Extras) -> Outcome:
    """Read the first number in digits or words anywhere; letters as published."""
    return _score(items, _first_letter, first_number)


def corrected(items: Sequence[Item[VsiBenchTruth]], extras: Extras) -> Outcome:
    """Read the letter or number that the text settles on."""
    return _score(items, _settled_letter, read_number)


def perfect(truth: VsiBenchTruth) -> str:
    """Return the answer."""
    return truth.ground_truth


def score_range(truths: Sequence[VsiBenchTruth]) -> Range:
    """Return 1 and 0: every task can be answered in full, and no answer is a number or a letter when it is empty."""
    return Range({"average": 1.0}, {"average": 0.0}) if truths else Range({}, {})


BENCHMARK = Benchmark(
    name="vsi_bench",
    title="VSI-Bench",
    dataset="vsi_bench",
    split="test",
    truth=VsiBenchTruth,
    protocols={PUBLISHED: published, LMMS_EVAL: lmms_eval, CORRECTED: corrected},
    headline=("average",),
    published=(
        Published("average", {"4B": 0.473, "8B": 0.507}, _TABLE_4),
        *(
            Published("score", {"4B": small, "8B": large}, _TABLE_4, task)
            for task, small, large in zip(TASKS, _PUBLISHED_4B, _PUBLISHED_8B, strict=True)
        ),
    ),
    example=VsiBenchTruth(
        question_type="object_abs_distance", ground_truth="1.6", dataset="scannet", scene_name="scene0011_00"
    ),
    perfect=perfect,
    range=score_range,
    sizes=(5130, 5131, 2363, 2768),
    differs={
        LMMS_EVAL: "numbers are found anywhere in the text, in digits or words",
        CORRECTED: "letters and numbers are found anywhere in the text, if it settles on one",
    },
)


def _score(
    items: Sequence[Item[VsiBenchTruth]], letter: Callable[[Item[VsiBenchTruth]], str | None], number: ReadNumber
) -> Outcome:
    marks = [_number(item, number) if item.truth.question_type in NUMERIC else _letter(item, letter) for item in items]
    values = np.array([value for value, _ in marks], dtype=np.float64)
    types = [item.truth.question_type for item in items]
    targets = [float(item.truth.ground_truth) for item in items if item.truth.question_type in NUMERIC]
    notes = missing(types, QUESTION_TYPES)
    if 0 in targets:
        notes += ("a target of 0 scores 1 for exactly 0; the published code stops there with a division by zero",)
    return Outcome(
        _tally(values, types), values, tuple(why for _, why in marks), {"targets of 0": targets.count(0)}, notes
    )


def _letter(item: Item[VsiBenchTruth], read: Callable[[Item[VsiBenchTruth]], str | None]) -> tuple[float, str]:
    found = read(item)
    return float(found == item.truth.ground_truth), NO_LETTER if found is None else ""


def _number(item: Item[VsiBenchTruth], read: ReadNumber) -> tuple[float, str]:
    found = read(item.text)
    if found is None or not math.isfinite(found):
        return 0.0, _NO_NUMBER
    return mean_relative_accuracy(found, float(item.truth.ground_truth)), ""


def _first_letter(item: Item[VsiBenchTruth]) -> str | None:
    return first_word_letter(item.text)


def _settled_letter(item: Item[VsiBenchTruth]) -> str | None:
    return read_choice(item.text, ALPHABET[: len(item.truth.options or "ABCD")])


def _tally(values: Floats, types: Sequence[str]) -> Tally:
    """Score the average, the eight tasks, and the three kinds of direction questions."""
    counts: dict[str, int] = {kind: list(types).count(kind) for kind in QUESTION_TYPES}
    metrics = [Metric("average", "", len(values))]
    metrics += [Metric("score", task, sum(counts[kind] for kind in kinds)) for task, kinds in TASKS.items()]
    metrics += [Metric("score", kind, counts[kind]) for kind in DIRECTIONS]

    def combine(sums: Floats) -> Floats:
        kinds = label_means(sums)
        tasks = group_means(kinds, QUESTION_TYPES, list(TASKS.values()))
        return np.concatenate([group_means(tasks, list(TASKS), [list(TASKS)]), tasks, kinds[..., 5:8]], axis=-1)

    return keep_known(Tally(tuple(metrics), label_sums(values, types, QUESTION_TYPES), combine))
