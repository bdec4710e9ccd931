"""Captions of objects on a made-up scan."""

import numpy as np
import pytest

from tests.unit.data.tasks.scans import Report, make_scan
from vgcli_core.data.sample import truth_of
from vgcli_core.data.tasks.captioning import Captioned, CaptioningRules, caption_samples
from vgcli_core.data.tasks.grounding import IN_VIEW, NOT_IN_FRAMES, UNKNOWN
from vgcli_core.data.tasks.posed import camera_to_world
from vgcli_core.evaluation.benchmarks.scan2cap import Scan2CapTruth

TRUE = np.array([0.5, 0.2, 0.45, 0.7, 0.7, 0.9, 0, 0, 0])
GIVEN = np.array([0.6, 0.1, 0.5, 0.7, 0.7, 0.9, 0, 0, 0])


def one(name="7/0", true_box=TRUE) -> Captioned:
    return Captioned(name, "A CHAIR. Red.", GIVEN, true_box, 0.6, ("a chair.", "it is red."), "multiple")


def samples(scan, *objects, report=None, **values) -> list:
    known = {"dataset": "d", "split": "s", "training": True, "num_frames": 4} | values
    return list(
        caption_samples(scan, objects or [one()], CaptioningRules(**known), Report() if report is None else report)
    )


@pytest.mark.parametrize(("reference", "place"), [("first", 0), ("last", -1)])
def test_the_point_is_the_given_boxes_centre_in_the_camera_of_the_reference_frame(reference, place):
    scan = make_scan()
    (sample,) = samples(scan, reference_frame=reference)
    paths = [frame.path for frame in scan.frames]
    pose = camera_to_world(scan, paths.index(sample.frames[place]))
    back = pose @ [*sample.info["point"], 1]
    np.testing.assert_allclose(back[:3], GIVEN[:3], atol=1e-9)
    printed = [round(value, 2) for value in sample.info["point"]]
    assert sample.conversations[0].text == (
        "<image><image><image><image>\n"
        f"Carefully watch the video and describe the object located at {printed} in detail."
    )
    assert sample.answer == "A chair. red."


def test_evaluation_has_all_references_and_the_overlap_of_the_given_box():
    (sample,) = samples(make_scan(), training=False, cameras=True)
    truth = Scan2CapTruth(**truth_of(sample))
    assert truth.references == ("a chair.", "it is red.") and truth.iou == 0.6
    assert sample.cameras is not None and samples(make_scan())[0].truth is None


def test_visibility_is_that_of_the_true_object_and_unknown_for_what_is_none_of_the_scans():
    scan = make_scan(visible={0: [3], 1: range(60)})
    far = one("8/0", TRUE + np.array([5.0, 0, 0, 0, 0, 0, 0, 0, 0]))  # cameras on the other side look that way
    overhead = one("9/0", TRUE + np.array([0, 0, 50.0, 0, 0, 0, 0, 0, 0]))  # and none looks up
    report = Report()
    found = samples(scan, one(), far, overhead, report=report, training=False, choice="fixed")
    assert [sample.target_visible for sample in found] == [False, None, None]
    assert report.counted == {UNKNOWN: 2, IN_VIEW: 1} and not report


def test_with_fixed_frames_training_drops_what_none_of_them_shows():
    report = Report()
    scan = make_scan(visible={0: [3], 1: range(60)})
    table = one("9/0", np.array([-0.6, 0.1, 0.4, 1.4, 0.8, 0.8, 0, 0, 0]))
    rules = CaptioningRules("d", "s", training=True, num_frames=4, choice="fixed")
    found = list(caption_samples(scan, [one(), table], rules, report))
    assert [sample.id for sample in found] == ["scene0001_00/9/0"]
    assert report == {NOT_IN_FRAMES: 1}
    assert [path[-9:-4] for path in found[0].frames] == ["00000", "00190", "00390", "00590"]


def test_starts_depend_on_names_and_seed_alone():
    scan = make_scan()
    alone, together = samples(scan, one("9/0")), samples(scan, one(), one("9/0"))
    assert alone[0].frames == together[1].frames != samples(scan, one("9/0"), seed=1)[0].frames
