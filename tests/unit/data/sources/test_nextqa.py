"""NExT-QA: the hub's parquets and the authors' own csv files, numbers as ids, videos in nested folders."""

import csv
import json

import pytest

from tests.unit.data.harness import collect, request_for
from tests.unit.data.sources.hub import assert_scorable, clip, clip_bytes, packed, parquet
from vgcli_core.data.sources.nextqa import DATASET
from vgcli_core.errors import DataError


def row(video, number: int, **values) -> dict:
    return {
        "video": video,
        "frame_count": 40,
        "width": 64,
        "height": 48,
        "question": "why did the boy jump ",
        "answer": 2,
        "qid": number,
        "type": "CW",
        **{f"a{place}": f"reason {place} " for place in range(5)},
    } | values


OPEN = {"video": 4010069381, "question": "what is red", "answer": "ball", "qid": 3, "type": "DO"}


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> bytes:
    return clip_bytes(tmp_path_factory.mktemp("clip"), 12)


@pytest.fixture
def raw(tmp_path, movie):
    folder = tmp_path / "nextqa"
    rows = [row(4010069381, 0), row(4010069381, 1, type="TN", answer=0), row(2440175990, 0)]
    parquet(folder / "MC" / "test-00000-of-00001.parquet", rows)
    open_ended = [OPEN | {"additional_ref_answer": None}, OPEN | {"qid": 4, "additional_ref_answer": "toy"}]
    parquet(folder / "OE" / "test-00000-of-00001.parquet", open_ended)
    packed(folder / "videos.zip", {"NExTVideo/4010069381.mp4": movie, "NExTVideo/2440175990.mp4": movie})
    return tmp_path


def as_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_a_sample_holds_the_published_prompt(raw):
    found = collect(DATASET, request_for(DATASET, raw))
    assert [sample.id for sample in found.samples] == ["4010069381_0", "4010069381_1", "2440175990_0"]
    sample = found.samples[0]
    assert sample.conversations[0].text == "<image>" * 12 + (
        "why did the boy jump\nA. reason 0\nB. reason 1\nC. reason 2\nD. reason 3\nE. reason 4\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert sample.answer == "C" and sample.question_type == "CW" and sample.scene == "4010069381"
    assert found.work.counts["CW"] == 2 and found.work.counts["videos"] == 2
    assert_scorable(found.samples, "nextqa")


def test_the_instruction_can_be_left_out(raw):
    request = request_for(DATASET, raw, num_frames=2, options={"instruction": "none"})
    assert collect(DATASET, request).samples[0].question.endswith("\nE. reason 4")


def test_open_ended_questions_have_words_for_answers(raw):
    samples = collect(DATASET, request_for(DATASET, raw, "oe_test", num_frames=2)).samples
    assert samples[0].question == "what is red\nAnswer a question using a short phrase or sentence."
    assert samples[0].answer == "ball" and samples[1].truth["additional_ref_answer"] == "toy"
    assert_scorable(samples, "nextqa_oe")


def test_the_authors_own_files_give_the_same_samples(raw, tmp_path):
    hub = collect(DATASET, request_for(DATASET, raw, num_frames=2))
    own = tmp_path / "own"
    as_csv(own / "nextqa" / "test.csv", [row(4010069381, 0), row(4010069381, 1, type="TN", answer=0)])
    (own / "nextqa" / "map_vid_vidorID.json").write_text(json.dumps({"4010069381": "1164/4010069381"}))
    clip(own / "nextqa" / "NExTVideo" / "1164" / "4010069381.mp4", 12)
    found = collect(DATASET, request_for(DATASET, own, num_frames=2))
    assert found.samples == hub.samples[:2]


@pytest.mark.parametrize("video", [4010069381.0, "4010069381"])
def test_a_video_number_is_written_without_decimals(raw, video):
    parquet(raw / "nextqa" / "MC" / "test-00000-of-00001.parquet", [row(video, 0)])
    samples = collect(DATASET, request_for(DATASET, raw, num_frames=2)).samples
    assert samples[0].frames[0] == "nextqa/4010069381/000000.jpg"


def test_training_questions_have_no_truth(raw):
    as_csv(raw / "nextqa" / "train.csv", [row(4010069381, 0)])
    sample = collect(DATASET, request_for(DATASET, raw, "train", num_frames=2)).samples[0]
    assert sample.truth is None and sample.answer == "C"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"answer": 5}, "answer is none of the options"),
        ({"answer": "two"}, "answer is no whole number"),
        ({"type": "XX"}, "unknown type 'XX'"),
        ({"a3": ""}, "no a3"),
        ({"qid": 0}, "repeated id"),
        ({"video": "../x"}, "the name of the video is no file name"),
    ],
)
def test_a_bad_row_is_dropped_with_its_reason(raw, values, reason):
    (raw / "nextqa" / "MC" / "test-00000-of-00001.parquet").unlink()
    as_csv(raw / "nextqa" / "test.csv", [row(4010069381, 0), row(4010069381, 1) | values])
    found = collect(DATASET, request_for(DATASET, raw, num_frames=2))
    assert [sample.id for sample in found.samples] == ["4010069381_0"] and found.work.drops == {reason: 1}


@pytest.mark.parametrize("text", ["[1, 2]", "{", '{"1": "../../1"}', '{"1": 1}'])
def test_a_damaged_map_of_videos_is_named(raw, text):
    (raw / "nextqa" / "map_vid_vidorID.json").write_text(text)
    with pytest.raises(DataError, match=r"map_vid_vidorID\.json is no"):
        DATASET.plan(request_for(DATASET, raw))


def test_an_empty_table_is_named(raw):
    (raw / "nextqa" / "MC" / "test-00000-of-00001.parquet").unlink()
    (raw / "nextqa" / "test.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"test\.csv is empty"):
        DATASET.plan(request_for(DATASET, raw))
