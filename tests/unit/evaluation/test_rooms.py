"""Rooms as a benchmark: every task by its own rules under one roof, and how far off the boxes are."""

import json
import math

import numpy as np
import pytest

from tests.unit.data.harness import collect, request_for
from vgcli_core.data.sources.rooms import DATASET
from vgcli_core.evaluation.benchmark import Extras, Item
from vgcli_core.evaluation.benchmarks import scan2cap, scanrefer, vsi_bench
from vgcli_core.evaluation.benchmarks.rooms import BENCHMARK, RoomsTruth, truth_of_room

IDENTITY = np.eye(4).tolist()
CUBE = (0.0, 0.0, 2.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
BRICK = (0.0, 0.0, 2.0, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0)


def ground(box=CUBE, description="unique", label="chair", **more) -> RoomsTruth:
    known = {"bbox_3d": box, "euler_convention": "ZXY", "camera_to_world": (IDENTITY, IDENTITY), "scene": "room_1"}
    return RoomsTruth(ground={**known, **more}, description=description, label=label)


def ask(kind="object_counting", answer="4") -> RoomsTruth:
    return RoomsTruth(
        ask={"question_type": kind, "ground_truth": answer, "dataset": "rooms", "scene_name": "room_2"},
    )


def detect(*labels) -> RoomsTruth:
    boxes = [{"label": label, "bbox_3d": (3.0 * n, *CUBE[1:])} for n, label in enumerate(labels)]
    return RoomsTruth(detect={"boxes": boxes, "euler_convention": "ZXY", "scene": "room_3"})


def caption(*references) -> RoomsTruth:
    return RoomsTruth(caption={"references": references, "iou": 1.0, "scene": "room_4"})


def answer(box, frame=0) -> str:
    return json.dumps({"frame": frame, "bbox_3d": box})


def shifted(distance, box=CUBE):
    return (box[0] + distance, *box[1:])


def score(pairs, protocol="published", **extras):
    items = [Item(str(n), text, truth, "ZXY") for n, (truth, text) in enumerate(pairs)]
    outcome = BENCHMARK.protocols[protocol](items, Extras(**extras))
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = outcome.tally.scores()
    return dict(zip([(one.name, one.of) for one in outcome.tally.metrics], scores, strict=True)), outcome


@pytest.mark.parametrize("protocol", BENCHMARK.protocols)
def test_every_task_is_scored_by_its_own_rules_whatever_stands_between(protocol):
    pairs = [
        (ask(), "4"),
        (ground(), answer(shifted(0.5))),  # IoU 0.5 / 1.5
        (detect("chair", "table"), f"[\n{json.dumps({'label': 'chair', 'bbox_3d': CUBE})}\n]"),
        (ask(answer="10"), "8"),  # off by a fifth: right at 0.50 to 0.75, six of ten thresholds
        (ground(), ""),
        (caption("a red chair."), "a red chair."),
        (ask("object_rel_distance", "B"), "B"),
        (caption("the blue lamp in the corner."), ""),
    ]
    scores, outcome = score(pairs, protocol)
    assert scores["ground acc@0.25", ""] == 0.5 and scores["ground acc@0.5", ""] == 0
    assert scores["ground mean IoU", ""] == pytest.approx(1 / 6)
    assert scores["detect f1", "chair"] == 1 and scores["detect f1", "table"] == 0
    assert scores["detect f1", ""] == pytest.approx(1 / 20)
    assert scores["ask score", "object_counting"] == pytest.approx((1 + 0.6) / 2)
    assert scores["ask average", ""] == pytest.approx((0.8 + 1) / 2)
    # Captions: what Scan2Cap itself says of the same answers.
    own = [Item(str(n), text, truth.own) for n, (truth, text) in enumerate(pairs) if truth.task == "caption"]
    alone = scan2cap.BENCHMARK.protocols[protocol](own, Extras()).tally
    for metric, value in zip(alone.metrics, alone.scores(), strict=True):
        assert scores[f"caption {metric.name}", ""] == pytest.approx(value)
    assert outcome.values[[0, 1, 3, 4, 6]] == pytest.approx([1, 1 / 3, 0.6, 0, 1])
    assert [bool(reason) for reason in outcome.unparsed] == [False] * 4 + [True, False, False, True]
    assert set(BENCHMARK.headline) <= {name for name, of in scores if not of}


def test_how_far_off_boxes_are_is_said_in_metres():
    pairs = [
        (ground(), answer(CUBE)),
        (ground(), answer(shifted(0.3), frame=1)),
        (ground(), answer(shifted(0.5))),
        (ground(), ""),
        (ask(), "4"),
    ]
    scores, _ = score(pairs)
    assert scores["ground centre error", ""] == pytest.approx((0 + 0.3 + 0.5) / 3)
    assert scores["ground within 0.35 m", ""] == pytest.approx(2 / 4)  # an answer without a box is not near
    # Of 0, 0.3, 0.5 and none the lower value in the middle, to a centimetre.
    assert scores["ground median centre error", ""] == pytest.approx(0.3, abs=0.01)


def test_the_median_is_far_where_most_answers_have_no_box_and_absurd_boxes_do_not_blow_up_the_mean():
    scores, outcome = score([(ground(), ""), (ground(), ""), (ground(), answer(CUBE))])
    assert scores["ground median centre error", ""] == 10
    assert "ground: an answer without a box counts as 10 m in the median centre error" in outcome.notes
    assert scores["ground centre error", ""] == 0
    scores, _ = score([(ground(), answer(shifted(1e90))), (ground(), answer(CUBE))])
    assert scores["ground centre error", ""] == pytest.approx((10 + 0) / 2)


def test_size_and_rotation_are_compared_under_the_best_name_of_the_box():
    larger = (0, 0, 2, 1.2, 2.0, 2.7, 0, 0, 0)
    turned = (0, 0, 2, 1, 2, 3, math.radians(10), 0, 0)
    renamed = (0, 0, 2, 2, 1, 3, math.pi / 2, 0, 0)  # width and depth exchanged, and turned by a right angle
    for box, size, turn in ((larger, (0.2 + 0 + 0.3) / 3, 0), (turned, 0, 10), (renamed, 0, 0)):
        scores, _ = score([(ground(BRICK), answer(box))])
        assert scores["ground size error", ""] == pytest.approx(size, abs=1e-9)
        assert scores["ground rotation error", ""] == pytest.approx(turn, abs=1e-6)
    nothing, _ = score([(ground(), "")])
    assert math.isnan(nothing["ground rotation error", ""]) and math.isnan(nothing["ground centre error", ""])


def test_grounding_is_told_apart_by_description_label_and_what_the_first_frame_shows():
    pairs = [
        (ground(visible_frames=(0, 1)), answer(CUBE)),
        (ground(description="colour", visible_frames=(1,)), answer(shifted(0.2))),
        (ground(description="colour", label="lamp", visible_frames=(1,)), answer(shifted(9))),
        (ground(description="relational", label="lamp"), answer(CUBE)),
    ]
    scores, outcome = score(pairs)
    assert [scores["ground acc@0.5", f"description: {kind}"] for kind in ("unique", "colour", "relational")] == [
        1,
        0.5,
        1,
    ]
    assert scores["ground centre error", "description: colour"] == pytest.approx((0.2 + 9) / 2)
    assert scores["ground within 0.35 m", "label: lamp"] == 0.5 and scores["ground within 0.35 m", "label: chair"] == 1
    assert scores["ground acc@0.25", "in the first frame"] == 1
    assert scores["ground acc@0.25", "not in the first frame"] == 0.5
    assert scores["ground frame ceiling", ""] == 1
    counted = {(one.name, one.of): one.n for one in outcome.tally.metrics}
    assert counted["ground acc@0.25", "in the first frame"] == 1
    assert counted["ground acc@0.25", "not in the first frame"] == 2


def test_proposals_refine_and_notes_say_whose_they_are():
    pairs = [(ground(), answer(shifted(0.5))), (ask(), "4")]
    scores, _ = score(pairs, proposals={"room_1": np.array([CUBE[:6]])})
    assert (scores["ground acc@0.5", ""], scores["ground refined acc@0.5", ""]) == (0, 1)
    _, without = score(pairs)
    assert "ground: no refined scores: they need proposals of each scan" in without.notes
    assert any(note.startswith("ask: partial") for note in without.notes)
    assert set(BENCHMARK.needs) == {"proposals", "meteor"}


@pytest.mark.parametrize("tasks", [(), ("ground", "ask")])
def test_a_truth_is_of_one_task(tasks):
    examples = {"ground": scanrefer.BENCHMARK.example, "ask": vsi_bench.BENCHMARK.example}
    with pytest.raises(ValueError, match="one task"):
        RoomsTruth(**{task: examples[task] for task in tasks})


def test_prepared_rooms_have_these_truths_and_the_declared_scores():
    options = {"width": 56, "height": 42, "film_frames": 20}
    request = request_for(DATASET, None, "train", "val", options=options, scenes=1, num_frames=4, with_frames=False)
    samples = collect(DATASET, request).samples
    assert all(truth_of_room(one) is None for one in samples if one.split == "train")
    val = [one for one in samples if one.split == "val"]
    truths = [RoomsTruth.model_validate(truth_of_room(one)) for one in val]
    assert [truth.task for truth in truths] == [one.task for one in val]
    assert {truth.description for truth in truths if truth.task == "ground"} >= {"unique", "relational"}
    assert all(truth.label for truth in truths if truth.task == "ground")
    assert len({truth.group() for truth in truths}) == 1  # the bootstrap draws whole rooms
    for texts, declared in (
        ([BENCHMARK.perfect(truth) for truth in truths], BENCHMARK.range(truths).oracle),
        ([""] * len(truths), BENCHMARK.range(truths).silent),
    ):
        scores, _ = score(list(zip(truths, texts, strict=True)))
        shared = {name: scores[name, ""] for name in declared if (name, "") in scores}
        assert {"ground acc@0.5", "detect f1", "ask average"} <= set(shared)
        assert shared == pytest.approx({name: declared[name] for name in shared}, abs=1e-9)
