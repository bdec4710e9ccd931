"""From the options of `vgllm predict` to the library's types: what is asked, which frames; what is refused early."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vgcli_core.errors import OutputError, UsageError

if TYPE_CHECKING:
    from vgcli_core.media.sampling import Sampling
    from vgcli_core.predict.drawing import Drawing
    from vgcli_core.text.questions import Question

# The library has the same words; importing them from there would load numpy (a test compares them).
Task = Literal["auto", "ask", "ground", "detect", "caption"]


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


def check_early(source: str, out: Path | None, drawing: "Drawing") -> None:
    """Refuse, before minutes of work, an unreadable source and what could not be written or drawn at the end."""
    from vgcli_core.media.frames import read_frames
    from vgcli_core.media.sampling import Sampling
    from vgcli_core.predict.drawing import check_drawing

    for option, folder in (("--out", out), ("--save-vis", drawing.folder)):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file, not a folder", where=option, fix="name a folder")
    camera, fov = drawing.intrinsics, drawing.fov
    if camera is not None and fov is not None:
        raise UsageError("--intrinsics and --fov both describe the camera", fix="keep one of them")
    if fov is not None and not 0 < fov < 180:
        raise UsageError(f"{fov} degrees is no field of view", where="--fov", fix="give degrees between 0 and 180")
    if not drawing.wanted and (camera is not None or fov is not None):
        fix = "add --save-vis DIR or --view FILE, or leave them out"
        raise UsageError("--intrinsics and --fov only serve the drawing", fix=fix)
    check_drawing(drawing)
    read_frames(source, Sampling(indices=(0,)))


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
