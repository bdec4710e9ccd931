"""Captioning: describe the object at a point, given in the camera of the first (or last) frame.

Training takes the point from the true box and one description; evaluation from a proposed box, and all descriptions of
the object are references.

Source: formats of Scan2Cap, section 2; golden/gen2/README.md, section 4.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vgcli_core.data import draws
from vgcli_core.data.base import FrameChoice, Mode
from vgcli_core.data.sample import Sample, Turn, human_turn
from vgcli_core.data.scan import Scan
from vgcli_core.data.tasks import frame_choice
from vgcli_core.data.tasks.grounding import NOT_IN_FRAMES, Report, count_unknown
from vgcli_core.data.tasks.posed import camera_to_world, cameras_of, paths_of, point_from
from vgcli_core.data.tasks.visibility import Match, frames_showing, matches
from vgcli_core.geometry.boxes import Floats
from vgcli_core.text.prompts import ReferenceFrame, caption_prompt


@dataclass(frozen=True)
class Captioned:
    """One object to describe.

    Attributes:
        id: unique within the scan and split; names its sample, and seeds its draw.
        text: the caption to learn; in evaluation a reference, which nobody scores by itself.
        box: [9] that the model is given the centre of, in the aligned scan.
        true_box: [9] the object's true box in the aligned scan.
        iou: of the two.
        references: all descriptions of the object.
        kind: "unique" or "multiple", "" where that is not known.
        info: the owner's ids, kept in the sample.
        order: place among all samples of the split in the published file.
    """

    id: str
    text: str
    box: Floats
    true_box: Floats
    iou: float = 1.0
    references: tuple[str, ...] = ()
    kind: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    order: int = 0


@dataclass(frozen=True, slots=True)
class CaptioningRules:
    """How objects become samples.

    Attributes:
        dataset: name that the samples carry.
        split: name that the samples carry.
        training: without truth; with fixed frames, objects that none of them shows are dropped.
        num_frames: frames of a sample.
        reference_frame: whose camera the point is given in.
        mode: see `base.Mode`.
        choice: see `base.FrameChoice`.
        seed: of all draws.
        cameras: samples carry the poses of their frames, not the intrinsics alone.
    """

    dataset: str
    split: str
    training: bool
    num_frames: int = 32
    reference_frame: ReferenceFrame = "first"
    mode: Mode = "corrected"
    choice: FrameChoice = "cyclic"
    seed: int = 0
    cameras: bool = False


# The random start of one object's frames.
Start = Callable[[Captioned], int]


def caption_samples(
    scan: Scan, captioned: Sequence[Captioned], rules: CaptioningRules, report: Report, start: Start | None = None
) -> Iterator[Sample]:
    """Yield one sample for each object, in their order.

    Args:
        scan: the scan that they are in.
        captioned: objects.
        rules: see there.
        report: is told of objects that give no sample.
        start: where the random start comes from; None for generators seeded by the sample's names.
    """
    drawn = start or seeded_start(scan, rules)
    boxes = np.array([one.true_box for one in captioned], dtype=np.float64).reshape(-1, 9)
    for one, match in zip(captioned, matches(scan, boxes), strict=True):
        total, used = len(scan.frames), []
        if rules.choice == "fixed":
            positions = frame_choice.fixed(total, rules.num_frames)
        else:
            used = [drawn(one)]
            positions = frame_choice.cyclic(total, rules.num_frames, used[0])
        visible = _visible(scan, match, positions)
        if visible is None:
            count_unknown(scan, one.true_box, positions, report)
        if visible is False and rules.choice == "fixed" and rules.training:
            report.drop(NOT_IN_FRAMES)
            continue
        yield _sample(scan, one, positions, rules=rules, visible=visible, starts=used)


def seeded_start(scan: Scan, rules: CaptioningRules) -> Start:
    """Return starts that depend on nothing but the seed and the names of the sample."""

    def start(one: Captioned) -> int:
        generator = draws.generator(rules.seed, rules.dataset, rules.split, scan.name, one.id)
        return next(frame_choice.starts(generator, len(scan.frames), rules.mode))

    return start


def _sample(
    scan: Scan,
    one: Captioned,
    positions: Sequence[int],
    *,
    rules: CaptioningRules,
    visible: bool | None,
    starts: Sequence[int],
) -> Sample:
    reference = positions[0] if rules.reference_frame == "first" else positions[-1]
    point = point_from(one.box, camera_to_world(scan, reference))
    truth = {"references": list(one.references), "iou": one.iou, "scene": scan.scene}
    return Sample(
        id=f"{scan.scene}/{one.id}",
        dataset=rules.dataset,
        split=rules.split,
        scene=scan.scene,
        task="caption",
        frames=paths_of(scan, positions),
        conversations=(
            human_turn(caption_prompt(point).text, len(positions), newline="\n"),
            Turn("gpt", one.text.capitalize()),
        ),
        question_type=one.kind,
        cameras=cameras_of(scan, positions, with_poses=rules.cameras),
        truth=None if rules.training else truth,
        target_visible=visible,
        info={
            **one.info,
            "input_box": one.box.tolist(),
            "gt_box": one.true_box.tolist(),
            "iou": one.iou,
            "point": list(point),
            "reference_frame": rules.reference_frame,
            "starts": list(starts),
            "order": one.order,
        },
    )


def _visible(scan: Scan, match: Match, positions: Sequence[int]) -> bool | None:
    """Tell whether any of the frames shows the object; None where it is none of the scan's objects."""
    return None if match.instance is None else frame_choice.sees(positions, frames_showing(scan, match.instance))
