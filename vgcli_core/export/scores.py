"""Scores for a model card, from the report.json files that `vgllm eval` writes; and whether they are of this model."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vgcli_core.errors import PredictionsError, UsageError, first_line
from vgcli_core.model.machine import weights_in

# As evaluation writes them: a whole run, and one benchmark. Its record stands two folders above a benchmark's report.
_RUN, _ONE, _RECORD = "vgllm.eval_report/1", "vgllm.report/1", "vgllm.eval/1"


@dataclass(frozen=True, slots=True)
class Row:
    """One score: a fraction, or in `unit` where it has one; `ci95` is its 95 % interval."""

    rules: str
    metric: str
    value: float | None
    ci95: tuple[float, float] | None
    n: int
    unit: str


@dataclass(frozen=True, slots=True)
class Scores:
    """The headline scores of one benchmark.

    Attributes:
        benchmark, title: its names.
        rows: by all sets of rules, the published ones first.
        notes: of the report.
        weights: checksums of the weight files that were evaluated; empty where the report does not say.
        file: that they were read from.
    """

    benchmark: str
    title: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    file: Path
    weights: Mapping[str, str] = field(default_factory=dict)


def read_scores(path: Path) -> tuple[Scores, ...]:
    """Read a report.json, of a run or of one benchmark, or that of a run's folder.

    Raises:
        PredictionsError: it is missing, or no report of this version.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
        if plain["schema"] == _RUN:
            found = [(one, plain["run"]) for one in plain["reports"].values()]
        elif plain["schema"] == _ONE:
            found = [(plain, _record_above(file))]
        else:
            raise ValueError(f"its schema is {plain['schema']!r}")
        return tuple(_scores(report, weights_in(record.get("model", {})), file) for report, record in found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PredictionsError(
            f"no report of `vgllm eval`: {first_line(error)}",
            where=str(file),
            fix="give the report.json of a run, or the run's folder",
        ) from error


def check_model(scores: Iterable[Scores], *models: Mapping[str, str]) -> None:
    """Refuse scores of other weights.

    Args:
        scores: to be put on a card.
        models: checksums of weight files, by name, of each form of the model that may have been evaluated.

    Raises:
        UsageError: a report is of another model.
    """
    for one in scores:
        if one.weights and one.weights not in models:
            raise UsageError(
                f"the report on {one.benchmark} is of another model: the checksums of its weights differ",
                where=f"--report {one.file}",
                fix="evaluate this checkpoint, or the export itself, and give that report; or leave it out",
            )


def _record_above(file: Path) -> dict[str, Any]:
    """Return the record of the run that a benchmark's report lies in, empty where it lies in none."""
    try:
        record = json.loads((file.resolve().parents[1] / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, IndexError):
        return {}
    return record if isinstance(record, dict) and record.get("schema") == _RECORD else {}


def _scores(report: dict[str, Any], weights: Mapping[str, str], file: Path) -> Scores:
    headline = list(report["headline"])
    rows = [
        Row(
            rules,
            str(one["metric"]),
            None if one["value"] is None else float(one["value"]),
            None if one["ci95"] is None else (float(one["ci95"][0]), float(one["ci95"][1])),
            int(one["n"]),
            str(one.get("unit", "")),
        )
        for rules, said in report["protocols"].items()
        for one in said["scores"]
        if not one["of"] and one["metric"] in headline
    ]
    notes = tuple(str(note) for note in report["notes"])
    return Scores(str(report["benchmark"]), str(report["title"]), tuple(rows), notes, file, weights)
