"""A furnished room and its film: plain data, made by `generate`, seen through `render`.

World: metres, z up, floor at z = 0, walls along x and y, the middle of the floor at the origin; it is the aligned scan
of the room. Cameras have OpenCV axes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vgcli_core.geometry.boxes import Floats

STRUCTURE = -1  # owner of pixels that show walls, floor, ceiling, doors and windows
CLUTTER = -2  # owner of pixels that show unnamed boxes, which are there to hide things and are never asked for


@dataclass(frozen=True)
class Part:
    """One upright cuboid that is drawn.

    Attributes:
        box: [9] in the world, only the first angle (yaw) is not 0.
        colour: linear RGB in [0, 1].
        texture: a name in `textures.TEXTURES`; "plain" for none. A door leaf has "door", a window pane "window".
        pattern: seed of the texture's details.
    """

    box: Floats
    colour: tuple[float, float, float]
    texture: str = "plain"
    pattern: int = 0


@dataclass(frozen=True)
class Light:
    """One source of light.

    Attributes:
        place: (x, y, z) in the world, metres.
        colour: linear RGB, the light that falls on a white wall one metre away.
        shadows: whether things cast shadows in it; it must hang above them, since shadows fall downwards.
    """

    place: tuple[float, float, float]
    colour: tuple[float, float, float]
    shadows: bool = False


@dataclass(frozen=True)
class Thing:
    """One object.

    Attributes:
        label: its category.
        box: [9] the tightest box with the thing's own yaw around all its parts, in the world.
        parts: what it is made of.
        support: position in `Room.things` of the thing that it stands on; None for the floor or a wall.
    """

    label: str
    box: Floats
    parts: tuple[Part, ...]
    support: int | None = None


@dataclass(frozen=True)
class Room:
    """One room and the path of a hand-held camera through it.

    Attributes:
        name: "room_000012".
        size: width (x), depth (y) and height (z).
        structure: walls, floor, ceiling, door leaves and frames, windows.
        clutter: unnamed boxes.
        things: the objects.
        intrinsics: [3, 3] for pictures of `width` x `height` pixels.
        cameras_to_world: [F, 4, 4].
        fps: frames per second of the film.
        kind: what the room is used as: "kitchen".
        lights: lamps at the ceiling and windows; () for one white lamp.
    """

    name: str
    size: tuple[float, float, float]
    structure: tuple[Part, ...]
    clutter: tuple[Part, ...]
    things: tuple[Thing, ...]
    intrinsics: Floats
    width: int
    height: int
    cameras_to_world: Floats
    fps: float = 10.0
    kind: str = ""
    lights: tuple[Light, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """All that is drawn: structure, clutter, then the parts of each thing."""
        return (*self.structure, *self.clutter, *(part for thing in self.things for part in thing.parts))


@dataclass(frozen=True)
class View:
    """What one camera sees.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        depth: [H, W] float32, metres along the optical axis.
        owner: [H, W] int16, position in `Room.things`, or STRUCTURE or CLUTTER.
        part: [H, W] int32, position in `Room.parts`.
    """

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    owner: NDArray[np.int16]
    part: NDArray[np.int32]
