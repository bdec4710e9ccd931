"""CIDEr as captioning papers report it: the clipped, length-penalised kind (CIDEr-D).

A text becomes, for each n, a vector of its n-grams weighted by their rarity; a caption is compared with each reference
by a clipped cosine. Rarity is taken over the references of the evaluated items themselves, so scores of two different
sets of items are not comparable, and one item alone scores 0.

Source: Vedantam, Zitnick, Parikh, CIDEr: Consensus-based Image Description Evaluation, CVPR 2015, section 5 (n = 1 to
4, sigma = 6, times 10); the penalty counts bigrams, as the published numbers do.
"""

import numpy as np

from vgcli_core.evaluation.metrics.ngrams import ORDERS, Entries, Ngrams
from vgcli_core.geometry.boxes import Floats

LARGEST = 10.0  # of a caption that equals its only reference
_SIGMA = 6.0  # bigrams


def cider(ngrams: Ngrams) -> Floats:
    """Return the CIDEr [N] of every item, in [0, 10]; the corpus score is their plain mean.

    A bootstrap that draws these values keeps the rarities of the whole set: it varies the items, not the weights.
    """
    owner = ngrams.owner[ngrams.items :]
    bigrams = np.maximum(ngrams.words - 1, 0)
    longer = bigrams[: ngrams.items][owner] - bigrams[ngrams.items :]
    similarity = sum((_cosine(order, ngrams) for order in ngrams.orders), np.zeros(len(owner)))
    similarity *= np.exp(-(longer.astype(np.float64) ** 2) / (2 * _SIGMA**2))
    total = np.bincount(owner, similarity, minlength=ngrams.items)
    return LARGEST * total / (ORDERS * np.bincount(owner, minlength=ngrams.items))


def _cosine(order: Entries, ngrams: Ngrams) -> Floats:
    """Return, for each reference [R], its clipped cosine with the hypothesis of its item."""
    weight = order.count * _rarity(order, ngrams)[order.gram]
    norm = np.sqrt(np.bincount(order.text, weight**2, minlength=len(ngrams.words)))
    ours, theirs = weight[order.in_hypothesis], weight[order.in_reference]
    # Clipping: saying a rare word twice gains nothing where the reference says it once.
    product = np.bincount(order.text[order.in_reference], np.minimum(ours, theirs) * theirs, minlength=len(norm))
    bound = norm[ngrams.owner[ngrams.items :]] * norm[ngrams.items :]
    cosine: Floats = np.divide(product[ngrams.items :], bound, out=np.zeros(len(bound)), where=bound > 0)
    return cosine


def _rarity(order: Entries, ngrams: Ngrams) -> Floats:
    """Return the inverse document frequency of each n-gram; a document is all references of one item together."""
    in_references = order.text >= ngrams.items
    size = max(order.grams, 1)
    pairs = np.unique(ngrams.owner[order.text[in_references]] * size + order.gram[in_references])
    documents = np.bincount(pairs % size, minlength=order.grams)
    rarity: Floats = np.log(max(ngrams.items, 1)) - np.log(np.maximum(documents, 1))
    return rarity
