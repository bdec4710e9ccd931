"""EmbodiedScan pickles become scans; what is odd is counted, what is wrong is named, one bad scan costs only itself."""

import os
import pickle

import numpy as np
import pytest

from vgcli_core.data.raw.embodiedscan import LOST_POSE, NO_ALIGNMENT, NOTHING_LISTED, Findings, read_scans
from vgcli_core.errors import DataError


def pose(x: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[0, 3] = x
    return matrix


def image(scene: str, number: int, visible=(0, 1)) -> dict:
    path = f"scannet/posed_images/{scene}/{number:05d}.jpg"
    return {"img_path": path, "cam2global": pose(number), "visible_instance_ids": list(visible)}


def scan(scene: str = "scene0000_00", **changes) -> dict:
    instances = [
        {"bbox_3d": [1, 2, 3, 0.5, 0.6, 0.7, 0.1, 0, 0], "bbox_label_3d": 7, "bbox_id": 30},
        {"bbox_3d": np.arange(9.0), "bbox_label_3d": np.int64(2), "bbox_id": 31},
    ]
    whole = {
        "sample_idx": f"scannet/{scene}",
        "axis_align_matrix": pose(5),
        "cam2img": np.diag([10.0, 11, 1, 1]),
        "images": [image(scene, 0, [1]), image(scene, 10), image(scene, 30, [])],
        "instances": instances,
    }
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


def written(tmp_path, *scans, categories=None, protocol: int = 4):
    path = tmp_path / "embodiedscan_infos_train.pkl"
    content = {"metainfo": {"categories": categories or {"chair": 7, "wall": 2}}, "data_list": list(scans)}
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def test_a_scan_has_its_frames_in_order_and_labels_by_the_inverse_table(tmp_path):
    (found,) = read_scans(written(tmp_path, scan()))
    assert (found.name, found.scene, found.size) == ("scannet/scene0000_00", "scene0000_00", None)
    assert [frame.path[-9:] for frame in found.frames] == ["00000.jpg", "00010.jpg", "00030.jpg"]
    assert [frame.visible for frame in found.frames] == [(1,), (0, 1), ()]
    assert [frame.camera_to_scan[0, 3] for frame in found.frames] == [0, 10, 30]
    assert [(one.label, one.id) for one in found.instances] == [("chair", 30), ("wall", 31)]
    assert found.instances[0].box.tolist() == [1, 2, 3, 0.5, 0.6, 0.7, 0.1, 0, 0]
    np.testing.assert_array_equal(found.alignment, pose(5))
    np.testing.assert_array_equal(found.intrinsics, np.diag([10.0, 11, 1, 1]))


def test_only_wanted_scans_of_the_prefix_are_made(tmp_path):
    other = scan() | {"sample_idx": "3rscan/abc", "images": "nonsense"}
    path = written(tmp_path, scan("scene0000_00"), other, scan("scene0001_00"), scan("scene0002_00"))
    assert [one.scene for one in read_scans(path)] == ["scene0000_00", "scene0001_00", "scene0002_00"]
    assert [one.scene for one in read_scans(path, {"scannet/scene0001_00", "x"})] == ["scene0001_00"]


def test_the_test_part_has_no_objects_and_odd_things_are_counted(tmp_path):
    lost = image("scene0000_00", 20) | {"cam2global": np.full((4, 4), -np.inf)}
    nan = image("scene0000_00", 40) | {"cam2global": np.full((4, 4), np.nan)}
    images = [image("scene0000_00", 0), lost, image("scene0000_00", 30, ()), nan]
    findings = Findings()
    path = written(tmp_path, scan(instances=None, axis_align_matrix=None, images=images))
    (found,) = read_scans(path, findings=findings)
    assert found.instances == () and [frame.visible for frame in found.frames] == [(), ()]
    np.testing.assert_array_equal(found.alignment, np.eye(4))
    assert findings.counts == {LOST_POSE: 2, NO_ALIGNMENT: 1, NOTHING_LISTED: 3}


def test_intrinsics_may_stand_in_each_frame_if_they_are_equal(tmp_path):
    own = np.array([[9.0, 0, 4], [0, 9, 3], [0, 0, 1]])
    images = [image("s", number) | {"cam2img": own} for number in (0, 10)]
    (found,) = read_scans(written(tmp_path, scan(cam2img=None, images=images)))
    assert found.intrinsics.tolist() == [[9, 0, 4, 0], [0, 9, 3, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    images[1]["cam2img"] = 2 * own
    with pytest.raises(DataError, match="different intrinsics"):
        list(read_scans(written(tmp_path, scan(cam2img=None, images=images))))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "images is no list"),
        ({"images": [3]}, "images is no list of records"),
        ({"images": [image("s", 0, [2])]}, "shows the object 2 of 2"),
        ({"images": [image("s", 0, [-1])]}, "shows the object -1 of 2"),
        ({"images": [image("s", 0, [0.5])]}, "cannot be interpreted as an integer"),
        ({"images": [image("s", 0) | {"img_path": "../../etc/passwd"}]}, "has the path"),
        ({"images": [image("s", 0) | {"img_path": "/etc/passwd"}]}, "has the path"),
        ({"images": [image("s", 0) | {"img_path": "a\\b.jpg"}]}, "has the path"),
        ({"images": [image("s", 0) | {"img_path": 3}]}, "has the path"),
        ({"images": [image("s", 0) | {"cam2global": np.eye(3)}]}, r"shape \(3, 3\)"),
        ({"images": [{"img_path": "a.jpg"}]}, "lacks 'cam2global'"),
        ({"axis_align_matrix": np.full((4, 4), np.nan)}, "axis_align_matrix is not finite"),
        ({"cam2img": "text"}, "could not convert"),
        ({"instances": [{"bbox_3d": [1, 2], "bbox_label_3d": 7}]}, "not 9 numbers"),
        ({"instances": [{"bbox_3d": [np.nan] * 9, "bbox_label_3d": 7}]}, "not finite"),
        ({"instances": [{"bbox_3d": [1] * 9, "bbox_label_3d": 8}]}, "unknown category 8"),
        ({"instances": [{"bbox_3d": [1] * 9, "bbox_label_3d": "chair"}]}, "integer"),
        ({"sample_idx": "scannet/../x"}, "its name is no path"),
    ],
)
def test_a_bad_scan_is_named_and_costs_only_itself(tmp_path, changes, message):
    path = written(tmp_path, scan("scene0001_00") | changes, scan("scene0002_00"))
    with pytest.raises(DataError, match=message):
        list(read_scans(path))
    findings = Findings()
    assert [one.scene for one in read_scans(path, findings=findings)] == ["scene0002_00"]
    assert len(findings.bad) == 1 and next(iter(findings.bad)).startswith("scannet/")


def test_a_scan_that_is_there_twice_is_bad_the_second_time(tmp_path):
    findings = Findings()
    found = list(read_scans(written(tmp_path, scan(), scan()), findings=findings))
    assert len(found) == 1 and "twice" in findings.bad["scannet/scene0000_00"].what


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "no list called data_list"),
        ({"data_list": {}}, "no list called data_list"),
        ({"data_list": []}, "no table of categories"),
        ({"data_list": [], "metainfo": {"categories": ["chair"]}}, "no table of categories"),
        ({"data_list": [], "metainfo": {"categories": {"a": 1, "b": 1}}}, "'b' has the odd or repeated id 1"),
        ({"data_list": [], "metainfo": {"categories": {"a": "x"}}}, "odd or repeated id"),
        ({"data_list": [{"images": []}], "metainfo": {"categories": {}}}, "entry 0 of data_list has no sample_idx"),
    ],
)
def test_another_layout_is_named(tmp_path, content, message):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=message):
        list(read_scans(tmp_path / "a.pkl"))


def test_a_pickle_that_would_run_something_is_refused(tmp_path, monkeypatch):
    class Runs:
        def __reduce__(self):
            return os.getcwd, ()

    path = written(tmp_path, scan(instances=[Runs()]))
    monkeypatch.setattr(os, "getcwd", lambda: pytest.fail("it ran"))
    with pytest.raises(DataError, match="getcwd"):
        list(read_scans(path))


@pytest.mark.parametrize(
    "damaged", [np.zeros((4, 4)), np.diag([1.0, 1, -1, 1]), np.diag([2.0, 2, 2, 1]), pose(1e200), pose(np.inf)]
)
def test_a_pose_that_moves_nothing_rigidly_is_a_lost_one(tmp_path, damaged):
    images = [image("scene0000_00", 0), image("scene0000_00", 10) | {"cam2global": damaged}]
    findings = Findings()
    (found,) = read_scans(written(tmp_path, scan(images=images)), findings=findings)
    assert [frame.path[-9:] for frame in found.frames] == ["00000.jpg"]
    assert findings.counts[LOST_POSE] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"axis_align_matrix": np.zeros((4, 4))},
        {"instances": [{"bbox_3d": [1, 2, 3, -0.5, 0.6, 0.7, 0, 0, 0], "bbox_label_3d": 7}]},
        {"instances": [{"bbox_3d": [1, 2, 3, 1e300, 0.6, 0.7, 0, 0, 0], "bbox_label_3d": 7}]},
    ],
)
def test_a_scan_with_an_impossible_alignment_or_box_costs_itself(tmp_path, changes):
    bad = scan("scene0001_00", images=[image("scene0001_00", 0, [0])], **changes)
    findings = Findings()
    found = list(read_scans(written(tmp_path, scan(), bad), findings=findings))
    assert [one.scene for one in found] == ["scene0000_00"]
    assert len(findings.bad) == 1
