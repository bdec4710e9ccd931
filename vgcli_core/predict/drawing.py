"""What `predict` shows of a result: frames with boxes, 3D files, and the cameras that both are drawn with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vgcli_core.drawing.boxes import Pixels
from vgcli_core.drawing.scene import Exchange, Scene, SceneBox, SceneFrame, make_scene
from vgcli_core.drawing.views import check_view
from vgcli_core.predict.intrinsics import as_matrix, cameras_of, in_words, read_intrinsics, remarks_on
from vgcli_core.predict.result import FrameInfo, Intrinsics, Result
from vgcli_core.predict.visualize import caption_of, draw_result, out_of_view


@dataclass(frozen=True, slots=True)
class Drawing:
    """What to write of a result, and the camera.

    Attributes:
        folder: for the frames with boxes; None for none.
        intrinsics: of all frames, as a user writes them.
        fov: horizontal field of view of all frames, in degrees.
        views: files that show the boxes, in 3D or in pictures; their endings say which format.
    """

    folder: Path | None = None
    intrinsics: str | None = None
    fov: float | None = None
    views: tuple[Path, ...] = ()

    @property
    def wanted(self) -> bool:
        """Whether anything is to be written."""
        return self.folder is not None or bool(self.views)


def check_drawing(drawing: Drawing) -> None:
    """Refuse, before minutes of work, what could not be drawn. Raises UsageError, and what `check_view` raises."""
    if drawing.intrinsics is not None:
        read_intrinsics(drawing.intrinsics)
    for path in drawing.views:
        check_view(path)


def draw(
    result: Result,
    images: Sequence[Pixels],
    drawing: Drawing,
    *,
    pictures: Sequence[Path] = (),
    trained_fov: float | None = None,
) -> Result:
    """Write what `drawing` asks for.

    Args:
        result: the answers; `images` [H, W, 3] are its frames, in order.
        drawing: what to write.
        pictures: the files that the source has, where it is no video.
        trained_fov: horizontal field of view of the frames the model was trained on, in degrees.

    Returns:
        `result` with `intrinsics` (of its first frame), the paths in `drawn`, and notes.

    Raises:
        OutputError: a file cannot be written.
        UsageError: the intrinsics cannot be read.
    """
    sizes = [(image.shape[0], image.shape[1]) for image in images]
    cameras = cameras_of(
        sizes,
        [pictures[frame.index] for frame in result.frames] if pictures else [],
        given=None if drawing.intrinsics is None else read_intrinsics(drawing.intrinsics),
        fov=drawing.fov,
        trained_fov=trained_fov,
    )
    remarks = remarks_on(cameras, [width for _, width in sizes], trained_fov)
    flat = drawing.folder is not None or any(check_view(path).flat for path in drawing.views)
    hidden = out_of_view(result, images, cameras) if flat else []
    result = replace(result, intrinsics=cameras[0], notes=(*result.notes, *remarks, *hidden))
    if drawing.folder is not None:
        result = draw_result(result, images, cameras, drawing.folder)
    if drawing.views:
        scene = scene_of(result, images, cameras, remarks)
        written = [file for path in drawing.views for file in check_view(path).write(scene, path)]
        notes = [note for note in scene.notes if note not in remarks]
        if not any(frame.boxes for frame in scene.frames):
            notes.append("there is no box: pictures show the frames, 3D files a camera only")
        result = replace(result, drawn=(*result.drawn, *map(str, written)), notes=(*result.notes, *notes))
    return result


def scene_of(
    result: Result, images: Sequence[Pixels], cameras: Sequence[Intrinsics], notes: Sequence[str] = ()
) -> Scene:
    """Return the frames of a result, each with its image, its camera and the boxes that are given in it."""
    asked = ", ".join(answer.question or answer.task for answer in result.answers)
    untrained = ", whose random weights mean nothing" if result.model.untrained else ""
    return make_scene(
        f"{Path(result.source).name}: {asked} (boxes predicted by {result.model.name}{untrained})",
        [
            SceneFrame(
                name=_name(frame),
                position=frame.position,
                time=frame.time,
                intrinsics=as_matrix(camera),
                width=image.shape[1],
                height=image.shape[0],
                camera_from=in_words(camera, image.shape[1]),
                boxes=tuple(SceneBox(found.box) for found in result.boxes if found.frame == frame.position),
                image=image,
                caption=caption_of(frame),
            )
            for frame, image, camera in zip(result.frames, images, cameras, strict=True)
        ],
        notes,
        [Exchange(answer.question or answer.task, answer.text) for answer in result.answers],
    )


def _name(frame: FrameInfo) -> str:
    when = f" at {frame.time:.2f} s" if frame.time is not None else f", {frame.name}" if frame.name else ""
    return f"camera {frame.position} of frame {frame.index}{when}"
