"""LLaVA-Hound: the frames that training looks at, from folders and from archives; rows of every form, and faults."""

import io
import json
import re
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.data.harness import collect, request_for
from vgcli_core.data.prepare import prepare
from vgcli_core.data.sources.llava_hound import DATASET
from vgcli_core.data.sources.published_file import DATASET as PUBLISHED
from vgcli_core.data.unit_work import Settings
from vgcli_core.errors import DataError

ALL = {"share": 1.0}
# Frames of each folder. Half of them, rounded to even, but 4 to 8.
TOTALS = {"101": 9, "v_abc-Scene-012": 20, "103": 3, "104": 1, "105": 13}
CHOSEN = {
    "101": [1, 3, 6, 9],  # round(4.5) = 4 of 0 to 8: 0, 2.67, 5.33, 8
    "v_abc-Scene-012": [1, 3, 6, 9, 11, 14, 17, 20],  # 10 become 8 of 0 to 19, in steps of 2.71
    "103": [1, 2, 3],
    "104": [1],
    "105": [1, 3, 5, 8, 10, 13],  # round(6.5) = 6 of 0 to 12, in steps of 2.4
}


def jpeg(shade: int = 90) -> bytes:
    target = io.BytesIO()
    Image.fromarray(np.full((24, 32, 3), shade, np.uint8)).save(target, "JPEG")
    return target.getvalue()


def row(name: str, number: int, question: str = "<image>\nWhat is it?", **fields) -> dict:
    return {
        "id": f"{name}_{number}",
        "conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": "A cat."}],
        "data_source": "sharegptvideo_qa_255k",
        "video": f"sharegptvideo/{name}.mp4",
        **fields,
    }


ROWS = [row(video, number) for video in TOTALS for number in range(2)]


def frame_files(totals: dict = TOTALS) -> dict[str, bytes]:
    return {
        f"{video}/c01_{number:04}.jpeg": jpeg(number * 7 % 256)
        for video, total in totals.items()
        for number in range(1, total + 1)
    }


def tar_bytes(contents: dict[str, bytes], mode: str = "w:gz") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return target.getvalue()


def write_rows(raw: Path, rows: list, name: str = "sharegptvideo_qa_255k_processed.json") -> Path:
    path = raw / "llava_hound" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return path


def write_frames(folder: Path, contents: dict[str, bytes]) -> None:
    for name, data in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@pytest.fixture
def raw(tmp_path) -> Path:
    root = tmp_path / "raw"
    write_rows(root, ROWS)
    write_frames(root / "llava_hound" / "frames", frame_files())
    return root


def run(raw: Path, staged: Path | None = None, options: dict | None = None, **values):
    request = request_for(DATASET, raw, options=ALL | (options or {}), staged=staged, **values)
    DATASET.check(request)
    if staged is not None:
        staged.mkdir(exist_ok=True)
        DATASET.stage(request, DATASET.plan(request).units, staged, lambda doing: None)
    return collect(DATASET, request)


def numbers(frames) -> list[int]:
    return [int(Path(name).stem.removeprefix("c01_")) for name in frames]


def test_each_folder_gives_the_frames_that_training_looks_at(raw):
    found = run(raw)
    assert {sample.scene: numbers(sample.frames) for sample in found.samples} == CHOSEN
    assert len(found.samples) == 2 * len(TOTALS)
    assert set(found.work.frames) == {name for sample in found.samples for name in sample.frames}
    assert found.samples[0].frames[0] == "llava_hound/frames/101/c01_0001.jpeg"
    assert {sample.tag for sample in found.samples} == {"2d"}
    # Folders with 3 and 1 frames are kept and counted: two rows each.
    assert found.work.counts == {"rows": 10, "drawn rows": 10, "videos": 5, "rows with fewer than 4 frames": 4}


def test_a_question_is_asked_after_one_tag_for_each_frame(raw):
    first = run(raw).samples[0]
    assert first.id == "101_0"
    assert first.conversations[0].text == "<image><image><image><image>\nWhat is it?"
    assert first.question == "What is it?"
    assert first.answer == "A cat."
    assert DATASET.record(first) == {
        "id": "101_0",
        "conversations": [{"from": "human", "value": "<video>\nWhat is it?"}, {"from": "gpt", "value": "A cat."}],
        "data_source": "llava_hound",
        "video": "llava_hound/frames/101",
    }


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is it?", "<image><image><image>\nWhat is it?"),
        ("<video>\nWhat is it?", "<image><image><image>\nWhat is it?"),
        ("<image>\n\nWhat is it?\n", "<image><image><image>\n\nWhat is it?\n"),
        ("Describe the scene.\n<video>", "Describe the scene.\n<image><image><image>"),
        ("In <image> the video, what is it?", "In <image><image><image> the video, what is it?"),
        ("<image>\n<image>\nWhat is it?", "<image><image><image>\nWhat is it?"),
        ("<image>\n\nWhat is it?\n<video>", "<image><image><image>\n\nWhat is it?\n"),
    ],
)
def test_the_only_tag_is_replaced_where_it_stands_and_several_move_to_the_start(raw, question, expected):
    rows = [row("103", 0, question, video="llava_hound/frames/103")]
    path = write_rows(raw, rows, "llava_hound_64k.json")
    (sample,) = run(raw).samples
    assert sample.conversations[0].text == expected
    assert sample.question == expected.replace("<image>\n", "<image>").replace("<image>", "")
    if "<video>" in question and question.count("<") == 1:
        assert DATASET.record(sample) == rows[0] | {"data_source": "llava_hound"}
    other = collect(PUBLISHED, request_for(PUBLISHED, raw, options={"file": path.relative_to(raw).as_posix()}))
    assert [one.conversations for one in other.samples] == [sample.conversations]
    assert other.samples[0].frames == sample.frames


def test_later_turns_stay_and_lose_their_tags(raw):
    later = [{"from": "human", "value": "<image>\nAnd then?"}, {"from": "gpt", "value": "It sleeps."}]
    write_rows(raw, [row("104", 0, conversations=[*row("104", 0)["conversations"], *later])])
    (sample,) = run(raw).samples
    assert [turn.text for turn in sample.conversations] == [
        "<image>\nWhat is it?",
        "A cat.",
        "And then?",
        "It sleeps.",
    ]
    assert sample.answer == "It sleeps."


def test_a_share_is_drawn_by_seed(raw):
    draws = [{sample.id for sample in run(raw, options={"share": 0.35}, seed=seed).samples} for seed in (1, 1, 2, 3)]
    assert all(len(draw) == int(0.35 * len(ROWS)) for draw in draws)
    assert draws[0] == draws[1]
    assert len({frozenset(draw) for draw in draws}) > 1


def test_the_authors_subset_is_taken_whole(raw):
    write_rows(raw, [row("101", 5, "<video>\nWhy?", video="llava_hound/frames/101")] * 3, "llava_hound_64k.json")
    found = run(raw, options={"share": 0.25})
    assert [sample.id for sample in found.samples] == ["101_5", "101_5:1", "101_5:2"]
    assert any("llava_hound_64k.json" in note for note in found.work.notes)
    assert len(run(raw, options={"annotations": "raw"}).samples) == len(ROWS)


@pytest.mark.parametrize(
    "prefix", ["", "chunk_3/", "train_300k/chunk_0/", "frames/train_300k/chunk_11/", "deep/down/here/"]
)
def test_folders_are_found_below_further_folders(raw, prefix, tmp_path):
    expected = run(raw)
    other = tmp_path / "other"
    write_rows(other, ROWS)
    write_frames(other / "llava_hound", {prefix + name: data for name, data in frame_files().items()})
    found = run(other)
    assert found.samples == expected.samples
    assert found.work.frames == expected.work.frames


def test_a_folder_inside_a_videos_folder_is_flattened(raw, tmp_path):
    expected = run(raw)
    other = tmp_path / "other"
    write_rows(other, ROWS)
    inner = {name.replace("/", "/frames/"): data for name, data in frame_files().items()}
    write_frames(other / "llava_hound" / "frames", inner)
    assert run(other).samples == expected.samples


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_archives_give_the_same_as_folders_and_only_chosen_frames_are_written(raw, tmp_path, mode):
    expected = run(raw)
    other, staged = tmp_path / "other", tmp_path / "staged"
    write_rows(other, ROWS)
    (other / "llava_hound" / "train_300k").mkdir()
    for number, videos in enumerate((("101", "103"), ("v_abc-Scene-012", "104", "105", "999"))):
        files = {f"./x/{name}": data for name, data in frame_files(TOTALS | {"999": 5}).items()}
        own = {name: data for name, data in files.items() if name.split("/")[2] in videos}
        ending = ".tar.gz" if mode == "w:gz" else ".tar"
        (other / "llava_hound" / "train_300k" / f"chunk_{number}{ending}").write_bytes(tar_bytes(own, mode))
    found = run(other, staged=staged)
    assert found.samples == expected.samples
    assert found.work.frames == expected.work.frames
    assert found.work.counts == expected.work.counts
    assert len(list(staged.rglob("*.jpeg"))) == sum(map(len, CHOSEN.values()))


def test_staging_continues_where_it_was_stopped(tmp_path):
    raw, staged = tmp_path / "raw", tmp_path / "staged"
    write_rows(raw, ROWS)
    for number, video in enumerate(TOTALS):
        data = tar_bytes({name: data for name, data in frame_files().items() if name.startswith(f"{video}/")})
        (raw / "llava_hound" / f"chunk_{number}.tar.gz").write_bytes(data)
    last = raw / "llava_hound" / "chunk_4.tar.gz"
    whole = last.read_bytes()
    last.write_bytes(whole[:-20])
    with pytest.raises(DataError, match=re.escape("chunk_4.tar.gz is damaged or cut off")):
        run(raw, staged=staged)
    times = {path: path.stat().st_mtime_ns for path in staged.rglob("*.jpeg")}
    assert times
    last.write_bytes(whole)
    (raw / "llava_hound" / "chunk_0.tar.gz").write_bytes(b"read to its end before, so it is not read again")
    assert {sample.scene: numbers(sample.frames) for sample in run(raw, staged=staged).samples} == CHOSEN
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_frames_of_one_video_that_are_not_together_are_an_error(tmp_path):
    write_rows(tmp_path, ROWS)
    files = frame_files()
    moved = {name: data for name, data in files.items() if name != "101/c01_0004.jpeg"}
    moved["101/c01_0004.jpeg"] = files["101/c01_0004.jpeg"]
    (tmp_path / "llava_hound" / "chunk_0.tar.gz").write_bytes(tar_bytes(moved))
    with pytest.raises(DataError, match="not together"):
        run(tmp_path, staged=tmp_path / "staged")


def test_an_archive_that_leads_out_of_itself_is_refused(tmp_path):
    write_rows(tmp_path, ROWS)
    (tmp_path / "llava_hound" / "chunk_0.tar.gz").write_bytes(tar_bytes({"../101/c01_0001.jpeg": jpeg()}))
    with pytest.raises(DataError, match="unsafe name"):
        run(tmp_path, staged=tmp_path / "staged")


def test_missing_empty_short_and_damaged_folders_are_counted(raw, tmp_path):
    frames = raw / "llava_hound" / "frames"
    for path in (frames / "104").iterdir():
        path.unlink()
    for path in (frames / "105").iterdir():
        path.unlink()
    (frames / "105").rmdir()
    cut = frames / "101" / "c01_0003.jpeg"
    cut.write_bytes(cut.read_bytes()[:-30])
    request = request_for(DATASET, raw, options=ALL | {"min_frames": 4})
    manifest = prepare(DATASET, request, Settings(tmp_path / "out")).manifest
    assert manifest["splits"]["train"]["drops"] == {
        "frame folder empty": 2,
        "frame folder missing": 2,
        "fewer frames than min_frames": 2,
        "frame damaged": 2,
    }
    assert manifest["splits"]["train"]["samples"] == 2
    assert not manifest["quarantine"]
    assert any(note.startswith("llava_hound/frames/101/c01_0003.jpeg") for note in manifest["notes"])


@pytest.mark.parametrize(
    "bad",
    [
        5,
        row("101", 0, video=None),
        row("101", 0, video="a/.."),
        row("101", 0, conversations="hello"),
        row("101", 0, conversations=[]),
        row("101", 0, conversations=row("101", 0)["conversations"][::-1]),
        row("101", 0, conversations=[{"from": "human", "value": 3}, {"from": "gpt", "value": "x"}]),
        row("101", 0, "<image>\n"),
        row("101", 0, "\ud800"),
    ],
)
def test_a_row_of_another_form_is_dropped_and_the_others_stay(raw, bad):
    write_rows(raw, [ROWS[0], bad, ROWS[1]])
    found = run(raw)
    assert [sample.id for sample in found.samples] == ["101_0", "101_1"]
    assert found.work.drops == {"row of another form": 1}


@pytest.mark.parametrize("text", ["", "[{", '{"id": 1', "[1, 2"])
def test_a_list_that_is_cut_off_is_an_error(raw, text):
    write_rows(raw, []).write_text(text, encoding="utf-8")
    if text:
        with pytest.raises(DataError):
            run(raw)
    else:
        assert not run(raw).samples


@pytest.mark.parametrize(
    "options",
    [{"share": 0.0}, {"share": 2.0}, {"interval": 0.0}, {"fewest": 0}, {"fewest": 9}, {"interval": float("nan")}],
)
def test_options_that_make_no_sense_are_refused(raw, options):
    with pytest.raises(DataError):
        run(raw, options=options)


def test_interval_and_bounds_change_the_choice_and_num_frames_fixes_it(raw):
    wide = run(raw, options={"interval": 10.0, "fewest": 2})
    assert {sample.scene: len(sample.frames) for sample in wide.samples}["v_abc-Scene-012"] == 2
    fixed = run(raw, num_frames=6)
    assert {sample.scene: len(sample.frames) for sample in fixed.samples} == {
        "101": 6,
        "v_abc-Scene-012": 6,
        "103": 3,
        "104": 1,
        "105": 6,
    }


def test_scenes_are_videos(raw):
    assert {sample.scene for sample in run(raw, scenes=frozenset({"103"})).samples} == {"103"}
    assert {sample.scene for sample in run(raw, scenes=2).samples} == {"101", "v_abc-Scene-012"}
    assert [sample.id for sample in run(raw, limit=3).samples] == ["101_0", "101_1", "v_abc-Scene-012_0"]


def test_planning_holds_numbers_and_not_rows(tmp_path):
    count = 5000
    path = write_rows(tmp_path, [])
    with path.open("w", encoding="utf-8") as file:
        file.write("[" + ",\n".join(json.dumps(row(str(n // 5), n, "x" * 2000)) for n in range(count)) + "]")
    tracemalloc.start()
    plan = DATASET.plan(request_for(DATASET, tmp_path, options={"share": 0.5}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(len(unit.payload.numbers) for unit in plan.units) == 32 * (count // 2)
    assert path.stat().st_size > 10_000_000
    assert peak < 6_000_000  # a block of the file as bytes and text, and a few numbers
