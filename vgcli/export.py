"""`vgllm export`: write a checkpoint as a folder of its own, or predictions as a file, for others to use."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar, get_args

import typer

from vgcli import display
from vgcli.model_options import PANEL, REVISIONS, Dtype, Euler, OfflineOption, RevisionOption
from vgcli_core.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from vgcli_core.export.provenance import PartName

# Words of an option. The library has the same ones; importing them from there would load torch (a test compares them).
CheckpointFormat = Literal["vgllm", "compact", "generation-1", "generation-2"]
PredictionsFormat = Literal["coco", "csv", "benchmark"]
Format = Literal[CheckpointFormat, PredictionsFormat]

F = TypeVar("F", bound=str)

EPILOG = """
[bold]Examples[/]

vgllm export runs/spatial/model --out exports/spatial

vgllm export runs/spatial/model --out exports/spatial --dtype bfloat16 --max-shard-size 2GB

vgllm export path/to/Qwen2.5-VL-3B-Instruct --adapter runs/spatial-lora/adapter --out exports/merged

vgllm export runs/spatial/model --format generation-2 --out exports/published

vgllm export runs/spatial/model --format compact --geometry facebook/VGGT-1B --out exports/compact

vgllm export runs/eval/scanrefer --format csv --out scanrefer.csv

vgllm export runs/predict/result.json --format coco --out boxes.json

vgllm export runs/eval/scanrefer --format benchmark --angles zxy --out scanrefer.jsonl
"""

_WHAT = "What to write"
_CARD = "For the model card"


def export(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help='Checkpoint folder or hub name, or "demo"; or answers: predictions.jsonl of `vgllm eval`, result.json '
            "of `vgllm predict`, or the folder of one.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            metavar="PATH", help="New folder; of answers, new file.", rich_help_panel=_WHAT, show_default=False
        ),
    ],
    format: Annotated[
        Format,
        typer.Option(
            help="vgllm: our own form, complete; compact: without the geometry encoder; generation-1, -2: layouts that "
            "the published code reads. Of answers: coco, csv, or benchmark: lines for the code of its owners.",
            rich_help_panel=_WHAT,
        ),
    ] = "vgllm",
    dtype: Annotated[
        Dtype, typer.Option(help="Number format of all weights; auto: as they are.", rich_help_panel=_WHAT)
    ] = "auto",
    max_shard_size: Annotated[
        str, typer.Option(metavar="SIZE", help="Largest file of weights, such as 5GB.", rich_help_panel=_WHAT)
    ] = "5GB",
    adapter: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="LoRA adapters to add to the weights.", rich_help_panel=_WHAT),
    ] = None,
    geometry: Annotated[
        str | None,
        typer.Option(
            metavar="VGGT-1B",
            help="Folder or hub name of the geometry encoder: which compact leaves out, or a compact CHECKPOINT needs.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    heads: Annotated[
        str | None,
        typer.Option(
            metavar="VGGT-1B",
            help="Folder or hub name of the geometry encoder, for its unused heads: published layouts may hold them.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    report: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="report.json of `vgllm eval` on this model; repeated.", rich_help_panel=_CARD
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART=NAME",
            help="Hub name of the weights that backbone or geometry began as, where no record says it; repeated.",
            rich_help_panel=_CARD,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier export at PATH.", rich_help_panel=_WHAT)
    ] = False,
    euler_convention: Annotated[
        Euler | None,
        typer.Option(
            help="Angles the weights were trained on, where the checkpoint does not say: ZXY since 27 November 2025, "
            "zxy before. Of answers: angles in their text, where the file does not say it.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    angles: Annotated[
        Euler, typer.Option(help="Of answers: angles to write, for code of either generation.", rich_help_panel=_WHAT)
    ] = "ZXY",
    prompt_revision: RevisionOption = None,
    offline: OfflineOption = False,
) -> None:
    """Write a checkpoint as a folder of its own, tensor by tensor, whole or not at all; or answers as one file."""
    from vgcli_core.export.predictions import export_predictions, find_predictions

    predictions = find_predictions(checkpoint)
    if predictions is not None:
        kind = fitting(format, get_args(PredictionsFormat), "answers", f"{predictions.name} holds them")
        refuse_others(
            dtype=dtype != "auto",
            max_shard_size=max_shard_size != "5GB",
            adapter=adapter,
            geometry=geometry,
            heads=heads,
            report=report,
            origin=origin,
            prompt_revision=prompt_revision,
        )
        display.exported_answers(
            export_predictions(
                predictions, out, kind, angles=angles, euler_convention=euler_convention, overwrite=overwrite
            )
        )
        return
    layout = fitting(format, get_args(CheckpointFormat), "a checkpoint", f"{checkpoint} holds no answers")
    if angles != "ZXY":
        raise UsageError("--angles is for answers", where="--angles", fix="leave it out, or see --euler-convention")
    began = origins(origin or ())
    with display.progress("loading libraries") as progress:
        from vgcli_core.export.adapters import is_adapter_folder
        from vgcli_core.export.checkpoint import export_checkpoint
        from vgcli_core.export.plan import Wish
        from vgcli_core.model.hub import checkpoint_folder
        from vgcli_core.predict.loading import SHIPPED, find_model

        if is_adapter_folder(Path(checkpoint)):
            raise CheckpointError(
                "the folder holds adapters alone",
                where=checkpoint,
                fix=f"vgllm export BASE --adapter {checkpoint}, with the checkpoint that they were trained on as BASE",
            )
        name, folder = find_model(checkpoint, offline=offline)
        if folder is None:
            fix = 'give a checkpoint; to try the command, "vgllm train --recipe toy" makes one'
            raise UsageError(f"{name} has no folder: it is drawn whenever it is asked for", where="CHECKPOINT", fix=fix)
        progress("reading the checkpoint")
        done = export_checkpoint(
            folder,
            out,
            Wish(
                format=layout,
                dtype=dtype,
                max_shard_size=max_shard_size,
                adapter=adapter,
                geometry=geometry,
                heads=checkpoint_folder(heads, offline=offline) if heads is not None else None,
                euler_convention=euler_convention,
                prompt_revision=REVISIONS[prompt_revision] if prompt_revision else None,
                reports=tuple(report or ()),
                origins=began,
                offline=offline,
                overwrite=overwrite,
            ),
            # A folder may hold files from before the convention changed, whatever its name.
            name="" if folder == SHIPPED or Path(name).exists() else name,
            progress=progress,
        )
    display.exported(done)


def fitting(format: Format, known: tuple[F, ...], what: str, because: str) -> F:
    """Return a format that is among the known ones. Raises UsageError for one that does not fit what is exported."""
    for one in known:
        if one == format:
            return one
    fix = f"--format {' or '.join(known)}; or give a checkpoint or answers (predictions.jsonl, result.json) that fit"
    raise UsageError(f"the format {format} is not for {what}, and {because}", where=f"--format {format}", fix=fix)


def refuse_others(**given: object) -> None:
    """Raise UsageError for the options of a checkpoint that were given with answers."""
    for name, value in given.items():
        if value:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{option} is for checkpoints", where=option, fix="leave it out: these are answers")


def origins(texts: Sequence[str]) -> "dict[PartName, str]":
    """Return hub names by part. Raises UsageError for anything but `backbone=OWNER/NAME` and `geometry=OWNER/NAME`."""
    words: dict[str, PartName] = {"backbone": "backbone", "geometry": "geometry encoder"}
    found = {}
    for text in texts:
        part, _, name = text.partition("=")
        if part not in words or name.count("/") != 1 or not all(name.split("/")):
            fix = "give, for example, backbone=Qwen/Qwen2.5-VL-3B-Instruct or geometry=facebook/VGGT-1B"
            raise UsageError(f"{text!r} names no part and hub name", where="--origin", fix=fix)
        found[words[part]] = name
    return found
