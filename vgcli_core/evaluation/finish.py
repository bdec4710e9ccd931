"""The end of a run: the answers of all its processes put together, scored, and reported."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vgcli_core.atomic import write_text
from vgcli_core.evaluation.benchmark import Extras, Item
from vgcli_core.evaluation.plan import Asked
from vgcli_core.evaluation.predictions import read_predictions
from vgcli_core.evaluation.report import Report, SampleScore, report_of, score
from vgcli_core.evaluation.results import Result
from vgcli_core.evaluation.run_folder import PAGE, PREDICTIONS, REPORT, SCORES, RunFolder

SCHEMA = "vgllm.eval_report/1"


def unanswered(asked: Asked, folder: RunFolder) -> int:
    """Return how many samples of a benchmark no process has answered yet."""
    lines = folder.lines(asked.benchmark.name)
    return sum(sample.id not in lines for sample in asked.samples)


def score_answers(
    asked: Asked, folder: RunFolder, extras: Extras | None = None, *, versions: Mapping[str, str] | None = None
) -> Result:
    """Put a benchmark's answers into one file, score them, and write the scores beside it.

    Args:
        asked: all of whose samples are answered.
        folder: of the run.
        extras: what some scores need.
        versions: kept in the report.

    Raises:
        OutputError: the folder cannot be written.
    """
    name = asked.benchmark.name
    lines = folder.lines(name)
    target = folder.root / name / PREDICTIONS
    rows = [lines[key].row.decode("utf-8") for key in sorted(sample.id for sample in asked.samples)]
    write_text(target, "".join(f"{row}\n" for row in rows))
    found = read_predictions(target, asked.benchmark)
    report = score(
        asked.benchmark,
        found.items,
        extras,
        source=found.source,
        versions=versions,
        notes=(*asked.notes, *found.notes),
        failed=found.failed,
        cut_off=found.cut_off,
    )
    write_text(folder.root / name / REPORT, report.to_json())
    # One line per sample, for whoever looks for the hard ones.
    scores = [json.dumps({key: value for key, value in one._asdict().items() if value != ""}) for one in report.samples]
    write_text(folder.root / name / SCORES, "".join(f"{row}\n" for row in scores))
    return _result(asked, found.items, report)


def read_result(asked: Asked, folder: RunFolder) -> Result | None:
    """Return what an earlier command has scored of a benchmark of this run, None where it has not.

    Raises:
        PredictionsError: the files are there, and cannot be read.
    """
    here = folder.root / asked.benchmark.name
    try:
        plain = json.loads((here / REPORT).read_text(encoding="utf-8"))
        rows = (here / SCORES).read_text(encoding="utf-8").splitlines()
        report = replace(report_of(plain), samples=tuple(_sample_score(json.loads(row)) for row in rows))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    found = read_predictions(here / PREDICTIONS, asked.benchmark)
    return _result(asked, found.items, report)


def write_reports(folder: RunFolder, results: Sequence[Result]) -> list[Path]:
    """Write the page and the JSON of a whole run; return their paths.

    Raises:
        OutputError: the folder cannot be written.
    """
    from vgcli_core.evaluation.page import write_page

    record = folder.record() or {}
    plain = {
        "schema": SCHEMA,
        "run": record,
        "reports": {result.benchmark.name: result.report.to_dict() for result in results},
    }
    write_text(folder.root / REPORT, json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    name = str(record.get("model", {}).get("name", ""))
    write_page(folder.root / PAGE, results, record, title=f"{name}: vgllm eval")
    return [folder.root / REPORT, folder.root / PAGE]


def benchmark_facts(asked: Asked, *, limit: int | None) -> dict[str, Any]:
    """Return what a run's record says of a benchmark: its set with the checksums that answers depend on."""
    manifest = asked.prepared.manifest
    return {
        "dataset": manifest["dataset"],
        "split": asked.split,
        "folder": str(asked.prepared.root.absolute()),  # as it is called here, links included
        "samples": len(asked.samples),
        "limit": limit,
        "split_sha256": manifest["splits"][asked.split]["sha256"],
        "frames_sha256": manifest["frames"]["sha256"],
    }


def _result(asked: Asked, items: Sequence[Item[Any]], report: Report) -> Result:
    samples = {sample.id: sample for sample in asked.samples}
    return Result(asked.benchmark, asked.prepared, samples, {item.id: item for item in items}, report)


def _sample_score(row: Mapping[str, Any]) -> SampleScore:
    return SampleScore(row["id"], row["value"], row.get("unparsed", ""), row.get("failed", ""))
