"""`vgllm prepare`: raw datasets, as their owners give them, into frames and JSON lines; look before training."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vgcli import display
from vgcli_core.errors import DataError, UsageError

if TYPE_CHECKING:
    from vgcli_core.data.base import Dataset, OptionValue, Request
    from vgcli_core.data.prepare import Outcome, Shard

# Words of options. The library has the same ones; importing them from there would load numpy (a test compares them).
Mode = Literal["corrected", "reference"]
Frames = Literal["cyclic", "fixed"]
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


def request_of(
    dataset: "Dataset",
    *,
    raw: Path,
    split: list[str] | None = None,
    scenes: str | None = None,
    limit: int | None = None,
    frames: Frames = "cyclic",
    num_frames: int | None = None,
    mode: Mode = "corrected",
    seed: int = 0,
    cameras: bool | None = None,
    settings: list[str] | None = None,
    with_frames: bool = True,
) -> "Request":
    """Return the request that the options make. Raises UsageError, UnknownName."""
    from vgcli_core.data.base import Request
    from vgcli_core.errors import lookup

    if raw.exists() and not raw.is_dir():
        raise UsageError(f"{raw.name} is a file", where=f"--raw {raw}", fix="name the folder of the raw files")
    splits = [name.strip() for names in split or [] for name in names.split(",")]
    for name in splits:
        lookup(f"split of {dataset.name}", dict.fromkeys(dataset.splits), name, where="--split")
    if not dataset.chooses_frames and frames != "cyclic":
        raise UsageError(
            f"{dataset.name} has no choice of frames", where="--frames", fix="leave --frames out: its frames are given"
        )
    if mode == "reference" and dataset.record is None:
        raise UsageError(f"{dataset.name} has no published generator", where="--mode reference", fix="leave --mode out")
    return Request(
        raw,
        tuple(dict.fromkeys(splits)) or dataset.default_splits,
        mode,
        frames,
        num_frames,
        seed,
        scenes_of(scenes),
        limit,
        cameras,
        with_frames,
        options_of(dataset, settings or []),
    )


def scenes_of(text: str | None) -> "frozenset[str] | int | None":
    """Read --scenes: a number, names with commas, or a file with one name a line. Raises UsageError."""
    if text is None:
        return None
    if text.isdecimal():
        if int(text) == 0:
            raise UsageError("--scenes 0 leaves nothing", where="--scenes", fix="give 1 or more, or names")
        return int(text)
    path = Path(text)
    if path.is_file():
        try:
            names = path.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"the file of scenes cannot be read: {error}", where=text, fix="one name a line"
            ) from error
    else:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if len(names) == 1 and ("/" in text or path.suffix in (".txt", ".lst")):
            raise UsageError(f"there is no file {text}", where="--scenes", fix="name a file, or scenes with commas")
    if not names:
        raise UsageError("no scene is named", where=f"--scenes {text}", fix="give a number, names, or a file of names")
    return frozenset(names)


def shard_of(text: str | None) -> "Shard | None":
    """Read --shard: "0/8" is the first of eight. Raises UsageError."""
    from vgcli_core.data.prepare import Shard

    if text is None:
        return None
    number, slash, total = text.partition("/")
    if not (slash and number.isdecimal() and total.isdecimal()):
        raise UsageError(
            f"{text!r} is no shard", where="--shard", fix="give I/N, for example 0/8 to 7/8 for eight machines"
        )
    return Shard(int(number), int(total))


def options_of(dataset: "Dataset", settings: list[str]) -> "dict[str, OptionValue]":
    """Return every option of the dataset, with the values that --set gives. Raises UsageError, UnknownName."""
    from vgcli_core.errors import lookup

    known = {option.name: option for option in dataset.options}
    values = {name: option.default for name, option in known.items()}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(
                f"{setting!r} sets nothing", where="--set", fix="give NAME=VALUE, for example --set share=0.03"
            )
        option = lookup(f"option of {dataset.name}", known, name, where=f"--set {setting}")
        value = _value(text, option.default, f"--set {setting}")
        if option.choices and value not in option.choices:
            choices = ", ".join(str(choice) for choice in option.choices)
            raise UsageError(
                f"{text!r} is no choice for {name}", where=f"--set {setting}", fix=f"choose from {choices}"
            )
        values[name] = value
    return values


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


def _value(text: str, default: "OptionValue", where: str) -> "OptionValue":
    if isinstance(default, bool):
        if text.lower() in ("yes", "true", "1", "on"):
            return True
        if text.lower() in ("no", "false", "0", "off"):
            return False
        raise UsageError(f"{text!r} is neither yes nor no", where=where, fix="give yes or no")
    if isinstance(default, str):
        return text
    try:
        return type(default)(text)
    except ValueError as error:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise UsageError(f"{text!r} is not {kind}", where=where, fix=f"give {kind}, for example {default}") from error
