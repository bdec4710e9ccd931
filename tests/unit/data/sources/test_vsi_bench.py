"""VSI-Bench: every layout of its hub folder gives the same questions, each once, with frames of its video."""

import io
import json

import pytest
from PIL import Image

from tests.unit.data.harness import collect, request_for
from tests.unit.data.sources.hub import assert_scorable, clip, clip_bytes, frame_number, packed, parquet
from vgcli_core.data.sources.vsi_bench import DATASET
from vgcli_core.errors import DataError


def row(number: int, kind: str = "object_counting", scene: str = "scene0011_00", **values) -> dict:
    choice = not kind.startswith(("object_counting", "object_abs", "object_size", "room"))
    return {
        "id": number,
        "dataset": "scannet",
        "scene_name": scene,
        "question_type": kind,
        "question": f"Question {number}?",
        "options": ["A. chair", "B. table"] if choice else None,
        "ground_truth": "B" if choice else "4",
    } | values


ROWS = [
    row(0),
    row(1, "route_planning"),
    row(2, "object_abs_distance", ground_truth="1.3"),
    row(3, "obj_appearance_order", dataset="arkitscenes", scene_name="41069021"),
    row(4, "room_size_estimation", ground_truth="20.5"),
    row(5, "object_rel_direction_hard"),
]
PRUNED = (1, 3)


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> bytes:
    return clip_bytes(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def raw(tmp_path, movie):
    """A raw folder with the two videos in zips, and no questions yet."""
    packed(tmp_path / "vsi_bench" / "scannet.zip", {"scannet/scene0011_00.mp4": movie})
    packed(tmp_path / "vsi_bench" / "arkitscenes.zip", {"arkitscenes/41069021.mp4": movie})
    return tmp_path


def parts(raw):
    with_flag = [one | {"pruned": one["id"] in PRUNED} for one in ROWS]
    parquet(raw / "vsi_bench" / "test_debiased.parquet", [one for one in with_flag if not one["pruned"]])
    parquet(raw / "vsi_bench" / "test_pruned.parquet", [one for one in with_flag if one["pruned"]])


def lines(raw, flag=True):
    rows = [one | ({"pruned": one["id"] in PRUNED} if flag else {}) for one in ROWS]
    (raw / "vsi_bench" / "test.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def first_release(raw):
    parquet(raw / "vsi_bench" / "test-00000-of-00001.parquet", ROWS)


def lines_and_ids(raw):
    lines(raw, flag=False)
    (raw / "vsi_bench" / "pruned_ids.txt").write_text("\n".join(map(str, PRUNED)), encoding="utf-8")


def everything(raw):
    lines(raw)
    parts(raw)


def ids(found, split=None):
    return sorted(int(sample.id) for sample in found.samples if split in (None, sample.split))


@pytest.mark.parametrize("layout", [first_release, lines, parts, everything, lines_and_ids])
def test_every_layout_gives_every_question_once(raw, layout):
    layout(raw)
    found = collect(DATASET, request_for(DATASET, raw, num_frames=4))
    assert ids(found) == [0, 1, 2, 3, 4, 5]
    assert found.work.counts["questions"] == 6 and found.work.counts["videos"] == 2
    assert found.work.counts["rows read twice"] == (6 if layout is everything else 0)
    assert not found.work.drops and not found.quarantined


@pytest.mark.parametrize("layout", [lines, parts, everything, lines_and_ids])
def test_the_debiased_part_and_the_pruned_one_make_up_the_whole(raw, layout):
    layout(raw)
    found = collect(DATASET, request_for(DATASET, raw, "debiased", "pruned", num_frames=4))
    assert ids(found, "debiased") == [0, 2, 4, 5]
    assert ids(found, "pruned") == [1, 3]


def test_half_of_the_benchmark_is_not_taken_for_all_of_it(raw):
    parts(raw)
    (raw / "vsi_bench" / "test_pruned.parquet").unlink()
    with pytest.raises(DataError, match="only one part"):
        DATASET.plan(request_for(DATASET, raw))
    assert ids(collect(DATASET, request_for(DATASET, raw, "debiased", num_frames=4))) == [0, 2, 4, 5]


def test_the_first_release_does_not_say_what_the_parts_are(raw):
    first_release(raw)
    with pytest.raises(DataError, match="nothing says"):
        DATASET.plan(request_for(DATASET, raw, "debiased"))


def test_a_sample_holds_the_published_prompt_its_frames_and_its_truth(raw):
    first_release(raw)
    found = collect(DATASET, request_for(DATASET, raw))
    numeric, choice = (next(s for s in found.samples if s.id == name) for name in "21")
    # 40 frames, 32 wanted: floor(k * 39 / 31)
    positions = [k * 39 // 31 for k in range(32)]
    assert list(numeric.frames) == [f"vsi_bench/scannet/scene0011_00/{i:06}.jpg" for i in positions]
    assert [frame_number(found.work.frames[name]) for name in numeric.frames] == positions
    assert numeric.conversations[0].text == "<image>" * 32 + (
        "These are frames of a video.\nQuestion 2?\nPlease answer the question using a single word or phrase."
    )
    assert choice.question == (
        "These are frames of a video.\nQuestion 1?\nOptions:\nA. chair\nB. table\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert (numeric.answer, choice.answer) == ("1.3", "B")
    assert choice.options == ("A. chair", "B. table") and numeric.options == ()
    assert choice.info["video_frames"] == 40 and choice.info["decoder"]
    assert choice.question_type == "route_planning" and choice.scene == "scannet/scene0011_00"
    assert_scorable(found.samples, "vsi_bench")


def test_a_video_is_decoded_once_for_all_its_questions(raw):
    first_release(raw)
    found = collect(DATASET, request_for(DATASET, raw, num_frames=5))
    assert [unit.key for unit in found.units] == ["scannet/scene0011_00", "arkitscenes/41069021"]
    assert len(found.work.frames) == 10
    assert sum(n for name, n in found.work.counts.items() if name.startswith("videos decoded by")) == 2


def test_without_frames_the_names_are_the_same_and_nothing_is_stored(raw):
    first_release(raw)
    with_frames = collect(DATASET, request_for(DATASET, raw, num_frames=7))
    without = collect(DATASET, request_for(DATASET, raw, num_frames=7, with_frames=False))
    assert [s.frames for s in without.samples] == [s.frames for s in with_frames.samples]
    assert without.work.frames == {}


def test_frames_are_jpegs_of_quality_95_with_all_colour_samples(raw):
    first_release(raw)
    found = collect(DATASET, request_for(DATASET, raw, num_frames=2))
    best = io.BytesIO()
    Image.new("RGB", (8, 8)).save(best, "JPEG", quality=95)
    for data in found.work.frames.values():
        stored = Image.open(io.BytesIO(data))
        assert stored.quantization == Image.open(best).quantization
        assert {part[1:3] for part in stored.layer} == {(1, 1)}  # no component is sampled more coarsely


def test_frames_can_be_stored_without_loss(raw):
    first_release(raw)
    found = collect(DATASET, request_for(DATASET, raw, num_frames=2, options={"image_format": "png"}))
    assert all(name.endswith(".png") for name in found.work.frames)
    assert all(data[:4] == b"\x89PNG" for data in found.work.frames.values())


def test_a_missing_video_drops_its_questions_alone(raw):
    first_release(raw)
    (raw / "vsi_bench" / "arkitscenes.zip").unlink()
    found = collect(DATASET, request_for(DATASET, raw, num_frames=2))
    assert ids(found) == [0, 1, 2, 4, 5] and found.work.drops == {"video missing": 1}
    assert "there are no videos of arkitscenes and scannetpp: their questions are left out" in found.work.notes


def test_a_cut_off_video_quarantines_its_unit_alone(raw, movie):
    first_release(raw)
    packed(raw / "vsi_bench" / "arkitscenes.zip", {"arkitscenes/41069021.mp4": movie[: len(movie) // 8]})
    found = collect(DATASET, request_for(DATASET, raw, num_frames=2))
    assert list(found.quarantined) == ["arkitscenes/41069021"] and len(found.samples) == 5


def test_extracted_videos_are_found_with_any_suffix(raw):
    first_release(raw)
    (raw / "vsi_bench" / "scannet.zip").unlink()
    clip(raw / "vsi_bench" / "scannet" / "scene0011_00.MP4", 3)
    found = collect(DATASET, request_for(DATASET, raw, scenes=frozenset({"scannet/scene0011_00"})))
    assert ids(found) == [0, 1, 2, 4, 5]
    assert {len(sample.frames) for sample in found.samples} == {3}  # fewer than 32: all of them


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"ground_truth": "many"}, "ground_truth is no size, distance or count"),
        ({"ground_truth": "-1"}, "ground_truth is no size, distance or count"),
        ({"ground_truth": None}, "no ground_truth"),
        ({"question": None}, "no question"),
        ({"question_type": "colour"}, "unknown question_type 'colour'"),
        ({"dataset": "kitchen"}, "unknown dataset 'kitchen'"),
        ({"question_type": "route_planning", "options": ["A. x"]}, "ground_truth is none of the options"),
        ({"question_type": "route_planning", "options": None}, "no options"),
        ({"scene_name": "../../etc"}, "the name of the video is no file name"),
    ],
)
def test_a_bad_row_is_dropped_with_its_reason(raw, values, reason):
    rows = [row(0), row(1) | values]
    (raw / "vsi_bench" / "test.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = collect(DATASET, request_for(DATASET, raw, num_frames=2))
    assert ids(found) == [0] and found.work.drops == {reason: 1}


def test_a_number_may_be_stored_as_a_number(raw):
    rows = [row(0, ground_truth=4), row(1, "object_abs_distance", ground_truth=1.3), row(2, ground_truth=5.0)]
    (raw / "vsi_bench" / "test.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = collect(DATASET, request_for(DATASET, raw, num_frames=2))
    assert [sample.answer for sample in found.samples] == ["4", "1.3", "5"]


def test_two_rows_of_one_id_with_other_words_are_counted(raw):
    rows = [row(0), row(0, question="Another?")]
    (raw / "vsi_bench" / "test.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = collect(DATASET, request_for(DATASET, raw, num_frames=2))
    assert ids(found) == [0] and found.work.counts["rows with a known id and other words, left out"] == 1


def test_limit_counts_questions_and_scenes_count_videos(raw):
    first_release(raw)
    assert ids(collect(DATASET, request_for(DATASET, raw, num_frames=2, limit=3))) == [0, 1, 2]
    assert ids(collect(DATASET, request_for(DATASET, raw, num_frames=2, scenes=1))) == [0, 1, 2, 4, 5]
    one = frozenset({"arkitscenes/41069021"})
    assert ids(collect(DATASET, request_for(DATASET, raw, num_frames=2, scenes=one, limit=1))) == [3]


def test_without_files_the_user_is_told_what_to_get(tmp_path):
    with pytest.raises(DataError, match="VSI-Bench questions: not found") as raised:
        DATASET.plan(request_for(DATASET, tmp_path))
    assert "huggingface.co/datasets/nyu-visionx/VSI-Bench" in raised.value.fix
    assert raised.value.where.endswith("test.jsonl")


def test_questions_without_any_video_say_what_is_missing(tmp_path):
    (tmp_path / "vsi_bench").mkdir()
    first_release(tmp_path)
    with pytest.raises(DataError, match="VSI-Bench videos"):
        DATASET.plan(request_for(DATASET, tmp_path))
