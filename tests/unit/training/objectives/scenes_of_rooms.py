"""Scenes to pre-train on, rendered in a moment: their truth is exact."""

import numpy as np
import torch

from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.render import Renderer
from vgcli_core.data.rooms.settings import RoomSettings
from vgcli_core.data.scene_truth import in_cells
from vgcli_core.training.objectives.scenes import SceneExample

SETTINGS = RoomSettings(num_frames=3, pan=(10, 30), room_side=(3.0, 4.0))


def example(number: int, settings: RoomSettings = SETTINGS) -> SceneExample:
    """Return room `number` of seed 0."""
    room = make_room(0, number, settings)
    renderer = Renderer(room)
    views = [renderer.view(frame) for frame in range(settings.num_frames)]
    depth, owner = (in_cells(np.stack([getattr(view, name) for view in views])) for name in ("depth", "owner"))
    return SceneExample(
        number,
        room.name,
        torch.from_numpy(np.stack([view.image for view in views])),
        torch.from_numpy(depth.astype(np.float32)),
        torch.from_numpy(np.where(owner >= 0, owner, -1).astype(np.int16)),
        tuple(thing.label for thing in room.things),
        torch.from_numpy(room.cameras_to_world.astype(np.float32)),
        torch.from_numpy(room.intrinsics.astype(np.float32)),
    )
