"""SQA3D: a question asked from a place in a room, answered in a word or two. Exact match over all questions.

Sources: Ma et al., SQA3D, ICLR 2023; the evaluation that the authors of arXiv 2505.24625 published after it. The paper
has no number for it.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from vgcli_core.evaluation.benchmark import CORRECTED, PUBLISHED, Benchmark, Extras, Item, Outcome, Range, Truth
from vgcli_core.evaluation.metrics.choices import accuracies
from vgcli_core.evaluation.metrics.exact_match import first_line, normalise, normalise_words


class Sqa3dTruth(Truth):
    """One question: its answer and the word it starts with."""

    answer: str = Field(pattern=r"^[^\n]*[A-Za-z0-9][^\n]*$", description="one line that holds a letter or a digit")
    question_type: Literal["what", "is", "how", "can", "which", "others"]
    scene: str

    def group(self) -> str:
        """Return the scene."""
        return self.scene


def published(items: Sequence[Item[Sqa3dTruth]], extras: Extras) -> Outcome:
    """Compare the first line after the published normalisation."""
    return _score(items, normalise)


def corrected(items: Sequence[Item[Sqa3dTruth]], extras: Extras) -> Outcome:
    """Compare the words of the first line, without blanks and marks that the published normalisation leaves behind."""
    return _score(items, normalise_words)


def perfect(truth: Sqa3dTruth) -> str:
    """Return the answer."""
    return truth.answer


def score_range(truths: Sequence[Sqa3dTruth]) -> Range:
    """Return 1 and 0: normalising keeps at least one word of every answer."""
    return Range({"exact match": 1.0}, {"exact match": 0.0}) if truths else Range({}, {})


BENCHMARK = Benchmark(
    name="sqa3d",
    title="SQA3D (test)",
    dataset="sqa3d",
    split="test",
    truth=Sqa3dTruth,
    protocols={PUBLISHED: published, CORRECTED: corrected},
    headline=("exact match",),
    published=(),
    example=Sqa3dTruth(answer="brown", question_type="what", scene="scene0011_00"),
    perfect=perfect,
    range=score_range,
    sizes=(3519,),
    differs={CORRECTED: "all articles, and blanks and marks around words, are dropped before comparing"},
)


def _score(items: Sequence[Item[Sqa3dTruth]], form: Callable[[str], str]) -> Outcome:
    answers = [form(first_line(item.text)) for item in items]
    right = [
        bool(answer) and answer == form(first_line(item.truth.answer))
        for answer, item in zip(answers, items, strict=True)
    ]
    values = np.array(right, dtype=np.float64)
    types = [item.truth.question_type for item in items]
    unparsed = tuple("" if answer.strip() else "no words" for answer in answers)
    return Outcome(accuracies(values, {"type": types}, name="exact match"), values, unparsed)
