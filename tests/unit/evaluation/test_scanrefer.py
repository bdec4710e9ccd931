"""Grounding as a benchmark: cameras, angles, refinement, what is counted, what an oracle and a silent model score."""

import json
import math
import random

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vgcli_core.errors import ConventionError
from vgcli_core.evaluation.benchmark import Extras, Item
from vgcli_core.evaluation.benchmarks.scanrefer import BENCHMARK, GroundingTruth
from vgcli_core.evaluation.metrics.grounding import refine

CUBE = (0.0, 0.0, 2.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
IDENTITY = np.eye(4).tolist()
# Ninety degrees about z and two metres along x: (x, y, z) of the camera is (2 - y, x, z) of the scan.
TURNED = [[0, -1, 0, 2], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
LOST = [[-math.inf] * 4] * 3 + [[0, 0, 0, 1]]
MIRRORED = np.diag([-1.0, 1, 1, 1]).tolist()


def truth(box=CUBE, cameras=(IDENTITY,), convention="ZXY", scene="scene0000_00", **more):
    return GroundingTruth(bbox_3d=box, euler_convention=convention, camera_to_world=cameras, scene=scene, **more)


def answer(box, frame=0):
    return json.dumps({"frame": frame, "bbox_3d": box})


def score(items, protocol="published", proposals=None):
    outcome = BENCHMARK.protocols[protocol](items, Extras(proposals=proposals))
    names = [(metric.name, metric.of) for metric in outcome.tally.metrics]
    return dict(zip(names, outcome.tally.scores(), strict=True)), outcome


def shifted(distance):
    return (distance, *CUBE[1:])


@pytest.mark.parametrize(("size", "at_quarter", "at_half"), [(0.24, 0, 0), (0.25, 1, 0), (0.5, 1, 1), (1.0, 1, 1)])
def test_an_overlap_at_the_threshold_counts(size, at_quarter, at_half):
    # A slab inside the cube overlaps it by its share of the volume.
    scores, outcome = score([Item("0", answer((0, 0, 2, size, 1, 1, 0, 0, 0)), truth(), "ZXY")])
    assert (scores["acc@0.25", ""], scores["acc@0.5", ""]) == (at_quarter, at_half)
    assert outcome.values[0] == pytest.approx(size)
    assert scores["mean IoU", ""] == pytest.approx(size)


def test_a_box_is_moved_by_the_camera_of_the_frame_it_names():
    there = truth((-1.0, 5.0, 2.0, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0), cameras=(IDENTITY, TURNED))
    text = answer((5.0, 3.0, 2.0, 2.0, 1.0, 3.0, 0.0, 0.0, 0.0), frame=1)
    for protocol in BENCHMARK.protocols:
        assert score([Item("0", text, there, "ZXY")], protocol)[1].values[0] == pytest.approx(1)


@pytest.mark.parametrize("camera", [None, LOST, MIRRORED, [[math.nan] * 4] * 4, np.zeros((4, 4)).tolist()])
def test_a_frame_without_a_usable_camera_gives_no_overlap_and_is_counted(camera):
    for protocol in BENCHMARK.protocols:
        _, outcome = score([Item("0", answer(CUBE), truth(cameras=(camera,)), "ZXY")], protocol)
        assert outcome.values.tolist() == [0]
        assert outcome.counts["boxes in a frame without a usable camera"] == 1
        assert outcome.unparsed == ("",)


@pytest.mark.parametrize("text", ["", "no idea", answer(CUBE, frame=1), answer(CUBE[:8])])
def test_an_answer_without_a_usable_box_is_wrong_and_says_why(text):
    for protocol in BENCHMARK.protocols:
        scores, outcome = score([Item("0", text, truth(), "ZXY")], protocol)
        assert scores["acc@0.25", ""] == 0
        assert outcome.unparsed[0]
        assert outcome.counts["boxes in a frame without a usable camera"] == 0


def test_extrinsic_angles_of_a_tilted_box_are_misread_by_the_published_rules_alone():
    angles = (0.9, 1.1, -0.6)
    intrinsic = Rotation.from_euler("zxy", angles).as_euler("ZXY")
    there = truth((0, 0, 2, 2, 0.3, 0.5, *intrinsic))
    item = Item("0", answer((0, 0, 2, 2, 0.3, 0.5, *angles)), there, "zxy")
    assert score([item], "corrected")[1].values[0] == pytest.approx(1)
    assert score([item])[1].values[0] < 0.9
    # The published overlap takes the three numbers for intrinsic angles.
    misread = Item("0", item.text, truth((0, 0, 2, 2, 0.3, 0.5, *angles)), "zxy")
    assert score([misread])[1].values[0] == pytest.approx(1)


def test_tiny_boxes_are_refused_by_the_published_overlap_and_counted():
    tiny = (0, 0, 2, 0.01, 0.01, 0.01, 0, 0, 0)
    item = Item("0", answer(tiny), truth(tiny), "ZXY")
    assert score([item])[1].values[0] == 0
    assert score([item])[1].counts["pairs refused by the published overlap"] == 1
    assert score([item], "corrected")[1].values[0] == pytest.approx(1)


def test_unique_and_multiple_are_scored_apart_where_they_are_known():
    items = [
        Item("0", answer(CUBE), truth(kind="unique"), "ZXY"),
        Item("1", answer(shifted(9)), truth(kind="unique"), "ZXY"),
        Item("2", answer(CUBE), truth(kind="multiple"), "ZXY"),
        Item("3", answer(shifted(9)), truth(), "ZXY"),
    ]
    scores, outcome = score(items)
    assert (scores["acc@0.5", ""], scores["acc@0.5", "unique"], scores["acc@0.5", "multiple"]) == (0.5, 0.5, 1)
    samples = {(metric.name, metric.of): metric.n for metric in outcome.tally.metrics}
    assert [samples["acc@0.25", of] for of in ("", "unique", "multiple")] == [4, 2, 1]
    assert ("acc@0.5", "unique") not in score(items[3:])[0]


def test_the_frame_ceiling_is_the_share_of_known_objects_in_view():
    items = [
        Item(str(number), "", truth(cameras=(IDENTITY, IDENTITY), visible_frames=frames), "ZXY")
        for number, frames in enumerate([(0,), (0, 1), (), None])
    ]
    assert score(items)[0]["frame ceiling", ""] == pytest.approx(2 / 3)
    assert ("frame ceiling", "") not in score(items[3:])[0]


def test_where_no_file_says_what_is_shown_the_ceiling_counts_boxes_in_view_and_says_so():
    two = (IDENTITY, IDENTITY)
    truths = [
        truth(cameras=two, visible_frames=(), in_view_frames=(0,)),  # stated: hidden
        truth(cameras=two, visible_frames=(1,)),
        truth(cameras=two, in_view_frames=(0, 1)),
        truth(cameras=two, in_view_frames=(1,)),
        truth(cameras=two, in_view_frames=()),
        truth(cameras=two),
    ]
    right = {1, 2, 4}
    items = [Item(str(n), answer(CUBE if n in right else shifted(9)), one, "ZXY") for n, one in enumerate(truths)]
    scores, outcome = score(items)
    assert scores["frame ceiling", ""] == pytest.approx(1 / 2)
    assert scores["frame ceiling (in view, occlusion ignored)", ""] == pytest.approx(2 / 3)
    assert scores["acc@0.25", "visible"] == 1
    assert scores["acc@0.25", "in view, occlusion ignored"] == scores["acc@0.5", "in view, occlusion ignored"] == 0.5
    assert any("3 of 6 samples do not state which frames show their object" in note for note in outcome.notes)
    assert not any("frames show" in note for note in score(items[:2])[1].notes)
    with pytest.raises(ValueError, match="frame 2 is none of the 2"):
        truth(cameras=two, in_view_frames=(2,))


def test_refinement_takes_the_proposal_that_overlaps_most_and_keeps_a_box_that_none_overlaps():
    proposals = np.array([[0.2, 0, 2, 1, 1, 1], [0.0, 0, 2, 1, 1, 1], [0.0, 0, 2, 1, 1, 1]])
    moved = refine(np.array([shifted(-0.1), shifted(5), [math.nan] * 9]), proposals)
    np.testing.assert_array_equal(moved, [CUBE, shifted(5), [math.nan] * 9])
    np.testing.assert_array_equal(refine(np.array([CUBE]), proposals[:0]), [CUBE])


@pytest.mark.parametrize("name", ["scene0000_00", "scannet/scene0000_00"])
def test_refined_scores_appear_with_proposals_and_are_asked_for_without(name):
    items = [
        Item("0", answer(shifted(0.5)), truth(), "ZXY"),
        Item("1", answer(shifted(0.5)), truth(scene="scene0001_00"), "ZXY"),
        Item("2", "", truth(), "ZXY"),
    ]
    scores, outcome = score(items, proposals={name: np.array([[0.0, 0, 2, 1, 1, 1]])})
    # Cubes half an edge apart share a half of 3 / 2.
    assert (scores["acc@0.25", ""], scores["acc@0.5", ""]) == pytest.approx((2 / 3, 0))
    assert (scores["refined acc@0.25", ""], scores["refined acc@0.5", ""]) == pytest.approx((2 / 3, 1 / 3))
    assert outcome.counts["samples without proposals of their scan"] == 1
    without, silent = score(items)
    assert ("refined acc@0.5", "") not in without
    assert "proposals" in silent.notes[0]


def poses(seed, count):
    generator = np.random.default_rng(seed)
    for _ in range(count):
        matrix = np.eye(4)
        # Measured poses are off by their last printed digit.
        matrix[:3, :3] = Rotation.from_quat(generator.normal(size=4)).as_matrix().round(6)
        matrix[:3, 3] = generator.uniform(-3, 3, 3)
        yield matrix.tolist()


@pytest.mark.parametrize("convention", ["ZXY", "zxy"])
def test_an_oracle_and_a_silent_model_score_what_the_benchmark_declares(convention):
    generator = np.random.default_rng(0)
    truths = [
        truth((*generator.uniform(0.2, 2, 6), *generator.uniform(-1.5, 1.5, 3)), (None, LOST, pose), convention)
        for pose in poses(1, 12)
    ]
    truths += [truth((0, 0, 2, 0.01, 1, 0.01, 0, 0, 0), convention=convention), truth(cameras=(LOST, None))]
    declared = BENCHMARK.range(truths)
    for write, expected in ((BENCHMARK.perfect, declared.oracle), (lambda _: "", declared.silent)):
        items = [Item(str(n), write(truth), truth, truth.euler_convention) for n, truth in enumerate(truths)]
        scores, _ = score(items)
        assert set(expected) == set(BENCHMARK.headline)
        for name, value in expected.items():
            assert scores[name, ""] == pytest.approx(value, abs=1e-12)
    assert declared.oracle["acc@0.5"] == pytest.approx(12 / 14)
    # A thin box is found by exact overlaps; a truth without a camera by nothing.
    items = [Item(str(n), BENCHMARK.perfect(truth), truth, truth.euler_convention) for n, truth in enumerate(truths)]
    assert score(items, "corrected")[0]["acc@0.5", ""] == pytest.approx(13 / 14)


@pytest.mark.parametrize("protocol", ["published", "corrected"])
def test_scores_do_not_depend_on_the_order_of_samples(protocol):
    generator = random.Random(0)
    items = [
        Item(
            str(n),
            answer(shifted(generator.uniform(-1, 1))),
            truth(kind=generator.choice(["unique", "multiple"])),
            "ZXY",
        )
        for n in range(30)
    ]
    first, second = score(items, protocol)[0], score(generator.sample(items, len(items)), protocol)[0]
    assert first.keys() == second.keys()
    assert max(abs(first[key] - second[key]) for key in first) < 1e-12


def test_the_example_is_found_by_an_oracle_in_the_frame_that_shows_it():
    example = BENCHMARK.example
    item = Item("0", BENCHMARK.perfect(example), example, example.euler_convention)
    for protocol in BENCHMARK.protocols:
        scores, _ = score([item], protocol)
        assert scores["acc@0.5", ""] == scores["frame ceiling", ""] == 1
    assert json.loads(item.text.strip("`json"))["bbox_3d"][2] > 0  # in front of the camera


def test_an_answer_of_no_declared_convention_is_refused():
    with pytest.raises(ConventionError, match="does not declare"):
        score([Item("7", answer(CUBE), truth(), None)])


def test_published_numbers_name_metrics_that_exist():
    scores, _ = score([Item("0", "", truth(), "ZXY")], proposals={})
    for row in BENCHMARK.published:
        assert (row.metric, row.of) in scores
        assert set(row.values) == {"4B", "8B"}


def test_absurd_coordinates_overlap_nothing_and_raise_nothing():
    for value in (1e308, -1e300, 1e20):
        for protocol in BENCHMARK.protocols:
            item = Item("0", answer((value,) * 9), truth(cameras=(TURNED,)), "zxy")
            assert score([item], protocol)[1].values[0] == 0


def test_a_visible_frame_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="none of the 1 frames"):
        truth(visible_frames=(1,))
