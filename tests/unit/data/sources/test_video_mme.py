"""Video-MME: videos in numbered zips, prompts to the letter, subtitles at the chosen frames."""

import pytest

from tests.unit.data.harness import collect, request_for
from tests.unit.data.sources.hub import assert_scorable, clip, clip_bytes, frame_number, packed, parquet
from vgcli_core.data.sources.video_mme import DATASET
from vgcli_core.errors import DataError

INSTRUCTION = (
    "Select the best answer to the following multiple-choice question based on the video and the subtitles. "
    "Respond with only the letter (A, B, C, or D) of the correct option.\n"
)
ASKED = f"{INSTRUCTION}What?\nA. one\nB. two\nC. three\nD. four\n"


def row(video: str, number: int, **values) -> dict:
    return {
        "video_id": "001",
        "duration": "short",
        "domain": "Knowledge",
        "sub_category": "Humanity & History",
        "url": "",
        "videoID": video,
        "question_id": f"{video}-{number}",
        "task_type": "Counting Problem",
        "question": "What?",
        "options": ["A. one", "B. two", "C. three", "D. four"],
        "answer": "C",
    } | values


def spoken(start: float, text: str) -> str:
    at = f"00:00:{start:06.3f}".replace(".", ",")
    return f'1\n{at} --> {at[:-3]}900\n<font color="white" size=".72c">{text}</font>\n'


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> bytes:
    return clip_bytes(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def raw(tmp_path, movie):
    """Two videos of 4 s in two zips; the first one has subtitles in the seconds 0, 1 and 3, stored out of order."""
    folder = tmp_path / "video_mme"
    rows = [row("fFjv93ACGo8", 1), row("fFjv93ACGo8", 2), row("-abc_DEF123", 1, duration="long", answer="A")]
    parquet(folder / "videomme" / "test-00000-of-00001.parquet", rows)
    packed(folder / "videos_chunked_01.zip", {"data/fFjv93ACGo8.mp4": movie})
    packed(folder / "videos_chunked_02.zip", {"data/-abc_DEF123.MP4": movie})
    text = "\n".join([spoken(3, "third"), spoken(0, "first"), spoken(1, "second")])
    packed(folder / "subtitle.zip", {"subtitle/fFjv93ACGo8.srt": text.encode()})
    return tmp_path


def test_videos_are_read_from_their_zips_and_prompts_are_the_published_ones(raw):
    found = collect(DATASET, request_for(DATASET, raw))
    assert [sample.id for sample in found.samples] == ["fFjv93ACGo8-1", "fFjv93ACGo8-2", "-abc_DEF123-1"]
    sample = found.samples[0]
    assert sample.conversations[0].text == "<image>" * 32 + ASKED + (
        "\nAnswer with the option's letter from the given choices directly."
    )
    assert sample.answer == "C" and sample.options[3] == "D. four"
    assert [frame_number(found.work.frames[name]) for name in sample.frames] == [k * 39 // 31 for k in range(32)]
    assert found.work.counts["videos"] == 2 and found.work.counts["questions on long videos"] == 1
    assert_scorable(found.samples, "video_mme")


def prompts(raw, **options):
    request = request_for(DATASET, raw, "test_subtitles", num_frames=3, options=options)
    found = collect(DATASET, request)
    return {sample.id: sample.question for sample in found.samples}, found


def test_subtitles_at_the_chosen_frames_stand_before_the_question_by_time(raw):
    # Three frames of 40 at 10 a second: 0, 19 and 39, at 0 s, 1.9 s and 3.9 s; each second is covered up to .9.
    texts, found = prompts(raw)
    assert texts["fFjv93ACGo8-1"] == (
        f"This video's subtitles are listed below: \nfirst\nsecond\nthird\n{ASKED}The best answer is:"
    )
    assert found.work.counts["videos with subtitles"] == 1
    assert_scorable(found.samples, "video_mme_subtitles")


def test_only_what_is_said_at_a_chosen_frame_is_shown(raw):
    # Two frames: 0 and 39, so nothing of second 1.
    found = collect(DATASET, request_for(DATASET, raw, "test_subtitles", num_frames=2))
    assert "below: \nfirst\nthird\nSelect" in found.samples[0].question
    whole, _ = prompts(raw, subtitles="whole")
    assert "below: \nfirst\nsecond\nthird\nSelect" in whole["fFjv93ACGo8-1"]


def test_a_video_without_subtitles_says_so(raw):
    texts, found = prompts(raw)
    assert texts["-abc_DEF123-1"].startswith(
        "This video's subtitles are listed below: \nNo subtitles available\nSelect"
    )
    assert found.work.counts["videos without subtitles"] == 1


def test_extracted_subtitles_and_videos_are_found(raw):
    folder = raw / "video_mme"
    for name in ("subtitle.zip", "videos_chunked_02.zip"):
        (folder / name).unlink()
    (folder / "subtitle").mkdir()
    (folder / "subtitle" / "-abc_DEF123.srt").write_text(spoken(0, "hello"), encoding="utf-8")
    clip(folder / "data" / "-abc_DEF123.mkv", 20)
    texts, _ = prompts(raw)
    assert "below: \nhello\nSelect" in texts["-abc_DEF123-1"] and "No subtitles" in texts["fFjv93ACGo8-1"]


def test_both_splits_share_their_frames(raw):
    found = collect(DATASET, request_for(DATASET, raw, "test", "test_subtitles", num_frames=3))
    assert len(found.samples) == 6 and len(found.work.frames) == 6


def test_subtitles_are_asked_for_only_when_they_are_needed(raw):
    (raw / "video_mme" / "subtitle.zip").unlink()
    assert len(collect(DATASET, request_for(DATASET, raw, num_frames=2)).samples) == 3
    with pytest.raises(DataError, match="Video-MME subtitles: not found"):
        DATASET.plan(request_for(DATASET, raw, "test_subtitles"))


def test_a_missing_chunk_drops_its_questions_and_a_damaged_one_is_named(raw):
    chunk = raw / "video_mme" / "videos_chunked_02.zip"
    data = chunk.read_bytes()
    chunk.unlink()
    found = collect(DATASET, request_for(DATASET, raw, num_frames=2))
    assert len(found.samples) == 2 and found.work.drops == {"video missing": 1}
    chunk.write_bytes(data[:-100])
    with pytest.raises(DataError, match=r"videos_chunked_02\.zip is no zip, or cut off"):
        DATASET.plan(request_for(DATASET, raw))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"answer": "E"}, "no four options with an answer among them"),
        ({"options": ["A. one"]}, "no four options with an answer among them"),
        ({"duration": "endless"}, "unknown duration 'endless'"),
        ({"question_id": "v-0"}, "repeated id"),
    ],
)
def test_a_bad_row_is_dropped_with_its_reason(raw, values, reason):
    rows = [row("fFjv93ACGo8", 0, question_id="v-0"), row("fFjv93ACGo8", 1) | values]
    parquet(raw / "video_mme" / "videomme" / "test-00000-of-00001.parquet", rows)
    found = collect(DATASET, request_for(DATASET, raw, num_frames=2))
    assert [sample.id for sample in found.samples] == ["v-0"] and found.work.drops == {reason: 1}
