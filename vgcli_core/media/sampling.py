"""Which frames of a video the model sees: even spacing, a rate, or a list; and the reference's training rule.

All functions are pure and return positions in the decoded video, in time order unless the user lists them otherwise.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vgcli_core.errors import MediaError

DEFAULT_FRAMES = 32  # what a Sampling without any wish means, as in the evaluation of arXiv 2505.24625
_CLOCK = 1e-6  # tolerance, in seconds or steps: time stamps are fractions, a user's start and rate are decimals


@dataclass(frozen=True, slots=True)
class Sampling:
    """A user's wish: at most one of `num_frames`, `fps` and `indices`, counted from `start` seconds.

    Args:
        num_frames: evenly spaced over the video, both ends included (the rule of the paper's evaluation).
        fps: this many frames per second of video, at the nearest frame in time; `max_frames` caps it.
        indices: positions in the decoded video, in the order the model shall see them.
        start: skip what comes before this many seconds (not with `indices`).
        max_frames: with `fps`, stop after this many frames; None for no limit.

    Raises:
        MediaError: a number that makes no sense, or two wishes that contradict each other.
    """

    num_frames: int | None = None
    fps: float | None = None
    indices: tuple[int, ...] = ()
    start: float = 0.0
    max_frames: int | None = None

    def __post_init__(self) -> None:
        wishes = {"num_frames": self.num_frames is not None, "fps": self.fps is not None, "indices": bool(self.indices)}
        given = [name for name, present in wishes.items() if present]
        if len(given) > 1:
            raise _refused(f"{' and '.join(given)} contradict each other", "give only one of num_frames, fps, indices")
        if self.num_frames is not None and self.num_frames < 1:
            raise _refused(f"num_frames is {self.num_frames}", "ask for at least one frame")
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise _refused(f"fps is {self.fps}", "give a rate above 0, for example fps 1 for one frame per second")
        if self.max_frames is not None and (self.max_frames < 1 or self.fps is None):
            raise _refused(f"max_frames is {self.max_frames}", "give at least 1, together with fps")
        if not 0 <= self.start < math.inf:
            raise _refused(f"start is {self.start}", "give seconds from the start of the video, 0 or more")
        if self.indices and self.start:
            raise _refused("indices and start contradict each other", "indices already say which frames; drop start")
        if any(index < 0 for index in self.indices):
            raise _refused(f"frame index {min(self.indices)} is negative", "count frames from 0")


def select(sampling: Sampling, total: int, times: Sequence[float] | None = None, *, where: str = "") -> list[int]:
    """Return the positions in [0, total) that `sampling` asks for.

    Args:
        sampling: the wish; without one, DEFAULT_FRAMES evenly spaced frames.
        total: frames of the video that can be decoded, or pictures; at least 1.
        times: [total] seconds from the first frame, rising; None for pictures, which have no times.
        where: what an error names as its place.

    Raises:
        MediaError: an index outside the video, a start after its end, or a rate for pictures.
    """
    if sampling.indices:
        if max(sampling.indices) >= total:
            raise MediaError(
                f"frame index {max(sampling.indices)} is out of range: there are {total} frames",
                where=where,
                fix=f"choose indices from 0 to {total - 1}",
            )
        return list(sampling.indices)
    wanted = DEFAULT_FRAMES if sampling.num_frames is None else sampling.num_frames
    if times is None:
        if sampling.fps is not None or sampling.start:
            raise MediaError(
                f"{'start' if sampling.fps is None else 'fps'} needs a video: pictures have no times",
                where=where,
                fix="sample pictures with num_frames or indices",
            )
        return uniform(total, wanted)
    first = bisect_left(times, sampling.start - _CLOCK)
    if first == total:
        raise MediaError(
            f"start at {sampling.start:g} s is beyond the end: the last frame is at {times[-1]:.3f} s",
            where=where,
            fix=f"choose a start from 0 to {times[-1]:.3f} s",
        )
    if sampling.fps is None:
        positions = uniform(total - first, wanted)
    else:
        positions = at_rate(times[first:], sampling.fps, start=sampling.start, max_frames=sampling.max_frames)
    return [first + position for position in positions]


def uniform(total: int, wanted: int) -> list[int]:
    """Return `wanted` positions in [0, total), evenly spaced with both ends, cut to integers; all when fewer.

    Source: the evaluation of arXiv 2505.24625 (formats of video benchmarks): no de-duplication, floor of the spacing.
    """
    if total < wanted:
        return list(range(total))
    return [int(i) for i in np.linspace(0, total - 1, wanted, dtype=int)]


def training_rule(total: int, fps: float, *, interval: float, minimum: int, maximum: int) -> list[int]:
    """Return the positions that training on a video file uses: one frame per `interval` seconds, clamped.

    Python's `round` goes half to even, as the reference's does; a folder of frames counts as 1 fps. A video with
    fewer than `minimum` frames gives fewer.

    Source: LLaVA-Hound loading of the reference (interval 2, 4 to 8 frames).
    """
    wanted = min(max(round(total / fps / interval), minimum), maximum)
    return [int(i) for i in np.unique(np.linspace(0, total - 1, wanted, dtype=int))]


def at_rate(times: Sequence[float], fps: float, *, start: float = 0.0, max_frames: int | None = None) -> list[int]:
    """Return the frames nearest in time to start, start + 1/fps, ...; right for variable frame rates too.

    Args:
        times: seconds, rising; at least one.
        fps: frames per second; above the rate of the video it returns every frame once.
        start: seconds of the first wish.
        max_frames: cut the result after this many frames.
    """
    stamps = np.asarray(times, dtype=np.float64)
    step = max(1.0 / fps, 1e-9)
    # Wish k stands at start + k * step. Frame i is the nearest one to the wishes up to the middle between it and its
    # successor; a wish in the very middle takes the earlier frame.
    ends = np.append((stamps[:-1] + stamps[1:]) / 2, stamps[-1])
    last_wish = np.floor((ends - start) / step + _CLOCK).clip(min=-1)
    last_wish[-1] = max(last_wish[-1], 0)
    has_wish = np.diff(last_wish, prepend=-1) > 0
    return [int(i) for i in np.flatnonzero(has_wish)][:max_frames]


def _refused(what: str, fix: str) -> MediaError:
    return MediaError(what, where="sampling", fix=fix)
