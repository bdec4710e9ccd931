"""BLEU-1 to BLEU-4 from counts: matched n-grams, all n-grams, and lengths, summed over the corpus.

Source: Papineni, Roukos, Ward, Zhu, BLEU: a Method for Automatic Evaluation of Machine Translation, ACL 2002: n-gram
counts clipped to the most that one reference has, geometric mean, brevity penalty. The reference length is the closest
one, the shorter of two equally close. The two small terms are those of the COCO caption evaluation: they decide the
score where an n-gram order has no match, so they are part of the metric.
"""

import numpy as np

from vgcli_core.evaluation.metrics.ngrams import ORDERS, Entries, Ints, Ngrams
from vgcli_core.geometry.boxes import Floats

COLUMNS = 2 * ORDERS + 1
_TINY = 1e-15  # added to numerators
_SMALL = 1e-9  # added to denominators


def bleu_sums(ngrams: Ngrams) -> Floats:
    """Return what each item adds [N, 9]: matched n-grams for n = 1 to 4, all n-grams likewise, reference length."""
    matched = [_matched(order, ngrams.items) for order in ngrams.orders]
    words = ngrams.words[: ngrams.items]
    total = [np.maximum(words - shorter, 0) for shorter in range(ORDERS)]
    return np.column_stack([*matched, *total, _closest_lengths(ngrams)]).astype(np.float64)


def bleu(sums: Floats) -> Floats:
    """Return BLEU-1 to BLEU-4 [..., 4] from sums [..., 9] of `bleu_sums`, of one item or of many."""
    matched, total, reference = sums[..., :ORDERS], sums[..., ORDERS : 2 * ORDERS], sums[..., -1:]
    precision = (matched + _TINY) / (total + _SMALL)
    mean = np.cumprod(precision, axis=-1) ** (1 / np.arange(1, ORDERS + 1))
    ratio = (total[..., :1] + _TINY) / (reference + _SMALL)
    return mean * np.exp(np.minimum(1 - 1 / ratio, 0))


def _matched(order: Entries, items: int) -> Floats:
    """Count [N] the n-grams of each hypothesis that a reference has, each at most as often as one reference has it."""
    most = np.zeros(len(order.count))
    np.maximum.at(most, order.in_hypothesis, order.count[order.in_reference])
    first = int(np.searchsorted(order.text, items))
    clipped = np.minimum(order.count, most)[:first]
    return np.bincount(order.text[:first], clipped, minlength=items).astype(np.float64)


def _closest_lengths(ngrams: Ngrams) -> Ints:
    """Return the length [N] of the reference that is closest in length to the hypothesis."""
    owner, words = ngrams.owner[ngrams.items :], ngrams.words[ngrams.items :]
    apart = np.abs(words - ngrams.words[: ngrams.items][owner])
    best_first = np.lexsort((words, apart, owner))
    return words[best_first[np.searchsorted(owner, np.arange(ngrams.items))]]
