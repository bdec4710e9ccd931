"""The dataset of rooms: all tasks, truths that the benchmarks take, and requests that are refused in plain words."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.unit.data.harness import collect, request_for
from vgcli_core.data.rooms.descriptions import with_article
from vgcli_core.data.rooms.film import film
from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.labels import alike
from vgcli_core.data.rooms.options import FIRST, settings_of
from vgcli_core.data.rooms.render import minimum_visible
from vgcli_core.data.rooms.settings import RoomSettings
from vgcli_core.data.sample import to_line, truth_of
from vgcli_core.data.scene_truth import NOBODY, from_bytes
from vgcli_core.data.sources import DATASETS
from vgcli_core.data.sources.rooms import DATASET, NUM_FRAMES, TASKS
from vgcli_core.data.tasks.grounding import NOT_SHOWN
from vgcli_core.errors import DataError, UnknownName, UsageError, VgllmError
from vgcli_core.evaluation.benchmarks import scan2cap, scannet_det, scanrefer, vsi_bench
from vgcli_core.geometry.boxes import as_array, corners, rotations, transform
from vgcli_core.geometry.camera import project, unproject
from vgcli_core.geometry.overlap import iou
from vgcli_core.text.answers import read_detection, read_grounding

NOWHERE = Path("nowhere")
SMALL = {"width": 56, "height": 42, "film_frames": 20}
BENCHMARKS = {"ground": scanrefer, "caption": scan2cap, "detect": scannet_det, "ask": vsi_bench}


def rooms(*splits, scenes=2, options=None, **values):
    request = request_for(DATASET, NOWHERE, *splits, options=SMALL | (options or {}), scenes=scenes, **values)
    DATASET.check(request)
    return collect(DATASET, request)


@pytest.fixture(scope="module")
def everything():
    return rooms("train", "val", "test", scenes=4)


def task_of(sample):
    return sample.id.split("/")[1]


def test_it_is_registered_and_needs_nothing():
    assert DATASETS["rooms"] is DATASET
    assert not list(DATASET.needs(request_for(DATASET, NOWHERE)))


def test_every_split_has_samples_of_every_task(everything):
    assert not everything.quarantined
    for split in FIRST:
        found = Counter(task_of(one) for one in everything.samples if one.split == split)
        assert set(found) == set(TASKS)
        assert len({one.scene for one in everything.samples if one.split == split}) == 4


def test_no_room_is_in_two_splits(everything):
    scenes = {split: {one.scene for one in everything.samples if one.split == split} for split in FIRST}
    assert not scenes["train"] & scenes["val"] and not scenes["val"] & scenes["test"]


def test_truths_are_what_the_benchmarks_take_and_training_has_none(everything):
    for one in everything.samples:
        truth = truth_of(one)
        assert (truth is None) == (one.split == "train")
        if truth is not None:
            benchmark = BENCHMARKS[one.task].BENCHMARK
            parsed = benchmark.truth.model_validate(truth)
            assert benchmark.perfect(parsed) or one.task == "detect"


def test_all_samples_carry_exact_cameras_unless_they_are_not_wanted(everything):
    room = make_room(0, 3, settings_of(request_for(DATASET, NOWHERE, options=SMALL).options))
    for one in (one for one in everything.samples if one.scene == room.name):
        places = [int(frame[-9:-4]) for frame in one.frames]
        np.testing.assert_array_equal(one.cameras.camera_to_world, room.cameras_to_world[places])
        np.testing.assert_array_equal(one.cameras.intrinsics, room.intrinsics)
    bare = rooms("train", scenes=1, cameras=False)
    assert bare.samples and all(len(one.cameras.camera_to_world) == 0 for one in bare.samples)


def test_answers_of_grounding_name_a_frame_that_shows_the_thing(everything):
    checked = 0
    for one in everything.samples:
        if one.task == "ground" and one.split == "train":
            (framed,) = one.boxes
            reading = read_grounding(one.answer, len(one.frames))
            assert reading.frame == framed.frame
            np.testing.assert_allclose(as_array(reading.boxes), as_array([framed.box]), atol=0.00501)
            pixels, _ = project(np.array([framed.box.center]), one.cameras.intrinsics)
            assert one.target_visible and -1 < pixels[0, 0] / 56 < 2 and -1 < pixels[0, 1] / 42 < 2
            checked += 1
    assert checked > 50


def test_boxes_of_detection_are_those_of_the_room(everything):
    for one in everything.samples:
        if one.task != "detect" or one.scene != "room_000001":
            continue
        room = make_room(0, 1, settings_of(request_for(DATASET, NOWHERE, options=SMALL).options))
        true = corners(np.array([thing.box for thing in room.things]))
        in_room = transform(as_array([framed.box for framed in one.boxes]), one.cameras.camera_to_world[0])
        for solid in corners(in_room):
            assert np.abs(true - solid).max(axis=(1, 2)).min() < 1e-9
        assert len(read_detection(one.answer).boxes) == len(one.boxes)


def test_the_truth_of_a_film_puts_every_cell_in_the_box_of_its_owner():
    found = rooms("train", scenes=4, options={"truth": True, "tasks": "detect_4", "clutter": "2:2"})
    checked = nobody = 0
    settings = settings_of(request_for(DATASET, NOWHERE, options=SMALL | {"clutter": "2:2"}).options)
    for number in range(4):
        room = make_room(0, number, settings)
        name = f"rooms/{room.name}/truth.safetensors"
        truth = from_bytes(found.work.frames[name], where=name)
        assert truth.labels == tuple(thing.label for thing in room.things)
        assert truth.depth.shape == truth.owner.shape == (20, 6, 8)
        np.testing.assert_array_equal(truth.boxes, [thing.box for thing in room.things])
        np.testing.assert_array_equal(truth.camera_to_world, room.cameras_to_world)
        rows, columns = np.indices((6, 8)).reshape(2, -1)
        middles = 7.0 * np.column_stack([columns, rows]) + 3.5
        for depth, owner, pose in zip(truth.depth, truth.owner, truth.camera_to_world, strict=True):
            points = unproject(middles, depth.ravel().astype(float), truth.intrinsics) @ pose[:3, :3].T + pose[:3, 3]
            for point, one in zip(points, owner.ravel().tolist(), strict=True):
                if one == NOBODY:
                    nobody += 1
                    continue
                box = truth.boxes[one]
                local = rotations(box[None, 6:])[0].T @ (point - box[:3])
                assert (np.abs(local) <= box[3:6] / 2 + 0.01).all()
                # Boxes are no name where clutter looks like them.
                assert truth.labels[one] != "box"
                checked += 1
    assert checked > 500 and nobody > 500
    assert not any(name.endswith("truth.safetensors") for name in rooms("train", scenes=1).work.frames)


def test_answers_in_the_first_frame_take_in_things_that_it_does_not_show():
    options = {"tasks": "ground", "answers_in": "first", "naming": "least_rotated"}
    found = rooms("train", scenes=6, num_frames=4, options=options).samples
    films, hidden = films_of(found), 0
    for one in found:
        (framed,) = one.boxes
        room, thing = films[one.scene].room, int(one.info["object_id"])
        back = transform(as_array([framed.box]), one.cameras.camera_to_world[0])
        assert framed.frame == 0 and iou(back, room.things[thing].box[None])[0, 0] > 1 - 1e-6
        assert np.abs(framed.box.angles).max() < np.radians(85)
        hidden += not films[one.scene].visible[int(one.frames[0][-9:-4]), thing]
    assert 5 < hidden < len(found) - 5


def test_training_takes_as_many_texts_of_a_thing_as_are_asked_for():
    options = {"tasks": "ground,ground_relational,caption", "texts": 1}
    few = Counter((task_of(one), one.split, one.scene, one.info["object_id"]) for one in both(options))
    assert {key[0] for key in few} == {"ground", "ground_relational", "caption"}
    train = {key: count for key, count in few.items() if key[1] == "train"}
    assert {count for key, count in train.items() if key[0] == "caption"} == {1}
    assert max(count for key, count in train.items() if key[0] != "caption") == 2  # one text, two choices of frames
    assert max(count for key, count in few.items() if key[1] == "val") > 1
    texts = {re.sub("the .*", "", one.question.split("Text: ")[1]) for one in both(options) if one.task == "ground"}
    assert len(texts) >= 3


def test_training_asks_as_many_questions_of_a_kind_as_are_wanted():
    found = both({"tasks": "ask", "questions": 1})
    kinds = {
        split: Counter((one.scene, one.question_type) for one in found if one.split == split)
        for split in ("train", "val")
    }
    assert max(kinds["train"].values()) == 1 and max(kinds["val"].values()) == 3
    assert len({kind for _, kind in kinds["train"]}) >= 6


def both(options):
    return rooms("train", "val", scenes=5, options=options).samples


def test_the_demo_asks_for_large_things_in_the_first_of_four_frames_and_stores_the_truth():
    found = rooms(
        *("train", "val"), scenes=3, choice="fixed", num_frames=4, options=SMALL | {"preset": "demo", "film_frames": 4}
    )
    assert {task_of(one) for one in found.samples} == {"ground", "ground_relational", "caption", "detect_4", "ask"}
    frames = {tuple(int(path[-9:-4]) for path in one.frames) for one in found.samples}
    assert frames == {(0, 1, 2, 3)}
    assert {framed.frame for one in found.samples for framed in one.boxes} == {0}
    scenes = {one.scene for one in found.samples}
    assert {name for name in found.work.frames if not name.endswith(".jpg")} == {
        f"rooms/{scene}/truth.safetensors" for scene in scenes
    }
    asked = Counter(one.scene for one in found.samples if task_of(one) == "ground" and one.split == "train")
    assert min(asked.values()) >= 2


def test_axis_aligned_boxes_hold_the_others():
    turned, along = (
        {one.id: one for one in rooms("val", scenes=4, options={"tasks": "ground", "axis_aligned": flag}).samples}
        for flag in (False, True)
    )
    different = 0
    for name, one in along.items():
        box, other = one.truth["bbox_3d"], turned[name].truth["bbox_3d"]
        assert box[6:] == [0, 0, 0]
        low, high = (edge(corners(np.array([other]))[0], axis=0) for edge in (np.min, np.max))
        assert (np.array(box[:3]) - np.array(box[3:6]) / 2 >= low - 1e-9).all()
        assert (np.array(box[:3]) + np.array(box[3:6]) / 2 <= high + 1e-9).all()
        different += not np.allclose(box, other)
    assert different


def test_visible_frames_of_a_truth_are_those_with_enough_pixels():
    request = request_for(DATASET, NOWHERE, "val", options=SMALL | {"tasks": "ground"}, scenes=2)
    for one in collect(DATASET, request).samples:
        filmed = film(make_room(0, int(one.scene.removeprefix("room_")), settings_of(request.options)))
        seen = filmed.visible[[int(frame[-9:-4]) for frame in one.frames], int(one.info["object_id"])]
        assert one.truth["visible_frames"] == np.flatnonzero(seen).tolist()
        assert one.target_visible == bool(seen.any())


def films_of(samples, options=None):
    """The films of samples, by scene."""
    settings = settings_of(request_for(DATASET, NOWHERE, options=SMALL | (options or {})).options)
    names = {one.scene for one in samples}
    return {name: film(make_room(0, int(name.removeprefix("room_")), settings)) for name in names}


def seen_in(filmed, sample):
    """Which things [T] the frames of a sample show."""
    return filmed.visible[[int(frame[-9:-4]) for frame in sample.frames]].any(axis=0)


@pytest.mark.parametrize("choice", ["cyclic", "fixed"])
def test_frames_show_all_that_a_description_compares(choice):
    """Every sentence is read here, and each thing that it names, and one that it is chosen from, must be in a frame."""
    found = rooms("train", "val", scenes=5, choice=choice, options={"tasks": "ground,ground_relational"}).samples
    films, compared = films_of(found), Counter()
    for one in found:
        filmed, places = films[one.scene], [int(frame[-9:-4]) for frame in one.frames]
        labels, seen = [thing.label for thing in filmed.room.things], seen_in(filmed, one)
        target = int(one.info["object_id"])
        text = one.question.split("\nText: ")[1].split("\n")[0]
        assert seen[target], text
        landmark = re.search(r"(?:next to|closest to|furthest from| on) the ([a-z ]+?)\.?$", text)
        if landmark and landmark[1] == "door":
            assert (filmed.doors[places].max(axis=1) >= minimum_visible(42, 56)).any(), text
        elif landmark:
            assert any(seen[number] for number, label in enumerate(labels) if label == landmark[1]), text
        word = re.search("closest|furthest|largest|smallest|tallest", text)
        if word:
            others = [n for n, label in enumerate(labels) if n != target and alike(label, labels[target])]
            assert seen[others].any(), text
            compared[word[0]] += 1
    assert len(compared) == 5 and sum(compared.values()) > 30


def test_as_scanrefer_has_it_frames_need_show_nothing_but_the_thing():
    options = {"tasks": "ground_relational", "axis_aligned": True}
    found = rooms("train", scenes=5, num_frames=1, options=options)
    films = films_of(found.samples)
    assert not all(seen_in(films[one.scene], one)[one.info["anchors"]].all() for one in found.samples)
    assert not found.work.drops[NOT_SHOWN]
    # Otherwise nothing is hidden, and what cannot be shown is counted.
    strict = rooms("train", scenes=5, num_frames=1, options=options | {"axis_aligned": False})
    assert strict.work.drops[NOT_SHOWN] and 0 < len(strict.samples) < len(found.samples)


def test_relational_samples_are_of_things_whose_label_might_mean_others(everything):
    found = [one for one in everything.samples if one.task == "ground" and one.split == "train"]
    films, checked = films_of(found), Counter()
    for one in found:
        labels = [thing.label for thing in films[one.scene].room.things]
        own = labels[int(one.info["object_id"])]
        ambiguous = sum(alike(own, label) for label in labels) > 1
        assert ambiguous == (task_of(one) == "ground_relational")
        checked[ambiguous] += 1
    assert min(checked.values()) > 20


def test_no_two_samples_are_the_same(everything):
    seen = Counter((one.split, one.frames, one.conversations) for one in everything.samples)
    assert max(seen.values()) == 1
    # A sample shows all of a film of 8 frames, in one of 8 orders.
    short = rooms("train", scenes=6, options={"film_frames": 8, "tasks": "ground"})
    pairs = Counter((one.frames, one.conversations) for one in short.samples)
    assert short.samples and max(pairs.values()) == 1


def test_captions_say_more_than_a_label_and_show_what_they_name(everything):
    found = [one for one in everything.samples if task_of(one) == "caption" and one.split == "train"]
    films, bare, named = films_of(found), 0, 0
    for one in found:
        filmed, text = films[one.scene], one.answer.lower()
        seen, labels = seen_in(filmed, one), [thing.label for thing in filmed.room.things]
        assert seen[int(one.info["object_id"])] and "there is one" not in text
        for name in re.findall(r"(?:next to|above| on) (?:the|an?) ([a-z ]+?)(?:\.|$)", text):
            if name in labels:
                assert any(seen[number] for number, label in enumerate(labels) if label == name), text
                named += 1
        bare += text == f"this is {with_article(labels[int(one.info['object_id'])])}."
    assert bare <= 0.05 * len(found) and named > 20
    assert len({one.answer for one in found}) >= 0.8 * len(found) > 50


def test_boxes_are_not_asked_for_where_unnamed_ones_look_the_same():
    for clutter, named in (("0:0", True), ("2:2", False)):
        options = {"tasks": "detect_4", "clutter": clutter, "categories": "box,bed,table", "things": "6"}
        found = rooms("train", scenes=6, options=options).samples
        labels = Counter(framed.box.label for one in found for framed in one.boxes)
        assert (labels["box"] > 0) == named and labels["table"] and not labels["object"]


def test_only_frames_that_samples_name_are_stored(everything):
    assert set(everything.work.frames) == {frame for one in everything.samples for frame in one.frames}
    few = rooms("train", scenes=1, options={"tasks": "detect_4", "windows": 1})
    assert len(few.work.frames) == 4
    assert not rooms("train", scenes=1, with_frames=False).work.frames


def test_tasks_are_chosen_by_name():
    assert {task_of(one) for one in rooms("train", options={"tasks": "ask, detect_6"}).samples} == {"ask", "detect_6"}
    with pytest.raises(UnknownName, match="caption"):
        rooms("train", options={"tasks": "captions"})


@pytest.mark.parametrize("choice", ["cyclic", "fixed"])
def test_samples_have_as_many_frames_as_are_asked_for(choice):
    for num_frames in (None, 5):
        for one in rooms("train", scenes=1, choice=choice, num_frames=num_frames).samples:
            expected = int(task_of(one)[-1]) if one.task == "detect" else num_frames or NUM_FRAMES
            assert len(one.frames) == len(set(one.frames)) == expected


def test_the_same_request_gives_the_same_lines_whatever_else_is_made():
    alone = rooms("train", scenes=frozenset({"room_000002"}))
    among = [one for one in rooms("train", scenes=4).samples if one.scene == "room_000002"]
    assert [to_line(one) for one in alone.samples] == [to_line(one) for one in among]
    other = rooms("train", scenes=frozenset({"room_000002"}), seed=1)
    assert {to_line(one) for one in other.samples}.isdisjoint(map(to_line, among))


def test_a_limit_is_shared_out_among_rooms():
    found = rooms("train", "val", scenes=3, limit=10)
    assert Counter(one.split for one in found.samples) == {"train": 10, "val": 10}
    assert set(Counter(one.scene for one in found.samples).values()) == {3, 4}
    assert len(rooms("train", scenes=3, limit=2).samples) == 2


def test_windows_that_a_short_film_cannot_hold_are_counted():
    short = rooms("train", scenes=2, options={"film_frames": 9, "tasks": "detect_4,detect_6"})
    assert not short.samples and sum(short.work.drops.values()) == 4


def test_the_number_of_rooms_is_an_option_and_scenes_win():
    plan = DATASET.plan(request_for(DATASET, NOWHERE, "train", "val", options={"rooms": 7}))
    assert Counter(unit.split for unit in plan.units) == {"train": 7, "val": 7}
    plan = DATASET.plan(request_for(DATASET, NOWHERE, "train", options={"rooms": 7}, scenes=3))
    assert [unit.key for unit in plan.units] == ["room_000000", "room_000001", "room_000002"]


@pytest.mark.parametrize("name", ["scene0000_00", "room_12", "room_²²²²²²", "room_", "room_-00001"])
def test_rooms_that_cannot_be_are_refused_by_name(name):
    with pytest.raises(DataError, match="room"):
        DATASET.plan(request_for(DATASET, NOWHERE, "train", scenes=frozenset({name})))


def test_more_rooms_than_there_are_numbers_are_refused():
    with pytest.raises(DataError, match="rooms are asked for"):
        DATASET.plan(request_for(DATASET, NOWHERE, "train", scenes=10**7))


def test_defaults_are_those_of_the_generator_and_options_change_them():
    assert settings_of(request_for(DATASET, NOWHERE).options) == RoomSettings()
    changed = request_for(
        DATASET, NOWHERE, options={"camera_height": "1.2:1.4", "pan": "30", "categories": "bed, chair", "things": "2:3"}
    )
    found = settings_of(changed.options)
    assert (found.camera_height, found.pan, found.things) == ((1.2, 1.4), (30.0, 30.0), (2, 3))
    assert found.categories == ("bed", "chair")


@pytest.mark.parametrize(
    "options",
    [
        *(
            {"camera_height": "low"},
            {"camera_height": "1:2:3"},
            {"things": "2.5:3"},
            {"width": 0},
            {"room_side": "9:3"},
        ),
        *({"categories": "dragon"}, {"interval": 0}, {"windows": 0}, {"texts": 0}, {"questions": 0}, {"tasks": " "}),
    ],
)
def test_settings_that_no_room_can_have_are_refused(options):
    with pytest.raises(VgllmError) as raised:
        rooms("train", options=options)
    assert isinstance(raised.value, UsageError | UnknownName)
    assert next(iter(options)) in str(raised.value) or "dragon" in str(raised.value)


def test_every_setting_has_an_option_with_words_of_its_own():
    helps = {option.name: option.help for option in DATASET.options}
    assert len(helps) == len(DATASET.options)
    for field in RoomSettings.__dataclass_fields__:
        name = {"num_frames": "film_frames"}.get(field, field)
        assert len(helps[name].split()) > 1, name
