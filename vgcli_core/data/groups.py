"""Samples that show a model the same: what it makes of the frames, and of a prompt's beginning, serves all of them."""

from collections.abc import Hashable, Sequence

from vgcli_core.data.sample import Sample


def frames_key(sample: Sample) -> Hashable:
    """Return what is equal for samples of one prepared set that show the same pictures in the same order."""
    drawn = None if sample.markers is None else repr(sample.markers)
    return sample.pack, sample.frames, sample.square, drawn


def groups(samples: Sequence[Sample]) -> list[list[int]]:
    """Return the places of samples with the same frames and prompt layout, together.

    Groups stand in the order of their first sample, but for those of the same frames, which stand next to each other.
    """
    by_frames: dict[Hashable, dict[str, list[int]]] = {}
    for place, sample in enumerate(samples):
        by_frames.setdefault(frames_key(sample), {}).setdefault(sample.layout, []).append(place)
    return [group for layouts in by_frames.values() for group in layouts.values()]
