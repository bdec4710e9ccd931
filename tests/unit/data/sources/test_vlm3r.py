"""VLM-3R's questions with frames in the folders of three datasets."""

import json
import shutil

import pytest

from tests.unit.data.harness import collect, request_for
from tests.unit.data.sources.hub import picture
from vgcli_core.data.prepare import missing_needs, prepare
from vgcli_core.data.sources.vlm3r import DATASET
from vgcli_core.data.unit_work import Settings
from vgcli_core.errors import DataError

PLACES = {
    "scannet": "scannet/posed_images/{}/{:05d}.jpg",
    "scannetpp": "scannetpp/data/{}/dslr/resized_undistorted_images/DSC{:05d}.JPG",
    "arkitscenes": "arkitscenes/3dod/Training/{0}/{0}_frames/lowres_wide/{0}_{1}.000.png",
}


def question(source: str, scene: str, number: int, **changes) -> dict:
    asked = {"from": "human", "value": "<image>\nHow many chairs are there?"}
    row = {"id": number, "data_source": source, "scene_name": scene, "question_type": "count", "video": "v.mp4"}
    return {**row, "conversations": [asked, {"from": "gpt", "value": "2"}]} | changes


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "vlm3r" / "vsibench_train"
    folder.mkdir(parents=True)
    rows = [question(source, f"{source}7", number) for number, source in enumerate(PLACES)]
    (folder / "a.json").write_text(json.dumps(rows))
    (folder / "b.json").write_text(json.dumps([question("scannet", "scannet7", 3)]))
    for source, place in PLACES.items():
        for number in range(12):
            path = tmp_path / place.format(f"{source}7", number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture("PNG" if path.suffix == ".png" else "JPEG"))
    return tmp_path


def run(raw, **values):
    return collect(DATASET, request_for(DATASET, raw, **({"num_frames": 4} | values)))


def test_all_sources_are_read_and_frames_stand_before_the_question_in_time_order(raw):
    result = run(raw)
    assert {sample.scene for sample in result.samples} == {"scannet7", "scannetpp7", "arkitscenes7"}
    assert len(result.samples) == 4 and not result.work.drops
    for sample in result.samples:
        assert list(sample.frames) == sorted(sample.frames) and len(set(sample.frames)) == 4
        assert sample.conversations[0].text == "<image>" * 4 + "\nHow many chairs are there?"
        assert set(sample.frames) <= set(result.work.frames)
    assert result.work.counts["scannet questions"] == 2


@pytest.mark.parametrize("wish", ["scannet,arkitscenes", "scannet-arkitscenes", "scannet+arkitscenes"])
def test_sources_can_be_named_with_any_sign_between_them(raw, wish):
    result = run(raw, options={"data_source": wish})
    assert {sample.scene for sample in result.samples} == {"scannet7", "arkitscenes7"}
    assert sum(result.work.drops.values()) == 1


def test_sources_without_frames_are_left_out_counted_and_said_and_one_must_be_there(raw):
    shutil.rmtree(raw / "scannetpp")
    for path in (raw / "arkitscenes").rglob("*.png"):
        path.unlink()  # folders alone are no frames
    result = run(raw)
    assert {sample.scene for sample in result.samples} == {"scannet7"} and len(result.samples) == 2
    assert result.work.drops == {"question of a data source whose frames are not there": 2}
    assert any("no frames of scannetpp and arkitscenes" in note for note in result.work.notes)
    assert missing_needs(DATASET, request_for(DATASET, raw)) == []
    named = request_for(DATASET, raw, options={"data_source": "scannet,arkitscenes"})
    assert [need.what.split()[0] for need in missing_needs(DATASET, named)] == ["ARKitScenes"]
    shutil.rmtree(raw / "scannet")
    assert len(missing_needs(DATASET, request_for(DATASET, raw))) == 3


def test_reference_mode_writes_the_file_under_its_published_name(raw, tmp_path):
    for wish, name in (("scannet", "scannet"), ("auto", "scannet,scannetpp,arkitscenes")):
        out = tmp_path / f"out {wish}"
        request = request_for(DATASET, raw, options={"data_source": wish}, mode="reference", num_frames=8)
        manifest = prepare(DATASET, request, Settings(out)).manifest
        assert manifest["splits"]["train"]["published_layout"]["file"] == f"vlm_3r_{name}_8f_0k.json"
        written = json.loads((out / f"vlm_3r_{name}_8f_0k.json").read_text(encoding="utf-8"))
        assert len(written) == manifest["splits"]["train"]["samples"] > 0
    count = DATASET.record_file("train", 32, 205_999, request_for(DATASET, raw, options={"data_source": "scannet"}))
    assert count == "vlm_3r_scannet_32f_205k.json"


def test_an_unknown_source_is_refused(raw):
    with pytest.raises(DataError, match="matterport"):
        DATASET.check(request_for(DATASET, raw, options={"data_source": "scannet,matterport"}))


def test_a_scene_without_frames_is_quarantined_and_bad_entries_are_dropped(raw):
    rows = [
        question("scannet", "scannet8", 0),
        question("scannet", "../scannet7", 1),
        question("scannet", "scannet7", 2, conversations=[]),
        question("scannet", "scannet7", 3, conversations=["hello"]),
        "text",
        question("scannet", "scannet7", 4),
    ]
    (raw / "vlm3r" / "vsibench_train" / "a.json").write_text(json.dumps(rows))
    result = run(raw)
    assert list(result.quarantined) == ["scannet/scannet8"]
    assert sum(result.work.drops.values()) == 4
    assert [sample.id for sample in result.samples] == ["scannet/scannet7/4", "scannet/scannet7/3"]


def test_questions_of_one_scene_see_different_frames_unless_they_are_fixed(raw):
    rows = [question("scannet", "scannet7", number) for number in range(8)]
    (raw / "vlm3r" / "vsibench_train" / "a.json").write_text(json.dumps(rows))
    (raw / "vlm3r" / "vsibench_train" / "b.json").unlink()
    assert len({sample.frames for sample in run(raw).samples}) > 1
    fixed = {sample.frames for sample in run(raw, choice="fixed").samples}
    # linspace(0, 11, 4) cut to integers.
    assert [[path[-9:-4] for path in frames] for frames in fixed] == [["00000", "00003", "00007", "00011"]]


def test_equal_ids_are_told_apart(raw):
    rows = [question("scannet", "scannet7", 3)]
    (raw / "vlm3r" / "vsibench_train" / "a.json").write_text(json.dumps(rows))
    assert [sample.id for sample in run(raw).samples] == ["scannet/scannet7/3", "scannet/scannet7/3/2"]
