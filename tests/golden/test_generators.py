"""Published annotation generators, rebuilt from their raw input files by the datasets in reference mode.

Every run found in the folder is rebuilt: arguments are read from the recording beside its output. Random draws are not
fed in; the datasets draw them in the published order from the published seed, and they are compared too.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.data.harness import Collected, collect, request_for
from vgcli_core.data.base import Dataset
from vgcli_core.data.raw.object_boxes import object_boxes
from vgcli_core.data.sources import scan2cap, scannet_det, scanrefer, vlm3r
from vgcli_core.data.sources.described import read_table
from vgcli_core.data.sources.published import published_order
from vgcli_core.data.sources.scannet_scans import load_scans
from vgcli_core.data.tasks.grounding import NO_AREA, TRAINING_DRAWS, UNMATCHED
from vgcli_core.data.tasks.posed import boxes_from
from vgcli_core.data.tasks.projected_area import projected_area, size_by_principal_point
from vgcli_core.data.tasks.visibility import matches
from vgcli_core.geometry.boxes import rotations

NUMBER = re.compile(r"-?\d+\.\d+")
ATOL = 1e-6


@pytest.fixture(scope="module")
def generators(golden_or_copy) -> Path:
    return golden_or_copy / "gen2" / "generators"


@pytest.fixture(scope="module")
def all_generators(golden) -> Path:
    """The whole folder: a clone carries recordings of validation only."""
    return golden / "gen2" / "generators"


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def runs(folder: Path, task: str) -> list[tuple[Path, dict, list]]:
    """Outputs of one generator: path, recording, records."""
    found = []
    for path in sorted((folder / task).glob("*.draws.json")):
        output = path.with_name(path.name.replace(".draws.json", ".json"))
        if output.exists():
            found.append((output, read(path), read(output)))
    assert found, f"no recording of {task}"
    return found


def built(dataset: Dataset, raw: Path, split: str, num_frames: int, *, options=None, **values) -> Collected:
    request = request_for(
        *(dataset, raw, split),
        options=options,
        mode="reference",
        num_frames=num_frames,
        with_frames=False,
        **values,
    )
    result = collect(dataset, request)
    assert not result.quarantined
    return result


def in_published_order(result: Collected) -> list:
    """Units are scenes; `info["order"]` says where a sample stands in the published file."""
    return sorted(result.samples, key=lambda sample: sample.info["order"])


def assert_same(found: Any, expected: Any, where: str = "") -> None:
    """Records agree: keys, text and whole numbers exactly, other numbers to ATOL, angles as the rotation they say."""
    if where.endswith(".bbox_3d"):
        assert_same(found[:6], expected[:6], where[:-8])
        ours, theirs = rotations(np.array([found[6:], expected[6:]], dtype=np.float64))
        np.testing.assert_allclose(ours, theirs, atol=ATOL, err_msg=where)
    elif isinstance(expected, dict):
        assert sorted(found) == sorted(expected), where
        for key in expected:
            assert_same(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for place, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{where}[{place}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=0, abs=ATOL), where
    elif isinstance(expected, str):
        assert found == expected, where
    else:
        assert found == expected, where


def with_ties(found: str, expected: str, unrounded: np.ndarray) -> str:
    """Take the recorded text where ours has another rounding of numbers within 1e-6 of a tie, or another sign of 0."""
    near = int((np.abs(unrounded * 100 - np.floor(unrounded * 100) - 0.5) < 1e-4).sum())
    ours, theirs = NUMBER.findall(found), NUMBER.findall(expected)
    if len(ours) != len(theirs) or NUMBER.sub("", found) != NUMBER.sub("", expected):
        return found
    apart = [abs(float(one) - float(other)) for one, other in zip(ours, theirs, strict=True)]
    return expected if sum(gap > 0 for gap in apart) <= near and max(apart, default=0) < 0.0101 else found


def check_records(dataset: Dataset, samples: list, records: list) -> None:
    assert dataset.record is not None
    assert len(samples) == len(records)
    for sample, expected in zip(samples, records, strict=True):
        found = json.loads(json.dumps(dataset.record(sample)))
        unrounded = np.array([(*one.box.center, *one.box.size, *one.box.angles) for one in sample.boxes]).ravel()
        unrounded = np.append(unrounded, sample.info.get("point", []))
        for ours, theirs in zip(found["conversations"], expected["conversations"], strict=True):
            ours["value"] = with_ties(ours["value"], theirs["value"], unrounded)
        if found.get("target") and expected.get("target"):
            ours, theirs = found["target"]["bbox_3d"], expected["target"]["bbox_3d"]
            found["target"]["bbox_3d"] = json.loads(with_ties(json.dumps(ours), json.dumps(theirs), unrounded))
        assert_same(found, expected, sample.id)


def test_grounding_records_draws_and_areas_are_those_of_the_published_generator(generators):
    for output, recording, records in runs(generators, "scanrefer"):
        arguments = recording["arguments"]
        training = arguments["split"] == "train"
        result = built(
            scanrefer.DATASET,
            generators / "inputs",
            arguments["split"],
            arguments["nframes"],
            options={"published_workers": arguments["workers"]},
            cameras=arguments["include_cam_params"] or None,
        )
        samples = in_published_order(result)
        check_records(scanrefer.DATASET, samples, records)
        draws = [draw for draw in recording["draws"] if not training or draw["frame"] >= 0]
        assert len(draws) == len(samples), output.name
        for sample, draw in zip(samples, draws, strict=True):
            assert sample.info["starts"] == draw["start_offsets"]
            if training:
                assert sample.info["instance"] == draw["instance"]
                assert list(sample.frames) == draw["images"]
                assert sample.boxes[0].frame == draw["frame"]
                np.testing.assert_allclose(sample.info["areas"], draw["candidate_areas"], rtol=ATOL)
        unmatched = result.work.drops[UNMATCHED] // TRAINING_DRAWS  # the published script counts descriptions
        missing = unmatched + result.work.drops[NO_AREA]
        assert f"Missing num: {missing}" in recording["printed"]
        assert f"Total num: {len(samples)}" in recording["printed"]
        assert sum(line.startswith("Low iou") for line in recording["printed"]) == unmatched
        name = scanrefer.DATASET.record_file(arguments["split"], arguments["nframes"])
        assert f"Saved to {name}" in recording["printed"]


def test_overlaps_with_all_objects_of_the_scan_are_as_recorded(all_generators):
    inputs = all_generators / "inputs"
    recordings = [recording for _, recording, _ in runs(all_generators, "scanrefer") if recording["instance_ious"]]
    assert recordings
    for recording in recordings:
        split, workers = recording["arguments"]["split"], recording["arguments"]["workers"]
        rows = read_table(request_for(scanrefer.DATASET, inputs, split), split).rows
        scans = load_scans(request_for(scanrefer.DATASET, inputs), (), {row.description.scene for row in rows})
        overlaps = []
        for row in (rows[place] for place in published_order(len(rows), workers)):
            scan = scans.good(row.description.scene)
            box = object_boxes(inputs, scan.scene)[int(row.description.object_id)]
            overlaps.append(matches(scan, np.append(box, np.zeros(3))[None])[0].overlaps)
        assert len(overlaps) == len(recording["instance_ious"])
        for ours, theirs in zip(overlaps, recording["instance_ious"], strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)  # recorded with six decimals


def test_described_objects_are_unique_or_multiple_as_the_published_generator_says(generators):
    found = sorted((generators / "scanrefer").glob("*.with_eval_type.json"))
    assert found
    for path in found:
        split = path.name.split(".")[0].rpartition("_")[2]
        rows = read_table(request_for(scanrefer.DATASET, generators / "inputs", split), split).rows
        assert [row.kind for row in rows] == [entry["eval_type"] for entry in read(path)]


def test_caption_records_and_draws_are_those_of_the_published_generator(all_generators):
    for output, recording, records in runs(all_generators, "scan2cap"):
        arguments = recording["arguments"]
        split = re.match(r"scan2cap_([a-z]+)_", output.name)[1]
        result = built(
            scan2cap.DATASET,
            all_generators / "inputs",
            split,
            arguments["nframes"],
            options={"reference_frame": arguments["reference_frame"]},
        )
        samples = in_published_order(result)
        check_records(scan2cap.DATASET, samples, records)
        assert [sample.info["starts"][0] for sample in samples] == recording["start_offsets"]
        poor = sum(sample.info["iou"] < arguments["threshold"] for sample in samples)
        assert f"total {len(samples)} items." in recording["printed"]
        assert f"total {poor} miss." in recording["printed"]


def test_detection_records_and_windows_are_those_of_the_published_generator(generators):
    for output, recording, records in runs(generators, "detection"):
        arguments = recording["arguments"]
        result = built(
            scannet_det.DATASET,
            generators / "inputs",
            arguments["split"],
            arguments["nframe"],
            options={"interval": arguments["base_interval"], "reference_frame": arguments["reference_frame"]},
            cameras=arguments["include_cam_params"] or None,
        )
        samples = in_published_order(result)
        assert len(samples) == recording["items"], output.name
        assert result.samples == samples  # scans are in published order already
        if recording.get("windows"):
            assert [list(sample.frames) for sample in samples] == recording["windows"]
        if recording.get("boxes_per_window"):
            assert [len(sample.boxes) for sample in samples] == recording["boxes_per_window"]
        check_records(scannet_det.DATASET, [samples[place] for place in recording["stored_indices"]], records)


def test_chosen_windows_of_validation_are_those_of_the_published_generator(generators):
    for _, recording, _ in runs(generators, "detection"):
        arguments = recording["arguments"]
        if not recording.get("window_choices"):
            continue
        options = {"interval": arguments["base_interval"], "reference_frame": arguments["reference_frame"]}
        request = request_for(
            scannet_det.DATASET,
            generators / "inputs",
            arguments["split"],
            mode="reference",
            num_frames=arguments["nframe"],
            options=options,
        )
        plan = scannet_det.DATASET.plan(request)
        chosen = [list(unit.payload.chosen) for unit in plan.units]
        drawn = [choice["chosen"] for choice in recording["window_choices"]]
        assert [places for places in chosen if places in drawn] == drawn


def questions_with_frames(generators: Path, folder: Path) -> Path:
    """The recorded questions and empty files in the place of the recorded frames."""
    recorded = read(generators / "inputs" / "vlm3r.json")
    place = folder / "vsibench_train"
    place.mkdir(parents=True)
    (place / "questions.json").write_text(json.dumps(recorded["questions"]), encoding="utf-8")
    for name in (name for names in recorded["files"].values() for name in names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_question_records_and_draws_are_those_of_the_published_generator(generators, tmp_path):
    raw = questions_with_frames(generators, tmp_path)
    found = sorted((generators / "vlm3r").glob("*.json"))
    assert found
    for path in found:
        recording = read(path)
        arguments = recording["arguments"]
        result = built(
            vlm3r.DATASET,
            raw,
            "train",
            arguments["frame_num"],
            options={"data_source": arguments["data_source"]},
        )
        samples = in_published_order(result)
        check_records(vlm3r.DATASET, samples, recording["items"])
        assert [sample.info["starts"][0] for sample in samples] == recording["start_offsets"]
        request = request_for(vlm3r.DATASET, raw, options={"data_source": arguments["data_source"]}, mode="reference")
        name = vlm3r.DATASET.record_file("train", arguments["frame_num"], len(samples), request)
        assert name == recording["file_name"]


def test_projected_areas_are_as_recorded(generators):
    recorded = read(generators / "projected_area.json")
    intrinsics = np.array(recorded["intrinsic"])[:3, :3]
    size = size_by_principal_point(intrinsics)
    for row in recorded["rows"]:
        area = projected_area(np.array(row["box"]), np.array(row["extrinsic"]), intrinsics, size)
        expected = 0.0 if row["error"] else row["area"]
        assert area == pytest.approx(expected, rel=ATOL, abs=ATOL), row["kind"]


def test_boxes_seen_from_cameras_stand_as_recorded(generators):
    for row in read(generators / "euler.json")["rows"]:
        (box,) = boxes_from(np.array([row["box"]]), [""], np.array(row["extrinsic"]))
        expected = np.array(row["box_in_camera"])
        np.testing.assert_allclose([*box.center, *box.size], expected[:6], atol=ATOL)
        ours, theirs = rotations(np.array([box.angles, expected[6:]]))  # at gimbal lock several angles say the same
        np.testing.assert_allclose(ours, theirs, atol=ATOL)
