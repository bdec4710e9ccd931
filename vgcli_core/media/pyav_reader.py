"""Chosen frames of a video through PyAV; everything else that has to be decoded on the way is dropped at once."""

from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from vgcli_core.media.container import frames, opened, seek
from vgcli_core.media.track import Track, Turn, check_same_size

Pixels = NDArray[np.uint8]

_SEEK_GAP = 20  # frames; decoding fewer than this costs less than a seek


def version() -> str:
    """Return the name that results record."""
    return f"PyAV {av.__version__}"


def decode(track: Track, positions: Sequence[int]) -> dict[int, Pixels]:
    """Return upright RGB frames [H, W, 3] by position; a position that cannot be decoded is left out.

    Raises:
        MediaError: a frame has another size than the first one.
    """
    wanted = sorted(set(positions))
    found: dict[int, Pixels] = {}
    with opened(track.path) as (container, stream):
        for key, targets in _legs(wanted, track.keys):
            if key:
                seek(container, stream, track.stamps[key])
            found |= _decode_leg(frames(container, stream), track, targets)
    missed = [position for position in wanted if position not in found]
    if missed and track.keys:  # some containers seek inexactly; from the start there is no doubt
        with opened(track.path) as (container, stream):
            found |= _decode_leg(frames(container, stream), track, missed)
    return found


def _legs(wanted: Sequence[int], keys: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Group rising positions into stretches worth one seek: (key position to start from, positions)."""
    legs: list[tuple[int, list[int]]] = []
    starts = np.searchsorted(keys, wanted, side="right") - 1
    for position, start in zip(wanted, starts, strict=True):
        key = keys[start] if start >= 0 else 0
        if legs and key - legs[-1][1][-1] <= _SEEK_GAP:
            legs[-1][1].append(position)
        else:
            legs.append((key, [position]))
    return legs


def _decode_leg(decoded: Iterator[Any], track: Track, targets: Sequence[int]) -> dict[int, Pixels]:
    """Take the rising `targets` from a stream of decoded frames, and stop at the last one."""
    place = {stamp: position for position, stamp in enumerate(track.stamps)}
    wanted, found = set(targets), {}
    for count, frame in enumerate(decoded):
        position = count if track.by_count else place.get(frame.pts, -1)
        if position in wanted:
            check_same_size(track, frame)
            found[position] = _upright(frame.to_ndarray(format="rgb24"), track.turn)
        if position >= targets[-1]:
            break
    return found


def _upright(image: Pixels, turn: Turn) -> Pixels:
    """Apply a display matrix of quarter turns and flips to [H, W, 3]."""
    a, b, c, d = turn  # out[a x + c y, b x + d y] = in[x, y]; flips are slices with step -1
    shown = image[::d, ::a] if a else image.transpose(1, 0, 2)[::b, ::c]
    return np.ascontiguousarray(shown)
