"""Errors a user can act on: what went wrong, where, and how to fix it.

The command line turns a VgllmError into three lines and exit code 2; every other exception is a bug and keeps its
traceback. This module imports nothing heavy, so that `vgllm --help` stays fast.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")


class VgllmError(Exception):
    """An error caused by input: a file, an argument, a checkpoint, a machine without enough memory.

    Args:
        what: one sentence, no full stop needed, naming the thing that is wrong.
        where: the file, key or option it was found in; empty when `what` already says it.
        fix: what to do next, in words a user can follow.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


class UnknownName(VgllmError):
    """A name that is not in one of the registries."""


class UsageError(VgllmError):
    """Options or arguments that contradict each other or cannot be read."""


class MediaError(VgllmError):
    """A video or picture that is missing, damaged, or not what the model can look at."""


class CheckpointError(VgllmError):
    """Weights or a configuration that do not fit together."""


class ConventionError(VgllmError):
    """Box angles whose meaning nobody declared."""


class PredictionsError(VgllmError):
    """A file of predictions or truths that cannot be scored as it is."""


class DataError(VgllmError):
    """A raw or prepared dataset that is missing, damaged, or not in its owner's layout."""


class FusionError(VgllmError):
    """The two encoders saw frames of different sizes, so their patches do not pair up."""


class OutputError(VgllmError):
    """A result that could not be written: no space, no permission, a folder where a file should be."""


class ResourceError(VgllmError):
    """The machine has too little memory, or lacks a device that was asked for."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def lookup(kind: str, table: Mapping[str, T], name: str, *, where: str = "") -> T:
    """Return `table[name]`, or raise UnknownName that names the nearest entry and all known ones."""
    if name in table:
        return table[name]
    near = get_close_matches(name, table, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UnknownName(f"unknown {kind} {name!r}", where=where, fix=f"{hint}known: {', '.join(sorted(table))}")
