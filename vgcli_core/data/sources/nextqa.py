"""NExT-QA: why and how things happen in a video; multiple choice and, in splits `oe_*`, open ended.

Two layouts are read: the hub folder (parquets in `MC` and `OE`, one zip of videos), and the authors' own (csv files,
and videos in the nested folders that `map_vid_vidorID.json` names).

Source: the dataset card of lmms-lab/NExTQA; prompts of lmms-eval 0.7.3 (formats of NExT-QA). The instruction at the end
of multiple choice is that of older versions, which the paper's numbers may have had; `--set instruction=none` leaves it
out, as the current one does.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vgcli_core.data.base import Dataset, Need, Option, Plan, Request, Unit, Work
from vgcli_core.data.raw.hub_media import Library, hub_folder, is_plain, open_library, places
from vgcli_core.data.raw.reading import reading
from vgcli_core.data.raw.rows import BadRow, Row, one_of, optional_text, read_table, text, whole
from vgcli_core.data.sample import Sample, Turn, human_turn
from vgcli_core.data.videos import NUM_FRAMES, OPTIONS, VideoJob, plan_videos, store_frames
from vgcli_core.errors import DataError

FOLDERS = ("nextqa", "NExTQA")
TYPES = ("CW", "CH", "TN", "TC", "TP", "DB", "DC", "DL", "DO")
LETTERS = "ABCDE"

# Split -> places of its table below the dataset's folder.
TABLES = {
    "test": ("MC/test-*.parquet", "MC/test.csv", "test.csv"),
    "val": ("MC/val*.parquet", "MC/val.csv", "val.csv"),
    "train": ("MC/train-*.parquet", "MC/train.csv", "train.csv"),
    "oe_test": ("OE/test-*.parquet", "OE/test.csv"),
    "oe_val": ("OE/val*.parquet", "OE/val.csv"),
    "oe_train": ("OE/train-*.parquet", "OE/train.csv"),
}

_CHOOSE = "\nAnswer with the option's letter from the given choices directly."
_SAY = "\nAnswer a question using a short phrase or sentence."
_MAP = ("map_vid_vidorID.json", "MC/map_vid_vidorID.json", "OE/map_vid_vidorID.json")
_URL = "https://huggingface.co/datasets/lmms-lab/NExTQA"
_OWNER = "the authors of NExT-QA"
_TERMS = "see the page"
_VIDEO_TERMS = "see the page; the videos are those of VidOR and belong to their makers"


@dataclass(frozen=True, slots=True)
class Question:
    """One question, blanks at its ends stripped; with five options, or () where it is open ended.

    `answer` is the letter of an option, or the words; `more` a second accepted answer in words.
    """

    id: str
    kind: str
    text: str
    options: tuple[str, ...]
    answer: str
    more: str = ""


def prompt(question: Question, *, instruction: bool) -> str:
    """Return what follows the frames; `instruction` asks for a letter. Questions have no question mark in the data."""
    if not question.options:
        return f"{question.text}{_SAY}"
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, question.options, strict=True)]
    return "\n".join((question.text, *lines)) + (_CHOOSE if instruction else "")


def _needs(request: Request) -> Sequence[Need]:
    tables = [
        Need(f"NExT-QA questions, {split}", places(FOLDERS, TABLES[split]), _OWNER, _URL, _TERMS, "10 MB")
        for split in request.splits
    ]
    videos = places(FOLDERS, ("videos.zip", "NExTVideo/**/*.mp4", "videos/**/*.mp4"))
    return (*tables, Need("NExT-QA videos", videos, _OWNER, _URL, _VIDEO_TERMS, "6.5 GB", any_of=True))


def _plan(request: Request) -> Plan:
    needs = _needs(request)
    for need in needs:
        need.require(request.raw)
    tables = {split: need.find(request.raw) for split, need in zip(request.splits, needs, strict=False)}
    splits = {split: _rows(found, split) for split, found in tables.items()}
    read = tuple(table for found in tables.values() for table in found)
    return replace(plan_videos(request, _library(request), splits), inputs=read)


def _rows(tables: Sequence[Path], split: str) -> Iterator[tuple[str, Question] | BadRow]:
    return (_read(row, split) for table in tables for row in read_table(table))


def _build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    job: VideoJob[Question] = unit.payload
    footage = store_frames(job, "nextqa", request, work)
    instruction = request.options["instruction"] == "letter"
    for question in job.questions:
        work.count(question.kind)
        yield Sample(
            id=question.id,
            dataset="nextqa",
            split=unit.split,
            scene=job.name,
            task="ask",
            frames=footage.names,
            conversations=(
                human_turn(prompt(question, instruction=instruction), len(footage.names)),
                Turn("gpt", question.answer),
            ),
            question_type=question.kind,
            options=question.options,
            truth=None if unit.split.endswith("train") else _truth(job.name, question),
            info=footage.info,
        )


DATASET = Dataset(
    name="nextqa",
    title="NExT-QA: why and how things happen in a video",
    splits=tuple(TABLES),
    default_splits=("test",),
    needs=_needs,
    plan=_plan,
    build=_build,
    num_frames=NUM_FRAMES,
    # The sizes of train and val were not re-read from the files.
    published={"test": {"samples": 8564, "videos": 1000}, "val": {"samples": 4996}, "train": {"samples": 34132}},
    options=(
        *OPTIONS,
        Option("instruction", "letter", "end multiple choice by asking for the letter, or not", ("letter", "none")),
    ),
    whole="32,000 frames of 1,000 videos for test, 3.2 GB (estimate: 100 kB each)",
)


def _truth(video: str, question: Question) -> dict[str, Any]:
    common = {"video": video, "type": question.kind}
    if question.options:
        options = {f"a{place}": option for place, option in enumerate(question.options)}
        return {**common, "answer": LETTERS.index(question.answer), **options}
    more = {"additional_ref_answer": question.more} if question.more else {}
    return {**common, "answer": question.answer, **more}


def _read(row: Row, split: str) -> tuple[str, Question] | BadRow:
    try:
        video, kind, asked = text(row, "video"), one_of(row, "type", TYPES), text(row, "question").strip()
        name = f"{video}_{text(row, 'qid')}"
        if split.startswith("oe_"):
            answer, more = text(row, "answer").strip(), optional_text(row, "additional_ref_answer").strip()
            return video, Question(name, kind, asked, (), answer, more)
        answer_place = whole(row, "answer")
        if answer_place not in range(len(LETTERS)):
            raise BadRow("answer is none of the options")
        options = tuple(text(row, f"a{place}").strip() for place in range(len(LETTERS)))
        return video, Question(name, kind, asked, options, LETTERS[answer_place])
    except BadRow as reason:
        return reason


def _library(request: Request) -> Library:
    folder = hub_folder(request.raw, FOLDERS)
    folders = [folder / "NExTVideo", folder / "videos" / "NExTVideo", folder / "videos", folder]
    return open_library(folders, sorted(folder.glob("*.zip")), aliases=_vidor_paths(folder))


def _vidor_paths(folder: Path) -> dict[str, str]:
    """Return video -> its path in VidOR without suffix, as the authors' own file has it; {} where there is none."""
    path = next((folder / name for name in _MAP if (folder / name).is_file()), None)
    if path is None:
        return {}
    try:
        with reading(path):
            paths = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} is no JSON", where=str(path), fix="download it again") from error
    if not isinstance(paths, dict) or not all(isinstance(value, str) and is_plain(value) for value in paths.values()):
        raise DataError(f"{path.name} is no mapping of videos to paths", where=str(path), fix="download it again")
    return paths
