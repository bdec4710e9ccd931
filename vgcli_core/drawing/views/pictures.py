"""Pictures (.png, .jpg) and videos (.mp4) of a scene: frames with their boxes in perspective, question and answer.

Predictions are green and the truth is blue; the face that looks at the camera is tinted and has bold edges, hidden
edges are dashed. A box is drawn on the frame whose camera it is given in, and on no other: how the cameras of two
frames lie to each other is not known. So a video shows the frames that were looked at one after the other.
"""

from collections.abc import Iterator, Sequence
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from PIL import Image

from vgcli_core.atomic import atomic_path
from vgcli_core.drawing.blocks import stacked, text_block
from vgcli_core.drawing.boxes import Pixels, draw_boxes, in_view
from vgcli_core.drawing.labels import Color
from vgcli_core.drawing.scene import APART, COLORS, Scene, SceneFrame
from vgcli_core.drawing.sheet import PAPER, contact_sheet, scaled, scaled_size
from vgcli_core.media.write import write_video

# Pixels of the longer side.
LARGEST = 3840  # of the frames in a row of a sheet, together: 4K
SMALLEST_TILE, USUAL_TILE = 160, 320  # of a frame in a sheet: with very many frames, and at least otherwise
# Of a frame in a video; with the words above, more than the second is more than what many decoders take.
SMALLEST_VIDEO, LARGEST_VIDEO = 640, 2560

FPS = 2
SECONDS_WITH_BOXES, SECONDS_WITHOUT = 2, 1  # that a video holds a frame

_BLANK = 90  # grey of a frame without a picture
_MOST_EXCHANGES, _MOST_NOTES = 6, 4
_FADED: Color = (176, 180, 190)
_INK: Color = (238, 238, 240)
_ACCENT: Color = (140, 190, 255)
_WARNING: Color = (255, 200, 90)


def write_picture(scene: Scene, path: Path) -> tuple[Path, ...]:
    """Write one sheet of all frames. Returns the path. Raises OutputError."""
    sheet = sheet_of(scene)
    with atomic_path(path) as temporary:
        Image.fromarray(sheet).save(temporary, quality=92, subsampling=0)  # of JPEG, with thin lines in colour
    return (path,)


def write_mp4(scene: Scene, path: Path) -> tuple[Path, ...]:
    """Write a video of all frames, 2 s for each with boxes and 1 s for others. Returns the path. Raises OutputError."""
    write_video(path, _shown(scene), FPS)
    return (path,)


def sheet_of(scene: Scene) -> Pixels:
    """Return one picture [H, W, 3] of all frames in reading order, with what was asked and answered above."""
    columns = ceil(sqrt(len(scene.frames)))
    tile = max(SMALLEST_TILE, min(max(USUAL_TILE, _longest(scene)), LARGEST // columns))
    pictures = [frame_picture(frame, tile) for frame in scene.frames]
    sheet = contact_sheet(pictures, [caption_of(frame) for frame in scene.frames], columns, tile=tile)
    notes = [note for note in scene.notes if note != APART][:_MOST_NOTES]
    words = _words(scene, sheet.shape[1], tile, most=_MOST_EXCHANGES, notes=notes)
    return np.array(stacked([words, Image.fromarray(sheet)], 0, paper=PAPER))


def frame_picture(frame: SceneFrame, longest: int, *, caption: str = "") -> Pixels:
    """Return a frame [H, W, 3] with its boxes.

    Args:
        frame: a grey picture stands for one without an image.
        longest: the longer side of what is returned, in pixels; lines and letters are drawn at this size.
        caption: a line at the bottom.
    """
    image = np.full((frame.height, frame.width, 3), _BLANK, np.uint8) if frame.image is None else frame.image
    picture = scaled(image, longest)
    zoom = np.diag([picture.width / frame.width, picture.height / frame.height, 1.0])
    return draw_boxes(
        np.array(picture),
        [one.box for one in frame.boxes],
        zoom @ frame.intrinsics,
        colors=[COLORS[one.kind] for one in frame.boxes],
        caption=caption,
        mark_front=True,
    )


def caption_of(frame: SceneFrame) -> str:
    """Return the short name of a frame, and how many of its boxes are out of view."""
    seen = in_view([one.box for one in frame.boxes], frame.intrinsics, frame.width, frame.height)
    name = frame.caption or frame.name
    if all(seen):
        return name
    return f"{name}, {seen.count(False)} of {len(seen)} boxes out of view"


def _longest(scene: Scene) -> int:
    return max(max(frame.width, frame.height) for frame in scene.frames)


def _words(scene: Scene, width: int, longest: int, *, most: int, notes: Sequence[str] = ()) -> Image.Image:
    """Return what stands above pictures whose longer side is `longest`: title, at most `most` questions, notes."""
    size = round(max(13, longest / 40, width / 60))

    def block(text: str, color: Color, lines: int) -> Image.Image | None:
        return text_block(text, width - size, size, color, lines, paper=PAPER)

    kinds = [kind for kind in COLORS if any(box.kind == kind for frame in scene.frames for box in frame.boxes)]
    left_out = len(scene.exchanges) - most
    blocks = [
        block(scene.title, _FADED, 2),
        *(
            each
            for one in scene.exchanges[:most]
            for each in (block(one.question, _ACCENT, 2), block(one.answer, _INK, 4))
        ),
        block(f"and {left_out} more questions", _FADED, 1) if left_out > 0 else None,
        *(block(f"boxes of this colour: {kind}", COLORS[kind], 1) for kind in kinds),
        block("no box", _WARNING, 1) if not kinds else None,
        *(block(note, _WARNING, 2) for note in notes),
    ]
    margin = Image.new("RGB", (width, size // 2), PAPER)
    words = stacked([margin, *blocks, margin], size // 3, paper=PAPER)
    framed = Image.new("RGB", (width, words.height), PAPER)
    framed.paste(words, (size // 2, 0))
    return framed


def _shown(scene: Scene) -> Iterator[Pixels]:
    """Yield the pictures of a video, all of one size, each as often as it is to be shown."""
    longest = min(max(SMALLEST_VIDEO, _longest(scene)), LARGEST_VIDEO)
    sizes = [scaled_size(frame.width, frame.height, longest) for frame in scene.frames]
    size = max(width for width, _ in sizes), max(height for _, height in sizes)
    words = _words(scene, size[0], longest, most=1)
    for frame in scene.frames:
        picture = Image.fromarray(frame_picture(frame, longest, caption=caption_of(frame)))
        canvas = Image.new("RGB", size, PAPER)
        canvas.paste(picture, ((size[0] - picture.width) // 2, (size[1] - picture.height) // 2))
        image = np.array(stacked([words, canvas], 0, paper=PAPER))
        for _ in range(FPS * (SECONDS_WITH_BOXES if frame.boxes else SECONDS_WITHOUT)):
            yield image
