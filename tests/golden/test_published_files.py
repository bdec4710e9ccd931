"""Published annotation files of both generations become the same samples, with boxes in one convention."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.unit.data.harness import collect, request_for
from tests.unit.data.sources.hub import assert_scorable
from vgcli_core.data.sources.published_file import DATASET
from vgcli_core.geometry.boxes import as_array, rotations, to_extrinsic
from vgcli_core.text.answers import read_detection, read_grounding

BENCHMARKS = {"ground": "scanrefer", "detect": "scannet_det", "caption": "scan2cap"}


def generated(golden: Path) -> dict[str, list[dict]]:
    """File name -> records, of every recorded output of a generator."""
    found = {}
    for path in sorted((golden / "gen2" / "generators").glob("*/*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        items = content.get("items") if isinstance(content, dict) else content
        if isinstance(items, list) and items and isinstance(items[0], dict) and "conversations" in items[0]:
            found[path.name] = items
    assert found
    return found


def old(record: dict) -> dict:
    """The record as the first generation wrote it: other words in the prompt, extrinsic angles everywhere."""

    def extrinsic(box: list[float], decimals: int | None) -> list[float]:
        row = to_extrinsic(np.array([box], dtype=np.float64))[0].tolist()
        return row if decimals is None else [round(number, decimals) for number in row]

    record = json.loads(json.dumps(record))
    asked, answered = record["conversations"]
    asked["value"] = asked["value"].replace('"bbox_3d"', '"box_3d"').replace("yaw, roll, pitch", "yaw, pitch, roll")
    if record.get("target"):
        # In more digits than the files have, so that what comes back can be compared.
        record["target"]["bbox_3d"] = extrinsic(record["target"]["bbox_3d"], None)
        answered["value"] = "```json\n\t" + json.dumps(record["target"]) + "\n```"
    if "boxes" in record:
        for box in record["boxes"]:
            box["bbox_3d"] = extrinsic(box["bbox_3d"], None)
        rows = [{"label": box["label"], "bbox_3d": [round(x, 2) for x in box["bbox_3d"]]} for box in record["boxes"]]
        answered["value"] = "```json\n[\n\t" + ",\n\t".join(json.dumps(row) for row in rows) + "\n]```"
    return record


def samples(folder: Path, name: str, records: list[dict], **options):
    (folder / name).write_text(json.dumps(records), encoding="utf-8")
    split = "val" if "_val_" in name else "train"
    request = request_for(DATASET, folder, split, options={"file": name, **options}, with_frames=False)
    found = collect(DATASET, request)
    assert not found.work.drops and not found.quarantined
    return sorted(found.samples, key=lambda sample: sample.id)


def test_files_of_the_second_generation_are_taken_as_they_are(golden, tmp_path):
    kinds = set()
    for name, records in generated(golden).items():
        found = samples(tmp_path, name, records)
        assert len(found) == len(records)
        for sample, record in zip(found, records, strict=True):
            kinds.add(sample.task)
            assert list(sample.frames) == record["images"]
            assert [turn.text for turn in sample.conversations] == [turn["value"] for turn in record["conversations"]]
            written = [box["bbox_3d"] for box in record.get("boxes", ())]
            written += [record["target"]["bbox_3d"]] if record.get("target") else []
            np.testing.assert_array_equal(as_array([one.box for one in sample.boxes]), np.reshape(written, (-1, 9)))
            assert (sample.truth is None) == ("_val_" not in name)
        if "_val_" in name:
            assert_scorable(found, BENCHMARKS[found[0].task])
    assert kinds == {"ground", "detect", "caption", "ask"}


def test_files_of_the_first_generation_give_the_same_boxes_and_texts(golden, tmp_path):
    checked = 0
    for name, records in generated(golden).items():
        if "boxes" not in records[0] and "target" not in records[0]:
            continue
        new, rewritten = samples(tmp_path, name, records), samples(tmp_path, name, [old(one) for one in records])
        for one, other in zip(new, rewritten, strict=True):
            assert other.conversations[0] == one.conversations[0]
            rows, same = (as_array([framed.box for framed in sample.boxes]) for sample in (one, other))
            np.testing.assert_allclose(same[:, :6], rows[:, :6], atol=1e-12)
            np.testing.assert_allclose(rotations(same[:, 6:]), rotations(rows[:, 6:]), atol=1e-9)
            read = read_grounding if one.task == "ground" else lambda text, _: read_detection(text)
            said, again = (as_array(read(sample.answer, len(sample.frames)).boxes) for sample in (one, other))
            assert len(said) == len(again)
            np.testing.assert_allclose(again[:, :6], said[:, :6], atol=0.0101)
            # Each of three angles is off by half a unit of its last digit at most, in both.
            np.testing.assert_allclose(rotations(again[:, 6:]), rotations(said[:, 6:]), atol=0.0301)
            checked += len(said)
            if one.truth is not None:
                assert other.truth["euler_convention"] == "ZXY"
        if "_val_" in name:
            assert_scorable(rewritten, BENCHMARKS[new[0].task])
    assert checked


@pytest.mark.parametrize("convention", ["auto", "zxy"])
def test_without_rewriting_texts_stay_and_boxes_do_not(golden, tmp_path, convention):
    name, records = next((name, records) for name, records in generated(golden).items() if "boxes" in records[0])
    before = [old(one) for one in records]
    kept = samples(tmp_path, name, before, rewrite=False, convention=convention)
    rewritten = samples(tmp_path, name, before)
    assert [sample.boxes for sample in kept] == [sample.boxes for sample in rewritten]
    assert [sample.conversations[0].text for sample in kept] == [one["conversations"][0]["value"] for one in before]
    assert [sample.answer for sample in kept] == [one["conversations"][1]["value"] for one in before]
