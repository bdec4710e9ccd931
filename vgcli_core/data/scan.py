"""A posed scan of a room: its frames, what each shows, and its objects. The form that the tasks are built from.

EmbodiedScan's files and procedural rooms both become a `Scan`, so that one builder makes the samples of both.
"""

from dataclasses import dataclass

from vgcli_core.geometry.boxes import Floats


@dataclass(frozen=True)
class ScanFrame:
    """One posed frame.

    Attributes:
        path: relative to the media root, with "/": "scannet/posed_images/scene0000_00/00010.jpg". Its stem is the
            index of the frame in the recording.
        camera_to_scan: [4, 4] to the scan as it was recorded (EmbodiedScan's cam2global), metres; always finite.
        visible: positions in `Scan.instances` of the objects that the frame shows, in the file's order.
    """

    path: str
    camera_to_scan: Floats
    visible: tuple[int, ...]


@dataclass(frozen=True)
class Instance:
    """One object: its label, its box [9] in the aligned scan (metres, intrinsic Z-X-Y radians), the owner's id."""

    label: str
    box: Floats
    id: int


@dataclass(frozen=True)
class Scan:
    """One scan.

    Attributes:
        name: with its source, as EmbodiedScan names it: "scannet/scene0000_00".
        frames: in temporal order.
        intrinsics: [4, 4] of the colour frames, pixels.
        alignment: [4, 4] from the scan as it was recorded to the aligned scan (z up, walls along x and y).
        instances: its objects.
        size: width and height of the frames in pixels; None where the source does not say it.
    """

    name: str
    frames: tuple[ScanFrame, ...]
    intrinsics: Floats
    alignment: Floats
    instances: tuple[Instance, ...]
    size: tuple[int, int] | None = None

    @property
    def scene(self) -> str:
        """The scan's name without its source: "scene0000_00"."""
        return self.name.rpartition("/")[2]
