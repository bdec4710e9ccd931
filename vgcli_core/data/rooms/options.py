"""Options of the dataset "rooms": the settings of the generator as `--set name=value`, and which rooms a split has.

Rooms of one seed are numbered. Training, validation and test have ranges of numbers of their own, so no room is in two
splits, however many are made.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from vgcli_core.data.base import Option, OptionValue, Request
from vgcli_core.data.rooms.settings import RoomSettings
from vgcli_core.errors import DataError, UsageError

FIRST: Mapping[str, int] = {"train": 0, "val": 800_000, "test": 900_000}
"""The number of each split's first room."""

_END: Mapping[str, int] = {"train": 800_000, "val": 900_000, "test": 1_000_000}
_DEFAULT = RoomSettings()
_HELP = {
    "width": "pixels of a picture",
    "height": "pixels of a picture",
    "num_frames": "frames of a room's film, of which a sample shows some",
    "fps": "frames per second of the film where it is written as a video (--layouts)",
    "room_side": "width and depth of a room, metres",
    "room_height": "height of a room, metres",
    "things": "objects with a name in a room, fewer where there is no place for more",
    "clutter": "unnamed boxes that hide things and are never asked for; in a room with any, no box is asked for",
    "object_scale": "size of each object, times its usual one",
    "categories": "labels of the objects, with commas between them; empty for all",
    "several": "share of the rooms that may have several objects of one label",
    "mixed": "any object may stand in any room, and few are mistaken for each other",
    "camera_height": "height of the camera above the floor, metres",
    "horizontal_fov": "angle of view, degrees",
    "walk": "length of the camera's path, metres",
    "pan": "how far the view turns, degrees to either side",
    "pitch_down": "how far the camera looks down, degrees below the horizon",
    "roll": "largest tilt of the camera, degrees",
    "shake": "unsteadiness of the hand, degrees",
}
# An option called num_frames would be taken for the number of frames of a sample.
_OTHER_NAMES = {"num_frames": "film_frames"}

ROOMS = Option("rooms", 100, "rooms of each split; --scenes says it for one run")


def setting_options() -> tuple[Option, ...]:
    """Return an option for each setting of the generator; ranges are written "lowest:highest"."""
    return tuple(
        Option(_OTHER_NAMES.get(field.name, field.name), _written(getattr(_DEFAULT, field.name)), _help(field.name))
        for field in fields(RoomSettings)
    )


def settings_of(options: Mapping[str, OptionValue]) -> RoomSettings:
    """Return the settings that the options ask for.

    Raises:
        UsageError or UnknownName: a value that a room cannot have; the message names it.
    """
    values: dict[str, Any] = {}
    for field in fields(RoomSettings):
        given = options[_OTHER_NAMES.get(field.name, field.name)]
        default = getattr(_DEFAULT, field.name)
        if field.name == "categories":
            values[field.name] = tuple(label.strip() for label in str(given).split(",") if label.strip())
        else:
            values[field.name] = _range(field.name, str(given), default) if isinstance(default, tuple) else given
    return replace(_DEFAULT, **values)


def numbers_of(request: Request, split: str) -> list[int]:
    """Return the numbers of the rooms of a split that the request asks for.

    Raises:
        DataError: a room is asked for by a name that no room has, or more rooms than a split can have.
    """
    first, end = FIRST[split], _END[split]
    if isinstance(request.scenes, frozenset):
        return sorted(number for number in map(_number, request.scenes) if first <= number < end)
    count = int(request.options["rooms"]) if request.scenes is None else request.scenes
    if not 0 <= count <= end - first:
        raise DataError(f"{count} rooms are asked for", fix=f"give a number up to {end - first:,}")
    return list(range(first, first + count))


def _number(name: str) -> int:
    digits = name.removeprefix("room_")
    if not (digits.isascii() and digits.isdecimal() and name == f"room_{int(digits):06d}"):
        raise DataError(f"no room is called {name!r}", fix='rooms are called "room_000000", "room_000001", ...')
    return int(digits)


def _help(name: str) -> str:
    written = (
        ', written "lowest:highest"' if isinstance(getattr(_DEFAULT, name), tuple) and name != "categories" else ""
    )
    return f"{_HELP.get(name, name.replace('_', ' '))}{written}"


def _written(value: Any) -> OptionValue:
    if isinstance(value, tuple):
        return ":".join(str(number) for number in value) if value else ""
    checked: OptionValue = value
    return checked


def _range(name: str, text: str, default: tuple[float, float]) -> tuple[float, float]:
    """Read "3.6:6" as a range, one number as a range of this number alone."""
    kind = type(default[0])
    try:
        numbers = [kind(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise UsageError(f"{name} is {text!r}", where="options of rooms", fix='write a range as "lowest:highest"')
    return numbers[0], numbers[-1]
