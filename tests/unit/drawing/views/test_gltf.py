"""The .glb file: axes, names, what stands where, and the face that looks at the camera."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.unit.drawing.scenes import AROUND, CHAIR, HEIGHT, SINK, WIDTH, K, farthest, frame, scene
from tests.unit.drawing.views.readers import trimesh, written
from vgcli_core.drawing.scene import APART
from vgcli_core.geometry.boxes import OrientedBox, as_array, corners
from vgcli_core.geometry.camera import project


def gltf(path: Path) -> dict:
    """Return the JSON part of a binary glTF file."""
    raw = path.read_bytes()
    magic, version, length, size, kind = struct.unpack_from("<4sIII4s", raw)
    assert (magic, version, length, kind) == (b"glTF", 2, len(raw), b"JSON")
    return json.loads(raw[20 : 20 + size], parse_constant=pytest.fail)


def test_glb_turns_the_camera_into_gltf_axes_and_tells_units_and_names(tmp_path):
    what = scene(frame(0, SINK, kind="true"))
    (path,) = written(what, tmp_path, ".glb")
    read = trimesh.load(path)
    node = next(node for node in read.graph.nodes_geometry if node.startswith("box 0"))
    pose, geometry = read.graph[node]
    # y up and z backward: x stays, y and z change sign.
    expected = corners(as_array([SINK]))[0] * [1, -1, -1]
    assert farthest(trimesh.transform_points(read.geometry[geometry].vertices, pose), expected) < 1e-5
    plain = gltf(path)
    root, home = plain["nodes"][plain["scenes"][0]["nodes"][0]], plain["nodes"][-2]
    assert root["name"] == "kitchen.mp4"
    assert root["extras"]["length"] == "metre"
    assert "y up" in root["extras"]["axes"]
    assert root["extras"]["notes"] == ["a remark"]
    assert home["name"] == "camera 0 of frame 0"
    assert home["extras"]["intrinsics"] == K.tolist()
    assert home["extras"]["intrinsics_from"] == "given by the user"
    names = [entry["name"] for entry in plain["nodes"]]
    assert "box 0 of camera 0 of frame 0: sink (true)" in names
    # 48 pixels at a focal length of 50: 2 atan(24 / 50).
    assert plain["cameras"][0]["perspective"]["yfov"] == pytest.approx(2 * np.arctan(0.48))
    assert plain["cameras"][0]["perspective"]["aspectRatio"] == pytest.approx(64 / 48)


def test_glb_holds_a_camera_that_sees_the_boxes_where_the_picture_shows_them(tmp_path):
    oblong = replace(frame(0, SINK, CHAIR), intrinsics=np.array([[50.0, 0, 32], [0, 40, 24], [0, 0, 1]]))
    plain = gltf(written(scene(oblong), tmp_path, ".glb")[0])
    camera = next(node for node in plain["nodes"] if "camera" in node)
    home = next(node for node in plain["nodes"] if plain["nodes"].index(camera) in node.get("children", []))
    # Half a turn about x, twice, leaves the camera in the axes of the scene.
    assert camera["rotation"] == home["rotation"] == [1, 0, 0, 0]
    lens = plain["cameras"][camera["camera"]]["perspective"]
    seen = corners(as_array([SINK, CHAIR])).reshape(-1, 3)
    x, y, z = (seen * [1, -1, -1]).T
    # The specification's projection: -1 to 1 across the picture, y up.
    tall = np.tan(lens["yfov"] / 2)
    across, up = x / -z / (tall * lens["aspectRatio"]), y / -z / tall
    pixels = np.column_stack([(1 + across) * WIDTH / 2, (1 - up) * HEIGHT / 2])
    np.testing.assert_allclose(pixels, project(seen, oblong.intrinsics)[0], atol=1e-6)


def test_glb_puts_the_boxes_of_different_frames_side_by_side(tmp_path):
    what = scene(frame(0, SINK, AROUND), frame(1, SINK, AROUND), frame(2, CHAIR))
    (path,) = written(what, tmp_path, ".glb")
    read = trimesh.load(path)
    spans = []
    for one in what.frames:
        nodes = [node for node in read.graph.nodes_geometry if f" of {one.name}: " in node]
        points = [trimesh.transform_points(read.geometry[read.graph[n][1]].vertices, read.graph[n][0]) for n in nodes]
        spans.append((np.vstack(points)[:, 0].min(), np.vstack(points)[:, 0].max()))
    assert spans[0][1] + 0.9 < spans[1][0]
    assert spans[1][1] + 0.9 < spans[2][0]
    homes = [node["extras"]["moved_by"] for node in gltf(path)["nodes"] if "moved_by" in node.get("extras", {})]
    assert homes[0] == "nothing"
    assert all("to stand beside the others" in moved for moved in homes[1:])
    assert APART in gltf(path)["nodes"][-1]["extras"]["notes"]


def test_glb_marks_the_face_that_looks_at_the_camera(tmp_path):
    ahead = OrientedBox((0.0, 0.0, 3.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), "crate")
    read = trimesh.load(written(scene(frame(0, ahead)), tmp_path, ".glb")[0])
    faces = {}
    for node in read.graph.nodes_geometry:
        pose, geometry = read.graph[node]
        if node.startswith("box 0") and isinstance(read.geometry[geometry], trimesh.Trimesh):
            solid = read.geometry[geometry]
            faces[len(solid.faces)] = trimesh.transform_points(solid.vertices[np.unique(solid.faces)], pose)
            assert solid.visual.material.alphaMode == "BLEND"
    assert sorted(faces) == [2, 10]
    assert np.allclose(faces[2][:, 2], -2.5)  # z forward is glTF's -z
