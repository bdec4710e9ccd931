"""On rooms, whose cameras and boxes are exact, the drawn corners are measured in the pixels."""

import numpy as np
import pytest

from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.settings import RoomSettings
from vgcli_core.drawing.boxes import draw_boxes
from vgcli_core.drawing.scene import SceneBox, SceneFrame, facing
from vgcli_core.drawing.views.pictures import frame_picture
from vgcli_core.geometry.boxes import FACES, as_boxes, corners, transform

WIDTH, HEIGHT = 640, 480
REACH = np.arange(-8, 8.01, 0.25)  # pixels to both sides of an edge that are looked at


def middle_of_line(brightness, at, across):
    """Return how far from `at`, along `across`, the middle of the line is that runs there."""
    x, y = np.floor(at[:, None] + across[:, None] * REACH).astype(int)
    weight = brightness[y.clip(0, HEIGHT - 1), x.clip(0, WIDTH - 1)]
    return (weight * REACH).sum() / weight.sum()


def measured_line(brightness, start, end):
    """Return the normal and the offset of the line that was drawn about from `start` to `end`."""
    along = (end - start) / np.linalg.norm(end - start)
    across = np.array([-along[1], along[0]])
    shares = np.linspace(0.25, 0.75, 41)
    moved = np.median([middle_of_line(brightness, start + share * (end - start), across) for share in shares])
    return across, across @ start + moved


def measured_corners(brightness, expected):
    """Return where the four lines around a face meet, [4, 2], each measured near the expected [4, 2]."""
    lines = [measured_line(brightness, expected[k], expected[(k + 1) % 4]) for k in range(4)]
    pairs = [(lines[k - 1], lines[k]) for k in range(4)]
    return np.array([np.linalg.solve([one[0], other[0]], [one[1], other[1]]) for one, other in pairs])


def apart(face, point):
    """Tell whether a point is so far from the edges of a face that no line of it is measured in their place."""
    ends = np.roll(face, -1, axis=0)
    shares = np.linspace(0, 1, 101)[:, None, None]
    return np.linalg.norm((1 - shares) * face + shares * ends - point, axis=2).min() > 14


@pytest.fixture(scope="module")
def views():
    """The intrinsics, and for frames of rooms: the corners of a face as projected by hand [4, 2], and the box."""
    found = []
    for number in range(6):
        room = make_room(11, number, RoomSettings(width=WIDTH, height=HEIGHT, num_frames=4))
        for pose in room.cameras_to_world:
            rows = transform(np.array([thing.box for thing in room.things]), np.linalg.inv(pose))
            for box, points, front in zip(as_boxes(rows, [""] * len(rows)), corners(rows), facing(rows), strict=True):
                x, y, z = points.T
                if front < 0 or z.min() < 0.1:
                    continue
                k = room.intrinsics
                all_pixels = np.column_stack([k[0, 0] * x / z + k[0, 2], k[1, 1] * y / z + k[1, 2]])
                pixels = all_pixels[list(FACES[front])]
                others = np.delete(all_pixels, FACES[front], axis=0)
                edges = np.linalg.norm(pixels - np.roll(pixels, 1, axis=0), axis=1)
                inside = (pixels > 12).all() and (pixels < [WIDTH - 12, HEIGHT - 12]).all()
                if edges.min() > 50 and inside and all(apart(pixels, other) for other in others):
                    found.append((k, pixels, box))
    return found


def test_drawn_corners_are_within_a_pixel_of_the_projected_truth(views):
    assert len(views) >= 5
    for intrinsics, pixels, box in views:
        drawn = draw_boxes(np.zeros((HEIGHT, WIDTH, 3), np.uint8), [box], intrinsics)
        off = measured_corners(drawn[..., 1].astype(float), pixels) - pixels
        assert np.linalg.norm(off, axis=1).max() < 1


def test_a_measurement_tells_a_corner_that_is_off(views):
    intrinsics, pixels, box = views[0]
    moved = intrinsics.copy()
    moved[0, 2] += 2
    drawn = draw_boxes(np.zeros((HEIGHT, WIDTH, 3), np.uint8), [box], moved)
    off = measured_corners(drawn[..., 1].astype(float), pixels) - pixels
    assert np.linalg.norm(off, axis=1).max() > 1.5


def test_corners_of_a_picture_of_a_scene_are_within_a_pixel_at_its_own_size(views):
    for intrinsics, pixels, box in views[:4]:
        half = intrinsics * [[0.5], [0.5], [1]]  # the frame has half the size and is enlarged
        dark = np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8)
        frame = SceneFrame("f", 0, 0.0, half, WIDTH // 2, HEIGHT // 2, "given", (SceneBox(box, "true"),), dark)
        drawn = frame_picture(frame, WIDTH)[..., 2].astype(float)
        drawn[drawn < 100] = 0  # the tint of the face
        off = measured_corners(drawn, pixels) - pixels
        assert np.linalg.norm(off, axis=1).max() < 1
