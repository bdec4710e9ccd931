"""Grounding samples of a made-up scan, in both modes."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.data.tasks.scans import Report, make_scan
from vgcli_core.data.sample import to_line, truth_of
from vgcli_core.data.scan import Instance
from vgcli_core.data.tasks.grounding import (
    NO_AREA,
    NOT_IN_FRAMES,
    NOT_SHOWN,
    SAME_FRAMES,
    UNMATCHED,
    UNSEEN,
    Described,
    GroundingRules,
    choose_frames,
    ground_samples,
)
from vgcli_core.data.tasks.posed import camera_to_world
from vgcli_core.evaluation.benchmarks.scanrefer import GroundingTruth
from vgcli_core.geometry.boxes import as_array, rotations, transform
from vgcli_core.geometry.overlap import iou

TRUE = np.array([0.5, 0.2, 0.45, 0.7, 0.7, 0.9, 0, 0, 0])  # the chair's axis-aligned box

FAR = TRUE + np.array([5.0, 0, 0, 0, 0, 0, 0, 0, 0])


def described(box=TRUE, name="7/0") -> Described:
    return Described(name, "The CHAIR by the table. It is red.", box, "chair", "unique", {"object_id": "7"})


def rules(**values) -> GroundingRules:
    return GroundingRules(**({"dataset": "d", "split": "s", "training": True, "num_frames": 6} | values))


def samples(scan, *, report=None, one=None, starts=None, **values) -> list:
    return list(
        ground_samples(scan, [one or described()], rules(**values), Report() if report is None else report, starts)
    )


def position_of(scan, path) -> int:
    return next(place for place, frame in enumerate(scan.frames) if frame.path == path)


def test_training_gives_two_choices_of_frames_of_which_each_shows_the_object():
    scan = make_scan()
    found = samples(scan)
    assert [sample.id for sample in found] == ["scene0001_00/7/0/0", "scene0001_00/7/0/1"]
    assert found[0].frames != found[1].frames
    for sample in found:
        shown = scan.frames[position_of(scan, sample.frames[sample.boxes[0].frame])]
        assert 0 in shown.visible and sample.target_visible


def test_the_answer_is_the_true_box_in_the_camera_of_the_named_frame():
    scan = make_scan()
    for sample in samples(scan):
        answer = json.loads(sample.answer.removeprefix("```json").removesuffix("```"))
        framed = sample.boxes[0]
        assert answer["frame"] == framed.frame
        numbers = as_array([framed.box])
        assert answer["bbox_3d"] == np.round(numbers[0], 2).tolist()
        pose = camera_to_world(scan, position_of(scan, sample.frames[framed.frame]))
        back = transform(numbers, pose)
        np.testing.assert_allclose(back[0, :6], TRUE[:6], atol=1e-9)
        np.testing.assert_allclose(rotations(back[:, 6:])[0], np.eye(3), atol=1e-9)


def test_the_named_frame_is_the_one_in_which_the_object_stands_largest():
    for sample in samples(make_scan(visible={0: range(60)})):
        assert sample.boxes[0].frame == int(np.argmax(sample.info["areas"]))
        assert len(sample.info["areas"]) == 6


def test_answers_in_the_first_frame_name_it_whether_it_shows_the_object_or_not():
    # Frames 40 to 45 alone show the chair, and 6 of 60 frames hold one of them.
    scan = make_scan(visible={0: range(40, 46)})
    for sample in samples(scan, answers_in="first"):
        first = position_of(scan, sample.frames[0])
        (framed,) = sample.boxes
        assert framed.frame == 0 and sample.target_visible
        assert json.loads(sample.answer.removeprefix("```json").removesuffix("```"))["frame"] == 0
        back = transform(as_array([framed.box]), camera_to_world(scan, first))
        np.testing.assert_allclose(back[0, :6], TRUE[:6], atol=1e-9)
    assert any(position_of(scan, sample.frames[0]) not in range(40, 46) for sample in samples(scan, answers_in="first"))


def test_with_the_least_rotated_naming_a_box_is_the_same_solid_turned_less():
    own, least = (samples(make_scan(), naming=naming) for naming in ("own", "least_rotated"))
    for one, other in zip(own, least, strict=True):
        boxes = [as_array([sample.boxes[0].box]) for sample in (one, other)]
        assert iou(*boxes)[0, 0] > 1 - 1e-9
        traces = [np.trace(rotations(box[:, 6:])[0]) for box in boxes]
        assert traces[1] > traces[0] + 0.1
        assert json.loads(other.answer[7:-3])["bbox_3d"] == np.round(boxes[1][0], 2).tolist()


def test_text_names_frames_and_only_the_first_letter_is_large():
    text = samples(make_scan(), num_frames=2)[0].conversations[0].text
    assert text.startswith("Frame-0: <image>Frame-1: <image>\nLocalize the first clear frame")
    assert "\nText: The chair by the table. it is red.\n" in text and text.endswith("coordinates.\n")


def test_a_description_that_fits_no_object_by_half_is_dropped():
    report = Report()
    far = described(FAR)
    assert samples(make_scan(), report=report, one=far) == []
    assert report == {UNMATCHED: 2}, "both of its samples"


def test_an_object_that_no_frame_shows_loses_both_samples():
    for mode, expected in (("corrected", {UNSEEN: 2}), ("reference", {NO_AREA: 2})):
        report = Report()
        assert samples(make_scan(visible={}), report=report, mode=mode) == []
        assert report == expected


def test_an_object_listed_as_visible_where_its_box_is_out_of_view_is_dropped():
    above, report = np.array([0, 0, 40.0, 1, 1, 1, 0, 0, 0]), Report()
    scan = make_scan(instances=[Instance("kite", above, 1)], visible={0: range(60)})
    assert samples(scan, report=report, one=described(above)) == []
    assert report == {NO_AREA: 2}


def test_the_twentieth_redraw_counts_in_corrected_mode_and_not_in_the_published_one():
    scan = make_scan(60, visible={0: [3]})
    blind, showing = [0] * 20, [3]  # 6 of 60 frames: start 3 shows frame 3, start 0 does not
    corrected = choose_frames(scan, frozenset({3}), iter(blind + showing), rules())
    assert corrected.positions == [3, 13, 23, 33, 43, 53] and len(corrected.starts) == 21
    published = choose_frames(scan, frozenset({3}), iter(blind + showing), rules(mode="reference"))
    assert published.positions == [3, 3, 13, 23, 33, 43]  # looked for in vain, so a frame is there twice


def test_where_no_draw_shows_the_object_its_first_frame_takes_the_place_of_the_last_one():
    chosen = choose_frames(make_scan(), frozenset({7, 9}), itertools.repeat(40), rules())
    assert chosen.positions == [0, 7, 10, 20, 40, 50]
    assert len(chosen.starts) == 21


@settings(max_examples=30)
@given(st.sets(st.integers(0, 49), min_size=1), st.integers(1, 60), st.integers(0, 5))
def test_no_training_sample_shows_a_frame_twice_or_misses_its_object(seen, num_frames, seed):
    scan = make_scan(50, visible={0: seen})
    for sample in samples(scan, num_frames=num_frames, seed=seed):
        assert len(set(sample.frames)) == len(sample.frames) == min(num_frames, 50)
        named = position_of(scan, sample.frames[sample.boxes[0].frame])
        assert named in seen


def test_draws_depend_on_names_and_seed_alone():
    scan = make_scan()
    other = described(name="8/0")
    alone = samples(scan, one=other)
    together = list(ground_samples(scan, [described(), other], rules(), Report()))[2:]
    assert [to_line(one) for one in alone] == [to_line(one) for one in together]
    assert [one.frames for one in samples(scan, seed=1)] != [one.frames for one in samples(scan, seed=2)]


def test_fixed_frames_are_the_same_for_every_sample_and_targets_outside_are_dropped_in_training():
    scan, report = make_scan(visible={0: [0, 59], 1: [30]}), Report()
    table = described(np.array([-0.6, 0.1, 0.4, 1.4, 0.8, 0.8, 0, 0, 0]), "9/0")
    found = list(ground_samples(scan, [described(), table], rules(choice="fixed"), report))
    assert [sample.id for sample in found] == ["scene0001_00/7/0/0"]  # once: two choices would be equal
    # linspace(0, 59, 6) cut to integers.
    assert [path[-9:-4] for path in found[0].frames] == ["00000", "00110", "00230", "00350", "00470", "00590"]
    assert report == {NOT_IN_FRAMES: 1}


def test_fixed_frames_flag_targets_outside_in_evaluation():
    scan = make_scan(visible={0: [0, 59], 1: [30]})
    table = described(np.array([-0.6, 0.1, 0.4, 1.4, 0.8, 0.8, 0, 0, 0]), "9/0")
    found = list(ground_samples(scan, [described(), table], rules(choice="fixed", training=False), Report()))
    assert [sample.target_visible for sample in found] == [True, False]
    assert found[0].frames == found[1].frames
    assert found[0].truth["visible_frames"] == [0, 5] and found[1].truth["visible_frames"] == []


def test_an_evaluation_sample_has_no_answer_and_the_truth_that_the_benchmark_reads():
    (sample,) = samples(make_scan(), training=False)
    assert sample.answer == "" and sample.boxes == ()
    truth = GroundingTruth(**truth_of(sample))
    assert truth.bbox_3d == tuple(TRUE.tolist()) and truth.kind == "unique"
    assert len(truth.camera_to_world) == len(sample.frames) == 6


def test_evaluation_keeps_a_description_that_fits_no_object_and_does_not_claim_to_know_what_shows_it():
    far = described(FAR)
    (sample,) = samples(make_scan(), training=False, one=far)
    assert sample.target_visible is None and "visible_frames" not in sample.truth


def test_where_no_object_fits_evaluation_knows_in_whose_view_the_box_is():
    """Cameras at 0, 66, 138, 210, 282 and 354 degrees of a circle look through its middle, 38.6 degrees to each side.

    The box stands outside the circle at 0 degrees: behind the first and the last camera, 89 and 78 degrees beside what
    the second and the fifth look at, 30 and 21 degrees beside what those across look at.
    """
    beyond = described(np.array([6.0, 0, 0.5, 0.2, 0.2, 0.2, 0, 0, 0]))
    (sample,) = ground_samples(make_scan(), [beyond], rules(choice="fixed", training=False), Report())
    assert sample.truth["in_view_frames"] == [2, 3]
    assert GroundingTruth(**truth_of(sample)).in_view_frames == (2, 3)


def test_reference_starts_are_replayed():
    found = samples(make_scan(), mode="reference", starts=lambda one, draw: iter([[55], [5, 60]][draw]))
    assert [sample.info["starts"] for sample in found] == [[55], [5]]
    assert found[0].frames[0].endswith("00550.jpg") and found[1].frames[1].endswith("00150.jpg")


def test_the_object_is_the_one_that_overlaps_the_description_most():
    scan = make_scan()
    boxes = np.array([instance.box for instance in scan.instances])
    expected = iou(TRUE[None], boxes)[0]
    assert samples(scan)[0].info["iou"] == pytest.approx(expected.max()) and expected.argmax() == 0


@pytest.mark.parametrize("training", [True, False])
def test_frames_are_redrawn_until_they_show_all_that_a_description_needs(training):
    scan = make_scan(60, visible={0: range(60)})
    needs = (frozenset({3, 4}), frozenset({18, 44}))  # of 6 of 60 frames, only starts 4 and 8 (mod 10) meet one each
    starts = iter([8, 3, 14, 24, 3])
    found = samples(
        scan, one=replace(described(), needs=needs), starts=lambda one, draw: starts, training=training, num_frames=6
    )
    assert found[0].info["starts"] == [8, 3, 14]
    for sample in found:
        positions = {position_of(scan, path) for path in sample.frames}
        assert all(positions & need for need in needs)


@pytest.mark.parametrize(("training", "lost"), [(True, 2), (False, 1)])
def test_descriptions_of_which_no_choice_of_frames_shows_enough_are_dropped_and_counted(training, lost):
    scan = make_scan(60, visible={0: range(60)})
    one = replace(described(), needs=(frozenset({3}), frozenset({14})))  # no start shows both of 3 and 14
    report = Report()
    assert samples(scan, one=one, report=report, training=training) == [] and report == {NOT_SHOWN: lost}
    report = Report()
    unseen = replace(described(), needs=(frozenset({13}),))  # fixed frames: 0, 11, 23, 35, 47, 59
    assert samples(scan, one=unseen, report=report, training=training, choice="fixed") == []
    assert report == {NOT_SHOWN: 1}
    met = replace(described(), needs=(frozenset({23}),))
    assert len(samples(scan, one=met, training=training, choice="fixed")) == 1


def test_choices_that_must_differ_do_so_or_are_dropped():
    scan = make_scan(60, visible={0: range(60)})
    drawn = {0: [5], 1: [5, 5, 7]}

    def starts(one, draw):
        return iter(drawn[draw])

    published = samples(scan, starts=starts)
    assert published[0].frames == published[1].frames
    distinct = samples(scan, starts=starts, distinct=True)
    assert [one.info["starts"] for one in distinct] == [[5], [5, 5, 7]]
    report = Report()
    assert len(samples(make_scan(1, visible={0: [0]}), report=report, distinct=True)) == 1
    assert report == {SAME_FRAMES: 1}
