"""Render examples/rooms/kitchen.mp4: a walk through a kitchen that exists only as boxes, so its truth is known.

    python examples/make_room_video.py --out examples/rooms/kitchen.mp4 --truth kitchen.json

The world has x right, y towards the sink, z up, in metres; cameras have OpenCV axes. Takes about a minute.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from box_renderer import Box, Scene, render
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from vgcli_core.media.write import write_video

WIDTH, HEIGHT, FPS, FOV = 640, 480, 15, 58.0
CREAM, WOOD, BLUE = (0.62, 0.56, 0.44), (0.42, 0.23, 0.11), (0.13, 0.24, 0.36)
STEEL, CHROME, DARK = (0.55, 0.57, 0.60), (0.8, 0.82, 0.85), (0.04, 0.04, 0.05)
RED, GREEN = (0.5, 0.06, 0.04), (0.1, 0.3, 0.07)
SINK = ((1.42, 3.47, 0.70), (2.08, 3.89, 0.918))  # two opposite corners of the basin, without the tap
# Where the camera stands, and what it looks at, at equal steps of time.
WALK = np.array([[3.7, 0.5, 1.5], [3.3, 0.9, 1.5], [2.8, 1.5, 1.5], [2.4, 1.9, 1.5], [2.3, 1.9, 1.5], [2.2, 1.7, 1.5]])
LOOK = np.array([[1.2, 3.4, 0.9], [1.4, 3.6, 1.0], [1.7, 3.7, 1.0], [1.9, 3.7, 1.0], [2.9, 3.7, 1.0], [4.3, 2.7, 1.0]])


def walls() -> Iterator[Box]:
    """Floor, ceiling, walls, the window over the sink, and the door in the right wall."""
    yield Box((-0.1, -0.1, -0.1), (4.5, 4.1, 0), (0.6, 0.55, 0.48), "tiles")
    yield Box((-0.1, -0.1, 2.6), (4.5, 4.1, 2.7))
    yield Box((-0.1, 4.0, 0), (4.5, 4.1, 2.6), (0.70, 0.72, 0.66), "bricks")
    for low, high in (((-0.1, 0, 0), (0, 4, 2.6)), ((4.4, 0, 0), (4.5, 4, 2.6)), ((0, -0.1, 0), (4.4, 0, 2.6))):
        yield Box(low, high, (0.70, 0.66, 0.55))
    yield Box((1.2, 3.97, 1.2), (2.3, 3.99, 2.15), (1, 1, 1), "sky")
    for x in (1.14, 1.72, 2.3):
        yield Box((x, 3.93, 1.14), (x + 0.06, 4, 2.21))
    for z in (1.14, 2.15):
        yield Box((1.14, 3.93 - 0.1 * (z < 2), z), (2.36, 4, z + 0.06))
    yield Box((4.36, 2.05, 0), (4.4, 2.95, 2.05), WOOD, "door")
    for low, high in (((1.97, 0), (2.05, 2.13)), ((2.95, 0), (3.03, 2.13)), ((2.05, 2.05), (2.95, 2.13))):
        yield Box((4.33, *low), (4.4, *high))
    yield Box((4.29, 2.12, 1.0), (4.33, 2.26, 1.03), STEEL)


def units() -> Iterator[Box]:
    """Fridge, lower cabinets with gaps for sink and stove, the worktop around the sink, and the sink."""
    yield Box((0.06, 3.34, 0.03), (0.80, 4, 1.85), (0.66, 0.68, 0.70), "fridge")
    for z in (0.55, 1.35):
        yield Box((0.70, 3.29, z - 0.25), (0.73, 3.34, z + 0.25), STEEL)
    yield Box((0.84, 3.42, 0.08), (2.78, 4, 0.69), BLUE, "panels")
    yield Box((0.84, 3.42, 0.69), (1.40, 4, 0.87), BLUE)
    yield Box((2.10, 3.42, 0.69), (2.78, 4, 0.87), BLUE)
    yield Box((1.40, 3.42, 0.69), (2.10, 3.45, 0.87), BLUE)
    yield Box((3.44, 3.42, 0.08), (4.4, 4, 0.87), BLUE, "panels")
    for low, high in (
        ((0.82, 3.38), (1.42, 4)),
        ((2.08, 3.38), (2.78, 4)),
        ((3.44, 3.38), (4.4, 4)),
        ((1.42, 3.38), (2.08, 3.47)),
        ((1.42, 3.89), (2.08, 4)),
    ):
        yield Box((*low, 0.87), (*high, 0.91), WOOD, "wood")
    # floor and four walls of steel, and the tap behind them
    (x0, y0, z0), (x1, y1, z1) = SINK
    yield Box((x0, y0, z0), (x1, y1, z0 + 0.02), STEEL, "drain")
    for low, high in (
        ((x0, y0), (x0 + 0.025, y1)),
        ((x1 - 0.025, y0), (x1, y1)),
        ((x0, y0), (x1, y0 + 0.025)),
        ((x0, y1 - 0.025), (x1, y1)),
    ):
        yield Box((*low, z0), (*high, z1), (0.72, 0.74, 0.77))
    yield Box((1.73, 3.91, 0.91), (1.77, 3.95, 1.20), CHROME)
    yield Box((1.735, 3.70, 1.17), (1.765, 3.95, 1.20), CHROME)
    yield Box((1.735, 3.70, 1.11), (1.765, 3.73, 1.17), CHROME)
    for x in (1.64, 1.82):
        yield Box((x, 3.91, 0.91), (x + 0.04, 3.95, 0.98), CHROME)


def stove() -> Iterator[Box]:
    """Stove with a pot, hood and wall cabinets; a board, a plant and jars on the worktop."""
    yield Box((2.79, 3.40, 0.03), (3.43, 4, 0.90), (0.68, 0.69, 0.70), "oven")
    yield Box((2.79, 3.40, 0.90), (3.43, 4, 0.915), DARK, "rings")
    yield Box((2.86, 3.34, 0.66), (3.36, 3.37, 0.69), STEEL)
    yield Box((2.88, 3.68, 0.92), (3.12, 3.90, 1.07), RED, "plain", 20)
    yield Box((2.97, 3.77, 1.07), (3.03, 3.81, 1.10), DARK, "plain", 20)
    yield Box((2.79, 3.50, 1.55), (3.43, 4, 1.65), STEEL)
    yield Box((2.99, 3.72, 1.65), (3.23, 4, 2.6), STEEL)
    yield Box((3.45, 3.66, 1.5), (4.4, 4, 2.3), BLUE, "panels")
    yield Box((2.40, 3.66, 1.5), (2.78, 4, 2.3), BLUE, "panels")
    yield Box((0.06, 3.45, 1.95), (0.80, 4, 2.5), BLUE, "panels")
    yield Box((2.30, 3.60, 0.91), (2.66, 3.86, 0.93), (0.6, 0.4, 0.2), "wood", 12)
    yield Box((1.02, 3.70, 0.91), (1.16, 3.84, 1.03), (0.6, 0.25, 0.12), "plain", 10)
    for shift, turn in ((-0.04, 30), (0, 75), (0.05, 10)):
        yield Box((1.04 + shift, 3.72, 1.03), (1.13 + shift, 3.81, 1.20 + shift), GREEN, "plain", turn)
    for x in (3.6, 3.76, 3.92):
        yield Box((x, 3.78, 0.91), (x + 0.11, 3.89, 1.10), (0.75, 0.7, 0.6))


def furniture() -> Iterator[Box]:
    """A table with four chairs and a bowl, and the lamp above."""
    yield Box((0.55, 1.25, 0.72), (1.95, 2.10, 0.76), WOOD, "wood")
    for x in (0.60, 1.84):
        for y in (1.30, 1.99):
            yield Box((x, y, 0), (x + 0.06, y + 0.06, 0.72), WOOD)
    for x, y, back in ((0.70, 2.05, 1), (1.35, 2.10, 1), (0.75, 0.90, 0), (1.35, 0.85, 0)):
        yield Box((x, y, 0.43), (x + 0.42, y + 0.42, 0.47), CREAM, "wood")
        rear = y + 0.38 * back
        yield Box((x, rear, 0.62), (x + 0.42, rear + 0.04, 0.95), CREAM, "wood")
        for dx in (0, 0.38):
            yield Box((x + dx, rear, 0), (x + dx + 0.04, rear + 0.04, 0.95), CREAM)
            yield Box((x + dx, y + 0.38 * (1 - back), 0), (x + dx + 0.04, y + 0.38 * (1 - back) + 0.04, 0.43), CREAM)
    yield Box((1.1, 1.55, 0.76), (1.36, 1.81, 0.82), (0.8, 0.8, 0.82), "plain", 15)
    for x, y, colour in ((1.14, 1.60, RED), (1.23, 1.68, (0.75, 0.4, 0.02)), (1.13, 1.70, GREEN)):
        yield Box((x, y, 0.80), (x + 0.08, y + 0.08, 0.88), colour, "plain", 30)
    yield Box((2.0, 1.7, 2.52), (2.4, 2.1, 2.6), (3, 2.8, 2.4), "glow")


def cameras(count: int) -> np.ndarray:
    """Return camera-to-world matrices [count, 4, 4] along the walk, looking at LOOK, upright."""
    steps = np.linspace(0, len(WALK) - 1, count)
    eyes, targets = (CubicSpline(np.arange(len(WALK)), path)(steps) for path in (WALK, LOOK))
    forward = (targets - eyes) / np.linalg.norm(targets - eyes, axis=1, keepdims=True)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3] = np.stack([right, np.cross(forward, right), forward, eyes], axis=2)
    return poses


def truth(poses: np.ndarray, intrinsics: np.ndarray) -> dict:
    """Return the sink as an oriented box in the camera of every frame; angles are intrinsic ZXY, in radians."""
    low, high = np.array(SINK)
    frames = []
    for index, pose in enumerate(poses):
        center = (*((low + high) / 2), 1) @ np.linalg.inv(pose).T
        angles = Rotation.from_matrix(pose[:3, :3].T).as_euler("ZXY")
        sink = {"center": center[:3].tolist(), "size": (high - low).tolist(), "angles": angles.tolist()}
        frames.append({"index": index, "time": index / FPS, "camera_to_world": pose.tolist(), "sink": sink})
    return {"width": WIDTH, "height": HEIGHT, "intrinsics": intrinsics.tolist(), "frames": frames}


def main() -> None:
    """Render the video; write the truth as JSON, or print that of the first frame."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("kitchen.mp4"))
    parser.add_argument(
        "--truth", type=Path, help="write intrinsics, cameras and the box of the sink to this JSON file"
    )
    parser.add_argument("--frames", type=int, default=90, help="how many frames the walk takes")
    options = parser.parse_args()
    focal = WIDTH / 2 / np.tan(np.radians(FOV / 2))
    intrinsics = np.array([[focal, 0, WIDTH / 2], [0, focal, HEIGHT / 2], [0, 0, 1]])
    scene, poses = Scene([*walls(), *units(), *stove(), *furniture()]), cameras(options.frames)
    write_video(options.out, (render(scene, pose, focal, (WIDTH, HEIGHT)) for pose in poses), FPS, quality=26)
    known = truth(poses, intrinsics)
    if options.truth:
        options.truth.write_text(json.dumps(known, indent=1), encoding="utf-8")
    print(json.dumps({"intrinsics": known["intrinsics"], "first frame": known["frames"][0]["sink"]}))


if __name__ == "__main__":
    main()
