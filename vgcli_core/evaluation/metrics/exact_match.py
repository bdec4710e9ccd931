"""Exact match of short answers after normalisation: SQA3D.

Source: the rules of Ma et al., SQA3D, ICLR 2023 (answer cleaning of its baselines), as the evaluation published with
arXiv 2505.24625 applies them.
"""

import re

_ARTICLES = ("a", "an", "the")
_NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
# Slips of the annotators, and numbers; 23 is the one number above 20 that the answers hold.
_SPELLING = {
    **{"letf": "left", "let": "left", "tehre": "there", "brigth": "right", "brght": "right", "behine": "behind"},
    **{"chai": "chair", "wasing": "washing", "waslked": "walked", "oclock": "o'clock", "none": "zero"},
    **{str(value): word for value, word in enumerate(_NUMBERS)},
    "23": "twenty-three",
}

_DROPPED = re.compile(r"[^a-z0-9,'\s\-:]+")
_BLANKS = re.compile(r" {2,}")
_WORD = re.compile(r"\w+")
_CLOCK = re.compile(r"\bo' +clock\b")
_NUMBERED = re.compile(r"\b([a-z]+)[0-9]\b")  # "mat2" is a mat
_BEFORE_WORD = [re.compile(rf"\b{article} ([a-z]+)") for article in _ARTICLES]


def first_line(text: str) -> str:
    """Return the first line that is not blank, without white space around the text: all that is read of an answer."""
    return text.strip().partition("\n")[0]


def normalise(text: str) -> str:
    """Return a short answer in the form in which SQA3D compares it.

    Blanks are collapsed before other characters than letters, digits and , ' - : go, so a blank can be left where one
    stood alone ("left ." becomes "left "), as in the published scores.
    """
    text = _BLANKS.sub(" ", text.lower().strip(" "))
    text = _WORD.sub(lambda word: _SPELLING.get(word[0], word[0]), _DROPPED.sub("", text))
    text = _NUMBERED.sub(r"\1", _CLOCK.sub("o'clock", text))
    for article in _BEFORE_WORD:
        text = article.sub(r"\1", text)
    return re.sub(r"\bbackwards\b", "backward", text)


def normalise_words(text: str) -> str:
    """Return the normalised answer without stray blanks and marks around its words, and without articles.

    An answer of articles alone keeps them.
    """
    words = [word.strip(",:'-") for word in normalise(text).split()]
    words = [word for word in words if word]
    return " ".join([word for word in words if word not in _ARTICLES] or words)
