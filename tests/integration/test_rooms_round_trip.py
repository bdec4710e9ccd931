"""Rooms written as raw files and prepared from them give what rooms give directly: boxes, frames, what is visible.

The reader of each real dataset is tried against truth that never went through its files.
"""

import io
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import sparse

from tests.unit.data.harness import Collected, collect, request_for
from vgcli_core.data.rooms.film import Film, film, shots
from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.layouts.recording import Recording, record, recorded_scan
from vgcli_core.data.rooms.layouts.scannet import mesh_of
from vgcli_core.data.rooms.layouts.vsi_questions import questions_of
from vgcli_core.data.rooms.layouts.write import LAYOUTS, write_layouts
from vgcli_core.data.rooms.options import FIRST, settings_of
from vgcli_core.data.sample import Sample, truth_of
from vgcli_core.data.sources import DATASETS
from vgcli_core.data.tasks.detection import STRUCTURE
from vgcli_core.data.tasks.grounding import Described, GroundingRules, ground_samples
from vgcli_core.data.tasks.visibility import MATCH
from vgcli_core.evaluation.benchmarks import scan2cap, scannet_det, scanrefer, vsi_bench
from vgcli_core.geometry.boxes import as_array, corners, transform
from vgcli_core.media.markers import draw_markers

ROOMS = DATASETS["rooms"]
SMALL = {"width": 72, "height": 54, "film_frames": 26}
EVERY_WINDOW = 1000
SEED = 4
NUM_ROOMS = 2
# Positions are stored as float32, within ten metres of the origin.
CLOSE = {"rtol": 0, "atol": 2e-5}


@dataclass
class World:
    """Rooms, what they are called as scans, and the folder of their raw files."""

    raw: Path
    films: dict[str, Film]
    recordings: dict[str, Recording]

    @property
    def scene_of_room(self) -> dict[str, str]:
        return {filmed.room.name: scene for scene, filmed in self.films.items()}

    def path(self, frame: str) -> str:
        """Return the name that a room's frame has in its scan."""
        _, room, name = frame.split("/")
        scene = self.scene_of_room[room]
        kept = self.recordings[scene].kept()[int(name.removesuffix(".jpg"))]
        return f"scannet/posed_images/{scene}/{kept.number:05d}.jpg"


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    raw = tmp_path_factory.mktemp("raw")
    request = request_for(ROOMS, raw, "train", "val", options=SMALL, seed=SEED, scenes=NUM_ROOMS)
    # Without extracted pictures frames come from the recordings.
    write_layouts(request, raw, [name for name in LAYOUTS if name != "posed_images"])
    films, recordings = {}, {}
    numbers = [FIRST[split] + place for split in ("train", "val") for place in range(NUM_ROOMS)]
    for place, number in enumerate(numbers):
        room = make_room(SEED, number, settings_of(request.options))
        scene = f"scene{9000 + place}_00"
        films[scene], recordings[scene] = film(room), record(room, scene, SEED)
    return World(raw, films, recordings)


def directly(world: World, split: str, tasks: str, **values) -> Collected:
    options = {**SMALL, "tasks": tasks, "axis_aligned": True, "windows": EVERY_WINDOW}
    request = request_for(
        ROOMS, world.raw, split, options=options, seed=SEED, scenes=NUM_ROOMS, choice="fixed", **values
    )
    return collect(ROOMS, request)


def from_raw(world: World, name: str, *splits: str, options=None, choice="fixed", **values) -> Collected:
    request = request_for(DATASETS[name], world.raw, *splits, options=options, choice=choice, seed=SEED, **values)
    collected = collect(DATASETS[name], request)
    assert not collected.quarantined
    return collected


def by_description(world: World, samples) -> dict[tuple[str, str, str], Sample]:
    names = world.scene_of_room
    return {(names.get(one.scene, one.scene), one.info["object_id"], one.info["ann_id"]): one for one in samples}


def same_boxes(found, expected):
    """Compare solids corner by corner: near the lock of Euler angles equal boxes may have other angles."""
    assert [(one.frame, one.box.label) for one in found] == [(one.frame, one.box.label) for one in expected]
    np.testing.assert_allclose(*(corners(as_array([one.box for one in boxes])) for boxes in (found, expected)), **CLOSE)


def same_views(world: World, found: Sample, expected: Sample):
    """Compare frames and cameras."""
    assert list(found.frames) == [world.path(frame) for frame in expected.frames]
    np.testing.assert_allclose(found.cameras.camera_to_world, expected.cameras.camera_to_world, **CLOSE)
    np.testing.assert_allclose(found.cameras.intrinsics, expected.cameras.intrinsics, **CLOSE)
    assert not np.allclose(found.cameras.alignment, np.eye(4), atol=0.1)  # the scan was recorded askew


@pytest.mark.parametrize("num_frames", [8, 20])
def test_grounding_samples_are_those_of_the_rooms(world, num_frames):
    raw = from_raw(world, "scanrefer", "train", num_frames=num_frames, cameras=True)
    direct = directly(world, "train", "ground,ground_relational", num_frames=num_frames)
    found, expected = (by_description(world, one.samples) for one in (raw, direct))
    assert found.keys() == expected.keys() and len(found) > 20
    assert raw.work.drops == direct.work.drops
    for key, one in found.items():
        other = expected[key]
        assert one.question == other.question and one.question_type == other.question_type
        assert one.target_visible is other.target_visible is True
        same_views(world, one, other)
        same_boxes(one.boxes, other.boxes)


def test_stored_frames_are_the_pictures_of_the_film(world):
    collected = from_raw(world, "scanrefer", "train", num_frames=8)
    assert collected.work.frames
    for path, data in collected.work.frames.items():
        scene, name = path.split("/")[-2:]
        shown = {frame.number: frame.shows for frame in world.recordings[scene].frames()}
        assert data == world.films[scene].jpegs[shown[int(name.removesuffix(".jpg"))]]


def test_cyclic_frames_are_chosen_as_from_the_rooms_themselves(world):
    """The draws of a dataset are seeded by its name, so the rooms' scans are given to the builder under that name."""
    found = {one.id: one for one in from_raw(world, "scanrefer", "train", choice="cyclic", num_frames=6).samples}
    direct = directly(world, "train", "ground,ground_relational")
    expected = {}
    for (scene, thing, number), one in by_description(world, direct.samples).items():
        scan = recorded_scan(world.films[scene], world.recordings[scene])
        text = one.question.split("\nText: ")[1].split("\n")[0]
        described = Described(f"{thing}/{number}", text, np.array(one.info["gt_bbox"]), one.boxes[0].box.label)
        rules = GroundingRules("scanrefer", "train", training=True, num_frames=6, seed=SEED)
        expected |= {sample.id: sample for sample in ground_samples(scan, [described], rules, Nobody())}
    # What no fixed frame shows is not among the direct samples, and may be among the others.
    assert expected.keys() <= found.keys() and len(expected) > 40
    for name, other in expected.items():
        one = found[name]
        assert one.frames == other.frames
        same_boxes(one.boxes, other.boxes)


class Nobody:
    """A report that nobody reads."""

    def drop(self, reason, count=1):
        pass

    def count(self, name, count=1):
        pass


def test_validation_of_grounding_has_the_true_boxes(world):
    raw = from_raw(world, "scanrefer", "val", num_frames=8)
    direct = directly(world, "val", "ground,ground_relational", num_frames=8)
    found, expected = (by_description(world, one.samples) for one in (raw, direct))
    assert found.keys() == expected.keys() and len(found) > 20
    for key, one in found.items():
        truth, other = truth_of(one), truth_of(expected[key])
        scanrefer.GroundingTruth.model_validate(truth)
        np.testing.assert_allclose(truth["bbox_3d"], other["bbox_3d"], **CLOSE)
        assert truth["kind"] == other["kind"] and truth["scene"] == key[0]
        same_views(world, one, expected[key])
        # EmbodiedScan keeps back what its test scans show. A box along the walls may miss half of a thing askew.
        assert one.target_visible is None
        assert (expected[key].target_visible is None) == (expected[key].info["iou"] < MATCH)
    assert sum(one.target_visible is not None for one in expected.values()) > 20


def test_captioning_in_training_points_at_the_true_centres(world):
    found = by_description(world, from_raw(world, "scan2cap", "train", num_frames=8, cameras=True).samples)
    expected = by_description(world, directly(world, "train", "caption", num_frames=8).samples)
    assert found.keys() == expected.keys() and len(found) > 20
    for key, one in found.items():
        other = expected[key]
        np.testing.assert_allclose(one.info["point"], other.info["point"], **CLOSE)
        assert one.answer == other.answer and one.target_visible == other.target_visible
        same_views(world, one, other)


def test_captioning_in_validation_is_given_the_best_proposal(world):
    samples = from_raw(world, "scan2cap", "val", num_frames=8).samples
    expected = {key[:2]: one for key, one in by_description(world, directly(world, "val", "caption").samples).items()}
    assert {(one.scene, one.info["object_id"]) for one in samples} == expected.keys()
    for one in samples:
        truth = scan2cap.Scan2CapTruth.model_validate(truth_of(one))
        other = scan2cap.Scan2CapTruth.model_validate(truth_of(expected[one.scene, one.info["object_id"]]))
        assert truth.references == other.references
        np.testing.assert_allclose(
            one.info["gt_box"], expected[one.scene, one.info["object_id"]].info["gt_box"], **CLOSE
        )
        # Axis-aligned overlaps with every proposal, from the mask file and the mesh of the room.
        points = mesh_of(world.recordings[one.scene]).points
        masks = sparse.load_npz(world.raw / "scannet" / "mask" / f"{one.scene}.mask.npz").toarray() > 0
        bounds = [(points[row].min(axis=0), points[row].max(axis=0)) for row in masks if row.any()]
        centre, size = np.array(one.info["gt_box"][:3]), np.array(one.info["gt_box"][3:6])
        overlaps = [_iou(centre - size / 2, centre + size / 2, *own) for own in bounds]
        assert truth.iou == pytest.approx(max(overlaps), abs=1e-4)
        low, high = bounds[int(np.argmax(overlaps))]
        np.testing.assert_allclose(one.info["input_box"][:6], [*(low + high) / 2, *high - low], **CLOSE)


def _iou(low, high, other_low, other_high):
    shared = np.prod(np.clip(np.minimum(high, other_high) - np.maximum(low, other_low), 0, None))
    return shared / (np.prod(high - low) + np.prod(other_high - other_low) - shared)


@pytest.mark.parametrize("num_frames", [4, 6])
def test_detection_windows_are_those_of_the_rooms_that_cross_no_gap(world, num_frames):
    interval = 2
    found = {}
    for split in ("train", "val"):
        raw = from_raw(world, "scannet_det", split, num_frames=num_frames, cameras=True, options={"interval": interval})
        found |= {one.frames: one for one in raw.samples}
    # EmbodiedScan's train and val parts are both of the rooms of the split train.
    options = {**SMALL, "tasks": f"detect_{num_frames}", "windows": EVERY_WINDOW, "interval": interval}
    direct = collect(ROOMS, request_for(ROOMS, world.raw, "train", options=options, seed=SEED, scenes=NUM_ROOMS))
    expected = {tuple(map(world.path, one.frames)): one for one in direct.samples}
    numbers = {frames: [int(frame[-9:-4]) for frame in frames] for frames in expected}
    whole = {frames for frames, own in numbers.items() if (np.diff(own) == 10 * interval).all()}
    val = {one.scene for one in raw.samples}
    assert {frames for frames in found if found[frames].scene not in val} == {
        frames for frames in whole if frames[0].split("/")[2] not in val
    }
    drawn = [frames for frames in found if found[frames].scene in val]
    of_val = [frames for frames in whole if frames[0].split("/")[2] in val]
    assert set(drawn) <= set(of_val) and len(drawn) == min(10, len(of_val)) > 0
    assert 0 < len(whole) < len(expected)  # some windows do cross a gap
    for frames, one in found.items():
        other = expected[frames]
        same_views(world, one, other)
        same_boxes(one.boxes, other.boxes)
        assert one.conversations == other.conversations
        if one.truth is not None:
            scannet_det.DetectionTruth.model_validate(truth_of(one))


def test_scans_have_all_posed_frames_and_the_boxes_of_all_things(world):
    samples = from_raw(world, "scannet", options={"depth": True}).samples
    assert [one.scene for one in samples] == sorted(world.films)
    for one in samples:
        filmed, recording = world.films[one.scene], world.recordings[one.scene]
        kept = recording.kept()
        assert [int(frame[-9:-4]) for frame in one.frames] == [frame.number for frame in kept]
        np.testing.assert_allclose(one.cameras.camera_to_world, filmed.room.cameras_to_world, **CLOSE)
        true = {number: corners_of(thing) for number, thing in enumerate(filmed.room.things)}
        named = [framed for framed in one.boxes if framed.box.label not in STRUCTURE | {"door", "window"}]
        assert [framed.box.label for framed in named] == [thing.label for thing in filmed.room.things]
        in_scan = transform(as_array([framed.box for framed in named]), filmed.room.cameras_to_world[0])
        for number, solid in enumerate(corners(in_scan)):
            np.testing.assert_allclose(solid.min(axis=0), true[number].min(axis=0), **CLOSE)
            np.testing.assert_allclose(solid.max(axis=0), true[number].max(axis=0), **CLOSE)


def corners_of(thing):
    return corners(np.array([part.box for part in thing.parts])).reshape(-1, 3)


def test_depth_is_the_distance_of_what_is_seen(world):
    collected = from_raw(world, "scannet", options={"depth": True}, scenes=1)
    scene = collected.samples[0].scene
    first = next(frame for frame in world.recordings[scene].kept())
    view = next(shot.view for shot in shots(world.films[scene].room) if shot.index == first.shows)
    stored = np.array(
        Image.open(io.BytesIO(collected.work.frames[f"scannet/posed_images/{scene}/{first.number:05d}.png"]))
    )
    assert stored.shape == (SMALL["height"] // 2, SMALL["width"] // 2)
    # The middle of a depth pixel is a corner of four pixels of the colour frame.
    around = np.stack([view.depth[row::2, column::2] for row in (0, 1) for column in (0, 1)])
    assert (stored / 1000 >= around.min(axis=0) - 0.001).all() and (stored / 1000 <= around.max(axis=0) + 0.001).all()


def test_lost_frames_are_in_the_files_and_in_no_sample(world):
    lost = {
        (scene, frame.number)
        for scene, recording in world.recordings.items()
        for frame in recording.frames(10)
        if not np.isfinite(frame.camera_to_scan).all()
    }
    assert {scene for scene, _ in lost} == set(world.recordings)
    for name in ("scanrefer", "scan2cap", "scannet_det", "sqa3d"):
        used = {tuple(frame.split("/")[-2:]) for one in from_raw(world, name).samples for frame in one.frames}
        assert used and not used & {(scene, f"{number:05d}.jpg") for scene, number in lost}


def test_vsi_bench_asks_the_questions_of_the_films(world):
    raw = from_raw(world, "vsi_bench", "test")
    asked = [
        (scene, one) for scene in sorted(world.films)[NUM_ROOMS:] for one in questions_of(world.films[scene], SEED)
    ]
    expected = Counter((scene, one.kind, one.text, one.options, one.answer) for scene, one in asked)
    found = Counter()
    for one in raw.samples:
        truth = vsi_bench.VsiBenchTruth.model_validate(truth_of(one))
        text = (
            one.question.removeprefix("These are frames of a video.\n")
            .split("\nOptions:")[0]
            .split("\nPlease answer")[0]
        )
        found[truth.scene_name, truth.question_type, text, truth.options or (), truth.ground_truth] += 1
    assert found == expected and len(expected) > 10
    parts = [from_raw(world, "vsi_bench", part).samples for part in ("debiased", "pruned")]
    assert sum(map(len, parts)) == len(raw.samples) and min(map(len, parts)) > 0
    frames = {tuple(one.frames) for one in raw.samples}
    assert len(frames) == NUM_ROOMS and {len(one) for one in frames} == {SMALL["film_frames"]}
    for names in frames:
        scene = next(scene for scene in world.films if any(scene in name for name in names))
        for name, jpeg in zip(names, world.films[scene].jpegs, strict=True):
            decoded, true = (
                np.array(Image.open(io.BytesIO(data)).convert("L"), float) for data in (raw.work.frames[name], jpeg)
            )
            assert np.abs(decoded - true).mean() < 6  # a video loses a little


def test_vlm3r_asks_them_with_their_answers(world, tmp_path):
    request = request_for(ROOMS, tmp_path, "train", options=SMALL, seed=SEED, scenes=NUM_ROOMS)
    write_layouts(request, tmp_path, ["posed_images", "vlm3r"])
    there = World(tmp_path, world.films, world.recordings)
    samples = from_raw(there, "vlm3r", "train").samples
    expected = Counter(
        (scene, one.kind, one.answer)
        for scene in sorted(world.films)[:NUM_ROOMS]
        for one in questions_of(world.films[scene], SEED)
    )
    assert Counter((one.scene, one.question_type, one.answer) for one in samples) == expected
    for one in samples:
        numbers = {frame.number for frame in world.recordings[one.scene].frames(10)}
        assert {int(frame[-9:-4]) for frame in one.frames} <= numbers


def test_extracted_frames_are_those_of_the_recording(world, tmp_path):
    request = request_for(ROOMS, tmp_path, "train", options=SMALL, seed=SEED, scenes=1)
    write_layouts(request, tmp_path, ["posed_images"])
    (scene,) = {path.name for path in (tmp_path / "scannet" / "posed_images").iterdir()}
    folder = tmp_path / "scannet" / "posed_images" / scene
    for frame in world.recordings[scene].frames(10):
        stem = folder / f"{frame.number:05d}"
        assert stem.with_suffix(".jpg").read_bytes() == world.films[scene].jpegs[frame.shows]
        pose = np.array(stem.with_suffix(".txt").read_text().split(), dtype=float).reshape(4, 4)
        np.testing.assert_allclose(pose, frame.camera_to_scan, rtol=0, atol=1e-6)


def test_sqa3d_answers_are_true_of_the_rooms(world):
    samples = from_raw(world, "sqa3d", "test").samples
    assert samples
    for one in samples:
        things = world.films[one.scene].room.things
        labels = [thing.label for thing in things]
        asked = one.info["question"]
        if asked.startswith("How many"):
            label = asked.removeprefix("How many ").removesuffix("s are in the room?")
            assert int(one.info["answer"]) == labels.count(label)
        else:
            label = asked.removeprefix("What is the ").removesuffix(" standing on?")
            assert labels[things[labels.index(label)].support] == one.info["answer"]


def test_spar_rows_can_be_drawn_and_their_depths_are_right(world):
    pytest.importorskip("cv2", reason="needs pip install 'vgllm[spar]'")
    raw = from_raw(world, "spar", "train", options={"share": 1.0})
    files = list((world.raw / "spar" / "scannet" / "qa_jsonl" / "train").rglob("*.jsonl"))
    navigation = sum(len(file.read_text().splitlines()) for file in files if "nav_video" in file.parts)
    assert raw.work.drops == {"navigation": navigation} and navigation > 0
    assert len({file.parts[-3] for file in files}) >= 20
    kinds, depths = Counter(), {}
    for one in raw.samples:
        pictures = [np.array(Image.open(io.BytesIO(raw.work.frames[frame]))) for frame in one.frames]
        marked = draw_markers(pictures, one.markers)
        changed = any((before != after).any() for before, after in zip(pictures, marked, strict=True))
        assert changed == any(key.endswith(("point", "bbox", "list")) for key in one.markers)
        kinds[one.question_type] += 1
    assert "nav" not in kinds  # the mix leaves navigation out
    assert kinds["depth_prediction_oc"] and kinds["distance_infer_center_oo_video"]
    for line in (line for file in files for line in file.read_text().splitlines()):
        row = json.loads(line)
        if row["type"] == "depth_prediction_oc":
            scene, _, name = row["image"][0].split("/")
            if scene not in depths:
                depths[scene] = [shot.view.depth for shot in shots(world.films[scene].room)]
            x, y = row["blue_point"][0]
            depth = depths[scene][int(name.removesuffix(".jpg"))]
            assert float(row["conversations"][1]["value"]) == pytest.approx(
                depth[int(y / 1000 * SMALL["height"]), int(x / 1000 * SMALL["width"])], abs=0.051
            )


@pytest.mark.parametrize("name", ["scanrefer", "scan2cap", "scannet_det"])
def test_extracted_frames_and_prepared_boxes_give_the_same_samples(world, tmp_path, name):
    request = request_for(ROOMS, tmp_path, "train", "val", options=SMALL, seed=SEED, scenes=NUM_ROOMS)
    names = ["posed_images", "prepared_boxes", "embodiedscan", "scanrefer", "proposals"]
    write_layouts(request, tmp_path, names)
    assert not (tmp_path / "scannet" / "scans").exists()
    there = World(tmp_path, world.films, world.recordings)
    one, other = (from_raw(place, name, choice="cyclic", num_frames=6) for place in (world, there))
    assert [sample.id for sample in one.samples] == [sample.id for sample in other.samples]
    assert one.work.frames == other.work.frames
    for found, expected in zip(other.samples, one.samples, strict=True):
        assert found.frames == expected.frames and found.target_visible == expected.target_visible
        same_boxes(found.boxes, expected.boxes)
