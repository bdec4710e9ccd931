"""NExT-QA, open ended: the same questions answered in a few words. WUPS at thresholds 0 and 0.9.

How near two words are is given by the caller (`Extras.word_similarity`). The published numbers lemmatise both sides
with a tool of their own; here words stand as they are written, so give lemmatised references and answers.

Sources: Xiao et al., NExT-QA, CVPR 2021; lmms-eval 0.7.3, whose score is the mean WUPS at threshold 0.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from vgcli_core.evaluation.benchmark import (
    CORRECTED,
    PUBLISHED,
    Benchmark,
    Extras,
    Item,
    Outcome,
    Range,
    Truth,
    WordSimilarity,
)
from vgcli_core.evaluation.metrics.choices import accuracies
from vgcli_core.evaluation.metrics.tally import Tally, label_means
from vgcli_core.evaluation.metrics.words import THRESHOLDS, content_words, wups

EXACT_TYPES = ("DB", "DC")  # yes or no, and counts: all words or nothing
NAMES = ("wups@0", "wups@0.9")

_NOT_GIVEN = "WUPS is left out: it needs the similarity of words (--word-similarities)"


class NextQaOpenTruth(Truth):
    """One question's type and its answer, with a second accepted one for some."""

    video: str
    type: Literal["CW", "CH", "TN", "TC", "TP", "DB", "DC", "DL", "DO"]
    answer: str
    additional_ref_answer: str | None = None

    def group(self) -> str:
        """Return the video."""
        return self.video

    def references(self) -> list[str]:
        """Return the accepted answers."""
        return [self.answer, self.additional_ref_answer] if self.additional_ref_answer else [self.answer]


def published(items: Sequence[Item[NextQaOpenTruth]], extras: Extras) -> Outcome:
    """Compare a second reference at threshold 0 for both scores, and count questions of type TP as TN."""
    return _score(items, extras.word_similarity, second_threshold=0.0, as_published=True)


def corrected(items: Sequence[Item[NextQaOpenTruth]], extras: Extras) -> Outcome:
    """Compare both references at the threshold of the score, and keep every type of question apart."""
    return _score(items, extras.word_similarity, second_threshold=None, as_published=False)


def counted_as(kind: str) -> str:
    """Return the type that a question is published under: previous (TP) goes with next (TN)."""
    return "TN" if kind == "TP" else kind


def perfect(truth: NextQaOpenTruth) -> str:
    """Return the first accepted answer that says something beyond stop words."""
    return next((text for text in truth.references() if content_words(text)), truth.answer)


def score_range(truths: Sequence[NextQaOpenTruth]) -> Range:
    """Return the share of questions that can be answered, and that of those which nothing answers.

    An answer of stop words alone has no words left to compare: it scores 0, or for counts and yes/no, where no words
    equal no words, it is what a silent model says.
    """
    says_nothing = [[not content_words(text) for text in truth.references()] for truth in truths]
    exact = [truth.type in EXACT_TYPES for truth in truths]
    oracle = [always or not all(nothing) for always, nothing in zip(exact, says_nothing, strict=True)]
    silent = [always and any(nothing) for always, nothing in zip(exact, says_nothing, strict=True)]
    if not truths:
        return Range({}, {})
    return Range(dict.fromkeys(NAMES, sum(oracle) / len(truths)), dict.fromkeys(NAMES, sum(silent) / len(truths)))


BENCHMARK = Benchmark(
    name="nextqa_oe",
    title="NExT-QA (open ended)",
    dataset="nextqa",
    split="oe_test",
    truth=NextQaOpenTruth,
    protocols={PUBLISHED: published, CORRECTED: corrected},
    headline=NAMES,
    published=(),
    example=NextQaOpenTruth(video="4010069381", type="CW", answer="open door"),
    perfect=perfect,
    range=score_range,
    differs={
        CORRECTED: "a second reference counts at the threshold of the score, type TP has a row of its own, and marks "
        "around words are dropped"
    },
    needs={"word_similarity": "how near two words are: Wu and Palmer's measure of their first senses in WordNet 3.0"},
)


def _score(
    items: Sequence[Item[NextQaOpenTruth]],
    similarity: WordSimilarity | None,
    *,
    second_threshold: float | None,
    as_published: bool,
) -> Outcome:
    answers = [content_words(item.text, marks=as_published) for item in items]
    references = [[content_words(text, marks=as_published) for text in item.truth.references()] for item in items]
    types = [counted_as(item.truth.type) if as_published else item.truth.type for item in items]
    exact = np.array([words in accepted for words, accepted in zip(answers, references, strict=True)], dtype=np.float64)
    columns = {"exact match": exact}
    if similarity is not None:
        for name, threshold in zip(NAMES, THRESHOLDS, strict=True):
            second = threshold if second_threshold is None else second_threshold
            values = [
                _wups(words, accepted, similarity, (threshold, second)) if kind not in EXACT_TYPES else match
                for words, accepted, kind, match in zip(answers, references, types, exact.tolist(), strict=True)
            ]
            columns[name] = np.array(values, dtype=np.float64)
    tallies = [
        accuracies(columns[name], {"type": types}, name=name) for name in (*NAMES, "exact match") if name in columns
    ]
    return Outcome(
        Tally(
            tuple(metric for tally in tallies for metric in tally.metrics),
            np.hstack([tally.sums for tally in tallies]),
            label_means,
        ),
        columns.get(NAMES[0], exact),
        tuple("" if words else "no words beside stop words" for words in answers),
        notes=() if similarity is not None else (_NOT_GIVEN,),
    )


def _wups(
    words: Sequence[str],
    references: Sequence[Sequence[str]],
    similarity: WordSimilarity,
    thresholds: tuple[float, float],
) -> float:
    """Return the better WUPS of one or two references, each at its own threshold."""
    return max(wups(words, own, similarity, threshold) for own, threshold in zip(references, thresholds, strict=False))
