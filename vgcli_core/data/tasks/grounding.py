"""Video grounding: find a described object, as a frame and a box in that frame's camera.

Training takes two choices of frames for each description. Each is drawn until a frame shows the object; the answer is
the frame in which the object stands largest, and the object's true box in the camera of that frame; or always the first
frame, which need not show it. Evaluation takes one choice, whatever it shows. Drops count samples: those of a
description that cannot be used are all lost.

Source: formats of ScanRefer, section 4; golden/gen2/README.md, section 4.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from vgcli_core.data import draws
from vgcli_core.data.base import FrameChoice, Mode
from vgcli_core.data.sample import FramedBox, Sample, Turn, human_turn
from vgcli_core.data.scan import Scan
from vgcli_core.data.tasks import frame_choice
from vgcli_core.data.tasks.posed import Naming, boxes_from, camera_to_world, cameras_of, paths_of
from vgcli_core.data.tasks.visibility import Match, areas, frames_showing, in_view, matches
from vgcli_core.geometry.boxes import Floats
from vgcli_core.text.answer_format import format_grounding
from vgcli_core.text.prompts import ground_prompt

TRAINING_DRAWS = 2  # choices of frames for each description
REDRAWS = 20  # further tries to show the object
UNMATCHED = "no object of the scan overlaps the described box by half"
UNSEEN = "described object is visible in no frame of the scan"
NOT_IN_FRAMES = "described object is visible in none of the fixed frames"
NO_AREA = "described object has no clear view in the chosen frames"
NOT_SHOWN = "no choice of frames shows the described object and what it is compared with"
SAME_FRAMES = "all choices of frames that show the described object are one"
UNKNOWN = "targets whose visibility no file states"
IN_VIEW = f"{UNKNOWN}, with their box in view of a chosen frame (occlusion ignored)"

# The frame that an answer names, and whose camera its box is in: where the object stands largest, or always the first.
AnswersIn = Literal["shown", "first"]


class Report(Protocol):
    """What builders of samples report to: a `Work`."""

    def drop(self, reason: str, count: int = 1) -> None:
        """Count items that become no sample, and why."""

    def count(self, name: str, count: int = 1) -> None:
        """Count something else."""


@dataclass(frozen=True)
class Described:
    """One description of one object.

    Attributes:
        id: unique within the scan and split; names its samples, and seeds their draws.
        text: the description.
        box: [9] the object's true box in the aligned scan.
        label: what the object is.
        kind: "unique" or "multiple", "" where that is not known.
        info: the owner's ids, kept in the sample.
        order: place among all descriptions of the split in the published file.
        needs: sets of positions in `Scan.frames`; the frames of its samples must have one of each set. Where nothing is
            needed, as published, training alone must show the object.
    """

    id: str
    text: str
    box: Floats
    label: str = ""
    kind: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    order: int = 0
    needs: tuple[frozenset[int], ...] = ()


@dataclass(frozen=True, slots=True)
class GroundingRules:
    """How descriptions become samples.

    Attributes:
        dataset: name that the samples carry.
        split: name that the samples carry.
        training: two choices of frames with an answer each; else one without an answer, but with its truth.
        num_frames: frames of a sample.
        mode: see `base.Mode`.
        choice: see `base.FrameChoice`; fixed frames give one training sample, because two would be equal.
        seed: of all draws.
        cameras: samples carry the poses of their frames, not the intrinsics alone; evaluation needs them.
        distinct: choices of frames for one description differ; published ones may be equal.
        answers_in: see `AnswersIn`.
        naming: see `posed.Naming`.
        zeros: numbers of answers end in zeros where they must, see `answer_format`.
    """

    dataset: str
    split: str
    training: bool
    num_frames: int = 32
    mode: Mode = "corrected"
    choice: FrameChoice = "cyclic"
    seed: int = 0
    cameras: bool = False
    distinct: bool = False
    answers_in: AnswersIn = "shown"
    naming: Naming = "own"
    zeros: bool = False


# Random starts for one choice of frames: description, number of the choice -> starts, as many as are asked for.
Starts = Callable[[Described, int], Iterator[int]]


class Chosen(NamedTuple):
    """Frames of a sample: positions in `Scan.frames`, and the random starts that were drawn until they showed it."""

    positions: list[int]
    starts: list[int]


def samples_of_description(rules: GroundingRules) -> int:
    """Return how many samples each description gives, or loses."""
    return TRAINING_DRAWS if rules.training and rules.choice == "cyclic" else 1


def ground_samples(
    scan: Scan, described: Sequence[Described], rules: GroundingRules, report: Report, starts: Starts | None = None
) -> Iterator[Sample]:
    """Yield the samples of a scan's descriptions, in their order.

    Args:
        scan: the scan that they are about.
        described: descriptions.
        rules: see there.
        report: is told how many samples are lost, and why.
        starts: where random starts come from; None for generators seeded by the names of sample and draw.
    """
    drawn = starts or seeded_starts(scan, rules)
    boxes = np.array([one.box for one in described], dtype=np.float64).reshape(-1, 9)
    for one, match in zip(described, matches(scan, boxes), strict=True):
        if rules.training:
            yield from _training_samples(scan, one, match, rules=rules, report=report, starts=drawn)
        else:
            yield from _evaluation_sample(scan, one, match, rules=rules, report=report, starts=drawn)


def seeded_starts(scan: Scan, rules: GroundingRules) -> Starts:
    """Return starts that depend on nothing but the seed and the names of sample and draw."""

    def starts(one: Described, draw: int) -> Iterator[int]:
        generator = draws.generator(rules.seed, rules.dataset, rules.split, scan.name, one.id, draw)
        return frame_choice.starts(generator, len(scan.frames), rules.mode)

    return starts


def published_starts(scan: Scan, match: Match, rules: GroundingRules, generator: random.Random) -> list[list[int]]:
    """Draw from one generator for a whole split, as published, and return the starts of each choice of frames.

    Calls for all descriptions must follow in published order.
    """
    drawn = frame_choice.starts(generator, len(scan.frames), rules.mode)
    if not rules.training:
        return [[next(drawn)]]
    if match.instance is None:
        return []
    seen = frames_showing(scan, match.instance)
    return [choose_frames(scan, seen, drawn, rules).starts for _ in range(TRAINING_DRAWS)]


def choose_frames(
    scan: Scan,
    seen: frozenset[int],
    starts: Iterator[int],
    rules: GroundingRules,
    fits: Callable[[list[int]], bool] = lambda positions: True,
) -> Chosen:
    """Choose frames, one of which shows the object if any frame does.

    Args:
        scan: the scan.
        seen: positions of the frames that show the object.
        starts: random starts.
        rules: in reference mode the last redraw is not looked at, as published, so that its frames may be given up
            although they show the object, and a frame may then appear twice.
        fits: what else the frames are redrawn for. Where no draw fits, the last one is returned.
    """
    total, used = len(scan.frames), []
    for attempt in range(REDRAWS + 1):
        used.append(next(starts))
        positions = frame_choice.cyclic(total, rules.num_frames, used[-1])
        looked_at = attempt < REDRAWS or rules.mode == "corrected"
        if looked_at and frame_choice.sees(positions, seen) and fits(positions):
            return Chosen(positions, used)
    if rules.mode == "corrected" and frame_choice.sees(positions, seen):
        return Chosen(positions, used)
    found = [*positions[:-1], *sorted(seen)[:1]]
    if rules.mode == "reference":
        return Chosen(sorted(found, key=lambda position: scan.frames[position].path), used)
    return Chosen(sorted(found), used)


def count_unknown(scan: Scan, box: Floats, positions: Sequence[int], report: Report) -> list[int]:
    """Count a target [9] that is none of the scan's objects: nobody says which frames show it, its box says which may.

    EmbodiedScan's test part, which ScanRefer's and Scan2Cap's validation scans are in, lists no objects. Returns the
    places in `positions` of the frames with the box in view.
    """
    places = in_view(scan, box, positions)
    report.count(UNKNOWN)
    report.count(IN_VIEW, bool(places))
    return places


def _training_samples(
    scan: Scan, one: Described, match: Match, *, rules: GroundingRules, report: Report, starts: Starts
) -> Iterator[Sample]:
    if match.instance is None:
        report.drop(UNMATCHED, samples_of_description(rules))
        return
    seen = frames_showing(scan, match.instance)
    if rules.choice == "fixed":
        positions = frame_choice.fixed(len(scan.frames), rules.num_frames)
        if not frame_choice.sees(positions, seen):
            report.drop(NOT_IN_FRAMES if seen else UNSEEN)
            return
        if not _shows(positions, one.needs):
            report.drop(NOT_SHOWN)
            return
        choices = [Chosen(positions, [])]
    elif not seen and rules.mode == "corrected":
        report.drop(UNSEEN, TRAINING_DRAWS)
        return
    else:
        choices = _choices(scan, one, seen, rules=rules, report=report, starts=starts)
    for draw, chosen in enumerate(choices):
        candidates = [place for place, position in enumerate(chosen.positions) if position in seen]
        sizes = areas(
            scan, scan.instances[match.instance].box, [chosen.positions[place] for place in candidates], rules.mode
        )
        if not sizes or max(sizes) <= 0:
            report.drop(NO_AREA)
            continue
        frame = 0 if rules.answers_in == "first" else candidates[int(np.argmax(sizes))]
        pose = camera_to_world(scan, chosen.positions[frame])
        box = boxes_from(one.box[None], [one.label], pose, rules.naming)[0]
        yield Sample(
            id=f"{scan.scene}/{one.id}/{draw}",
            dataset=rules.dataset,
            split=rules.split,
            scene=scan.scene,
            task="ground",
            frames=paths_of(scan, chosen.positions),
            conversations=_conversation(one, len(chosen.positions), format_grounding(frame, box, zeros=rules.zeros)),
            question_type=one.kind,
            boxes=(FramedBox(box, frame),),
            cameras=cameras_of(scan, chosen.positions, with_poses=rules.cameras),
            target_visible=True,
            info={
                **one.info,
                "gt_bbox": one.box.tolist(),
                "instance": match.instance,
                "iou": match.best,
                "areas": sizes,
                "starts": chosen.starts,
                "order": one.order * TRAINING_DRAWS + draw,
            },
        )


def _choices(
    scan: Scan, one: Described, seen: frozenset[int], *, rules: GroundingRules, report: Report, starts: Starts
) -> list[Chosen]:
    """Return the choices of frames for one description; those that lack what it needs are dropped."""
    choices: list[Chosen] = []
    for draw in range(TRAINING_DRAWS):
        taken = [chosen.positions for chosen in choices] if rules.distinct else []

        def fits(positions: list[int], taken: Sequence[list[int]] = taken) -> bool:
            return positions not in taken and _shows(positions, one.needs)

        chosen = choose_frames(scan, seen, starts(one, draw), rules, fits)
        if not _shows(chosen.positions, one.needs):
            report.drop(NOT_SHOWN)
        elif chosen.positions in taken:
            report.drop(SAME_FRAMES)
        else:
            choices.append(chosen)
    return choices


def _shows(positions: Sequence[int], needs: Sequence[frozenset[int]]) -> bool:
    return all(frame_choice.sees(positions, need) for need in needs)


def _evaluation_sample(
    scan: Scan, one: Described, match: Match, *, rules: GroundingRules, report: Report, starts: Starts
) -> Iterator[Sample]:
    used: list[int] = []
    if rules.choice == "fixed":
        positions = frame_choice.fixed(len(scan.frames), rules.num_frames)
    else:
        drawn = starts(one, 0)
        for _ in range(REDRAWS + 1):
            used.append(next(drawn))
            positions = frame_choice.cyclic(len(scan.frames), rules.num_frames, used[-1])
            if _shows(positions, one.needs):
                break
    if not _shows(positions, one.needs):
        report.drop(NOT_SHOWN)
        return
    truth: dict[str, Any] = {"bbox_3d": one.box.tolist(), "euler_convention": "ZXY", "scene": scan.scene}
    if one.kind:
        truth["kind"] = one.kind
    visible = None
    if match.instance is None:
        truth["in_view_frames"] = count_unknown(scan, one.box, positions, report)
    else:
        seen = frames_showing(scan, match.instance)
        truth["visible_frames"] = [place for place, position in enumerate(positions) if position in seen]
        visible = bool(truth["visible_frames"])
    yield Sample(
        id=f"{scan.scene}/{one.id}",
        dataset=rules.dataset,
        split=rules.split,
        scene=scan.scene,
        task="ground",
        frames=paths_of(scan, positions),
        conversations=_conversation(one, len(positions), ""),
        question_type=one.kind,
        cameras=cameras_of(scan, positions),
        truth=truth,
        target_visible=visible,
        info={**one.info, "gt_bbox": one.box.tolist(), "iou": match.best, "starts": used, "order": one.order},
    )


def _conversation(one: Described, num_frames: int, answer: str) -> tuple[Turn, Turn]:
    return human_turn(ground_prompt(one.text, 2).text, num_frames, newline="\n", names=0), Turn("gpt", answer)
