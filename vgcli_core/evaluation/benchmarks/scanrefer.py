"""ScanRefer: locate the described object in a video. Acc@0.25 and Acc@0.5 in the coordinate frame of the aligned scan.

An answer names a frame and gives a box in the coordinate frame of that frame's camera. The frame matters only as that
coordinate frame: any frame will do if the box, moved to the scan, overlaps the true one.

Source: golden/metrics/README.md, section 2; refinement as in arXiv 2505.24625v3, Table 1 (numbers in parentheses).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Self

import numpy as np
from pydantic import model_validator

from vgcli_core.evaluation.benchmark import (
    CORRECTED,
    PUBLISHED,
    Benchmark,
    Extras,
    Item,
    Outcome,
    Published,
    Range,
    Truth,
)
from vgcli_core.evaluation.declared_boxes import (
    Nine,
    askew,
    convention_of_answer,
    intrinsic,
    remarks,
    rows_of,
    why_unread,
)
from vgcli_core.evaluation.metrics.grounding import Mean, accuracies, refine, tally_of
from vgcli_core.geometry.boxes import (
    EulerConvention,
    Floats,
    as_array,
    as_boxes,
    to_extrinsic,
    transform,
)
from vgcli_core.geometry.camera import is_usable
from vgcli_core.geometry.overlap import iou_of_pairs, without_volume
from vgcli_core.geometry.refusals import refused
from vgcli_core.text.answer_format import format_grounding
from vgcli_core.text.answers import Reading, read_grounding
from vgcli_core.text.reference_answers import read_grounding_as_reference

HEADLINE = ("acc@0.25", "acc@0.5")

_Row = tuple[float, float, float, float]


class GroundingTruth(Truth):
    """One described object.

    Attributes:
        bbox_3d: in the aligned scan, metres and radians.
        euler_convention: of the angles in `bbox_3d`.
        camera_to_world: for each frame that the model sees, its camera to the aligned scan (axis_align_matrix @
            cam2global), 4 x 4; None where it is not known.
        scene: for example "scene0011_00".
        kind: "unique" where no other described object of the scan has the same class.
        visible_frames: positions of the frames in which the object can be seen.
    """

    bbox_3d: Nine
    euler_convention: EulerConvention
    camera_to_world: tuple[tuple[_Row, _Row, _Row, _Row] | None, ...]
    scene: str
    kind: Literal["unique", "multiple"] | None = None
    visible_frames: tuple[int, ...] | None = None

    @model_validator(mode="after")
    def _visible_frames_exist(self) -> Self:
        for frame in self.visible_frames or ():
            if not 0 <= frame < len(self.camera_to_world):
                raise ValueError(f"visible frame {frame} is none of the {len(self.camera_to_world)} frames")
        return self

    def group(self) -> str:
        """Return the scene."""
        return self.scene


class _Placeable(NamedTuple):
    """Answered boxes in frames with a usable camera: their rows, the boxes [R, 9] as written, and cameras [R, 4, 4]."""

    rows: list[int]
    boxes: Floats
    conventions: list[EulerConvention]
    cameras: Floats


class _Rules(NamedTuple):
    """How text becomes a box, and how boxes of answers and truths come to stand in the aligned scan, intrinsic."""

    read: Callable[[str, int], Reading]
    to_scan: Callable[[_Placeable], Floats]
    true_boxes: Callable[[Sequence[GroundingTruth]], Floats]
    reference: bool


def published(items: Sequence[Item[GroundingTruth]], extras: Extras) -> Outcome:
    """Score as the paper's numbers were: strict reading, refused pairs as misses, angles as `_to_scan_as_published`."""
    rules = _Rules(read_grounding_as_reference, _to_scan_as_published, _true_boxes_as_they_stand, reference=True)
    return _score(items, extras, rules)


def corrected(items: Sequence[Item[GroundingTruth]], extras: Extras) -> Outcome:
    """Score with the tolerant reading, exact overlaps, and declared Euler conventions throughout."""
    return _score(items, extras, _Rules(read_grounding, _to_scan, _true_boxes, reference=False))


def inspect(items: Sequence[Item[GroundingTruth]]) -> tuple[str, ...]:
    """Return a warning where the answers look as if their declared Euler convention were not theirs."""
    readings = [read_grounding(item.text, len(item.truth.camera_to_world)) for item in items]
    found = _placeable(items, readings)
    return askew("the answers", found.boxes, found.conventions, found.cameras)


def perfect(truth: GroundingTruth) -> str:
    """Return the true box in the first frame whose camera is known, its angles in the truth's own convention."""
    for frame in range(len(truth.camera_to_world)):
        camera_to_world = _camera(truth, frame)
        if camera_to_world is not None:
            world_to_camera = np.linalg.inv(camera_to_world).astype(np.float64)
            seen = transform(_true_boxes([truth]), world_to_camera)
            rows = seen if truth.euler_convention == "ZXY" else to_extrinsic(seen)
            return format_grounding(frame, as_boxes(rows, [""])[0], decimals=None)
    return ""


def score_range(truths: Sequence[GroundingTruth]) -> Range:
    """An oracle finds every object that a known camera can place and the published overlap accepts."""
    reachable = [
        any(_camera(truth, frame) is not None for frame in range(len(truth.camera_to_world))) for truth in truths
    ]
    accepted = ~refused(rows_of([truth.bbox_3d for truth in truths]))
    share = sum(map(bool, np.array(reachable, dtype=bool) & accepted)) / max(len(truths), 1)
    return Range(dict.fromkeys(HEADLINE, share), dict.fromkeys(HEADLINE, 0.0))


BENCHMARK = Benchmark(
    name="scanrefer",
    title="ScanRefer (validation)",
    dataset="scanrefer",
    split="val",
    truth=GroundingTruth,
    protocols={PUBLISHED: published, CORRECTED: corrected},
    headline=HEADLINE,
    published=tuple(
        Published(name, {"4B": small, "8B": large}, "arXiv 2505.24625v3, Table 1")
        for name, small, large in (
            ("acc@0.25", 0.364, 0.416),
            ("acc@0.5", 0.118, 0.149),
            ("refined acc@0.25", 0.535, 0.576),
            ("refined acc@0.5", 0.475, 0.509),
        )
    ),
    perfect=perfect,
    range=score_range,
    inspect=inspect,
    example=GroundingTruth(
        bbox_3d=(1.2, 2.4, 0.5, 0.6, 0.6, 0.9, 0.0, 0.0, 0.0),
        euler_convention="ZXY",
        camera_to_world=(
            # One frame: a camera 1.5 m above the origin that looks along the scan's y axis.
            ((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, -1.0, 0.0, 1.5), (0.0, 0.0, 0.0, 1.0)),
        ),
        scene="scene0011_00",
        kind="unique",
        visible_frames=(0,),
    ),
    sizes=(9508,),
    differs={
        CORRECTED: "the box is found anywhere in the text, the declared Euler convention holds throughout, and tiny or "
        "far boxes count"
    },
    needs={"proposals": "3D proposals of each scan, for the refined scores that the paper prints in parentheses"},
    boxes_in_text=True,
)


def _score(items: Sequence[Item[GroundingTruth]], extras: Extras, rules: _Rules) -> Outcome:
    readings = [rules.read(item.text, len(item.truth.camera_to_world)) for item in items]
    found = _placeable(items, readings)
    predicted = np.full((len(items), 9), np.nan)  # NaN overlaps nothing
    predicted[found.rows] = rules.to_scan(found)
    lost = sum(reading.status == "ok" for reading in readings) - len(found.rows)
    true = rules.true_boxes([item.truth for item in items])
    overlaps = iou_of_pairs(predicted, true, reference=rules.reference)
    placed = np.isfinite(predicted).all(axis=1)
    counts = {
        "boxes in a frame without a usable camera": lost,
        "boxes without volume": int((placed & without_volume(predicted)).sum()),
        **remarks(readings),
    }
    if rules.reference:
        counts["pairs refused by the published overlap"] = int((placed & (refused(predicted) | refused(true))).sum())
    means = accuracies(overlaps, [item.truth.kind for item in items])
    notes: tuple[str, ...] = ()
    mixed = sum(item.euler_convention != item.truth.euler_convention for item in items)
    if rules.reference and mixed:
        notes = (f"{mixed} answers declare another Euler convention than their truth; the published rules mix them",)
    if extras.proposals is None:
        notes += ("no refined scores: they need proposals of each scan",)
    else:
        refined, missing = _refined(items, predicted, extras.proposals, reference=rules.reference)
        refined_overlaps = iou_of_pairs(refined, true, reference=rules.reference)
        means += accuracies(refined_overlaps, [item.truth.kind for item in items], prefix="refined ")
        counts["samples without proposals of their scan"] = missing
    means += [Mean("mean IoU", "", overlaps, np.ones(len(items), dtype=np.bool_)), *_frame_ceiling(items)]
    return Outcome(tally_of(means), overlaps, tuple(why_unread(reading) for reading in readings), counts, notes)


def _placeable(items: Sequence[Item[GroundingTruth]], readings: Sequence[Reading]) -> _Placeable:
    cameras = [_camera(item.truth, reading.frame) for item, reading in zip(items, readings, strict=True)]
    rows = [row for row, camera in enumerate(cameras) if camera is not None]
    return _Placeable(
        rows,
        as_array([readings[row].boxes[0] for row in rows]),
        [convention_of_answer(items[row]) for row in rows],
        np.array([cameras[row] for row in rows], dtype=np.float64).reshape(-1, 4, 4),
    )


def _to_scan(found: _Placeable) -> Floats:
    # Absurd coordinates may overflow; what is not finite then overlaps nothing.
    with np.errstate(over="ignore", invalid="ignore"):
        return transform(intrinsic(found.boxes, found.conventions), found.cameras)


def _to_scan_as_published(found: _Placeable) -> Floats:
    """Extrinsic angles are moved and written as extrinsic ones again; the overlap then takes these for intrinsic."""
    moved = _to_scan(found)
    old = np.array([convention == "zxy" for convention in found.conventions], dtype=np.bool_)
    moved[old] = to_extrinsic(moved[old])
    return moved


def _true_boxes(truths: Sequence[GroundingTruth]) -> Floats:
    return intrinsic(_true_boxes_as_they_stand(truths), [truth.euler_convention for truth in truths])


def _true_boxes_as_they_stand(truths: Sequence[GroundingTruth]) -> Floats:
    return rows_of([truth.bbox_3d for truth in truths])


def _camera(truth: GroundingTruth, frame: int | None) -> Floats | None:
    """Return camera-to-world [4, 4] of a frame; None if it is unknown, not finite (a lost pose) or mirrored."""
    rows = None if frame is None else truth.camera_to_world[frame]
    if rows is None:
        return None
    matrix = np.array(rows, dtype=np.float64)
    return matrix if is_usable(matrix) else None


def _refined(
    items: Sequence[Item[GroundingTruth]], predicted: Floats, proposals: Mapping[str, Floats], *, reference: bool
) -> tuple[Floats, int]:
    """Return boxes [N, 9] replaced by proposals, and how many samples have no proposals of their scan."""
    rows_by_scene: dict[str, list[int]] = {}
    for row, item in enumerate(items):
        rows_by_scene.setdefault(item.truth.scene, []).append(row)
    refined, missing = predicted.copy(), 0
    for scene, rows in rows_by_scene.items():
        # Proposal files name a scan with its data set, "scannet/scene0011_00".
        names = (scene, f"scannet/{scene}", scene.removeprefix("scannet/"))
        boxes = next((proposals[name] for name in names if name in proposals), None)
        if boxes is None:
            missing += len(rows)
        else:
            refined[rows] = refine(predicted[rows], boxes, reference=reference)
    return refined, missing


def _frame_ceiling(items: Sequence[Item[GroundingTruth]]) -> list[Mean]:
    """Return the share of samples whose object is visible in some frame: the others cannot be found, only guessed."""
    known = np.array([item.truth.visible_frames is not None for item in items], dtype=np.bool_)
    visible = np.array([bool(item.truth.visible_frames) for item in items], dtype=np.float64)
    return [Mean("frame ceiling", "", visible, known)] if known.any() else []
