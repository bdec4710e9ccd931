"""SQA3D from the owner's two files and from the ready-made one."""

import json

import pytest

from tests.unit.data.harness import collect, request_for
from tests.unit.data.sources.scannet_raw import write_embodiedscan, write_frames
from tests.unit.data.tasks.scans import make_scan
from vgcli_core.data.sample import truth_of
from vgcli_core.data.sources.scannet_scans import STRETCH
from vgcli_core.data.sources.sqa3d import DATASET, kind_of
from vgcli_core.errors import DataError
from vgcli_core.evaluation.benchmarks.sqa3d import Sqa3dTruth

SCAN = make_scan(40, name="scannet/scene0001_00")
SITUATION, QUESTION = "I am standing by the door.", "What colour is the chair?"


def write_owner(raw, split="test", answers=("brown", "yes")) -> None:
    folder = raw / "sqa3d" / "sqa_task" / "balanced"
    folder.mkdir(parents=True, exist_ok=True)
    asked = [QUESTION, "Is it far?"]
    questions = [
        {
            "scene_id": SCAN.scene,
            "situation": SITUATION,
            "alternative_situation": [],
            "question": text,
            "question_id": 2206 + number,
        }
        for number, text in enumerate(asked)
    ]
    annotations = [
        {"scene_id": SCAN.scene, "question_id": 2206 + number, "answers": [{"answer": answer, "answer_id": 1}]}
        for number, answer in enumerate(answers)
    ]
    for name, key, rows in (("questions", "questions", questions), ("sqa_annotations", "annotations", annotations)):
        path = folder / f"v1_balanced_{name}_{split}_scannetv2.json"
        path.write_text(json.dumps({"info": {}, key: rows}))


def ready_row(number: int, **changes) -> dict:
    frames = [f"scannet/posed_images/{SCAN.scene}/{10 * place:05d}.jpg" for place in range(number, 32 + number)]
    text = "<image>" * 32 + (
        f"Carefully watch the video and answer the question using a single word or phrase.\n{SITUATION} {QUESTION}"
    )
    return {
        "qid": number,
        "conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": "brown"}],
        "situation": SITUATION,
        "question": QUESTION,
        "answer": "brown",
        "images": frames,
        "question_type": "what",
    } | changes


def write_ready(raw, rows) -> None:
    (raw / "sqa3d").mkdir(parents=True, exist_ok=True)
    (raw / "sqa3d" / "sqa3d_test_32frame.json").write_text(json.dumps(rows))


def run(raw, *splits, **values):
    return collect(DATASET, request_for(DATASET, raw, *splits, **({"with_frames": False} | values)))


@pytest.fixture
def raw(tmp_path):
    write_embodiedscan(tmp_path, test=[SCAN])
    return tmp_path


def test_frames_of_the_owners_questions_are_sorted_and_evenly_spaced(raw):
    write_owner(raw)
    result = run(raw, num_frames=8)
    assert [sample.id for sample in result.samples] == ["2206", "2207"]
    places = [[int(path[-9:-4]) // 10 for path in sample.frames] for sample in result.samples]
    for row in places:
        assert row == list(range(row[0], 40, 5)) and row[0] < 5


def test_a_scan_of_which_samples_see_a_stretch_alone_is_counted(raw):
    write_owner(raw)
    assert [run(raw, num_frames=number).work.counts[STRETCH] for number in (20, 21, 40)] == [0, 1, 0]


def test_evaluation_asks_as_the_published_evaluation_and_training_as_the_published_file(raw):
    write_owner(raw)
    write_owner(raw, "train")
    write_embodiedscan(raw, train=[SCAN])
    result = run(raw, "test", "train", num_frames=2)
    evaluated, trained = result.samples[0], result.samples[2]
    assert evaluated.conversations[0].text == (
        f"<image><image>Carefully watch the video and answer the question.\n{SITUATION} {QUESTION}\n"
        "Please answer the question using a single word or phrase."
    )
    assert trained.conversations[0].text == (
        f"<image><image>Carefully watch the video and answer the question using a single word or phrase.\n"
        f"{SITUATION} {QUESTION}"
    )
    assert Sqa3dTruth(**truth_of(evaluated)).question_type == "what" and trained.truth is None


def test_the_ready_made_file_names_the_frames_and_is_written_back_as_it_was(raw):
    rows = [ready_row(1), ready_row(3)]
    write_ready(raw, rows)
    result = run(raw, mode="reference")
    assert [dict(DATASET.record(sample)) for sample in result.samples] == rows
    assert result.samples[0].truth == {"answer": "brown", "question_type": "what", "scene": SCAN.scene}


def test_other_frames_than_the_ready_made_ones_need_the_owners_files(raw):
    write_ready(raw, [ready_row(1)])
    for wish in ({"num_frames": 8}, {"choice": "fixed"}, {"options": {"annotations": "owner"}}):
        with pytest.raises(DataError, match="SQA3D questions"):
            run(raw, **wish)
    write_owner(raw)
    assert len({sample.frames for sample in run(raw, choice="fixed").samples}) == 1


def test_questions_without_a_usable_answer_and_bad_rows_are_dropped(raw):
    write_owner(raw, answers=("brown", "?"))
    result = run(raw, num_frames=2)
    assert len(result.samples) == 1 and sum(result.work.drops.values()) == 1
    mixed = [f"scannet/posed_images/{scene}/00000.jpg" for scene in ("scene0001_00", "scene0002_00")]
    write_ready(raw, [ready_row(1), ready_row(2, images=mixed), ready_row(3, question_type="why"), 5])
    result = run(raw)
    assert len(result.samples) == 1 and sum(result.work.drops.values()) == 3


def test_frames_are_stored(raw):
    write_owner(raw)
    write_frames(raw, SCAN)
    result = run(raw, num_frames=3, with_frames=True)
    assert set(result.work.frames) == {path for sample in result.samples for path in sample.frames}


def test_files_of_another_form_are_refused(raw):
    write_owner(raw)
    next(raw.rglob("*annotations*")).write_text("[]")
    with pytest.raises(DataError, match="annotations"):
        run(raw)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What is it?", "what"),
        (" is it?", "is"),
        ("Which one?", "which"),
        ("Can't I see it?", "can"),
        ("What's that?", "what"),
        ("Does it?", "others"),
        ("However far is it?", "others"),
        ("Isn", "others"),
        ("Canned food is where?", "others"),
        ("?", "others"),
    ],
)
def test_the_type_of_a_question_is_its_first_word(question, kind):
    assert kind_of(question) == kind
