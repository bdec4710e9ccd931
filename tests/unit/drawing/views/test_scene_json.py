"""The .json file: its schema."""

import json

import pytest

from tests.unit.drawing.scenes import HEIGHT, SINK, WIDTH, K, frame, scene
from tests.unit.drawing.views.readers import written
from vgcli_core.drawing.views import scene_json


def test_json_is_the_documented_schema(tmp_path):
    what = scene(frame(0), frame(1, SINK))
    plain = json.loads(written(what, tmp_path, ".json")[0].read_text(encoding="utf-8"))
    assert plain["schema"] == "vgllm.scene/1"
    assert plain["conventions"]["length"] == "metre"
    assert plain["conventions"]["camera_axes"].startswith("x right, y down, z forward")
    assert plain["notes"] == ["a remark"]
    empty, full = plain["coordinate_frames"]
    assert (empty["position"], empty["boxes"], full["time"]) == (0, [], 0.5)
    assert full["camera"] == {
        "intrinsics": K.tolist(),
        "width": WIDTH,
        "height": HEIGHT,
        "intrinsics_from": "given by the user",
    }
    assert full["boxes"][0]["bbox_3d"] == pytest.approx([*SINK.center, *SINK.size, *SINK.angles])
    assert (full["boxes"][0]["label"], full["boxes"][0]["kind"]) == ("sink", "predicted")
    for key in (*plain, *full, *full["camera"], *full["boxes"][0]):
        assert key in (scene_json.__doc__ or "")


def test_a_picture_has_no_time(tmp_path):
    what = scene(frame(0, SINK, time=None))
    plain = json.loads(written(what, tmp_path, ".json")[0].read_text(encoding="utf-8"))
    assert plain["coordinate_frames"][0]["time"] is None
