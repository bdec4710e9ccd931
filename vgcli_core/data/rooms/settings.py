"""How rooms vary: every range that a generated room is drawn from.

The defaults are wide on purpose. With one camera height, one field of view and known object sizes, depth can be guessed
from a single picture, and geometry has nothing to add; the door of 2.0 m is what fixes the scale of a room.
"""

from dataclasses import dataclass, fields

from vgcli_core.data.rooms.furniture import CATEGORIES
from vgcli_core.errors import UsageError, lookup

Range = tuple[float, float]  # lowest and highest value; draws are uniform in between

DOOR_HEIGHT = 2.0  # metres, in every room: the metric cue

# What each range may hold at most: (lowest, highest, unit). The highest camera is below the lowest ceiling.
_LIMITS = {
    "room_side": (2.8, 12.0, "metres"),
    "room_height": (2.3, 4.0, "metres"),
    "things": (1, 40, "objects"),
    "clutter": (0, 12, "boxes"),
    "object_scale": (0.5, 2.0, "times the usual size"),
    "camera_height": (0.3, 2.1, "metres"),
    "horizontal_fov": (20.0, 130.0, "degrees"),
    "walk": (0.0, 6.0, "metres"),
    "pan": (0.0, 360.0, "degrees"),
    "pitch_down": (-30.0, 75.0, "degrees"),
    "roll": (0.0, 15.0, "degrees"),
    "shake": (0.0, 5.0, "degrees"),
}
_WHOLE = ("things", "clutter")


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """The ranges and sizes that `make_room` draws from.

    Attributes:
        width: of a picture in pixels.
        height: of a picture in pixels.
        num_frames: cameras on the path; more of them sample the same path more finely.
        fps: frames per second of the film.
        room_side: width and depth of the room, metres.
        room_height: metres.
        things: number of objects, up to half of them of one label; fewer where a small room has no place for more.
        clutter: number of unnamed boxes, which hide things and are never asked for.
        object_scale: each object is this many times its usual size, all edges alike.
        categories: labels to use; () for all.
        several: share of the rooms that may have several objects of one label.
        mixed: any object may stand in any room, not only where it belongs, and few are mistaken for each other.
        camera_height: metres above the floor, one draw for a room, kept within a few centimetres along the path.
        horizontal_fov: degrees, one draw for a room.
        walk: length of the camera's path, metres; shorter where furniture is in the way.
        pan: how far the view turns along the path, degrees, to either side.
        pitch_down: degrees below the horizon.
        roll: largest tilt about the optical axis, degrees.
        shake: largest unsteadiness of the hand in pan and pitch, degrees.
    """

    width: int = 168
    height: int = 126
    num_frames: int = 32
    fps: float = 8.0
    room_side: Range = (2.8, 9.0)
    room_height: Range = (2.4, 2.8)
    things: tuple[int, int] = (8, 16)
    clutter: tuple[int, int] = (0, 3)
    object_scale: Range = (0.8, 1.25)
    categories: tuple[str, ...] = ()
    several: float = 1.0
    mixed: bool = False
    camera_height: Range = (0.8, 1.9)
    horizontal_fov: Range = (55.0, 90.0)
    walk: Range = (0.5, 2.2)
    pan: Range = (30.0, 180.0)
    pitch_down: Range = (5.0, 30.0)
    roll: Range = (0.0, 1.5)
    shake: Range = (0.2, 1.0)

    def __post_init__(self) -> None:
        """Check every value; raises UsageError or UnknownName that names the setting."""
        for name in ("width", "height"):
            _whole(name, getattr(self, name), 8, 4096)
        _whole("num_frames", self.num_frames, 1, 10_000)
        if not 0.1 <= self.fps <= 240:
            raise UsageError(f"fps is {self.fps}", where="settings of rooms", fix="give a number from 0.1 to 240")
        if not 0 <= self.several <= 1:
            raise UsageError(f"several is {self.several}", where="settings of rooms", fix="give a share from 0 to 1")
        for field in fields(self):
            if field.name in _LIMITS:
                _range(field.name, getattr(self, field.name))
        for label in self.categories:
            lookup("category of rooms", CATEGORIES, label, where="settings of rooms, categories")
        if self.categories and all(CATEGORIES[label].where == "top" for label in self.categories):
            raise UsageError(
                "every category stands on other things, and none of them can be there",
                where="settings of rooms, categories",
                fix="add what they stand on, for example table, desk, bed or cabinet",
            )


def _whole(name: str, value: int, lowest: int, highest: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise UsageError(
            f"{name} is {value!r}", where="settings of rooms", fix=f"give a whole number from {lowest} to {highest}"
        )


def _range(name: str, value: Range) -> None:
    lowest, highest, unit = _LIMITS[name]
    numbers = tuple(value) if isinstance(value, tuple | list) else ()
    kinds = int if name in _WHOLE else (int, float)
    if (
        len(numbers) != 2
        or not all(isinstance(number, kinds) and not isinstance(number, bool) for number in numbers)
        or not lowest <= numbers[0] <= numbers[1] <= highest
    ):
        whole = "whole numbers" if name in _WHOLE else "numbers"
        raise UsageError(
            f"{name} is {value!r}",
            where="settings of rooms",
            fix=f"give two {whole} ({unit}), the lower one first, between {lowest} and {highest}",
        )
