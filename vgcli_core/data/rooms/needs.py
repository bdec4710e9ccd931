"""Which frames of a film can show what a text names: a sample whose frames show none of it asks the impossible."""

import numpy as np

from vgcli_core.data.rooms.captions import Caption
from vgcli_core.data.rooms.descriptions import Description, door_seen
from vgcli_core.data.rooms.film import Film

Needs = tuple[frozenset[int], ...]  # sets of frames; a sample must have one of each set


def needs_of(film: Film, text: Description | Caption) -> Needs:
    """Return the frames that show the thing, each of those that it is compared with, and any that it is chosen from."""
    shown_by = [np.flatnonzero(film.visible[:, number]) for number in (text.thing, *text.anchors)]
    if text.by_door:
        shown_by.append(np.flatnonzero(door_seen(film)))
    if text.rivals:
        shown_by.append(np.flatnonzero(film.visible[:, list(text.rivals)].any(axis=1)))
    return tuple(frozenset(frames.tolist()) for frames in shown_by)
