"""TempCompass: does a model see how things change in time? The headline is multiple choice alone, as in the paper.

Three tasks are scored by rules; an answer that no rule matches is wrong here and counted, where the published code asks
another model. The fourth task, captioning, needs such a judge for every answer and is not scored.

Sources: Liu et al., TempCompass, Findings of ACL 2024; rules of lmms-eval 0.7.3; arXiv 2505.24625v3, Table 6.
"""

import re
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

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
from vgcli_core.evaluation.metrics.tally import Metric, Tally, label_means, label_sums
from vgcli_core.text.answers import read_choice

Task = Literal["multi_choice", "yes_no", "caption_matching"]
HEADLINE_TASK: Task = "multi_choice"
LETTERS = "ABCD"

_NO_RULE = "no rule matches"
_KIND = re.compile(r"(?:Sentence|Option|Caption) ", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+")


class TempCompassTruth(Truth):
    """One question of one task. `question` ends with the options, one a line; matching captions needs them."""

    task: Task
    video_id: str
    dim: Literal["action", "speed", "direction", "order", "attribute_change"]
    answer: str = Field(min_length=1)
    question: str = ""

    @model_validator(mode="after")
    def _answer_fits_the_task(self) -> Self:
        if self.task == "yes_no" and self.answer not in ("yes", "no"):
            raise ValueError(f"{self.answer!r} is neither yes nor no")
        if self.task == "caption_matching" and not self.options():
            raise ValueError("the question ends with no options, one a line, after its first line")
        return self

    def group(self) -> str:
        """Return the video."""
        return self.video_id

    def options(self) -> list[str]:
        """Return the lines of options: all after the first."""
        return self.question.split("\n")[1:]


def match_option(text: str, answer: str) -> bool | None:
    """Tell whether a multiple-choice answer is right: the option as it stands, "A", or a start like "A." or "A)"."""
    if text == answer:
        return True
    if text[:1] not in tuple(LETTERS) or text[1:2] not in ("", ".", ")"):
        return None
    return text[0] == answer[0]


def match_yes_no(text: str, answer: str) -> bool | None:
    """Tell whether a yes/no answer is right by how it starts: "nothing" is a no, and "yesterday" a yes."""
    lowered = text.lower()
    said = next((word for word in ("yes", "no") if lowered.startswith(word)), None)
    return None if said is None else said == answer


def match_caption(text: str, options: Sequence[str], answer: str) -> bool | None:
    """Tell whether a chosen caption is right: "Option A: words", the words (also after ") "), "Option A" or "A".

    Dots do not count in the last two. Where a text fits several options, the last of the shortest form counts.
    """
    parts = [option.split(": ") for option in options]
    right = answer.split(": ")
    accepted = {answer, answer.partition(":")[0], *right[1:2], *right[0].split()[1:2]}
    names = [part[0] for part in parts]
    words = [text, *text.split(") ")[1:2]]
    forms = (
        [option for option in options if option == text],
        [part[1] for part in parts if len(part) > 1 and part[1] in words],
        [name for name in (*names, *(_KIND.sub("", name) for name in names)) if name in (text, text.replace(".", ""))],
    )
    found = [form[-1] for form in forms if form]
    return found[-1] in accepted if found else None


def published(items: Sequence[Item[TempCompassTruth]], extras: Extras) -> Outcome:
    """Match by the rules of the published code, to the letter."""
    return _score(items, [_by_rule(item.text, item.truth) for item in items])


def corrected(items: Sequence[Item[TempCompassTruth]], extras: Extras) -> Outcome:
    """Match what the text settles on, without regard to case, blanks and marks around it."""
    return _score(items, [_settled(item.text, item.truth) for item in items])


def perfect(truth: TempCompassTruth) -> str:
    """Return the answer as it stands."""
    return truth.answer


def score_range(truths: Sequence[TempCompassTruth]) -> Range:
    """Return 1 and 0 where there are multiple-choice questions."""
    scored = any(truth.task == HEADLINE_TASK for truth in truths)
    return Range({"accuracy": 1.0}, {"accuracy": 0.0}) if scored else Range({}, {})


BENCHMARK = Benchmark(
    name="tempcompass",
    title="TempCompass (multiple choice)",
    dataset="tempcompass",
    split="multi_choice",
    truth=TempCompassTruth,
    protocols={PUBLISHED: published, CORRECTED: corrected},
    headline=("accuracy",),
    published=(Published("accuracy", {"4B": 0.639, "8B": 0.678}, "arXiv 2505.24625v3, Table 6"),),
    example=TempCompassTruth(
        task="multi_choice",
        video_id="1104088934",
        dim="action",
        answer="A. running",
        question="What is the person doing?\nA. running\nB. sitting",
    ),
    perfect=perfect,
    range=score_range,
    differs={CORRECTED: "what the text settles on counts, without regard to case, blanks and marks around it"},
)


def _by_rule(text: str, truth: TempCompassTruth) -> bool | None:
    if truth.task == "multi_choice":
        return match_option(text, truth.answer)
    if truth.task == "yes_no":
        return match_yes_no(text, truth.answer)
    return match_caption(text, truth.options(), truth.answer)


def _settled(text: str, truth: TempCompassTruth) -> bool | None:
    if truth.task == "multi_choice":
        return _settled_option(text, truth)
    if truth.task == "yes_no":
        return _settled_yes_no(text, truth.answer)
    return _settled_caption(text, truth)


def _settled_option(text: str, truth: TempCompassTruth) -> bool | None:
    letter = read_choice(text, LETTERS)
    if letter is not None:
        return letter == truth.answer[0]
    said = [option for option in truth.options() if option[1:2] == "." and _plain(option[2:]) == _plain(text)]
    return said == [truth.answer] if said else None


def _settled_yes_no(text: str, answer: str) -> bool | None:
    words = _WORD.findall(text.lower())
    said = set(words[:1]) & {"yes", "no"} or set(words) & {"yes", "no"}
    return said == {answer} if len(said) == 1 else None


def _settled_caption(text: str, truth: TempCompassTruth) -> bool | None:
    exact = match_caption(_plain(text), [option.lower() for option in truth.options()], truth.answer.lower())
    if exact is not None:
        return exact
    named = [option for option in truth.options() if _names(text, option.partition(":")[0])]
    return named == [truth.answer] if len(named) == 1 else None


def _names(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE) is not None


def _plain(text: str) -> str:
    return text.strip().strip("*\"'").removesuffix(".").lower().strip()


def _score(items: Sequence[Item[TempCompassTruth]], marks: Sequence[bool | None]) -> Outcome:
    values = np.array([mark is True for mark in marks], dtype=np.float64)
    tasks = [item.truth.task for item in items]
    rows = [f"{item.truth.task}: {item.truth.dim}" for item in items]
    labels = (*sorted(set(tasks)), *sorted(set(rows)))
    metrics = [Metric("accuracy", "", tasks.count(HEADLINE_TASK))]
    metrics += [Metric("accuracy", label, [*tasks, *rows].count(label)) for label in labels]
    columns = [
        label_sums(values, tasks, [HEADLINE_TASK]),
        label_sums(values, tasks, sorted(set(tasks))),
        label_sums(values, rows, sorted(set(rows))),
    ]
    unmatched = sum(mark is None for mark in marks)
    notes = []
    if unmatched:
        notes.append(f"{unmatched} answers match no rule and count as wrong; the published code asks another model")
    if HEADLINE_TASK not in tasks:
        notes.append("no multiple-choice questions: the headline is theirs alone")
    return Outcome(
        Tally(tuple(metrics), np.hstack(columns), label_means),
        values,
        tuple(_NO_RULE if mark is None else "" for mark in marks),
        {"answers no rule matches": unmatched},
        tuple(notes),
    )
