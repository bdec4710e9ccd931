"""Video-MME: multiple choice about videos of a minute to an hour, without and with subtitles.

The hub folder has one parquet, twenty zips of videos of about 5 GB each, and one of subtitles; they are read as they
are. The split `test_subtitles` has the same questions and frames, and subtitles in the prompt.

Source: the dataset card of lmms-lab/Video-MME; prompts of lmms-eval 0.3.0 and 0.7.3 (formats of Video-MME).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vgcli_core.data.base import Dataset, Need, Option, Plan, Request, Unit, Work
from vgcli_core.data.raw.hub_media import Library, hub_folder, open_library, places, read_bytes
from vgcli_core.data.raw.rows import BadRow, Row, one_of, read_table, text, texts
from vgcli_core.data.raw.subtitles import covering, read_subtitles
from vgcli_core.data.sample import Sample, Turn, human_turn
from vgcli_core.data.videos import NUM_FRAMES, OPTIONS, Footage, VideoJob, plan_videos, store_frames

FOLDERS = ("video_mme", "Video-MME")
PLAIN, WITH_SUBTITLES = "test", "test_subtitles"

_DURATIONS = ("short", "medium", "long")

_INSTRUCTION = (
    "Select the best answer to the following multiple-choice question based on the video and the subtitles. Respond "
    "with only the letter (A, B, C, or D) of the correct option."
)
_ANSWER = "\nAnswer with the option's letter from the given choices directly."
_NONE = "No subtitles available"
_URL = "https://huggingface.co/datasets/lmms-lab/Video-MME"
_OWNER = "the authors of Video-MME"
_TERMS = "for academic research only; the videos belong to their makers"


@dataclass(frozen=True, slots=True)
class Question:
    """One question; `options` carry their letters, `answer` is one."""

    id: str
    text: str
    options: tuple[str, ...]
    answer: str
    duration: str
    domain: str
    sub_category: str
    task: str


def prompt(question: Question, subtitles: str | None) -> str:
    """Return what follows the frames; `subtitles` None for the evaluation without, which speaks of them all the same.

    The empty line before the last one without subtitles is the published one.
    """
    asked = "\n".join((_INSTRUCTION, question.text, *question.options))
    if subtitles is None:
        return f"{asked}\n{_ANSWER}"
    return f"This video's subtitles are listed below: \n{subtitles}\n{asked}\nThe best answer is:"


def _needs(request: Request) -> Sequence[Need]:
    tables = places(FOLDERS, ("videomme/test-*.parquet", "test-*.parquet"))
    videos = places(FOLDERS, ("videos_chunked_*.zip", "data/*.mp4", "videos/*.mp4"))
    needs = [
        Need("Video-MME questions", tables, _OWNER, _URL, _TERMS, "1 MB"),
        Need("Video-MME videos", videos, _OWNER, _URL, _TERMS, "101 GB", any_of=True),
    ]
    if WITH_SUBTITLES in request.splits:
        files = places(FOLDERS, ("subtitle.zip", "subtitle/*.srt"))
        needs.append(Need("Video-MME subtitles", files, _OWNER, _URL, _TERMS, "15 MB", any_of=True))
    return needs


def _plan(request: Request) -> Plan:
    for need in _needs(request):
        need.require(request.raw)
    folder = hub_folder(request.raw, FOLDERS)
    tables = sorted({*folder.glob("videomme/test-*.parquet"), *folder.glob("test-*.parquet")})
    zips = [path for path in sorted(folder.glob("*.zip")) if "subtitle" not in path.name]
    library = open_library([folder / "data", folder / "videos", folder], zips)
    splits = {split: (_read(row) for table in tables for row in read_table(table)) for split in request.splits}
    return replace(plan_videos(request, library, splits), inputs=tuple(tables))


def _build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    job: VideoJob[Question] = unit.payload
    footage = store_frames(job, "video_mme", request, work)
    subtitles = _subtitles(job.name, footage, request, work) if unit.split == WITH_SUBTITLES else None
    for question in job.questions:
        work.count(f"questions on {question.duration} videos")
        yield Sample(
            id=question.id,
            dataset="video_mme",
            split=unit.split,
            scene=job.name,
            task="ask",
            frames=footage.names,
            conversations=(
                human_turn(prompt(question, subtitles), len(footage.names)),
                Turn("gpt", question.answer),
            ),
            question_type=question.task,
            options=question.options,
            truth={
                "videoID": job.name,
                "answer": question.answer,
                "duration": question.duration,
                "domain": question.domain,
                "sub_category": question.sub_category,
                "task_type": question.task,
            },
            info=footage.info,
        )


DATASET = Dataset(
    name="video_mme",
    title="Video-MME: multiple choice about videos of a minute to an hour",
    splits=(PLAIN, WITH_SUBTITLES),
    default_splits=(PLAIN,),
    needs=_needs,
    plan=_plan,
    build=_build,
    num_frames=NUM_FRAMES,
    published={
        split: {"samples": 2700, "videos": 900, **{f"questions on {one} videos": 900 for one in _DURATIONS}}
        for split in (PLAIN, WITH_SUBTITLES)
    },
    options=(
        *OPTIONS,
        Option(
            "subtitles",
            "frames",
            "of the split test_subtitles: those shown at the chosen frames, or the whole file",
            ("frames", "whole"),
        ),
    ),
    whole="28,800 frames of 900 videos, 2.9 GB (estimate: 100 kB each)",
)


def _subtitles(video: str, footage: Footage, request: Request, work: Work) -> str:
    """Return the text that stands for the subtitles of a video: entries at the chosen frames, by time."""
    place = _subtitle_library(request).find(video)
    if place is None:
        work.count("videos without subtitles")
        return _NONE
    entries = read_subtitles(read_bytes(place))
    work.count("videos with subtitles" if entries else "videos whose subtitles hold no entry")
    shown = entries if request.options["subtitles"] == "whole" else covering(entries, footage.times)
    return "\n".join(entry.text for entry in shown)


def _subtitle_library(request: Request) -> Library:
    folder = hub_folder(request.raw, FOLDERS)
    return open_library([folder / "subtitle"], sorted(folder.glob("subtitle*.zip")), suffixes=(".srt",))


def _read(row: Row) -> tuple[str, Question] | BadRow:
    try:
        options = texts(row, "options")
        answer = text(row, "answer").strip()
        if len(options) != 4 or answer not in tuple("ABCD"):
            raise BadRow("no four options with an answer among them")
        return text(row, "videoID"), Question(
            id=text(row, "question_id"),
            text=text(row, "question"),
            options=options,
            answer=answer,
            duration=one_of(row, "duration", _DURATIONS),
            domain=text(row, "domain"),
            sub_category=text(row, "sub_category"),
            task=text(row, "task_type"),
        )
    except BadRow as reason:
        return reason
