"""ScanNet detection from raw files of made-up scans, in corrected mode."""

import pytest

from tests.unit.data.harness import collect, request_for
from tests.unit.data.sources.scannet_raw import write_embodiedscan, write_frames
from tests.unit.data.tasks.scans import make_scan
from vgcli_core.data.sources.scannet_det import DATASET
from vgcli_core.errors import DataError

A, B = make_scan(30, name="scannet/scene0001_00"), make_scan(8, name="scannet/scene0002_00")
OTHER = make_scan(30, name="3rscan/scene0003_00")


@pytest.fixture
def raw(tmp_path):
    write_embodiedscan(tmp_path, train=[A, OTHER, B], val=[A])
    write_frames(tmp_path, A)
    return tmp_path


def run(raw, *splits, **values):
    return collect(DATASET, request_for(DATASET, raw, *splits, **({"with_frames": False} | values)))


def test_training_has_every_window_and_validation_ten_of_4_or_6_frames(raw):
    result = run(raw, "train", "val", "val_6frames")
    by_split = {split: [one for one in result.samples if one.split == split] for split in DATASET.splits}
    # A window of 4 frames spans 10 of a run of 30: 21 windows; a run of 8 has none.
    assert len(by_split["train"]) == 21 and len(by_split["val"]) == len(by_split["val_6frames"]) == 10
    assert {len(sample.frames) for sample in by_split["val_6frames"]} == {6}
    assert all((sample.truth is None) == (sample.split == "train") for sample in result.samples)
    assert DATASET.record_file("val_6frames", 6) == "scannet_det_val_6frames.json"
    assert {unit.key for unit in result.units} == {A.scene}
    assert result.work.counts["scans"] == 4  # two in train, one in each validation


def test_frames_are_stored_once_and_boxes_stand_in_the_truth(raw):
    result = run(raw, "val", with_frames=True)
    assert set(result.work.frames) == {path for sample in result.samples for path in sample.frames}
    for sample in result.samples:
        assert [box["label"] for box in sample.truth["boxes"]] == [one.box.label for one in sample.boxes]


def test_a_limit_counts_windows(raw):
    assert [sample.id for sample in run(raw, "train", limit=2).samples] == ["scene0001_00/00000", "scene0001_00/00010"]


def test_a_split_that_names_its_number_of_frames_takes_no_other(raw):
    with pytest.raises(DataError, match="val_6frames"):
        DATASET.check(request_for(DATASET, raw, "val_6frames", num_frames=4))
    DATASET.check(request_for(DATASET, raw, "val", num_frames=6))
    with pytest.raises(DataError, match="interval"):
        DATASET.check(request_for(DATASET, raw, "val", options={"interval": 0}))


def test_a_scan_with_frames_that_have_no_number_is_quarantined(raw):
    first = A.frames[0]
    odd = type(first)("scannet/posed_images/scene0001_00/left.jpg", first.camera_to_scan, first.visible)
    broken = type(A)(A.name, (odd, *A.frames[1:]), A.intrinsics, A.alignment, A.instances)
    write_embodiedscan(raw, train=[broken, make_scan(12, name="scannet/scene0004_00")])
    result = run(raw, "train")
    assert list(result.quarantined) == [A.scene]
    assert {sample.scene for sample in result.samples} == {"scene0004_00"}
