"""Rooms put together by hand, and films of them that nobody rendered: everything visible unless said otherwise."""

import numpy as np

from vgcli_core.data.rooms.film import Film, doors_of
from vgcli_core.data.rooms.looks import Look
from vgcli_core.data.rooms.scene import STRUCTURE, Part, Room, Thing
from vgcli_core.data.scan import Instance, Scan, ScanFrame
from vgcli_core.geometry.camera import intrinsics_from_fov

WIDTH, HEIGHT = 80, 60
ENOUGH = 100  # pixels: more than makes a thing visible


def box(x, y, size, *, z=None, yaw=0.0):
    """A box on the floor, or with its middle at height z."""
    return np.array([x, y, size[2] / 2 if z is None else z, *size, yaw, 0, 0], dtype=np.float64)


def thing(label, x, y, size=(0.5, 0.5, 0.5), *, z=None, yaw=0.0, support=None):
    row = box(x, y, size, z=z, yaw=yaw)
    return Thing(label, row, (Part(row, (0.5, 0.5, 0.5)),), support)


def door(x, y):
    return Part(box(x, y, (0.9, 0.1, 2.0)), (0.5, 0.3, 0.1), "door")


def looking_north(frames, y=-2.8):
    """Level cameras at (0, y) that look along +y."""
    pose = np.array([[1, 0, 0, 0], [0, 0, 1, y], [0, -1, 0, 1.4], [0, 0, 0, 1]], dtype=np.float64)
    return np.repeat(pose[None], frames, axis=0)


def room_of(*things, structure=(), clutter=(), size=(6.0, 6.0, 2.5), frames=4):
    return Room(
        name="room_000000",
        size=size,
        structure=structure,
        clutter=clutter,
        things=things,
        intrinsics=intrinsics_from_fov(WIDTH, HEIGHT, 90.0),
        width=WIDTH,
        height=HEIGHT,
        cameras_to_world=looking_north(frames),
    )


def film_of(room, pixels=None, doors=ENOUGH, extent=None, looks=()):
    """A film whose frames show each thing with `pixels` [F, T], all of them well where that is not given."""
    frames, things = len(room.cameras_to_world), len(room.things)
    pixels = np.full((frames, things), ENOUGH) if pixels is None else np.array(pixels)
    half = [room.size[0] / 2, room.size[1] / 2]
    extent = [-half[0], half[0], -half[1], half[1]] if extent is None else extent
    scan = Scan(
        f"rooms/{room.name}",
        tuple(
            ScanFrame(f"rooms/{room.name}/{place:05d}.jpg", pose, tuple(range(things)))
            for place, pose in enumerate(room.cameras_to_world)
        ),
        np.eye(4),
        np.eye(4),
        tuple(Instance(one.label, one.box, place) for place, one in enumerate(room.things)),
        (room.width, room.height),
    )
    return Film(
        room,
        scan,
        (b"",) * frames,
        pixels.astype(np.int64),
        np.tile(np.array(extent, dtype=np.float64), (frames, 1)),
        np.full((frames, len(doors_of(room))), doors),
        looks or (Look(),) * things,
        np.ones((frames, 1, 1), np.float32),
        np.full((frames, 1, 1), STRUCTURE, np.int16),
    )


def points_of(row, step=0.02):
    """Points all over the surface of a box: what it takes to measure distances without geometry."""
    axes = [np.linspace(-side / 2, side / 2, max(int(side / step) + 1, 2)) for side in row[3:6]]
    grids = []
    for axis in range(3):
        ends = [axes[other] if other != axis else np.array([-1, 1]) * row[3 + axis] / 2 for other in range(3)]
        grids.append(np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3))
    local = np.concatenate(grids)
    cos, sin = np.cos(row[6]), np.sin(row[6])
    return local @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]).T + row[:3]


def slow_distance(first, second, step=0.02):
    """The least distance between points of two boxes: too large by no more than about `step`, and never too small."""
    from scipy.spatial import cKDTree

    return float(cKDTree(points_of(first, step)).query(points_of(second, step))[0].min())
