"""CV-Bench: one parquet, two, or lines with a folder of pictures: the same questions, and the pictures' own bytes."""

import io
import json

import pytest
from PIL import Image

from tests.unit.data.harness import collect, request_for
from tests.unit.data.sources.hub import assert_scorable, parquet, picture
from vgcli_core.data import pictures
from vgcli_core.data.sources.cv_bench import DATASET
from vgcli_core.errors import DataError

TASKS = {"2D": ("Count", "Relation"), "3D": ("Depth", "Distance")}


def row(number: int, kind: str = "2D", **values) -> dict:
    return {
        "idx": number,
        "type": kind,
        "task": TASKS[kind][number % 2],
        "image": {"bytes": picture("PNG" if number % 2 else "JPEG", colour=number), "path": None},
        "question": f"Question {number}?",
        "choices": ["left", "right", "both"],
        "answer": "(B)",
        "prompt": "not this one",
        "filename": f"img/{kind}/{number}.jpg",
        "source": "Omni3D" if kind == "3D" else ("ADE20K", "COCO")[number % 2],
        "source_filename": f"{number // 2}.jpg",
    } | values


ROWS = [row(0), row(1), row(2), row(3, "3D"), row(4, "3D")]


def one_file(folder):
    parquet(folder / "test.parquet", ROWS, group=2)


def two_files(folder):
    parquet(folder / "test_2d.parquet", ROWS[:3])
    parquet(folder / "test_3d.parquet", ROWS[3:])


def lines(folder, rows=ROWS):
    folder.mkdir(parents=True, exist_ok=True)
    for one in rows:
        path = folder / one["filename"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one["image"]["bytes"])
    texts = [json.dumps({key: value for key, value in one.items() if key != "image"}) for one in rows]
    (folder / "test.jsonl").write_text("\n".join(texts), encoding="utf-8")


@pytest.mark.parametrize("layout", [one_file, two_files, lines])
@pytest.mark.parametrize("chunk", [2, 100])
def test_every_layout_gives_the_questions_and_the_bytes_of_their_pictures(tmp_path, monkeypatch, layout, chunk):
    monkeypatch.setattr(pictures, "_CHUNK", chunk)
    layout(tmp_path / "cv_bench")
    found = collect(DATASET, request_for(DATASET, tmp_path))
    assert [sample.id for sample in found.samples] == ["2D_0", "2D_1", "2D_2", "3D_3", "3D_4"]
    for sample, one in zip(found.samples, ROWS, strict=True):
        assert found.work.frames[sample.frames[0]] == one["image"]["bytes"]
    assert found.samples[1].frames == ("cv_bench/2D/2D_1.png",) and found.samples[0].frames[0].endswith(".jpg")
    assert found.work.counts == {"questions": 5, "Count": 2, "Relation": 1, "Depth": 1, "Distance": 1}
    assert_scorable(found.samples, "cv_bench")


def test_a_sample_holds_the_published_prompt_and_not_the_hubs_own(tmp_path):
    one_file(tmp_path / "CV-Bench")
    sample = collect(DATASET, request_for(DATASET, tmp_path)).samples[0]
    assert sample.conversations[0].text == (
        "<image>These are frames of a video.\nQuestion 0?\nOptions:\nA. left\nB. right\nC. both\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert sample.answer == "B" and sample.question_type == "Count" and sample.scene == "ADE20K/0.jpg"


def test_half_of_the_benchmark_is_remarked_on(tmp_path):
    parquet(tmp_path / "cv_bench" / "test_2d.parquet", ROWS[:3])
    found = collect(DATASET, request_for(DATASET, tmp_path))
    assert len(found.samples) == 3 and any("the 3D half is not there" in note for note in found.work.notes)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"image": {"bytes": picture()[:300], "path": None}}, "picture damaged"),
        ({"image": {"bytes": b"text", "path": None}}, "picture damaged"),
        ({"image": None, "filename": "img/none.jpg"}, "picture missing"),
        ({"image": None, "filename": "../../secret.jpg"}, "picture missing"),
        ({"answer": "(D)"}, "answer is none of the choices"),
        ({"task": "Colour"}, "unknown task 'Colour'"),
        ({"question": None}, "no question"),
        ({"idx": 0}, "repeated id"),
    ],
)
def test_a_bad_row_is_dropped_with_its_reason(tmp_path, values, reason):
    parquet(tmp_path / "cv_bench" / "test.parquet", [row(0), row(1) | values])
    found = collect(DATASET, request_for(DATASET, tmp_path))
    assert [sample.id for sample in found.samples] == ["2D_0"] and found.work.drops == {reason: 1}


def test_a_picture_of_another_kind_becomes_a_png(tmp_path):
    parquet(tmp_path / "cv_bench" / "test.parquet", [row(0, image={"bytes": picture("BMP"), "path": "a.bmp"})])
    found = collect(DATASET, request_for(DATASET, tmp_path))
    stored = Image.open(io.BytesIO(found.work.frames["cv_bench/2D/2D_0.png"]))
    assert stored.format == "PNG" and stored.getpixel((0, 0)) == (90, 20, 200)
    assert found.work.counts["pictures stored as PNG"] == 1


def test_limit_counts_rows_and_scenes_count_pictures(tmp_path):
    one_file(tmp_path / "cv_bench")
    assert len(collect(DATASET, request_for(DATASET, tmp_path, limit=2)).samples) == 2
    wanted = collect(DATASET, request_for(DATASET, tmp_path, scenes=frozenset({"COCO/0.jpg", "Omni3D/2.jpg"})))
    assert [sample.id for sample in wanted.samples] == ["2D_1", "3D_4"]
    assert [unit.key.split("-")[0] for unit in wanted.units] == ["COCO/0.jpg", "Omni3D/2.jpg"]
    one = request_for(DATASET, tmp_path, scenes=frozenset({"Omni3D/1.jpg", "Omni3D/2.jpg"}), limit=1)
    assert [sample.id for sample in collect(DATASET, one).samples] == ["3D_3"]


def test_a_number_of_frames_makes_no_sense(tmp_path):
    with pytest.raises(DataError, match="each question has its own"):
        DATASET.check(request_for(DATASET, tmp_path, num_frames=2))


def test_without_files_the_user_is_told_what_to_get(tmp_path):
    with pytest.raises(DataError, match="CV-Bench questions and pictures: not found") as raised:
        DATASET.plan(request_for(DATASET, tmp_path))
    assert "nyu-visionx/CV-Bench" in raised.value.fix
