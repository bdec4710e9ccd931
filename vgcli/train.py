"""`vgllm train`: a recipe and prepared sets into a model; in this process or in as many as there are GPUs."""

import os
import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vgcli import display
from vgcli.launching import start_processes, train_here
from vgcli.processes import this_machine
from vgcli_core.errors import UsageError

if TYPE_CHECKING:
    from vgcli_core.processes.launch import Wanted
    from vgcli_core.training.progress import Settings
    from vgcli_core.training.recipe import Recipe

Device = Literal["auto", "cpu", "cuda"]


class Track(StrEnum):
    """Programs that show curves. An enumeration: typer knows no lists of Literal."""

    TENSORBOARD = "tensorboard"
    WANDB = "wandb"
    TRACKIO = "trackio"


WORDS = "vgllm.words"  # where the boundary leaves what was typed

EPILOG = """
[bold]Examples[/]

vgllm train --list

vgllm train --recipe toy

vgllm train --recipe spatial --dry-run --gpu-memory 80 --num-gpus 8

vgllm train --recipe scene-lora --set optim.lr=1e-5 --out runs/mine

vgllm train --recipe scene --num-gpus 8 --cache-features cache

vgllm train --recipe spatial --nodes 2 --node-rank 0 --master-addr node1

[bold]Stopped? Run the same command again[/]

The run goes on after its last checkpoint, with the same samples in the same order.

[bold]SLURM[/]

srun vgllm train ... is understood, with one task for each GPU or one for each node. SIGTERM and SIGUSR1 save; so, in
the script:

#SBATCH --signal=USR1@120 --requeue

srun vgllm train --recipe spatial

\\[ $? -eq 75 ] && scontrol requeue $SLURM_JOB_ID

[bold]Exit codes[/]

0  finished

2  bad input or usage

75  stopped by SIGTERM or SIGUSR1, and saved: run the same command again

130  stopped by Ctrl-C, and saved; a second Ctrl-C stops at once
"""

_WHAT = "What to train"
_WHERE = "Which machines"
_RUN = "How it runs"
_LOOK = "Look first"


def train(
    ctx: typer.Context,
    *,
    recipe: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="A recipe of --list, or your own YAML file.", rich_help_panel=_WHAT),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a key of the recipe, for example optim.lr=1e-5; may be repeated.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder of the sets that `vgllm prepare` made.", rich_help_panel=_WHAT),
    ] = Path("data"),
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Run folder; the same folder continues. [dim]\\[default: runs/RECIPE][/]",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    device: Annotated[
        Device, typer.Option(help="auto: every GPU of this machine, else its CPU.", rich_help_panel=_WHERE)
    ] = "auto",
    num_gpus: Annotated[
        int | None, typer.Option(min=1, help="One process on each of N GPUs. Default: all.", rich_help_panel=_WHERE)
    ] = None,
    num_processes: Annotated[
        int | None, typer.Option(min=1, help="N processes on the CPU. Default: 1.", rich_help_panel=_WHERE)
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(min=1, help="N machines; the same command on each, in one shared folder.", rich_help_panel=_WHERE),
    ] = None,
    node_rank: Annotated[
        int | None, typer.Option(min=0, help="Which of --nodes this is, from 0.", rich_help_panel=_WHERE)
    ] = None,
    master_addr: Annotated[
        str | None,
        typer.Option(metavar="HOST[:PORT]", help="The machine with --node-rank 0.", rich_help_panel=_WHERE),
    ] = None,
    accelerate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Your own `accelerate config`, instead of these options.", rich_help_panel=_WHERE
        ),
    ] = None,
    deepspeed: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your own DeepSpeed JSON, instead of run.zero.", rich_help_panel=_WHERE),
    ] = None,
    cache_features: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Compute what frozen encoders give once, and keep it here; any run and recipe may share it.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    cache_limit: Annotated[
        float,
        typer.Option(
            metavar="GB",
            min=0,
            help="What this mixture's features may take in that folder; those of other runs do not count.",
            rich_help_panel=_RUN,
        ),
    ] = 200.0,
    track: Annotated[
        list[Track] | None,
        typer.Option(
            metavar="NAME",
            help="Also report to tensorboard, wandb or trackio; may be repeated.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Use only what is on this disk.", rich_help_panel=_RUN)
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard the run in --out and begin again.", rich_help_panel=_RUN)
    ] = False,
    show_list: Annotated[bool, typer.Option("--list", help="List the recipes.", rich_help_panel=_LOOK)] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Write the whole recipe to stdout, --set included.", rich_help_panel=_LOOK)
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Steps, tokens, time, and memory part by part. Trains nothing.", rich_help_panel=_LOOK
        ),
    ] = False,
    gpu_memory: Annotated[
        float | None,
        typer.Option(
            metavar="GB", min=1, help="Of each GPU, for a --dry-run of another machine.", rich_help_panel=_LOOK
        ),
    ] = None,
) -> None:
    """Train a model by a recipe; the same command again continues a run that was stopped."""
    from vgcli_core.training.recipe_files import load_recipe, recipes, to_yaml

    if show_list:
        display.recipes({name: load_recipe(name) for name in recipes()})
        return
    if recipe is None:
        raise UsageError("no recipe is named", where="vgllm train --recipe NAME", fix="vgllm train --list names all")
    chosen = load_recipe(recipe, settings or ())
    if show:
        display.recipe(to_yaml(chosen))
        return
    if gpu_memory is not None and not dry_run:
        raise UsageError("--gpu-memory goes with --dry-run", where="--gpu-memory", fix="leave it out, or add --dry-run")
    name = Path(recipe).stem
    from vgcli_core.processes.launch import Wanted, plan_launch
    from vgcli_core.training.progress import Settings

    words = ctx.meta[WORDS]
    how = Settings(
        data=data,
        out=Path("runs") / name if out is None else out,
        restart=restart,
        cache=cache_features,
        cache_limit=round(cache_limit * 1e9),
        trackers=tuple(one.value for one in track or ()),
        device=device,
        deepspeed=deepspeed,
        offline=offline,
        command=shlex.join(["vgllm", *words]),
    )
    wanted = Wanted(
        num_gpus=num_gpus,
        num_processes=num_processes,
        nodes=nodes,
        node_rank=node_rank,
        master=master_addr,
        accelerate=accelerate,
        device=device,
        deepspeed=deepspeed is not None or chosen.run.zero > 0,
    )
    if dry_run:
        show_forecast(chosen, how, wanted, gpu_memory)
        return
    launch = plan_launch(wanted, words, this_machine(wanted))
    if launch.how != "worker":
        from vgcli_core.training.sets import open_sets

        open_sets(chosen, data)  # what is missing is said before anything is loaded or started
    if launch.how == "command":
        start_processes(launch, how)
        return
    os.environ.update(launch.environment)
    train_here(chosen, how, name, debug=bool(ctx.find_root().params.get("debug")))


def show_forecast(recipe: "Recipe", settings: "Settings", wanted: "Wanted", gpu_memory: float | None) -> None:
    """Show what a run will take; ResourceError where it does not fit."""
    with display.progress("reading sizes and samples"):
        from vgcli_core.training.forecast import check_fits, forecast_run

        each = wanted.num_processes or wanted.num_gpus
        found = forecast_run(
            recipe,
            data=settings.data,
            world=each * (wanted.nodes or 1) if each else None,
            gpu_memory=None if gpu_memory is None else round(gpu_memory * 1e9),
            device="cpu" if wanted.on_cpu else "auto" if settings.device == "auto" else "cuda",
            offline=settings.offline,
            cached=settings.cache is not None,
        )
    display.training_forecast(found)
    check_fits(found)
