"""ScanNet recordings become posed images and one line for each scene; the truth is written by hand."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from tests.unit.data.harness import collect, request_for
from tests.unit.data.raw.scene_by_hand import SCENE, scene
from vgcli_core.data.prepare import prepare
from vgcli_core.data.prepared import open_prepared
from vgcli_core.data.raw.sens_write import SensFrame, write_sens
from vgcli_core.data.sources.scannet import DATASET, LOST, NO_OBJECTS, NO_RECORDING
from vgcli_core.data.unit_work import Settings
from vgcli_core.errors import DataError
from vgcli_core.text.answers import read_detection

K = np.array([[10.0, 0, 4, 0], [0, 11, 3, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
LOOKS_ALONG_X = np.array([[0.0, 0, 1, 2], [-1, 0, 0, 3], [0, -1, 0, 1.5], [0, 0, 0, 1]])  # x forward, z up
FOLDER = f"scannet/posed_images/{SCENE}"


def jpeg(colour: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (colour, 0, 0)).save(buffer, "JPEG")
    return buffer.getvalue()


def pose(index: int) -> np.ndarray:
    if index == 20:
        return np.full((4, 4), -np.inf)
    if index == 30:
        return np.full((4, 4), np.nan)
    matrix = LOOKS_ALONG_X.copy()
    matrix[0, 3] += index / 8
    return matrix


def recording(raw, name: str = SCENE, count: int = 45, folder: str = "scannet/scans", **values):
    path = raw / folder / name / f"{name}.sens"
    path.parent.mkdir(parents=True, exist_ok=True)
    depth = np.arange(12, dtype=np.uint16).reshape(3, 4)
    frames = [SensFrame(jpeg(i), depth + 1000 * (i % 60), pose(i)) for i in range(count)]
    write_sens(path, K, K / 2, frames, color_size=(8, 6), depth_size=(4, 3), **values)
    return path


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    scene(folder)
    recording(folder)
    return folder


def test_every_tenth_frame_is_stored_and_the_posed_ones_make_the_sample(raw):
    found = collect(DATASET, request_for(DATASET, raw))
    (sample,) = found.samples
    stems = [f"{FOLDER}/{index:05d}" for index in (0, 10, 20, 30, 40)]
    assert set(found.work.frames) == {f"{FOLDER}/intrinsic.txt"} | {f"{s}.{e}" for s in stems for e in ("jpg", "txt")}
    assert sample.frames == tuple(f"{stem}.jpg" for stem in (stems[0], stems[1], stems[4]))
    assert found.work.counts[LOST] == 2
    assert found.work.frames[f"{FOLDER}/00010.jpg"] == jpeg(10)
    assert sample.cameras.size == (8, 6)
    np.testing.assert_array_equal(sample.cameras.intrinsics, K[:3, :3])
    # The quarter turn of the scene's alignment: (x, y, z) -> (-y + 10, x + 20, z + 1).
    np.testing.assert_allclose(sample.cameras.camera_to_world[1, :3, 3], [-3 + 10, 2 + 10 / 8 + 20, 1.5 + 1])


def test_poses_and_intrinsics_are_text_as_published(raw):
    found = collect(DATASET, request_for(DATASET, raw)).work.frames
    assert found[f"{FOLDER}/00010.txt"] == (
        b"0.000000 0.000000 1.000000 3.250000\n-1.000000 0.000000 0.000000 3.000000\n"
        b"0.000000 -1.000000 0.000000 1.500000\n0.000000 0.000000 0.000000 1.000000\n"
    )
    lost = b"-inf -inf -inf -inf\n" * 4
    assert found[f"{FOLDER}/00020.txt"] == found[f"{FOLDER}/00030.txt"] == lost
    assert found[f"{FOLDER}/intrinsic.txt"].startswith(b"10.000000 0.000000 4.000000 0.000000\n0.000000 11.000000")


def test_boxes_are_in_the_first_camera_and_once_more_in_the_aligned_scan(raw):
    (sample,) = collect(DATASET, request_for(DATASET, raw)).samples
    assert [(one["id"], one["label"]) for one in sample.info["objects"]] == [(0, "office chair"), (4, "wall")]
    np.testing.assert_allclose(sample.info["objects"][0]["box"], [9, 21.5, 1.5, 2, 3, 1])
    (chair,) = sample.boxes  # the wall is no answer
    assert chair.box.label == "office chair" and chair.frame == 0
    # In the recorded scan the chair's middle is (1.5, 1, 0.5); seen from (2, 3, 1.5) along x: right = -y, down = -z.
    np.testing.assert_allclose(chair.box.center, [2, 1, -0.5], atol=1e-9)
    assert [one.label for one in read_detection(sample.answer).boxes] == ["office chair"]


def test_options_choose_frames_and_depth(raw):
    request = request_for(DATASET, raw, options={"every": 40, "depth": True}, cameras=False)
    found = collect(DATASET, request)
    assert found.samples[0].frames == (f"{FOLDER}/00000.jpg", f"{FOLDER}/00040.jpg")
    assert found.samples[0].cameras is None
    depth = np.asarray(Image.open(io.BytesIO(found.work.frames[f"{FOLDER}/00040.png"])))
    assert depth.dtype == np.uint16 and depth.tolist() == (np.arange(12).reshape(3, 4) + 40_000).tolist()
    assert found.work.frames[f"{FOLDER}/depth_intrinsic.txt"].startswith(b"5.000000")
    for options, values, message in (({"every": 0}, {}, "every 0 frames"), ({}, {"num_frames": 4}, "all its frames")):
        with pytest.raises(DataError, match=message):
            DATASET.check(request_for(DATASET, raw, options=options, **values))


def test_depth_in_another_unit_becomes_millimetres(tmp_path):
    recording(tmp_path, count=1, depth_shift=500.0)
    found = collect(DATASET, request_for(DATASET, tmp_path, options={"depth": True}))
    depth = np.asarray(Image.open(io.BytesIO(found.work.frames[f"{FOLDER}/00000.png"])))
    assert depth.tolist() == (2 * np.arange(12).reshape(3, 4)).tolist()


def test_a_test_scene_has_no_boxes_and_says_so(tmp_path):
    recording(tmp_path, "scene0707_00", folder="scannet/scans_test")
    found = collect(DATASET, request_for(DATASET, tmp_path))
    (sample,) = found.samples
    assert sample.boxes == () and sample.answer == "" and len(sample.conversations) == 1
    assert found.work.notes[NO_OBJECTS] == 1
    np.testing.assert_array_equal(sample.cameras.alignment, np.eye(4))


def test_splits_follow_the_owners_lists(tmp_path):
    for name in ("scene0000_00", "scene0001_00", "scene0002_00"):
        recording(tmp_path, name, count=1)
    (tmp_path / "scannet" / "scannetv2_train.txt").write_text("scene0002_00\nscene0000_00\nscene0009_00\n")
    found = collect(DATASET, request_for(DATASET, tmp_path, "train"))
    assert [sample.scene for sample in found.samples] == ["scene0002_00", "scene0000_00"]
    assert found.work.drops == {NO_RECORDING: 1}
    assert [one.scene for one in collect(DATASET, request_for(DATASET, tmp_path, limit=2)).samples] == [
        *("scene0000_00", "scene0001_00"),
    ]
    with pytest.raises(DataError, match="list of the scenes of val: not found"):
        DATASET.plan(request_for(DATASET, tmp_path, "val"))
    with pytest.raises(DataError, match=r"recordings.*not found"):
        DATASET.plan(request_for(DATASET, tmp_path / "nothing"))


def test_a_bad_scene_costs_itself_alone(tmp_path):
    for name in ("scene0000_00", "scene0001_00", "scene0002_00", "scene0003_00"):
        recording(tmp_path, name)
    cut = tmp_path / "scannet" / "scans" / "scene0001_00" / "scene0001_00.sens"
    cut.write_bytes(cut.read_bytes()[:-5000])
    head = tmp_path / "scannet" / "scans" / "scene0002_00" / "scene0002_00.sens"
    head.write_bytes(b"\x03" + head.read_bytes()[1:])
    write_sens(
        tmp_path / "scannet" / "scans" / "scene0003_00" / "scene0003_00.sens",
        *(K, K, [SensFrame(jpeg(0), np.zeros((3, 4), np.uint16), pose(20))]),
        color_size=(8, 6),
        depth_size=(4, 3),
    )
    found = collect(DATASET, request_for(DATASET, tmp_path))
    assert [sample.scene for sample in found.samples] == ["scene0000_00"]
    reasons = {name: error.what for name, error in found.quarantined.items()}
    assert re.fullmatch(r"scene0001_00\.sens is cut off in frame 3\d of 45", reasons["scene0001_00"])
    assert reasons["scene0002_00"].startswith("scene0002_00.sens is no .sens file of version 4")
    assert reasons["scene0003_00"] == "no frame of scene0003_00 has a pose"


@pytest.mark.parametrize("pack", [False, True])
def test_the_engine_stores_pictures_and_text_and_counts_pictures_alone(raw, tmp_path, pack):
    outcome = prepare(DATASET, request_for(DATASET, raw), Settings(tmp_path / "out", pack=pack), workers=1)
    assert outcome.manifest["frames"]["count"] == 5
    assert outcome.manifest["frames"]["files"] == (1 if pack else 11)
    (sample,) = open_prepared(tmp_path / "out").samples("all")
    assert len(sample.frames) == 3
    if not pack:
        stored = tmp_path / "out" / "frames" / FOLDER
        assert (stored / "00010.jpg").read_bytes() == jpeg(10)
        assert (stored / "00020.txt").read_text().startswith("-inf")
    line = json.loads((tmp_path / "out" / "all.jsonl").read_text())
    assert line["scene"] == SCENE and line["euler_convention"] == "ZXY"


@pytest.mark.parametrize(
    ("colour", "message"),
    [(jpeg(3)[:-40], "is cut off: its end is missing"), (b"", "is empty"), (b"GIF89a", "is no JPEG or PNG")],
)
def test_a_frame_that_is_no_whole_jpeg_quarantines_its_scene(tmp_path, colour, message):
    recording(tmp_path / "raw", "scene0000_00", count=1)
    path = tmp_path / "raw" / "scannet" / "scans" / "scene0001_00" / "scene0001_00.sens"
    frame = SensFrame(colour, np.zeros((3, 4), np.uint16), pose(0))
    write_sens(path, K, K, [frame], color_size=(8, 6), depth_size=(4, 3))
    outcome = prepare(DATASET, request_for(DATASET, tmp_path / "raw"), Settings(tmp_path / "out"), workers=1)
    assert outcome.manifest["splits"]["all"]["samples"] == 1
    (bad,) = outcome.quarantine
    assert bad.unit == "scene0001_00" and message in bad.what
