"""Scan2Cap from raw files of made-up scans, in corrected mode."""

import json

import numpy as np
import pytest

from tests.unit.data.harness import collect, request_for
from tests.unit.data.sources.scannet_raw import (
    IDS,
    description,
    write_embodiedscan,
    write_masks,
    write_objects,
    write_scanrefer,
)
from tests.unit.data.tasks.scans import make_scan
from vgcli_core.data.sources.scan2cap import DATASET, POOR
from vgcli_core.data.sources.scannet_scans import STRETCH

SCAN = make_scan(40, name="scannet/scene0003_00")
CHAIR, TABLE = str(IDS[0]), str(IDS[1])
ENTRIES = [
    description(SCAN.scene, CHAIR, "0", text="A chair."),
    description(SCAN.scene, TABLE, "0", "table", "a table."),
    description(SCAN.scene, CHAIR, "1", text="it is red."),
]


@pytest.fixture
def raw(tmp_path):
    write_embodiedscan(tmp_path, test=[SCAN])
    write_objects(tmp_path, SCAN, "val")
    write_scanrefer(tmp_path, "val", ENTRIES)
    # The chair has the vertices 0 to 9, the table 10 to 19; one proposal is empty.
    write_masks(tmp_path, SCAN, [[], list(range(10)), [10, 11]])
    return tmp_path


def run(raw, *splits, **values):
    return collect(DATASET, request_for(DATASET, raw, *splits, **({"num_frames": 4, "with_frames": False} | values)))


def test_validation_has_one_sample_for_each_object_with_all_its_descriptions(raw):
    result = run(raw, "val")
    chair, table = result.samples
    assert (chair.id, table.id) == ("scene0003_00/100/chair", "scene0003_00/200/table")
    assert chair.truth["references"] == ["A chair.", "it is red."] and chair.answer == "A chair."
    assert result.work.counts["descriptions"] == 3 and result.work.counts["objects"] == 2
    assert chair.cameras is not None and len(chair.frames) == 4


def test_the_box_of_an_object_is_the_proposal_that_fits_best_and_poor_ones_are_counted(raw):
    result = run(raw, "val")
    chair, table = result.samples
    assert 0.2 < chair.truth["iou"] < 1  # ten points inside the box
    assert table.truth["iou"] < 0.5
    assert result.work.counts[POOR] == sum(sample.truth["iou"] < 0.5 for sample in result.samples)
    assert result.work.counts["proposals without a vertex, left out"] == 1


def test_ready_made_boxes_serve_as_well(raw):
    (raw / "scannet" / "mask" / "scene0003_00.mask.npz").unlink()
    boxes = [instance.box[:6].tolist() for instance in SCAN.instances[:2]]
    (raw / "scannet" / "scannet_val_pred_box.json").write_text(json.dumps({"scannet/scene0003_00": boxes}))
    assert [sample.truth["iou"] for sample in run(raw, "val").samples] == pytest.approx([1, 1])


def test_a_scene_without_proposals_is_quarantined(raw):
    write_masks(raw, SCAN, [[], []])
    assert list(run(raw, "val").quarantined) == ["scene0003_00"]


def test_training_gives_one_sample_for_each_description_from_the_true_box(raw):
    write_embodiedscan(raw, train=[SCAN])
    write_scanrefer(raw, "train", ENTRIES)
    result = run(raw, "train")
    assert [sample.id.removeprefix("scene0003_00/") for sample in result.samples] == ["100/0", "200/0", "100/1"]
    for sample in result.samples:
        assert sample.truth is None and sample.info["iou"] == 1
        assert sample.info["input_box"] == sample.info["gt_box"]


def test_a_scan_of_which_samples_see_a_stretch_alone_is_counted(raw):
    counts = [run(raw, "val", num_frames=number).work.counts[STRETCH] for number in (20, 21, 40)]
    assert counts == [0, 1, 0]


def test_the_last_frame_can_be_the_reference(raw):
    first, last = (
        run(raw, "val", options={"reference_frame": reference}).samples[0] for reference in ("first", "last")
    )
    assert first.frames == last.frames
    seen = [
        (np.linalg.inv(pose) @ [*first.info["input_box"][:3], 1])[:3] for pose in first.cameras.camera_to_world[[0, -1]]
    ]
    np.testing.assert_allclose([first.info["point"], last.info["point"]], seen, atol=1e-9)
