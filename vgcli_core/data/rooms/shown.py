"""What a viewer of some frames of a room can know: which things they show, when first, and which name means one thing.

Questions are asked about this, never about what only the generator knows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vgcli_core.data.rooms.descriptions import only_ones
from vgcli_core.data.rooms.film import Film
from vgcli_core.data.rooms.render import minimum_visible
from vgcli_core.data.rooms.scene import Room

_GLIMPSE = 0.25  # of the pixels that make a thing visible: so much of it may be noticed
_WHOLE_ROOM = 0.8  # share of the room's width and depth between the outermost walls or floor that are seen


@dataclass(frozen=True)
class Shown:
    """Some frames of a film, in time order.

    Attributes:
        room: the room.
        positions: the frames.
        pixels: [F, T] pixels of each thing in these frames.
        visible: [F, T] whether they are enough.
        things: positions in `Room.things` of those that some frame shows.
        named: those of them whose label alone means them, because nothing else in the room has it.
        whole_room: the frames show so much of the walls and the floor that one can tell how large the room is.
    """

    room: Room
    positions: tuple[int, ...]
    pixels: NDArray[np.int64]
    visible: NDArray[np.bool_]
    things: tuple[int, ...]
    named: tuple[int, ...]
    whole_room: bool

    def first_frame(self, label: str) -> int | None:
        """Return the first frame, by its place among these, that shows a thing of the label."""
        return self._first(label, self.visible)

    def first_glimpse(self, label: str) -> int | None:
        """Return the first one that shows anything of it worth noticing."""
        enough = max(_GLIMPSE * minimum_visible(self.room.height, self.room.width), 1)
        return self._first(label, self.pixels >= enough)

    def _first(self, label: str, seen: NDArray[np.bool_]) -> int | None:
        columns = [number for number, thing in enumerate(self.room.things) if thing.label == label]
        frames = np.flatnonzero(seen[:, columns].any(axis=1))
        return int(frames[0]) if len(frames) else None


def shown(film: Film, positions: Sequence[int]) -> Shown:
    """Return what the frames at `positions`, which must be in time order, show."""
    chosen = list(positions)
    visible = film.visible[chosen]
    things = tuple(np.flatnonzero(visible.any(axis=0)).tolist())
    unique = only_ones(film.room)
    extents = film.structure[chosen]
    extents = extents[np.isfinite(extents).all(axis=1)]
    whole = False
    if len(extents):
        seen = (extents[:, 1].max() - extents[:, 0].min(), extents[:, 3].max() - extents[:, 2].min())
        whole = all(part >= _WHOLE_ROOM * side for part, side in zip(seen, film.room.size[:2], strict=True))
    return Shown(
        film.room,
        tuple(chosen),
        film.pixels[chosen],
        visible,
        things,
        tuple(number for number in things if number in unique),
        whole,
    )
