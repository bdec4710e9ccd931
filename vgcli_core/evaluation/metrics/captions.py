"""Captions against references: CIDEr, BLEU, ROUGE-L and METEOR together, as sums that can be drawn again.

Every item adds a row; the same formulas score one row, all rows, or a weighted sum of rows.
"""

import re
from collections.abc import Sequence

import numpy as np

from vgcli_core.evaluation.metrics import bleu, meteor
from vgcli_core.evaluation.metrics.cider import cider
from vgcli_core.evaluation.metrics.ngrams import count_ngrams
from vgcli_core.evaluation.metrics.rouge import rouge_l
from vgcli_core.geometry.boxes import Floats

METRICS = ("CIDEr", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L")
WITH_METEOR = (*METRICS, "METEOR")

# A word may hold marks inside: l-shaped, you'll, 1.5, and/or.
_WORD = re.compile(r"\w+(?:[-'’./,]\w+)*")
_BLEU = slice(3, 3 + bleu.COLUMNS)
_METEOR = slice(_BLEU.stop, _BLEU.stop + meteor.COLUMNS)


def sos_eos(text: str) -> str:
    """Return the form that Scan2Cap's published numbers compare: markers at both ends, blanks around "." and ",".

    Other punctuation stays glued to words, and "a. b" gains a double blank, which ROUGE-L counts as an empty word.
    """
    return "sos " + text.replace(".", " . ").replace(",", " , ").lower() + " eos"


def plain_words(text: str) -> str:
    """Return the words of a text in lower case, one blank between them, without punctuation: "a big, dark door"."""
    return " ".join(_WORD.findall(text.lower()))


def caption_sums(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], statistics: Floats | None = None
) -> Floats:
    """Return what each of N items adds to the scores: [N, 12], or [N, 18] with METEOR.

    Args:
        hypotheses: N captions, in the text form to be compared.
        references: at least one for each caption, in the same form. CIDEr weighs n-grams by their rarity among these.
        statistics: [N, 23] of METEOR's aligner on the same texts; None leaves METEOR out.
    """
    ngrams = count_ngrams(hypotheses, references)
    parts = [np.ones(len(hypotheses)), cider(ngrams), rouge_l(hypotheses, references), bleu.bleu_sums(ngrams)]
    if statistics is not None:
        parts.append(meteor.meteor_sums(statistics))
    return np.column_stack(parts)


def caption_scores(sums: Floats) -> Floats:
    """Return the scores [..., 6] named METRICS from sums [..., 12], or [..., 7] named WITH_METEOR from [..., 18].

    All are fractions but CIDEr, which reaches 10. NaN where there is no item.
    """
    items = sums[..., :1]
    parts = [sums[..., 1:2] / items, bleu.bleu(sums[..., _BLEU]), sums[..., 2:3] / items]
    if sums.shape[-1] == _METEOR.stop:
        parts.append(meteor.meteor(sums[..., _METEOR])[..., None])
    return np.where(items > 0, np.concatenate(parts, axis=-1), np.nan)
