"""Samples that are too long lose whole frames, where that does not change what the text means."""

import re
from dataclasses import replace

from vgcli_core.data.sample import IMAGE, Sample, Turn

_TAG = re.compile(rf"{IMAGE}\n?")
_RUN_OF_TAGS = re.compile(rf"(?:{IMAGE}\n?)+")
_NAMED_FRAME = re.compile(r"Frame-\d")


def may_lose_frames(sample: Sample) -> bool:
    """Tell whether frames can be left out: no mark or turn names one, and their tags stand together, in the first turn.

    Only questions are shortened: what is grounded, detected or described is seen in certain frames.
    """
    first, *others = (turn.text for turn in sample.conversations)
    run = _RUN_OF_TAGS.search(first)
    together = run is not None and run.group().count(IMAGE) == len(sample.frames) == first.count(IMAGE)
    elsewhere = any(IMAGE in text for text in others)
    named = any(_NAMED_FRAME.search(text) for text in (first, *others))
    return sample.task == "ask" and sample.markers is None and together and not elsewhere and not named


def with_tags(sample: Sample, count: int) -> Sample:
    """Return the sample with `count` tags in its first turn; what follows the last tag is as it was."""
    first = sample.conversations[0]
    tags = _TAG.findall(first.text)
    text = _RUN_OF_TAGS.sub("".join([*tags[: count - 1], tags[-1]]), first.text, count=1)
    return replace(sample, conversations=(Turn(first.speaker, text), *sample.conversations[1:]))
