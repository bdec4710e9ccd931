"""Where a thing can go: upright boxes on a floor, none of them through another, and none where the camera walks."""

from dataclasses import dataclass, field
from math import cos, sin

from vgcli_core.data.rooms.pieces import Piece
from vgcli_core.data.rooms.structure import WALL_YAWS, Opening, Size, against_wall

GAP = 0.02  # metres between any two things, and between a thing and a wall (skirting boards are 0.012)

_BEFORE_DOOR = 0.75  # metres that stay free in front of a door
_BEFORE_WINDOW = 0.3


@dataclass(frozen=True, slots=True)
class Footprint:
    """An upright box: a turned rectangle with a range of heights."""

    x: float
    y: float
    half_width: float
    half_depth: float
    cos: float
    sin: float
    low: float
    high: float

    def meets(self, other: "Footprint", gap: float) -> bool:
        """Tell whether two boxes come nearer to each other than `gap` (seen along the axes of both)."""
        if self.low >= other.high + gap or other.low >= self.high + gap:
            return False
        x, y = other.x - self.x, other.y - self.y
        same = abs(self.cos * other.cos + self.sin * other.sin)
        across = abs(self.sin * other.cos - self.cos * other.sin)
        one = (
            abs(x * self.cos + y * self.sin)
            < self.half_width + other.half_width * same + other.half_depth * across + gap
            and abs(y * self.cos - x * self.sin)
            < self.half_depth + other.half_width * across + other.half_depth * same + gap
        )
        return (
            one
            and abs(x * other.cos + y * other.sin)
            < other.half_width + self.half_width * same + self.half_depth * across + gap
            and abs(y * other.cos - x * other.sin)
            < other.half_depth + self.half_width * across + self.half_depth * same + gap
        )

    def reach(self) -> tuple[float, float]:
        """Return the half edges along x and y of the axis-parallel rectangle around it."""
        c, s = abs(self.cos), abs(self.sin)
        return self.half_width * c + self.half_depth * s, self.half_width * s + self.half_depth * c


def footprint(piece: Piece, place: tuple[float, float, float], yaw: float) -> Footprint:
    """Return the room that a piece takes when the middle of its footprint is at `place`."""
    x, y, z = place
    width, depth, height = piece.size
    return Footprint(x, y, width / 2, depth / 2, cos(yaw), sin(yaw), z, z + height)


@dataclass
class Plan:
    """A room being furnished: what stands where. `taken` grows; the rest stays."""

    size: Size
    taken: list[Footprint] = field(default_factory=list)

    def keep_clear(self, opening: Opening) -> None:
        """Keep the floor in front of a door free, and the air in front of a window."""
        deep = _BEFORE_DOOR if opening.is_door else _BEFORE_WINDOW
        x, y = against_wall(self.size, opening.wall, opening.along, deep / 2)
        yaw = WALL_YAWS[opening.wall]
        spot = Footprint(x, y, opening.width / 2 + 0.08, deep / 2, cos(yaw), sin(yaw), opening.low, opening.high)
        self.taken.append(spot)

    def fits(self, spot: Footprint, from_wall: float = GAP) -> bool:
        """Tell whether a box lies in the room, `from_wall` metres from its walls, and touches nothing that is there."""
        wide, deep = spot.reach()
        width, depth, height = self.size
        inside = (
            abs(spot.x) + wide <= width / 2 - from_wall
            and abs(spot.y) + deep <= depth / 2 - from_wall
            and spot.high <= height - GAP
        )
        return inside and not any(spot.meets(other, GAP) for other in self.taken)
