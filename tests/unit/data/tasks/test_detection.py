"""Windows and their boxes on made-up scans."""

import json

import numpy as np
import pytest

from tests.unit.data.tasks.scans import make_scan
from vgcli_core.data.sample import truth_of
from vgcli_core.data.tasks.detection import DetectionRules, choose_windows, detect_samples, objects_of, windows
from vgcli_core.data.tasks.posed import camera_to_world
from vgcli_core.errors import DataError
from vgcli_core.evaluation.benchmarks.scannet_det import DetectionTruth
from vgcli_core.geometry.boxes import as_array, rotations, transform
from vgcli_core.geometry.overlap import iou

# Two runs: 0 to 5, and 7 to 9.
GAPPED = [*range(0, 60, 10), *range(70, 100, 10)]


def rules(**values) -> DetectionRules:
    return DetectionRules(**({"dataset": "d", "split": "s", "training": True, "num_frames": 2, "interval": 2} | values))


def test_windows_start_at_each_frame_of_a_run_and_never_cross_a_gap():
    scan = make_scan(9, numbers=GAPPED)
    assert windows(scan, rules()) == [(0, 2), (1, 3), (2, 4), (3, 5), (6, 8)]
    assert windows(scan, rules(num_frames=4, interval=1)) == [(0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5)]


def test_with_the_last_frame_as_reference_a_window_needs_a_whole_interval_after_it():
    scan = make_scan(9, numbers=GAPPED)
    assert windows(scan, rules(reference_frame="last")) == [(0, 2), (1, 3), (2, 4)]


def test_validation_keeps_some_windows_in_time_order_and_training_all():
    scan = make_scan(60)
    few = choose_windows(scan, rules(training=False, per_scan=5))
    assert len(few) == 5 and few == sorted(few)
    assert few == choose_windows(scan, rules(training=False, per_scan=5))
    assert few != choose_windows(scan, rules(training=False, per_scan=5, seed=1))
    assert choose_windows(scan, rules()) == list(range(58))


def test_objects_come_in_order_of_first_appearance_without_walls():
    scan = make_scan(4, visible={0: [2], 1: [0, 1], 2: range(4)})
    assert objects_of(scan, (0, 2)) == [1, 0]
    assert objects_of(scan, (3,)) == []


@pytest.mark.parametrize(("reference", "place"), [("first", 0), ("last", -1)])
def test_boxes_are_in_the_camera_of_the_reference_frame(reference, place):
    scan = make_scan(12)
    sample = next(iter(detect_samples(scan, rules(reference_frame=reference))))
    window = windows(scan, rules(reference_frame=reference))[0]
    assert f"camera coordinate system of the {reference} frame" in sample.question
    assert {box.frame for box in sample.boxes} == {place % 2}
    back = transform(as_array([box.box for box in sample.boxes]), camera_to_world(scan, window[place]))
    expected = np.array([scan.instances[number].box for number in objects_of(scan, window)])
    np.testing.assert_allclose(back[:, :6], expected[:, :6], atol=1e-9)
    np.testing.assert_allclose(rotations(back[:, 6:]), rotations(expected[:, 6:]), atol=1e-9)


def test_with_the_least_rotated_naming_boxes_are_the_same_solids_and_the_truth_keeps_its_own():
    scan = make_scan(12, visible={0: range(12), 1: range(12)})
    own, least = (next(iter(detect_samples(scan, rules(naming=naming)))) for naming in ("own", "least_rotated"))
    before, after = (as_array([framed.box for framed in one.boxes]) for one in (own, least))
    np.testing.assert_allclose(np.diag(iou(before, after)), 1, atol=1e-9)
    assert (np.trace(rotations(after[:, 6:]), axis1=1, axis2=2) >= 1).all()
    assert own.answer != least.answer


def test_a_window_without_objects_is_kept_with_an_empty_list():
    scan = make_scan(4, visible={2: range(4)})
    sample = next(iter(detect_samples(scan, rules())))
    assert sample.boxes == ()
    assert json.loads(sample.answer.removeprefix("```json").removesuffix("```")) == []


def test_the_truth_is_what_the_benchmark_reads_and_ids_differ():
    scan = make_scan(20)
    found = list(detect_samples(scan, rules(training=False, per_scan=5)))
    assert len({sample.id for sample in found}) == 5
    truth = DetectionTruth(**truth_of(found[0]))
    assert [box.label for box in truth.boxes] == [box.box.label for box in found[0].boxes]


def test_frames_that_are_not_named_by_number_are_refused():
    scan = make_scan(4, numbers=[0, 10, 20, 30])
    odd = type(scan.frames[0])("scannet/posed_images/s/left.jpg", scan.frames[0].camera_to_scan, ())
    broken = type(scan)(scan.name, (*scan.frames, odd), scan.intrinsics, scan.alignment, scan.instances)
    with pytest.raises(DataError, match=r"left\.jpg"):
        windows(broken, rules())
