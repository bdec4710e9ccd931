"""SQA3D: a question asked from a place in a room. The owner's files, or the ready-made one of the VG-LLM authors.

The ready-made file names the frames of each question. From the owner's files they are chosen as it looks to have been
done there: evenly spaced, from a random offset on, in time order.

Source: formats of SQA3D.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vgcli_core.data import draws
from vgcli_core.data.base import Dataset, Need, Option, Plan, Request, Unit, Work
from vgcli_core.data.raw.json_file import read_json_object
from vgcli_core.data.raw.json_stream import read_records
from vgcli_core.data.raw.rows import BadRow, one_of, text, texts
from vgcli_core.data.sample import Sample, Turn, human_turn
from vgcli_core.data.scan import Scan
from vgcli_core.data.sources import scannet_scans
from vgcli_core.data.sources.published import turns
from vgcli_core.data.tasks import frame_choice
from vgcli_core.data.tasks.posed import cameras_of, paths_of
from vgcli_core.errors import DataError

NAME = "sqa3d"
NUM_FRAMES = 32
TYPES = ("what", "is", "how", "can", "which")  # words that questions start with
OTHER = "others"

_NO_SCAN = "scan is in no EmbodiedScan file"
_NO_ANSWER = "question without an answer"
# What the benchmark can compare.
_ANSWER = re.compile(r"[^\n]*[A-Za-z0-9][^\n]*")
_WORD = re.compile(r"[a-z]+")
# The text of the ready-made file, and what the published evaluation sends in its place.
_STORED = "Carefully watch the video and answer the question using a single word or phrase.\n{}"
_EVALUATED = (
    "Carefully watch the video and answer the question.\n{}\nPlease answer the question using a single word or phrase."
)
_READY = "sqa3d_test_32frame.json"


def ready_made() -> Need:
    """Return the file that the VG-LLM authors publish."""
    return Need(
        "SQA3D questions with frames, as the VG-LLM authors publish them",
        (f"sqa3d/{_READY}", f"evaluation/sqa3d/{_READY}", f"data/evaluation/sqa3d/{_READY}", _READY),
        "the VG-LLM authors",
        "https://huggingface.co/datasets/zd11024/VG-LLM-Data",
        "see the page; CC BY 4.0 as the questions, and the terms of ScanNet",
        "9 MB",
    )


def owners(split: str, what: str) -> Need:
    """Return one of the owner's two files of a split: `what` is "questions" or "sqa_annotations"."""
    name = f"v1_balanced_{what}_{split}_scannetv2.json"
    return Need(
        f"SQA3D {what.replace('sqa_', '')}, {split}",
        (f"sqa3d/{name}", f"sqa3d/sqa_task/balanced/{name}", f"sqa_task/balanced/{name}", name),
        "the SQA3D team",
        "https://zenodo.org/records/7792397",
        "CC BY 4.0, and the terms of ScanNet",
        "20 MB",
    )


@dataclass(frozen=True)
class _Question:
    """One question; `frames` are those that its file names, () where they are to be chosen."""

    id: str
    situation: str
    question: str
    answer: str
    kind: str
    order: int
    qid: int | str
    frames: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Scene:
    """The questions on one scan; the scan is None where all frames are named."""

    name: str
    scan: Scan | DataError | None
    questions: tuple[_Question, ...]


def needs(request: Request) -> list[Need]:
    """Return the questions and the frames; poses where frames are chosen here."""
    found = []
    for split in request.splits:
        if _uses_ready_made(request, split):
            found.append(ready_made())
        else:
            found += [owners(split, "questions"), owners(split, "sqa_annotations")]
            found += map(scannet_scans.embodiedscan, scannet_scans.EVERY_PART)
    return [*dict.fromkeys(found), *scannet_scans.frame_needs(request)]


def plan(request: Request) -> Plan:
    """Return one unit for each scan of each split."""
    units: list[Unit] = []
    drops, counts, notes = {}, {}, []
    inputs: list[Path] = []
    for split in request.splits:
        lost: Counter[str] = Counter()
        if _uses_ready_made(request, split):
            path = ready_made().require(request.raw)
            files, questions = [path], list(_published_questions(path, lost))
            if request.choice == "fixed":
                notes.append(f"the frames of {split} are those that {path.name} names")
        else:
            files = [owners(split, what).require(request.raw) for what in ("questions", "sqa_annotations")]
            questions = list(_owners_questions(files[0], files[1], lost))
        scenes = set(request.wanted(list(dict.fromkeys(scene for scene, _ in questions))))
        wanted = [(scene, one) for scene, one in questions if scene in scenes][: request.limit]
        by_scene: dict[str, list[_Question]] = {}
        for scene, one in wanted:
            by_scene.setdefault(scene, []).append(one)
        scans = scannet_scans.Scans()
        if not _uses_ready_made(request, split):
            scans = scannet_scans.load_scans(request, scannet_scans.EVERY_PART, by_scene)
            files += scans.files
        for scene, own in by_scene.items():
            if not own[0].frames and scene not in scans.by_scene:
                lost[_NO_SCAN] += len(own)
                continue
            frames = len(own) * (request.num_frames or NUM_FRAMES)
            payload = _Scene(scene, scans.by_scene.get(scene), tuple(own))
            units.append(scannet_scans.unit(scans, scene, split, payload, frames))
        counts[split] = {"questions": len(wanted), "scenes": len(by_scene)} | scans.counts
        drops[split] = dict(lost)
        inputs += files
    return Plan(units, drops, counts, tuple(notes), tuple(dict.fromkeys(inputs)))


def build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    """Yield the questions on one scan."""
    planned: _Scene = unit.payload
    scan = None if planned.scan is None else scannet_scans.usable(planned.scan)
    if scan is not None:
        scannet_scans.count_stretch(scan, request.num_frames or NUM_FRAMES, request, work)
    for question in planned.questions:
        if not _ANSWER.fullmatch(question.answer):
            work.drop(_NO_ANSWER)
            continue
        yield from scannet_scans.stored([_sample(unit, scan, question, request)], request, work)


def record(sample: Sample) -> Mapping[str, Any]:
    """Return the sample in the published layout."""
    return {
        "qid": sample.info["qid"],
        "conversations": turns(sample),
        **{key: sample.info[key] for key in ("situation", "question", "answer")},
        "images": list(sample.frames),
        "question_type": sample.question_type,
    }


DATASET = Dataset(
    name=NAME,
    title="SQA3D: questions asked from a place in a room",
    splits=("train", "val", "test"),
    default_splits=("test",),
    needs=needs,
    plan=plan,
    build=build,
    num_frames=NUM_FRAMES,
    published={
        "train": {"samples": 26623},
        "val": {"samples": 3261},
        "test": {"samples": 3519},
    },
    options=(
        Option(
            "annotations",
            "auto",
            "the file with frames that the VG-LLM authors publish (test only), the owner's files, or what is there",
            ("auto", "published", "owner"),
        ),
    ),
    record=record,
    record_file=lambda split, num_frames, *_: f"sqa3d_{split}_{num_frames}frame.json",
    chooses_frames=True,
    whole="about 107,000 frames of 650 scans for all splits, 11 GB, and a tenth of that for test (estimate: 100 "
    "kB each)",
)


def _uses_ready_made(request: Request, split: str) -> bool:
    """Tell whether a split is read from the ready-made file, which has the test split and 32 frames."""
    wish = request.options["annotations"]
    if split != "test" or wish == "owner":
        return False
    fits = request.num_frames in (None, NUM_FRAMES) and request.choice == "cyclic"
    return wish == "published" or (fits and bool(ready_made().find(request.raw)))


def _sample(unit: Unit, scan: Scan | None, question: _Question, request: Request) -> Sample:
    training = unit.split == "train"
    frames, cameras, used = question.frames, None, []
    if scan is not None:
        total, wanted = len(scan.frames), request.num_frames or NUM_FRAMES
        if request.choice == "fixed":
            positions = frame_choice.fixed(total, wanted)
        else:
            generator = draws.generator(request.seed, NAME, unit.split, scan.name, question.id)
            used = [frame_choice.offset(generator, total, wanted)]
            positions = frame_choice.sorted_offset(total, wanted, used[0])
        frames = paths_of(scan, positions)
        with_poses = not training if request.cameras is None else request.cameras
        cameras = cameras_of(scan, positions, with_poses=with_poses)
    asked = _STORED if training or request.mode == "reference" else _EVALUATED
    truth = {"answer": question.answer, "question_type": question.kind, "scene": unit.payload.name}
    return Sample(
        id=question.id,
        dataset=NAME,
        split=unit.split,
        scene=unit.payload.name,
        task="ask",
        frames=frames,
        conversations=(
            human_turn(asked.format(f"{question.situation} {question.question}"), len(frames)),
            Turn("gpt", question.answer),
        ),
        question_type=question.kind,
        cameras=cameras,
        truth=None if training else truth,
        info={
            "qid": question.qid,
            "situation": question.situation,
            "question": question.question,
            "answer": question.answer,
            "starts": used,
            "order": question.order,
        },
    )


def _published_questions(path: Path, lost: Counter[str]) -> Iterator[tuple[str, _Question]]:
    """Yield scene and question of each row of the ready-made file; bad rows are counted by what is wrong with them."""
    for order, entry in enumerate(read_records(path)):
        row = entry.value if isinstance(entry.value, dict) else {}
        try:
            frames = texts(row, "images")
            scenes = {PurePosixPath(frame).parent.name for frame in frames}
            if len(scenes) != 1:
                raise BadRow("images are not of one scan")
            kind = one_of(row, "question_type", (*TYPES, OTHER))
            qid, situation, question, answer = (text(row, key) for key in ("qid", "situation", "question", "answer"))
        except BadRow as error:
            lost[str(error)] += 1
            continue
        yield scenes.pop(), _Question(qid, situation, question, answer, kind, order, row["qid"], frames)


def _owners_questions(questions: Path, annotations: Path, lost: Counter[str]) -> Iterator[tuple[str, _Question]]:
    """Yield scene and question of each annotation of the owner's two files, in the order of the annotations."""
    asked = {row.get("question_id"): row for row in _list(questions, "questions")}
    for order, row in enumerate(_list(annotations, "annotations")):
        try:
            question = asked.get(row.get("question_id"))
            if question is None:
                raise BadRow("annotation without a question")
            answers = row.get("answers")
            first = answers[0] if isinstance(answers, list) and answers else None
            answer = text(first, "answer") if isinstance(first, dict) else ""
            situation, words = text(question, "situation"), text(question, "question")
            scene, name = text(row, "scene_id"), text(row, "question_id")
        except BadRow as error:
            lost[str(error)] += 1
            continue
        yield scene, _Question(name, situation, words, answer, kind_of(words), order, row["question_id"])


def kind_of(question: str) -> str:
    """Return the type of a question: its first word, or "others"."""
    first = _WORD.search(question.lower())
    return first[0] if first is not None and first[0] in TYPES else OTHER


def _list(path: Path, key: str) -> list[dict[str, Any]]:
    rows = read_json_object(path, f"{key} of SQA3D").get(key)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path.name} has no list of {key}", where=str(path), fix="download it again")
    return rows
