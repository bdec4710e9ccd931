"""3D video detection: short windows of neighbouring frames, and the boxes of all objects that they show.

Source: formats of EmbodiedScan, sections 3 to 5; golden/gen2/README.md, section 4.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from vgcli_core.data import draws
from vgcli_core.data.base import Mode
from vgcli_core.data.sample import FramedBox, Sample, Turn, human_turn
from vgcli_core.data.scan import Scan
from vgcli_core.data.tasks.posed import Naming, boxes_from, camera_to_world, cameras_of, paths_of
from vgcli_core.errors import DataError
from vgcli_core.text.answer_format import format_detection
from vgcli_core.text.prompts import ReferenceFrame, detect_prompt

STRUCTURE = frozenset({"wall", "ceiling", "floor", "object"})  # labels that are never asked for
WINDOWS_OF_A_VALIDATION_SCAN = 10

Window = tuple[int, ...]  # positions in `Scan.frames`


@dataclass(frozen=True, slots=True)
class DetectionRules:
    """How windows become samples.

    Attributes:
        dataset: name that the samples carry.
        split: name that the samples carry.
        training: all windows, without truth; else `per_scan` random ones with their truth.
        num_frames: frames of a window.
        interval: between two frames of a window, in steps of `frame_step`.
        reference_frame: whose camera the boxes are in.
        frame_step: between two neighbouring frames of a scan, in frames of the recording; a larger step is a gap.
        per_scan: windows of a validation scan.
        mode: see `base.Mode`.
        seed: of the choice of windows.
        cameras: samples carry the poses of their frames, not the intrinsics alone.
        naming: of the boxes, see `posed.Naming`.
        zeros: numbers of answers end in zeros where they must, see `answer_format`.
    """

    dataset: str
    split: str
    training: bool
    num_frames: int = 4
    interval: int = 3
    reference_frame: ReferenceFrame = "first"
    frame_step: int = 10
    per_scan: int = WINDOWS_OF_A_VALIDATION_SCAN
    mode: Mode = "corrected"
    seed: int = 0
    cameras: bool = False
    naming: Naming = "own"
    zeros: bool = False


def windows(scan: Scan, rules: DetectionRules) -> list[Window]:
    """Return all windows of a scan in time order; none crosses a gap between its frames.

    A window starts at each frame that has enough frames after it in its run: with "first" as the reference frame those
    of the window, with "last" num_frames * interval, as published, so that a run's last few frames are in no window.
    """
    reach = rules.num_frames * rules.interval
    needed = reach - rules.interval + 1 if rules.reference_frame == "first" else reach
    return [
        tuple(run[start : start + reach : rules.interval])
        for run in _runs(scan, rules.frame_step)
        for start in range(len(run) - needed + 1)
    ]


def choose_windows(scan: Scan, rules: DetectionRules, generator: random.Random | None = None) -> list[int]:
    """Return which windows of a scan become samples, by place in `windows`.

    Args:
        scan: the scan.
        rules: see there.
        generator: one for a whole split, as published, asked in the order of the scans; None for one of the scan's own
            and time order.
    """
    places = range(len(windows(scan, rules)))
    if rules.training or len(places) <= rules.per_scan:
        return list(places)
    if generator is not None:
        return generator.sample(places, rules.per_scan)
    return sorted(draws.generator(rules.seed, rules.dataset, rules.split, scan.name).sample(places, rules.per_scan))


def objects_of(scan: Scan, window: Window) -> list[int]:
    """Return the objects that any frame of the window shows, in order of first appearance, without structure."""
    seen = dict.fromkeys(instance for position in window for instance in scan.frames[position].visible)
    return [instance for instance in seen if scan.instances[instance].label not in STRUCTURE]


def detect_samples(
    scan: Scan, rules: DetectionRules, chosen: Sequence[int] | None = None, *, first: int = 0
) -> Iterator[Sample]:
    """Yield a sample for each chosen window. Windows that show no object are kept, with an empty list as the answer.

    Args:
        scan: the scan.
        rules: see there.
        chosen: places in `windows`; None for `choose_windows`.
        first: place of the first sample among all of the split.
    """
    known = windows(scan, rules)
    places = choose_windows(scan, rules) if chosen is None else chosen
    for order, place in enumerate(places, start=first):
        yield _sample(scan, known[place], place, rules, order)


def _sample(scan: Scan, window: Window, place: int, rules: DetectionRules, order: int) -> Sample:
    last = rules.reference_frame == "last"
    frame = len(window) - 1 if last else 0
    instances = [scan.instances[instance] for instance in objects_of(scan, window)]
    rows = np.array([instance.box for instance in instances], dtype=np.float64).reshape(-1, 9)
    pose = camera_to_world(scan, window[frame])
    boxes = boxes_from(rows, [instance.label for instance in instances], pose, rules.naming)
    truth = {
        "boxes": [{"label": box.label, "bbox_3d": [*box.center, *box.size, *box.angles]} for box in boxes],
        "euler_convention": "ZXY",
        "scene": scan.scene,
    }
    prompt = detect_prompt(2, reference_frame=rules.reference_frame).text
    return Sample(
        id=f"{scan.scene}/{PurePosixPath(scan.frames[window[0]].path).stem}",
        dataset=rules.dataset,
        split=rules.split,
        scene=scan.scene,
        task="detect",
        frames=paths_of(scan, window),
        conversations=(
            human_turn(prompt, len(window), separator="\n", newline="\n"),
            Turn("gpt", format_detection(boxes, zeros=rules.zeros)),
        ),
        boxes=tuple(FramedBox(box, frame) for box in boxes),
        cameras=cameras_of(scan, window, with_poses=rules.cameras),
        truth=None if rules.training else truth,
        info={"window": place, "reference_frame": rules.reference_frame, "order": order},
    )


def _runs(scan: Scan, step: int) -> list[list[int]]:
    """Return the longest runs of positions whose frames follow each other by exactly `step`."""
    runs: list[list[int]] = []
    previous = None
    for position, frame in enumerate(scan.frames):
        number = _number(frame.path)
        if previous is None or number - previous != step:
            runs.append([])
        runs[-1].append(position)
        previous = number
    return runs


def _number(path: str) -> int:
    stem = PurePosixPath(path).stem
    if not stem.isdecimal():
        raise DataError(f"frame {path!r} is not named by its number in the recording", fix="use the owner's names")
    return int(stem)
