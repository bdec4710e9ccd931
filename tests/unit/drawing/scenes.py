"""Scenes by hand, for tests of the files that show them."""

import numpy as np

from vgcli_core.drawing.scene import Kind, Scene, SceneBox, SceneFrame, make_scene
from vgcli_core.geometry.boxes import OrientedBox

WIDTH, HEIGHT = 64, 48
K = np.array([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]])

SINK = OrientedBox((0.31, 0.2, 2.5), (0.6, 0.5, 0.9), (0.3, 0.9, -0.4), "sink")
CHAIR = OrientedBox((-0.8, 0.2, 2.0), (0.4, 0.5, 0.3), (-2.9, -0.4, 0.2), "chair")
BEHIND = OrientedBox((0.4, -0.2, -3.0), (1.0, 0.5, 0.3), (0.0, 0.4, 7.0), "door behind the camera")
AROUND = OrientedBox((0.0, 0.0, 0.5), (5.0, 3.0, 6.0), (0.1, 0.0, 0.0), "room")
FLAT = OrientedBox((0.0, 0.0, 2.0), (1.0, 0.0, 0.7), (0.1, 0.2, 0.3), "rug")
NEGATIVE = OrientedBox((0.3, 0.1, 4.0), (-0.4, 0.5, -0.6), (0.5, -0.3, 0.1), "negative")
FAR = OrientedBox((-640.123456, 320.654321, 900.111111), (9.0, 8.0, 7.0), (0.5, 1.3, 0.1), "far")


def frame(position: int, *boxes: OrientedBox, kind: Kind = "predicted", time: float | None = 0.0) -> SceneFrame:
    """The camera of frame 5 * `position`, with a picture of one colour."""
    return SceneFrame(
        name=f"camera {position} of frame {5 * position}",
        position=position,
        time=None if time is None else time + position / 2,
        intrinsics=K,
        width=WIDTH,
        height=HEIGHT,
        camera_from="given by the user",
        boxes=tuple(SceneBox(box, kind) for box in boxes),
        image=np.full((HEIGHT, WIDTH, 3), 40 * position, np.uint8),
    )


def scene(*frames: SceneFrame) -> Scene:
    """A scene of these frames."""
    return make_scene("kitchen.mp4", frames, ["a remark"])


def farthest(some: np.ndarray, others: np.ndarray) -> float:
    """Return how far, in metres, any point of either cloud, [N, 3] and [M, 3], is from the other cloud."""
    distances = np.linalg.norm(some[:, None] - others[None], axis=2)
    return float(max(distances.min(axis=0).max(), distances.min(axis=1).max()))
