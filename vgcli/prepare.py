"""`vgllm prepare`: raw datasets, as their owners give them, into frames and JSON lines; look before training."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vgcli import display
from vgcli.request import Frames, Mode, request_of, shard_of
from vgcli_core.errors import DataError, OutputError, UsageError

if TYPE_CHECKING:
    from vgcli_core.data.base import Dataset, Request
    from vgcli_core.data.prepare import Outcome

Pack = Literal["none", "tar"]

QUARANTINED = 3
_MOST_WORKERS = 8

EPILOG = """
[bold]Examples[/]

vgllm prepare --list

vgllm prepare rooms --scenes 20

vgllm prepare --show data/rooms --out sheet.png

vgllm prepare scanrefer --check

vgllm prepare scanrefer --raw raw --workers 16

vgllm prepare scannet_det --raw raw --split val --shard 0/8

[bold]Exit codes[/]

0  done, or this shard is done

2  bad input or usage

3  done, but some scenes were damaged and left out: the list says which and why
"""

_WHAT = "What to prepare"
_HOW = "How samples are made"
_RUN = "How it runs"
_LOOK = "Look first"


def prepare(
    ctx: typer.Context,
    dataset: Annotated[
        str | None, typer.Argument(metavar="DATASET", help="A dataset, for example scanrefer; --list names all.")
    ] = None,
    *,
    raw: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder of the raw files, as their owners give them.", rich_help_panel=_WHAT),
    ] = Path("raw"),
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the set goes. [dim]\\[default: data/DATASET; rooms_raw with --layouts][/]",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A split; may be repeated.", rich_help_panel=_WHAT)
    ] = None,
    scenes: Annotated[
        str | None,
        typer.Option(
            metavar="N|A,B|FILE", help="The first N scenes, some by name, or a file of names.", rich_help_panel=_WHAT
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first N annotated items of each split.", rich_help_panel=_WHAT)
    ] = None,
    frames: Annotated[
        Frames,
        typer.Option(
            help="cyclic: a random start for each sample, as published. fixed: the same frames for a whole scene, so "
            "that their features can be cached.",
            rich_help_panel=_HOW,
        ),
    ] = "cyclic",
    num_frames: Annotated[
        int | None, typer.Option(min=1, help="Frames of a sample. Default: as published.", rich_help_panel=_HOW)
    ] = None,
    mode: Annotated[
        Mode,
        typer.Option(
            help="reference: as the published generators, their bugs and draws included, with their files written too.",
            rich_help_panel=_HOW,
        ),
    ] = "corrected",
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random draws.", rich_help_panel=_HOW)] = 0,
    cameras: Annotated[
        bool | None,
        typer.Option(
            "--cameras/--no-cameras",
            help="Poses of the frames in every sample. Default: where evaluated.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="An option of one dataset; --check lists them.", rich_help_panel=_HOW
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: one a core, at most 8.", rich_help_panel=_RUN)
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Part I of N, from 0: one command a machine, one shared folder.", rich_help_panel=_RUN
        ),
    ] = None,
    pack: Annotated[
        Pack, typer.Option(help="tar: frames of a scene in one file, where files are counted.", rich_help_panel=_RUN)
    ] = "none",
    link: Annotated[
        bool,
        typer.Option("--link/--copy", help="Hard-link frames that are files already, or copy.", rich_help_panel=_RUN),
    ] = True,
    with_frames: Annotated[
        bool, typer.Option("--store-frames/--no-frames", help="Store frames, or only samples.", rich_help_panel=_RUN)
    ] = True,
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard what is in --out and begin again.", rich_help_panel=_RUN)
    ] = False,
    layouts: Annotated[
        bool,
        typer.Option(
            "--layouts",
            help="rooms: write raw ScanNet, ScanRefer, ... files to an empty --out instead.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    show_list: Annotated[bool, typer.Option("--list", help="List the datasets.", rich_help_panel=_LOOK)] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="What is needed, there, missing, and from whom. Writes nothing.", rich_help_panel=_LOOK
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and its size. Writes nothing.", rich_help_panel=_LOOK)
    ] = False,
    show: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw samples of a set into --out FILE.png or .html.", rich_help_panel=_LOOK),
    ] = None,
    n: Annotated[
        int, typer.Option("--n", min=1, max=100, help="How many samples --show draws.", rich_help_panel=_LOOK)
    ] = 12,
) -> None:
    """Turn a raw dataset into frames and JSON lines, ready for training, evaluation and people."""
    if show_list:
        from vgcli_core.data.sources import DATASETS

        display.datasets(list(DATASETS.values()))
        return
    if show is not None:
        if dataset is not None:
            raise UsageError(
                "--show takes a prepared folder and no DATASET", fix="vgllm prepare --show DIR --out FILE.png"
            )
        show_samples(show, out, n, split, seed)
        return
    if dataset is None:
        raise UsageError("no dataset is named", where="vgllm prepare DATASET", fix="vgllm prepare --list names all")
    from vgcli_core.data.sources import get_dataset

    chosen = get_dataset(dataset)
    request = request_of(
        chosen,
        raw=raw,
        split=split,
        scenes=scenes,
        limit=limit,
        frames=frames,
        num_frames=num_frames,
        mode=mode,
        seed=seed,
        cameras=cameras,
        settings=settings,
        with_frames=with_frames,
    )
    if layouts:
        alone = {"--check": check, "--dry-run": dry_run, "--shard": shard, "--pack": pack != "none", "--limit": limit}
        refused = [name for name, given in alone.items() if given]
        if refused:
            raise UsageError(
                f"--layouts takes no {refused[0]}", where="vgllm prepare rooms --layouts", fix="leave it out"
            )
        write_raw_layouts(chosen, request, out, restart=restart)
        return
    folder = Path("data") / chosen.name if out is None else out
    if check:
        check_raw(chosen, request)
        return
    _require(chosen, request)
    if dry_run:
        show_plan(chosen, request, folder)
        return
    from vgcli_core.data.prepare import prepare as run
    from vgcli_core.data.unit_work import Settings

    how = Settings(folder, pack=pack == "tar", link=link, raise_bugs=bool(ctx.find_root().params.get("debug")))
    with display.long_progress(chosen.name) as progress:
        outcome = run(
            chosen,
            request,
            how,
            workers=min(os.cpu_count() or 1, _MOST_WORKERS) if workers is None else workers,
            shard=shard_of(shard),
            restart=restart,
            progress=progress,
        )
    finish(outcome)


def check_raw(dataset: "Dataset", request: "Request") -> None:
    """Show what is needed, what is there, and how large the result will be; exit with 2 where something is missing."""
    from vgcli_core.data.check import forecast, statuses
    from vgcli_core.data.prepare import make_plan

    found = statuses(dataset, request)
    display.needs(dataset, request, found)
    if any(status.missing for status in found):
        raise typer.Exit(2)
    with display.progress("reading annotations"):
        plan = make_plan(dataset, request)
    display.forecast(dataset, request, forecast(dataset, request, plan))


def show_plan(dataset: "Dataset", request: "Request", out: Path) -> None:
    """Show what a run would do."""
    from vgcli_core.data.check import forecast
    from vgcli_core.data.prepare import make_plan

    with display.progress("reading annotations"):
        plan = make_plan(dataset, request)
    display.plan(dataset, request, plan, forecast(dataset, request, plan), out)


def show_samples(folder: Path, out: Path | None, count: int, split: list[str] | None, seed: int) -> None:
    """Draw samples of a prepared set into a picture or a page."""
    from vgcli_core.data.show import show

    if split is not None and len(split) > 1:
        raise UsageError("--show draws one split or all", where="--split", fix="name one, or leave it out")
    target = Path("sheet.png") if out is None else out
    with display.progress("drawing samples"):
        remarks = show(folder, target, count=count, split=split[0] if split else None, seed=seed)
    display.notes(remarks)
    display.written([target])


def write_raw_layouts(dataset: "Dataset", request: "Request", out: Path | None, *, restart: bool) -> None:
    """Write rooms as the raw files of real datasets."""
    if dataset.name != "rooms":
        raise UsageError(
            "--layouts writes rooms as raw files", where="--layouts", fix="vgllm prepare rooms --layouts --out raw"
        )
    from vgcli_core.data.rooms.layouts.write import write_layouts

    folder = Path("rooms_raw") if out is None else out
    if not restart and folder.is_dir() and any(folder.iterdir()):
        raise OutputError(
            f"{folder.name} is not empty",
            where=str(folder),
            fix="choose another --out, or, where it holds rooms of an earlier run, discard them with --restart",
        )
    with display.progress("filming rooms") as progress:
        files = write_layouts(request, folder, progress=lambda scene: progress(f"filming {scene}"), restart=restart)
    display.written([folder])
    display.notes([f"{len(files):,} files; now, for example: vgllm prepare scanrefer --raw {folder}"])


def finish(outcome: "Outcome") -> None:
    """Show what a run came to; exit with 3 where scenes were left out."""
    if outcome.manifest is None:
        display.shard_done(outcome)
    else:
        display.prepared(outcome)
        display.written([outcome.root / "manifest.json"])
    if outcome.quarantine:
        display.quarantine(outcome.quarantine)
        raise typer.Exit(QUARANTINED)


def _require(dataset: "Dataset", request: "Request") -> None:
    """Show the whole list of needs before the error, so that one look is enough."""
    from vgcli_core.data.check import statuses

    found = statuses(dataset, request)
    missing = [status for status in found if status.missing]
    if missing:
        display.needs(dataset, request, found, stderr=True)
        raise DataError(
            f"{dataset.name} needs files that are not there: {len(missing)} of {len(found)} kinds are missing",
            where=str(request.raw),
            fix="get them as listed above; without any data, vgllm prepare rooms makes a set of the same form",
        )
