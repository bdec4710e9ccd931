"""The raw files of rooms: the same bytes for the same seed, and the traits of real files that readers must stand."""

import hashlib
import json
import random
import struct

import numpy as np
import pytest

from tests.unit.data.harness import request_for
from tests.unit.data.rooms.hand_made import ENOUGH, film_of, room_of, thing
from vgcli_core.data.raw.embodiedscan import read_scans
from vgcli_core.data.raw.labels import read_nyu40
from vgcli_core.data.raw.object_boxes import object_boxes
from vgcli_core.data.raw.pth import load_pth
from vgcli_core.data.raw.sens import SensFile
from vgcli_core.data.rooms.furniture import CATEGORIES
from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.labels import NYU40
from vgcli_core.data.rooms.layouts import vsi_questions
from vgcli_core.data.rooms.layouts.marker import MARKER
from vgcli_core.data.rooms.layouts.proposals import propose
from vgcli_core.data.rooms.layouts.recording import STEP, record, recorded_scan
from vgcli_core.data.rooms.layouts.scannet import mesh_of
from vgcli_core.data.rooms.layouts.write import LAYOUTS, parts_of, write_layouts
from vgcli_core.data.rooms.options import FIRST, settings_of
from vgcli_core.data.sources.rooms import DATASET
from vgcli_core.errors import DataError, OutputError, UnknownName, UsageError, VgllmError

SMALL = {"width": 48, "height": 36, "film_frames": 8}


def request(out, *splits, scenes=1, seed=1):
    return request_for(DATASET, out, *splits, options=SMALL, scenes=scenes, seed=seed)


def digests(folder, *, but_marker=False):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in files if path.name != MARKER or not but_marker]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    out = tmp_path_factory.mktemp("raw")
    write_layouts(request(out, "train", "val"), out)
    return out


def recordings():
    settings = settings_of(request(None).options)
    for place, split in enumerate(("train", "val")):
        scene = f"scene{9000 + place}_00"
        yield record(make_room(1, FIRST[split], settings), scene, 1)


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_bytes(raw, tmp_path):
    listed = write_layouts(request(tmp_path / "again", "train", "val"), tmp_path / "again")
    assert digests(tmp_path / "again") == digests(raw)
    assert {path.relative_to(tmp_path / "again").as_posix() for path in listed} <= digests(raw).keys()
    assert len(listed) == len(set(listed)) and all(path.is_file() for path in listed)
    write_layouts(request(tmp_path / "other", "train", seed=2), tmp_path / "other", ["scanrefer"])
    other = digests(tmp_path / "other")
    assert other["scanrefer/ScanRefer_filtered_train.json"] != digests(raw)["scanrefer/ScanRefer_filtered_train.json"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_alone_is_that_part_of_all(raw, tmp_path, layout):
    write_layouts(request(tmp_path, "train", "val"), tmp_path, [layout])
    alone, everything = digests(tmp_path, but_marker=True), digests(raw)
    assert alone and {name: everything[name] for name in alone} == alone


def test_a_layout_that_nobody_knows_and_too_many_rooms_are_refused(tmp_path):
    with pytest.raises(UnknownName, match="scannet"):
        write_layouts(request(tmp_path, "train"), tmp_path, ["scanet"])
    with pytest.raises(DataError, match="no room"):
        write_layouts(request(tmp_path, "test"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_owners_files_are_never_mixed_with_rooms_nor_discarded(tmp_path):
    theirs = tmp_path / "raw" / "scanrefer" / "ScanRefer_filtered_train.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("[]")
    told = []
    for restart in (False, True):
        with pytest.raises(OutputError):
            write_layouts(
                request(None, "train"), tmp_path / "raw", ["scanrefer"], progress=told.append, restart=restart
            )
    assert digests(tmp_path).keys() == {"raw/scanrefer/ScanRefer_filtered_train.json"} and theirs.read_text() == "[]"
    assert not told  # refused before any room was filmed


def test_a_folder_of_rooms_is_replaced_only_when_told_to_and_only_if_nothing_else_is_there(tmp_path):
    out = tmp_path / "raw"
    write_layouts(request(None, "train"), out, ["scanrefer"])
    first = digests(out)
    assert MARKER in first and json.loads((out / MARKER).read_text())["request"]["layouts"] == ["scanrefer"]
    with pytest.raises(OutputError, match="not empty"):
        write_layouts(request(None, "train", seed=2), out, ["scanrefer"])
    with pytest.raises(UsageError):
        other = request_for(DATASET, out, "train", options=SMALL | {"width": 0}, scenes=1)
        write_layouts(other, out, ["scanrefer"], restart=True)
    assert digests(out) == first
    write_layouts(request(None, "train"), out, ["vlm3r"], restart=True)
    assert {path.name for path in out.iterdir()} == {"vlm3r", MARKER}
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"notes\.txt"):
        write_layouts(request(None, "train"), out, ["scanrefer"], restart=True)
    assert (out / "notes.txt").read_text() == "mine" and (out / "vlm3r").is_dir()


def test_rooms_that_cannot_be_written_whole_leave_nothing(tmp_path):
    def stop(scene):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_layouts(request(None, "train"), tmp_path / "raw", ["scanrefer"], progress=stop)
    assert not list(tmp_path.iterdir())
    write_layouts(request(None, "train"), tmp_path / "raw", ["scanrefer"], restart=True)
    assert (tmp_path / "raw" / MARKER).is_file()


def test_a_missing_library_is_named_before_any_room_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(vsi_questions, "find_spec", lambda name: None)
    with pytest.raises(VgllmError, match="pyarrow") as raised:
        write_layouts(request(tmp_path, "train"), tmp_path)
    assert "pip install pyarrow" in str(raised.value) and not list(tmp_path.iterdir())


def test_recordings_have_ten_frames_for_one_depth_of_another_size_and_lost_poses(raw):
    for recording in recordings():
        with SensFile(raw / "scannet" / "scans" / recording.scene / f"{recording.scene}.sens") as sens:
            header = sens.header
            assert header.color_size == (48, 36) and header.depth_size == (24, 18)
            assert header.num_frames == sens.count_whole() == STEP * (len(recording.slots) - 1) + 1
            assert header.intrinsics_depth[0, 0] == pytest.approx(header.intrinsics_color[0, 0] / 2)
            lost = [not np.isfinite(sens.camera_to_world(index)).all() for index in range(header.num_frames)]
        tenths = lost[::STEP]
        assert tenths.count(False) == 8 and tenths.count(True) >= 1
        assert all(lost[index] == tenths[index // STEP] for index in range(len(lost)))


def test_the_recorded_world_is_turned_and_shifted(raw):
    for recording in recordings():
        text = (raw / "scannet" / "scans" / recording.scene / f"{recording.scene}.txt").read_text()
        line = next(line for line in text.splitlines() if line.startswith("axisAlignment"))
        alignment = np.array(line.split("=")[1].split(), dtype=float).reshape(4, 4)
        np.testing.assert_array_equal(alignment, recording.alignment)
        assert abs(np.degrees(np.arctan2(alignment[1, 0], alignment[0, 0]))) >= 19.9
        assert np.linalg.norm(alignment[:2, 3]) > 0.1


def test_the_mesh_file_holds_the_corners_of_all_parts_in_the_recorded_world(raw):
    recording = next(recordings())
    data = (raw / "scannet" / "scans" / recording.scene / f"{recording.scene}_vh_clean_2.ply").read_bytes()
    header, _, body = data.partition(b"end_header\n")
    count = int(header.split(b"element vertex ")[1].split()[0])
    vertices = [struct.unpack_from("<fff", body, 16 * place) for place in range(count)]
    aligned = np.array(vertices) @ recording.alignment[:3, :3].T + recording.alignment[:3, 3]
    segments = json.loads(
        (raw / "scannet" / "scans" / recording.scene / f"{recording.scene}_vh_clean_2.0.010000.segs.json").read_text()
    )["segIndices"]
    groups = json.loads(
        (raw / "scannet" / "scans" / recording.scene / f"{recording.scene}.aggregation.json").read_text()
    )
    assert len(segments) == count
    for number, one in enumerate(recording.room.things):
        group = groups["segGroups"][number]
        assert (group["objectId"], group["label"]) == (number, one.label)
        own = aligned[np.isin(segments, group["segments"])]
        # A turned part's own corners, by trigonometry.
        low, high = [], []
        for part in one.parts:
            x, y, z, dx, dy, dz, yaw = part.box[:7]
            reach_x = (abs(dx * np.cos(yaw)) + abs(dy * np.sin(yaw))) / 2
            reach_y = (abs(dx * np.sin(yaw)) + abs(dy * np.cos(yaw))) / 2
            low.append([x - reach_x, y - reach_y, z - dz / 2])
            high.append([x + reach_x, y + reach_y, z + dz / 2])
        np.testing.assert_allclose(own.min(axis=0), np.min(low, axis=0), atol=5e-6)
        np.testing.assert_allclose(own.max(axis=0), np.max(high, axis=0), atol=5e-6)
    owned = [segment for group in groups["segGroups"] for segment in group["segments"]]
    assert len(owned) == len(set(owned)) and owned != sorted(owned)
    assert {"wall", "floor", "ceiling"} <= {group["label"] for group in groups["segGroups"]}


def test_prepared_boxes_are_those_of_the_mesh(raw, tmp_path):
    write_layouts(request(tmp_path, "train", "val"), tmp_path, ["prepared_boxes"])
    for recording in recordings():
        found, expected = object_boxes(tmp_path, recording.scene), object_boxes(raw, recording.scene)
        assert found.keys() == expected.keys() and len(found) > 5
        for number, box in found.items():
            np.testing.assert_allclose(box, expected[number], atol=1e-5)
        split = "train" if recording.scene == "scene9000_00" else "val"
        content = load_pth(tmp_path / "scannet" / "pcd_with_object_aabbs" / split / f"{recording.scene}.pth")
        assert content["xyz"].shape == (len(content["instance_ids"]), 3)


def test_the_pickles_list_scans_of_other_sources_and_hide_the_objects_of_the_test_part(raw):
    folder = raw / "embodiedscan"
    (train,) = read_scans(folder / "embodiedscan_infos_train.pkl")
    assert train.name == "scannet/scene9000_00"
    assert [one.label for one in train.instances][-1] == "wall"
    everything = list(read_scans(folder / "embodiedscan_infos_train.pkl", prefix=""))
    assert [one.name for one in everything] == ["scannet/scene9000_00", "3rscan/scene9000_00"]
    (test,) = read_scans(folder / "embodiedscan_infos_test.pkl")
    assert test.instances == () and test.frames and not any(frame.visible for frame in test.frames)
    numbers = [int(frame.path[-9:-4]) for frame in train.frames]
    assert len(numbers) == 8 and set(np.diff(numbers)) > {10}  # ten by ten, with a gap


def test_one_train_scan_in_five_is_validated_by_embodiedscan():
    def parts(count):
        rooms = [(None, record(room_of(thing("bed", 0, 0)), f"scene{number:04d}_00", 0)) for number in range(count)]
        return {part: [int(pair[1].scene[5:9]) for pair in pairs] for part, pairs in parts_of(rooms, []).items()}

    assert parts(11) == {"train": [0, 1, 2, 3, 5, 6, 7, 8, 10], "val": [4, 9], "test": []}
    assert parts(2) == {"train": [0], "val": [1], "test": []}
    assert parts(1) == {"train": [0], "val": [], "test": []}


def test_proposals_are_of_all_things_some_of_them_careless_and_one_is_empty():
    room = room_of(*(thing(name, place, 0) for place, name in enumerate(("bed", "lamp", "desk", "sink"))))
    mesh = mesh_of(record(room, "scene9000_00", 0))
    rows = propose(mesh, 4, random.Random(0))
    assert rows.shape == (5, len(mesh.points)) and (~rows.any(axis=1)).sum() == 1
    members = [mesh.members(number) for number in range(4)]
    shares = [max((row & own).sum() / (row | own).sum() for row in rows) for own in members]
    assert shares[2] == 1 and 0.6 < shares[0] < 0.8 and 0.6 < shares[3] < 0.8 and 0.85 < shares[1] <= 1


def test_the_table_of_labels_knows_every_category_and_reads_back(raw):
    assert CATEGORIES.keys() <= NYU40.keys()
    assert read_nyu40(raw / "scannet" / "metadata" / "scannetv2-labels.combined.tsv") == NYU40


def test_the_recorded_scan_is_the_film_under_other_names():
    filmed = film_of(room_of(thing("bed", 0, 0), thing("lamp", 1, 0), frames=30), [[ENOUGH, ENOUGH]] * 30)
    recording = record(filmed.room, "scene9000_00", 0)
    scan = recorded_scan(filmed, recording)
    assert (scan.name, scan.scene) == ("scannet/scene9000_00", "scene9000_00")
    for frame, pose in zip(scan.frames, filmed.room.cameras_to_world, strict=True):
        np.testing.assert_allclose(scan.alignment @ frame.camera_to_scan, pose, atol=1e-9)
    assert scan.instances == filmed.scan.instances


def test_descriptions_have_the_fields_of_scanrefer_all_ids_as_text(raw):
    rows = json.loads((raw / "scanrefer" / "ScanRefer_filtered_train.json").read_text())
    assert rows
    for row in rows:
        assert list(row) == ["scene_id", "object_id", "object_name", "ann_id", "description", "token"]
        assert all(
            isinstance(row[key], str) for key in ("scene_id", "object_id", "object_name", "ann_id", "description")
        )
        assert " ".join(row["token"]).replace(" .", ".") == row["description"]
        assert " " not in row["object_name"]
    names = [(row["object_id"], row["ann_id"]) for row in rows]
    assert len(names) == len(set(names))
