"""Readers of option letters: the rule behind each published number, by name.

They differ on purpose. Which one was used decides the score as much as the model does: "Answer: C" is A to the reader
of CV-Bench and C to a later one. All take any text, return a capital letter, and None where they find none.

Sources: the evaluation code of arXiv 2505.24625 (VSI-Bench, CV-Bench, BLINK); lmms-eval 0.3.0 and 0.7.3; MMMU (Yue et
al., CVPR 2024), whose rule NExT-QA takes over. Our own lenient reader is `text.answers.read_choice`.
"""

import re
from collections.abc import Mapping

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# Taken out one after the other. Two are pairs that a missing comma glued together, so neither half is ever taken out.
_STOCK_PHRASES = (
    *("The best answer is", "The correct answer is", "The answer is", "The answer"),
    *("The best option isThe correct option is", "Best answer:Best option:"),
)

# lmms-eval 0.7.3 looks for each of these once, without case: what stands behind its first place may be the answer.
_NOUNS = ("answer", "correct answer", "best answer", "correct option", "best option", "choice", "correct choice")
_LEAD_INS = (
    *(f"{article}{noun} is" for noun in _NOUNS for article in ("", "the ")),
    *("my answer is", "my choice is", "i choose", "i select", "i pick"),
    *("옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは"),
)
_FORMS = ("{} ", "{})", "{}:", "{}.", "({})")  # ways to write an option, the surest last

# Possessive quantifiers (++, *+, ?+) never step back, so that a megabyte of blanks costs one pass.
_STATED = re.compile(r"answers?+(?:\s++is)?+\s*+[:\-]?+\s*+\(?+([A-Z])(?![A-Z])", re.IGNORECASE)
_PARENTHESISED = re.compile(r"\(([A-Z])\)")
_LEADING = re.compile(r"[(\s]*+([A-Z])", re.IGNORECASE)
_TERSE = re.compile(r"\(?([A-Z])\)?[.\s:,)]*", re.IGNORECASE)


def first_word(text: str) -> str:
    """Return the text up to its first blank, without dots and white space at its end (VSI-Bench).

    A text that starts with a blank therefore has an empty first word, and "(A)" keeps its parentheses.
    """
    return text.partition(" ")[0].rstrip(".").strip()


def first_word_letter(text: str) -> str | None:
    """Return the first word if it is one letter, in upper case (VSI-Bench compares without case)."""
    word = first_word(text).upper()
    return word if len(word) == 1 and word in ALPHABET else None


def first_capital(text: str, letters: str) -> str | None:
    """Return the first of `letters` anywhere in the text, once stock phrases are taken out.

    With "ABCDEF" this is the reader of CV-Bench and BLINK, with "ABCD" that of Video-MME in lmms-eval 0.3.0. A capital
    of an ordinary word counts too ("Both", "Definitely"), and small letters never do.
    """
    text = text.strip()
    for phrase in _STOCK_PHRASES:
        text = text.replace(phrase, "")
    return next((character for character in text if character in letters), None)


def best_ranked(text: str, letters: str) -> str | None:
    """Return the letter in the surest form, the last one where two are in the same form (Video-MME, lmms-eval 0.7.3).

    The forms in order: at the start of the text, at its end, after a lead-in such as "answer is", "(A)", "A.", "A:",
    "A)", "A ". Where none has any of them: the letter whose last place is furthest on.
    """
    core = _strip_in_turn(text.strip(), ",.!?;:'\"")
    padded, bare = f" {core} ", core.strip()
    lowered = padded.lower()
    starts = [lowered.find(phrase) + len(phrase) for phrase in _LEAD_INS if phrase in lowered]
    ranked: list[tuple[int, int, str]] = []
    for letter in letters:
        places = [
            padded.rfind(letter),
            *(padded.rfind(form.format(letter)) for form in _FORMS),
            max((padded.find(letter, start) for start in starts), default=-1),
            0 if bare.endswith(letter) and not bare[-2:-1].isalpha() else -1,
            0 if bare.startswith(letter) and not bare[1:2].isalpha() else -1,
        ]
        ranked += [(rank, place, letter) for rank, place in enumerate(places) if place >= 0]
    return max(ranked)[2] if ranked else None


def stated_letter(text: str, letters: str) -> str | None:
    """Return the letter that the text states (BLINK in lmms-eval 0.7.3).

    A first line that is little else; else the last "answer is A" or "answer: A"; else the last "(A)"; else the letter
    that the text starts with, be it the start of a word.
    """
    text = text.strip()
    line = text.partition("\n")[0].strip()
    terse = _TERSE.fullmatch(line) if len(line) <= 4 else None
    if terse and terse[1].upper() in letters:
        return terse[1].upper()
    for pattern in (_STATED, _PARENTHESISED):
        found = [match[1].upper() for match in pattern.finditer(text) if match[1].upper() in letters]
        if found:
            return found[-1]
    return leading_letter(text, letters)


def leading_letter(text: str, letters: str = ALPHABET) -> str | None:
    """Return the letter that the text starts with, parentheses aside, be it the start of a word (CV-Bench, 0.7.3)."""
    found = _LEADING.match(text.strip())
    return found[1].upper() if found and found[1].upper() in letters else None


def last_named(text: str, options: Mapping[str, str]) -> str | None:
    """Return the option that the text names last (MMMU's rule, used by NExT-QA).

    Looked for are "(A)"; else "A" before a blank; else "A."; else, in texts of more than five words, the words of an
    option. MMMU guesses at random where it finds nothing; here that is None.

    Args:
        text: the model's answer.
        options: letter -> words of the option.
    """
    padded = " " + _strip_in_turn(text, ",.!?;:'") + " "
    # Of several letters the last that stands alone wins, however it was found; "(A)" is placed as it was found.
    for form, alone in (("({})", "({})"), ("{} ", " {} "), ("{}.", " {} ")):
        found = [letter for letter in options if form.format(letter) in padded]
        if found:
            return max(found, key=lambda letter: padded.rfind(alone.format(letter)))
    if len(padded.split()) <= 5:
        return None
    lowered = padded.lower()
    named = [letter for letter in options if options[letter].lower() in lowered]
    return max(named, key=lambda letter: lowered.rfind(options[letter].lower()), default=None)


def _strip_in_turn(text: str, marks: str) -> str:
    """Strip each mark from both ends, one after the other: what a later mark uncovers stays."""
    for mark in marks:
        text = text.strip(mark)
    return text
