"""Feed generated strings to everything that reads model output: nothing may raise, run code, or be slow.

Three checks: no exception; no execution (code in the texts would set a name in builtins or call eval, exec, compile,
open or __import__, whose calls are counted); and linear time (a text twice as long takes about twice as long).

Run it with: python -m tests.fuzz.fuzz_parsers --count 1000000 --workers 2
"""

import argparse
import builtins
import importlib
import math
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from tests.fuzz.strings import CANARY, KINDS
from vgcli_core.text.answers import read_caption, read_choice, read_detection, read_grounding, read_number
from vgcli_core.text.reference_answers import read_detection_as_reference, read_grounding_as_reference

Parser = Callable[[str], object]

# (module, function, further arguments) of readers that belong to single benchmarks.
METRIC_READERS = [
    ("letters", "first_word", ()),
    ("letters", "first_word_letter", ()),
    ("letters", "first_capital", ("ABCDEF",)),
    ("letters", "best_ranked", ("ABCD",)),
    ("letters", "stated_letter", ("ABCD",)),
    ("letters", "leading_letter", ()),
    ("letters", "last_named", ({"A": "chair", "B": "the bed", "C": "two"},)),
    ("numbers", "strict_number", ()),
    ("numbers", "first_number", ()),
    ("exact_match", "first_line", ()),
    ("exact_match", "normalise", ()),
    ("exact_match", "normalise_words", ()),
    ("words", "content_words", ()),
    ("judge", "read_verdict", ()),
    ("judge", "read_caption_verdict", ("A",)),
]

CHUNK = 2000  # strings of one seed
LENGTHS = (30, 100, 300, 1000)
LONG, LINE = 20_000, 1_000_000  # one string in a thousand, and one in ten thousand
GROWTH = (15_000, 100_000)  # doubled twice: below and above the longest object that is read
SUPER_LINEAR = 3.0
UNMEASURABLE = 2e-3  # seconds
RUNS_CODE = ("eval", "exec", "compile", "open", "__import__")
# Edges of a histogram of seconds, 2 % apart.
EDGES = np.geomspace(1e-7, 100, 1050)


@dataclass
class Record:
    """What one parser did with the strings of one or more chunks."""

    times: np.ndarray = field(default_factory=lambda: np.zeros(len(EDGES) + 1, dtype=np.int64))
    worst: tuple[float, str] = (0.0, "")
    exceptions: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Record") -> None:
        """Take in the record of another chunk."""
        self.times += other.times
        self.worst = max(self.worst, other.worst)
        self.exceptions += other.exceptions

    def quantile(self, share: float) -> float:
        """Return the seconds that this share of the calls stays below, to 2 %."""
        place = int(np.searchsorted(self.times.cumsum(), share * self.times.sum()))
        return float(EDGES[min(place, len(EDGES) - 1)])


def parsers() -> dict[str, Parser]:
    """Return every reader of model output by name."""
    found: dict[str, Parser] = {
        "read_grounding": partial(read_grounding, num_frames=32),
        "read_detection": read_detection,
        "read_grounding_as_reference": partial(read_grounding_as_reference, num_frames=32),
        "read_detection_as_reference": read_detection_as_reference,
        "read_choice": partial(read_choice, letters="ABCD"),
        "read_number": read_number,
        "read_caption": read_caption,
    }
    for name, function, arguments in METRIC_READERS:
        module = importlib.import_module(f"vgcli_core.evaluation.metrics.{name}")
        reader = getattr(module, function)
        found[f"{name}.{function}"] = lambda text, reader=reader, arguments=arguments: reader(text, *arguments)
    return found


@contextmanager
def watched() -> Iterator[Counter[str]]:
    """Count calls of everything that runs code or opens a file."""
    calls: Counter[str] = Counter()
    originals = {name: getattr(builtins, name) for name in RUNS_CODE}

    def counting(name: str) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            # A compiled pattern imports `re` by itself, to read the template of a substitution.
            calls[name] += (name, arguments[:1]) != ("__import__", ("re",))
            return originals[name](*arguments, **named)

        return call

    try:
        for name in RUNS_CODE:
            setattr(builtins, name, counting(name))
        yield calls
    finally:
        for name, original in originals.items():
            setattr(builtins, name, original)
        if hasattr(builtins, CANARY):
            calls["canary"] += 1
            delattr(builtins, CANARY)


def strings(seed: str, count: int) -> Iterator[tuple[str, str]]:
    """Yield (kind, text); the same seed gives the same texts."""
    generator = random.Random(seed)
    names = list(KINDS)
    for _ in range(count):
        draw = generator.random()
        length = LINE if draw < 1e-4 else LONG if draw < 1e-3 else generator.choice(LENGTHS)
        kind = generator.choice(names)
        yield kind, KINDS[kind](generator, length)


def run_chunk(seed: str, count: int) -> tuple[dict[str, Record], Counter[str]]:
    """Feed the strings of one seed to every parser; return what `feed` returns."""
    return feed(strings(seed, count))


def feed(texts: Iterable[tuple[str, str]]) -> tuple[dict[str, Record], Counter[str]]:
    """Feed (kind, text) to every parser; return a record for each parser, and the calls that run code by name."""
    readers = parsers()
    for text in ("1", '{"bbox_3d": "\\ud83d"}'):  # so that what Python loads at its first use is loaded
        for reader in readers.values():
            _read(Record(), reader, "first", text)
    records = {name: Record() for name in readers}
    executions: Counter[str] = Counter()
    for kind, text in texts:
        with watched() as calls:
            for name, reader in readers.items():
                _read(records[name], reader, kind, text)
        executions += calls
    return records, executions


def _read(record: Record, reader: Parser, kind: str, text: str) -> None:
    try:
        taken = seconds(reader, text)
        if taken > 0.01:  # the machine may have been busy with something else
            taken = min(taken, seconds(reader, text), seconds(reader, text))
    except Exception as error:
        record.exceptions[f"{type(error).__name__}: {kind}: {text[:80]!r}"] += 1
        return
    record.times[np.searchsorted(EDGES, taken)] += 1
    record.worst = max(record.worst, (taken, f"{kind}, {len(text):,} characters"))


def seconds(reader: Parser, text: str) -> float:
    """Return the wall time of one reading."""
    start = time.perf_counter()
    reader(text)
    return time.perf_counter() - start


def growth(job: tuple[str, str, int]) -> tuple[float, str, str]:
    """Return how much longer a parser takes for twice the text, and on what: about 2 if its time is linear.

    A text is doubled twice and the smaller ratio counts: quadratic time shows at every step, while a text that happens
    to be given up early shows at one.

    Args:
        job: name of a parser, a kind of string, a seed.
    """
    name, kind, seed = job
    reader = parsers()[name]
    worst = (0.0, name, kind)
    for length in GROWTH:
        grown = [KINDS[kind](random.Random(seed), times * length) for times in (1, 2, 4)]
        unit = KINDS[kind](random.Random(seed), LENGTHS[1])
        for texts in (grown, [unit * (times * length // (len(unit) or 1)) for times in (1, 2, 4)]):
            ratio = _ratio(reader, texts, runs=2)
            if ratio > SUPER_LINEAR:  # or noise
                ratio = min(ratio, _ratio(reader, texts, runs=9))
            worst = max(worst, (ratio, name, f"{kind}, seed {seed}, {length:,} characters"))
    return worst


def _ratio(reader: Parser, texts: list[str], *, runs: int) -> float:
    try:
        times = [min(seconds(reader, text) for _ in range(runs)) for text in texts]
    except Exception:
        return math.inf  # worse than slow
    if times[1] < UNMEASURABLE:
        return 0.0
    # Texts of twice the length, roughly.
    lengths = [max(len(text), 1) for text in texts]
    return min(2 * (times[i + 1] / times[i]) / (lengths[i + 1] / lengths[i]) for i in (0, 1))


def main() -> int:
    """Print a table; return 1 if anything raised, ran code, was slow in the median, or grew faster than its input."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=20_000, help="strings, each fed to every parser")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument(
        "--growth-seeds", type=int, default=4, help="texts of each kind that are doubled and doubled again"
    )
    chosen = options.parse_args()

    chunks = [(f"{chosen.seed}-{start}", min(CHUNK, chosen.count - start)) for start in range(0, chosen.count, CHUNK)]
    jobs = [(name, kind, seed) for name in parsers() for kind in KINDS for seed in range(chosen.growth_seeds)]
    records = {name: Record() for name in parsers()}
    executions: Counter[str] = Counter()
    with multiprocessing.Pool(chosen.workers) as pool:
        for found, calls in pool.starmap(run_chunk, chunks, chunksize=1):
            executions += calls
            for name, record in found.items():
                records[name].add(record)
        grown = pool.map(growth, jobs, chunksize=8)
    return _report(chosen.count, records, executions, grown)


def _report(
    count: int, records: dict[str, Record], executions: Counter[str], grown: list[tuple[float, str, str]]
) -> int:
    print(f"{count:,} strings through {len(records)} parsers; times in milliseconds")
    print(f"{'parser':36} {'raised':>6} {'median':>7} {'99.9 %':>7} {'worst':>8} {'doubling':>8}  worst input")
    total = Record()
    for name, record in records.items():
        total.add(record)
        ratio = max(result[0] for result in grown if result[1] == name)
        _row(name, record, f"{ratio:.1f}" if ratio else "-")
    _row("all", total, f"{max(grown)[0]:.1f}")
    print(f"executions: {sum(executions.values())} {dict(executions) or ''}")
    for what, times in total.exceptions.most_common(10):
        print(f"raised {times} times: {what}")
    steep = [result for result in grown if result[0] > SUPER_LINEAR]
    for ratio, name, kind in sorted(steep, reverse=True)[:10]:
        print(f"twice the text takes {ratio:.1f} times as long: {name}, {kind}")
    return int(bool(total.exceptions or executions or steep or total.quantile(0.5) > 1e-3))


def _row(name: str, record: Record, ratio: str) -> None:
    median, high, worst = (1000 * value for value in (record.quantile(0.5), record.quantile(0.999), record.worst[0]))
    raised = record.exceptions.total()
    print(f"{name:36} {raised:6} {median:7.4f} {high:7.3f} {worst:8.1f} {ratio:>8}  {record.worst[1]}")


if __name__ == "__main__":
    sys.exit(main())
