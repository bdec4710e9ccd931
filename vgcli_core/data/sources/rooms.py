"""Procedural rooms: every task of the real datasets with exact truth, from a seed and nothing else.

A unit is one room: it is filmed once, and the builders of the real datasets make its samples. Boxes, cameras and
visibility are exact. Validation and test samples carry truths in the forms of the benchmarks scanrefer, scan2cap,
scannet_det and vsi_bench.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import PurePosixPath

from vgcli_core.data.base import Dataset, Need, Option, Plan, Request, Unit, Work
from vgcli_core.data.rooms.descriptions import MOST
from vgcli_core.data.rooms.film import film
from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.options import FIRST, ROOMS, numbers_of, setting_options, settings_of
from vgcli_core.data.rooms.presets import PRESETS
from vgcli_core.data.rooms.questions import MOST as MOST_QUESTIONS
from vgcli_core.data.rooms.samples import NAME, NUM_FRAMES, TASKS, samples_of, tasks_of
from vgcli_core.data.rooms.truth import truth_of
from vgcli_core.data.sample import Sample
from vgcli_core.data.scene_truth import to_bytes, truth_path
from vgcli_core.errors import UsageError


def needs(request: Request) -> Sequence[Need]:
    """Return nothing: rooms are made."""
    return ()


def plan(request: Request) -> Plan:
    """Return one unit for each room. A limit is shared out among the rooms, since nobody knows yet what they give."""
    settings = settings_of(request.options)
    units = []
    counts = {}
    for split in request.splits:
        numbers = numbers_of(request, split)
        if request.limit is not None:
            numbers = numbers[: request.limit]
        for place, number in enumerate(numbers):
            quota = None
            if request.limit is not None:
                quota = request.limit // len(numbers) + (place < request.limit % len(numbers))
            units.append(Unit(f"room_{number:06d}", split, (number, quota), settings.num_frames))
        counts[split] = {"rooms": len(numbers)}
    return Plan(units, counts=counts)


def build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    """Yield the samples of one room, each after its frames were stored."""
    number, quota = unit.payload
    filmed = film(make_room(request.seed, number, settings_of(request.options)))
    if request.options["truth"]:
        work.file(truth_path(filmed.scan.frames[0].path), to_bytes(truth_of(filmed)))
    for sample in islice(samples_of(filmed, unit.split, request, work), quota):
        work.count(f"{sample.task} samples")
        if request.with_frames:
            for path in sample.frames:
                work.frame(path, filmed.jpegs[int(PurePosixPath(path).stem)])
        yield sample


def check(request: Request) -> None:
    """Refuse settings that no room can have, and unknown tasks."""
    settings_of(request.options)
    tasks_of(request)
    for name in ("interval", "windows", "texts", "questions"):
        if int(request.options[name]) < 1:
            raise UsageError(f"{name} is {request.options[name]}", where="options of rooms", fix="give at least 1")


DATASET = Dataset(
    name=NAME,
    title="Procedural rooms: all tasks, exact truth, no input",
    splits=tuple(FIRST),
    default_splits=("train", "val"),
    needs=needs,
    plan=plan,
    build=build,
    num_frames=NUM_FRAMES,
    options=(
        ROOMS,
        Option("preset", "none", "values of many options at once; what is set beside it stands", ("none", *PRESETS)),
        Option("tasks", ",".join(TASKS), f"what to make, with commas between them: {', '.join(TASKS)}"),
        Option(
            "axis_aligned",
            False,
            "as ScanRefer has it: boxes to ground and caption lie along the walls, kinds by class, the same texts for "
            "both, and frames need show nothing but the object",
        ),
        Option("interval", 3, "frames of the film from one frame of a detection window to the next"),
        Option("windows", 4, "detection windows of each room and length"),
        Option("texts", MOST, "descriptions, and captions, of each object in training"),
        Option("questions", MOST_QUESTIONS, "questions of each kind about a film in training"),
        Option(
            "answers_in",
            "shown",
            "frame that answers of grounding in training name, with the box in its camera: the one that shows the "
            "object largest, or always the first, which need not show it",
            ("shown", "first"),
        ),
        Option(
            "naming",
            "own",
            "axes of the boxes in answers: those of the object, or whichever of its edges need the least rotation from "
            "the camera's axes",
            ("own", "least_rotated"),
        ),
        Option(
            "zeros", False, "all numbers of boxes in answers have two decimals: 0.50, where published files say 0.5"
        ),
        Option("truth", False, "store depth, objects and cameras of all frames, to pre-train encoders on"),
        *setting_options(),
    ),
    presets=PRESETS,
    frame_bytes=12_000,
    chooses_frames=True,
    check=check,
)
