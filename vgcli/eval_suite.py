"""`vgllm eval --suite paper`: the models that play the paper's rows are asked one after the other, then the tables."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vgcli import display
from vgcli.eval_run import LEFT_OUT, Wish, check, run
from vgcli.eval_scores import versions
from vgcli.processes import stopping_kindly
from vgcli_core.atomic import write_text
from vgcli_core.errors import DataError, UsageError, lookup

if TYPE_CHECKING:
    from vgcli_core.evaluation.report import Report

SUITES = {"paper": "Tables 1 to 7 of arXiv 2505.24625v3"}
TABLES = ("tables.md", "tables.tex")

# Parameters of both published sizes, with and without a geometry encoder.
_SIZES = {"4B": (3e9, 6e9), "8B": (7e9, 11e9)}
# Options by the name of their value in `Wish.load` and `Wish.how`, and the defaults that need not be written.
_OPTIONS = {
    "geometry": None,
    "device": "auto",
    "device_map": None,
    "dtype": "auto",
    "attention": "auto",
    "euler_convention": None,
    "prompt_revision": None,
    "seed": 0,
    "cache_features": None,
    "max_new_tokens": None,
    "repetition_penalty": None,
    "batch_size": 8,
    "workers": 2,
    "timeout": 300.0,
    "recheck": None,
}


def run_suite(name: str, wish: Wish, models: Sequence[str], *, as_json: bool) -> None:
    """Ask every model that plays a role, and write the tables beside the published ones.

    Args:
        name: of the suite.
        wish: what holds for all of them; its names, if any, are the benchmarks to keep to.
        models: ROLE=MODEL each.
        as_json: print the reports as JSON instead of where the tables are.

    Raises:
        UsageError: no model, no such role, or a role twice.
        DataError: prepared sets are missing.
        typer.Exit: stopped, or samples could not be asked.
    """
    lookup("suite", SUITES, name, where="--suite")
    with display.progress("reading the prepared sets"):
        from vgcli_core.evaluation.benchmarks import BENCHMARKS
        from vgcli_core.evaluation.plan import plan
        from vgcli_core.evaluation.suite import suite_benchmarks
        from vgcli_core.evaluation.suite_roles import ROLES

        for named in wish.names:
            lookup("benchmark", BENCHMARKS, named, where="vgllm eval")
        roles = _roles(models, ROLES)
        asked = {role: _kept(names, wish.names, role) for role, names in suite_benchmarks(list(roles)).items()}
        plan(list(dict.fromkeys(name for names in asked.values() for name in names)), wish.data)
    runs = {}
    for role, model in roles.items():
        one = replace(wish, names=asked[role], load={**wish.load, "model": model}, out=wish.out / role)
        runs[role] = replace(one, words=tuple(words_of(one)))
    with display.progress("looking at the models"):
        for one in runs.values():
            check(one)  # before hours are spent on the first
    failed = False
    for role, one in runs.items():
        display.notes([f"{role}: {', '.join(asked[role])}"])
        with stopping_kindly():
            results = run(one)
        failed = failed or any(result.report.failed for result in results)
        if results and not as_json:
            display.run_scores([result.report for result in results])
    reports = gather(wish.out, ROLES)
    if as_json:
        plain = {role: {name: one.to_dict() for name, one in found.items()} for role, found in reports.items()}
        display.json_text(json.dumps(plain, indent=1, allow_nan=False))
    display.written(write_tables(wish.out, reports, data=wish.data))
    if failed:
        raise typer.Exit(LEFT_OUT)


def words_of(wish: Wish) -> list[str]:
    """Return the words of the command that does what `wish` asks for, without the program's name."""
    values = {**wish.load, **wish.how, "max_new_tokens": wish.how.get("limit")}
    words = ["eval", *wish.names, "--model", str(wish.load["model"]), "--data", str(wish.data), "--out", str(wish.out)]
    for name, default in _OPTIONS.items():
        if values.get(name, default) != default:
            words += [f"--{name.replace('_', '-')}", str(values[name])]
    for name, value in (
        ("--split", wish.split),
        ("--limit", wish.limit),
        ("--num-processes", wish.num_processes),
        ("--shard", None if wish.shard == (0, 1) else "{}/{}".format(*wish.shard)),
        ("--proposals", wish.scoring.proposals),
        ("--word-similarities", wish.scoring.word_similarities),
    ):
        words += [] if value is None else [name, str(value)]
    flags = {
        "--offline": wish.load.get("offline"),
        "--retry-failed": wish.retry_failed,
        "--restart": wish.restart,
        "--no-meteor": not wish.scoring.meteor,
    }
    return [*words, *(name for name, wanted in flags.items() if wanted)]


def gather(out: Path, roles: Mapping[str, Any]) -> "dict[str, dict[str, Report]]":
    """Return the finished reports of all roles in a suite's folder, those of earlier commands included.

    Raises:
        DataError: a report that cannot be read.
    """
    from vgcli_core.evaluation.report import report_of
    from vgcli_core.evaluation.run_folder import REPORT

    found: dict[str, dict[str, Report]] = {}
    for role in roles:
        for path in sorted((out / role).glob(f"*/{REPORT}")):
            try:
                report = report_of(json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, KeyError, TypeError) as error:
                fix = f"score that run again: vgllm eval --out {(out / role).as_posix()}"
                raise DataError("the report cannot be read", where=str(path), fix=fix) from error
            found.setdefault(role, {})[report.benchmark] = report
    return found


def write_tables(out: Path, reports: "Mapping[str, Mapping[str, Report]]", *, data: Path) -> list[Path]:
    """Write the tables as Markdown and LaTeX; return their paths. Raises OutputError."""
    from vgcli_core.evaluation.run_folder import RunFolder
    from vgcli_core.evaluation.suite import tables
    from vgcli_core.evaluation.suite_text import latex, markdown

    records = {role: RunFolder(out / role).record() or {} for role in reports}
    filled = tables(
        reports,
        commands={role: _commands(record) for role, record in records.items()},
        models={role: str(record.get("model", {}).get("name", role)) for role, record in records.items()},
        sizes={role: _size(record) for role, record in records.items()},
        data=data.as_posix(),
        out=out.as_posix(),
    )
    day = date.today().isoformat()
    for name, text in zip(TABLES, (markdown, latex), strict=True):
        write_text(out / name, text(filled, when=day, versions=versions()))
    return [out / name for name in TABLES]


def _roles(models: Sequence[str], known: Mapping[str, Any]) -> dict[str, str]:
    roles: dict[str, str] = {}
    for word in models:
        role, _, model = word.partition("=")
        if not model:
            raise UsageError(
                f"{word!r} names no role",
                where="--model",
                fix=f"give ROLE=MODEL; the paper's rows are played by {', '.join(known)}",
            )
        lookup("role", known, role, where=f"--model {word}")
        if role in roles:
            raise UsageError(f"the role {role} is given twice", where="--model", fix="one model for each role")
        roles[role] = model
    if not roles:
        said = "; ".join(f"{name} ({role.what})" for name, role in known.items())
        raise UsageError(
            "no model plays a row of the tables", where="--suite paper", fix=f"--model ROLE=MODEL, of: {said}"
        )
    return roles


def _kept(names: Sequence[str], wanted: Sequence[str], role: str) -> tuple[str, ...]:
    """Return the benchmarks of a role, or of those the ones that were named."""
    kept = tuple(name for name in names if not wanted or name in wanted)
    if not kept:
        raise UsageError(
            f"{role} is in no table with {', '.join(wanted)}", where="--suite paper", fix=f"name of {', '.join(names)}"
        )
    return kept


def _commands(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the commands that made a run, each once; the starts of its processes share one."""
    return tuple(dict.fromkeys(str(start["command"]) for start in record.get("starts", ())))


def _size(record: Mapping[str, Any]) -> str | None:
    """Return which of the paper's sizes a model has, None for another."""
    starts = record.get("starts") or [{}]
    parameters = starts[0].get("model", {}).get("parameters", 0)
    return next((size for size, (least, most) in _SIZES.items() if least < parameters < most), None)
