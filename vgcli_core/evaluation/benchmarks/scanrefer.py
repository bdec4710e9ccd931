"""ScanRefer: locate the described object in a video. Acc@0.25 and Acc@0.5 in the coordinate frame of the aligned scan.

An answer names a frame and gives a box in the coordinate frame of that frame's camera. The frame matters only as that
coordinate frame: any frame will do if the box, moved to the scan, overlaps the true one.

Source: golden/metrics/README.md, section 2; refinement as in arXiv 2505.24625v3, Table 1 (numbers in parentheses).
"""

from collections.abc import Callable, Sequence
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
from vgcli_core.evaluation.metrics.frame_ceiling import frame_ceiling
from vgcli_core.evaluation.metrics.grounding import Bools, Mean, accuracies, parts_by, refine_in_scans, tally_of
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
        visible_frames: positions of the frames in which the object can be seen; None where that is not known.
        in_view_frames: positions of the frames with the box in view of their camera, whatever stands before it.
    """

    bbox_3d: Nine
    euler_convention: EulerConvention
    camera_to_world: tuple[tuple[_Row, _Row, _Row, _Row] | None, ...]
    scene: str
    kind: Literal["unique", "multiple"] | None = None
    visible_frames: tuple[int, ...] | None = None
    in_view_frames: tuple[int, ...] | None = None

    @model_validator(mode="after")
    def _visible_frames_exist(self) -> Self:
        for frame in (*(self.visible_frames or ()), *(self.in_view_frames or ())):
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


class Rules(NamedTuple):
    """How text becomes a box, and how boxes of answers and truths come to stand in the aligned scan, intrinsic."""

    read: Callable[[str, int], Reading]
    to_scan: Callable[[_Placeable], Floats]
    true_boxes: Callable[[Sequence[GroundingTruth]], Floats]
    reference: bool


class Located(NamedTuple):
    """Answers as boxes in the aligned scan.

    Attributes:
        readings: [N].
        predicted: [N, 9]; NaN, which overlaps nothing, where there is no box or no usable camera.
        true: [N, 9].
        lost: how many answered boxes are in a frame without a usable camera.
    """

    readings: list[Reading]
    predicted: Floats
    true: Floats
    lost: int

    @property
    def placed(self) -> Bools:
        """Which predicted boxes [N] there are."""
        return np.asarray(np.isfinite(self.predicted).all(axis=1), dtype=np.bool_)


def published(items: Sequence[Item[GroundingTruth]], extras: Extras) -> Outcome:
    """Score as the paper's numbers were: strict reading, refused pairs as misses, angles as `_to_scan_as_published`."""
    return _score(items, extras, RULES[PUBLISHED])


def corrected(items: Sequence[Item[GroundingTruth]], extras: Extras) -> Outcome:
    """Score with the tolerant reading, exact overlaps, and declared Euler conventions throughout."""
    return _score(items, extras, RULES[CORRECTED])


def locate(items: Sequence[Item[GroundingTruth]], rules: Rules) -> Located:
    """Read answers and move their boxes to the aligned scan."""
    readings = [rules.read(item.text, len(item.truth.camera_to_world)) for item in items]
    found = _placeable(items, readings)
    predicted = np.full((len(items), 9), np.nan)
    predicted[found.rows] = rules.to_scan(found)
    lost = sum(reading.status == "ok" for reading in readings) - len(found.rows)
    return Located(readings, predicted, rules.true_boxes([item.truth for item in items]), lost)


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


def _score(items: Sequence[Item[GroundingTruth]], extras: Extras, rules: Rules) -> Outcome:
    truths = [item.truth for item in items]
    found = locate(items, rules)
    overlaps = iou_of_pairs(found.predicted, found.true, reference=rules.reference)
    counts = {
        "boxes in a frame without a usable camera": found.lost,
        "boxes without volume": int((found.placed & without_volume(found.predicted)).sum()),
        **remarks(found.readings),
    }
    if rules.reference:
        pairs = found.placed & (refused(found.predicted) | refused(found.true))
        counts["pairs refused by the published overlap"] = int(pairs.sum())
    whole = np.ones(len(items), dtype=np.bool_)
    ceiling = frame_ceiling([truth.visible_frames for truth in truths], [truth.in_view_frames for truth in truths])
    parts = {"": whole, **parts_by([truth.kind for truth in truths]), **ceiling.parts}
    means = accuracies(overlaps, parts)
    notes: tuple[str, ...] = ()
    mixed = sum(item.euler_convention != item.truth.euler_convention for item in items)
    if rules.reference and mixed:
        notes = (f"{mixed} answers declare another Euler convention than their truth; the published rules mix them",)
    if extras.proposals is None:
        notes += ("no refined scores: they need proposals of each scan",)
    else:
        scenes = [truth.scene for truth in truths]
        refined, missing = refine_in_scans(found.predicted, scenes, extras.proposals, reference=rules.reference)
        refined_overlaps = iou_of_pairs(refined, found.true, reference=rules.reference)
        means += accuracies(refined_overlaps, parts, prefix="refined ")
        counts["samples without proposals of their scan"] = missing
    means += [Mean("mean IoU", "", overlaps, whole), *ceiling.means]
    unparsed = tuple(why_unread(reading) for reading in found.readings)
    return Outcome(tally_of(means), overlaps, unparsed, counts, notes + ceiling.notes)


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


RULES = {
    PUBLISHED: Rules(read_grounding_as_reference, _to_scan_as_published, _true_boxes_as_they_stand, reference=True),
    CORRECTED: Rules(read_grounding, _to_scan, _true_boxes, reference=False),
}
