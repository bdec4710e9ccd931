"""TempCompass: does a model see how things change in time? Four kinds of questions about short videos.

The hub folder has a folder for each kind with one parquet, and one zip of videos. Captions are scored by another model
in the published code, so the split `captioning` has no truth.

Source: the dataset card of lmms-lab/TempCompass; prompts of lmms-eval 0.7.3 (formats of TempCompass).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vgcli_core.data.base import Dataset, Need, Plan, Request, Unit, Work
from vgcli_core.data.raw.hub_media import hub_folder, open_library, places
from vgcli_core.data.raw.rows import BadRow, Row, one_of, optional_text, read_table, text
from vgcli_core.data.sample import Sample, Turn, human_turn
from vgcli_core.data.videos import NUM_FRAMES, OPTIONS, VideoJob, plan_videos, store_frames

FOLDERS = ("tempcompass", "TempCompass")
DIMENSIONS = ("action", "speed", "direction", "order", "attribute_change")
# Split -> folders it is found in; the hub writes one of them with a hyphen.
CONFIGS = {
    "multi_choice": ("multi-choice", "multi_choice"),
    "yes_no": ("yes_no", "yes-no"),
    "caption_matching": ("caption_matching", "caption-matching"),
    "captioning": ("captioning",),
}
# What follows a question, by split.
ENDINGS = {
    "multi_choice": "\nPlease directly give the best option:",
    "yes_no": "\nPlease answer yes or no:",
    "caption_matching": "\nPlease directly give the best option:",
    "captioning": "",
}

_COUNTS = {"multi_choice": 1580, "yes_no": 2453, "caption_matching": 1503, "captioning": 2004}
_URL = "https://huggingface.co/datasets/lmms-lab/TempCompass"
_OWNER = "the authors of TempCompass"


@dataclass(frozen=True, slots=True)
class Question:
    """One question; options are lines of its text. `about` is what a caption is judged by, for captioning only."""

    id: str
    text: str
    answer: str
    dim: str
    about: tuple[str, str] = ("", "")


def prompt(split: str, text: str) -> str:
    """Return what follows the frames."""
    return f"{text}{ENDINGS[split]}"


def _needs(request: Request) -> Sequence[Need]:
    tables = [
        Need(
            f"TempCompass questions, {split}",
            places(FOLDERS, [f"{folder}/test-*.parquet" for folder in CONFIGS[split]]),
            _OWNER,
            _URL,
            "see the page",
            "1 MB",
        )
        for split in request.splits
    ]
    videos = places(FOLDERS, ("tempcompass_videos.zip", "videos/*.mp4"))
    terms = "see the page; the videos belong to their makers"
    return (*tables, Need("TempCompass videos", videos, _OWNER, _URL, terms, "0.4 GB", any_of=True))


def _plan(request: Request) -> Plan:
    for need in _needs(request):
        need.require(request.raw)
    folder = hub_folder(request.raw, FOLDERS)
    library = open_library([folder / "videos", folder], sorted(folder.glob("*.zip")))
    tables = {split: _tables(folder, split) for split in request.splits}
    splits = {split: _rows(tables[split], split) for split in request.splits}
    return replace(
        plan_videos(request, library, splits), inputs=tuple(path for found in tables.values() for path in found)
    )


def _build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    job: VideoJob[Question] = unit.payload
    footage = store_frames(job, "tempcompass", request, work)
    scored = unit.split != "captioning"
    for question in job.questions:
        work.count(question.dim)
        truth = {
            "task": unit.split,
            "video_id": job.name,
            "dim": question.dim,
            "answer": question.answer,
            "question": question.text,
        }
        about = dict(zip(("mc_question", "mc_answer"), question.about, strict=True)) if any(question.about) else {}
        yield Sample(
            id=question.id,
            dataset="tempcompass",
            split=unit.split,
            scene=job.name,
            task="ask",
            frames=footage.names,
            conversations=(
                human_turn(prompt(unit.split, question.text), len(footage.names)),
                Turn("gpt", question.answer),
            ),
            question_type=question.dim,
            options=tuple(question.text.split("\n")[1:]) if unit.split in ("multi_choice", "caption_matching") else (),
            truth=truth if scored else None,
            info=footage.info | about,
        )


DATASET = Dataset(
    name="tempcompass",
    title="TempCompass: how things change in time",
    splits=tuple(CONFIGS),
    default_splits=("multi_choice",),  # the paper's
    needs=_needs,
    plan=_plan,
    build=_build,
    num_frames=NUM_FRAMES,
    published={split: {"samples": count} for split, count in _COUNTS.items()},
    options=OPTIONS,
    whole="13,120 frames of 410 videos, 1.3 GB (estimate: 100 kB each)",
)


def _tables(folder: Path, split: str) -> list[Path]:
    return sorted(path for config in CONFIGS[split] for path in folder.glob(f"{config}/test-*.parquet"))


def _rows(tables: Sequence[Path], split: str) -> Iterator[tuple[str, Question] | BadRow]:
    """Yield the questions of a split; they have no ids, so each is named by its video and its place among its own."""
    places_of: Counter[str] = Counter()
    for table in tables:
        for row in read_table(table):
            try:
                video = text(row, "video_id")
                question = _read(row, split, f"{video}_{places_of[video]}")
            except BadRow as reason:
                yield reason
            else:
                yield video, question
            places_of[str(row.get("video_id"))] += 1


def _read(row: Row, split: str, name: str) -> Question:
    dim, asked = one_of(row, "dim", DIMENSIONS), text(row, "question")
    if split == "captioning":
        return Question(name, asked, "", dim, (optional_text(row, "mc_question"), optional_text(row, "mc_answer")))
    answer = text(row, "answer")
    if split == "yes_no":
        answer = answer.strip().lower()
        if answer not in ("yes", "no"):
            raise BadRow("answer is neither yes nor no")
    elif answer not in asked.split("\n")[1:]:
        raise BadRow("answer is none of the options")
    return Question(name, asked, answer, dim)
