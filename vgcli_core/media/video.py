"""The wanted frames of one video file, by whichever decoder returns them correctly.

PyAV surveys every file first: its packets give the frames and their times, at little cost. Then decord or PyAV decodes
the wanted frames, so both answer to the same positions. Memory holds the wanted frames only.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgcli_core.media import decord_reader, pyav_reader
from vgcli_core.media.sampling import Sampling, select
from vgcli_core.media.track import Track, survey, survey_by_decoding

Pixels = NDArray[np.uint8]

DECODERS = {"auto": "decord where it is right, else PyAV", "decord": "decord only", "pyav": "PyAV only"}


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames of a video: [H, W, 3] uint8 RGB, upright, with their times in seconds from the first frame."""

    images: tuple[Pixels, ...]
    times: tuple[float, ...]
    indices: tuple[int, ...]
    decoder: str
    total: int
    notes: tuple[str, ...]


def read_video(path: Path, sampling: Sampling, decoder: str) -> Clip:
    """Read the frames that `sampling` picks among those that can be decoded.

    Damage is noticed where the survey or the decoder stumbles: then frames are counted by decoding, picked again and
    read by PyAV. decord passes over some damage inside a file without a word; `decoder="pyav"` does not.

    Args:
        path: a video file.
        sampling: which frames.
        decoder: one of DECODERS.

    Raises:
        MediaError: the file cannot be read, or `decoder` is "decord" and decord would fail or return wrong frames.
    """
    track = survey(path)
    indices = select(sampling, len(track.stamps), track.times, where=str(path))
    notes = list(track.notes)
    images: dict[int, Pixels] = {}
    if decoder != "pyav":
        images, reason = _try_decord(track, indices, forced=decoder == "decord")
        notes += [f"read with PyAV: {reason}"] if reason else []
    name = decord_reader.version() if images else pyav_reader.version()
    images = images or pyav_reader.decode(track, indices)
    if any(index not in images for index in indices):
        track = survey_by_decoding(track)
        indices = select(sampling, len(track.stamps), track.times, where=str(path))
        images = pyav_reader.decode(track, indices)
    if len(track.stamps) < track.declared:
        counts = f"{len(track.stamps)} of {track.declared} frames decodable"
        notes.append(f"{counts} (the others are damaged, missing or hidden); only those were sampled")
    elif "matroska" in track.container and track.times[-1] < 0.8 * track.promised - 1:
        # Matroska counts no frames: a file that was cut off shows only by what its header promised.
        lasted = f"the header says {track.promised:.1f} s, the last frame is at {track.times[-1]:.1f} s"
        notes.append(f"the file may be cut off: {lasted}")
    times = track.times
    return Clip(
        images=tuple(images[index] for index in indices),
        times=tuple(times[index] for index in indices),
        indices=tuple(indices),
        decoder=name,
        total=len(track.stamps),
        notes=tuple(notes),
    )


def _try_decord(track: Track, indices: list[int], *, forced: bool) -> tuple[dict[int, Pixels], str]:
    """Return (frames by position, ""), or ({}, why decord was not used)."""
    reason = decord_reader.wrong_frames(track) or ("" if forced else decord_reader.other_colours(track))
    try:
        decord_reader.version()
    except decord_reader.DecordError as error:
        if forced:
            raise decord_reader.forced_failure(track, str(error)) from error
        return {}, ""  # where decord cannot be had, PyAV is no surprise
    if not reason:
        try:
            return decord_reader.decode(track, indices), ""
        except decord_reader.DecordError as error:
            reason = f"decord failed ({error})"
    if forced:
        raise decord_reader.forced_failure(track, reason)
    return {}, reason
