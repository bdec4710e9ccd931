"""Frames with the boxes of a result drawn on them, written as PNG files."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from vgcli_core.atomic import atomic_path
from vgcli_core.drawing.boxes import Pixels, draw_boxes, in_view
from vgcli_core.drawing.sheet import contact_sheet
from vgcli_core.predict.intrinsics import as_matrix
from vgcli_core.predict.result import FoundBox, FrameInfo, Intrinsics, Result


def draw_result(result: Result, images: Sequence[Pixels], cameras: Sequence[Intrinsics], folder: Path) -> Result:
    """Write a contact sheet of all frames, and each frame that a box is in, at source size.

    A box is drawn only in the frame whose camera it is given in: the poses of the other frames are not known.

    Args:
        result: the answers; `images` [H, W, 3] are its frames, in order.
        cameras: intrinsics of each frame, in its pixels.
        folder: made when it is not there.

    Returns:
        `result` with the paths in `drawn`.

    Raises:
        OutputError: a file cannot be written.
    """
    boxes: dict[int, list[FoundBox]] = defaultdict(list)
    for found in result.boxes:
        boxes[found.frame].append(found)
    drawn = list(images)
    written: list[Path] = []
    for frame in result.frames:
        here = [found.box for found in boxes[frame.position]]
        if not here:
            continue
        image, matrix = images[frame.position], as_matrix(cameras[frame.position])
        drawn[frame.position] = draw_boxes(image, here, matrix, caption=caption_of(frame), mark_front=True)
        written.append(_write(drawn[frame.position], folder / f"frame_{frame.position:03d}.png"))
    sheet = contact_sheet(drawn, [caption_of(frame) for frame in result.frames])
    written.append(_write(sheet, folder / "frames.png"))
    return replace(result, drawn=tuple(str(path) for path in written))


def out_of_view(result: Result, images: Sequence[Pixels], cameras: Sequence[Intrinsics]) -> list[str]:
    """Return a note on every box that no picture can show; arguments as of `draw_result`."""
    notes = []
    for found in result.boxes:
        height, width = images[found.frame].shape[:2]
        if not in_view([found.box], as_matrix(cameras[found.frame]), width, height)[0]:
            notes.append(f"the box {found.box.label!r} is out of view in frame {found.frame}")
    return notes


def caption_of(frame: FrameInfo) -> str:
    """Return the words below or on a frame: its position in the result, and its time or its name."""
    when = f"{frame.time:.2f} s" if frame.time is not None else frame.name
    return f"frame {frame.position}, {when}" if when else f"frame {frame.position}"


def _write(image: Pixels, path: Path) -> Path:
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary)
    return path
