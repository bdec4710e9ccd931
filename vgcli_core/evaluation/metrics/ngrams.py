"""Runs of n words, counted once for all texts: what CIDEr and BLEU are made of.

Words become integers, so that counting is sorting. Every text has a row: the N hypotheses first, then all references,
item by item. An entry is one distinct n-gram of one text.

Shapes: N items, R references in all, E entries of one order, S pairs of entries.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from vgcli_core.geometry.boxes import Floats

ORDERS = 4  # CIDEr and BLEU look at runs of one to four words

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Entries:
    """The distinct n-grams of every text, for one n.

    Attributes:
        text: [E] row of the text, ascending; the rows of hypotheses are 0 to N - 1.
        gram: [E] number of the n-gram, ascending within a text, under `grams`.
        count: [E] how often it stands in that text.
        grams: how many different n-grams there are.
        in_hypothesis: [S] an entry of a hypothesis ...
        in_reference: [S] ... and one of its references' entries with the same n-gram; all such pairs.
    """

    text: Ints
    gram: Ints
    count: Floats
    grams: int
    in_hypothesis: Ints
    in_reference: Ints


@dataclass(frozen=True, slots=True)
class Ngrams:
    """All counts of a corpus.

    Attributes:
        items: N.
        owner: [N + R] the item that each text belongs to; ascending over the references.
        words: [N + R] number of words of each text.
        orders: entries for n = 1, 2, 3, 4.
    """

    items: int
    owner: Ints
    words: Ints
    orders: tuple[Entries, ...]


def count_ngrams(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Ngrams:
    """Count the n-grams of N hypotheses and of the references of each; words are what white space separates."""
    items = len(hypotheses)
    numbers: dict[str, int] = {}
    coded = [
        [numbers.setdefault(word, len(numbers)) for word in text.split()]
        for text in chain(hypotheses, chain.from_iterable(references))
    ]
    owner = np.concatenate([np.arange(items), np.repeat(np.arange(items), [len(own) for own in references])])
    words = np.array([len(text) for text in coded], dtype=np.int64)
    stream = np.fromiter(chain.from_iterable(coded), dtype=np.int64, count=int(words.sum()))
    text = np.repeat(np.arange(len(words)), words)
    orders = tuple(_entries(*run, owner, items) for run in _runs(stream, text, len(numbers)))
    return Ngrams(items, owner.astype(np.int64), words, orders)


def _runs(stream: Ints, text: Ints, words: int) -> Iterator[tuple[Ints, Ints, int]]:
    """Yield, for each n, the text and the n-gram's number at every place where one starts, and how many there are."""
    gram, grams = stream, words
    yield text, gram, grams
    for more in range(1, ORDERS):
        # An n-gram is the one shorter by a word, and that word. Runs over the end of a text are dropped below.
        kinds, gram = np.unique(gram[: max(len(stream) - more, 0)] * words + stream[more:], return_inverse=True)
        grams = len(kinds)
        within = text[: len(gram)] == text[more:]
        yield text[: len(gram)][within], gram[within], grams


def _entries(text: Ints, gram: Ints, grams: int, owner: Ints, items: int) -> Entries:
    """Count equal n-grams of a text, and pair the entries of hypotheses and references."""
    size = max(grams, 1)
    keys, count = np.unique(text * size + gram, return_counts=True)
    text, gram = np.divmod(keys, size)
    first = int(np.searchsorted(text, items))  # where the references begin
    wanted = owner[text[first:]] * size + gram[first:]
    place = np.searchsorted(keys[:first], wanted)
    shared = np.zeros(len(wanted), dtype=np.bool_)
    inside = place < first
    shared[inside] = keys[place[inside]] == wanted[inside]
    return Entries(text, gram, count.astype(np.float64), grams, place[shared], np.flatnonzero(shared) + first)
