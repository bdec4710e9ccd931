"""How far an evaluation is, in words. Pure: prints nothing."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from vgcli.preparing import duration

if TYPE_CHECKING:
    from vgcli_core.evaluation.runner import Progress


class Clock:
    """Turns where a process stands into a line with its speed and the time left.

    Args:
        processes: that share the work.
    """

    def __init__(self, processes: int = 1) -> None:
        self._processes = processes
        self._name = ""
        self._began = self._said = time.monotonic()

    def is_due(self, now: "Progress", seconds: float) -> bool:
        """Tell whether it is time for another line in a log: at a benchmark's begin and end, and now and then."""
        moment = time.monotonic()
        if now.name == self._name and now.done < now.total and moment - self._said < seconds:
            return False
        self._said = moment
        return True

    def line(self, now: "Progress") -> str:
        """Return samples done, answers a second, the time left, and what failed."""
        if now.name != self._name:
            self._name, self._began = now.name, time.monotonic()
        whose = f" of this process's {now.total:,}" if self._processes > 1 else f" of {now.total:,}"
        parts = [f"{now.done:,}{whose} samples answered"]
        new, elapsed = now.done - now.earlier, time.monotonic() - self._began
        if now.earlier:
            parts.append(f"{now.earlier:,} of them before")
        if new and elapsed > 0:
            rate = new / elapsed
            parts.append(f"{rate:.3g}/s" if rate >= 1 else f"{60 * rate:.3g}/min")
            if now.done < now.total:
                parts.append(f"{duration((now.total - now.done) / rate)} left")
        if now.failed:
            parts.append(f"{now.failed:,} could not be asked")
        return ", ".join(parts)


def stopping(signal: str) -> str:
    """Return what to say when a signal was heard and the questions under way are still answered."""
    again = "; Ctrl-C again stops at once" if signal == "SIGINT" else ""
    return f"{signal}: stopping after the questions under way{again}"


def missing(left: Mapping[str, int], of: Mapping[str, int]) -> Iterator[RenderableType]:
    """Yield how many samples of each benchmark have no answer yet."""
    yield Text("this job's part is done; scores are written when all samples are answered:")
    for name, count in left.items():
        said = "all answered" if not count else f"{count:,} of {of[name]:,} samples are not answered"
        yield Text(f"  {name}: {said}")
    yield Text("the last job to end writes the report; the same command continues a part that was stopped")
