"""The samples of a filmed room: descriptions, captions and questions, through the builders of the real datasets."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from vgcli_core.data import draws
from vgcli_core.data.base import Request, Work
from vgcli_core.data.rooms.between import axis_aligned
from vgcli_core.data.rooms.captions import Caption, caption
from vgcli_core.data.rooms.descriptions import MOST, Description, describe, only_ones
from vgcli_core.data.rooms.film import Film
from vgcli_core.data.rooms.labels import NYU40
from vgcli_core.data.rooms.needs import Needs, needs_of
from vgcli_core.data.rooms.question import Question
from vgcli_core.data.rooms.questions import MOST as MOST_QUESTIONS
from vgcli_core.data.rooms.questions import ask
from vgcli_core.data.rooms.shown import shown
from vgcli_core.data.sample import Sample, Turn, human_turn
from vgcli_core.data.tasks import frame_choice
from vgcli_core.data.tasks.captioning import Captioned, CaptioningRules, caption_samples
from vgcli_core.data.tasks.detection import DetectionRules, detect_samples, windows
from vgcli_core.data.tasks.eval_type import kinds
from vgcli_core.data.tasks.grounding import NOT_SHOWN, REDRAWS, Described, GroundingRules, ground_samples
from vgcli_core.data.tasks.posed import Naming, cameras_of, paths_of
from vgcli_core.errors import UsageError, lookup
from vgcli_core.geometry.boxes import Floats
from vgcli_core.text.prompts import ask_prompt

NAME = "rooms"
NUM_FRAMES = 8

_DETECT = {"detect_4": 4, "detect_6": 6}
TASKS = ("ground", "ground_relational", "caption", *_DETECT, "ask")
_KINDS = {"ground": ("unique",), "ground_relational": ("relational", "colour")}  # of descriptions
_Text = TypeVar("_Text", Description, Caption)
_TOO_SHORT = "film has too few frames for a window"


def tasks_of(request: Request) -> list[str]:
    """Return the tasks that a request names. Raises UsageError, UnknownName."""
    names = [name.strip() for name in str(request.options["tasks"]).split(",") if name.strip()]
    if not names:
        raise UsageError("no task is named", where="options of rooms, tasks", fix=f"known: {', '.join(TASKS)}")
    table = {name: name for name in TASKS}
    return [lookup("task of rooms", table, name) for name in names]


def samples_of(filmed: Film, split: str, request: Request, work: Work) -> Iterator[Sample]:
    """Yield the samples of a filmed room, task by task."""
    name = filmed.room.name
    descriptions = describe(filmed, request.seed, most=_texts(split, request))
    for task in dict.fromkeys(tasks_of(request)):
        made: Iterator[Sample]
        if task in _KINDS:
            chosen = [one for one in descriptions if one.kind in _KINDS[task]]
            described = _described(filmed, chosen, descriptions, request)
            made = ground_samples(filmed.scan, described, _grounding(split, request), work)
        elif task == "caption":
            made = _captions(filmed, descriptions, split, request, work)
        elif task in _DETECT:
            made = _detection(filmed, split, request, work, _DETECT[task])
        else:
            made = _asked(filmed, split, request)
        for sample in made:
            # Two tasks may give one id.
            yield replace(sample, id=f"{name}/{task}/{sample.id.removeprefix(f'{name}/')}")


def _grounding(split: str, request: Request) -> GroundingRules:
    return GroundingRules(
        dataset=NAME,
        split=split,
        training=split == "train",
        num_frames=request.num_frames or NUM_FRAMES,
        choice=request.choice,
        seed=request.seed,
        cameras=_with_cameras(request),
        distinct=not request.options["axis_aligned"],
        answers_in="first" if request.options["answers_in"] == "first" else "shown",
        naming=_naming(request),
        zeros=bool(request.options["zeros"]),
    )


def _captioning(split: str, request: Request) -> CaptioningRules:
    return CaptioningRules(
        dataset=NAME,
        split=split,
        training=split == "train",
        num_frames=request.num_frames or NUM_FRAMES,
        choice=request.choice,
        seed=request.seed,
        cameras=_with_cameras(request),
    )


def _with_cameras(request: Request) -> bool:
    """Say that samples carry cameras, unless the request forbids it: here they are exact."""
    return request.cameras is not False


def _naming(request: Request) -> Naming:
    return "least_rotated" if request.options["naming"] == "least_rotated" else "own"


def _texts(split: str, request: Request) -> int:
    """Return how many descriptions, and how many captions, a thing may have."""
    return int(request.options["texts"]) if split == "train" else MOST


def _described(
    filmed: Film, chosen: Sequence[Description], everything: Sequence[Description], request: Request
) -> list[Described]:
    """Return descriptions under the ids that ScanRefer would give them."""
    kind = _kinds(filmed, everything, request)
    return [
        Described(
            id=f"{one.thing}/{number}",
            text=one.text,
            box=_box(filmed, one.thing, request),
            label=filmed.room.things[one.thing].label,
            kind=kind[one.thing],
            info=_ids(filmed, one.thing, number) | {"description": one.kind, "anchors": list(one.anchors)},
            order=order,
            needs=() if request.options["axis_aligned"] else needs_of(filmed, one),
        )
        for order, (number, one) in enumerate(_numbered(everything))
        if one in chosen
    ]


def _captions(
    filmed: Film, descriptions: Sequence[Description], split: str, request: Request, work: Work
) -> Iterator[Sample]:
    rules = _captioning(split, request)
    if request.options["axis_aligned"]:
        # ScanRefer's descriptions serve both tasks, whatever the frames show.
        captioned = [one for one, _ in _captioned(filmed, descriptions, split, request)]
        return caption_samples(filmed.scan, captioned, rules, work)
    starts: dict[str, int] = {}
    captioned = []
    for one, text in _captioned(filmed, caption(filmed, request.seed, most=_texts(split, request)), split, request):
        # In evaluation all texts of a thing are references: no frames could show what all of them name.
        needs = needs_of(filmed, text if rules.training else Caption(text.thing, text.text))
        start = _start(filmed, one.id, needs, rules)
        if start is None:
            work.drop(NOT_SHOWN)
        else:
            starts[one.id] = start
            captioned.append(one)
    return caption_samples(filmed.scan, captioned, rules, work, lambda one: starts[one.id])


def _start(filmed: Film, name: str, needs: Needs, rules: CaptioningRules) -> int | None:
    """Return a random start from which frames show all that is needed; None where many draws find none."""
    total = len(filmed.scan.frames)
    draw = draws.generator(rules.seed, NAME, rules.split, "captions", filmed.scan.name, name)
    for _ in range(REDRAWS + 1):
        start = draw.randrange(total)
        fixed = rules.choice == "fixed"
        positions = (
            frame_choice.fixed(total, rules.num_frames)
            if fixed
            else frame_choice.cyclic(total, rules.num_frames, start)
        )
        if all(frame_choice.sees(positions, need) for need in needs):
            return start
    return None


def _captioned(filmed: Film, texts: Sequence[_Text], split: str, request: Request) -> Iterator[tuple[Captioned, _Text]]:
    """Yield an object for each text in training, for each thing in evaluation, with the (first) text."""
    kind = _kinds(filmed, texts, request)
    references: dict[int, list[str]] = {}
    for one in texts:
        references.setdefault(one.thing, []).append(one.text)
    order = 0
    for number, one in _numbered(texts):
        if split != "train" and number:
            continue
        box = _box(filmed, one.thing, request)
        captioned = Captioned(
            id=f"{one.thing}/{number}" if split == "train" else str(one.thing),
            text=one.text,
            box=box,
            true_box=box,
            references=tuple(references[one.thing]),
            kind=kind[one.thing],
            info=_ids(filmed, one.thing, number),
            order=order,
        )
        yield captioned, one
        order += 1


def _detection(filmed: Film, split: str, request: Request, work: Work, num_frames: int) -> Iterator[Sample]:
    rules = DetectionRules(
        dataset=NAME,
        split=split,
        training=split == "train",
        num_frames=num_frames,
        interval=int(request.options["interval"]),
        frame_step=1,
        seed=request.seed,
        cameras=_with_cameras(request),
        naming=_naming(request),
        zeros=bool(request.options["zeros"]),
    )
    places = range(len(windows(filmed.scan, rules)))
    if not places:
        work.drop(_TOO_SHORT)
    draw = draws.generator(request.seed, NAME, "windows", filmed.room.name, num_frames)
    chosen = sorted(draw.sample(places, min(int(request.options["windows"]), len(places))))
    return detect_samples(filmed.scan, rules, chosen)


def _asked(filmed: Film, split: str, request: Request) -> Iterator[Sample]:
    """Yield questions about evenly spaced frames: their answers depend on what is seen, and in which order."""
    positions = frame_choice.fixed(len(filmed.scan.frames), request.num_frames or NUM_FRAMES)
    most = int(request.options["questions"]) if split == "train" else MOST_QUESTIONS
    for question in ask(shown(filmed, positions), request.seed, most=most):
        yield Sample(
            id=f"{question.kind}/{question.number}",
            dataset=NAME,
            split=split,
            scene=filmed.room.name,
            task="ask",
            frames=paths_of(filmed.scan, positions),
            conversations=(
                human_turn(ask_prompt(question.text, question.options).text, len(positions)),
                Turn("gpt", question.answer),
            ),
            question_type=question.kind,
            options=question.options,
            cameras=cameras_of(filmed.scan, positions, with_poses=_with_cameras(request)),
            truth=None if split == "train" else _truth(filmed, question),
            target_visible=True if question.things else None,
            info={"things": list(question.things)},
        )


def _truth(filmed: Film, question: Question) -> dict[str, object]:
    truth: dict[str, object] = {
        "question_type": question.kind,
        "ground_truth": question.answer,
        "dataset": NAME,
        "scene_name": filmed.room.name,
    }
    return truth | {"options": list(question.options)} if question.options else truth


def _numbered(texts: Sequence[_Text]) -> Iterator[tuple[int, _Text]]:
    """Yield texts, each with its number among those of its thing."""
    seen: Counter[int] = Counter()
    for one in texts:
        yield seen[one.thing], one
        seen[one.thing] += 1


def _kinds(filmed: Film, descriptions: Sequence[Description] | Sequence[Caption], request: Request) -> dict[int, str]:
    """Return "unique" or "multiple" for each described thing: can its label mean nothing else in the room?

    ScanRefer counts otherwise: within its classes, most of them in one class of "others", and described things only.
    """
    if not request.options["axis_aligned"]:
        alone = only_ones(filmed.room)
        return {one.thing: "unique" if one.thing in alone else "multiple" for one in descriptions}
    keys = {one.thing: ("", str(one.thing), filmed.room.things[one.thing].label) for one in descriptions}
    found = kinds(keys.values(), NYU40)
    return {thing: found[key] for thing, key in keys.items()}


def _ids(filmed: Film, thing: int, number: int) -> dict[str, object]:
    name = filmed.room.things[thing].label.replace(" ", "_")
    return {"object_id": str(thing), "ann_id": str(number), "object_name": name}


def _box(filmed: Film, thing: int, request: Request) -> Floats:
    one = filmed.room.things[thing]
    return axis_aligned(one) if request.options["axis_aligned"] else one.box
