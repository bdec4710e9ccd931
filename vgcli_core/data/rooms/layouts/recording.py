"""A room as a ScanNet scan: its name, its unaligned world, and which frame of the room each recorded frame shows.

A recording runs at ten frames for each one of the room. Every tenth recorded frame is one of the room's, or one whose
pose was lost, as happens to real scanners; what lies between shows the same picture as the tenth before it. So the
frames that EmbodiedScan keeps, every tenth with a finite pose, are the room's frames in order, with gaps.

The recorded world is the room's, turned about z and shifted; `alignment` leads back.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from vgcli_core.data import draws
from vgcli_core.data.rooms.film import Film
from vgcli_core.data.rooms.scene import Room
from vgcli_core.data.scan import Scan
from vgcli_core.geometry.boxes import Floats

STEP = 10  # recorded frames for each frame that EmbodiedScan and the published frames keep
LOST_EVERY = 24  # frames for each stretch of those without a pose; there is one at least

# Values of a lost pose; ScanNet has the first, other tools wrote the second.
_LOST = (-np.inf, np.nan)


class RecordedFrame(NamedTuple):
    """One recorded frame: its number, the room's frame that it shows, its pose [4, 4] in the recorded world."""

    number: int
    shows: int
    camera_to_scan: Floats


@dataclass(frozen=True)
class Recording:
    """A room under the name of a scan.

    Attributes:
        scene: "scene9000_00".
        room: the room.
        alignment: [4, 4] from the recorded world to the room's, with six decimals as ScanNet writes it.
        slots: for every tenth recorded frame the room's frame that it shows, and whether its pose is known.
        lost: value of the poses that are not known.
    """

    scene: str
    room: Room
    alignment: Floats
    slots: tuple[tuple[int, bool], ...]
    lost: float

    @property
    def world_to_scan(self) -> Floats:
        """The way [4, 4] from the room's world to the recorded one."""
        return np.linalg.inv(self.alignment).astype(np.float64)

    def frames(self, every: int = 1) -> Iterator[RecordedFrame]:
        """Yield every `every`-th recorded frame."""
        total = STEP * (len(self.slots) - 1) + 1
        for number in range(0, total, every):
            shows, known = self.slots[number // STEP]
            pose = self.world_to_scan @ self.room.cameras_to_world[shows]
            yield RecordedFrame(number, shows, pose if known else np.full((4, 4), self.lost))

    def kept(self) -> list[RecordedFrame]:
        """Return the frames that EmbodiedScan keeps: every tenth with a pose, the room's frames in order."""
        return [frame for frame in self.frames(STEP) if np.isfinite(frame.camera_to_scan).all()]


def record(room: Room, scene: str, seed: int) -> Recording:
    """Return the room as the scan `scene`; yaw, shift and lost frames are drawn from the seed."""
    draw = draws.generator(seed, "recording", scene)
    yaw = np.radians(draw.uniform(20, 340))
    alignment = np.eye(4)
    alignment[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    alignment[:3, 3] = [draw.uniform(-4, 4), draw.uniform(-4, 4), draw.uniform(-0.3, 0.3)]
    total = len(room.cameras_to_world)
    before = set(draw.sample(range(total), max(total // LOST_EVERY, 1)))
    slots = []
    for frame in range(total):
        if frame in before:
            slots += [(frame, False)] * draw.randint(1, 2)
        slots.append((frame, True))
    return Recording(scene, room, alignment.round(6), tuple(slots), draw.choice(_LOST))


def recorded_scan(film: Film, recording: Recording) -> Scan:
    """Return a film's scan under the names and in the world of its recording."""
    frames = tuple(
        replace(frame, path=frame_path(recording.scene, kept.number), camera_to_scan=kept.camera_to_scan)
        for frame, kept in zip(film.scan.frames, recording.kept(), strict=True)
    )
    return replace(film.scan, name=f"scannet/{recording.scene}", frames=frames, alignment=recording.alignment)


def frame_path(scene: str, number: int, suffix: str = "jpg") -> str:
    """Return where a frame of a scan is, below the media root."""
    return f"scannet/posed_images/{scene}/{number:05d}.{suffix}"
