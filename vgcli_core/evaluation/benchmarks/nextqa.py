"""NExT-QA, multiple choice: why and how things happen in a video. Accuracy over questions with five options.

Sources: Xiao et al., NExT-QA, CVPR 2021; MMMU's reader of letters, as lmms-eval uses it; results of arXiv 2505.24625v3,
Table 6.
"""

from collections.abc import Callable, Sequence
from typing import Literal

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
from vgcli_core.evaluation.metrics.choices import accuracies, mark_letters
from vgcli_core.evaluation.metrics.letters import last_named
from vgcli_core.text.answers import read_choice

LETTERS = "ABCDE"
GROUPS = {"C": "causal", "T": "temporal", "D": "descriptive"}  # by the first letter of a type


class NextQaTruth(Truth):
    """One question, its five options, and the position of the right one."""

    video: str
    type: Literal["CW", "CH", "TN", "TC", "TP", "DB", "DC", "DL", "DO"]
    answer: int = Field(ge=0, le=4, strict=True)
    a0: str
    a1: str
    a2: str
    a3: str
    a4: str

    def group(self) -> str:
        """Return the video."""
        return self.video

    def options(self) -> dict[str, str]:
        """Return letter -> words of the option."""
        words = (self.a0, self.a1, self.a2, self.a3, self.a4)
        return {letter: option.strip() for letter, option in zip(LETTERS, words, strict=True)}


def published(items: Sequence[Item[NextQaTruth]], extras: Extras) -> Outcome:
    """Take the option named last; where there is none, count a wrong answer instead of a random guess."""
    return _score(items, lambda item: last_named(item.text, item.truth.options()))


def corrected(items: Sequence[Item[NextQaTruth]], extras: Extras) -> Outcome:
    """Take the option that the text settles on, by its letter or by its words."""
    return _score(items, _settled)


def perfect(truth: NextQaTruth) -> str:
    """Return the letter."""
    return LETTERS[truth.answer]


def score_range(truths: Sequence[NextQaTruth]) -> Range:
    """Return 1 and 0: an empty answer names no option, and nobody guesses for it."""
    return Range({"accuracy": 1.0}, {"accuracy": 0.0}) if truths else Range({}, {})


BENCHMARK = Benchmark(
    name="nextqa",
    title="NExT-QA (multiple choice)",
    dataset="nextqa",
    split="test",
    truth=NextQaTruth,
    protocols={PUBLISHED: published, CORRECTED: corrected},
    headline=("accuracy",),
    published=(Published("accuracy", {"4B": 0.748, "8B": 0.793}, "arXiv 2505.24625v3, Table 6"),),
    example=NextQaTruth(
        video="4010069381",
        type="CW",
        answer=1,
        a0="to rest",
        a1="to open the door",
        a2="to dance",
        a3="to wave",
        a4="to sit",
    ),
    perfect=perfect,
    range=score_range,
    sizes=(8564,),
    differs={CORRECTED: "the option that the text settles on counts, by its letter or by its words"},
)


def _settled(item: Item[NextQaTruth]) -> str | None:
    letter = read_choice(item.text, LETTERS)
    if letter is not None:
        return letter
    text = " ".join(item.text.lower().split())
    named = [letter for letter, words in item.truth.options().items() if words and words.lower() in text]
    return named[0] if len(named) == 1 else None


def _score(items: Sequence[Item[NextQaTruth]], read: Callable[[Item[NextQaTruth]], str | None]) -> Outcome:
    found = [read(item) for item in items]
    values, unparsed = mark_letters(found, [LETTERS[item.truth.answer] for item in items])
    types = [item.truth.type for item in items]
    groupings: dict[str, Sequence[str]] = {"group": [GROUPS[kind[0]] for kind in types], "type": types}
    guesses = found.count(None)
    notes = (f"{guesses} answers name no option and count as wrong; the published code guesses at random for them",)
    return Outcome(
        accuracies(values, groupings),
        values,
        unparsed,
        {"answers without an option": guesses},
        notes if guesses else (),
    )
