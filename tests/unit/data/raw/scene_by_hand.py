"""A ScanNet scene of six vertices, written field by field."""

import json
import struct

import numpy as np

SCENE = "scene0123_00"
POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [3, 2, 1], [4, 5, 6], [5, 5, 7]], dtype=np.float32)
# Vertices 0, 1 are segment 5; 2, 3 segment 9; 4 segment 70; 5 segment 2.
SEGMENTS = [5, 5, 9, 9, 70, 2]
GROUPS = [
    {"id": 0, "objectId": 0, "segments": [5, 9], "label": "office chair"},
    {"id": 1, "objectId": 4, "segments": [9, 70], "label": "wall"},
]
# A quarter turn to the left about z, then a shift: (x, y, z) -> (-y + 10, x + 20, z + 1).
ALIGNMENT = "0 -1 0 10 1 0 0 20 0 0 1 1 0 0 0 1"


def ply(
    points=POINTS, *, order: str = "xyz", kind: str = "float", endian: str = "<", after: bytes = b"\x03" * 13
) -> bytes:
    letter = {"float": "f", "double": "d", "short": "h"}[kind]
    name = {"<": "binary_little_endian", ">": "binary_big_endian"}[endian]
    lines = ["ply", f"format {name} 1.0", "comment made by hand", f"element vertex {len(points)}"]
    lines += [f"property {kind} {order[0]}", "property uchar red", f"property {kind} {order[1]}"]
    lines += [f"property {kind} {order[2]}", "property uchar alpha"]
    lines += ["element face 1", "property list uchar int vertex_indices", "end_header"]
    rows = []
    for point in points:
        first, second, third = (point["xyz".index(axis)] for axis in order)
        rows.append(struct.pack(f"{endian}{letter}B{letter}{letter}B", first, 7, second, third, 255))
    return "\n".join(lines).encode() + b"\n" + b"".join(rows) + after


def scene(raw, *, folder="scannet/scans", points=POINTS, segments=SEGMENTS, groups=GROUPS, text=None, **changes):
    home = raw / folder / SCENE
    home.mkdir(parents=True, exist_ok=True)
    (home / f"{SCENE}_vh_clean_2.ply").write_bytes(ply(points))
    (home / f"{SCENE}_vh_clean_2.0.010000.segs.json").write_text(json.dumps({"segIndices": segments}))
    source = {"segmentsFile": f"scannet.{SCENE}_vh_clean_2.0.010000.segs.json", "segGroups": groups} | changes
    (home / f"{SCENE}.aggregation.json").write_text(json.dumps(source))
    lines = f"axisAlignment = {ALIGNMENT} \ncolorHeight = 968\nsceneType = Bathroom = odd\nno equals sign\n"
    (home / f"{SCENE}.txt").write_text(lines if text is None else text)
    return home
