"""Marks on SPAR's frames: positions by arithmetic, and every row that cannot be drawn is an error in words."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from vgcli_core.errors import MediaError, VgllmError
from vgcli_core.media.markers import LABELLED, TYPES, UNMARKED, draw_markers

GREY = np.full((300, 400, 3), 90, np.uint8)


def changed(before: np.ndarray, after: np.ndarray) -> tuple[int, int, int, int]:
    """First and last changed column, first and last changed row."""
    rows, columns = np.nonzero((before != after).any(axis=2))
    return columns.min(), columns.max(), rows.min(), rows.max()


def draw(kind: str, count: int = 1, **fields) -> list[np.ndarray]:
    return draw_markers([GREY] * count, {"type": kind, **fields})


def test_spar_has_35_types():
    assert len(TYPES) == 35
    assert not LABELLED & UNMARKED


def test_a_point_is_a_disc_of_41_pixels_around_truncated_per_mille():
    (drawn,) = draw("distance_prediction_oc", red_point=[[502, 499]])
    x, y = 200, 149  # 200.8 and 149.7, cut
    assert changed(GREY, drawn) == (x - 20, x + 20, y - 20, y + 20)
    assert drawn[y, x].tolist() == [255, 0, 0]
    assert drawn[y - 20, x - 20].tolist() == [90, 90, 90], "a disc, not a square"


def test_a_box_grows_by_17_5_pixels_and_its_rim_is_20_wide():
    (drawn,) = draw("spatial_volume_infer", red_bbox=[[250, 250, 750, 750]])
    # 100, 75, 300, 225 in pixels; 82.5 and 57.5 are cut to 82 and 57, 317.5 and 242.5 to 317 and 242
    assert changed(GREY, drawn) == (82, 317, 57, 242)
    assert drawn[150, 82:102].tolist() == [[255, 0, 0]] * 20
    assert drawn[150, 102].tolist() == [90, 90, 90]


def test_the_second_and_third_point_swap_colours_between_two_types():
    points = {"red_point": [[100, 100]], "blue_point": [[500, 500]], "green_point": [[900, 900]]}
    depth = draw("depth_prediction_oo_mv", 3, point_img_idx=[[0, 1, 2]], **points)
    centre = draw("distance_infer_center_oo_mv", 3, point_img_idx=[[0, 1, 2]], **points)
    assert depth[1][150, 200].tolist() == centre[2][150, 200].tolist() == [0, 0, 255]
    assert depth[2][270, 360].tolist() == centre[1][270, 360].tolist() == [0, 128, 0]


def test_frames_are_never_changed_and_unmarked_ones_are_not_copied():
    frames = [GREY.copy(), GREY.copy()]
    drawn = draw_markers(frames, {"type": "obj_frame_locate", "red_bbox": [[1, 1, 9, 9]], "bbox_img_idx": [[1]]})
    assert all((frame == 90).all() for frame in frames)
    assert drawn[0] is frames[0]
    assert drawn[1] is not frames[1]


@pytest.mark.parametrize("kind", sorted(UNMARKED))
@pytest.mark.parametrize("count", [1, 3])
def test_types_without_marks_ignore_points(kind, count):
    assert all(frame is GREY for frame in draw(kind, count, red_point=[[1, 1]], point_img_idx=[[9]]))


def test_yellow_with_a_name_is_cyan_and_boxes_of_the_map_are_blue():
    pytest.importorskip("cv2")
    boxes = {f"{colour}_bbox": [[400, 200, 700, 500]] for colour in ("red", "green", "blue", "yellow")}
    drawn = draw("spatial_imagination_oo_video", 4, bbox_img_idx=[[0, 1, 2, 3]], **boxes)
    # The rim stands 20 pixels outside of x = 160.
    assert [frame[100, 140].tolist() for frame in drawn] == [[0, 255, 0], [0, 0, 255], [255, 0, 0], [0, 225, 225]]
    (_, mapped) = draw("spatial_imagination_map_mv", 2, bbox_list=[[[400, 200, 700, 500]]], bbox_img_idx=[[1]])
    assert mapped[100, 140].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("info", "count", "words"),
    [
        ({}, 1, "None is no question type"),
        ({"type": 3}, 1, "3 is no question type"),
        ({"type": "room_sise"}, 1, "did you mean 'room_size'"),
        ({"type": "distance_prediction_oc"}, 1, "red_point is missing"),
        ({"type": "distance_prediction_oc", "red_point": [1, 2]}, 1, "instead of a list in a list"),
        ({"type": "distance_prediction_oc", "red_point": "ab"}, 1, "instead of a list in a list"),
        ({"type": "distance_prediction_oc", "red_point": [[1]]}, 1, "instead of 2 numbers"),
        ({"type": "distance_prediction_oc", "red_point": [["1", 2]]}, 1, "instead of 2 numbers"),
        ({"type": "distance_prediction_oc", "red_point": [[float("nan"), 2]]}, 1, "far outside"),
        ({"type": "distance_prediction_oc", "red_point": [[10**12, 2]]}, 1, "far outside"),
        ({"type": "distance_prediction_oc", "red_point": [[1, 2]]}, 2, "one frame"),
        ({"type": "obj_frame_locate", "red_bbox": [[1, 1, 9, 9]], "bbox_img_idx": [[0]]}, 1, "several frames"),
        ({"type": "obj_frame_locate", "red_bbox": [[1, 1, 9, 9]], "bbox_img_idx": [[2]]}, 2, "frame 2 is marked"),
        ({"type": "obj_frame_locate", "red_bbox": [[1, 1, 9, 9]], "bbox_img_idx": [[]]}, 2, "entry 0 is needed"),
        ({"type": "obj_frame_locate", "red_bbox": [[1, 1, 9, 9]]}, 2, "bbox_img_idx is missing"),
        ({"type": "obj_frame_locate", "red_bbox": [[1, 1, 9, 9]], "bbox_img_idx": [["0"]]}, 2, "frame '0' is marked"),
        ({"type": "spatial_volume_infer", "red_bbox": [[800, 1, 2, 9]]}, 1, "cannot be drawn"),
        ({"type": "spatial_imagination_map_mv", "bbox_list": [[3]], "bbox_img_idx": [[0]]}, 2, "instead of 4 numbers"),
    ],
)
def test_a_row_that_cannot_be_drawn_says_why(info, count, words):
    with pytest.raises(MediaError) as caught:
        draw_markers([GREY] * count, info)
    assert words in str(caught.value)


@pytest.mark.parametrize("frame", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3))])
def test_frames_of_another_form_are_refused(frame):
    with pytest.raises(MediaError, match="frame of shape"):
        draw_markers([frame], {"type": "room_size"})


@pytest.mark.parametrize(
    ("module", "words"), [(None, "not installed"), (SimpleNamespace(__version__="5.0.0"), "5.0.0")]
)
def test_without_the_right_opencv_labels_say_how_to_get_it(monkeypatch, module, words):
    monkeypatch.setitem(sys.modules, "cv2", module)
    info = {"type": "spatial_imagination_map_mv", "bbox_list": [[[1, 1, 9, 9]]], "bbox_img_idx": [[0]]}
    with pytest.raises(VgllmError) as caught:
        draw_markers([GREY, GREY], info)
    assert words in caught.value.what
    assert "vgllm[spar]" in caught.value.fix
