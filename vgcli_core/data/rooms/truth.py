"""What the generator knows of every frame of a film, in the form that encoders are pre-trained on."""

import numpy as np

from vgcli_core.data.rooms.descriptions import has_name
from vgcli_core.data.rooms.film import Film
from vgcli_core.data.scene_truth import NOBODY, SceneTruth


def truth_of(film: Film) -> SceneTruth:
    """Return the truth of all frames of a film; objects are `Room.things`, and unnamed ones own nothing."""
    room = film.room
    named = [number for number in range(len(room.things)) if has_name(room, number)]
    return SceneTruth(
        np.where(np.isfinite(film.depth), film.depth, np.float32(0)),
        np.where(np.isin(film.owner, named), film.owner, np.int16(NOBODY)),
        tuple(thing.label for thing in room.things),
        np.array([thing.box for thing in room.things], dtype=np.float64).reshape(-1, 9),
        room.cameras_to_world,
        room.intrinsics,
    )
