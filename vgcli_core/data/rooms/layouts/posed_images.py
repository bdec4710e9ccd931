"""A room in the layout of extracted ScanNet frames: every tenth recorded frame as a picture, its depth and its pose.

Frames whose pose was lost are there too, with infinities, as the published extraction leaves them.

Source: formats of ScanNet, section 3.
"""

from io import BytesIO
from pathlib import Path

from PIL import Image

from vgcli_core.atomic import atomic_path
from vgcli_core.data.rooms.film import shots
from vgcli_core.data.rooms.layouts.files import write_matrix
from vgcli_core.data.rooms.layouts.recording import STEP, Recording, frame_path
from vgcli_core.data.rooms.layouts.scannet import depth_frame, intrinsics


def write_posed_images(recording: Recording, raw: Path) -> list[Path]:
    """Write the frames below `raw`/scannet/posed_images; return the files."""
    color, depth = intrinsics(recording)
    folder = (raw / frame_path(recording.scene, 0)).parent
    written = [write_matrix(folder / "intrinsic.txt", color), write_matrix(folder / "depth_intrinsic.txt", depth)]
    recorded = list(recording.frames(STEP))
    for shot in shots(recording.room):
        file = BytesIO()
        Image.fromarray(depth_frame(recording, shot.view.depth)).save(file, "PNG")
        for frame in recorded:
            if frame.shows != shot.index:
                continue
            picture, deep, pose = (
                raw / frame_path(recording.scene, frame.number, suffix) for suffix in ("jpg", "png", "txt")
            )
            for path, data in ((picture, shot.jpeg), (deep, file.getvalue())):
                with atomic_path(path) as temporary:
                    temporary.write_bytes(data)
            written += [picture, deep, write_matrix(pose, frame.camera_to_scan)]
    return written
