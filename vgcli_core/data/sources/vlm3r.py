"""VLM-3R's training questions in the style of VSI-Bench, on ScanNet, ScanNet++ and ARKitScenes.

Source: formats of VLM-3R; golden/gen2/README.md, section 4.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vgcli_core.data import draws
from vgcli_core.data.base import Dataset, Need, Option, Plan, Request, Unit, Work
from vgcli_core.data.raw.json_stream import read_records
from vgcli_core.data.sample import IMAGE, Sample, Turn
from vgcli_core.data.sources import scannet_scans
from vgcli_core.data.sources.published import thousands
from vgcli_core.data.sources.published import turns as published_turns
from vgcli_core.data.tasks import frame_choice
from vgcli_core.errors import DataError

NAME = "vlm3r"
NUM_FRAMES = 32

_BAD_ROW = "entry is no question"
_OTHER_SOURCE = "question of a data source that was not asked for"
_NO_FRAMES = "question of a data source whose frames are not there"
AUTO = "auto"
_NAME = re.compile(r"[\w.-]*\w")  # of a scene: it becomes part of paths
_TURNS = ("human", "gpt")

QUESTIONS = Need(
    "VLM-3R's questions (the folder vsibench_train)",
    ("vlm3r/vsibench_train/*.json", "vsibench_train/*.json", "VLM-3R-DATA/vsibench_train/*.json"),
    "the VLM-3R team",
    "https://huggingface.co/datasets/Journey9ni/VLM-3R-DATA",
    "see the page; the terms of ScanNet, ScanNet++ and ARKitScenes hold for what is asked about",
)

# Where a scene's frames lie, below the raw folder.
_FRAMES: Mapping[str, str] = {
    "scannet": "scannet/posed_images/{scene}/*.jpg",
    "scannetpp": "scannetpp/data/{scene}/dslr/resized_undistorted_images/*.JPG",
    "arkitscenes": "arkitscenes/3dod/Training/{scene}/{scene}_frames/lowres_wide/*.png",
}
SOURCES = tuple(_FRAMES)

_FOLDERS = {
    "scannet": Need(
        "ScanNet frames, extracted: vgllm prepare scannet takes them from recordings",
        ("scannet/posed_images/*/*.jpg",),
        "the ScanNet team",
        "https://kaldir.vc.in.tum.de/scannet/",
        "the ScanNet Terms of Use, signed and sent to scannet@googlegroups.com",
        "1.2 TB of recordings",
        any_of=True,
    ),
    "scannetpp": Need(
        "ScanNet++ photographs, undistorted and resized",
        ("scannetpp/data/*/dslr/resized_undistorted_images/*.JPG",),
        "the ScanNet++ team",
        "https://kaldir.vc.in.tum.de/scannetpp/",
        "the ScanNet++ Terms of Use, by application",
        any_of=True,
    ),
    "arkitscenes": Need(
        "ARKitScenes frames of the 3D object detection part",
        ("arkitscenes/3dod/Training/*/*_frames/lowres_wide/*.png",),
        "Apple",
        "https://github.com/apple/ARKitScenes",
        "the ARKitScenes licence, for research",
        "0.6 TB",
        any_of=True,
    ),
}


@dataclass(frozen=True)
class _Question:
    """One question: its turns, all other fields of the owner, its place among all, and its published start."""

    turns: tuple[tuple[str, str], ...]
    fields: Mapping[str, Any]
    order: int
    start: int | None = None

    @property
    def id(self) -> str:
        return str(self.fields.get("id", self.order))


@dataclass
class _Scene:
    """The questions on one scene of a source."""

    source: str
    scene: str
    questions: list[_Question] = field(default_factory=list)


def needs(request: Request) -> list[Need]:
    """Return the questions and the frames of each source that is asked for; by default those of one source will do."""
    if request.options["data_source"] == AUTO:
        some = bool(_there(request))
        told = " (those of one source will do)"
        return [QUESTIONS, *(replace(need, what=need.what + told, optional=some) for need in _FOLDERS.values())]
    return [QUESTIONS, *(_FOLDERS[source] for source in _wanted_sources(request) if source in _FOLDERS)]


def plan(request: Request) -> Plan:
    """Return one unit for each scene. In reference mode all random starts are drawn here, in order."""
    files = QUESTIONS.find(request.raw) or [QUESTIONS.require(request.raw)]
    sources = _wanted_sources(request)
    absent = [source for source in SOURCES if source not in sources] if request.options["data_source"] == AUTO else []
    lost: Counter[str] = Counter()
    chosen: list[tuple[str, str, _Question]] = []
    counts: Counter[str] = Counter()
    for path in files:
        for record in read_records(path):
            read = _question(record.value, order=sum(counts.values()))
            if read is None:
                lost[_BAD_ROW] += 1
                continue
            if read[0] in sources:
                counts[f"{read[0]} questions"] += 1
                chosen.append(read)
            else:
                lost[_NO_FRAMES if read[0] in absent else _OTHER_SOURCE] += 1
    scenes = set(request.wanted(list(dict.fromkeys(scene for _, scene, _ in chosen))))
    if request.mode == "reference":
        chosen = _with_published_starts(request, chosen)
    units: dict[str, _Scene] = {}
    wanted = [one for one in chosen if one[1] in scenes][: request.limit]
    for source, scene, question in wanted:
        units.setdefault(f"{source}/{scene}", _Scene(source, scene)).questions.append(question)
    num_frames = request.num_frames or NUM_FRAMES
    return Plan(
        [Unit(key, "train", scene, len(scene.questions) * num_frames) for key, scene in units.items()],
        {"train": dict(lost)},
        {"train": {**counts, "questions": len(wanted), "scenes": len(units)}},
        (f"there are no frames of {' and '.join(absent)}: their questions are left out",) if absent else (),
        tuple(files),
    )


def build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    """Yield the questions on one scene."""
    scene: _Scene = unit.payload
    frames = _frames(request, scene.source, scene.scene)
    num_frames = request.num_frames or NUM_FRAMES
    seen: Counter[str] = Counter()
    for question in scene.questions:
        if request.choice == "fixed":
            start = None
            positions = frame_choice.fixed(len(frames), num_frames)
        else:
            start = question.start
            if start is None:
                generator = draws.generator(request.seed, NAME, unit.split, unit.key, question.id, seen[question.id])
                start = generator.randrange(len(frames))
            positions = frame_choice.rotated_spread(len(frames), num_frames, start)
        seen[question.id] += 1
        suffix = f"/{seen[question.id]}" if seen[question.id] > 1 else ""
        yield from scannet_scans.stored(
            [_sample(unit, question, [frames[position] for position in positions], suffix=suffix, start=start)],
            request,
            work,
        )


def record(sample: Sample) -> Mapping[str, Any]:
    """Return the sample in the published layout: the owner's fields but for the video, and the frames."""
    return {**sample.info["fields"], "conversations": published_turns(sample), "images": list(sample.frames)}


def check(request: Request) -> None:
    """Refuse sources that are not known. In reference mode they select nothing, as published."""
    unknown = [source for source in _wanted_sources(request) if source not in SOURCES]
    if unknown and request.mode == "corrected":
        raise DataError(f"unknown data source {unknown[0]!r}", fix=f"known: {', '.join(SOURCES)}")


def record_file(split: str, num_frames: int, count: int, request: Request) -> str:
    """Return the name that the published generator gives a file: sources as they were asked for, frames, thousands."""
    wish = str(request.options["data_source"])
    sources = ",".join(_wanted_sources(request)) if wish == AUTO else wish
    return f"vlm_3r_{sources}_{num_frames}f_{thousands(count)}.json"


DATASET = Dataset(
    name=NAME,
    title="VLM-3R: spatial questions in the style of VSI-Bench",
    splits=("train",),
    default_splits=("train",),
    needs=needs,
    plan=plan,
    build=build,
    num_frames=NUM_FRAMES,
    options=(
        Option(
            "data_source",
            AUTO,
            f"sources of the questions, with commas between them, of {', '.join(SOURCES)}; auto takes those whose "
            "frames are there",
        ),
    ),
    record=record,
    record_file=record_file,
    chooses_frames=True,
    check=check,
    whole="all frames of the scenes asked about: of ScanNet about 198,000, 20 GB (estimate: 1,201 scans, 100 kB "
    "a frame); how many questions there are is not published",
)


def _there(request: Request) -> list[str]:
    """Return the sources whose frames are there."""
    return [source for source, need in _FOLDERS.items() if need.find(request.raw)]


def _wanted_sources(request: Request) -> list[str]:
    """Return the sources asked for. The published script splits at commas only, which makes its own default nothing."""
    text = str(request.options["data_source"])
    if text == AUTO:
        return _there(request)
    return text.split(",") if request.mode == "reference" else [one for one in re.split(r"[,+\s-]+", text) if one]


def _question(row: Any, order: int) -> tuple[str, str, _Question] | None:
    """Return source, scene and question of an entry; None for one that is no question."""
    if not isinstance(row, dict):
        return None
    source, scene, talk = row.get("data_source"), row.get("scene_name"), row.get("conversations")
    if not (isinstance(source, str) and isinstance(scene, str) and _NAME.fullmatch(scene) and isinstance(talk, list)):
        return None
    said = [(one.get("from"), one.get("value")) for one in talk if isinstance(one, dict)]
    turns = tuple((who, text) for who, text in said if who in _TURNS and isinstance(text, str))
    if len(turns) != len(talk) or not turns or turns[0][0] != "human":
        return None
    fields = {key: value for key, value in row.items() if key not in ("video", "conversations")}
    return source, scene, _Question(turns, fields, order)


def _with_published_starts(
    request: Request, questions: Sequence[tuple[str, str, _Question]]
) -> list[tuple[str, str, _Question]]:
    """Draw all starts from one generator, in order; a scene without frames draws none, and fails when it is built."""
    generator = random.Random(draws.REFERENCE_SEED)  # noqa: S311 no secrets are drawn
    totals: dict[tuple[str, str], int] = {}
    drawn = []
    for source, scene, question in questions:
        if (source, scene) not in totals:
            totals[source, scene] = len(_list(request, source, scene))
        total = totals[source, scene]
        start = generator.randint(0, total - 1) if total else None
        drawn.append((source, scene, _Question(question.turns, question.fields, question.order, start)))
    return drawn


def _sample(unit: Unit, question: _Question, frames: Sequence[str], *, suffix: str, start: int | None) -> Sample:
    (_, first), *others = question.turns
    asked = Turn("human", IMAGE * len(frames) + first.replace(IMAGE, ""))
    kind = question.fields.get("question_type")
    return Sample(
        id=f"{unit.key}/{question.id}{suffix}",
        dataset=NAME,
        split=unit.split,
        scene=unit.payload.scene,
        task="ask",
        frames=tuple(frames),
        conversations=(asked, *(Turn("human" if who == "human" else "gpt", text) for who, text in others)),
        question_type=kind if isinstance(kind, str) else "",
        info={"fields": dict(question.fields), "starts": [] if start is None else [start], "order": question.order},
    )


def _list(request: Request, source: str, scene: str) -> list[str]:
    """Return the paths of a scene's frames relative to the raw folder, sorted as text."""
    found = request.raw.glob(_FRAMES[source].format(scene=scene))
    return sorted(path.relative_to(request.raw).as_posix() for path in found)


def _frames(request: Request, source: str, scene: str) -> list[str]:
    frames = _list(request, source, scene)
    if not frames:
        folder = Path(_FRAMES[source].format(scene=scene)).parent
        fix = "put its frames there" + (
            ": vgllm prepare scannet takes them from recordings" if source == "scannet" else ""
        )
        raise DataError(f"no frames of {source}/{scene}", where=str(request.raw / folder), fix=fix)
    return frames
