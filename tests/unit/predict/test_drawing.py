"""What is drawn of a result: frames with boxes, 3D files, and the camera of both."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.cli.results import answer, result
from vgcli_core.drawing.boxes import PREDICTION
from vgcli_core.drawing.scene import APART
from vgcli_core.errors import ResourceError, UnknownName, UsageError
from vgcli_core.geometry.boxes import OrientedBox, as_array, corners
from vgcli_core.media.frames import read_frames
from vgcli_core.predict.drawing import Drawing, check_drawing, draw, scene_of
from vgcli_core.predict.result import FoundBox, FrameInfo, Intrinsics

HEIGHT, WIDTH = 120, 160
IMAGES = [np.full((HEIGHT, WIDTH, 3), 90, np.uint8)] * 6


def found(label: str, frame: int, z: float = 2.0) -> FoundBox:
    return FoundBox(OrientedBox((0.0, 0.0, z), (0.5, 0.5, 0.5), (0.0, 0.0, 0.0), label), frame, frame / 6)


def of_boxes(*boxes: FoundBox):
    """A result of six frames with these boxes."""
    made = result(answer(task="ground", question="where is the sink?", boxes=boxes))
    return replace(made, frames=made.frames[:6], frame_size=(HEIGHT, WIDTH))


def scene_in(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)


def test_boxes_are_drawn_with_the_camera_that_was_given(tmp_path):
    boxes = of_boxes(found("sink", 3), found("door", 4, z=-2.0))
    drawn = draw(boxes, IMAGES, Drawing(tmp_path / "vis", "150,150,80,60"))
    assert [Path(p).name for p in drawn.drawn] == ["frame_003.png", "frame_004.png", "frames.png"]
    picture = np.asarray(Image.open(tmp_path / "vis" / "frame_003.png"))
    # The near face, 0.25 m to each side at 1.75 m: 150 * 0.25 / 1.75 = 21.4 pixels from the middle.
    row = picture[60].astype(int)
    green = np.flatnonzero((row[:, 1] - row[:, 0] > 60) & (row[:, 1] - row[:, 2] > 60))
    assert abs(green.min() - (80 - 21.4)) <= 2.5
    assert abs(green.max() - (80 + 21.4)) <= 2.5
    assert any("'door' is out of view" in note for note in drawn.notes)
    guessed = draw(boxes, IMAGES, Drawing(tmp_path / "vis"))
    assert guessed.intrinsics.source == "assumed"
    assert guessed.intrinsics.fx == pytest.approx(80 / np.tan(np.radians(29)))
    assert any("58 degrees" in note for note in guessed.notes)


def test_a_3d_file_holds_each_box_in_the_camera_of_its_own_frame(tmp_path):
    boxes = (found("sink", 3), found("door", 4, z=-2.0))
    drawn = draw(of_boxes(*boxes), IMAGES, Drawing(fov=90.0, views=(tmp_path / "a.json", tmp_path / "b.ply")))
    assert [Path(p).name for p in drawn.drawn] == ["a.json", "b_camera_3.ply", "b_camera_4.ply"]
    assert APART in drawn.notes
    plain = scene_in(tmp_path / "a.json")
    assert [len(one["boxes"]) for one in plain["coordinate_frames"]] == [0, 0, 0, 1, 1, 0]
    for one in boxes:
        home = plain["coordinate_frames"][one.frame]
        np.testing.assert_allclose(home["boxes"][0]["corners"], corners(as_array([one.box]))[0], atol=1e-9)
        assert home["boxes"][0]["label"] == one.box.label
        assert home["camera"]["intrinsics"][0][0] == pytest.approx(80)
        assert "field of view that was given" in home["camera"]["intrinsics_from"]
    assert plain["coordinate_frames"][3]["name"] == "camera 3 of frame 15 at 0.50 s"
    assert "a model" in plain["scene"]


def test_a_scene_holds_what_was_asked_and_answered_and_short_names_of_frames():
    made = scene_of(of_boxes(found("sink", 3)), IMAGES, [Intrinsics(150, 150, 80, 60, "given")] * 6)
    assert made.exchanges == (("where is the sink?", "two"),)
    assert [one.caption for one in made.frames][3:] == ["frame 3, 0.50 s", "frame 4, 0.67 s", "frame 5, 0.83 s"]


def test_a_picture_and_a_video_show_the_frames_that_were_seen_and_say_what_is_out_of_view(tmp_path):
    boxes = of_boxes(found("sink", 3), found("door", 4, z=-2.0))
    files = (tmp_path / "a.png", tmp_path / "new" / "a.mp4")
    drawn = draw(boxes, IMAGES, Drawing(fov=90.0, views=files))
    assert drawn.drawn == tuple(map(str, files))
    assert sum("out of view" in note for note in drawn.notes) == 1
    sheet = np.asarray(Image.open(files[0])).astype(int)
    green = (np.abs(sheet - PREDICTION).max(axis=2) < 40)[-270:, :320]  # the fourth of six frames
    assert green.mean() > 0.004
    video = read_frames(files[1])
    assert len(video.images) == 2 * (4 * 1 + 2 * 2)
    # Those of the fourth frame: the near face, 0.25 m to each side at 1.75 m, 320 * 0.25 / 1.75 = 46 pixels.
    row = video.images[6][-240].astype(int)
    lines = np.flatnonzero((row[:, 1] - row[:, 0] > 60) & (row[:, 1] - row[:, 2] > 60))
    assert abs(lines.min() - (320 - 46)) <= 5
    assert abs(lines.max() - (320 + 46)) <= 5
    in_3d = draw(boxes, IMAGES, Drawing(fov=90.0, views=(tmp_path / "a.json",)))
    assert not any("out of view" in note for note in in_3d.notes)


def test_a_result_without_boxes_is_written_and_said(tmp_path):
    drawn = draw(of_boxes(), IMAGES, Drawing(views=(tmp_path / "a.glb", tmp_path / "a.json")))
    assert [Path(p).name for p in drawn.drawn] == ["a.glb", "a.json"]
    assert any("there is no box" in note for note in drawn.notes)
    assert all(one["boxes"] == [] for one in scene_in(tmp_path / "a.json")["coordinate_frames"])


def test_a_box_that_no_file_can_hold_is_left_out_and_said(tmp_path):
    drawn = draw(of_boxes(found("sink", 0), found("sun", 0, z=1e200)), IMAGES, Drawing(views=(tmp_path / "a.json",)))
    assert [box["label"] for box in scene_in(tmp_path / "a.json")["coordinate_frames"][0]["boxes"]] == ["sink"]
    assert any("1 of 2 boxes" in note for note in drawn.notes)


def test_pictures_of_different_sizes_have_cameras_of_their_own(tmp_path):
    small = np.full((60, 80, 3), 90, np.uint8)
    frames = (FrameInfo(0, 1, None, "b.png"), FrameInfo(1, 0, None, "a.png"))
    two = replace(of_boxes(found("sink", 1)), frames=frames)
    draw(two, [IMAGES[0], small], Drawing(tmp_path / "vis", fov=90.0, views=(tmp_path / "a.json",)))
    first, second = scene_in(tmp_path / "a.json")["coordinate_frames"]
    assert (first["camera"]["intrinsics"][0][0], second["camera"]["intrinsics"][0][0]) == pytest.approx((80, 40))
    assert second["name"] == "camera 1 of frame 0, a.png"
    # The near face, 0.25 m to each side at 1.75 m: 40 * 0.25 / 1.75 = 5.7 pixels from the middle.
    row = np.asarray(Image.open(tmp_path / "vis" / "frame_001.png"))[30].astype(int)
    green = np.flatnonzero((row[:, 1] - row[:, 0] > 60) & (row[:, 1] - row[:, 2] > 60))
    assert abs(green.min() - (40 - 5.7)) <= 2.5


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"intrinsics": "1,2"}, UsageError),
        ({"views": (Path("good.glb"), Path("bad.obj"))}, UnknownName),
    ],
)
def test_what_cannot_be_drawn_is_refused_early(wrong, error):
    with pytest.raises(error):
        check_drawing(Drawing(**wrong))


def test_a_recording_without_rerun_is_refused_early(monkeypatch):
    from vgcli_core.drawing import views

    monkeypatch.setattr(views, "find_spec", lambda name: None)
    with pytest.raises(ResourceError, match="rerun-sdk"):
        check_drawing(Drawing(views=(Path("a.rrd"),)))
