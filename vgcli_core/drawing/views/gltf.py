"""Binary glTF 2.0 (.glb): opens in web viewers, Blender and the viewers of Windows and Android.

Each coordinate frame of the scene is a node that holds a glTF camera, the drawn camera, its axes, and one node for each
box: the node's place and turn are the box's, so that a viewer shows its centre and its own axes. Below such a node all
numbers have OpenCV axes; the node itself is turned by half a turn about x, into glTF's axes (y up, cameras look along
-z). Several coordinate frames stand side by side. glTF's cameras look through the middle of their picture, so one that
does not is told exactly by the remarks ("extras") alone.

The format is a JSON text and an array of bytes, and is written by hand: that is shorter than to talk a library into
lines, cameras, transparency and remarks.

Source: the Khronos Group, "glTF 2.0 Specification"; materials are flat ("KHR_materials_unlit").
"""

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vgcli_core.atomic import atomic_path
from vgcli_core.drawing.labels import Color
from vgcli_core.drawing.scene import (
    AXIS_COLORS,
    AXIS_METRES,
    CAMERA_COLOR,
    COLORS,
    FRUSTUM_EDGES,
    Edges,
    Kind,
    Scene,
    SceneFrame,
    facing,
    frustum,
)
from vgcli_core.geometry.boxes import EDGES, FACES, Floats, corners, quaternions
from vgcli_core.geometry.conventions import IN_WORDS
from vgcli_core.version import __version__

# Numbers of the specification.
_FLOAT, _UNSIGNED_SHORT = 5126, 5123
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_LINES, _TRIANGLES = 1, 4
_JSON_CHUNK, _BINARY_CHUNK = 0x4E4F534A, 0x004E4942

_HALF_TURN_ABOUT_X = [1.0, 0.0, 0.0, 0.0]  # (x, y, z, w): OpenCV's camera axes to glTF's, and back
_GAP_METRES = 1.0  # between coordinate frames that stand side by side
_NEAREST_METRES = 0.05
_SOLID, _FRONT = 0.12, 0.4  # opacities
_AXES = "axes: x right (red), y down (green), z forward (blue)"


def write_glb(scene: Scene, path: Path) -> tuple[Path, ...]:
    """Write the scene's frames with boxes, side by side. Returns the path. Raises OutputError."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(as_glb(scene))
    return (path,)


def as_glb(scene: Scene) -> bytes:
    """Return the file's bytes."""
    document = _Document()
    shifts = _side_by_side(scene.shown)
    frames = [_frame(document, frame, shift) for frame, shift in zip(scene.shown, shifts, strict=True)]
    root = document.add(
        "nodes",
        {
            "name": scene.title,
            "children": frames,
            "extras": {
                **{key: IN_WORDS[key] for key in ("length", "angle", "euler", "box")},
                "axes": "glTF's: y up, cameras look along -z; below each camera's node OpenCV's: " + _AXES,
                "front": "of each box the face that looks at the camera is the less transparent one",
                "notes": list(scene.notes),
            },
        },
    )
    return document.glb([root])


class _Document:
    """A glTF file that grows: its lists of things, which refer to each other by place, and its array of bytes."""

    def __init__(self) -> None:
        self.lists: dict[str, list[Any]] = {}
        self.binary = bytearray()
        self._known: dict[Any, int] = {}

    def add(self, kind: str, entry: dict[str, Any]) -> int:
        """Append to a list and return the entry's place in it."""
        self.lists.setdefault(kind, []).append(entry)
        return len(self.lists[kind]) - 1

    def points(self, points: Floats) -> int:
        """Return the accessor of points [N, 3] in metres."""
        rounded = points.astype("<f4")
        bounds = {"min": rounded.min(axis=0).tolist(), "max": rounded.max(axis=0).tolist()}
        return self._accessor(rounded.tobytes(), _ARRAY_BUFFER, _FLOAT, len(points), type="VEC3", **bounds)

    def indices(self, places: tuple[int, ...]) -> int:
        """Return the accessor of places among points; the same ones are stored once."""
        if places not in self._known:
            raw = np.array(places, dtype="<u2").tobytes()
            self._known[places] = self._accessor(
                raw, _ELEMENT_ARRAY_BUFFER, _UNSIGNED_SHORT, len(places), type="SCALAR"
            )
        return self._known[places]

    def material(self, color: Color, opacity: float = 1.0) -> int:
        """Return a flat material of an sRGB colour; the same one is stored once."""
        if (color, opacity) not in self._known:
            entry: dict[str, Any] = {
                "pbrMetallicRoughness": {
                    "baseColorFactor": [*map(_linear, color), opacity],
                    "metallicFactor": 0.0,
                    "roughnessFactor": 1.0,
                },
                "extensions": {"KHR_materials_unlit": {}},
            }
            if opacity < 1:
                entry |= {"alphaMode": "BLEND", "doubleSided": True}
            self._known[color, opacity] = self.add("materials", entry)
        return self._known[color, opacity]

    def glb(self, nodes: list[int]) -> bytes:
        """Return the file; `nodes` are the roots of its one scene."""
        plain = {
            "asset": {"version": "2.0", "generator": f"vgllm {__version__}"},
            "extensionsUsed": ["KHR_materials_unlit"],
            "scene": 0,
            "scenes": [{"nodes": nodes}],
            **self.lists,
            "buffers": [{"byteLength": len(self.binary)}],
        }
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        chunks = _chunk(_JSON_CHUNK, text, b" ") + _chunk(_BINARY_CHUNK, bytes(self.binary), b"\0")
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks

    def _accessor(self, raw: bytes, target: int, component: int, count: int, **more: Any) -> int:
        self.binary += bytes(-len(self.binary) % 4)
        view = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(raw), "target": target}
        self.binary += raw
        entry = {"bufferView": self.add("bufferViews", view), "componentType": component, "count": count, **more}
        return self.add("accessors", entry)


def _frame(document: _Document, frame: SceneFrame, shift: float) -> int:
    """Add a coordinate frame, moved by `shift` along x, and return its node."""
    width, height, matrix = frame.width, frame.height, frame.intrinsics
    lens = {
        "yfov": float(2 * np.arctan(height / 2 / matrix[1, 1])),
        "aspectRatio": float(width / matrix[0, 0] / (height / matrix[1, 1])),
        "znear": _NEAREST_METRES,
    }
    camera = document.add("cameras", {"type": "perspective", "perspective": lens})
    lines = [_lines(document, frustum(frame), FRUSTUM_EDGES, CAMERA_COLOR)]
    axes = [
        _lines(document, np.vstack([np.zeros(3), AXIS_METRES * direction]), ((0, 1),), color)
        for direction, color in zip(np.eye(3), AXIS_COLORS, strict=True)
    ]
    children = [
        document.add("nodes", {"name": "camera", "camera": camera, "rotation": _HALF_TURN_ABOUT_X}),
        _mesh_node(document, "camera, drawn", lines),
        _mesh_node(document, _AXES, axes),
        *_boxes(document, frame),
    ]
    return document.add(
        "nodes",
        {
            "name": frame.name,
            "rotation": _HALF_TURN_ABOUT_X,
            "translation": [shift, 0.0, 0.0],
            "children": children,
            "extras": {
                "coordinate_frame": f"{frame.name}: {IN_WORDS['camera_axes']}, in metres",
                "moved_by": f"{shift:.3f} m along x, to stand beside the others" if shift else "nothing",
                "intrinsics": matrix.tolist(),
                "image_size": {"width": width, "height": height},
                "intrinsics_from": frame.camera_from,
            },
        },
    )


def _boxes(document: _Document, frame: SceneFrame) -> list[int]:
    rows = frame.rows
    unturned = rows * [0, 0, 0, 1, 1, 1, 0, 0, 0]
    fronts = facing(rows).tolist()
    nodes = []
    for place, (one, points, turn) in enumerate(
        zip(frame.boxes, corners(unturned), quaternions(rows[:, 6:]).tolist(), strict=True)
    ):
        box = one.box
        node = {
            "translation": list(box.center),
            "rotation": turn,
            "extras": {"label": box.label, "kind": one.kind, "bbox_3d": rows[place].tolist()},
        }
        name = f"box {place} of {frame.name}: {box.label or 'no label'} ({one.kind})"
        nodes.append(_mesh_node(document, name, _solid(document, points, fronts[place], one.kind), node))
    return nodes


def _solid(document: _Document, points: Floats, front: int, kind: Kind) -> list[dict[str, Any]]:
    """Return the primitives of a box: its edges, its faces, and its front (a place in FACES, -1 for none)."""
    at, color = document.points(points), COLORS[kind]
    parts = [([face for place, face in enumerate(FACES) if place != front], _SOLID)]
    if front >= 0:
        parts.append(([FACES[front]], _FRONT))
    faces = [
        {
            "attributes": {"POSITION": at},
            "indices": document.indices(tuple(i for a, b, c, d in some for i in (a, b, c, a, c, d))),
            "material": document.material(color, opacity),
            "mode": _TRIANGLES,
        }
        for some, opacity in parts
    ]
    return [_joined(document, at, EDGES, color), *faces]


def _lines(document: _Document, points: Floats, edges: Edges, color: Color) -> dict[str, Any]:
    return _joined(document, document.points(points), edges, color)


def _joined(document: _Document, at: int, edges: Edges, color: Color) -> dict[str, Any]:
    return {
        "attributes": {"POSITION": at},
        "indices": document.indices(tuple(end for edge in edges for end in edge)),
        "material": document.material(color),
        "mode": _LINES,
    }


def _mesh_node(
    document: _Document, name: str, primitives: list[dict[str, Any]], more: dict[str, Any] | None = None
) -> int:
    mesh = document.add("meshes", {"name": name, "primitives": primitives})
    return document.add("nodes", {"name": name, "mesh": mesh, **(more or {})})


def _side_by_side(frames: Sequence[SceneFrame]) -> list[float]:
    """Return how far to move each coordinate frame along x so that nothing of them overlaps; the first stays."""
    shifts: list[float] = []
    end = 0.0
    for frame in frames:
        x = np.vstack([frustum(frame), corners(frame.rows).reshape(-1, 3)])[:, 0]
        shifts.append(end + _GAP_METRES - float(x.min()) if shifts else 0.0)
        end = shifts[-1] + float(x.max())
    return shifts


def _chunk(kind: int, content: bytes, padding: bytes) -> bytes:
    content += padding * (-len(content) % 4)
    return struct.pack("<II", len(content), kind) + content


def _linear(value: int) -> float:
    """Return the linear light, 0 to 1, of an sRGB value from 0 to 255 (IEC 61966-2-1)."""
    share = value / 255
    return float(share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)
