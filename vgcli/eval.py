"""`vgllm eval`: ask a model the questions of benchmarks, or score stored answers; reports for people and programs."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from vgcli import display
from vgcli.model_options import (
    PANEL,
    REVISIONS,
    AttentionOption,
    DeviceMapOption,
    DeviceOption,
    DtypeOption,
    Euler,
    GeometryOption,
    OfflineOption,
    RevisionOption,
)
from vgcli.train import WORDS
from vgcli_core.errors import UsageError

EPILOG = """
[bold]Examples[/]

vgllm eval --list

vgllm eval rooms --model runs/rooms/model --data data --out runs/rooms-eval

vgllm eval vsi_bench scanrefer --model zd11024/vgllm-qa-vggt-4b --data data --out runs/published --num-processes 8

vgllm eval scanrefer --model M --data data --out /shared/run --shard 0/4

vgllm eval --out runs/rooms-eval

vgllm eval --suite paper --model scene=M1 --model spatial=M2 --data data --out runs/paper

vgllm eval vsi_bench --predictions predictions.jsonl

vgllm eval --compare runs/before runs/after

[bold]Stopped? Run the same command again[/]

Answers are on the disk as soon as they are there; the same command, without --restart, asks only what is missing. Other
benchmarks asked in the same folder join its report. With --shard, the jobs
need nothing but one shared folder, and the last one to end writes the report.

[bold]Exit codes[/]

0  answered and scored, or this job's part is

1  a bug in vgllm: run again with --debug and report it

2  bad input or usage

3  scored, but some samples could not be asked and count as empty answers

75  stopped by SIGTERM or SIGUSR1: run the same command again

130  stopped by Ctrl-C; a second Ctrl-C does not wait for the questions under way
"""

# What only a run that asks a model looks at.
_OF_RUNS = (
    *("model", "data", "split", "limit", "suite", "geometry", "offline", "device", "device_map", "dtype", "attention"),
    *("prompt_revision", "num_processes", "shard", "batch_size", "workers", "timeout", "cache_features"),
    *("max_new_tokens", "repetition_penalty", "recheck", "retry_failed", "restart", "seed"),
)

_WHAT = "What to ask or score"
_RUN = "How it runs"
_MORE = "What some scores need"
_OUT = "Results"


def evaluate(
    ctx: typer.Context,
    benchmarks: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Benchmarks, for example scanrefer.")
    ] = None,
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Checkpoint folder or hub name; with --suite ROLE=MODEL, repeated. [dim]\\[env: VGLLM_MODEL][/]",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the sets that `vgllm prepare` made.", rich_help_panel=_WHAT)
    ] = Path("data"),
    split: Annotated[
        str | None, typer.Option(help="Another split than the benchmark's own.", rich_help_panel=_WHAT)
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Ask at most N samples of each, evenly spread.", rich_help_panel=_WHAT),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(metavar="paper", help="All tables of the paper, with --model ROLE=MODEL.", rich_help_panel=_WHAT),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Answers to score: JSON lines, one per sample.", rich_help_panel=_WHAT),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Two runs, or files of answers: paired differences.", rich_help_panel=_WHAT),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Truths by id, where the answers do not carry them.", rich_help_panel=_WHAT),
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the benchmarks.", rich_help_panel=_WHAT)] = False,
    example: Annotated[
        bool, typer.Option("--example", help="Print two lines of answers to start from.", rich_help_panel=_WHAT)
    ] = False,
    geometry: GeometryOption = None,
    offline: OfflineOption = False,
    device: DeviceOption = "auto",
    device_map: DeviceMapOption = None,
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "auto",
    euler_convention: Annotated[
        Euler | None,
        typer.Option(
            help="Angles in the answers, where model or lines do not say it: ZXY since 27 November 2025, zxy before.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    prompt_revision: RevisionOption = None,
    num_processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Processes; one on each GPU where there are any. Default: all GPUs.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Answer part I of N only, from 0; other jobs do the others.", rich_help_panel=_RUN
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Questions answered at once.", rich_help_panel=_RUN)] = 8,
    workers: Annotated[
        int,
        typer.Option(min=0, help="Processes that read frames ahead; 0: none, and no --timeout.", rich_help_panel=_RUN),
    ] = 2,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=1, help="Give up frames that take longer to read.", rich_help_panel=_RUN),
    ] = 300.0,
    cache_features: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keep what the encoders see; training shares the same folder.", rich_help_panel=_RUN
        ),
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest answer, in tokens. Default: by task.", rich_help_panel=_RUN)
    ] = None,
    repetition_penalty: Annotated[
        float | None,
        typer.Option(help="Above 1 discourages repeated words. Default: the checkpoint's.", rich_help_panel=_RUN),
    ] = None,
    recheck: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Ask N answers again one by one. Default: 16 in half precision.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask what could not be asked before.", rich_help_panel=_RUN)
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard the run in --out and begin again.", rich_help_panel=_RUN)
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Of weights that no file holds.", rich_help_panel=_RUN)
    ] = 0,
    proposals: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="scanrefer: proposal boxes, to score refined too.", rich_help_panel=_MORE),
    ] = None,
    word_similarities: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="nextqa_oe: similarities of words.", rich_help_panel=_MORE),
    ] = None,
    meteor: Annotated[
        bool,
        typer.Option(
            "--meteor/--no-meteor", help="scan2cap: METEOR, where Java and its jar are.", rich_help_panel=_MORE
        ),
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Run folder; the same folder continues. Alone: score that run again. With --predictions: where "
            "report.json goes.",
            rich_help_panel=_OUT,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the JSON instead of tables.", rich_help_panel=_OUT),
    ] = False,
) -> None:
    """Ask a model the questions of benchmarks, or score stored answers; every number stands beside the paper's."""
    names = tuple(benchmarks or ())
    if show_list:
        from vgcli_core.evaluation.benchmarks import BENCHMARKS

        display.listing(list(BENCHMARKS.values()))
        return
    if compare is not None or predictions is not None or example:
        refuse_run_options(ctx, "--compare" if compare is not None else "--predictions" if predictions else "--example")
    from vgcli.eval_scores import Scoring

    scoring = Scoring(proposals, word_similarities, meteor)
    if compare is not None:
        from vgcli.eval_scores import show_comparison

        if predictions is not None or names:
            raise UsageError("--compare takes two runs or files and no NAME", fix="vgllm eval --compare A B")
        show_comparison(*compare, scoring, truth=truth, euler=euler_convention, out=out, as_json=as_json)
        return
    if example or predictions is not None:
        from vgcli.eval_scores import chosen, example_lines, score_stored

        benchmark = chosen(names)
        if predictions is None:
            display.line("\n".join(example_lines(benchmark)))
            return
        score_stored(
            benchmark,
            predictions,
            scoring,
            truth=truth,
            euler=euler_convention,
            out=out,
            as_json=as_json,
        )
        return
    if truth is not None:
        raise UsageError("--truth goes with --predictions or --compare", where="--truth", fix="leave it out")
    from vgcli.eval_run import Wish, score_again, show_run
    from vgcli.request import shard_of

    given = model or [one for one in [os.environ.get("VGLLM_MODEL")] if one]
    known = out is not None and (out / "run.json").is_file()
    if known and out is not None and suite is None and not (model or (given and names)):
        refuse_run_options(ctx, "a run that is scored again")
        score_again(out, names, scoring, as_json=as_json)
        return
    part = shard_of(shard)
    words = ctx.meta[WORDS]
    wish = Wish(
        names,
        data,
        out or Path("runs/eval"),
        load={
            "model": given[0] if given else None,
            "geometry": geometry,
            "device": device,
            "device_map": device_map,
            "dtype": dtype,
            "attention": attention,
            "euler_convention": euler_convention,
            "prompt_revision": REVISIONS[prompt_revision] if prompt_revision else None,
            "offline": offline,
            "seed": seed,
            "cache_features": cache_features,
        },
        how={
            "limit": max_new_tokens,
            "repetition_penalty": repetition_penalty,
            "batch_size": batch_size,
            "workers": workers,
            "timeout": timeout,
            "recheck": recheck,
        },
        split=split,
        limit=limit,
        num_processes=num_processes,
        shard=(part.number, part.total) if part else (0, 1),
        retry_failed=retry_failed,
        restart=restart,
        scoring=scoring,
        words=tuple(words),
        debug=bool(ctx.find_root().params.get("debug")),
    )
    if suite is not None:
        from vgcli.eval_suite import run_suite

        run_suite(suite, wish, given, as_json=as_json)
        return
    refuse_half_a_run(names, given, out)
    show_run(wish, as_json=as_json)


def refuse_half_a_run(names: Sequence[str], models: Sequence[str], out: Path | None) -> None:
    """Refuse a run that names no model or several, or no benchmark. Raises UsageError."""
    if not models:
        what = "no model to ask, and no answers to score" if names else "nothing to do"
        if out is not None and not names:
            what = f"there is no run in {out} to score again"
        fix = "name a model with --model, or give --predictions FILE (--example prints lines to start from)"
        raise UsageError(what, where=f"vgllm eval {' '.join(names)}".strip(), fix=fix)
    if len(models) > 1:
        raise UsageError(f"{len(models)} models for one run", where="--model", fix="give each its own --out")
    if not names:
        raise UsageError("no benchmark is named", where="vgllm eval NAME", fix="vgllm eval --list names all")


def refuse_run_options(ctx: typer.Context, mode: str) -> None:
    """Refuse options that say how a model is asked where none is. Raises UsageError."""
    for name in _OF_RUNS:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} goes with --model, not with {mode}", where=option, fix=f"leave {option} out")
