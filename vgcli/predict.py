"""`vgllm predict`: ask a video or pictures; show the answers, write them as JSON, draw the boxes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
from vgcli.predict_options import Task, check_early, choose_sampling, gather_questions
from vgcli_core.atomic import write_text

if TYPE_CHECKING:
    from vgcli_core.predict.result import Result

# Words of options. The library has the same ones; importing them from there would load numpy.
Fit = Literal["crop", "pad"]
Decoder = Literal["auto", "decord", "pyav"]

_DEFAULT_FRAMES = 32

EPILOG = """
[bold]Examples[/]

vgllm predict video.mp4 "where is the sink?"

vgllm predict video.mp4 "how many chairs are there?" "is the door open?"

vgllm predict "photos/*.jpg" --task detect --save-vis runs/photos --fov 69

vgllm predict video.mp4 --questions questions.jsonl --out runs/video

vgllm predict video.mp4 "the red mug" --task ground --frames 0,30 --json

vgllm predict video.mp4 "the red mug" --task ground --view mug.png --view mug.mp4

vgllm predict video.mp4 "the red mug" --task ground --view mug.glb --view mug.rrd --fov 69
"""

_LOOK = "Which frames"
_ASK = "What to ask"
_WRITE = "Generation"
_OUT = "Results"


def predict(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A video, a picture, a folder of pictures, or a quoted glob.")
    ],
    question: Annotated[
        list[str] | None, typer.Argument(metavar="QUESTION", help="One or more questions or descriptions.")
    ] = None,
    *,
    questions: Annotated[
        Path | None,
        typer.Option(help="JSONL file: on each line question, and if wanted task, options, id.", rich_help_panel=_ASK),
    ] = None,
    task: Annotated[
        Task, typer.Option(help='auto grounds "where is ..." questions and says so.', rich_help_panel=_ASK)
    ] = "auto",
    raw_prompt: Annotated[
        bool,
        typer.Option("--raw-prompt", help="Send the text as it is, not as trained.", rich_help_panel=_ASK),
    ] = False,
    num_frames: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Frames, evenly spaced. [dim]\\[default: as the model was trained, or {_DEFAULT_FRAMES}][/]",
            rich_help_panel=_LOOK,
        ),
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames per second of video, instead of a number.", rich_help_panel=_LOOK)
    ] = None,
    max_frames: Annotated[
        int | None, typer.Option(min=1, help="Most frames with --fps.", rich_help_panel=_LOOK)
    ] = None,
    frames: Annotated[
        str | None, typer.Option(metavar="0,10,20", help="Positions in the video, from 0.", rich_help_panel=_LOOK)
    ] = None,
    start: Annotated[
        float, typer.Option(metavar="SECONDS", help="Skip the beginning of the video.", rich_help_panel=_LOOK)
    ] = 0.0,
    fit: Annotated[
        Fit, typer.Option(help="Tall pictures: crop to the middle as trained, or pad.", rich_help_panel=_LOOK)
    ] = "crop",
    decoder: Annotated[Decoder, typer.Option(help="Video decoder.", rich_help_panel=_LOOK)] = "auto",
    model: Annotated[
        str | None,
        typer.Option(
            envvar="VGLLM_MODEL",
            help='Checkpoint folder or hub name, or "tiny": random weights, for tests. '
            "[dim]\\[default: the demo model, which knows synthetic rooms][/]",
            rich_help_panel=PANEL,
        ),
    ] = None,
    geometry: GeometryOption = None,
    offline: OfflineOption = False,
    device: DeviceOption = "auto",
    device_map: DeviceMapOption = None,
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "auto",
    euler_convention: Annotated[
        Euler | None,
        typer.Option(
            help="Angles the weights were trained on: ZXY since 27 November 2025, zxy before.", rich_help_panel=PANEL
        ),
    ] = None,
    prompt_revision: RevisionOption = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest answer, in tokens. Default: by task.", rich_help_panel=_WRITE)
    ] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(help="Above 1 discourages repeated words.", rich_help_panel=_WRITE)
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Questions answered at once.", rich_help_panel=_WRITE)] = 8,
    cache_features: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep what the encoders see, for further questions.", rich_help_panel=PANEL),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Seed of all random numbers.", rich_help_panel=_WRITE)
    ] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write DIR/result.json.", rich_help_panel=_OUT)
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the JSON instead of the readable answer.", rich_help_panel=_OUT)
    ] = False,
    save_vis: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw the boxes on the frames, into DIR.", rich_help_panel=_OUT)
    ] = None,
    view: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Show the boxes in a picture (.png, .jpg), a video (.mp4) or 3D (.glb, .ply, .json, .rrd); repeats.",
            rich_help_panel=_OUT,
        ),
    ] = None,
    intrinsics: Annotated[
        str | None,
        typer.Option(
            metavar="fx,fy,cx,cy", help="Camera in pixels of the video, or a file, for drawing.", rich_help_panel=_OUT
        ),
    ] = None,
    fov: Annotated[
        float | None,
        typer.Option(
            metavar="DEGREES",
            help="Horizontal field of view, for drawing. Else that of the pictures (EXIF), or of the model's training.",
            rich_help_panel=_OUT,
        ),
    ] = None,
) -> None:
    """Ask a video about its 3D space: answers in words, captions, and oriented 3D boxes."""
    asked = gather_questions(question or [], questions, task, raw=raw_prompt)
    sampling = choose_sampling(num_frames, fps, frames, start=start, max_frames=max_frames)
    from vgcli_core.predict.drawing import Drawing

    drawing = Drawing(save_vis, intrinsics, fov, tuple(view or ()))
    check_early(source, out, drawing)
    with display.progress("loading libraries") as progress:
        from vgcli_core.predict.loading import load

        progress("loading the model")
        predictor = load(
            model,
            geometry=geometry,
            device=device,
            device_map=device_map,
            dtype=dtype,
            attention=attention,
            euler_convention=euler_convention,
            prompt_revision=REVISIONS[prompt_revision] if prompt_revision else None,
            offline=offline,
            seed=seed,
            cache_features=cache_features,
        )
        result = predictor.answer(
            source,
            asked,
            sampling=sampling,
            fit=fit,
            raw_prompt=raw_prompt,
            max_new_tokens=max_new_tokens,
            repetition_penalty=repetition_penalty,
            batch_size=batch_size,
            decoder=decoder,
            drawing=drawing if drawing.wanted else None,
            progress=progress,
        )
    show(result, out, as_json=as_json)


def show(result: "Result", out: Path | None, *, as_json: bool) -> None:
    """Write result.json when asked to, then show the result: data on stdout, the rest on stderr."""
    written = list(result.drawn)
    if out is not None:
        target = out / "result.json"
        write_text(target, result.to_json() + "\n")
        written.append(str(target))
    display.notes(result.notes)
    if as_json:
        if result.model.untrained:
            display.untrained()
        display.as_json(result)
    else:
        display.result(result)
    display.footer(result, written)
