"""Samples that show a model the same: what it makes of the frames, and of a prompt's beginning, serves all of them."""

from collections.abc import Hashable, Sequence

from vgcli_core.data.sample import Sample


def frames_key(sample: Sample) -> Hashable:
    """Return what is equal for samples of one prepared set that show the same pictures in the same order."""
    drawn = None if sample.markers is None else repr(sample.markers)
    return sample.pack, sample.frames, sample.square, drawn


def by_frames(samples: Sequence[Sample]) -> list[list[int]]:
    """Return the places of samples with the same frames, together, in the order of the first of them."""
    found: dict[Hashable, list[int]] = {}
    for place, sample in enumerate(samples):
        found.setdefault(frames_key(sample), []).append(place)
    return list(found.values())


def groups(samples: Sequence[Sample]) -> list[list[int]]:
    """Return the places of samples with the same frames and prompt layout, together.

    Groups of the same frames stand next to each other, all else is in the order of the first sample.
    """
    found: list[list[int]] = []
    for members in by_frames(samples):
        layouts: dict[str, list[int]] = {}
        for place in members:
            layouts.setdefault(samples[place].layout, []).append(place)
        found += layouts.values()
    return found
