"""Rooms: frames a second on one core, against a target of 100 of 168 x 126 pixels and against a straightforward caster.

The straightforward one tests every ray against every cuboid, a whole picture at a time in numpy, and gives depth and
owners only: no textures, no light. Both get the same rooms.

    python tests/bench/bench_rooms.py [--rooms 12] [--frames 32] [--width 168] [--height 126]
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.render import Renderer
from vgcli_core.data.rooms.scene import Room
from vgcli_core.data.rooms.settings import RoomSettings

TARGET = 100 * 168 * 126  # pixels a second on one core


def straightforward(room: Room, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Return depth and the nearest part of each pixel, by the slab test."""
    pose = room.cameras_to_world[frame]
    rows, columns = np.indices((room.height, room.width)) + 0.5
    rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(room.intrinsics).T @ pose[:3, :3].T
    depth, which = np.full(rays.shape[:2], np.inf), np.full(rays.shape[:2], -1)
    parts = [*room.structure, *room.clutter, *(part for thing in room.things for part in thing.parts)]
    for number, part in enumerate(parts):
        c, s = np.cos(part.box[6]), np.sin(part.box[6])
        turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        start, along = turn @ (pose[:3, 3] - part.box[:3]), rays @ turn.T
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.stack([(side * part.box[3:6] / 2 - start) / along for side in (-1, 1)])
        enter, leave = ends.min(axis=0).max(axis=-1), ends.max(axis=0).min(axis=-1)
        hit = (enter > 0) & (enter < leave) & (enter < depth)
        depth[hit], which[hit] = enter[hit], number
    return depth, which


def seconds(call: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    started = time.process_time()
    call()
    return time.process_time() - started


def main() -> None:
    """Print rates and their ratios; every number is processor time of one core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=12)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--width", type=int, default=168)
    parser.add_argument("--height", type=int, default=126)
    given = parser.parse_args()
    settings = RoomSettings(width=given.width, height=given.height, num_frames=given.frames)
    Renderer(make_room(0, 0, settings)).view(0)  # once, for the textures
    rooms: list[Room] = []
    making = seconds(lambda: rooms.extend(make_room(0, number, settings) for number in range(1, given.rooms + 1)))
    renderers: list[Renderer] = []
    preparing = seconds(lambda: renderers.extend(map(Renderer, rooms)))
    drawing = seconds(lambda: [one.view(frame) for one in renderers for frame in range(given.frames)])
    slow = seconds(lambda: [straightforward(room, 0) for room in rooms]) / len(rooms)

    frames = given.rooms * given.frames
    rate = frames / (preparing + drawing)
    pixels = rate * given.width * given.height
    making, preparing = making / given.rooms, preparing / given.rooms
    print(f"a room: {1000 * making:.1f} ms to make, {1000 * preparing:.1f} ms to prepare")
    print(
        f"{given.width} x {given.height}: {rate:.0f} frames a second, {pixels / TARGET:.1f} times the target in pixels"
    )
    print(f"ours (colour, depth, owners) / straightforward (depth, owners): {rate * slow:.1f} times as many frames")
    four = 1 / (making + preparing + 4 * drawing / frames)
    print(f"rooms with 4 frames, made and drawn: {four:.0f} a second")


if __name__ == "__main__":
    main()
