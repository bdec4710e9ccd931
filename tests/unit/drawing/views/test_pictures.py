"""Pictures and videos of a scene, read back: what stands where, in which colour, for how long."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.unit.drawing.scenes import BEHIND, CHAIR, HEIGHT, SINK, WIDTH, frame, scene
from vgcli_core.drawing.boxes import PREDICTION, TRUTH
from vgcli_core.drawing.scene import APART, Exchange, SceneBox, make_scene
from vgcli_core.drawing.views.pictures import (
    FPS,
    LARGEST,
    LARGEST_VIDEO,
    SMALLEST_VIDEO,
    USUAL_TILE,
    caption_of,
    frame_picture,
    sheet_of,
    write_mp4,
    write_picture,
)
from vgcli_core.errors import OutputError
from vgcli_core.geometry.boxes import OrientedBox
from vgcli_core.media.frames import read_frames


def share_of(color, image) -> float:
    """Return the share of pixels [H, W, 3] that have about this colour."""
    return float((np.abs(np.asarray(image).astype(int) - color).max(axis=-1) < 40).mean())


def big(position: int, height: int, width: int, *boxes: OrientedBox):
    """A frame of this size whose camera sees what the small one of `frame` sees."""
    one = frame(position, *boxes)
    zoom = np.diag([width / WIDTH, height / HEIGHT, 1.0])
    image = np.full((height, width, 3), 40, np.uint8)
    return replace(one, width=width, height=height, intrinsics=zoom @ one.intrinsics, image=image)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".JPEG"])
def test_a_sheet_shows_predictions_green_and_truth_blue_each_on_its_own_frame(tmp_path, ending):
    frames = [frame(0, SINK), frame(1), frame(2, SINK, kind="true")]
    path = tmp_path / f"sheet{ending}"
    assert write_picture(scene(*frames), path) == (path,)
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == sheet_of(scene(*frames)).shape
    assert 2 * USUAL_TILE <= sheet.shape[1] < 2.2 * USUAL_TILE
    # Two rows of two tiles, of 240 pixels each, below the words.
    tiles = sheet[-2 * 270 :]
    first, second, third = tiles[:240, :320], tiles[:240, 330:], tiles[280:, :320]
    for tile, green, blue in ((first, True, False), (second, False, False), (third, False, True)):
        assert (share_of(PREDICTION, tile) > 0.005, share_of(TRUTH, tile) > 0.005) == (green, blue)


def test_words_above_grow_with_the_questions_up_to_a_limit():
    bare = make_scene("kitchen.mp4", [frame(0)])
    heights = [
        sheet_of(replace(bare, exchanges=(Exchange("where?", "there"),) * count)).shape[0] for count in (0, 1, 2, 60)
    ]
    assert heights[0] < heights[1] < heights[2] < heights[3] < heights[0] + 9 * (heights[1] - heights[0])
    assert sheet_of(replace(bare, notes=("assumed",))).shape[0] > heights[0]
    assert sheet_of(replace(bare, notes=(APART,))).shape[0] == heights[0]


def test_a_caption_counts_the_boxes_out_of_view():
    assert caption_of(replace(frame(3, SINK), caption="frame 3, 1.50 s")) == "frame 3, 1.50 s"
    assert caption_of(frame(3, SINK, BEHIND)) == "camera 3 of frame 15, 1 of 2 boxes out of view"


def test_the_front_is_tinted_and_the_picture_drawn_at_the_size_that_is_asked_for():
    ahead = OrientedBox((0.0, 0.0, 2.0), (0.6, 0.6, 0.6), (0.0, 0.0, 0.0))
    picture = frame_picture(frame(0, ahead), 640)
    assert picture.shape == (480, 640, 3)
    # The face at 1.7 m, 500 * 0.3 / 1.7 = 88 pixels to each side of the middle; 60 are inside its lines.
    tinted = picture[240, 260:380]
    assert share_of((13, 50, 20), tinted) > 0.8
    assert share_of((0, 0, 0), picture[240, :200]) == 1
    assert frame_picture(replace(frame(0), image=None), 64).std() == 0


@pytest.mark.parametrize("size", [(240, 320), (2160, 3840), (4320, 7680)])
def test_one_frame_of_any_size_makes_a_sheet_between_a_tile_and_4k_with_letters_in_proportion(size):
    sheet = sheet_of(scene(big(0, *size, OrientedBox(SINK.center, SINK.size, SINK.angles, "WWWW"))))
    longest = min(size[1], LARGEST)
    assert longest <= sheet.shape[1] < longest + 20
    plates = (sheet == PREDICTION).all(axis=2)
    rows = np.flatnonzero(plates.sum(axis=1) > longest / 16)  # those of the label
    assert longest / 50 < len(rows) < longest / 15


def test_a_video_holds_frames_with_boxes_twice_as_long(tmp_path):
    frames = [frame(1), frame(2, SINK), replace(frame(3, CHAIR, kind="true"), time=None)]
    path = tmp_path / "boxes.mp4"
    assert write_mp4(scene(*frames), path) == (path,)
    read = read_frames(path)
    assert len(read.images) == FPS * (1 + 2 + 2)
    assert read.times[FPS] == 1.0
    assert read.images[0].shape[1] == SMALLEST_VIDEO
    below = [image[-400:-40] for image in (read.images[0], read.images[FPS], read.images[-1])]
    marks = [(share_of(PREDICTION, image) > 0.003, share_of(TRUTH, image) > 0.003) for image in below]
    assert marks == [(False, False), (True, False), (False, True)]


def test_a_video_of_pictures_of_several_sizes_keeps_their_proportions(tmp_path):
    write_mp4(scene(frame(5), big(1, 100, 50)), tmp_path / "a.mp4")
    wide, tall = (read_frames(tmp_path / "a.mp4").images[place] for place in (0, -1))
    assert wide.shape == tall.shape
    # 640 x 480 of grey 200 in a canvas of 640 x 640, and 320 x 640 of grey 40.
    middle = [image[-320, :, 0].astype(int) for image in (wide, tall)]
    assert (np.abs(middle[0] - 200) < 12).mean() > 0.97
    assert 300 < (np.abs(middle[1] - 40) < 8).sum() < 340


def test_zero_and_five_hundred_boxes_make_a_picture_and_a_video(tmp_path):
    places = np.random.default_rng(0).uniform((-1, -1, 2), (1, 1, 4), (500, 3)).tolist()
    many = [OrientedBox(tuple(place), (0.05, 0.05, 0.05), (0, 0, 0), "chair") for place in places]
    for what, least in ((scene(frame(0)), 0), (scene(frame(0, *many)), 0.02)):
        (path,) = write_picture(what, tmp_path / "a.png")
        assert least <= share_of(PREDICTION, Image.open(path)) < max(0.5, least)
        (path,) = write_mp4(what, tmp_path / "a.mp4")
        assert least <= share_of(PREDICTION, read_frames(path).images[0]) < max(0.5, least)


def test_a_video_of_8k_frames_is_small_enough_for_the_decoders_of_phones(tmp_path):
    write_mp4(scene(big(0, 7680, 4320)), tmp_path / "a.mp4")
    (height, width, _) = read_frames(tmp_path / "a.mp4").images[0].shape
    assert LARGEST_VIDEO <= height < LARGEST_VIDEO * 1.4
    assert width * height < 36864 * 16 * 16  # macroblocks of H.264's level 5.1


def test_many_frames_share_a_sheet_no_wider_than_4k():
    sheet = sheet_of(scene(*[big(0, 30, 40)] * 150))
    assert sheet.shape[1] < LARGEST + 100
    assert sheet.shape[0] < LARGEST


@pytest.mark.parametrize("write", [write_picture, write_mp4])
def test_a_file_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path, write):
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError):
        write(scene(frame(0, SINK)), tmp_path / "taken" / ("a.png" if write is write_picture else "a.mp4"))
    assert [path.name for path in tmp_path.rglob("*")] == ["taken"]


def test_kinds_of_boxes_are_told_in_their_colour_and_no_box_in_a_warning():
    both = replace(frame(0, SINK), boxes=(SceneBox(SINK), SceneBox(CHAIR, "true")))
    words = sheet_of(scene(both))[:-270]
    assert share_of(PREDICTION, words) > 0
    assert share_of(TRUTH, words) > 0
    assert share_of(TRUTH, sheet_of(scene(frame(0, SINK)))[:-270]) == 0
    none, one = (sheet_of(make_scene("a", [each]))[:-270] for each in (frame(0), frame(0, SINK)))
    assert (share_of((255, 200, 90), none) > 0, share_of((255, 200, 90), one) > 0) == (True, False)
