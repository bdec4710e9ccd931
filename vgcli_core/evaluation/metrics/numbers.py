"""Readers of numbers, and mean relative accuracy: the numeric half of VSI-Bench.

Sources: Yang et al., Thinking in Space, arXiv 2412.14171, section 3.3 (mean relative accuracy); its public evaluation
code, which arXiv 2505.24625 uses unchanged; lmms-eval 0.7.3 for the later reader. Our own lenient reader is
`text.answers.read_number`.
"""

import re

from vgcli_core.evaluation.metrics.letters import first_word

# A relative error counts at a level if it does not exceed the bound. 1 - numpy.linspace(0.5, 0.95, 10), written out:
# the last digits matter, since an error of exactly 0.1 lies below the ninth bound. The paper's text asks for a strictly
# smaller error; its code does not.
BOUNDS = (
    *(0.5, 0.44999999999999996, 0.4, 0.35, 0.30000000000000004),
    *(0.25, 0.19999999999999996, 0.15000000000000002, 0.10000000000000009, 0.050000000000000044),
)

_DIGITS = re.compile(r"-?\d+(?:\.\d+)?")
_WORD = re.compile(r"[a-z]+")
_UNDER_TWENTY = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {
    **{word: value for value, word in enumerate(_UNDER_TWENTY)},
    **{word: 10 * place for place, word in enumerate(_TENS, 2)},
    **{"hundred": 100, "thousand": 1000},
}


def strict_number(text: str) -> float | None:
    """Return the first word as Python's `float` reads it, or None (VSI-Bench).

    So "3 chairs" is 3, "1_0" is 10, "nan" and "inf" are read as such and score 0, full-width digits count; "3m",
    "about 3", "1,000" and "two" are no numbers.
    """
    try:
        return float(first_word(text))
    except ValueError:
        return None


def first_number(text: str) -> float | None:
    """Return the first number in digits or in words, whichever comes first, or None (lmms-eval 0.7.3).

    Digits end at a comma or an exponent: "1,000" is 1. Number words are summed up to the first other word, "and" and
    anything that is no word aside.
    """
    text = text.strip().lower()
    digits = _DIGITS.search(text)
    words = (word for word in _WORD.finditer(text) if word[0] in _VALUES)
    first = next(words, None)
    if digits and (first is None or digits.start() < first.start()):
        return float(digits[0])
    return None if first is None else _sum_of_words(text, first.start())


def mean_relative_accuracy(prediction: float, target: float) -> float:
    """Return the share of the ten levels at which `prediction` is close enough to `target`, in [0, 1].

    A target of 0, where the relative error is undefined and the published code stops, asks for exactly 0.
    """
    if target == 0:
        return float(prediction == 0)
    error = abs(prediction - target) / target
    return sum(error <= bound for bound in BOUNDS) / len(BOUNDS)


def _sum_of_words(text: str, start: int) -> float:
    total = current = 0.0  # floats: a looping "hundred hundred ..." ends at infinity, and in linear time
    for word in _WORD.finditer(text, start):
        if word[0] == "and":
            continue
        if word[0] not in _VALUES:
            break
        value = _VALUES[word[0]]
        if value == 1000:
            total, current = total + max(current, 1.0) * 1000, 0.0
        elif value == 100:
            current = max(current, 1.0) * 100
        else:
            current += value
    return total + current
