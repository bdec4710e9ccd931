"""ScanRefer from raw files of made-up scans, in corrected mode."""

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.data.harness import collect, request_for
from tests.unit.data.sources.scannet_raw import (
    IDS,
    description,
    write_embodiedscan,
    write_frames,
    write_objects,
    write_scanrefer,
)
from tests.unit.data.tasks.scans import make_scan
from vgcli_core.data.scan import Instance
from vgcli_core.data.sources.described import BAD_ROW, NO_BOX, NO_SCAN
from vgcli_core.data.sources.scannet_scans import STRETCH
from vgcli_core.data.sources.scanrefer import DATASET
from vgcli_core.data.tasks.grounding import NO_AREA, UNKNOWN, UNMATCHED, UNSEEN
from vgcli_core.errors import DataError

A, B = make_scan(40, name="scannet/scene0001_00"), make_scan(30, name="scannet/scene0002_00")
CHAIR, TABLE = str(IDS[0]), str(IDS[1])
ENTRIES = [
    description(A.scene, CHAIR),
    description(B.scene, TABLE, name="table"),
    description(A.scene, TABLE, "0", "table"),
    description(A.scene, CHAIR, "1", text="it is red."),
]


@pytest.fixture
def raw(tmp_path):
    write_embodiedscan(tmp_path, train=[A], val=[B])
    for scan in (A, B):
        write_objects(tmp_path, scan)
        write_frames(tmp_path, scan)
    write_scanrefer(tmp_path, "train", ENTRIES)
    return tmp_path


def run(raw, *splits, **values):
    return collect(DATASET, request_for(DATASET, raw, *(splits or ("train",)), **({"num_frames": 5} | values)))


def test_every_description_gives_two_samples_with_stored_frames_and_true_boxes(raw):
    result = run(raw)
    assert not result.quarantined and not result.work.drops
    assert [unit.key for unit in result.units] == [A.scene, B.scene]
    ids = [sample.id for sample in result.samples]
    assert ids[:2] == ["scene0001_00/100/0/0", "scene0001_00/100/0/1"] and len(ids) == 8
    for sample in result.samples:
        assert set(sample.frames) <= set(result.work.frames) and len(sample.frames) == 5
        assert sample.target_visible and sample.truth is None
        assert sample.cameras.camera_to_world.shape == (0, 4, 4)  # intrinsics alone
    assert result.work.counts["descriptions"] == 4
    assert (result.work.counts["objects"], result.work.counts["scenes"]) == (3, 2)
    assert {path.name for path in result.work.inputs} == {"scene0001_00.pth", "scene0002_00.pth"}


def test_a_sample_does_not_depend_on_what_else_is_prepared(raw):
    everything = {sample.id: sample for sample in run(raw).samples}
    for wish in ({"scenes": frozenset({B.scene})}, {"limit": 2}, {"scenes": 1}):
        part = run(raw, **wish).samples
        assert 0 < len(part) < 8
        for sample in part:
            assert sample.frames == everything[sample.id].frames
            assert sample.conversations == everything[sample.id].conversations


def test_a_limit_counts_descriptions_from_the_start_of_the_file(raw):
    assert [sample.id for sample in run(raw, limit=1).samples] == ["scene0001_00/100/0/0", "scene0001_00/100/0/1"]


def test_raw_files_stay_as_they_are(raw):
    before = {path: path.read_bytes() for path in raw.rglob("*") if path.is_file()}
    run(raw)
    assert {path: path.read_bytes() for path in raw.rglob("*") if path.is_file()} == before


def test_odd_entries_are_dropped_and_counted(raw):
    odd = [
        *ENTRIES,
        {"scene_id": 7},
        description(A.scene, "999"),
        description("scene0099_00", CHAIR),
        description(A.scene, "sofa"),
    ]
    write_scanrefer(raw, "train", odd)
    result = run(raw)
    assert result.work.drops == {BAD_ROW: 2, NO_BOX: 4, NO_SCAN: 2}
    assert len(result.samples) == 8


@pytest.mark.parametrize(("choice", "each"), [("cyclic", 2), ("fixed", 1)])
def test_samples_and_drops_of_training_add_up_to_two_for_each_description_or_one_with_fixed_frames(raw, choice, each):
    """All reasons at once: an object that no frame shows, one that fits no instance, one whose box no frame has."""
    seen = make_scan(40, name=A.name, visible={1: range(40)})
    kite = Instance("kite", np.array([0, 0, 40.0, 1, 1, 1, 0, 0, 0]), 14)
    above = make_scan(30, name=B.name, instances=[kite, B.instances[1]], visible={0: range(30), 1: range(30)})
    write_objects(raw, above)
    moved = [Instance("table", above.instances[1].box + np.array([3.0, *[0] * 8]), 12)]
    write_embodiedscan(raw, train=[seen], val=[replace(above, instances=(kite, *moved))])
    rows = [
        *(description(A.scene, CHAIR, str(number)) for number in range(3)),
        *(description(A.scene, TABLE, str(number), "table") for number in range(2)),
        *(description(B.scene, name) for name in (CHAIR, TABLE, "999")),
        description("scene0099_00", CHAIR),
    ]
    write_scanrefer(raw, "train", rows)
    result = run(raw, choice=choice)
    reasons = {UNSEEN: 3, NO_AREA: 1, UNMATCHED: 1, NO_BOX: 1, NO_SCAN: 1}
    assert result.work.drops == {reason: count * each for reason, count in reasons.items()}
    assert len(result.samples) == 2 * each
    assert len(result.samples) + result.work.drops.total() == each * result.work.counts["descriptions"]


@pytest.mark.parametrize(("num_frames", "counted"), [(20, 0), (21, 1), (39, 1), (40, 0), (41, 0)])
def test_scans_of_which_samples_see_a_stretch_alone_are_counted(raw, num_frames, counted):
    """A has 40 frames: of 40 // 21 = 1 step, 21 neighbours are all that a sample sees."""
    wish = {"scenes": frozenset({A.scene}), "num_frames": num_frames, "with_frames": False}
    assert run(raw, **wish).work.counts[STRETCH] == counted
    assert run(raw, **wish, choice="fixed").work.counts[STRETCH] == 0
    assert run(raw, **wish, mode="reference").work.counts[STRETCH] == 0


def test_equal_ids_are_told_apart(raw):
    write_scanrefer(raw, "train", [ENTRIES[0], ENTRIES[0]])
    assert [sample.id for sample in run(raw).samples] == [
        f"scene0001_00/100/0{again}/{draw}" for again in ("", "/2") for draw in (0, 1)
    ]


def test_a_damaged_scene_is_quarantined_and_the_others_are_not(raw):
    next(raw.rglob("scene0001_00.pth")).write_bytes(b"no archive")
    result = run(raw)
    assert list(result.quarantined) == [A.scene]
    assert {sample.scene for sample in result.samples} == {B.scene}


def test_a_scan_with_an_impossible_pose_list_is_quarantined(raw):
    broken = make_scan(3, name=A.name)
    wrong = type(broken)(A.name, broken.frames, broken.intrinsics, np.full((4, 4), np.nan), broken.instances)
    write_embodiedscan(raw, train=[wrong], val=[B])
    assert list(run(raw).quarantined) == [A.scene]


def test_a_missing_frame_quarantines_the_scene_and_without_frames_nobody_looks(raw):
    for path in (raw / "scannet" / "posed_images" / B.scene).iterdir():
        path.unlink()
    result = run(raw)
    assert list(result.quarantined) == [B.scene] and "posed_images" in str(result.quarantined[B.scene])
    assert len(run(raw, with_frames=False).samples) == 8


def test_the_true_size_of_frames_is_used_and_a_size_that_does_not_fit_the_intrinsics_is_not(raw):
    assert any("not of the size" in note for note in run(raw).work.notes)
    write_frames(raw, A, (640, 480))
    result = run(raw, cameras=True, scenes=frozenset({A.scene}))
    assert not result.work.notes
    assert all(sample.cameras.size == (640, 480) for sample in result.samples)


def test_validation_has_truths_and_needs_no_match(raw):
    hidden = type(B)(B.name, B.frames, B.intrinsics, B.alignment, ())
    without = tuple(type(frame)(frame.path, frame.camera_to_scan, ()) for frame in B.frames)
    write_embodiedscan(raw, test=[type(hidden)(B.name, without, B.intrinsics, B.alignment, ())])
    write_scanrefer(raw, "val", [description(B.scene, CHAIR)])
    result = run(raw, "val")
    (sample,) = result.samples
    assert sample.truth["kind"] == "unique" and sample.target_visible is None
    assert result.work.counts[UNKNOWN] == 1
    np.testing.assert_allclose(sample.truth["bbox_3d"][:6], B.instances[0].box[:6], atol=1e-12)


@pytest.mark.parametrize(
    ("missing", "owner"),
    [
        ("ScanRefer_filtered_train.json", "daveredrum/ScanRefer"),
        ("embodiedscan_infos_val.pkl", "EmbodiedScan"),
        ("scannetv2-labels.combined.tsv", "scannet"),
    ],
)
def test_a_missing_file_says_whom_to_ask_and_where_to_put_it(raw, missing, owner):
    path = next(raw.rglob(missing))
    path.unlink()
    with pytest.raises(DataError) as raised:
        DATASET.plan(request_for(DATASET, raw, "train"))
    assert str(path) in str(raised.value) and owner in raised.value.fix


def test_files_of_another_kind_are_named(raw):
    write_scanrefer(raw, "train", [{"question": "What?"}])
    with pytest.raises(DataError, match="does not hold ScanRefer descriptions"):
        DATASET.plan(request_for(DATASET, raw, "train"))


def test_all_needs_are_found_where_the_files_are(raw):
    request = request_for(DATASET, raw, "train")
    assert all(need.find(raw) for need in DATASET.needs(request))
    assert len(DATASET.needs(request_for(DATASET, raw, "train", with_frames=False))) == 5
