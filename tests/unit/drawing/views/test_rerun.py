"""The .rrd file: frames, pictures, cameras and boxes at their moments."""

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.drawing.scenes import CHAIR, HEIGHT, SINK, WIDTH, K, frame, scene
from tests.unit.drawing.views.readers import columns, needs_rerun, written
from vgcli_core.drawing.scene import APART


@needs_rerun
def test_rrd_shows_each_frame_with_its_picture_and_its_boxes_alone(tmp_path):
    paths = written(scene(frame(0, SINK), frame(1), frame(2, CHAIR, kind="true")), tmp_path, ".rrd")
    images = {int(row["frame"]): row for row in columns(paths, "/camera/image") if row.get("EncodedImage:blob")}
    assert sorted(images) == [0, 1, 2]
    assert bytes(images[0]["EncodedImage:blob"][0])[:2] == b"\xff\xd8"  # how JPEG begins
    lenses = [row for row in columns(paths, "/camera/image") if row.get("Pinhole:image_from_camera")]
    # Stored by columns.
    assert lenses[0]["Pinhole:image_from_camera"][0] == K.T.ravel().tolist()
    assert lenses[0]["Pinhole:resolution"][0] == [WIDTH, HEIGHT]
    predicted = columns(paths, "/camera/boxes/predicted")
    shown = {int(row["frame"]): row.get("Boxes3D:labels") for row in predicted if row.get("Boxes3D:centers")}
    assert shown == {0: ["sink"]}
    cleared = {int(row["frame"]) for row in predicted if row.get("Clear:is_recursive")}
    assert cleared == {1, 2}
    (about,) = columns(paths, "/about")
    for words in ("metre", "x right, y down, z forward", APART, "given by the user", "a remark"):
        assert words in about["TextDocument:text"][0]
    # Right, down, forward in rerun's own numbers.
    (axes,) = [row for row in columns(paths, "/camera") if "ViewCoordinates:xyz" in row]
    assert axes["ViewCoordinates:xyz"] == [[3, 2, 5]]


@needs_rerun
def test_rrd_scales_large_frames_down_with_their_intrinsics(tmp_path):
    large = replace(frame(0), width=7680, height=4320, intrinsics=np.diag([6000.0, 6000, 1]), image=None)
    paths = written(scene(large), tmp_path, ".rrd")
    lens = next(row for row in columns(paths, "/camera/image") if row.get("Pinhole:resolution"))
    assert lens["Pinhole:resolution"][0] == [1920, 1080]
    assert lens["Pinhole:image_from_camera"][0][0] == pytest.approx(1500)
