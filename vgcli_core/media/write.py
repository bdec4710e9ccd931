"""Pictures in, a video file out: for examples, tests and annotated results."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from vgcli_core.atomic import atomic_path
from vgcli_core.errors import MediaError


def write_video(path: Path, images: Iterable[NDArray[np.uint8]], fps: float, *, quality: int = 23) -> int:
    """Write an MP4 that browsers and phones play, whole or not at all; return the number of frames.

    The same pictures give the same bytes.

    H.264 by libx264 where PyAV has it, else MPEG-4; yuv420p. An odd width or height grows by one repeated line.

    Args:
        path: the file; an MP4 whatever its name, which usually ends in .mp4.
        images: [H, W, 3] uint8 RGB, all of one size; taken one by one, so a generator of a long video is fine.
        fps: frames per second.
        quality: libx264's constant rate factor; lower is better and larger.

    Raises:
        MediaError: no images, images of different sizes, or an fps that is not above 0.
        OutputError: the file cannot be written.
    """
    if not fps > 0:
        raise MediaError(f"fps is {fps}", where=str(path), fix="give frames per second above 0")
    rate = Fraction(fps).limit_denominator(1001)
    with_x264 = "libx264" in av.codecs_available
    shape, count = None, 0
    with (
        atomic_path(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"movflags": "faststart"}) as container,
    ):
        stream = container.add_stream("libx264" if with_x264 else "mpeg4", rate=rate)
        stream.pix_fmt = "yuv420p"
        # Macroblock trees read memory that nobody wrote: the same pictures would give other bytes now and then.
        stream.options = {"crf": str(quality), "x264-params": "mbtree=0"} if with_x264 else {"qscale": "4"}
        for count, image in enumerate(images, start=1):
            if shape is None:
                shape = image.shape
                stream.height, stream.width = (side + side % 2 for side in shape[:2])
            if image.shape != shape:
                raise MediaError(f"frame {count} is {image.shape}, the first is {shape}", where=str(path))
            even = np.pad(image, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        if not count:
            raise MediaError("there are no images to write", where=str(path))
        container.mux(stream.encode())
    return count
