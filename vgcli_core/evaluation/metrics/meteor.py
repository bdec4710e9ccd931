"""METEOR 1.5 for English from the statistics of its aligner, for one segment or summed over a corpus.

The corpus score is not a mean: statistics are summed and scored once. The aligner itself, a Java program, is run by
`evaluation/meteor.py`; this file only counts.

Source: Denkowski and Lavie, Meteor Universal: Language Specific Translation Evaluation for Any Target Language, WMT
2014, with the English parameters of the program: matches by exact word, stem, synonym, paraphrase.
"""

import numpy as np

from vgcli_core.geometry.boxes import Floats

STATISTICS = 23
COLUMNS = 6
_MATCH_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])  # exact, stem, synonym, paraphrase
_ALPHA = 0.85  # of precision in the denominator of F
_BETA = 0.2  # exponent of fragmentation
_GAMMA = 0.6  # largest penalty
_CONTENT = 0.75  # weight of content words; function words have the rest


def meteor_sums(statistics: Floats) -> Floats:
    """Return what each segment adds [N, 6].

    The columns: weighted matches in hypothesis and reference, weighted length of both, chunks, matched words.

    Args:
        statistics: [N, 23] words of hypothesis and reference, function words of both; for each kind of match content
            words in both and function words in both; chunks; matched words of both.
    """
    lengths, functions = statistics[:, 0:2], statistics[:, 2:4]
    matches = statistics[:, 4:20].reshape(-1, 4, 2, 2)  # kind of match, content or function, hypothesis or reference
    weighted = np.einsum("nkcs,k,c->ns", matches, _MATCH_WEIGHTS, np.array([_CONTENT, 1 - _CONTENT]))
    weighted_lengths = _CONTENT * (lengths - functions) + (1 - _CONTENT) * functions
    chunks, matched = statistics[:, 20], statistics[:, 21:23]
    # A segment matched from end to end in one piece is not broken up, so it adds no chunk.
    whole = (chunks == 1) & (matched == lengths).all(axis=1)
    return np.column_stack([weighted, weighted_lengths, np.where(whole, 0, chunks), matched.mean(axis=1)])


def meteor(sums: Floats) -> Floats:
    """Return METEOR [...] in [0, 1] from sums [..., 6] of `meteor_sums`; 0 where nothing matches."""
    precision = _ratio(sums[..., 0], sums[..., 2])
    recall = _ratio(sums[..., 1], sums[..., 3])
    f_mean = _ratio(precision * recall, _ALPHA * precision + (1 - _ALPHA) * recall)
    return f_mean * (1 - _GAMMA * _ratio(sums[..., 4], sums[..., 5]) ** _BETA)


def _ratio(above: Floats, below: Floats) -> Floats:
    """Divide; 0 where the denominator is 0."""
    return np.divide(above, below, out=np.zeros(np.shape(below)), where=below > 0)
