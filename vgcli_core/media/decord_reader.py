"""Videos through decord, for the files where it is known to return the right frames.

decord 0.6.0 seeks wrongly in some files and then returns a neighbouring frame without an error (measured: open GOPs as
x265 writes them by default, and every MPEG-TS, MPEG-PS, AVI and WMV file tried). It also hides damage inside a file.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vgcli_core.errors import MediaError
from vgcli_core.media.track import Track

Pixels = NDArray[np.uint8]

_CONTAINERS = ("mov,mp4", "matroska")
# For these and an even height its colours equal PyAV's bit for bit; otherwise the two round chroma differently.
_SAME_COLOURS = {"yuv420p", "yuvj420p"}


class DecordError(Exception):
    """decord is missing, or gave up on a file; the message is a short reason."""


def version() -> str:
    """Return the name that results record. Raises DecordError where decord cannot be imported."""
    try:
        import decord
    except (ImportError, OSError, RuntimeError) as error:
        raise DecordError("decord is not installed here") from error
    return f"decord {decord.__version__}"


def wrong_frames(track: Track) -> str:
    """Say why decord would return wrong frames of this video; empty when it returns the right ones."""
    if track.by_count:
        return "decord needs sound time stamps"
    if not track.container.startswith(_CONTAINERS):
        return f"decord is reliable in MP4, MOV, MKV and WebM only, and this is {track.container}"
    if track.open_gop:
        return "decord seeks wrongly in videos with open GOPs"
    if track.mirrored:
        return "decord does not mirror frames"
    return ""


def other_colours(track: Track) -> str:
    """Say why decord's colours would differ from PyAV's, which every platform has; empty when they are equal."""
    if track.pixel_format not in _SAME_COLOURS or track.size[1] % 2:
        return f"decord rounds the colours of {track.pixel_format} {track.size[0]}x{track.size[1]} video differently"
    return ""


def decode(track: Track, positions: Sequence[int]) -> dict[int, Pixels]:
    """Return upright RGB frames [H, W, 3] by position.

    The reader is opened here and closed before returning: one that is open across a fork hangs.

    Raises:
        DecordError: the file cannot be opened or decoded, or decord lists other frames than `track`.
    """
    version()
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    wanted = sorted(set(positions))
    try:
        # One thread: with the default, decord fails on VP9.
        reader = decord.VideoReader(str(track.path.absolute()), num_threads=1)
        if len(reader) != len(track.stamps):
            raise DecordError(f"it counts {len(reader)} frames where {len(track.stamps)} can be read")
        starts = np.asarray(reader.get_frame_timestamp(range(len(reader))))[:, 0]
        if np.abs(starts - starts[0] - track.times).max() > 0.01:
            raise DecordError("it reads other time stamps")
        batch = reader.get_batch(wanted).asnumpy()
    except (decord.DECORDError, RuntimeError, ValueError, IndexError) as error:
        raise DecordError(_reason(error)) from error
    if len(batch) != len(wanted):
        raise DecordError(f"it returned {len(batch)} of {len(wanted)} frames")
    return dict(zip(wanted, batch, strict=True))


def forced_failure(track: Track, reason: str) -> MediaError:
    """Return the error for a user who insists on decord."""
    return MediaError(
        f"decord cannot read {track.path.name}: {reason}",
        where=str(track.path),
        fix="choose the decoder 'auto' or 'pyav'",
    )


def _reason(error: Exception) -> str:
    """Strip decord's message of times, source lines and the condition that failed."""
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return re.sub(r"^.*\.cc:\d+: (Check failed: .* vs\. \S+ )?", "", first_line)[:120]
