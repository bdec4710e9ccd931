"""The film: a walk of a hand-held camera through a room, and where it looks.

The walk is drawn before the furniture and kept free of it; the view is chosen afterwards, so that it meets things. Both
are functions of the share of the film that has passed, so another number of frames samples the same film.
"""

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

from vgcli_core.data.rooms.placement import Footprint
from vgcli_core.data.rooms.settings import RoomSettings
from vgcli_core.data.rooms.structure import Size
from vgcli_core.geometry.boxes import Floats

CLEARANCE = 0.3  # metres around the camera that stay free, below it too

_WALL_DISTANCE = 0.45
_BOB = 0.02  # metres that the camera moves up and down while walking
_CANDIDATES = 16  # directions that are tried
_TREMBLE = np.array([1.3, 3.7, 7.9])  # swings of the hand in a film
_SAMPLES = np.linspace(0, 1, 9)


@dataclass(frozen=True)
class Walk:
    """Where the camera goes.

    Attributes:
        points: [3, 2] start, control point and end of a quadratic curve on the floor plan.
        height: metres above the floor.
        phases: [2] of its going up and down with the steps, radians.
    """

    points: Floats
    height: float
    phases: Floats

    def places(self, shares: Floats) -> Floats:
        """Return the camera's places [F, 3] at shares [F] of the film."""
        s = shares[:, None]
        start, middle, end = self.points
        plan = (1 - s) ** 2 * start + 2 * s * (1 - s) * middle + s**2 * end
        bob = np.sin(2 * pi * 2.3 * shares + self.phases[0]) + 0.5 * np.sin(2 * pi * 5.1 * shares + self.phases[1])
        return np.column_stack([plan, self.height + _BOB * bob / 1.5])

    def spots(self) -> list[Footprint]:
        """Return boxes that hold the camera and its surroundings along the walk: no thing may reach into them."""
        low = self.height - _BOB - CLEARANCE
        return [
            Footprint(x, y, CLEARANCE, CLEARANCE, 1.0, 0.0, low, 99.0)
            for x, y, _ in self.places(np.linspace(0, 1, 7)).tolist()
        ]


def draw_walk(rng: np.random.Generator, settings: RoomSettings, size: Size) -> Walk:
    """Draw a walk through the outer part of a room, where a camera can look across it."""
    reach = np.array(size[:2]) / 2 - _WALL_DISTANCE
    length = float(rng.uniform(*settings.walk))
    height = float(rng.uniform(*settings.camera_height))
    starts = rng.uniform(-reach, reach, (4, 2))
    start = starts[np.argmax(np.abs(starts / reach).max(axis=1))]
    turns = rng.uniform(-pi, pi, 12)
    ends = start + length * np.column_stack([np.cos(turns), np.sin(turns)])
    inside = (np.abs(ends) <= reach).all(axis=1)
    end = np.clip(ends[np.argmax(inside)], -reach, reach)
    across = np.array([start[1] - end[1], end[0] - start[0]])
    middle = np.clip((start + end) / 2 + float(rng.uniform(-0.4, 0.4)) * across, -reach, reach)
    return Walk(np.stack([start, middle, end]), height, rng.uniform(-pi, pi, 2))


def aim(rng: np.random.Generator, settings: RoomSettings, walk: Walk, targets: Floats, fov_degrees: float) -> Floats:
    """Choose where the camera looks along its walk.

    Args:
        rng: for the directions that are tried and for the unsteady hand.
        settings: pan, pitch, roll, shake and number of frames.
        walk: where the camera is.
        targets: [N, 3] middles of things; of a few drawn directions the one that meets most of them is taken.
        fov_degrees: horizontal field of view.

    Returns:
        Camera-to-world matrices [F, 4, 4].
    """
    pans = np.radians(rng.uniform(*settings.pan, _CANDIDATES)) * rng.choice([-1.0, 1.0], _CANDIDATES)
    middles = rng.uniform(-pi, pi, _CANDIDATES)
    met = [_things_met(walk, targets, a, b, np.radians(fov_degrees)) for a, b in zip(middles, pans, strict=True)]
    best = int(np.argmax(met))
    pitch, roll, shake = (
        np.radians(rng.uniform(*limits)) for limits in (settings.pitch_down, settings.roll, settings.shake)
    )
    phases = rng.uniform(-pi, pi, (3, len(_TREMBLE)))

    shares = np.linspace(0, 1, settings.num_frames)
    hand = np.sin(2 * pi * shares[:, None, None] * _TREMBLE + phases).mean(axis=2)  # [F, 3] in [-1, 1]
    yaws = _yaws(middles[best], pans[best], shares) + shake * hand[:, 0]
    views = zip(
        walk.places(shares),
        yaws.tolist(),
        (pitch + shake * hand[:, 1]).tolist(),
        (roll * hand[:, 2]).tolist(),
        strict=True,
    )
    return np.stack([_pose(*view) for view in views])


def _yaws(middle: float, pan: float, shares: Floats) -> Floats:
    """Return the direction of view on the floor plan at shares of the film: it turns slowly at both ends."""
    return middle + pan * (shares**2 * (3 - 2 * shares) - 0.5)


def _things_met(walk: Walk, targets: Floats, middle: float, pan: float, fov: float) -> float:
    """Return how many things come into view, and a little more the more of the film shows any."""
    away = targets[None, :, :2] - walk.places(_SAMPLES)[:, None, :2]
    angles = np.arctan2(away[..., 1], away[..., 0]) - _yaws(middle, pan, _SAMPLES)[:, None]
    seen = np.abs((angles + pi) % (2 * pi) - pi) < 0.42 * fov
    return float(seen.any(axis=0).sum() + 2 * np.minimum(seen.sum(axis=1), 2).mean())


def _pose(place: Floats, yaw: float, pitch_down: float, roll: float) -> Floats:
    """Return the camera-to-world matrix [4, 4] of a camera at `place`; angles in radians."""
    forward = np.array([cos(yaw) * cos(pitch_down), sin(yaw) * cos(pitch_down), -sin(pitch_down)])
    right = np.array([sin(yaw), -cos(yaw), 0.0])
    down = np.cross(forward, right)
    matrix = np.eye(4)
    matrix[:3, 0] = cos(roll) * right + sin(roll) * down
    matrix[:3, 1] = cos(roll) * down - sin(roll) * right
    matrix[:3, 2] = forward
    matrix[:3, 3] = place
    return matrix
