"""`vgllm predict`: ask a video or pictures; show the answers, write them as JSON, draw the boxes."""

import math
from dataclasses import replace
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
from vgcli_core.atomic import write_text
from vgcli_core.errors import OutputError, UsageError

if TYPE_CHECKING:
    from vgcli_core.media.sampling import Sampling
    from vgcli_core.predict.result import Result
    from vgcli_core.text.questions import Question

# Words of options. The library has the same ones; importing them from there would load numpy (a test compares them).
Task = Literal["auto", "ask", "ground", "detect", "caption"]
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
    intrinsics: Annotated[
        str | None,
        typer.Option(
            metavar="fx,fy,cx,cy", help="Camera in pixels of the video, or a file, for drawing.", rich_help_panel=_OUT
        ),
    ] = None,
    fov: Annotated[
        float | None,
        typer.Option(metavar="DEGREES", help="Horizontal field of view, for drawing.", rich_help_panel=_OUT),
    ] = None,
) -> None:
    """Ask a video about its 3D space: answers in words, captions, and oriented 3D boxes."""
    asked = gather_questions(question or [], questions, task, raw=raw_prompt)
    sampling = choose_sampling(num_frames, fps, frames, start=start, max_frames=max_frames)
    check_early(source, out, save_vis, intrinsics, fov)
    with display.progress("loading libraries") as progress:
        from vgcli_core.predict.loading import load
        from vgcli_core.predict.pipeline import Drawing

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
            drawing=Drawing(save_vis, intrinsics, fov) if save_vis else None,
            progress=progress,
        )
    show(result, out, as_json=as_json)


def gather_questions(texts: list[str], file: Path | None, task: Task, *, raw: bool = False) -> "list[Question]":
    """Return the questions of the command line, then those of the file; `task` holds where a line names none.

    Raises:
        UsageError: nothing is asked and the task needs something, a question does not fit its task, or the file cannot
            be read.
    """
    from vgcli_core.text.questions import Question, plan, read_questions

    asked = [Question(text, task) for text in texts]
    if file is not None:
        asked += [replace(line, task=task) if line.task == "auto" else line for line in read_questions(file)]
    if not asked and task == "detect":
        asked = [Question(task="detect")]
    if not asked:
        raise UsageError(
            "no question",
            where="vgllm predict SOURCE QUESTION",
            fix='ask one, for example: vgllm predict video.mp4 "where is the sink?"; '
            "or give --questions FILE.jsonl, or --task detect to find every object",
        )
    for one in asked:
        plan(one, 2, raw=raw)  # refuses what cannot be asked, in either wording, before minutes of loading
    return asked


def choose_sampling(
    num_frames: int | None, fps: float | None, frames: str | None, *, start: float, max_frames: int | None
) -> "Sampling | None":
    """Return which frames to look at, None for the rule of each task. Raises UsageError for contradictions."""
    from vgcli_core.media.sampling import Sampling

    chosen = [
        name
        for name, value in (("--num-frames", num_frames), ("--fps", fps), ("--frames", frames))
        if value is not None
    ]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} cannot be combined", fix="keep one of them")
    if not math.isfinite(start) or start < 0:
        raise UsageError(f"{start} is no time to start at", where="--start", fix="give seconds, 0 or more")
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise UsageError(f"{fps} is no rate", where="--fps", fix="give frames per second, for example --fps 2")
    if max_frames is not None and fps is None:
        raise UsageError("--max-frames needs --fps", fix="give --num-frames instead, or add --fps")
    if not chosen and not start:
        return None
    if frames is None:
        return Sampling(num_frames=num_frames, fps=fps, start=start, max_frames=max_frames)
    if start:
        raise UsageError("--start cannot be combined with --frames", fix="leave out --start")
    return Sampling(indices=_positions(frames))


def check_early(
    source: str, out: Path | None, save_vis: Path | None, intrinsics: str | None, fov: float | None
) -> None:
    """Refuse, before minutes of work, an unreadable source and what could not be written or drawn at the end."""
    from vgcli_core.media.frames import read_frames
    from vgcli_core.media.sampling import Sampling
    from vgcli_core.predict.intrinsics import read_intrinsics

    for option, folder in (("--out", out), ("--save-vis", save_vis)):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file, not a folder", where=option, fix="name a folder")
    if intrinsics is not None and fov is not None:
        raise UsageError("--intrinsics and --fov both describe the camera", fix="keep one of them")
    if fov is not None and not 0 < fov < 180:
        raise UsageError(f"{fov} degrees is no field of view", where="--fov", fix="give degrees between 0 and 180")
    if save_vis is None and (intrinsics is not None or fov is not None):
        raise UsageError("--intrinsics and --fov only serve the drawing", fix="add --save-vis DIR, or leave them out")
    if intrinsics is not None:
        read_intrinsics(intrinsics)
    read_frames(source, Sampling(indices=(0,)))


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


def _positions(text: str) -> tuple[int, ...]:
    try:
        positions = tuple(int(part) for part in text.split(","))
    except ValueError:
        positions = (-1,)
    if min(positions) < 0:
        raise UsageError(
            f"{text!r} is no list of frames",
            where="--frames",
            fix="give positions from 0, for example --frames 0,10,20",
        )
    return positions
