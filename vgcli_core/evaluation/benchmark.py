"""What a benchmark is: the truth a prediction is scored against, its scoring rules by name, the published numbers.

A benchmark is one file in `benchmarks/`. It scores plain data (text and truth) and knows no model, no file and no
frame, so a stored prediction can be scored again in seconds, years later.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from vgcli_core.data.sample import Sample
from vgcli_core.data.sample import truth_of as truth_of_sample
from vgcli_core.evaluation.metrics.tally import Tally
from vgcli_core.geometry.boxes import EulerConvention, Floats

PUBLISHED = "published"  # the rules behind the paper's numbers, quirks included
CORRECTED = "corrected"  # the same metric without the quirks

WordSimilarity = Callable[[str, str], float]
# (hypotheses, references of each) -> statistics [N, 23] of METEOR's aligner.
MeteorAligner = Callable[[Sequence[str], Sequence[Sequence[str]]], Floats]


class Truth(BaseModel, ABC):
    """What one sample is scored against. Closed: an unknown key is an error, so a misspelt one cannot hide."""

    # Some owners write ids and answers as numbers, others as text.
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    @abstractmethod
    def group(self) -> str:
        """Return the scene or video of the sample; samples that share one are drawn together by the bootstrap."""


T = TypeVar("T", bound=Truth)


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One answer and its truth.

    Attributes:
        id: unique within a run.
        text: the model's raw text.
        truth: what it is scored against.
        euler_convention: of angles inside `text`; None for tasks without boxes.
    """

    id: str
    text: str
    truth: T
    euler_convention: EulerConvention | None = None


@dataclass(frozen=True, slots=True)
class Extras:
    """Inputs that some scores need beside the answers; None where the user gave none.

    Attributes:
        proposals: scan -> axis-aligned boxes [P, 6] (centre, size; metres, aligned scan), to refine ScanRefer.
        word_similarity: for open-ended NExT-QA.
        meteor: METEOR's aligner, for captions.
    """

    proposals: Mapping[str, Floats] | None = None
    word_similarity: WordSimilarity | None = None
    meteor: MeteorAligner | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The score of all items under one set of rules.

    Attributes:
        tally: the scores, over N samples in the order of the items.
        values: [N] how good each answer is by itself (IoU, 1 or 0, relative accuracy): what comparisons pair.
        unparsed: [N] why an answer could not be read, "" where it could.
        counts: what else a reader should know, by name: dropped boxes, boxes without volume, refused pairs.
        notes: remarks in words: a partial benchmark, a metric that was skipped and how to get it.
    """

    tally: Tally
    values: Floats
    unparsed: tuple[str, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """A published number: fractions by model, "4B" and "8B" being the paper's two."""

    metric: str
    values: Mapping[str, float]
    source: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class Range:
    """What an oracle (every answer perfect) and a silent model (every answer empty) score: by metric name.

    They are not always 1 and 0: absent classes cap detection, and a silent captioner still matches "sos" and "eos".
    """

    oracle: Mapping[str, float]
    silent: Mapping[str, float]


Score = Callable[[Sequence[Item[T]], Extras], Outcome]


def _nothing_to_say(items: Sequence[Item[Any]]) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Benchmark(Generic[T]):
    """One benchmark.

    Attributes:
        name: as on the command line.
        title: for people.
        dataset, split: the prepared set, a key of DATASETS, and which split of it a model is asked about.
        truth: the closed type of what a prediction is scored against.
        truth_of: a prepared sample -> its truth as plain data, or None.
        protocols: rules by name -> scoring function; the first is PUBLISHED and carries the headline.
        headline: names of the metrics (of the whole benchmark) to show first.
        published: numbers to compare with, scored by the first protocol.
        example: the truth of an invented sample, to show its form.
        perfect: truth -> the text that an oracle would write.
        range: truths -> what an oracle and a silent model score by the first protocol, for the headline metrics where
            that can be worked out without scoring.
        inspect: items -> warnings on the data themselves, whatever the rules.
        sizes: how many samples the whole benchmark may have, the usual number first; another number is noted as a
            subset. Empty: unknown.
        differs: protocol -> one sentence on how its rules differ from the published ones.
        units: of metrics that are no fractions and shown as they are ("m"); all others are shown as percent.
        needs: what `Extras` can add, name -> one line for the user.
        boxes_in_text: answers hold boxes, so their Euler convention must be known.
    """

    name: str
    title: str
    dataset: str
    split: str
    truth: type[T]
    protocols: Mapping[str, Score[T]]
    headline: tuple[str, ...]
    published: tuple[Published, ...]
    example: T
    perfect: Callable[[T], str]
    range: Callable[[Sequence[T]], Range]
    inspect: Callable[[Sequence[Item[T]]], tuple[str, ...]] = _nothing_to_say
    truth_of: Callable[[Sample], dict[str, Any] | None] = truth_of_sample
    sizes: tuple[int, ...] = ()
    differs: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    boxes_in_text: bool = False


AnyBenchmark = Benchmark[Any]
