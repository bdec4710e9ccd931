"""What a 3D file shows: coordinate frames, each the camera of one frame of a video, with the boxes given in it.

A model gives each box in the camera of one frame, and nothing says how the cameras of two frames lie to each other. So
boxes of two frames never share a coordinate frame: files keep them apart, and say so. Lengths are metres, and a
coordinate frame is its camera's (OpenCV axes: x right, y down, z forward; right-handed; the camera is at the origin).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcli_core.drawing.boxes import PREDICTION, TRUTH, Pixels, distances_outside
from vgcli_core.drawing.labels import Color
from vgcli_core.drawing.wrapping import clean
from vgcli_core.geometry.boxes import Floats, OrientedBox, as_array, as_boxes, corners
from vgcli_core.geometry.camera import unproject

Kind = Literal["predicted", "true"]
Edges = tuple[tuple[int, int], ...]

COLORS: dict[Kind, Color] = {"predicted": PREDICTION, "true": TRUTH}
CAMERA_COLOR: Color = (150, 150, 150)
AXIS_COLORS: tuple[Color, Color, Color] = ((230, 60, 60), (60, 200, 60), (80, 120, 255))  # x, y, z

# Beyond, the 32-bit numbers of most formats cannot hold a corner to a tenth of a millimetre.
FARTHEST_METRES = 1000.0
FRUSTUM_METRES = 0.4  # from a camera to the corners of its drawn image
AXIS_METRES = 0.25

APART = "boxes of different frames stand apart: how their cameras lie to each other is not known"

# The drawn camera: its centre, the corners of its image from the top left around, and a tip above, which shows "up".
FRUSTUM_EDGES: Edges = ((0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4), (4, 1), (1, 5), (2, 5))


class Exchange(NamedTuple):
    """A question and the answer to it, as texts of any length."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class SceneBox:
    """A box, in the camera of its frame, and whether a model predicted it or it is the truth."""

    box: OrientedBox
    kind: Kind = "predicted"


@dataclass(frozen=True, slots=True, eq=False)
class SceneFrame:
    """One coordinate frame: the camera of one frame, at the origin, and the boxes given in it.

    Attributes:
        name: says which frame, for example "camera 2 of frame 20 at 1.67 s".
        position: of the frame among those that were looked at.
        time: in seconds from the first frame of the video; None for pictures.
        intrinsics: [3, 3], in pixels of an image of `width` x `height`.
        width, height: of the image, in pixels.
        camera_from: where the intrinsics come from, in words.
        boxes: in metres and radians.
        image: [height, width, 3] RGB, where a format shows it.
        caption: a short name to write on the image, for example "frame 2, 1.67 s".
    """

    name: str
    position: int
    time: float | None
    intrinsics: Floats
    width: int
    height: int
    camera_from: str
    boxes: tuple[SceneBox, ...] = ()
    image: Pixels | None = None
    caption: str = ""

    @property
    def rows(self) -> Floats:
        """The boxes as [N, 9]."""
        return as_array([one.box for one in self.boxes])


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What files are written of: made by `make_scene`, which keeps out what no file can hold."""

    title: str
    frames: tuple[SceneFrame, ...]
    notes: tuple[str, ...] = ()
    exchanges: tuple[Exchange, ...] = ()

    @property
    def shown(self) -> tuple[SceneFrame, ...]:
        """The frames with boxes; the first one alone where none has any."""
        return tuple(frame for frame in self.frames if frame.boxes) or self.frames[:1]


def make_scene(
    title: str, frames: Sequence[SceneFrame], notes: Sequence[str] = (), exchanges: Sequence[Exchange] = ()
) -> Scene:
    """Return a scene that every format can hold.

    Texts are without control characters, and on one line except for questions and answers. Sizes are positive: a
    negative one, which a model may write, means the same solid. A box that reaches farther than 1000 m from its camera,
    or has no finite corners, is left out, with a note.

    Args:
        title: what the scene is of.
        frames: at least one.
        notes: what a reader of the file should know.
        exchanges: what was asked and answered, in order.
    """
    kept = [_usable(frame) for frame in frames]
    lost = [
        f"{len(before.boxes) - len(after.boxes)} of {len(before.boxes)} boxes in {after.name} are left out of the "
        f"files: they reach farther than {FARTHEST_METRES:.0f} m from the camera"
        for before, after in zip(frames, kept, strict=True)
        if len(after.boxes) < len(before.boxes)
    ]
    apart = [APART] if sum(bool(frame.boxes) for frame in kept) > 1 else []
    said = tuple(Exchange(clean(one.question), clean(one.answer)) for one in exchanges)
    return Scene(one_line(title), tuple(kept), tuple(map(one_line, (*notes, *apart, *lost))), said)


def frustum(frame: SceneFrame) -> Floats:
    """Return the points [6, 3] of a drawn camera that FRUSTUM_EDGES joins, in its coordinate frame."""
    width, height = frame.width, frame.height
    pixels = np.array([[0, 0], [width, 0], [width, height], [0, height], [width / 2, -height / 4]])
    rays = unproject(pixels, np.ones(5), frame.intrinsics)
    reach = np.linalg.norm(rays[:4], axis=1).max()
    return np.vstack([np.zeros((1, 3)), rays * (FRUSTUM_METRES / reach)])


def facing(rows: Floats) -> NDArray[np.int64]:
    """Return for each box [N, 9] the place in FACES of the face that looks at the camera; -1 with the camera inside."""
    outside = distances_outside(rows)
    return np.where((outside > 0).any(axis=1), outside.argmax(axis=1), -1)


def one_line(text: str) -> str:
    """Return `text` on one line, without control characters and what UTF-8 cannot hold."""
    return " ".join(clean(text).split())


def _usable(frame: SceneFrame) -> SceneFrame:
    rows = frame.rows
    rows[:, 3:6] = np.abs(rows[:, 3:6])
    with np.errstate(all="ignore"):  # numbers near the end of float's range turn into inf and NaN, left out here
        reach: Floats = np.abs(corners(rows)).max(axis=(1, 2), initial=0.0)
    boxes = as_boxes(rows, [one_line(one.box.label) for one in frame.boxes])
    kept = tuple(
        SceneBox(box, one.kind)
        for box, one, far in zip(boxes, frame.boxes, reach.tolist(), strict=True)
        if far <= FARTHEST_METRES
    )
    return replace(frame, name=one_line(frame.name), caption=one_line(frame.caption), boxes=kept)
