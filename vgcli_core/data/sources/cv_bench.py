"""CV-Bench: questions about counts, relations, depth and distance in single pictures.

Read are the parquets with embedded pictures (one, or one for 2D and one for 3D), or `test.jsonl` with the folder `img`.

Source: the dataset card of nyu-visionx/CV-Bench; prompts of the paper's evaluation (formats of CV-Bench).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase

from vgcli_core.data.base import Dataset, Need, Plan, Request, Unit, Work
from vgcli_core.data.pictures import PictureJob, check_pictures, plan_pictures, rows_of, store_picture
from vgcli_core.data.raw.hub_media import hub_folder, places
from vgcli_core.data.raw.rows import BadRow, Row, one_of, read_table, text, texts
from vgcli_core.data.sample import Sample, Turn, human_turn
from vgcli_core.text.prompts import ask_prompt

FOLDERS = ("cv_bench", "CV-Bench")

_COLUMNS = ("idx", "type", "task", "question", "choices", "answer", "source", "source_filename", "filename")
_URL = "https://huggingface.co/datasets/nyu-visionx/CV-Bench"
_FILES = ("test.parquet", "test_2d*.parquet", "test_3d*.parquet", "test-*.parquet", "test.jsonl")


@dataclass(frozen=True, slots=True)
class Question:
    """One question; `answer` is "(A)" or another letter, `file` the picture's path in the hub folder."""

    id: str
    kind: str
    task: str
    text: str
    choices: tuple[str, ...]
    answer: str
    source: str
    source_filename: str
    file: str

    @property
    def scene(self) -> str:
        """The picture that the question was made from."""
        return f"{self.source}/{self.source_filename}"


def prompt(question: Question) -> str:
    """Return what follows the picture. The hub's own `prompt` is not what the paper's evaluation sends."""
    return ask_prompt(question.text, question.choices).text


def _needs(request: Request) -> Sequence[Need]:
    owner = "the authors of Cambrian-1"
    terms = "the Apache License 2.0; the pictures are those of ADE20K, COCO and Omni3D, whose terms hold for them"
    return (Need("CV-Bench questions and pictures", places(FOLDERS, _FILES), owner, _URL, terms, "0.4 GB"),)


def _plan(request: Request) -> Plan:
    _needs(request)[0].require(request.raw)
    tables, notes = _tables(hub_folder(request.raw, FOLDERS))
    read = {table: (_read(row) for row in read_table(table, _COLUMNS)) for table in tables}
    return replace(plan_pictures(request, "test", read), notes=notes)


def _build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    job: PictureJob[Question] = unit.payload
    for question, row in rows_of(job, ("image",), work):
        try:
            stem = f"cv_bench/{question.kind}/{question.id}"
            picture = store_picture(row.get("image") or question.file, stem, job.table.parent, work)
        except BadRow as reason:
            work.drop(str(reason))
            continue
        work.count(question.task)
        yield Sample(
            id=question.id,
            dataset="cv_bench",
            split=unit.split,
            scene=question.scene,
            task="ask",
            frames=(picture.name,),
            conversations=(human_turn(prompt(question), 1), Turn("gpt", question.answer[1])),
            question_type=question.task,
            options=question.choices,
            truth={
                "answer": question.answer,
                "task": question.task,
                "source": question.source,
                "source_filename": question.source_filename,
                "choices": list(question.choices),
            },
        )


DATASET = Dataset(
    name="cv_bench",
    title="CV-Bench: counts, relations, depth and distance in pictures",
    splits=("test",),
    default_splits=("test",),
    needs=_needs,
    plan=_plan,
    build=_build,
    # Counts of tasks add up to the published total, but were not re-read from the files.
    published={"test": {"samples": 2638, "Count": 788, "Relation": 650, "Depth": 600, "Distance": 600}},
    check=check_pictures,
    whole="2,638 pictures, 0.4 GB (estimate: as they are given)",
)


def _tables(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """Return the files to read, those with embedded pictures first, and what a user should know."""
    whole = sorted({*folder.glob("test.parquet"), *folder.glob("test-*.parquet")})
    if whole:
        return whole, ()
    halves = {name: sorted(folder.glob(f"test_{name.lower()}*.parquet")) for name in ("2D", "3D")}
    missing = [name for name, found in halves.items() if not found]
    if len(missing) == len(halves):
        return [folder / "test.jsonl"], ()
    return [table for found in halves.values() for table in found], tuple(
        f"the {name} half is not there: download test_{name.lower()}.parquet" for name in missing
    )


def _read(row: Row) -> Question | BadRow:
    try:
        kind, choices = one_of(row, "type", ("2D", "3D")), texts(row, "choices")
        answer = text(row, "answer").strip()
        if answer not in [f"({letter})" for letter in ascii_uppercase[: len(choices)]]:
            raise BadRow("answer is none of the choices")
        return Question(
            # Whether numbers go on from 2D to 3D differs between revisions.
            id=f"{kind}_{text(row, 'idx')}",
            kind=kind,
            task=one_of(row, "task", ("Count", "Relation", "Depth", "Distance")),
            text=text(row, "question"),
            choices=choices,
            answer=answer,
            source=one_of(row, "source", ("ADE20K", "COCO", "Omni3D")),
            source_filename=text(row, "source_filename"),
            file=row["filename"] if isinstance(row.get("filename"), str) else "",
        )
    except BadRow as reason:
        return reason
