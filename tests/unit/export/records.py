"""Records beside checkpoints, as training and evaluation write them, for the tests of model cards."""

import json
from pathlib import Path
from typing import Any

from vgcli_core.export.provenance import DataUsed, Run
from vgcli_core.model.machine import source_of

DRAWN = {"weights": {"name": "tiny", "seed": 0}}


def from_hub(name: str) -> dict[str, Any]:
    """Weights that came from the hub's cache."""
    return {"name": name, "folder": "/cache/snapshots/0123abc", "revision": "0123abc", "files": {}}


def from_folder(folder: Path) -> dict[str, Any]:
    """Weights of a folder."""
    return source_of(str(folder), folder)


def write_run(folder: Path, weights: dict[str, Any], *, datasets: tuple[str, ...] = ("rooms",), **recipe: Any) -> Path:
    """Write the record of a finished run into its folder; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"split": "train", "share": 0.5, "samples": 1000, "counts": {"trained on": 480, "held out": 20}}
    record = {
        "schema": "vgllm.run/1",
        "name": f"{folder.name}-0123abcd",
        "recipe": {"description": f"a | run of {folder.name}", "trained": {"language_model": "lora"}, **recipe},
        "weights": weights,
        "data": {name: {"dataset": name, **facts} for name in datasets},
        "starts": [{"command": "vgllm train --data /sets/data", "device": "cpu (x86_64)", "world": 2}],
    }
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "status.json").write_text(json.dumps({"state": "finished", "step": 12, "steps": 12}), encoding="utf-8")
    return folder


def run_of(*datasets: str, split: str = "train") -> Run:
    """A run that was trained on datasets."""
    data = (DataUsed(key=name, dataset=name, split=split, share=1, samples=10) for name in datasets)
    return Run(name="run", recipe={}, data=tuple(data))


def score(metric: str = "acc@0.25", **changes: Any) -> dict[str, Any]:
    """One score of a report."""
    return {"metric": metric, "of": "", "value": 0.5, "ci95": [0.25, 0.75], "n": 40, "unit": ""} | changes


def report(*scores: dict[str, Any], benchmark: str = "scanrefer") -> dict[str, Any]:
    """The report of one benchmark."""
    return {
        "schema": "vgllm.report/1",
        "benchmark": benchmark,
        "title": "ScanRefer: where is it",
        "headline": ["acc@0.25"],
        "protocols": {"published": {"scores": list(scores or (score(),))}},
        "notes": ["a part of the benchmark"],
    }


def write_evaluation(folder: Path, model: Path | None, *reports: dict[str, Any]) -> Path:
    """Write the reports of an evaluation of a model into its folder; return the folder."""
    folder.mkdir(parents=True)
    record = {"schema": "vgllm.eval/1", "model": source_of("m", model) if model is not None else {"name": "tiny"}}
    whole = {
        "schema": "vgllm.eval_report/1",
        "run": record,
        "reports": {one["benchmark"]: one for one in reports},
    }
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "report.json").write_text(json.dumps(whole), encoding="utf-8")
    for one in reports:
        (folder / one["benchmark"]).mkdir()
        (folder / one["benchmark"] / "report.json").write_text(json.dumps(one), encoding="utf-8")
    return folder
