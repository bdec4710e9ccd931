"""What the model looks at: the frames of a video, or pictures, whatever of the two the user names.

`read_frames` is the only way in. It finds out what the source is, picks frames by a `Sampling`, reads only those and
refuses what the model cannot look at.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from vgcli_core.errors import MediaError, lookup
from vgcli_core.media.images import read_picture
from vgcli_core.media.sampling import Sampling, select
from vgcli_core.media.sources import find
from vgcli_core.media.video import DECODERS, read_video

# The processor makes every frame 518 wide and cuts its height to patches of 14, merged two by two (formats of media).
MODEL_WIDTH = 518
PATCH = 14
SMALLEST_SIDE = 2 * PATCH


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of one source, in the order the model sees them; all sequences have one entry per frame.

    Args:
        images: each [H, W, 3] uint8 RGB, upright, at the resolution of the source; sizes differ only between pictures.
        times: seconds from the first frame of the video; None for pictures.
        indices: position of each frame in the decoded video, or in the list of pictures.
        names: file name of each picture; empty for videos.
        source: what the user named.
        decoder: who decoded the pixels, for example "decord 0.6.0"; frame counts depend on it, so results record it.
        total: how many frames of the source can be decoded.
        notes: what a user should know: a rotation applied, a damaged tail skipped, why decord was not used.
    """

    images: tuple[NDArray[np.uint8], ...]
    times: tuple[float | None, ...]
    indices: tuple[int, ...]
    names: tuple[str, ...]
    source: str
    decoder: str
    total: int
    notes: tuple[str, ...]


def read_frames(source: str | Path, sampling: Sampling | None = None, *, decoder: str = "auto") -> Frames:
    """Read the frames that `sampling` asks for.

    Args:
        source: a video file, a folder of pictures (in natural order: frame2 before frame10), one picture, or a glob
            pattern such as "photos/*.jpg".
        sampling: which frames; 32 evenly spaced ones when not given.
        decoder: "auto" takes decord where it is installed and known to return the right frames, else PyAV; "decord"
            and "pyav" force one. Pictures are always read by Pillow.

    Raises:
        MediaError: the source is missing, damaged, of another type or too small, or has no frame that is asked for.
        UnknownName: no such decoder.
    """
    lookup("decoder", DECODERS, decoder)
    sampling = Sampling() if sampling is None else sampling
    found = find(source)
    if found.video is None:
        frames = _read_pictures(str(source), found.pictures, sampling, found.notes)
    else:
        clip = read_video(found.video, sampling, decoder)
        frames = Frames(
            clip.images, clip.times, clip.indices, (), str(source), clip.decoder, clip.total, found.notes + clip.notes
        )
    for number, image in enumerate(frames.images):
        _check_size(image, f"{source}, {frames.names[number]}" if len(frames.names) > 1 else str(source))
    return frames


def _read_pictures(source: str, paths: Sequence[Path], sampling: Sampling, notes: tuple[str, ...]) -> Frames:
    indices = select(sampling, len(paths), where=source)
    pictures = [read_picture(paths[index]) for index in indices]
    remarks = Counter(remark for _, found in pictures for remark in found)
    counted = [f"{remark} ({count} of {len(pictures)} pictures)" for remark, count in remarks.items()]
    return Frames(
        images=tuple(image for image, _ in pictures),
        times=(None,) * len(pictures),
        indices=tuple(indices),
        names=tuple(paths[index].name for index in indices),
        source=source,
        decoder=f"Pillow {PIL.__version__}",
        total=len(paths),
        notes=notes + (tuple(counted) if len(pictures) > 1 else tuple(remarks)),
    )


def _check_size(image: NDArray[np.uint8], where: str) -> None:
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise MediaError(
            f"frames of {width}x{height} pixels are too small for the model",
            where=where,
            fix=f"use frames of at least {SMALLEST_SIDE} pixels on each side; 200 or more make sense",
        )
    # The processor's own rounding, in its order.
    if round(height * (MODEL_WIDTH / width) / PATCH) * PATCH < SMALLEST_SIDE:
        raise MediaError(
            f"frames of {width}x{height} pixels are too wide: at {MODEL_WIDTH} pixels width no patch row is left",
            where=where,
            fix="crop the frames, or split a panorama into several pictures",
        )
