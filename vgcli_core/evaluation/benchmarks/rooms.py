"""Rooms: procedural rooms with exact truth, all four tasks at once, each scored as its own benchmark scores it.

Grounding is ScanRefer's, detection ScanNet's clips, captions Scan2Cap's, questions VSI-Bench's. A score is named after
its task, "ground acc@0.25". Because boxes and visibility are exact here, grounding also has what an IoU hides: how far
off the centre, the size and the rotation are, apart for each kind of description, for each label, and for objects that
the first frame shows or does not show.

Nothing is published of rooms: "published" are the rules of the published numbers of the four benchmarks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from pydantic import model_validator

from vgcli_core.data.sample import Sample, truth_of
from vgcli_core.evaluation.benchmark import (
    CORRECTED,
    PUBLISHED,
    AnyBenchmark,
    Benchmark,
    Extras,
    Item,
    Outcome,
    Range,
    Truth,
)
from vgcli_core.evaluation.benchmarks import scan2cap, scannet_det, scanrefer, vsi_bench
from vgcli_core.evaluation.benchmarks.scan2cap import Scan2CapTruth
from vgcli_core.evaluation.benchmarks.scannet_det import DetectionTruth
from vgcli_core.evaluation.benchmarks.scanrefer import GroundingTruth, locate
from vgcli_core.evaluation.benchmarks.vsi_bench import VsiBenchTruth
from vgcli_core.evaluation.metrics.grounding import Bools, Mean, accuracies, parts_by, tally_of
from vgcli_core.evaluation.metrics.tally import Tally, median, side_by_side
from vgcli_core.geometry.boxes import Floats
from vgcli_core.geometry.difference import difference
from vgcli_core.text.prompts import Task

BY_TASK: Mapping[Task, AnyBenchmark] = {
    "ground": scanrefer.BENCHMARK,
    "detect": scannet_det.BENCHMARK,
    "caption": scan2cap.BENCHMARK,
    "ask": vsi_bench.BENCHMARK,
}
"""Whose rules score the answers of a task."""

NEAR = 0.35  # metres: a centre error that still points at the object
FARTHEST = 10.0  # metres: larger errors count as this
STEP = 0.01  # metres: how exact the median is
_FIRST = {True: "in the first frame", False: "not in the first frame"}


class RoomsTruth(Truth):
    """The truth of one sample, under the name of its task, in the form of that task's benchmark.

    Attributes:
        ground, detect, caption, ask: one of these.
        description: of grounding, what singles the object out: "unique" (its label), "relational" or "colour".
        label: of grounding, what the object is.
    """

    ground: GroundingTruth | None = None
    detect: DetectionTruth | None = None
    caption: Scan2CapTruth | None = None
    ask: VsiBenchTruth | None = None
    description: str = ""
    label: str = ""

    @model_validator(mode="after")
    def _of_one_task(self) -> Self:
        if sum(getattr(self, task) is not None for task in BY_TASK) != 1:
            raise ValueError(f"give the truth of one task: {', '.join(BY_TASK)}")
        return self

    @property
    def task(self) -> Task:
        """The task of the sample."""
        return next(task for task in BY_TASK if getattr(self, task) is not None)

    @property
    def own(self) -> Truth:
        """The truth in the form of the task's benchmark."""
        found: Truth = getattr(self, self.task)
        return found

    def group(self) -> str:
        """Return the room, which VSI-Bench's group would name with its dataset."""
        return self.own.group() if self.ask is None else self.ask.scene_name


def truth_of_room(sample: Sample) -> dict[str, Any] | None:
    """Return the truth of a prepared sample in the form of RoomsTruth; None for training samples."""
    own = truth_of(sample)
    if own is None:
        return None
    label = sample.info.get("object_name", "").replace("_", " ")
    named = {"description": sample.info.get("description", ""), "label": label}
    return {sample.task: own, **(named if sample.task == "ground" else {})}


def published(items: Sequence[Item[RoomsTruth]], extras: Extras) -> Outcome:
    """Score each task by the first rules of its benchmark."""
    return _score(items, extras, PUBLISHED)


def corrected(items: Sequence[Item[RoomsTruth]], extras: Extras) -> Outcome:
    """Score each task by the corrected rules of its benchmark."""
    return _score(items, extras, CORRECTED)


def inspect(items: Sequence[Item[RoomsTruth]]) -> tuple[str, ...]:
    """Return what the tasks' benchmarks warn of."""
    found = {task: _own([items[place] for place in places]) for task, places in _places(items).items()}
    return tuple(f"{task}: {warning}" for task, own in found.items() for warning in BY_TASK[task].inspect(own))


def perfect(truth: RoomsTruth) -> str:
    """Return what an oracle of the task's benchmark writes."""
    return BY_TASK[truth.task].perfect(truth.own)


def score_range(truths: Sequence[RoomsTruth]) -> Range:
    """Return what the tasks' benchmarks state, under the names that the scores have here."""
    oracle: dict[str, float] = {}
    silent: dict[str, float] = {}
    for task, benchmark in BY_TASK.items():
        own = [truth.own for truth in truths if truth.task == task]
        if own:
            span = benchmark.range(own)
            oracle |= {f"{task} {name}": value for name, value in span.oracle.items()}
            silent |= {f"{task} {name}": value for name, value in span.silent.items()}
    return Range(oracle, silent)


BENCHMARK = Benchmark(
    name="rooms",
    title="Procedural rooms: all tasks, exact truth",
    dataset="rooms",
    split="val",
    truth=RoomsTruth,
    truth_of=truth_of_room,
    protocols={PUBLISHED: published, CORRECTED: corrected},
    headline=("ground acc@0.25", "ground acc@0.5", "detect f1", "caption CIDEr@0.5", "ask average"),
    published=(),
    example=RoomsTruth(ground=scanrefer.BENCHMARK.example, description="unique", label="chair"),
    perfect=perfect,
    range=score_range,
    inspect=inspect,
    differs={CORRECTED: "each task by the corrected rules of its benchmark"},
    units=dict.fromkeys(("ground centre error", "ground median centre error", "ground size error"), "m")
    | {"ground rotation error": "degrees"},
    needs={name: line for benchmark in BY_TASK.values() for name, line in benchmark.needs.items()},
    boxes_in_text=True,
)


def _places(items: Sequence[Item[RoomsTruth]]) -> dict[Task, list[int]]:
    """Return the places of each task's items, for tasks that have some."""
    found: dict[Task, list[int]] = {
        task: [place for place, item in enumerate(items) if item.truth.task == task] for task in BY_TASK
    }
    return {task: places for task, places in found.items() if places}


def _own(items: Sequence[Item[RoomsTruth]]) -> list[Item[Any]]:
    return [Item(item.id, item.text, item.truth.own, item.euler_convention) for item in items]


def _score(items: Sequence[Item[RoomsTruth]], extras: Extras, rules: str) -> Outcome:
    tallies: list[tuple[Tally, Sequence[int]]] = []
    values, unparsed = np.zeros(len(items)), [""] * len(items)
    counts: dict[str, int] = {}
    notes: list[str] = []
    for task, places in _places(items).items():
        members = [items[place] for place in places]
        outcome = BY_TASK[task].protocols[rules](_own(members), extras)
        tallies.append((_named(task, outcome.tally), places))
        if task == "ground":
            tallies += [(_named(task, tally), places) for tally in _errors(members, outcome.values, rules)]
            notes.append(f"ground: an answer without a box counts as {FARTHEST:g} m in the median centre error")
        values[places] = outcome.values
        for place, reason in zip(places, outcome.unparsed, strict=True):
            unparsed[place] = reason
        counts |= {f"{task}: {name}": count for name, count in outcome.counts.items()}
        notes += [f"{task}: {note}" for note in outcome.notes]
    return Outcome(side_by_side(tallies, len(items)), values, tuple(unparsed), counts, tuple(notes))


def _named(task: Task, tally: Tally) -> Tally:
    return replace(tally, metrics=tuple(one._replace(name=f"{task} {one.name}") for one in tally.metrics))


def _errors(items: Sequence[Item[RoomsTruth]], overlaps: Floats, rules: str) -> list[Tally]:
    """Return how far off the boxes are: means over answers with a box, in metres and degrees; and scores of every part.

    The share of centres within NEAR, and the median of centre errors, are over all answers: one without a box is
    farther off than any. Sizes and rotations are compared under the best of a box's 24 axis namings.
    """
    found = locate(_own(items), scanrefer.RULES[rules])
    placed = found.placed
    off = difference(found.predicted[placed], found.true[placed])
    distance, size, turn = (np.full(len(items), FARTHEST) for _ in range(3))
    distance[placed] = np.minimum(off.distance, FARTHEST)
    size[placed] = np.minimum(np.abs(off.size).mean(axis=1), FARTHEST)
    turn[placed] = np.degrees(off.rotation)
    near = (placed & (distance <= NEAR)).astype(np.float64)
    means = []
    parts = {"": np.ones(len(items), dtype=np.bool_)} | _parts(items)
    for of, within in parts.items():
        means += accuracies(overlaps, {of: within}) if of else []  # ScanRefer's rules give those of all
        means += [Mean("centre error", of, distance, within & placed), Mean(f"within {NEAR:g} m", of, near, within)]
    means += [Mean("size error", "", size, placed), Mean("rotation error", "", turn, placed)]
    middle = "median centre error"
    medians = [
        median(middle, distance, step=STEP, largest=FARTHEST, of=of, within=within)
        for of, within in parts.items()
        if not of.startswith("label: ")
    ]
    return [tally_of(means), *medians]


def _parts(items: Sequence[Item[RoomsTruth]]) -> dict[str, Bools]:
    """Return the items of each kind of description, of each label, and those that the first frame does (not) show."""
    truths = [(item.truth, item.truth.own) for item in items]
    shown = [
        "" if not isinstance(own, GroundingTruth) or own.visible_frames is None else _FIRST[0 in own.visible_frames]
        for _, own in truths
    ]
    descriptions = [one.description and f"description: {one.description}" for one, _ in truths]
    labels = [one.label and f"label: {one.label}" for one, _ in truths]
    return parts_by(descriptions) | parts_by(shown) | dict(sorted(parts_by(labels).items()))
