"""The .ply file: colours, edges, faces, and a header that explains it."""

import numpy as np
import pytest

from tests.unit.drawing.scenes import CHAIR, SINK, frame, scene
from tests.unit.drawing.views.readers import trimesh, written
from vgcli_core.drawing.boxes import PREDICTION, TRUTH
from vgcli_core.drawing.scene import APART
from vgcli_core.geometry.boxes import OrientedBox


def test_ply_has_colours_edges_and_a_header_that_explains_it(tmp_path):
    what = scene(frame(0, SINK), frame(1, CHAIR, kind="true"))
    paths = written(what, tmp_path, ".ply")
    assert [path.name for path in paths] == ["view_camera_0.ply", "view_camera_1.ply"]
    text = paths[1].read_text(encoding="ascii")
    for words in ("units metre", "x right, y down, z forward", 'box 0 true "chair"', "given by the user", APART):
        assert words in text.split("end_header")[0]
    raw = trimesh.load(paths[1], process=False).metadata["_ply_raw"]
    colors = [raw["vertex"]["data"][name].ravel()[:8].tolist() for name in ("red", "green", "blue")]
    assert colors == [[value] * 8 for value in TRUTH]
    edges = np.column_stack([raw["edge"]["data"][name].ravel() for name in ("vertex1", "vertex2")])[:12]
    points = trimesh.load(paths[1], process=False).vertices[edges]
    lengths = np.linalg.norm(points[:, 0] - points[:, 1], axis=1)
    assert np.allclose(np.sort(lengths), np.repeat([0.3, 0.4, 0.5], 4), atol=1e-5)


def test_ply_faces_look_outward(tmp_path):
    mesh = trimesh.load(written(scene(frame(0, SINK)), tmp_path, ".ply")[0], process=False)
    solid = trimesh.Trimesh(mesh.vertices[:8], mesh.faces)
    assert solid.is_watertight
    assert solid.volume == pytest.approx(0.6 * 0.5 * 0.9, rel=1e-4)  # negative when they look inward


def test_ply_survives_a_label_of_any_length_and_script(tmp_path):
    box = OrientedBox(SINK.center, SINK.size, SINK.angles, "椅子 \"end_header\" 'x' " + "long " * 500)
    (path,) = written(scene(frame(0, box)), tmp_path, ".ply")
    header = path.read_bytes().split(b"\nend_header\n")[0]
    assert max(map(len, header.split(b"\n"))) < 1024
    assert len(trimesh.load(path, process=False).faces) == 12


def test_colours_tell_predictions_from_truth(tmp_path):
    for kind, color in (("predicted", PREDICTION), ("true", TRUTH)):
        mesh = trimesh.load(written(scene(frame(0, SINK, kind=kind)), tmp_path, ".ply")[0], process=False)
        assert tuple(mesh.visual.vertex_colors[0][:3]) == color
