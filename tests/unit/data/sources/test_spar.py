"""SPAR-7M in every layout of its owner: the rule of the mix, the same samples from trees and archives, and faults."""

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
from vgcli_core.data.sources.published_file import DATASET as PUBLISHED
from vgcli_core.data.sources.spar import DATASET
from vgcli_core.data.spar.mix import QuestionFile, choose, count_rows, counted
from vgcli_core.data.unit_work import Settings
from vgcli_core.errors import DataError
from vgcli_core.media.markers import draw_markers

ALL = {"share": 1.0}


def jpeg(shade: int = 90, width: int = 64) -> bytes:
    target = io.BytesIO()
    Image.fromarray(np.full((48, width, 3), shade, np.uint8)).save(target, "JPEG")
    return target.getvalue()


def row(scene: str, kind: str, count: int, **fields) -> dict:
    """A raw row. Ids repeat, as SPAR's do."""
    return {
        "id": f"{scene}_0",
        "conversations": [{"from": "human", "value": f"What of {kind}?"}, {"from": "gpt", "value": "1.5"}],
        "image": [f"{scene}/image_color/{number}.jpg" for number in range(count)],
        "type": kind,
        **fields,
    }


POINT = {"red_point": [[500, 500]], "depth": ["a.png"]}
FILES = {
    # 25 rows: 2 of them belong to the mix
    "scannet/qa_jsonl/train/distance_prediction_oc/fill/fill_25.jsonl": [
        row(f"scene000{number % 3}_00", "distance_prediction_oc", 1, **POINT) for number in range(25)
    ],
    "scannet/qa_jsonl/train/distance_prediction_oc/sentence/sentence_6.jsonl": [
        row(f"scene000{number % 3}_00", "distance_prediction_oc", 1, **POINT) for number in range(6)
    ],
    "scannet/qa_jsonl/train/obj_count/sentence/sentence_3.jsonl": [
        row("scene0001_00", "obj_count", 12) for _ in range(3)
    ],
    "scannet/qa_jsonl/val/obj_count/sentence/sentence_1.jsonl": [row("scene0009_00", "obj_count", 12)],
    "structured3d/qa_jsonl/train/depth_prediction_oc_mv/select/select_19.jsonl": [
        row(
            "scene_00007",
            "depth_prediction_oc_mv",
            3,
            red_point=[[1, 2]],
            blue_point=[[900, 900]],
            point_img_idx=[[2, 0]],
        )
        for _ in range(19)
    ],
    "rxr/qa_jsonl/train/nav_video/sentence/sentence_4.jsonl": [row("walk", "nav", 5) for _ in range(4)],
}
MIXED = 2 + 6 + 3 + 1


def members(files: dict = FILES) -> dict[str, bytes]:
    """Paths below the folder of sources -> contents: questions and the pictures of all their rows."""
    found = {name: "".join(json.dumps(line) + "\n" for line in lines).encode() for name, lines in files.items()}
    for name, lines in files.items():
        for line in lines:
            for picture in line["image"]:
                found[f"{name.split('/')[0]}/images/{picture}"] = jpeg(len(picture))
    return dict(sorted(found.items()))  # pictures before questions, as in the owner's archives


def write_tree(folder: Path, contents: dict[str, bytes]) -> Path:
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def tar_bytes(contents: dict[str, bytes], prefix: str = "", mode: str = "w:gz") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for name, data in contents.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return target.getvalue()


def write_pieces(folder: Path, data: bytes, count: int = 4) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    step = len(data) // count
    paths = [folder / f"spar-{number:02}.tar.gz" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(data[number * step : (number + 1) * step if number < count - 1 else None])
    return paths


@pytest.fixture
def tree(tmp_path) -> Path:
    write_tree(tmp_path / "raw" / "spar", members())
    return tmp_path / "raw"


def run(raw: Path, staged: Path | None = None, options: dict | None = None, **values):
    """Plan, stage and build, as prepare does."""
    request = request_for(DATASET, raw, options=ALL | (options or {}), staged=staged, **values)
    DATASET.check(request)
    if staged is not None:
        staged.mkdir(exist_ok=True)  # the engine makes it
        DATASET.stage(request, DATASET.plan(request).units, staged, lambda doing: None)
    return collect(DATASET, request)


def test_the_mix_takes_all_sentences_a_tenth_of_the_rest_and_no_navigation(tree):
    found = run(tree)
    assert [sample.id.partition(":")[2] for sample in found.samples] == [
        "scannet/distance_prediction_oc/fill_25:0",
        "scannet/distance_prediction_oc/sentence_6:0",
        "scannet/distance_prediction_oc/sentence_6:3",
        "scannet/distance_prediction_oc/fill_25:1",
        "scannet/distance_prediction_oc/sentence_6:1",
        "scannet/distance_prediction_oc/sentence_6:4",
        *(f"scannet/obj_count/sentence_3:{number}" for number in range(3)),
        "scannet/distance_prediction_oc/sentence_6:2",
        "scannet/distance_prediction_oc/sentence_6:5",
        "structured3d/depth_prediction_oc_mv/select_19:0",
    ]
    assert found.work.counts == {"raw rows": 57, "mixed rows": MIXED, "drawn rows": MIXED}
    assert found.work.drops == {"navigation": 4}
    assert [unit.key for unit in found.units] == [
        *(f"scannet/scene000{number}_00" for number in range(3)),
        "structured3d/scene_00007",
    ]
    assert [unit.frames for unit in found.units] == [1, 12, 1, 3]


def test_a_row_becomes_a_sample_with_its_markers(tree):
    found = run(tree)
    last = found.samples[-1]
    assert last.scene == "scene_00007"
    assert last.question_type == "depth_prediction_oc_mv"
    assert last.frames == tuple(f"spar/structured3d/images/scene_00007/image_color/{number}.jpg" for number in range(3))
    assert last.conversations[0].text == "<image>\n<image>\n<image>\nWhat of depth_prediction_oc_mv?"
    assert last.question == "What of depth_prediction_oc_mv?"
    assert last.answer == "1.5"
    assert last.tag == "3d"
    assert last.markers == {
        "red_point": [[1, 2]],
        "blue_point": [[900, 900]],
        "point_img_idx": [[2, 0]],
        "type": "depth_prediction_oc_mv",
    }
    images = [np.array(Image.open(io.BytesIO(found.work.frames[name]))) for name in last.frames]
    changed = [not np.array_equal(*pair) for pair in zip(images, draw_markers(images, last.markers), strict=True)]
    assert changed == [True, False, True]


def test_many_frames_are_named_from_one_as_in_spars_own_loader_unless_told_otherwise(tree):
    official = next(sample for sample in run(tree).samples if sample.question_type == "obj_count")
    assert official.conversations[0].text.startswith("Frame-1: <image>\nFrame-2: <image>\n")
    assert official.conversations[0].text.endswith("Frame-12: <image>\nWhat of obj_count?")
    plain = next(
        sample for sample in run(tree, options={"frame_names": "none"}).samples if sample.question_type == "obj_count"
    )
    assert plain.conversations[0].text == "<image>\n" * 12 + "What of obj_count?"
    assert plain.question == official.question == "What of obj_count?"


def test_a_share_is_drawn_by_seed_without_replacement(tree):
    chosen = {
        seed: [sample.id for sample in run(tree, options={"share": 0.5}, seed=seed).samples] for seed in (1, 1, 2, 3)
    }
    assert all(len(set(ids)) == len(ids) == int(0.5 * MIXED) for ids in chosen.values())
    assert len({tuple(ids) for ids in chosen.values()}) > 1
    assert chosen[1] == [sample.id for sample in run(tree, options={"share": 0.5}, seed=1).samples]


def test_every_layout_gives_the_same_samples_and_frames(tree, tmp_path):
    contents = members()
    pieces, single = tmp_path / "pieces", tmp_path / "single"
    write_pieces(pieces / "spar", tar_bytes(contents, "./spar/"), count=7)
    for source in ("rxr", "scannet", "structured3d"):
        own = {name: data for name, data in contents.items() if name.split("/")[0] == source}
        path = single / "SPAR-7M" / f"{source}.tar.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tar_bytes(own))
    expected = run(tree, options={"share": 0.6})
    assert len(expected.samples) == int(0.6 * MIXED)
    for number, raw in enumerate((pieces, single)):
        found = run(raw, staged=tmp_path / f"staged{number}", options={"share": 0.6})
        assert found.samples == expected.samples
        assert found.work.frames == expected.work.frames
        assert found.work.counts == expected.work.counts


def test_staging_writes_wanted_pictures_only_and_continues(tmp_path):
    raw, staged = tmp_path / "raw", tmp_path / "staged"
    write_pieces(raw / "spar", tar_bytes(members(), "spar/"))
    found = run(raw, staged=staged, scenes=frozenset({"scene0002_00"}))
    written = [path for path in staged.rglob("*") if path.is_file()]
    assert [path.relative_to(staged).as_posix() for path in written] == [
        "scannet/images/scene0002_00/image_color/0.jpg"
    ]
    assert len(found.samples) == 2
    before = written[0].stat().st_mtime_ns
    run(raw, staged=staged)
    assert written[0].stat().st_mtime_ns == before
    assert len([path for path in staged.rglob("*") if path.is_file()]) == 1 + 12 + 1 + 3


@pytest.mark.parametrize("fault", ["piece missing", "last piece missing", "piece cut off", "bytes flipped"])
def test_a_damaged_archive_in_pieces_is_named(tmp_path, fault):
    paths = write_pieces(tmp_path / "spar", tar_bytes(members(), "spar/"))
    if fault == "piece missing":
        paths[1].unlink()
        words = "spar-01.tar.gz"
    elif fault == "last piece missing":
        paths[3].unlink()
        words = "a piece after it is missing"
    elif fault == "piece cut off":
        paths[2].write_bytes(paths[2].read_bytes()[:-9])
        words = "damaged or cut off"
    else:
        data = bytearray(paths[1].read_bytes())
        data[len(data) // 2] ^= 255
        paths[1].write_bytes(data)
        words = "damaged or cut off"
    with pytest.raises(DataError, match=re.escape(words)):
        run(tmp_path)


@pytest.mark.parametrize("name", ["spar/../../outside.jpg", "/outside.jpg", "spar/a\\..\\b.jpg"])
def test_an_archive_that_leads_out_of_itself_is_refused(tmp_path, name):
    write_pieces(tmp_path / "spar", tar_bytes({name: b"x"} | members()))
    with pytest.raises(DataError, match="unsafe name"):
        run(tmp_path, staged=tmp_path / "staged")
    assert not list(tmp_path.rglob("outside.jpg"))


def test_a_link_in_an_archive_is_never_followed(tmp_path):
    contents = members()
    picture = "scannet/images/scene0000_00/image_color/0.jpg"
    del contents[picture]
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        link = tarfile.TarInfo(f"spar/{picture}")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
        for name, data in contents.items():
            member = tarfile.TarInfo(f"spar/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    write_pieces(tmp_path / "spar", target.getvalue())
    found = run(tmp_path, staged=tmp_path / "staged")
    assert found.work.drops["picture missing (scannet)"] == 3


def test_an_archive_without_questions_is_refused(tmp_path):
    write_pieces(tmp_path / "spar", tar_bytes({f"other/{number}.bin": bytes(99) for number in range(9)}))
    with pytest.raises(DataError, match="no folder qa_jsonl/train"):
        run(tmp_path)


def published(rows: list[dict]) -> list[dict]:
    """Rows as the authors of VG-LLM published them."""
    return [
        {
            "id": one["id"],
            "conversations": [
                {"from": "human", "value": "<image>\n" * len(one["image"]) + one["conversations"][0]["value"]},
                one["conversations"][1],
            ],
            "images": [f"spar/scannet/images/{name}" for name in one["image"]],
            "spar_info": json.dumps({key: one[key] for key in ("red_point", "type") if key in one}),
        }
        for one in rows
    ]


@pytest.mark.parametrize("form", ["list", "tar", "tar.gz"])
def test_the_authors_own_file_is_taken_as_it_is(tree, form):
    rows = published(
        FILES["scannet/qa_jsonl/train/distance_prediction_oc/fill/fill_25.jsonl"][:9]
        + FILES["scannet/qa_jsonl/train/obj_count/sentence/sentence_3.jsonl"]
    )
    if form == "list":
        (tree / "spar" / "spar_234k.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    else:
        lines = "".join(json.dumps(one) + "\n" for one in rows).encode()
        data = tar_bytes({"train/spar_7m.jsonl": lines}, mode="w" if form == "tar" else "w:gz")
        (tree / "spar" / f"spar_7m.{form}").write_bytes(data)
    found = run(tree)
    assert len(found.samples) == 12
    records = sorted(json.dumps(DATASET.record(sample)) for sample in found.samples)
    assert records == sorted(json.dumps(one) for one in rows)
    assert any("are those of the authors'" in note for note in found.work.notes)
    # The list is the subset already; of the whole mix, the share is still to be drawn.
    third = run(tree, options={"share": 0.34})
    assert len(third.samples) == (12 if form == "list" else 4)
    assert len(run(tree, options={"annotations": "raw"}).samples) == MIXED


def test_rows_without_their_pictures_are_counted_by_source(tree):
    (tree / "spar/scannet/images/scene0001_00/image_color/7.jpg").unlink()
    (tree / "spar/structured3d/images/scene_00007/image_color/2.jpg").unlink()
    found = run(tree)
    assert found.work.drops == {
        "navigation": 4,
        "picture missing (scannet)": 3,
        "picture missing (structured3d)": 1,
    }
    without = run(tree, with_frames=False)
    assert len(without.samples) == MIXED
    assert not without.work.frames


def test_prepare_drops_rows_with_a_damaged_picture_and_names_it(tree, tmp_path):
    damaged = tree / "spar/scannet/images/scene0002_00/image_color/0.jpg"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    manifest = prepare(DATASET, request_for(DATASET, tree, options=ALL), Settings(tmp_path / "out")).manifest
    assert manifest["splits"]["train"]["drops"] == {"navigation": 4, "picture damaged (scannet)": 2}
    assert manifest["splits"]["train"]["samples"] == MIXED - 2
    assert any(note.startswith("spar/scannet/images/scene0002_00/image_color/0.jpg") for note in manifest["notes"])
    assert not manifest["quarantine"]


def test_prepare_gives_the_same_bytes_from_folders_and_from_archives_with_two_workers(tree, tmp_path):
    raw = tmp_path / "pieces"
    write_pieces(raw, tar_bytes(members(), "spar/"), count=3)
    written = []
    for number, (source, workers) in enumerate(((tree, 1), (raw, 2))):
        out = tmp_path / f"out{number}"
        prepare(DATASET, request_for(DATASET, source, options=ALL), Settings(out), workers=workers)
        written.append(
            {
                path.relative_to(out).as_posix(): path.read_bytes()
                for path in out.rglob("*")
                if path.is_file() and path.name not in ("manifest.json", "inputs.jsonl")
            }
        )
    assert written[0] == written[1]
    assert len(written[0]) == 1 + 1 + 1 + 12 + 1 + 3  # train.jsonl, frames.sha256 and the frames


def test_a_file_whose_name_says_another_number_of_rows_is_noted(tree):
    path = tree / "spar/scannet/qa_jsonl/train/obj_count/sentence/sentence_3.jsonl"
    path.write_text(path.read_text(encoding="utf-8").rstrip() + "\n\n  \n", encoding="utf-8")  # empty lines are no rows
    assert not any("its name says" in note for note in run(tree).work.notes)
    path.write_text(path.read_text(encoding="utf-8").splitlines()[0], encoding="utf-8")
    found = run(tree)
    assert found.work.notes["scannet/obj_count/sentence_3.jsonl has 1 rows, and its name says 3"] == 1
    assert found.work.counts["mixed rows"] == MIXED - 2


GOOD = row("scene0001_00", "distance_prediction_oc", 1, **POINT)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{no json", "row is no JSON"),
        ("[1, 2]", "row of another form"),
        (json.dumps(GOOD | {"image": []}), "row of another form"),
        (json.dumps(GOOD | {"image": ["scene0001_00/../../../x.jpg"]}), "row of another form"),
        (json.dumps(GOOD | {"image": [5]}), "row of another form"),
        (json.dumps(GOOD | {"conversations": "hello"}), "row of another form"),
        (json.dumps(GOOD | {"conversations": GOOD["conversations"][::-1]}), "row of another form"),
        (json.dumps(GOOD | {"conversations": GOOD["conversations"][:1]}), "row of another form"),
        (json.dumps(GOOD | {"type": None}), "row of another form"),
        (json.dumps(GOOD | {"id": "\ud800"}), "row of another form"),
        (json.dumps(GOOD | {"red_point": [[float("nan"), 1]]}), "row of another form"),
        (json.dumps(GOOD | {"type": "not_a_task"}), "markers that cannot be drawn"),
        (json.dumps(GOOD | {"red_point": [1]}), "markers that cannot be drawn"),
        (json.dumps(GOOD | {"type": "depth_prediction_oc"}), "markers that cannot be drawn"),
        (
            json.dumps(
                GOOD | {"conversations": [{"from": "human", "value": "<image><image>?"}, GOOD["conversations"][1]]}
            ),
            "pictures and <image> tags differ",
        ),
    ],
)
def test_a_bad_row_is_dropped_with_a_reason_and_the_others_stay(tree, line, reason):
    path = tree / "spar/scannet/qa_jsonl/train/obj_count/sentence/sentence_3.jsonl"
    good = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([good[0], line, good[2]]) + "\n", encoding="utf-8")
    found = run(tree)
    assert found.work.drops == {"navigation": 4, reason: 1}
    assert len(found.samples) == MIXED - 1
    assert not found.quarantined


# A stroke grows by 17.5 pixels on both sides, so corners may be swapped by 35 pixels: 30 per mille of 64 pixels are 2,
# of 1,296 they are 39; 25 per mille of 1,296 are 32, of 1,752 they are 44.
@pytest.mark.parametrize(
    ("swapped", "width", "kept", "kept_without_frames"),
    [(30, 64, True, False), (30, 1296, False, False), (25, 1296, True, True), (25, 1752, False, True)],
)
@pytest.mark.parametrize("form", ["raw", "published"])
def test_marks_are_judged_on_the_pictures_that_they_are_drawn_on(
    tmp_path, *, swapped, width, kept, kept_without_frames, form
):
    line = row("scene0001_00", "spatial_volume_infer", 1, red_bbox=[[500 + swapped, 100, 500, 900]])
    name = "scannet/qa_jsonl/train/spatial_volume_infer/sentence/sentence_1.jsonl"
    write_tree(tmp_path / "spar", members({name: [line]}))
    (tmp_path / "spar/scannet/images/scene0001_00/image_color/0.jpg").write_bytes(jpeg(width=width))
    if form == "raw":
        dataset, values = DATASET, {"options": ALL}
    else:
        record = published([line])[0] | {"spar_info": json.dumps({key: line[key] for key in ("red_bbox", "type")})}
        write_tree(tmp_path, {"published/spar_234k.json": json.dumps([record]).encode()})
        dataset, values = PUBLISHED, {"options": {"file": "published/spar_234k.json"}}
    found = collect(dataset, request_for(dataset, tmp_path, "train", **values))
    assert len(found.samples) == kept
    assert found.work.drops == ({} if kept else {"markers that cannot be drawn": 1})
    for sample in found.samples:
        draw_markers([np.array(Image.open(io.BytesIO(found.work.frames[sample.frames[0]])))], sample.markers)
    assert len(found.work.frames) == kept, "frames of dropped rows are not stored"
    without = collect(dataset, request_for(dataset, tmp_path, "train", with_frames=False, **values))
    assert len(without.samples) == kept_without_frames


def test_questions_that_change_after_planning_quarantine_their_scene(tree):
    request = request_for(DATASET, tree, options=ALL)
    unit = DATASET.plan(request).units[0]
    path = tree / "spar/scannet/qa_jsonl/train/distance_prediction_oc/sentence/sentence_6.jsonl"
    path.write_text("x" + path.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(DataError, match="changed"):
        list(DATASET.build(unit, request, collect(DATASET, request).work))


def test_scenes_and_limit_choose_from_the_start(tree):
    assert {sample.scene for sample in run(tree, scenes=frozenset({"scene_00007"})).samples} == {"scene_00007"}
    assert {sample.scene for sample in run(tree, scenes=1).samples} == {"scene0000_00"}
    assert sorted(sample.id.partition(":")[2] for sample in run(tree, limit=3).samples) == [
        "scannet/distance_prediction_oc/fill_25:0",
        "scannet/distance_prediction_oc/fill_25:1",
        "scannet/distance_prediction_oc/sentence_6:0",
    ]


def test_scenes_are_compared_with_the_validation_scenes_of_the_benchmark(tree):
    assert any("were not compared" in note for note in run(tree).work.notes)
    listed = tree / "scannet" / "scannetv2_val.txt"
    listed.parent.mkdir()
    listed.write_text("scene0001_00\nscene0999_00\n", encoding="utf-8")
    assert run(tree).work.notes["1 of 4 scenes are validation scenes of scannetv2_val.txt: scene0001_00"] == 1


def test_questions_with_text_on_frames_are_announced(tree):
    line = row("scene0001_00", "spatial_imagination_map_mv", 2, bbox_list=[[[1, 1, 9, 9]]], bbox_img_idx=[[0]])
    folder = tree / "spar/scannet/qa_jsonl/train/spatial_imagination_map_mv/sentence"
    folder.mkdir(parents=True)
    (folder / "sentence_1.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert any(note.startswith("1 questions have text") and "vgllm[spar]" in note for note in run(tree).work.notes)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
def test_a_share_that_makes_no_sense_is_refused(tree, share):
    with pytest.raises(DataError, match="share"):
        run(tree, options={"share": share})


def test_what_is_missing_names_its_owner_and_its_place(tmp_path):
    request = request_for(DATASET, tmp_path)
    for need in DATASET.needs(request):
        with pytest.raises(DataError) as caught:
            need.require(tmp_path)
        assert str(tmp_path / "spar") in caught.value.where
        assert "https://" in caught.value.fix


def test_scans_of_scannet_are_not_taken_for_spar(tmp_path):
    (tmp_path / "scannet" / "scans").mkdir(parents=True)
    (tmp_path / "scannet" / "images").mkdir()
    write_tree(tmp_path / "spar", members())
    assert len(run(tmp_path).samples) == MIXED


def test_choosing_holds_one_row_at_a_time(tmp_path):
    path = tmp_path / "sentence_20000.jsonl"
    line = json.dumps(row("scene0001_00", "obj_count", 32))
    path.write_text((line + "\n") * 20_000, encoding="utf-8")
    file = QuestionFile("scannet/obj_count/sentence_20000", "scannet", path)
    tracemalloc.start()
    file = counted(file, count_rows(file))
    assert sum(1 for _ in choose([file], 0.05, 0, None)) == 1000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 20_000_000
    assert peak < 1_000_000
