"""WUPS: short answers compared word by word, by how near two words are in WordNet (open-ended NExT-QA).

The similarity of two words is given by the caller, so nothing here needs WordNet: Wu and Palmer's measure of the first
sense of each word, 0 where a word has none.

Sources: Malinowski and Fritz, A Multi-World Approach to Question Answering, NeurIPS 2014 (WUPS); Xiao et al., NExT-QA,
CVPR 2021 (open-ended task); lmms-eval 0.7.3 for the details that follow.
"""

from collections.abc import Sequence

from vgcli_core.evaluation.benchmark import WordSimilarity

THRESHOLDS = (0.0, 0.9)
BELOW_THRESHOLD = 0.1  # a similarity under the threshold counts a tenth

_MARKS = ".,;:!?\"'`()[]*"
# English function words. Those that say where, when and how much (under, after, no, more) are content here.
_STOP_WORDS = """
    a about again ain all am an and any are aren aren't as at be because been being but can couldn couldn't d did didn
    didn't do does doesn doesn't doing don don't during each for from further had hadn hadn't has hasn hasn't have haven
    haven't having he her here hers herself him himself his how i if into is isn isn't it it's its itself just ll m ma
    me mightn mightn't most mustn mustn't my myself needn needn't now o of only or other our ours ourselves own re s
    shan shan't she she's should should've shouldn shouldn't so some such t than that that'll the their theirs them
    themselves then there these they this those through to too until ve very was wasn wasn't we were weren weren't what
    when where which while who whom why will with won won't wouldn wouldn't y you you'd you'll you're you've your yours
    yourself yourselves
"""
_STOPPED = frozenset(_STOP_WORDS.split())


def content_words(text: str, *, marks: bool = True) -> list[str]:
    """Return the words of a lemmatised text, in small letters, without stop words.

    Args:
        text: words between blanks.
        marks: keep punctuation that clings to a word, which then is another word.
    """
    words = text.lower().split()
    if not marks:
        words = [word.strip(_MARKS) for word in words]
    return [word for word in words if word and word not in _STOPPED]


def wups(first: Sequence[str], second: Sequence[str], similarity: WordSimilarity, threshold: float) -> float:
    """Return the WUPS of two answers in [0, 1]: the lower of the products over the words of either.

    A word that resembles none of the other answer is skipped; an answer of such words alone scores 0.
    """

    def near(one: str, other: str) -> float:
        value = 1.0 if one == other else similarity(one, other)
        return value if value >= threshold else BELOW_THRESHOLD * value

    return min(_product(first, second, near), _product(second, first, near))


def _product(words: Sequence[str], others: Sequence[str], near: WordSimilarity) -> float:
    best = [max((near(word, other) for other in others), default=0.0) for word in words]
    product = 1.0
    for value in best:
        product *= value or 1.0
    return product if any(best) else 0.0
