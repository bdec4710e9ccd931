"""Plain JSON (.json, schema vgllm.scene/1): for programs that draw, measure or convert boxes themselves.

schema, scene               "vgllm.scene/1"; what the scene is of
conventions                 units, axes, angles, the order of corners, what a coordinate frame is
edges, faces                pairs and fours of corners: the same for every box; faces counter-clockwise from outside
notes                       what else a reader should know
coordinate_frames           one for each frame that was looked at:
    name, position, time    which frame; its place in the list; seconds, or null for a picture
    camera                  intrinsics (3x3, pixels), width, height, intrinsics_from; it is at the origin
    boxes                   label, kind ("predicted" or "true"), bbox_3d (nine numbers), corners (8x3)
"""

import json
from pathlib import Path
from typing import Any

from vgcli_core.atomic import write_text
from vgcli_core.drawing.scene import APART, Scene, SceneFrame
from vgcli_core.geometry.boxes import EDGES, FACES, corners
from vgcli_core.geometry.conventions import IN_WORDS

SCHEMA = "vgllm.scene/1"


def write_json(scene: Scene, path: Path) -> tuple[Path, ...]:
    """Write the scene, frames without boxes included. Returns the path. Raises OutputError."""
    write_text(path, json.dumps(as_plain(scene), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return (path,)


def as_plain(scene: Scene) -> dict[str, Any]:
    """Return the scene as plain dicts, lists, numbers and texts."""
    return {
        "schema": SCHEMA,
        "scene": scene.title,
        "conventions": {
            **IN_WORDS,
            "coordinate_frame": f"the camera of its frame, at the origin, right-handed; {APART}",
            "corners": "each face of constant box x in turn around its rim: -x, then +x",
            "pixels": "continuous: the image spans [0, width] x [0, height]",
        },
        "edges": EDGES,
        "faces": FACES,
        "notes": scene.notes,
        "coordinate_frames": [_frame(frame) for frame in scene.frames],
    }


def _frame(frame: SceneFrame) -> dict[str, Any]:
    rows = frame.rows
    return {
        "name": frame.name,
        "position": frame.position,
        "time": frame.time,
        "camera": {
            "intrinsics": frame.intrinsics.tolist(),
            "width": frame.width,
            "height": frame.height,
            "intrinsics_from": frame.camera_from,
        },
        "boxes": [
            {"label": one.box.label, "kind": one.kind, "bbox_3d": row, "corners": points}
            for one, row, points in zip(frame.boxes, rows.tolist(), corners(rows).tolist(), strict=True)
        ],
    }
