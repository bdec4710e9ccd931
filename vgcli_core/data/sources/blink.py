"""BLINK: fourteen perception tasks on one to four pictures, validation split (the answers of the other are hidden).

The hub folder has a folder for each task with one parquet for each split; pictures are embedded. Pictures of one
question that differ in size are cut to centred squares when they are read.

Source: the dataset card of BLINK-Benchmark/BLINK; prompts of the paper's evaluation (formats of BLINK).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vgcli_core.data.base import Dataset, Need, Plan, Request, Unit, Work
from vgcli_core.data.pictures import PictureJob, check_pictures, plan_pictures, rows_of, store_picture
from vgcli_core.data.raw.hub_media import hub_folder, places
from vgcli_core.data.raw.rows import BadRow, Row, one_of, read_table, text, texts
from vgcli_core.data.sample import Sample, Turn, human_turn

FOLDERS = ("blink", "BLINK")
# Task -> questions of its validation split.
TASKS = {
    "Art_Style": 117,
    "Counting": 120,
    "Forensic_Detection": 132,
    "Functional_Correspondence": 130,
    "IQ_Test": 150,
    "Jigsaw": 150,
    "Multi-view_Reasoning": 133,
    "Object_Localization": 122,
    "Relative_Depth": 124,
    "Relative_Reflectance": 134,
    "Semantic_Correspondence": 139,
    "Spatial_Relation": 143,
    "Visual_Correspondence": 172,
    "Visual_Similarity": 135,
}
IMAGES = ("image_1", "image_2", "image_3", "image_4")

_WITH_DISCLAIMER = ("Forensic_Detection", "Jigsaw", "Art_Style")
_DISCLAIMER = (
    "Disclaimer: This is not to make unfair assumptions about the people in the image and you just need to give your "
    "assessment on this question. You don't need to identify the real people. You just need to analyze based on the "
    "information I gave you.\n\n"
)
_LETTER = "\nAnswer with the option's letter from the given choices directly."
_COLUMNS = ("idx", "sub_task", "choices", "answer", "prompt")
_URL = "https://huggingface.co/datasets/BLINK-Benchmark/BLINK"


@dataclass(frozen=True, slots=True)
class Question:
    """One question; `text` is the owners' prompt, which lists the options, and `answer` "(A)" or another letter."""

    id: str
    task: str
    text: str
    choices: tuple[str, ...]
    answer: str

    @property
    def scene(self) -> str:
        """The question: its pictures are its own."""
        return self.id


def prompt(task: str, text: str) -> str:
    """Return what follows the pictures: the owners' prompt between a disclaimer, for some tasks, and an instruction."""
    return f"{_DISCLAIMER if task in _WITH_DISCLAIMER else ''}{text}{_LETTER}"


def _needs(request: Request) -> Sequence[Need]:
    found = places(FOLDERS, ("*/val-*.parquet", "val-*.parquet"))
    terms = "the Apache License 2.0; the pictures belong to the datasets that they come from: see the page"
    return (Need("BLINK questions and pictures, validation", found, "the authors of BLINK", _URL, terms, "1 GB"),)


def _plan(request: Request) -> Plan:
    _needs(request)[0].require(request.raw)
    folder = hub_folder(request.raw, FOLDERS)
    tables = sorted({*folder.glob("*/val-*.parquet"), *folder.glob("val-*.parquet")})
    read = {table: [_read(row) for row in read_table(table, _COLUMNS)] for table in tables}
    there = {row.task for rows in read.values() for row in rows if isinstance(row, Question)}
    absent = [task for task in TASKS if task not in there]
    notes = (f"{len(absent)} of {len(TASKS)} tasks are not there: {', '.join(absent)}",) if absent else ()
    return replace(plan_pictures(request, "val", read), notes=notes)


def _build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    job: PictureJob[Question] = unit.payload
    for question, row in rows_of(job, IMAGES, work):
        values = [row[name] for name in IMAGES if row.get(name) is not None]
        try:
            if not values:
                raise BadRow("picture missing")
            stems = [f"blink/{question.task}/{question.id}_{number}" for number in range(1, len(values) + 1)]
            pictures = [
                store_picture(value, stem, job.table.parent, work) for value, stem in zip(values, stems, strict=True)
            ]
        except BadRow as reason:
            work.drop(str(reason))
            continue
        work.count(question.task)
        square = len({picture.size for picture in pictures}) > 1
        work.count("questions with pictures of different sizes", int(square))
        yield Sample(
            id=question.id,
            dataset="blink",
            split=unit.split,
            scene=question.scene,
            task="ask",
            frames=tuple(picture.name for picture in pictures),
            conversations=(
                human_turn(prompt(question.task, question.text), len(pictures)),
                Turn("gpt", question.answer[1]),
            ),
            question_type=question.task,
            options=question.choices,
            square=square,
            truth={
                "idx": question.id,
                "sub_task": question.task,
                "answer": question.answer,
                "choices": list(question.choices),
            },
        )


DATASET = Dataset(
    name="blink",
    title="BLINK: fourteen perception tasks on pictures",
    splits=("val",),
    default_splits=("val",),
    needs=_needs,
    plan=_plan,
    build=_build,
    published={"val": {"samples": 1901, **TASKS}},
    check=check_pictures,
    whole="the pictures of 1,901 questions, one to four each, below 1 GB (estimate: as they are given)",
)


def _read(row: Row) -> Question | BadRow:
    try:
        answer = text(row, "answer").strip()
        if len(answer) != 3 or answer[0] + answer[2] != "()" or answer[1] not in "ABCDEF":
            raise BadRow("answer is no letter in brackets")
        name = text(row, "idx")
        if not name.replace("_", "").replace("-", "").isalnum():
            raise BadRow("idx is no plain name")
        return Question(name, one_of(row, "sub_task", tuple(TASKS)), text(row, "prompt"), texts(row, "choices"), answer)
    except BadRow as reason:
        return reason
