"""A ScanNet scene written by hand, field by field: alignment, vertices, groups of segments, boxes, labels."""

import numpy as np
import pytest
import torch

from tests.unit.data.raw.scene_by_hand import GROUPS, POINTS, SCENE, SEGMENTS, ply, scene
from vgcli_core.data.raw.labels import read_nyu40
from vgcli_core.data.raw.object_boxes import object_boxes, scan_vertices, scene_objects
from vgcli_core.data.raw.ply import read_vertices
from vgcli_core.data.raw.scannet import NOT_ALIGNED, read_info
from vgcli_core.errors import DataError


def test_boxes_are_those_of_the_aligned_vertices_of_each_objects_own_segments(tmp_path):
    scene(tmp_path)
    found = scene_objects(tmp_path, SCENE)
    assert list(found.boxes) == [0, 4] and found.labels == {0: "office chair", 4: "wall"}
    assert found.notes == () and len(found.files) == 4
    # Object 0 has the vertices 0 to 3: x 0..3, y 0..2, z 0..1 -> aligned x 8..10, y 20..23, z 1..2.
    np.testing.assert_allclose(found.boxes[0], [9, 21.5, 1.5, 2, 3, 1])
    # Object 4 has 2 to 4, sharing segment 9: x 0..4, y 2..5, z 0..6 -> aligned x 5..8, y 20..24, z 1..7.
    np.testing.assert_allclose(found.boxes[4], [6.5, 22, 4, 3, 4, 6])
    np.testing.assert_allclose(object_boxes(tmp_path, SCENE)[0], found.boxes[0])
    vertices, files, notes = scan_vertices(tmp_path, SCENE)
    np.testing.assert_allclose(vertices[3], [8, 23, 2])
    assert (len(vertices), len(files), notes) == (6, 2, ())


def test_without_an_alignment_the_scene_is_taken_as_aligned_and_says_so(tmp_path):
    scene(tmp_path, text="colorWidth = 1296\n")
    found = scene_objects(tmp_path, SCENE)
    np.testing.assert_allclose(found.boxes[0], [1.5, 1, 0.5, 3, 2, 1])
    assert NOT_ALIGNED in found.notes
    assert scan_vertices(tmp_path, SCENE)[2] == (NOT_ALIGNED,)


def test_metadata_are_split_at_the_first_equals_sign(tmp_path):
    home = scene(tmp_path)
    info = read_info(home / f"{SCENE}.txt")
    assert info.aligned and info.values["colorHeight"] == "968" and info.values["sceneType"] == "Bathroom = odd"
    np.testing.assert_array_equal(info.alignment @ [3, 2, 1, 1], [8, 23, 2, 1])


def test_odd_groups_are_remarked_on(tmp_path):
    groups = [*GROUPS, {"objectId": 9, "segments": [12345], "label": "ghost"}, {**GROUPS[0], "segments": [2]}]
    scene(tmp_path, groups=groups)
    found = scene_objects(tmp_path, SCENE)
    assert list(found.boxes) == [0, 4]
    np.testing.assert_allclose(found.boxes[0], [5, 25, 8, 0, 0, 0])  # the later group: vertex 5 alone
    assert len(found.notes) == 2 and "object 9 (ghost) has no vertex" in found.notes[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segments": SEGMENTS[:-1]}, "has 5 entries and .* 6 vertices"),
        ({"segments": "text"}, "no list of whole numbers called segIndices"),
        ({"segments": [1.5] * 6}, "no list of whole numbers"),
        ({"segments": [True] * 6}, "no list of whole numbers"),
        ({"segments": [10**30] * 6}, "20 digits"),
        ({"segmentsFile": f"{SCENE}_vh_clean.segs.json"}, "not to the small mesh"),
        ({"segGroups": {}}, "no list of segGroups"),
        ({"segGroups": [1]}, "no list of segGroups"),
        ({"groups": [{"objectId": "0", "segments": [], "label": "x"}]}, "no objectId or label in group 0"),
        ({"groups": [{"objectId": 0, "segments": [], "label": None}]}, "no objectId or label in group 0"),
        ({"groups": [{"objectId": 0, "segments": None, "label": "x"}]}, "segments of group 0"),
        ({"text": "axisAlignment = 1 2 3"}, "not 16 numbers"),
        ({"text": "axisAlignment = " + "nan " * 16}, "no rotation"),
        ({"text": "axisAlignment = " + "0 " * 16}, "no rotation"),
        ({"points": np.full((6, 3), np.nan)}, "not finite"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, changes, message):
    scene(tmp_path, **changes)
    with pytest.raises(DataError, match=message):
        object_boxes(tmp_path, SCENE)


def test_wrong_json_is_named(tmp_path):
    home = scene(tmp_path)
    path = home / f"{SCENE}.aggregation.json"
    for content, message in (("[1]", "holds a list"), ("{", "no JSON"), ("[" * 100_000, "no JSON"), ("", "no JSON")):
        path.write_text(content)
        with pytest.raises(DataError, match=message):
            object_boxes(tmp_path, SCENE)


def test_a_prepared_file_gives_the_same_boxes_and_the_owners_files_come_first(tmp_path):
    scene(tmp_path / "mesh")
    expected = object_boxes(tmp_path / "mesh", SCENE)
    vertices = scan_vertices(tmp_path / "mesh", SCENE)[0]
    corners = []
    for box in expected.values():
        low, high = box[:3] - box[3:] / 2, box[:3] + box[3:] / 2
        corners.append([[(low, high)[i][0], (low, high)[j][1], (low, high)[k][2]] for i, j, k in np.ndindex(2, 2, 2)])
    stored = {"aabb_obj_ids": np.array(list(expected)), "aabb_corner_xyz": np.array(corners), "xyz": vertices}
    home = tmp_path / "prepared" / "scannet" / "pcd_with_object_aabbs" / "val"
    home.mkdir(parents=True)
    torch.save(stored, home / f"{SCENE}.pth")
    found = scene_objects(tmp_path / "prepared", SCENE)
    assert found.files == (home / f"{SCENE}.pth",) and list(found.boxes) == list(expected)
    for key, box in expected.items():
        np.testing.assert_allclose(found.boxes[key], box, atol=1e-12)
    np.testing.assert_array_equal(scan_vertices(tmp_path / "prepared", SCENE)[0], vertices)
    scene(tmp_path / "prepared")
    assert len(scene_objects(tmp_path / "prepared", SCENE).files) == 4
    with pytest.raises(DataError, match="no true boxes of scene0001_00"):
        scene_objects(tmp_path / "prepared", "scene0001_00")
    with pytest.raises(DataError, match="no mesh of scene0001_00"):
        scan_vertices(tmp_path / "prepared", "scene0001_00")


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ([1], "holds a list"),
        ({"aabb_obj_ids": np.array([1])}, "no numbers called aabb_corner_xyz"),
        ({"aabb_obj_ids": np.array([1]), "aabb_corner_xyz": np.zeros((2, 8, 3))}, "corners of the shape"),
        ({"aabb_obj_ids": np.array([1]), "aabb_corner_xyz": np.full((1, 8, 3), np.inf)}, "not finite"),
        ({"aabb_obj_ids": "text", "aabb_corner_xyz": np.zeros((1, 8, 3))}, "no numbers called aabb_obj_ids"),
    ],
)
def test_a_prepared_file_of_another_form_is_named(tmp_path, stored, message):
    home = tmp_path / "scannet" / "pcd_with_object_aabbs"
    home.mkdir(parents=True)
    torch.save(stored, home / f"{SCENE}.pth")
    with pytest.raises(DataError, match=message):
        object_boxes(tmp_path, SCENE)


@pytest.mark.parametrize("kind", ["float", "double", "short"])
@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("order", ["xyz", "zyx", "yxz"])
def test_vertices_are_read_whatever_the_order_and_types_of_their_properties(tmp_path, kind, endian, order):
    points = POINTS.astype(int) if kind == "short" else POINTS
    (tmp_path / "a.ply").write_bytes(ply(points, order=order, kind=kind, endian=endian))
    np.testing.assert_array_equal(read_vertices(tmp_path / "a.ply"), POINTS)


def test_a_text_mesh_is_read_too(tmp_path):
    head = "ply\nformat ascii 1.0\nelement camera 1\nproperty float a\nelement vertex 2\n"
    head += "property float x\nproperty float y\nproperty float z\nend_header\n"
    (tmp_path / "a.ply").write_text(head + "9\n1 2 3\n4.5 5 -6e0\n3 0 1 2\n")
    assert read_vertices(tmp_path / "a.ply").tolist() == [[1, 2, 3], [4.5, 5, -6]]
    for rows, message in (
        ("9\n1 2 3\n", "cut off"),
        ("9\n1 2\n4 5\n", "no row of numbers"),
        ("9\n1 2 x\n1 2 3", "no row"),
    ):
        (tmp_path / "a.ply").write_text(head + rows)
        with pytest.raises(DataError, match=message):
            read_vertices(tmp_path / "a.ply")


def test_a_mesh_that_is_cut_or_of_another_form_is_named(tmp_path):
    whole = ply(after=b"")
    path = tmp_path / "a.ply"
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            read_vertices(path)
    for old, new, message in (
        (b"element vertex 6", b"element vertex 99999999999", "cut off"),
        (b"element vertex 6", b"element vertex -6", "header line"),
        (b"property float x", b"property list uchar float x", "has lists"),
        (b"property float x", b"property float y", "instead of one x, y and z"),
        (b"property float x", b"property half x", "header line"),
        (b"element vertex", b"element point", "no vertices"),
        (b"binary_little_endian", b"binary_middle", "header line"),
        (b"format binary_little_endian 1.0\n", b"", "does not say its format"),
        (b"ply\n", b"PLY?\n", "no PLY file"),
        (b"end_header", b"comment " + b"x" * 70_000, "no end of its header"),
    ):
        path.write_bytes(whole.replace(old, new, 1))
        with pytest.raises(DataError, match=message):
            read_vertices(path)
    with pytest.raises(DataError, match="cannot read"):
        read_vertices(tmp_path / "missing.ply")


def test_the_table_of_labels_is_read_with_windows_line_ends_and_empty_cells(tmp_path):
    path = tmp_path / "labels.tsv"
    path.write_bytes(
        b"\xef\xbb\xbfid\traw_category\tcategory\tcount\tnyu40id\teigen13id\t\r\n"
        b"1\toffice chair\tchair\t4\t5\t2\t\t\r\n2\tghost\tghost\t1\t\t\r\n\r\n3\twall\twall\t9\t1\t\r\n4\tshort\r\n"
    )
    assert read_nyu40(path) == {"office chair": 5, "wall": 1}
    path.write_text("id\tname\n1\tx\n")
    with pytest.raises(DataError, match="no columns raw_category"):
        read_nyu40(path)
    path.write_text("raw_category\tnyu40id\nx\ty\n")
    with pytest.raises(DataError, match="line 2 has the NYU40 id 'y'"):
        read_nyu40(path)
    path.write_text("")
    with pytest.raises(DataError, match="no columns"):
        read_nyu40(path)
    with pytest.raises(DataError, match="cannot read"):
        read_nyu40(tmp_path / "missing.tsv")
