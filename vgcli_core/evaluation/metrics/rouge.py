"""ROUGE-L: the longest common subsequence of words, as precision and recall.

Source: Lin, ROUGE: A Package for Automatic Evaluation of Summaries, ACL 2004 workshop, section 3, with the COCO caption
evaluation's choices: beta = 1.2, the best precision and the best recall of all references taken separately, and words
separated by single blanks, so that a double blank holds an empty word that counts and matches.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from vgcli_core.geometry.boxes import Floats

_BETA = 1.2  # above 1, recall weighs more


def rouge_l(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Floats:
    """Return the ROUGE-L [N] of every item, in [0, 1]; the corpus score is their plain mean."""
    places = cache(_places)  # a reference often comes again
    return np.array(
        [_score(text, [places(one) for one in own]) for text, own in zip(hypotheses, references, strict=True)]
    )


def _score(hypothesis: str, references: Sequence[tuple[dict[str, int], int]]) -> float:
    words = hypothesis.split(" ")
    common = [_common(words, places, length) for places, length in references]
    precision = max(common) / len(words)
    recall = max(found / length for found, (_, length) in zip(common, references, strict=True))
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def _places(reference: str) -> tuple[dict[str, int], int]:
    """Return a bit set of the places of each word, and the number of words."""
    words = reference.split(" ")
    places: dict[str, int] = {}
    for place, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << place
    return places, len(words)


def _common(words: Sequence[str], places: dict[str, int], length: int) -> int:
    """Return the length of the longest common subsequence, one step per word with all places of the reference at once.

    A zero bit stands where the subsequence grows by one word. Source: Hyyro, Bit-parallel LCS-length computation
    revisited, 2004.
    """
    row = everywhere = (1 << length) - 1
    for word in words:
        here = row & places.get(word, 0)
        if here:
            row = (row + here) | (row - here)
    return length - (row & everywhere).bit_count()
