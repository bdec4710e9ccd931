"""BLINK: pictures in order with their own bytes, squares only for pictures of different sizes, the disclaimer."""

import pytest

from tests.unit.data.harness import collect, request_for
from tests.unit.data.sources.hub import assert_scorable, parquet, picture
from vgcli_core.data.sources.blink import DATASET, TASKS
from vgcli_core.errors import DataError


def image(**values) -> dict:
    return {"bytes": picture(**values), "path": "a.jpg"}


def row(task: str, number: int, images: list[dict], **values) -> dict:
    return {
        "idx": f"val_{task}_{number}",
        "sub_task": task,
        "question": "Which?",
        **{f"image_{place}": images[place - 1] if place <= len(images) else None for place in range(1, 5)},
        "choices": ["one", "two"],
        "answer": "(A)",
        "prompt": "Which?\nSelect from the following choices.\n(A) one\n(B) two",
        "explanation": "",
    } | values


ROWS = {
    "Jigsaw": [row("Jigsaw", 1, [image(colour=1), image(colour=2), image(colour=3)])],
    "Counting": [row("Counting", 1, [image()]), row("Counting", 2, [image(kind="PNG")], answer="(B)")],
    "Visual_Similarity": [row("Visual_Similarity", 7, [image(size=(64, 30)), image(size=(30, 40))])],
}


@pytest.fixture
def raw(tmp_path):
    for task, rows in ROWS.items():
        parquet(tmp_path / "blink" / task / "val-00000-of-00001.parquet", rows)
        parquet(tmp_path / "blink" / task / "test-00000-of-00001.parquet", [rows[0] | {"answer": "hidden"}])
    return tmp_path


def test_questions_keep_their_pictures_in_order_and_untouched(raw):
    found = collect(DATASET, request_for(DATASET, raw))
    samples = {sample.id: sample for sample in found.samples}
    assert sorted(samples) == ["val_Counting_1", "val_Counting_2", "val_Jigsaw_1", "val_Visual_Similarity_7"]
    jigsaw = samples["val_Jigsaw_1"]
    assert jigsaw.frames == tuple(f"blink/Jigsaw/val_Jigsaw_1_{place}.jpg" for place in (1, 2, 3))
    assert [found.work.frames[name] for name in jigsaw.frames] == [picture(colour=colour) for colour in (1, 2, 3)]
    assert samples["val_Counting_2"].frames == ("blink/Counting/val_Counting_2_1.png",)
    assert samples["val_Counting_2"].answer == "B"
    assert found.work.counts["Counting"] == 2 and not found.work.drops
    assert_scorable(found.samples, "blink")


def test_only_pictures_of_different_sizes_are_cut_to_squares(raw):
    samples = collect(DATASET, request_for(DATASET, raw)).samples
    assert [sample.id for sample in samples if sample.square] == ["val_Visual_Similarity_7"]


def test_some_tasks_carry_a_disclaimer(raw):
    samples = {sample.id: sample for sample in collect(DATASET, request_for(DATASET, raw)).samples}
    plain = "Which?\nSelect from the following choices.\n(A) one\n(B) two\n" + (
        "Answer with the option's letter from the given choices directly."
    )
    assert samples["val_Counting_1"].conversations[0].text == f"<image>{plain}"
    assert samples["val_Jigsaw_1"].question.startswith("Disclaimer: This is not to make unfair assumptions")
    assert samples["val_Jigsaw_1"].question.endswith(f"information I gave you.\n\n{plain}")


def test_tasks_that_are_not_there_are_named(raw):
    notes = list(collect(DATASET, request_for(DATASET, raw)).work.notes)
    assert len(notes) == 1 and notes[0].startswith("11 of 14 tasks are not there: Art_Style, Forensic_Detection")


def test_the_published_counts_add_up():
    assert sum(TASKS.values()) == DATASET.published["val"]["samples"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"answer": "hidden"}, "answer is no letter in brackets"),
        ({"sub_task": "Cooking"}, "unknown sub_task 'Cooking'"),
        ({"image_1": None}, "picture missing"),
        ({"image_1": {"bytes": picture()[:-200], "path": None}}, "picture damaged"),
        ({"idx": "../x"}, "idx is no plain name"),
        ({"prompt": None}, "no prompt"),
        ({"idx": "val_Counting_1"}, "repeated id"),
    ],
)
def test_a_bad_row_is_dropped_with_its_reason(tmp_path, values, reason):
    rows = [row("Counting", 1, [image()]), row("Counting", 2, [image()]) | values]
    parquet(tmp_path / "blink" / "Counting" / "val-00000-of-00001.parquet", rows)
    found = collect(DATASET, request_for(DATASET, tmp_path))
    assert [sample.id for sample in found.samples] == ["val_Counting_1"] and found.work.drops == {reason: 1}


def test_a_damaged_parquet_is_named(raw):
    path = raw / "blink" / "Jigsaw" / "val-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="no parquet file, or cut off"):
        DATASET.plan(request_for(DATASET, raw))
