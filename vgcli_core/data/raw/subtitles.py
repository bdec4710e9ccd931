"""Subtitles in SubRip form (.srt): entries with a start, an end and text, and those that cover given times."""

import re
from collections.abc import Sequence
from typing import NamedTuple

_TIMES = re.compile(
    r"(\d+):(\d+):(\d+)(?:[,.](\d{1,3}))?\s*-->\s*(\d+):(\d+):(\d+)(?:[,.](\d{1,3}))?",
)
# The owners of Video-MME wrap what was spoken in this tag; other tags are markup inside or around it.
_SPOKEN = re.compile(r'<font color="white" size=".72c">(.*?)</font>', re.DOTALL)
_TAG = re.compile(r"<[^<>]*>")


class Entry(NamedTuple):
    """One subtitle: shown from `start` to `end`, in seconds."""

    start: float
    end: float
    text: str


def read_subtitles(data: bytes) -> list[Entry]:
    """Return the entries of an .srt file in the order of their times; bytes that are no UTF-8 become marks."""
    entries = []
    for block in re.split(r"\r?\n\s*\r?\n", data.decode("utf-8-sig", errors="replace")):
        times = _TIMES.search(block)
        if times:
            h, m, s, ms, h2, m2, s2, ms2 = times.groups(default="0")
            text = _spoken(block[times.end() :])
            if text:
                entries.append(Entry(_seconds(h, m, s, ms), _seconds(h2, m2, s2, ms2), text))
    return sorted(entries)


def covering(entries: Sequence[Entry], times: Sequence[float]) -> list[Entry]:
    """Return the entries that are shown at any of `times` (seconds), each once, in their order."""
    return [entry for entry in entries if any(entry.start <= time <= entry.end for time in times)]


def _spoken(lines: str) -> str:
    wrapped = _SPOKEN.findall(lines)
    return " ".join(_TAG.sub("", " ".join(wrapped) if wrapped else lines).split())


def _seconds(hours: str, minutes: str, seconds: str, fraction: str) -> float:
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000
