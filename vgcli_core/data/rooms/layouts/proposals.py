"""Proposals as Mask3D makes them, in LEO's files: which vertices of the mesh belong together, with a model's mistakes.

Every thing is proposed once. Every third proposal lacks vertices, every third but one has some of another thing; one
row selects nothing, one the floor. Rows come in no order, as scores would give them.

Source: formats of Scan2Cap, section 1.
"""

import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgcli_core.atomic import atomic_path
from vgcli_core.data import draws
from vgcli_core.data.rooms.layouts.recording import Recording
from vgcli_core.data.rooms.layouts.scannet import Mesh, mesh_of

_LOST = 0.3  # share of a thing's vertices that a careless proposal lacks
_ADDED = 0.1  # share of another thing's vertices that it has


def write_proposals(recording: Recording, raw: Path, seed: int) -> Path:
    """Write the proposals of a scan below `raw`/scannet/mask; return the file."""
    from scipy import sparse

    draw = draws.generator(seed, "proposals", recording.scene)
    mesh = mesh_of(recording)
    rows = propose(mesh, len(recording.room.things), draw)
    path = raw / "scannet" / "mask" / f"{recording.scene}.mask.npz"
    with atomic_path(path) as temporary:
        sparse.save_npz(temporary, sparse.csr_matrix(rows.astype(np.float32)))
    return path


def propose(mesh: Mesh, num_things: int, draw: random.Random) -> NDArray[np.bool_]:
    """Return proposals [P, V]: which vertices each one selects."""
    rows = [np.zeros(len(mesh.points), dtype=np.bool_)]
    floor = next((place for place, (label, _) in enumerate(mesh.objects) if label == "floor"), None)
    if floor is not None:
        rows.append(mesh.members(floor))
    for number in range(num_things):
        members = mesh.members(number)
        if number % 3 == 0:
            members = members & ~_some(members, _LOST, draw)
        elif number % 3 == 1:
            members = members | _some(mesh.members(draw.randrange(num_things)), _ADDED, draw)
        rows.append(members)
    return np.array(draw.sample(rows, len(rows)))


def _some(members: NDArray[np.bool_], share: float, draw: random.Random) -> NDArray[np.bool_]:
    places = np.flatnonzero(members).tolist()
    chosen = np.zeros_like(members)
    chosen[draw.sample(places, int(share * len(places)))] = True
    return chosen
