"""Drawn boxes: pixels by hand, and against edges sampled point by point."""

import numpy as np
import pytest

from vgcli_core.drawing.boxes import NEAR_METRES, PREDICTION, draw_boxes, in_view
from vgcli_core.geometry.boxes import EDGES, OrientedBox, as_array, corners

WIDTH, HEIGHT = 320, 240
K = np.array([[100.0, 0, 160], [0, 100, 120], [0, 0, 1]])
CUBE = OrientedBox((0, 0, 3), (2, 2, 2), (0, 0, 0))  # faces at 2 m and 4 m: squares of 100 and 50 pixels


@pytest.fixture
def grey():
    return np.full((HEIGHT, WIDTH, 3), 128, np.uint8)


def changed(image, before) -> np.ndarray:
    """Return where [H, W] two pictures differ by more than a trace."""
    return (np.abs(image.astype(int) - before).sum(axis=2)) > 30


def is_green(pixels) -> np.ndarray:
    return (pixels[..., 1].astype(int) - pixels[..., 0] > 60) & (pixels[..., 1].astype(int) - pixels[..., 2] > 60)


def sampled_edges(box) -> np.ndarray:
    """Return pixels [N, 2] of points along all edges, in front of the camera and in the picture."""
    share = np.linspace(0, 1, 20_001)[:, None]
    points = np.concatenate([(1 - share) * box[a] + share * box[b] for a, b in EDGES])
    x, y, z = points[points[:, 2] > NEAR_METRES].T
    u = K[0, 0] * x / z + K[0, 2]
    v = K[1, 1] * y / z + K[1, 2]
    return np.column_stack([u, v])[(u >= 0) & (u <= WIDTH) & (v >= 0) & (v <= HEIGHT)]


def test_corners_of_a_cube_ahead_land_on_the_pixels_computed_by_hand(grey):
    drawn = draw_boxes(grey, [CUBE], K)
    for x, y in ((110, 120), (210, 120), (160, 70), (160, 170)):  # middles of the front face's edges
        assert is_green(drawn[y - 1 : y + 2, x - 1 : x + 2]).sum() >= 3
    touched = np.argwhere(changed(drawn, grey))
    assert np.abs(touched.min(axis=0) - [70, 110]).max() <= 3
    assert np.abs(touched.max(axis=0) - [170, 210]).max() <= 3
    np.testing.assert_array_equal(drawn[115:125, 155:165], grey[115:125, 155:165])


def test_hidden_edges_are_dashed_and_dimmer_than_visible_ones(grey):
    drawn = draw_boxes(grey, [CUBE], K).astype(int)
    back = drawn[100:140, 133:138].max(axis=1)  # along x = 135, the back face's left edge
    front = drawn[100:140, 108:113].max(axis=1)
    on = back[:, 1] > 135
    assert 0.2 < on.mean() < 0.8
    assert front[:, 1].min() > back[:, 1].max()


def test_the_front_face_is_bolder_than_the_sides():
    # Seen from above right: the front (z) and one side are visible.
    tall = np.full((1080, 1920, 3), 128, np.uint8)
    intrinsics = np.array([[1000.0, 0, 960], [0, 1000, 540], [0, 0, 1]])
    drawn = draw_boxes(tall, [OrientedBox((-1.5, 0, 4), (1, 1, 1), (0, 0, 0))], intrinsics)
    row = is_green(drawn[540])
    # The front face's right edge at z = 3.5 and the side's far edge at z = 4.5.
    near, far = round(960 - 1000 / 3.5), round(960 - 1000 / 4.5)
    assert row[near - 15 : near + 15].sum() > row[far - 15 : far + 15].sum() > 2


def test_lines_scale_with_the_picture(grey):
    large = np.full((1080, 1440, 3), 128, np.uint8)
    scaled = K * [[4.5], [4.5], [1]]
    thin = is_green(draw_boxes(grey, [CUBE], K)[120, 100:120]).sum()
    thick = is_green(draw_boxes(large, [CUBE], scaled)[540, 450:540]).sum()
    assert 1 <= thin <= 4
    assert 2.5 <= thick / thin <= 6


BOXES = {
    "ahead and turned": OrientedBox((0.5, -0.2, 2.5), (1, 0.7, 1.2), (0.5, -1.2, 0.3)),
    "through the camera plane": OrientedBox((0.3, 0.8, 0.5), (1.5, 0.4, 4), (0.2, 0.1, -0.3)),
    "touching the camera plane": OrientedBox((0, 1, 1), (1, 1, 2), (0, 0, 0)),
    "around the camera": OrientedBox((0.1, 0.2, 0.5), (3, 1.5, 3), (0.3, 0.2, 0.1)),
    "half out of the picture": OrientedBox((-1.8, 1.2, 1.5), (1, 1, 1), (0.4, 0.4, 0.4)),
    "in a corner": OrientedBox((1.5, 1.1, 1), (0.5, 0.5, 0.5), (0, 0, 0)),
    "flat": OrientedBox((0, 0.2, 2), (1, 0, 1), (0, 0.5, 0)),
    "far away": OrientedBox((0, 0, 90), (3, 3, 3), (0, 0, 0)),
}


@pytest.mark.parametrize("name", BOXES)
def test_lines_are_where_sampled_edges_are_and_nowhere_else(name, grey):
    box = BOXES[name]
    points = sampled_edges(corners(as_array([box]))[0])
    assert len(points), "the example shows nothing"
    assert in_view([box], K, WIDTH, HEIGHT) == (True,)
    touched = np.argwhere(changed(draw_boxes(grey, [box], K), grey))[:, ::-1]

    def farthest(from_these, to_these):
        cells = np.unique(to_these.round(), axis=0)
        return max(np.hypot(*(cells - point).T).min() for point in from_these)

    assert farthest(touched, points) < 4
    assert farthest(np.unique(points.round(), axis=0), touched) < 9  # the gaps between dashes


def test_a_box_behind_beside_or_before_the_near_plane_draws_nothing(grey):
    boxes = [
        OrientedBox((0, 0, -3), (2, 2, 2), (0, 0, 0), "behind"),
        OrientedBox((9, 0, 1), (1, 1, 1), (0, 0, 0), "beside"),
        OrientedBox((0, 0, 0), (0.02, 0.02, 0.02), (0, 0, 0), "on the lens"),
    ]
    assert in_view(boxes, K, WIDTH, HEIGHT) == (False, False, False)
    np.testing.assert_array_equal(draw_boxes(grey, boxes, K), grey)


def test_inside_a_box_no_edge_hides_behind_another(grey):
    # A room of 4 m: its far corners are seen, and its far edges are solid.
    drawn = draw_boxes(grey, [OrientedBox((0, 0, 0), (2, 2, 8), (0, 0, 0))], K)
    assert is_green(drawn[100:140, 135]).all() or is_green(drawn[100:140, 134]).all()


def test_the_input_is_neither_changed_nor_shared(grey):
    before = grey.copy()
    for boxes in ([], [CUBE]):
        drawn = draw_boxes(grey, boxes, K, caption="frame 1" if boxes else "")
        drawn[:] = 0
        np.testing.assert_array_equal(grey, before)


def test_a_picture_that_cannot_be_written_to_is_fine(grey):
    grey.setflags(write=False)
    assert draw_boxes(grey[:, ::-1], [CUBE], K).shape == grey.shape


def test_boxes_get_their_own_colours(grey):
    other = OrientedBox((1.2, 0, 3), (0.3, 0.3, 0.3), (0, 0, 0))
    drawn = draw_boxes(grey, [CUBE, other], K, colors=[(255, 0, 0), (0, 0, 255)]).reshape(-1, 3).astype(int)
    assert ((drawn[:, 0] > 200) & (drawn[:, 2] < 90)).any()
    assert ((drawn[:, 2] > 200) & (drawn[:, 0] < 90)).any()


def test_a_label_stands_on_a_plate_above_its_box(grey):
    plain = draw_boxes(grey, [CUBE], K)
    labelled = draw_boxes(grey, [OrientedBox(CUBE.center, CUBE.size, CUBE.angles, "chair")], K)
    rows, columns = np.nonzero(changed(labelled, plain))
    assert 55 <= rows.min() < rows.max() < 72
    assert 108 <= columns.min() < columns.max() < 160
    plate = labelled[rows.min() : rows.max(), columns.min() : columns.max()]
    assert (plate == PREDICTION).all(axis=2).mean() > 0.5
    assert (plate.max(axis=2) < 100).any()


@pytest.mark.parametrize("center", [(-1.6, -1.2, 1), (1.6, -1.2, 1), (1.6, 1.2, 1), (0, -1.2, 1)])
def test_a_label_at_the_border_is_moved_into_the_picture(grey, center):
    label = OrientedBox(center, (0.3, 0.3, 0.3), (0, 0, 0), "mug")
    drawn = draw_boxes(grey, [label], K)
    assert (drawn == PREDICTION).all(axis=2).sum() > 150


def test_labels_of_boxes_at_one_place_do_not_cover_each_other(grey):
    boxes = [OrientedBox(CUBE.center, CUBE.size, CUBE.angles, name) for name in ("WWWW", "MMMM", "HHHH")]
    one = (draw_boxes(grey, boxes[:1], K) == PREDICTION).all(axis=2).sum()
    three = (draw_boxes(grey, boxes, K) == PREDICTION).all(axis=2).sum()
    lines = (draw_boxes(grey, [CUBE], K) == PREDICTION).all(axis=2).sum()
    assert three - lines > 2.5 * (one - lines)


def test_five_hundred_labels_leave_the_boxes_to_be_seen_and_are_counted(grey):
    places = np.random.default_rng(0).uniform((-1.5, -1, 2), (1.5, 1, 4), (500, 3)).tolist()
    boxes = [OrientedBox(tuple(place), (0.05, 0.05, 0.05), (0, 0, 0), "chair") for place in places]
    drawn = draw_boxes(grey, boxes, K)
    plates = (drawn == PREDICTION).all(axis=2)
    assert 0.1 < plates.mean() < 0.5
    corner = drawn[:40, WIDTH - 80 :]  # the plate with the number of the others
    assert (corner == 0).all(axis=2).sum() > 300


def test_the_front_is_tinted_where_it_is_in_view(grey):
    def tint(box):
        marked, plain = draw_boxes(grey, [box], K, mark_front=True), draw_boxes(grey, [box], K)
        rows, columns = np.nonzero((marked != plain).any(axis=2))
        return [(int(each.min()), int(each.max())) if len(each) else None for each in (rows, columns)]

    # The face at 2 m spans 110 to 210 across and 70 to 170 down; its lines cover its rim.
    assert np.abs(np.array(tint(CUBE)) - [(70, 170), (110, 210)]).max() <= 3
    beside = tint(OrientedBox((2.5, 0, 3), (2, 2, 2), (0, 0, 0)))  # from 160 + 150 / 2 to the border
    assert np.abs(np.array(beside) - [(70, 170), (235, WIDTH - 1)]).max() <= 3
    assert tint(OrientedBox((0, 0, 0), (2, 2, 8), (0, 0, 0))) == [None, None]  # the camera is inside
    assert tint(OrientedBox((0, 0, -3), (2, 2, 2), (0, 0, 0))) == [None, None]
    # A floor 1 m below, from 3 m behind the camera to 3 m ahead: from 120 + 100 / 3 down to the border.
    assert tint(OrientedBox((0, 1.5, 0), (20, 1, 6), (0, 0, 0)))[0] == pytest.approx((153, HEIGHT - 1), abs=3)


def test_a_caption_stands_at_the_bottom(grey):
    rows, columns = np.nonzero(changed(draw_boxes(grey, [], K, caption="frame 3, 1.25 s"), grey))
    assert rows.min() > HEIGHT - 20
    assert rows.max() == HEIGHT - 1
    assert columns.min() == 0


@pytest.mark.parametrize("label", ["", "a\nb", "x" * 5000, "椅子 \U0001f600", "\ud800", "\x00"])
def test_any_label_can_be_drawn(grey, label):
    assert draw_boxes(grey, [OrientedBox(CUBE.center, CUBE.size, CUBE.angles, label)], K).shape == grey.shape


def test_negative_sizes_draw_the_box_they_span(grey):
    odd = OrientedBox(CUBE.center, (-2, 2, -2), CUBE.angles)
    np.testing.assert_array_equal(draw_boxes(grey, [odd], K), draw_boxes(grey, [CUBE], K))


@pytest.mark.parametrize("value", [0.0, 1e-300, 1e9, 1e300, -1e308])
@pytest.mark.parametrize("place", range(9))
def test_absurd_numbers_draw_without_trouble(grey, value, place, recwarn):
    row = [0.1, 0.2, 2.0, 1.0, 1.0, 1.0, 0.1, 0.2, 0.3]
    row[place] = value
    box = OrientedBox(tuple(row[:3]), tuple(row[3:6]), tuple(row[6:]), "odd")
    assert draw_boxes(grey, [box], K, mark_front=True).shape == grey.shape
    assert not recwarn.list


def test_tiny_pictures_can_be_drawn_on():
    assert draw_boxes(np.zeros((3, 2, 3), np.uint8), [OrientedBox((0, 0, 3), (2, 2, 2), (0, 0, 0), "x")], K).shape == (
        3,
        2,
        3,
    )
