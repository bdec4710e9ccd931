"""A published annotation file: what a record is, which convention its angles have, its frames, and bad records."""

import json

import numpy as np
import pytest

from tests.unit.data.harness import collect, request_for
from tests.unit.data.sources.hub import assert_scorable, picture
from vgcli_core.data.sources.published_file import DATASET
from vgcli_core.errors import ConventionError, DataError
from vgcli_core.geometry.boxes import rotations, to_extrinsic
from vgcli_core.text.prompts import detect_prompt, ground_prompt

SCENES = ("scene0000_00", "scene0001_00", "scene0002_00")
# A box of the second generation, and the same solid as the first one wrote it: another triple of angles.
NEW = [0.5, -0.25, 2.0, 1.0, 0.5, 0.75, 0.3, -1.1, 0.2]
OLD = to_extrinsic(np.array([NEW]))[0].tolist()


def images(scene: str, count: int = 2) -> list[str]:
    return [f"scannet/posed_images/{scene}/{10 * number:05}.jpg" for number in range(count)]


def talk(asked: str, answered: str) -> list[dict]:
    return [{"from": "human", "value": asked}, {"from": "gpt", "value": answered}]


def detection(scene: str = SCENES[0], generation: int = 2, **values) -> dict:
    box = NEW if generation == 2 else OLD
    rounded = [round(number, 2) for number in box]
    answer = "```json\n[\n\t" + json.dumps({"label": "chair", "bbox_3d": rounded}) + "\n]```"
    return {
        "conversations": talk(f"<image>\n<image>\n{detect_prompt(generation).text}", answer),
        "images": images(scene),
        "boxes": [{"bbox_3d": box, "label": "chair", "in_reference": True}],
    } | values


def grounding(scene: str = SCENES[0], generation: int = 2, **values) -> dict:
    box = NEW if generation == 2 else OLD
    answer = "```json\n\t" + json.dumps({"frame": 1, "bbox_3d": [round(number, 2) for number in box]}) + "\n```"
    prompt = ground_prompt("the chair. it is black.", generation).text
    return {
        "images": images(scene),
        "conversations": talk(f"Frame-0: <image>Frame-1: <image>\n{prompt}", answer),
        "metadata": {"dataset": "scanrefer", "question_type": "multiple", "ann_id": "2", "object_id": "7"},
        "target": {"frame": 1, "bbox_3d": box},
        "gt_bbox": [1.0, 2.0, 0.5, 0.6, 0.6, 0.9, 0, 0, 0],
        "prompt": prompt,
    } | values


def question(scene: str = SCENES[0], **values) -> dict:
    return {
        "data_source": "scannet",
        "scene_name": scene,
        "question_type": "object_counting",
        "conversations": talk("<image><image>How many chairs?", "3"),
        "images": images(scene),
    } | values


SQA = {
    "qid": 220602000001,
    "conversations": talk("<image><image>Carefully watch the video.\nI stand. What colour?", "brown"),
    "situation": "I stand.",
    "question": "What colour?",
    "answer": "brown",
    "images": images(SCENES[0]),
    "question_type": "what",
}
SPAR = {
    "id": "scene0012_01_1661",
    "conversations": talk("<image>\nHow deep is the box (red point)?", "1.5"),
    "images": ["spar/scannet/images/scene0012_01/image_color/26.jpg"],
    "spar_info": '{"red_point": [[395, 89]], "blue_point": [[10, 20]], "type": "depth_prediction_oc"}',
}
HOUND = {
    "id": "23230678_1",
    "conversations": talk("<video>\nWhat is it?", "A dog."),
    "data_source": "llava_hound",
    "video": "llava_hound/frames/23230678",
}


def raw_with(folder, records, name="published/file.json", frames=True, lines=False):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(map(json.dumps, records)) if lines else json.dumps(records)
    path.write_text(text, encoding="utf-8")
    for record in records:
        for image in (record.get("images") or []) if frames and isinstance(record, dict) else []:
            (folder / image).parent.mkdir(parents=True, exist_ok=True)
            (folder / image).write_bytes(picture())
    return folder


def run(folder, split="train", name="published/file.json", scenes=None, limit=None, **options):
    request = request_for(DATASET, folder, split, options={"file": name, **options}, scenes=scenes, limit=limit)
    return collect(DATASET, request)


@pytest.mark.parametrize("lines", [False, True])
def test_every_kind_of_record_is_told_by_its_keys(tmp_path, lines):
    raw_with(tmp_path, [detection(), grounding(), question(), SQA, SPAR], lines=lines)
    found = run(tmp_path)
    layouts = {sample.info["layout"]: sample for sample in found.samples}
    assert list(layouts) == ["scannet_det", "scanrefer", "questions", "sqa3d", "spar"]
    assert [sample.task for sample in layouts.values()] == ["detect", "ground", "ask", "ask", "ask"]
    assert layouts["spar"].scene == "scene0012_01" and layouts["spar"].markers["red_point"] == [[395, 89]]
    assert layouts["spar"].question_type == "depth_prediction_oc"
    assert layouts["questions"].question_type == "object_counting"
    assert layouts["scanrefer"].boxes[0].frame == 1 and layouts["scanrefer"].question_type == "multiple"
    assert layouts["sqa3d"].conversations[0].text == SQA["conversations"][0]["value"]
    assert {sample.truth for sample in found.samples} == {None} and found.work.counts["records"] == 5


def test_samples_are_named_by_their_place_in_the_file_and_a_unit_is_a_scene(tmp_path):
    raw_with(tmp_path, [question(SCENES[1]), question(SCENES[0]), question(SCENES[1]), question(SCENES[1])])
    found = run(tmp_path)
    assert [unit.key for unit in found.units] == [SCENES[1], SCENES[0]]
    assert [sample.id for sample in found.samples] == ["0000000", "0000002", "0000003", "0000001"]
    assert len(found.work.frames) == 4


@pytest.mark.parametrize("make", [detection, grounding])
def test_a_record_of_the_first_generation_becomes_one_of_the_second(tmp_path, make):
    raw_with(tmp_path, [make(), make(generation=1)])
    new, old = run(tmp_path).samples
    assert old.conversations[0] == new.conversations[0]
    boxes = [np.array([sample.boxes[0].box.angles]) for sample in (new, old)]
    np.testing.assert_allclose(rotations(boxes[1]), rotations(boxes[0]), atol=1e-12)
    assert old.answer == new.answer != make(generation=1)["conversations"][1]["value"]


def test_the_convention_can_be_said_and_wins_over_the_wording(tmp_path):
    raw_with(tmp_path, [detection(generation=1, boxes=[{"bbox_3d": NEW, "label": "chair"}])])
    (box,) = run(tmp_path, convention="ZXY").samples[0].boxes
    assert [*box.box.center, *box.box.size, *box.box.angles] == NEW


def test_boxes_that_nobody_declares_are_refused(tmp_path):
    raw_with(tmp_path, [detection(conversations=talk("<image><image>Find the boxes.", "[]"))])
    with pytest.raises(ConventionError, match="do not say which Euler convention") as raised:
        run(tmp_path)
    assert "--set convention=ZXY" in raised.value.fix
    assert len(run(tmp_path, convention="zxy").samples) == 1


def test_boxes_in_the_last_frame_say_so(tmp_path):
    text = f"<image>\n<image>\n{detect_prompt(2, reference_frame='last').text}"
    raw_with(tmp_path, [detection(conversations=talk(text, "[]"))])
    assert run(tmp_path).samples[0].boxes[0].frame == 1


def test_a_convention_that_turns_furniture_over_is_doubted(tmp_path):
    # An upright box seen by a camera that looks down by 30 degrees, as the first generation wrote it; said to be new.
    rows = []
    for turn in np.linspace(0.3, 2.8, 12):
        down, yaw = np.radians(-90 - 30), turn
        upright = np.array(
            [
                [np.cos(yaw), -np.sin(yaw), 0],
                [np.cos(down) * np.sin(yaw), np.cos(down) * np.cos(yaw), -np.sin(down)],
                [np.sin(down) * np.sin(yaw), np.sin(down) * np.cos(yaw), np.cos(down)],
            ]
        )
        from scipy.spatial.transform import Rotation

        angles = Rotation.from_matrix(upright).as_euler("zxy").tolist()
        rows.append({"bbox_3d": [0.0, 0.0, 2.0, 0.5, 0.5, 1.0, *angles], "label": "chair"})
    raw_with(tmp_path, [detection(boxes=rows)])
    assert any("look as if they had others" in note for note in run(tmp_path).work.notes)
    assert not run(tmp_path, convention="zxy").work.notes


def test_evaluation_records_have_truths_and_cameras(tmp_path):
    pose = [[1.0, 0, 0, 0], [0, 0, 1.0, 0], [0, -1.0, 0, 1.5], [0, 0, 0, 1.0]]
    cameras = {
        "cam2img": [[500.0, 0, 320, 0], [0, 500.0, 240, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        "cam2global": [pose, pose],
        "axis_align_matrix": [[1.0, 0, 0, 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    }
    empty = talk(grounding()["conversations"][0]["value"], "")
    raw_with(tmp_path, [grounding(target=None, conversations=empty, **cameras)], "published/scanrefer_val.json")
    (sample,) = run(tmp_path, "val", "published/scanrefer_val.json").samples
    assert sample.answer == "" and sample.boxes == () and sample.truth["kind"] == "multiple"
    assert sample.cameras.camera_to_world[0, :3, 3].tolist() == [3, 0, 1.5]  # aligned: 3 m along x
    assert_scorable([sample], "scanrefer")
    # Asked to leave cameras out, they stay where no answer could be scored without them.
    request = request_for(
        DATASET, tmp_path, "val", options={"file": "published/scanrefer_val.json"}, cameras=False, with_frames=False
    )
    assert_scorable(collect(DATASET, request).samples, "scanrefer")
    raw_with(tmp_path, [detection(**cameras)], "published/det_val.json")
    assert_scorable(run(tmp_path, "val", "published/det_val.json").samples, "scannet_det")
    raw_with(tmp_path, [SQA], "published/sqa3d_test_32frame.json")
    assert_scorable(run(tmp_path, "test", "published/sqa3d_test_32frame.json").samples, "sqa3d")


def test_a_video_of_frames_is_sampled_by_the_training_rule(tmp_path):
    raw_with(tmp_path, [HOUND])
    folder = tmp_path / HOUND["video"]
    folder.mkdir(parents=True)
    for number in range(1, 12):
        (folder / f"c01_{number:04}.jpeg").write_bytes(picture(colour=number))
    (folder / "notes.txt").write_text("no frame")
    (sample,) = run(tmp_path).samples
    # 11 frames at 1 fps, one for each 2 s: round(5.5) = 6, even; floor of 0, 2, 4, 6, 8, 10.
    assert [int(name[-9:-5]) - 1 for name in sample.frames] == [0, 2, 4, 6, 8, 10]
    assert sample.conversations[0].text == "<image>" * 6 + "\nWhat is it?" and sample.tag == "2d"


def test_a_video_without_frames_is_dropped(tmp_path):
    raw_with(tmp_path, [HOUND, HOUND | {"video": "../other"}])
    assert run(tmp_path).work.drops == {"the folder of a video is missing": 2}


def test_records_without_their_frames_are_dropped_alone(tmp_path):
    raw_with(tmp_path, [question(scene) for scene in SCENES])
    (tmp_path / images(SCENES[0])[1]).unlink()
    found = run(tmp_path)
    assert [sample.scene for sample in found.samples] == list(SCENES[1:])
    assert found.work.drops == {"a frame is missing": 1}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (question(images=images(SCENES[0], 3)), "pictures and <image> tags differ"),
        (question(images=["../../a.jpg", "b.jpg"]), "no usable names of pictures"),
        (question(images=[1, 2]), "images is no list of texts"),
        (question(conversations=[]), "the first turn is not human"),
        (question(conversations="text"), "conversations are no list of turns"),
        (question(conversations=[{"from": "system", "value": "x"}]), "a turn without a speaker or a text"),
        (grounding(target={"frame": 2, "bbox_3d": NEW}), "target in no frame of the record"),
        (grounding(target={"frame": True, "bbox_3d": NEW}), "target in no frame of the record"),
        (grounding(target={"frame": 0, "bbox_3d": NEW[:6]}), "a box of other than nine numbers"),
        (grounding(target={"box": NEW}), "a value of the wrong form"),
        (detection(boxes=[{"bbox_3d": [*NEW[:8], "x"], "label": "chair"}]), "a box with something else than finite"),
        (detection(boxes=[{"bbox_3d": NEW}]), "no label"),
        (detection(boxes=[NEW]), "boxes are no list of objects"),
        (detection(boxes=None), "boxes are no list of objects"),
        (SPAR | {"spar_info": "{"}, "row of another form"),
        ({"images": []}, "record of no published layout"),
        ([1, 2], "no record but another JSON value"),
    ],
)
def test_a_bad_record_is_dropped_with_its_reason(tmp_path, record, reason):
    raw_with(tmp_path, [question(SCENES[1])])
    raw_with(tmp_path, [question(SCENES[1]), record], frames=False)
    found = run(tmp_path)
    assert [sample.id for sample in found.samples] == ["0000000"]
    assert sum(found.work.drops.values()) == 1 and next(iter(found.work.drops)).startswith(reason)


def test_limit_counts_records_and_scenes_are_chosen_by_name_or_number(tmp_path):
    raw_with(tmp_path, [question(SCENES[number % 3]) for number in range(9)])
    assert len(run(tmp_path, limit=4).samples) == 4
    two = run(tmp_path, scenes=2)
    assert [sample.id[-1] for sample in two.samples] == list("036147")
    assert [sample.id[-1] for sample in run(tmp_path, scenes=frozenset({SCENES[2]})).samples] == list("258")


def test_the_file_and_its_split_must_be_said(tmp_path):
    with pytest.raises(DataError, match="annotation file of the VG-LLM authors: not found"):
        DATASET.plan(request_for(DATASET, tmp_path))
    raw_with(tmp_path, [grounding()], "published/scanrefer_val_32frames.json")
    assert len(run(tmp_path, "val", "").samples) == 1
    raw_with(tmp_path, [grounding()], "published/other.json")
    with pytest.raises(DataError, match="which of 2 files is not said") as raised:
        run(tmp_path, "val", "")
    assert "--set file=PATH" in raised.value.fix
    with pytest.raises(DataError, match="looks like the split val"):
        run(tmp_path, "train", "published/scanrefer_val_32frames.json")
    with pytest.raises(DataError, match="not found"):
        run(tmp_path, "train", "published/none.json")
    with pytest.raises(DataError, match="one split"):
        DATASET.plan(request_for(DATASET, tmp_path, "train", "val", options={"file": "published/other.json"}))


def test_a_file_anywhere_may_be_named(tmp_path):
    raw_with(tmp_path / "raw", [question()])
    (tmp_path / "raw" / "published" / "file.json").rename(tmp_path / "elsewhere.json")
    assert len(run(tmp_path / "raw", name=str(tmp_path / "elsewhere.json")).samples) == 1


def test_a_cut_off_file_is_named(tmp_path):
    raw_with(tmp_path, [question()])
    path = tmp_path / "published" / "file.json"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"file\.json is no JSON, or cut off"):
        run(tmp_path)
