"""The lines that a run writes, so that a run that was killed and went on leaves those of a run that never stopped.

Three files of JSON lines: `log.jsonl` has what is equal in a repeated run (steps and validations), `timing.jsonl` what
is not, `bad.jsonl` the samples that could not be used. Every line has a `step`.
"""

import json
import math
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any, Protocol

from vgcli_core.atomic import output_errors, write_text
from vgcli_core.errors import DataError

LOG, TIMING, BAD = "log.jsonl", "timing.jsonl", "bad.jsonl"


class Unusable(Protocol):
    """A sample that was left out, and why."""

    @property
    def id(self) -> str:
        """The sample's."""

    @property
    def where(self) -> str:
        """The file that it stands in."""

    @property
    def reason(self) -> str:
        """What is wrong with it."""


class RunLog:
    """Writes the three files of a run folder, a line at a time, each handed to the system before the call returns.

    Args:
        folder: of the run; None writes nothing, which is what all processes but the first do.
        after_step: step of the checkpoint that the run goes on from; lines of later steps are removed first, since they
            will be written again. 0: there is none, and all lines are removed.

    Raises:
        OutputError: a file cannot be written; what its last line holds by then is removed when the run goes on.
        DataError: a line of an earlier part of the run is not one that a run writes.
    """

    def __init__(self, folder: Path | None, after_step: int) -> None:
        self._files: dict[str, FileIO] = {}
        self._paths = {name: folder / name for name in (LOG, TIMING, BAD)} if folder is not None else {}
        for name, path in self._paths.items():
            kept = [text for text, line in _lines(path) if line["step"] <= after_step and after_step > 0]
            write_text(path, "".join(text + "\n" for text in kept))
            with output_errors(path):
                # Without a buffer, nothing of a line that failed is left to be written once more on closing.
                self._files[name] = FileIO(str(path), "a")

    def step(self, values: Mapping[str, float]) -> None:
        """Write what a step did: `step` and whatever else is the same in a repeated run, in this order."""
        self._write(LOG, values)

    def timing(self, values: Mapping[str, float]) -> None:
        """Write how a step went on this machine: `step`, seconds, tokens a second and so on."""
        self._write(TIMING, values)

    def validation(self, step: int, measures: Mapping[str, float]) -> None:
        """Write what was measured after `step`, by name."""
        self._write(LOG, {"step": step, "validation": dict(sorted(measures.items()))})

    def bad(self, step: int, sample: Unusable) -> None:
        """Write which sample of `step` was left out, where it lies, and why."""
        self._write(BAD, {"step": step, "id": sample.id, "where": sample.where, "reason": sample.reason})

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _write(self, name: str, values: Mapping[str, Any]) -> None:
        if name not in self._files:
            return
        for key, value in {**values, **values.get("validation", {})}.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{key} of step {values['step']} is {value}, which JSON cannot hold")
        rest = (json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n").encode()
        with output_errors(self._paths[name]):
            while rest:
                # The system may take a part of a line, when the disk fills up.
                rest = rest[self._files[name].write(rest) :]


def read_log(folder: Path, name: str = LOG) -> list[dict[str, Any]]:
    """Read a run's lines, oldest first; a last line that was being written when the run was killed is left out.

    Raises:
        DataError: a line is not one that a run writes.
    """
    return [line for _, line in _lines(folder / name)]


def _lines(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return each whole line as it stands and as read; none where there is no file."""
    try:
        # What follows the last newline is a line that was not finished; it may end inside a character.
        whole = path.read_bytes().rpartition(b"\n")[0]
    except FileNotFoundError:
        return []
    found = []
    for number, raw in enumerate(whole.split(b"\n") if whole else [], start=1):
        try:
            line = json.loads(raw)
            line["step"] + 0
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(
                "this is not a line that a run writes",
                where=f"{path}, line {number}",
                fix="remove the line, or start again with --restart",
            ) from error
        found.append((raw.decode("utf-8"), line))
    return found
