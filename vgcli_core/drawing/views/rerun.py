"""Rerun recording (.rrd): step through the frames, with each camera's boxes in 3D and on its picture.

camera                  the coordinate frame of the camera of the moment's frame; x right, y down, z forward
camera/axes             its axes
camera/image            its intrinsics and its frame, a JPEG
camera/boxes/predicted  boxes given in this camera, and camera/boxes/true; camera/boxes/front marks the faces that
                        look at the camera
about                   units, conventions and remarks

Each frame is a moment on the timelines "frame" (its position) and "time" (seconds of the video). Boxes are seen at the
moment of their frame alone: how the cameras of different frames lie to each other is not known.
"""

import io
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vgcli_core.atomic import atomic_path
from vgcli_core.drawing.scene import (
    AXIS_COLORS,
    AXIS_METRES,
    COLORS,
    FRUSTUM_METRES,
    Kind,
    Scene,
    SceneFrame,
    facing,
)
from vgcli_core.geometry.boxes import FACES, corners, quaternions
from vgcli_core.geometry.conventions import IN_WORDS

_JPEG_QUALITY = 85
_LONGEST_SIDE = 1920  # pixels: larger frames are scaled down, and their intrinsics with them
_FRONT_POINTS = 2.5  # width of the rim of a front face on the screen


def write_rrd(scene: Scene, path: Path) -> tuple[Path, ...]:
    """Write the scene, frames without boxes included. Returns the path. Raises OutputError."""
    rr = import_module("rerun")
    recording = rr.RecordingStream("vgllm")
    memory = recording.memory_recording()
    recording.send_blueprint(_layout(rr))
    _log(recording, "about", rr.TextDocument(_about(scene)), static=True)
    _log(recording, "camera", rr.ViewCoordinates.RDF, static=True)
    axes = rr.Arrows3D(vectors=AXIS_METRES * np.eye(3), colors=AXIS_COLORS, labels=["x", "y", "z"], show_labels=True)
    _log(recording, "camera/axes", axes, static=True)
    kinds: set[Kind] = {one.kind for frame in scene.frames for one in frame.boxes}
    for frame in scene.frames:
        recording.set_time("frame", sequence=frame.position)
        if frame.time is not None:
            recording.set_time("time", duration=frame.time)
        _log_camera(rr, recording, frame)
        for kind in sorted(kinds):
            _log_boxes(rr, recording, frame, kind)
        _log_fronts(rr, recording, frame)
    with atomic_path(path) as temporary:
        temporary.write_bytes(memory.drain_as_bytes())
    return (path,)


def _log(recording: Any, entity: str, *what: Any, static: bool = False) -> None:
    recording.log(entity, *what, static=static, strict=True)


def _log_camera(rr: Any, recording: Any, frame: SceneFrame) -> None:
    scale = min(1.0, _LONGEST_SIDE / max(frame.width, frame.height))
    size = round(frame.width * scale), round(frame.height * scale)
    stretch = np.diag([size[0] / frame.width, size[1] / frame.height, 1.0])
    pinhole = rr.Pinhole(
        image_from_camera=stretch @ frame.intrinsics,
        resolution=size,
        camera_xyz=rr.ViewCoordinates.RDF,
        image_plane_distance=FRUSTUM_METRES,
    )
    _log(recording, "camera/image", pinhole)
    if frame.image is not None:
        jpeg = io.BytesIO()
        Image.fromarray(frame.image).resize(size).save(jpeg, "JPEG", quality=_JPEG_QUALITY)
        _log(recording, "camera/image", rr.EncodedImage(contents=jpeg.getvalue(), media_type="image/jpeg"))


def _log_boxes(rr: Any, recording: Any, frame: SceneFrame, kind: Kind) -> None:
    chosen = [place for place, one in enumerate(frame.boxes) if one.kind == kind]
    rows = frame.rows[chosen]
    boxes = rr.Boxes3D(
        centers=rows[:, :3],
        half_sizes=rows[:, 3:6] / 2,
        quaternions=quaternions(rows[:, 6:]),
        colors=[COLORS[kind]] * len(chosen),
        labels=[frame.boxes[place].box.label for place in chosen],
        show_labels=True,
    )
    # Without the second one, the boxes of the frame before would stay.
    _log(recording, f"camera/boxes/{kind}", boxes if chosen else rr.Clear(recursive=False))


def _log_fronts(rr: Any, recording: Any, frame: SceneFrame) -> None:
    points = corners(frame.rows)
    fronts = [(place, front) for place, front in enumerate(facing(frame.rows).tolist()) if front >= 0]
    rims = [points[place][[*FACES[front], FACES[front][0]]] for place, front in fronts]
    colors = [COLORS[frame.boxes[place].kind] for place, _ in fronts]
    strips = rr.LineStrips3D(rims, colors=colors, radii=rr.Radius.ui_points(_FRONT_POINTS)) if rims else None
    _log(recording, "camera/boxes/front", strips or rr.Clear(recursive=False))


def _layout(rr: Any) -> Any:
    """Return the layout of the viewer: 3D and the picture side by side, what the recording is below."""
    views = import_module("rerun.blueprint")
    return views.Blueprint(
        views.Vertical(
            views.Horizontal(
                views.Spatial3DView(origin="camera", name="in the camera of the frame"),
                views.Spatial2DView(origin="camera/image", contents="camera/**", name="frame"),
            ),
            views.TextDocumentView(origin="about", name="about"),
            row_shares=[4, 1],
        )
    )


def _about(scene: Scene) -> str:
    words = [f"{key}: {value}" for key, value in IN_WORDS.items()]
    sources = dict.fromkeys(f"intrinsics: {frame.camera_from}" for frame in scene.frames)
    return "\n".join([scene.title, "", *words, *sources, *scene.notes])
