"""Questions about rooms in the layouts of VSI-Bench (parquet and videos), VLM-3R (conversations) and SQA3D.

Source: formats of VSI-Bench, section 1; formats of VLM-3R; formats of SQA3D.
"""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vgcli_core.atomic import atomic_path
from vgcli_core.data.rooms.film import Film, shots
from vgcli_core.data.rooms.layouts.files import write_json
from vgcli_core.data.rooms.layouts.recording import Recording
from vgcli_core.data.rooms.question import Question
from vgcli_core.data.rooms.questions import ask
from vgcli_core.data.rooms.shown import shown
from vgcli_core.errors import VgllmError
from vgcli_core.media.sampling import uniform
from vgcli_core.media.write import write_video
from vgcli_core.text.prompts import ask_prompt

NUM_FRAMES = 32  # that VSI-Bench's evaluation and VLM-3R show of a film
PRUNED_EVERY = 3  # every third question is one that language alone answers

_Rooms = Sequence[tuple[Film, Recording]]


def write_vsi_bench(rooms: _Rooms, raw: Path, seed: int) -> list[Path]:
    """Write questions and videos below `raw`/vsi_bench; return the files.

    Raises:
        VgllmError: pyarrow is not installed.
    """
    need_parquet()
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder, written = raw / "vsi_bench", []
    rows: list[dict[str, Any]] = []
    for film, recording in rooms:
        video = folder / "scannet" / f"{recording.scene}.mp4"
        write_video(video, (shot.view.image for shot in shots(film.room)), film.room.fps, quality=10)
        written.append(video)
        for question in questions_of(film, seed):
            rows.append(_vsi_row(len(rows), recording.scene, question))
    for name, pruned in (("debiased", False), ("pruned", True)):
        path = folder / f"test_{name}.parquet"
        table = pa.Table.from_pylist([row for row in rows if row["pruned"] == pruned], schema=_schema(pa))
        with atomic_path(path) as temporary:
            pq.write_table(table, temporary)
        written.append(path)
    return written


def need_parquet() -> None:
    """Raise VgllmError where pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        raise VgllmError("writing VSI-Bench's parquet files needs pyarrow", fix="pip install pyarrow")


def write_vlm3r(rooms: _Rooms, raw: Path, seed: int) -> Path:
    """Write questions as VLM-3R's conversations below `raw`/vlm3r; return the file."""
    rows: list[dict[str, Any]] = []
    for film, recording in rooms:
        for question in questions_of(film, seed):
            text = ask_prompt(question.text, question.options).text
            rows.append(
                {
                    "id": len(rows),
                    "data_source": "scannet",
                    "scene_name": recording.scene,
                    "video": f"scannet/videos/{recording.scene}.mp4",
                    "question_type": question.kind,
                    "conversations": [
                        {"from": "human", "value": f"<image>\n{text}"},
                        {"from": "gpt", "value": question.answer},
                    ],
                }
            )
    return write_json(raw / "vlm3r" / "vsibench_train" / "merged_qa_scannet_train.json", rows)


def write_sqa3d(split: str, rooms: _Rooms, raw: Path) -> list[Path]:
    """Write questions asked from a place as SQA3D's two files below `raw`/sqa3d; return the files."""
    questions: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for film, recording in rooms:
        for situation, text, answer, place in _situated(film):
            number = 220602000000 + len(questions)
            ids = {"scene_id": recording.scene, "question_id": number}
            questions.append({**ids, "situation": situation, "alternative_situation": [situation], "question": text})
            annotations.append(
                {
                    **ids,
                    "question_type": "N/A",
                    "answer_type": "other",
                    "answers": [{"answer": answer, "answer_confidence": "yes", "answer_id": 1}],
                    "rotation": {"_x": 0, "_y": 0, "_z": 0, "_w": 1},
                    "position": dict(zip("xyz", place, strict=True)),
                }
            )
    folder = raw / "sqa3d"
    return [
        write_json(folder / f"v1_balanced_questions_{split}_scannetv2.json", {"questions": questions}),
        write_json(folder / f"v1_balanced_sqa_annotations_{split}_scannetv2.json", {"annotations": annotations}),
    ]


def questions_of(film: Film, seed: int) -> list[Question]:
    """Return the questions about a film, of which a model sees NUM_FRAMES frames spread evenly."""
    return ask(shown(film, uniform(len(film.scan.frames), NUM_FRAMES)), seed)


def _vsi_row(number: int, scene: str, question: Question) -> dict[str, Any]:
    return {
        "id": number,
        "dataset": "scannet",
        "scene_name": scene,
        "question_type": question.kind,
        "question": question.text,
        "options": list(question.options) or None,
        "ground_truth": question.answer,
        "pruned": number % PRUNED_EVERY == 0,
    }


def _schema(pa: Any) -> Any:
    texts = ("dataset", "scene_name", "question_type", "question")
    return pa.schema(
        [
            ("id", pa.int64()),
            *((name, pa.string()) for name in texts),
            ("options", pa.list_(pa.string())),
            ("ground_truth", pa.string()),
            ("pruned", pa.bool_()),
        ]
    )


def _situated(film: Film) -> Iterator[tuple[str, str, str, list[float]]]:
    """Yield situation, question, answer and place: standing by one thing, how many there are of two others."""
    view = shown(film, range(len(film.scan.frames)))
    things = film.room.things
    labels = [thing.label for thing in things]
    for number in view.named:
        place = things[number].box[:3].tolist()
        situation = f"I am standing by the {labels[number]} and looking at it."
        for label in sorted({labels[other] for other in view.things} - {labels[number]})[:2]:
            members = {other for other, one in enumerate(labels) if one == label}
            if members <= set(view.things):
                yield situation, f"How many {label}s are in the room?", str(len(members)), place
        support = things[number].support
        if support is not None:
            yield situation, f"What is the {labels[number]} standing on?", labels[support], place
