"""What frames a video file has, and when each is shown.

`survey` reads packets, which costs little. Where they promise frames that cannot be decoded, or carry no times,
`survey_by_decoding` counts again by decoding everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vgcli_core.errors import MediaError
from vgcli_core.media.container import frames, opened, packets, seek

Turn = tuple[int, int, int, int]

_UPRIGHT = (1, 0, 0, 1)
_QUARTER_TURNS = {(a, 0, 0, d) for a in (-1, 1) for d in (-1, 1)} | {(0, b, c, 0) for b in (-1, 1) for c in (-1, 1)}


@dataclass(frozen=True, slots=True)
class Track:
    """The frames of one video stream, in the order they are shown.

    Args:
        path: the file.
        stamps: presentation time of each frame, in ticks.
        tick: seconds per tick.
        keys: positions of the frames where decoding can start, rising.
        declared: frames the file says it has and shows, or packets it holds, whichever is more.
        by_count: frames are known by their place in the decoded order, not by their stamp; then `keys` is empty.
        container: FFmpeg's name of the container, for example "mov,mp4,m4a,3gp,3g2,mj2".
        pixel_format: FFmpeg's name of the stored pixel format, for example "yuv420p".
        size: (width, height) as stored, before `turn`.
        turn: (a, b, c, d) of the display matrix, in {-1, 0, 1}: the stored pixel (x, y) is shown at
            (a x + c y, b x + d y).
        open_gop: some frames after a key frame are shown before it, so decoding from there loses them.
        promised: seconds that the file's header says it lasts, sound included; 0 where it does not say.
        notes: remarks about rotation and time stamps.
    """

    path: Path
    stamps: tuple[int, ...]
    tick: Fraction
    keys: tuple[int, ...]
    declared: int
    by_count: bool
    container: str
    pixel_format: str
    size: tuple[int, int]
    turn: Turn
    open_gop: bool
    promised: float
    notes: tuple[str, ...]

    @property
    def times(self) -> tuple[float, ...]:
        """Seconds from the first frame, one per frame."""
        return tuple(float((stamp - self.stamps[0]) * self.tick) for stamp in self.stamps)

    @property
    def mirrored(self) -> bool:
        """Whether the display matrix flips the picture, which a rotation cannot."""
        a, b, c, d = self.turn
        return a * d - b * c < 0


def survey(path: Path) -> Track:
    """List the frames of a video by reading its packets, and decode one or two frames to learn size and rotation.

    Raises:
        MediaError: the file is no video, has no video stream or frame, an unsupported codec, or frames of two sizes.
    """
    track = _first_look(path)
    with opened(path) as (container, stream):
        filled = [packet for packet in packets(container, stream) if packet.size > 0]
        shown = [packet for packet in filled if not packet.is_discard]  # an edit list hides the others
        whole = [(packet.pts, packet.is_keyframe) for packet in shown if not packet.is_corrupt]
        declared = max(stream.frames - len(filled) + len(shown), len(shown))
    track = replace(track, declared=declared)
    stamps = sorted({stamp for stamp, _ in whole if stamp is not None})
    # Missing or repeated stamps cannot name frames, and AVI stores decoding times only.
    if len(stamps) < max(len(whole), 1) or track.container == "avi":
        return survey_by_decoding(track)
    place = {stamp: position for position, stamp in enumerate(stamps)}
    keys = sorted(place[stamp] for stamp, is_key in whole if is_key)
    track = replace(track, stamps=tuple(stamps), keys=tuple(keys), open_gop=_has_open_gop(whole))
    if len(keys) > 1:
        _check_last_size(track)
    return track


def survey_by_decoding(track: Track) -> Track:
    """Count the frames again by decoding all of them, keeping none: what a damaged file really gives."""
    with opened(track.path) as (container, stream):
        stamps = [frame.pts for frame in frames(container, stream)]
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    if not stamps:
        raise _no_frame(track.path)
    track = replace(track, keys=(), by_count=True)
    if None not in stamps and all(early < late for early, late in pairwise(stamps)):
        return replace(track, stamps=tuple(stamps))
    note = f"the file has no usable time stamps; times assume {float(rate):g} frames per second"
    return replace(track, stamps=tuple(range(len(stamps))), tick=1 / rate, notes=(*track.notes, note))


def check_same_size(track: Track, frame: Any) -> None:
    """Refuse a frame of another size than the first one. Raises MediaError."""
    if (frame.width, frame.height) != track.size:
        raise MediaError(
            f"the frames change size inside the video: {track.size[0]}x{track.size[1]}, later "
            f"{frame.width}x{frame.height}",
            where=str(track.path),
            fix="convert it to one size: ffmpeg -i INPUT -vf scale=640:480 OUTPUT.mp4",
        )


def _first_look(path: Path) -> Track:
    """Decode the first good frame: size, pixel format and rotation; the list of frames stays empty."""
    with opened(path) as (container, stream):
        first = next(frames(container, stream), None)
        if first is None:
            raise _no_frame(path)
        turn, note = _rotation(first)
        return Track(
            path=path,
            stamps=(),
            tick=Fraction(stream.time_base),
            keys=(),
            declared=0,
            by_count=False,
            container=container.format.name,
            pixel_format=first.format.name,
            size=(first.width, first.height),
            turn=turn,
            open_gop=False,
            promised=(container.duration or 0) / 1_000_000,
            notes=(note,) if note else (),
        )


def _check_last_size(track: Track) -> None:
    """Look at the last key frame too: decord would scale frames that change size, without a word."""
    with opened(track.path) as (container, stream):
        seek(container, stream, track.stamps[track.keys[-1]])
        last = next(frames(container, stream), None)
        if last is not None:
            check_same_size(track, last)


def _no_frame(path: Path) -> MediaError:
    return MediaError(f"no frame of {path.name} can be decoded", where=str(path), fix="copy or export the video again")


def _rotation(frame: Any) -> tuple[Turn, str]:
    """Read the display matrix of a frame: what to do, and a note about it.

    Nine 32-bit numbers a b u c d v x y w, the ones used here in 1/65536 (ISO 14496-12, track header box).
    """
    matrix = next((bytes(data) for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    if matrix is None:
        return _UPRIGHT, ""
    a, b, _, c, d = (np.frombuffer(matrix, dtype=np.int32)[:5] / 65536).round(2).tolist()
    turn = (round(a), round(b), round(c), round(d))
    if turn != (a, b, c, d) or turn not in _QUARTER_TURNS:
        return _UPRIGHT, "the file's rotation is no quarter turn and was not applied"
    if turn == _UPRIGHT:
        return turn, ""
    mirrored = turn[0] * turn[3] - turn[1] * turn[2] < 0
    done = "mirroring" if mirrored else f"rotation by {-frame.rotation % 360:g} degrees clockwise"
    return turn, f"{done} applied, as the file asks"


def _has_open_gop(in_file_order: Sequence[tuple[int, bool]]) -> bool:
    key: int | None = None
    for stamp, is_key in in_file_order:
        if is_key:
            key = stamp
        elif key is not None and stamp < key:
            return True
    return False
