"""Read what a judge model replied: TempCompass leaves answers that no rule matches to one.

No judge is asked here: its replies change from day to day, and scores with them. These readers serve whoever asked
one and kept the replies. Rules as in lmms-eval 0.7.3.
"""

from dataclasses import dataclass

_NO_REPLY = ("", "invalid_request_error")


@dataclass(frozen=True, slots=True)
class CaptionVerdict:
    """What a judge made of a caption: the option it picked from it, why, and whether that is the right one.

    All three are None where the judge gave no reply; `reasoning` also where it gave none.
    """

    answer: str | None = None
    reasoning: str | None = None
    correct: bool | None = None


def read_verdict(reply: str) -> bool | None:
    """Return whether the judge calls an answer correct; None if the reply holds neither "Correct" nor "Incorrect"."""
    if "Correct" not in reply and "Incorrect" not in reply:
        return None
    return reply.startswith("Correct") or "Incorrect" not in reply


def read_caption_verdict(reply: str, answer: str) -> CaptionVerdict:
    """Read a reply of lines "Reasoning: ..." and "Answer: ..."; a reply without the second is an answer as a whole.

    The pick is right if its letter is that of `answer` ("B. down") and it names one option only.
    """
    if reply in _NO_REPLY:
        return CaptionVerdict()
    picked, reasoning = reply, None
    for line in reply.split("\n"):
        if "Reasoning" in line:
            reasoning = line.replace("Reasoning:", "").strip()
        if "Answer" in line:
            picked = line.replace("Answer:", "").strip()
    named = sum(picked.count(f"{letter}.") for letter in "ABCD")
    correct = named == 1 and picked.partition(". ")[0] == answer.partition(". ")[0]
    return CaptionVerdict(picked, reasoning, correct)
