"""Which frames of a scan a sample shows: the published choices, and one that is the same for a whole scene.

All functions return positions in a scan's frames, each at most once. Randomness comes in as a number, so that draws
can be recorded, replayed and seeded anywhere.
"""

import random
from collections.abc import Iterator, Sequence

import numpy as np

from vgcli_core.data.base import Mode
from vgcli_core.errors import DataError
from vgcli_core.media.sampling import uniform


def cyclic(total: int, wanted: int, start: int) -> list[int]:
    """Return every (total // wanted)-th position from `start` on, around the end to the beginning; all when fewer.

    The order begins at `start`, so the first frame need not be the earliest one. A start of `total` equals 0.

    Source: ScanRefer and Scan2Cap generators (formats of ScanRefer, section 4.2).
    """
    step = max(total // wanted, 1)
    return [(start + step * place) % total for place in range(min(wanted, total))]


def sorted_offset(total: int, wanted: int, offset: int) -> list[int]:
    """Return every (total // wanted)-th position from `offset` on, in time order; all when there are fewer.

    Args:
        total: frames of the scan.
        wanted: frames of the sample.
        offset: smaller than total // wanted.

    Source: the published SQA3D file, as its rows look (formats of SQA3D).
    """
    step = max(total // wanted, 1)
    return [offset + step * place for place in range(wanted)] if total >= wanted else list(range(total))


def rotated_spread(total: int, wanted: int, start: int) -> list[int]:
    """Return positions spread evenly over the film as if it began at `start`, in time order; all when there are fewer.

    Source: VLM-3R generator (formats of VLM-3R).
    """
    spread = np.linspace(0, total - 1, min(wanted, total)).astype(int)
    return sorted((start + int(place)) % total for place in spread)


def fixed(total: int, wanted: int) -> list[int]:
    """Return evenly spaced positions with both ends, the same for every sample of a scene; all when there are fewer."""
    _some(total)
    return uniform(total, wanted)


def starts(generator: random.Random, total: int, mode: Mode) -> Iterator[int]:
    """Yield random starts without end: from [0, total), or in reference mode from [0, total] as published."""
    _some(total)
    while True:
        yield generator.randint(0, total) if mode == "reference" else generator.randrange(total)


def offset(generator: random.Random, total: int, wanted: int) -> int:
    """Draw an offset for `sorted_offset`."""
    return generator.randrange(max(total // wanted, 1))


def is_stretch(total: int, wanted: int) -> bool:
    """Tell whether `cyclic` and `sorted_offset` take neighbouring frames, and leave the rest of the scan unseen."""
    return wanted < total < 2 * wanted


def sees(positions: Sequence[int], seen: frozenset[int]) -> bool:
    """Tell whether any of the positions is one of those that see the target."""
    return any(position in seen for position in positions)


def _some(total: int) -> None:
    if total < 1:
        raise DataError("a scan without frames", fix="leave it out, or get its annotations again")
