"""Film a procedural room, such as examples/rooms/kitchen.mp4, with its exact truth: cameras, and boxes of all objects.

    python examples/make_room_video.py --out examples/rooms/kitchen.mp4 --truth kitchen.json

The room is one of `vgllm prepare rooms --set preset=demo`, drawn larger and in smaller steps. Those that the demo model
was trained on have numbers below 800000; 900000 and above are the test split. Takes about half a minute.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vgcli_core.atomic import write_text
from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.options import settings_of
from vgcli_core.data.rooms.render import Renderer
from vgcli_core.data.rooms.scene import Room
from vgcli_core.data.sources.rooms import DATASET
from vgcli_core.data.tasks.posed import boxes_from
from vgcli_core.errors import VgllmError
from vgcli_core.geometry.boxes import as_array
from vgcli_core.media.write import write_video

WIDTH, HEIGHT, FPS = 640, 480, 12
QUALITY = 26
KITCHEN = 900837


def room_of(seed: int, number: int, num_frames: int) -> Room:
    """Return a room of the demo's settings; the number of frames says how finely its camera path is sampled."""
    settings = settings_of(DATASET.options_with({"preset": "demo"}))
    return make_room(seed, number, replace(settings, width=WIDTH, height=HEIGHT, num_frames=num_frames, fps=FPS))


def truth(room: Room) -> dict[str, Any]:
    """Return what is known of a room: metres and radians; boxes in the camera of each frame, as answers give them.

    `bbox_3d` is nine numbers as everywhere (README, Coordinates). Of the 24 names of the axes of a box it has the ones
    that are rotated least. `camera_to_world` leads to the room: z up, floor at 0, the middle of the floor at 0, 0.
    """
    labels, boxes = [thing.label for thing in room.things], np.array([thing.box for thing in room.things])
    frames = [
        {
            "index": index,
            "time": index / FPS,
            "camera_to_world": pose.tolist(),
            "boxes": [
                {"label": box.label, "bbox_3d": as_array([box])[0].tolist()}
                for box in boxes_from(boxes, labels, pose, "least_rotated")
            ],
        }
        for index, pose in enumerate(room.cameras_to_world)
    ]
    return {
        "room": room.name,
        "kind": room.kind,
        "size": room.size,
        "width": WIDTH,
        "height": HEIGHT,
        "intrinsics": room.intrinsics.tolist(),
        "frames": frames,
    }


def at_least(least: int) -> Callable[[str], int]:
    """Return what reads a whole number of the command line."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return int(text)

    return read


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("room.mp4"))
    parser.add_argument("--truth", type=Path, help="write intrinsics, cameras and boxes to this JSON file")
    parser.add_argument("--frames", type=at_least(1), default=61, help="how many frames the walk takes")
    parser.add_argument("--room", type=at_least(0), default=KITCHEN, help="its number; the default is the kitchen")
    parser.add_argument("--seed", type=at_least(0), default=0, help="of the rooms")
    options = parser.parse_args()
    try:
        make(options)
    except VgllmError as error:
        parser.exit(2, f"{error}\n")


def make(options: argparse.Namespace) -> None:
    """Film the room; write the truth as JSON, or print that of the first frame. Raises OutputError."""
    room = room_of(options.seed, options.room, options.frames)
    renderer = Renderer(room)
    write_video(options.out, (renderer.view(index).image for index in range(options.frames)), FPS, quality=QUALITY)
    known = truth(room)
    if options.truth:
        write_text(options.truth, json.dumps(known, indent=1) + "\n")
    print(json.dumps({"intrinsics": known["intrinsics"], "first frame": known["frames"][0]["boxes"]}))


if __name__ == "__main__":
    main()
