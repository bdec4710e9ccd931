"""ASCII PLY (.ply): opens in MeshLab, CloudCompare, Blender and Open3D.

The format has one coordinate frame and no nodes, so each camera with boxes becomes a file of its own: NAME.ply where
there is one, else NAME_camera_3.ply and so on. Vertices are the corners of the boxes, eight each in the order of
`geometry.boxes.corners`, then the drawn camera and its axes; `box` is the number of the box in the header, or -1.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vgcli_core.atomic import write_text
from vgcli_core.drawing.labels import Color
from vgcli_core.drawing.scene import (
    AXIS_COLORS,
    AXIS_METRES,
    CAMERA_COLOR,
    COLORS,
    FRUSTUM_EDGES,
    Edges,
    Scene,
    SceneFrame,
    facing,
    frustum,
)
from vgcli_core.geometry.boxes import EDGES, FACES, Floats, corners
from vgcli_core.geometry.conventions import IN_WORDS
from vgcli_core.version import __version__

_LONGEST = 300  # characters of a text in the header: some readers take lines of up to 1024 bytes
_DIMMED = 0.6  # of a colour, on the faces that do not look at the camera


def write_ply(scene: Scene, path: Path) -> tuple[Path, ...]:
    """Write a file for each frame with boxes. Returns the paths. Raises OutputError."""
    frames = scene.shown
    paths = tuple(
        path if len(frames) == 1 else path.with_name(f"{path.stem}_camera_{frame.position}{path.suffix}")
        for frame in frames
    )
    for frame, place in zip(frames, paths, strict=True):
        write_text(place, as_ply(scene, frame))
    return paths


def as_ply(scene: Scene, frame: SceneFrame) -> str:
    """Return the text of the file of one coordinate frame."""
    rows = _Rows()
    fronts = facing(frame.rows).tolist()
    for place, (points, one) in enumerate(zip(corners(frame.rows), frame.boxes, strict=True)):
        first = rows.add(points, EDGES, COLORS[one.kind], box=place)
        for number, face in enumerate(FACES):
            shade = 1.0 if number == fronts[place] else _DIMMED
            paint = " ".join(str(round(shade * value)) for value in COLORS[one.kind])
            rows.faces.append(f"4 {' '.join(str(first + corner) for corner in face)} {paint}")
    rows.add(frustum(frame), FRUSTUM_EDGES, CAMERA_COLOR)
    for direction, color in zip(np.eye(3), AXIS_COLORS, strict=True):
        rows.add(np.vstack([np.zeros(3), AXIS_METRES * direction]), ((0, 1),), color)
    return "\n".join([*_header(scene, frame, rows), *rows.vertices, *rows.faces, *rows.edges]) + "\n"


@dataclass(slots=True)
class _Rows:
    """The lines of a file's elements."""

    vertices: list[str] = field(default_factory=list)
    faces: list[str] = field(default_factory=list)
    edges: list[str] = field(default_factory=list)

    def add(self, points: Floats, edges: Edges, color: Color, *, box: int = -1) -> int:
        """Add points [N, 3] and the lines between them; return the place of the first one."""
        first = len(self.vertices)
        paint = " ".join(map(str, color))
        self.vertices += [f"{x:.6f} {y:.6f} {z:.6f} {paint} {box}" for x, y, z in points.tolist()]
        self.edges += [f"{first + a} {first + b} {paint}" for a, b in edges]
        return first


def _header(scene: Scene, frame: SceneFrame, rows: _Rows) -> list[str]:
    color = [f"property uchar {name}" for name in ("red", "green", "blue")]
    intrinsics = " ".join(f"{value:.9g}" for value in frame.intrinsics.ravel().tolist())
    remarks = [
        f"made by vgllm {__version__}",
        f"scene {_ascii(scene.title)}",
        f"coordinate frame {_ascii(frame.name)}",
        f"units metre; axes {IN_WORDS['camera_axes']}, right-handed, the camera at the origin",
        f"camera {frame.width} x {frame.height} pixels, intrinsics by rows {intrinsics}",
        f"intrinsics from {_ascii(frame.camera_from)}",
        *(f"note {_ascii(note)}" for note in scene.notes),
        "the brightest face of a box is the one that looks at the camera",
        *(f"box {place} {one.kind} {_ascii(one.box.label)}" for place, one in enumerate(frame.boxes)),
    ]
    return [
        "ply",
        "format ascii 1.0",
        *(f"comment {remark}" for remark in remarks),
        f"element vertex {len(rows.vertices)}",
        *(f"property float {axis}" for axis in "xyz"),
        *color,
        "property int box",
        # Readers stumble over an element without rows.
        *([f"element face {len(rows.faces)}", "property list uchar int vertex_indices", *color] if rows.faces else []),
        f"element edge {len(rows.edges)}",
        "property int vertex1",
        "property int vertex2",
        *color,
        "end_header",
    ]


def _ascii(text: str) -> str:
    """Return a text as a JSON string, which is ASCII on one line."""
    return json.dumps(text[:_LONGEST])[: 3 * _LONGEST]
