"""TempCompass: four kinds of questions, their endings, and ids for rows that have none."""

import pytest

from tests.unit.data.harness import collect, request_for
from tests.unit.data.sources.hub import assert_scorable, clip, clip_bytes, packed, parquet
from vgcli_core.data.sources.tempcompass import DATASET
from vgcli_core.errors import DataError

CHOICE = "What moves?\nA. a cat\nB. a dog"
CAPTION = "Which fits?\nOption 1: a cat runs\nOption 2: a dog runs"
ROWS = {
    "multi-choice": [
        {"video_id": "1104", "question": CHOICE, "answer": "B. a dog", "dim": "action"},
        {"video_id": "1104", "question": CHOICE, "answer": "A. a cat", "dim": "speed"},
        {"video_id": "1105", "question": CHOICE, "answer": "A. a cat", "dim": "order"},
    ],
    "yes_no": [{"video_id": "1104", "question": "Does it run?", "answer": "yes", "dim": "direction"}],
    "caption_matching": [
        {"video_id": "1105", "question": CAPTION, "answer": "Option 2: a dog runs", "dim": "attribute_change"}
    ],
    "captioning": [
        {
            "video_id": "1104",
            "question": "Describe it.",
            "mc_question": CHOICE,
            "mc_answer": "B. a dog",
            "dim": "action",
        }
    ],
}
SPLITS = ("multi_choice", "yes_no", "caption_matching", "captioning")


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> bytes:
    return clip_bytes(tmp_path_factory.mktemp("clip"), 12)


@pytest.fixture
def raw(tmp_path, movie):
    folder = tmp_path / "tempcompass"
    for config, rows in ROWS.items():
        parquet(folder / config / "test-00000-of-00001.parquet", rows)
    packed(folder / "tempcompass_videos.zip", {"videos/1104.mp4": movie, "videos/1105.mp4": movie})
    return tmp_path


@pytest.mark.parametrize(
    ("split", "text", "answer"),
    [
        ("multi_choice", f"{CHOICE}\nPlease directly give the best option:", "B. a dog"),
        ("yes_no", "Does it run?\nPlease answer yes or no:", "yes"),
        ("caption_matching", f"{CAPTION}\nPlease directly give the best option:", "Option 2: a dog runs"),
        ("captioning", "Describe it.", ""),
    ],
)
def test_each_kind_has_its_ending_and_its_answer(raw, split, text, answer):
    found = collect(DATASET, request_for(DATASET, raw, split))
    sample = found.samples[0]
    assert sample.conversations[0].text == "<image>" * 12 + text and sample.answer == answer
    assert found.work.counts["questions"] == len(ROWS["multi-choice" if split == "multi_choice" else split])


@pytest.mark.parametrize("split", SPLITS[:3])
def test_truths_are_those_of_the_benchmark(raw, split):
    assert_scorable(collect(DATASET, request_for(DATASET, raw, split)).samples, "tempcompass")


def test_captions_are_not_scored_but_keep_what_a_judge_needs(raw):
    sample = collect(DATASET, request_for(DATASET, raw, "captioning", num_frames=2)).samples[0]
    assert sample.truth is None and sample.info["mc_question"] == CHOICE and sample.info["mc_answer"] == "B. a dog"


def test_questions_are_named_by_their_video_and_their_place(raw):
    samples = collect(DATASET, request_for(DATASET, raw, num_frames=2)).samples
    assert [sample.id for sample in samples] == ["1104_0", "1104_1", "1105_0"]
    assert samples[0].options == ("A. a cat", "B. a dog") and samples[0].frames[0] == "tempcompass/1104/000000.jpg"


def test_video_numbers_may_be_integers(raw):
    rows = [row | {"video_id": int(row["video_id"])} for row in ROWS["yes_no"]]
    parquet(raw / "tempcompass" / "yes_no" / "test-00000-of-00001.parquet", rows)
    samples = collect(DATASET, request_for(DATASET, raw, "yes_no", num_frames=2)).samples
    assert [sample.id for sample in samples] == ["1104_0"]


def test_extracted_videos_are_found(raw):
    (raw / "tempcompass" / "tempcompass_videos.zip").unlink()
    clip(raw / "tempcompass" / "videos" / "1105.mp4", 5)
    found = collect(DATASET, request_for(DATASET, raw))
    assert [sample.id for sample in found.samples] == ["1105_0"] and found.work.drops == {"video missing": 2}


@pytest.mark.parametrize(
    ("config", "values", "reason"),
    [
        ("multi-choice", {"answer": "C. a cow"}, "answer is none of the options"),
        ("multi-choice", {"dim": "colour"}, "unknown dim 'colour'"),
        ("yes_no", {"answer": "maybe"}, "answer is neither yes nor no"),
        ("caption_matching", {"question": None}, "no question"),
    ],
)
def test_a_bad_row_is_dropped_and_the_names_of_the_others_stay(raw, config, values, reason):
    first = ROWS[config][0]
    parquet(raw / "tempcompass" / config / "test-00000-of-00001.parquet", [first | values, first])
    found = collect(DATASET, request_for(DATASET, raw, config.replace("-", "_"), num_frames=2))
    assert [sample.id for sample in found.samples] == [f"{first['video_id']}_1"] and found.work.drops == {reason: 1}


def test_only_the_asked_kinds_are_needed(raw):
    (raw / "tempcompass" / "yes_no" / "test-00000-of-00001.parquet").unlink()
    DATASET.plan(request_for(DATASET, raw, "multi_choice"))
    with pytest.raises(DataError, match="TempCompass questions, yes_no: not found"):
        DATASET.plan(request_for(DATASET, raw, *SPLITS))
