"""Samples that show a model the same: what it makes of the frames, and of a prompt's beginning, serves all of them."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from vgcli_core.data.sample import Sample, layout_of


def frames_key(sample: Sample) -> Hashable:
    """Return what is equal for samples of one prepared set that show the same pictures in the same order."""
    return _key(sample.pack, sample.frames, sample.square, sample.markers)


def keys_of_line(row: Mapping[str, Any]) -> tuple[Hashable, str]:
    """Return `frames_key` and `Sample.layout` of a sample's line, parsed and not checked; for going through a file."""
    human = next((turn["value"] for turn in row["conversations"] if turn["from"] == "human"), "")
    key = _key(row.get("pack", ""), tuple(row["frames"]), bool(row.get("square")), row.get("markers"))
    return key, layout_of(human)


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


def _key(pack: str, frames: tuple[str, ...], square: bool, markers: Mapping[str, Any] | None) -> Hashable:
    return pack, frames, square, None if markers is None else repr(markers)
