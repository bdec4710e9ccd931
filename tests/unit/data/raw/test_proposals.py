"""Masks over a mesh become boxes: written by scipy in three forms, compared with a loop over the dense matrix."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
import scipy.sparse
import torch

from vgcli_core.data.raw.proposals import mask_boxes, read_ready_boxes, scene_proposals
from vgcli_core.errors import DataError


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
@pytest.mark.parametrize("kind", [np.int64, np.float32, bool])
def test_boxes_are_those_of_the_selected_vertices(tmp_path, form, kind):
    generator = np.random.default_rng(3)
    vertices = generator.normal(size=(40, 3))
    dense = (generator.random((9, 40)) < 0.15).astype(kind)
    dense[[2, 5]] = 0
    scipy.sparse.save_npz(tmp_path / "a.npz", getattr(scipy.sparse, f"{form}_matrix")(dense))
    expected = []
    for row in dense[:7]:
        points = vertices[row.astype(bool)]
        if len(points):
            low, high = points.min(axis=0), points.max(axis=0)
            expected.append([*(low + high) / 2, *high - low])
    boxes, empty = mask_boxes(tmp_path / "a.npz", vertices, 7)
    np.testing.assert_allclose(boxes, expected)
    assert (len(boxes), empty) == (5, 2)


def test_a_stored_zero_selects_nothing(tmp_path):
    matrix = scipy.sparse.csr_matrix(([1, 0, 0], ([0, 0, 1], [1, 2, 0])), shape=(2, 3))
    scipy.sparse.save_npz(tmp_path / "a.npz", matrix)
    boxes, empty = mask_boxes(tmp_path / "a.npz", np.eye(3))
    assert boxes.tolist() == [[0, 1, 0, 0, 0, 0]] and empty == 1


def test_a_mask_of_another_mesh_is_named(tmp_path):
    scipy.sparse.save_npz(tmp_path / "a.npz", scipy.sparse.csr_matrix(np.eye(3)))
    with pytest.raises(DataError, match="for 3 vertices and the mesh has 4"):
        mask_boxes(tmp_path / "a.npz", np.zeros((4, 3)))


def stored(path, **changes):
    whole = {
        "format": np.array(b"csr"),
        "shape": np.array([2, 3]),
        "data": np.ones(2),
        "indices": np.array([0, 2]),
        "indptr": np.array([0, 1, 2]),
    }
    np.savez(path, **{key: value for key, value in {**whole, **changes}.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indices": np.array([0, 3])}, "an index lies outside"),
        ({"indices": np.array([0, -1])}, "an index lies outside"),
        ({"indices": np.array([0.0, 1.0])}, "indices of float64"),
        ({"indptr": np.array([0, 2, 1])}, "pointers are wrong"),
        ({"indptr": np.array([0, 1])}, "pointers are wrong"),
        ({"indptr": np.array([0, 3, 2])}, "pointers are wrong"),
        ({"data": np.ones(3)}, "differ in length"),
        ({"format": np.array(b"dia")}, "stored as dia"),
        ({"format": None}, "no sparse matrix"),
        ({"shape": np.array([1 << 60, 3])}, "pointers are wrong"),
        ({"data": np.array([1, None])}, "cannot read"),  # objects: numpy would have to unpickle them
    ],
)
def test_a_matrix_that_does_not_hold_together_is_named(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        mask_boxes(stored(tmp_path / "a.npz", **changes), np.zeros((3, 3)))


def test_a_pickle_inside_is_not_run(tmp_path, monkeypatch):
    class Runs:
        def __reduce__(self):
            return os.getcwd, ()

    stored(tmp_path / "a.npz", data=np.array([Runs()], dtype=object))
    monkeypatch.setattr(os, "getcwd", lambda: pytest.fail("it ran"))
    with pytest.raises(DataError, match="cannot read"):
        mask_boxes(tmp_path / "a.npz", np.zeros((3, 3)))


def test_cut_files_and_bombs_are_named(tmp_path):
    whole = stored(tmp_path / "whole.npz").read_bytes()
    path = tmp_path / "a.npz"
    for length in range(0, len(whole), 61):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cannot read|no sparse matrix"):
            mask_boxes(path, np.zeros((3, 3)))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.npy", header.getvalue())
    with pytest.raises(DataError, match="cannot read"):
        mask_boxes(path, np.zeros((3, 3)))


def test_a_scenes_mask_comes_before_ready_made_boxes(tmp_path):
    with pytest.raises(DataError, match="no proposals for scene0001_00"):
        scene_proposals(tmp_path, "scene0001_00")
    home = tmp_path / "scannet"
    (home / "mask").mkdir(parents=True)
    (home / "pcd_with_object_aabbs" / "val").mkdir(parents=True)
    (home / "scannet_val_pred_box.json").write_text(json.dumps({"scannet/scene0001_00": [[1, 2, 3, 4, 5, 6]] * 60}))
    found = scene_proposals(tmp_path, "scene0001_00")
    assert found.boxes.shape == (50, 6) and found.boxes[0].tolist() == [1, 2, 3, 4, 5, 6]
    assert found.files == (home / "scannet_val_pred_box.json",)
    assert scene_proposals(tmp_path, "scene0002_00").notes == ("no proposals for scene0002_00",)
    torch.save({"xyz": np.eye(3)}, home / "pcd_with_object_aabbs" / "val" / "scene0001_00.pth")
    scipy.sparse.save_npz(home / "mask" / "scene0001_00.mask.npz", scipy.sparse.csr_matrix([[1, 1, 0], [0, 0, 0]]))
    found = scene_proposals(tmp_path, "scene0001_00")
    assert found.boxes.tolist() == [[0.5, 0.5, 0, 1, 1, 0]] and found.empty == 1 and len(found.files) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds a list"),
        ({"scannet/a": [[1, 2]]}, "not rows of 6"),
        ({"scannet/a": "x"}, "not rows of 6"),
        ({"scannet/a": [[float("nan")] * 6]}, "not finite"),
    ],
)
def test_ready_made_boxes_of_another_form_are_named(tmp_path, content, message):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        read_ready_boxes(tmp_path / "a.json")
