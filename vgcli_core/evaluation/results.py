"""One benchmark of a run, answered and scored: what a page about the run is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vgcli_core.data.prepared import Prepared
from vgcli_core.data.sample import Sample
from vgcli_core.evaluation.benchmark import AnyBenchmark, Item
from vgcli_core.evaluation.report import Report


@dataclass(frozen=True)
class Result:
    """One benchmark of a run.

    Attributes:
        benchmark: which.
        prepared: the set that its samples are from.
        samples: by id.
        items: answers and truths by id, of the same samples.
        report: their scores.
    """

    benchmark: AnyBenchmark
    prepared: Prepared
    samples: Mapping[str, Sample]
    items: Mapping[str, Item[Any]]
    report: Report
