"""Film a room: one pass over its frames gives pictures, what each of them shows, and the room as a `Scan`."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vgcli_core.data.rooms.labels import LIKE_CLUTTER, UNNAMED, detection_label
from vgcli_core.data.rooms.looks import Look, look_of
from vgcli_core.data.rooms.render import Renderer, minimum_visible
from vgcli_core.data.rooms.scene import STRUCTURE, Room, Thing, View
from vgcli_core.data.scan import Instance, Scan, ScanFrame
from vgcli_core.data.scene_truth import in_cells
from vgcli_core.geometry.boxes import Floats, rotations
from vgcli_core.geometry.camera import unproject

QUALITY = 95  # of the stored JPEG files; with full colour resolution, so that small things keep their colours

_SLACK = 0.01  # metres between a pixel's point, from its rounded depth, and the surface that it shows


@dataclass(frozen=True)
class Shot:
    """One filmed frame.

    Attributes:
        index: of the frame, a position in `Room.cameras_to_world`.
        view: what the camera sees.
        jpeg: the picture as a file.
    """

    index: int
    view: View
    jpeg: bytes


@dataclass(frozen=True)
class Film:
    """A filmed room.

    Attributes:
        room: the room.
        scan: the room with the things that each frame shows; instance i is
            `room.things[i]`, named as in detection (`labels`): boxes among clutter, which looks the same, are UNNAMED.
        jpegs: the pictures as files, one for each frame.
        pixels: [F, T] how many pixels of frame f show thing t.
        structure: [F, 4] least and largest x, then y, in metres, of the walls, floor and ceiling that a frame shows;
            NaN where it shows none.
        doors: [F, D] how many pixels of frame f show door d, in the order of `doors_of`.
        looks: of each thing.
        depth: [F, h, w] metres along the optical axis, at the middles of cells (`scene_truth.CELL`).
        owner: [F, h, w] what these show, see `View`.
    """

    room: Room
    scan: Scan
    jpegs: tuple[bytes, ...]
    pixels: NDArray[np.int64]
    structure: Floats
    doors: NDArray[np.int64]
    looks: tuple[Look, ...]
    depth: NDArray[np.float32]
    owner: NDArray[np.int16]

    @property
    def visible(self) -> NDArray[np.bool_]:
        """Whether frame f shows enough of thing t, [F, T]."""
        return self.pixels >= minimum_visible(self.room.height, self.room.width)


def shots(room: Room) -> Iterator[Shot]:
    """Yield the frames of a room in time order, rendered one by one."""
    renderer = Renderer(room)
    for index in range(len(room.cameras_to_world)):
        view = renderer.view(index)
        yield Shot(index, view, jpeg_of(view.image))


def film(room: Room) -> Film:
    """Render every frame once; pictures are kept as files, views are not."""
    jpegs, pixels, structure, doors = [], [], [], []
    depth, owner = [], []
    leaves = doors_of(room)
    tones = np.zeros((4, len(room.parts)))
    for shot in shots(room):
        jpegs.append(shot.jpeg)
        pixels.append(pixels_of(shot.view, len(room.things)))
        points = _structure_points(room, shot)
        structure.append(_extent(points))
        doors.append([_inside(points, leaf) for leaf in leaves])
        tones += _tones(shot.view, len(room.parts))
        depth.append(in_cells(shot.view.depth[None]).copy())
        owner.append(in_cells(shot.view.owner[None]).copy())
    counts = np.array(pixels, dtype=np.int64).reshape(-1, len(room.things))
    return Film(
        room,
        _scan(room, counts),
        tuple(jpegs),
        counts,
        np.array(structure, dtype=np.float64).reshape(-1, 4),
        np.array(doors, dtype=np.int64).reshape(-1, len(leaves)),
        _looks(room, tones),
        np.concatenate(depth),
        np.concatenate(owner),
    )


def doors_of(room: Room) -> list[Floats]:
    """Return the boxes [9] of a room's door leaves."""
    return [part.box for part in room.structure if part.texture == "door"]


def pixels_of(view: View, things: int) -> NDArray[np.int64]:
    """Return how many pixels show each of the first `things` things."""
    owners = view.owner[view.owner >= 0]
    return np.bincount(owners.ravel(), minlength=things)[:things].astype(np.int64)


def jpeg_of(image: NDArray[np.uint8]) -> bytes:
    """Return [H, W, 3] uint8 RGB as a JPEG file; equal pictures give equal bytes."""
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


def frame_path(room: str, index: int) -> str:
    """Return where a frame is stored, below the frames of the prepared set."""
    return f"rooms/{room}/{index:05d}.jpg"


def _scan(room: Room, pixels: NDArray[np.int64]) -> Scan:
    enough = pixels >= minimum_visible(room.height, room.width)
    frames = tuple(
        ScanFrame(frame_path(room.name, index), pose, tuple(np.flatnonzero(seen).tolist()))
        for index, (pose, seen) in enumerate(zip(room.cameras_to_world, enough, strict=True))
    )
    intrinsics = np.eye(4)
    intrinsics[:3, :3] = room.intrinsics
    instances = tuple(Instance(_name(room, thing), thing.box, number) for number, thing in enumerate(room.things))
    return Scan(f"rooms/{room.name}", frames, intrinsics, np.eye(4), instances, (room.width, room.height))


def _name(room: Room, thing: Thing) -> str:
    return UNNAMED if room.clutter and thing.label == LIKE_CLUTTER else detection_label(thing.label)


def _tones(view: View, parts: int) -> Floats:
    """Return how many pixels show each part, and the sums of their red, green and blue bytes, [4, P]."""
    which = view.part.ravel()
    rows = [np.bincount(which, minlength=parts)]
    rows += [np.bincount(which, weights=view.image[..., channel].ravel(), minlength=parts) for channel in range(3)]
    return np.array(rows, dtype=np.float64)


def _looks(room: Room, tones: Floats) -> tuple[Look, ...]:
    found, first = [], len(room.structure) + len(room.clutter)
    for thing in room.things:
        own = slice(first, first + len(thing.parts))
        found.append(look_of(thing.parts, tones[0, own], tones[1:, own].T))
        first = own.stop
    return tuple(found)


def _structure_points(room: Room, shot: Shot) -> Floats:
    """Return the points [N, 3] of walls, floor, ceiling, doors and windows that a frame shows, in the world."""
    rows, columns = np.nonzero(shot.view.owner == STRUCTURE)
    # The middle of the first pixel is at (0.5, 0.5).
    pixels: Floats = np.column_stack([columns, rows]).astype(np.float64) + 0.5
    depth = shot.view.depth[rows, columns].astype(np.float64)
    pose = room.cameras_to_world[shot.index]
    points: Floats = unproject(pixels, depth, room.intrinsics) @ pose[:3, :3].T + pose[:3, 3]
    return points


def _extent(points: Floats) -> tuple[float, float, float, float]:
    if not len(points):
        return (np.nan, np.nan, np.nan, np.nan)
    x, y = points[:, 0], points[:, 1]
    return (float(x.min()), float(x.max()), float(y.min()), float(y.max()))


def _inside(points: Floats, box: Floats) -> int:
    within = np.abs((points - box[:3]) @ rotations(box[None, 6:])[0])
    return int((within <= box[3:6] / 2 + _SLACK).all(axis=1).sum())
