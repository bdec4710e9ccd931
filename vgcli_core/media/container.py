"""Video files through PyAV: open one safely, read its packets, decode its frames, seek.

Decoding uses slice threads at most: with frame threads, an error in the last packets takes good frames with it.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from vgcli_core.errors import MediaError

# A closed list: FFmpeg would read a text file as a terminal recording, and a playlist would make it open other files.
_CONTAINERS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,flv,asf,ogg,mxf,h264,hevc,ivf,obu,gif,nut,dv,yuv4mpegpipe,"
    "wav,mp3,flac,aac"
)
_MP4_ATOMS = {b"ftyp", b"mdat", b"moov", b"free", b"wide", b"skip"}


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open `path` and its best video stream, with errors a user can act on."""
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    try:
        # An absolute path is never taken for an address such as "concat:...".
        container = av.open(str(path.absolute()), options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise _unreadable(path, error) from error
    with closing(container):
        stream = container.streams.best("video")
        if stream is None or stream.disposition & Disposition.attached_pic:  # a cover is no video
            raise MediaError(
                f"{path.name} has no video stream", where=str(path), fix="name a file that shows something"
            )
        if stream.codec_context is None:
            raise MediaError(
                f"the codec of {path.name} is not supported by this FFmpeg",
                where=str(path),
                fix="convert it: ffmpeg -i INPUT -c:v libx264 -pix_fmt yuv420p OUTPUT.mp4",
            )
        stream.thread_type = "SLICE"
        yield container, stream


def _unreadable(path: Path, error: Exception) -> MediaError:
    if isinstance(error, PermissionError):
        return MediaError(f"no permission to read {path.name}", where=str(path), fix="check the file's permissions")
    with path.open("rb") as file:
        head = file.read(8)
    if head[4:] in _MP4_ATOMS:
        return MediaError(
            f"{path.name} is cut off or damaged: its index (moov) cannot be read",
            where=str(path),
            fix="copy or download it again; a recording that was interrupted needs a repair tool",
        )
    return MediaError(
        f"{path.name} is neither a video nor a picture that can be read",
        where=str(path),
        fix="give a video such as .mp4, .mov or .webm; if it is one, the file is damaged: copy or download it again",
    )


def packets(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the packets of the stream, up to the first one that cannot be read."""
    source = container.demux(stream)
    while True:
        try:
            packet = next(source)
        except (StopIteration, av.FFmpegError):
            return
        yield packet


def frames(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the good frames from where the container stands; a damaged packet costs only its own frame."""
    for packet in packets(container, stream):
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            continue
        yield from (frame for frame in decoded if not frame.is_corrupt)


def seek(container: Any, stream: Any, stamp: int) -> None:
    """Go to the key frame at `stamp` ticks. A container that cannot stays somewhere: look at the stamps that follow."""
    with suppress(av.FFmpegError):
        container.seek(stamp, stream=stream)
