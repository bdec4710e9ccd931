"""A small ray caster for rooms made of boxes, with soft light; numpy only, and the same pictures on every run.

Light is computed once, for patches of every face: a lamp, a window, and how open the surroundings of the patch are.
A frame then finds the nearest box for every ray and looks the light up. Coordinates are metres, z up.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

ROOM = (4.4, 4.0, 2.6)
SUPERSAMPLE = 2  # rays per pixel, each way
# Lights are rectangles: middle, two edges, the way they face, power.
LIGHTS = (
    ((2.2, 1.9, 2.45), (0.4, 0, 0), (0, 0.4, 0), (0, 0, -1), 1.7),
    ((1.75, 3.9, 1.65), (1.0, 0, 0), (0, 0, 0.9), (0, -1, 0), 3.0),
)
# 96 directions spread evenly over the sphere (a Fibonacci spiral).
_TURN, _RISE = np.pi * (1 + 5**0.5) * np.arange(96), 1 - 2 * (np.arange(96) + 0.5) / 96
DIRECTIONS = np.stack([np.cos(_TURN) * np.sqrt(1 - _RISE**2), np.sin(_TURN) * np.sqrt(1 - _RISE**2), _RISE], -1)
OPENNESS = 1.2  # metres; a patch is darker the more directions meet something within this distance


@dataclass(frozen=True)
class Box:
    """A box between two opposite corners, turned about its vertical axis by degrees; colour is linear RGB."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    colour: tuple[float, float, float] = (0.78, 0.77, 0.74)
    texture: str = "plain"
    turn: float = 0.0


class Scene:
    """The boxes as arrays, and the light on each of their faces."""

    def __init__(self, boxes: list[Box]) -> None:
        low, high = np.array([box.low for box in boxes]), np.array([box.high for box in boxes])
        self.boxes, self.center, self.half = boxes, (low + high) / 2, (high - low) / 2
        self.axes = Rotation.from_euler("z", [[box.turn] for box in boxes], degrees=True).as_matrix()
        faces = [(box, axis, side) for box in range(len(boxes)) for axis in range(3) for side in (-1, 1)]
        self.light = {face: self._lightmap(*face) for face in faces}

    def cross(self, box: int, origins: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where rays [..., 3] enter and leave a box, in ray lengths (slab test); they miss when in > out."""
        axes, half = self.axes[box].astype(rays.dtype), self.half[box].astype(rays.dtype)
        start, along = (origins - self.center[box]).astype(rays.dtype) @ axes, rays @ axes
        enter, leave = -np.inf, np.inf
        for axis in range(3):
            inverse = 1 / (along[..., axis] + rays.dtype.type(1e-12))
            middle, reach = -start[..., axis] * inverse, half[axis] * np.abs(inverse)
            enter, leave = np.maximum(enter, middle - reach), np.minimum(leave, middle + reach)
        return enter, leave

    def arrive(self, points: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Return which of the rays [N or 1, R, 3] from points [N, 1, 3] reach their end, [N, R]."""
        free = np.ones((len(points), rays.shape[1]), dtype=bool)
        for number, box in enumerate(self.boxes):
            if box.texture not in ("sky", "glow"):
                enter, leave = self.cross(number, points, rays)
                free &= (enter > leave) | (leave < 1e-3) | (enter > 1)
        return free

    def _lightmap(self, box: int, axis: int, side: int) -> np.ndarray:
        """Return the light on a grid of patches [U, V] of one face; lamps and sky have their own, 1."""
        u, v = (other for other in range(3) if other != axis)
        counts = [int(np.clip(2 * self.half[box][i] / 0.07, 3, 60)) for i in (u, v)]
        local = np.zeros((*counts, 3))
        local[..., axis] = side * (self.half[box][axis] + 2e-3)
        grids = np.meshgrid(*((np.arange(count) + 0.5) / count * 2 - 1 for count in counts), indexing="ij")
        local[..., u], local[..., v] = grids[0] * self.half[box][u], grids[1] * self.half[box][v]
        points = (local.reshape(-1, 1, 3) @ self.axes[box].T + self.center[box]).astype(np.float32)
        normal = (side * self.axes[box][:, axis]).astype(np.float32)
        if self.boxes[box].texture in ("sky", "glow") or not ((points > 0) & (points < ROOM)).all(-1).any():
            return np.ones(counts)
        rays = DIRECTIONS[DIRECTIONS @ normal > 0.1].astype(np.float32) * OPENNESS
        weights = rays @ normal
        light = 0.03 + 0.36 * (self.arrive(points, rays[None]) * weights).sum(-1) / weights.sum()
        for middle, one_edge, other_edge, facing, power in LIGHTS:
            across, along = np.meshgrid([-0.375, -0.125, 0.125, 0.375], [-0.375, -0.125, 0.125, 0.375])
            lamps = middle + across.reshape(-1, 1) * one_edge + along.reshape(-1, 1) * other_edge
            rays = (lamps - points).astype(np.float32)
            strength = (rays @ normal).clip(0) * (-rays @ np.array(facing)).clip(0) / (rays**2).sum(-1) ** 2
            light += power * (self.arrive(points, rays) * strength).mean(-1)
        return light.reshape(counts)

    def colour(self, box: int, points: np.ndarray) -> np.ndarray:
        """Return linear RGB [N, 3] of points on a box: colour, texture and light."""
        local = (points - self.center[box]) @ self.axes[box]
        axis = np.abs(local / self.half[box]).argmax(-1)
        result = np.empty_like(local)
        for face in range(3):
            for side in (-1, 1):
                here = np.flatnonzero((axis == face) & (np.sign(local[:, face]) == side))
                light = self.light[box, face, side]
                u, v = (other for other in range(3) if other != face)
                spot = [
                    (local[here, i] / self.half[box][i] + 1) / 2 * n - 0.5
                    for i, n in zip((u, v), light.shape, strict=True)
                ]
                shade = map_coordinates(light, spot, order=1, mode="nearest")[:, None]
                result[here] = shade * paint(self.boxes[box], local[here], self.half[box], face)
        return result


def render(scene: Scene, pose: np.ndarray, focal: float, size: tuple[int, int]) -> np.ndarray:
    """Return the picture [H, W, 3] uint8 of a camera (camera-to-world [4, 4], OpenCV axes; focal length in pixels)."""
    width, height, focal = size[0] * SUPERSAMPLE, size[1] * SUPERSAMPLE, focal * SUPERSAMPLE
    x, y = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
    rays = (np.stack([x / focal, y / focal, np.ones_like(x)], -1) @ pose[:3, :3].T).astype(np.float32)
    depth, owner = np.full((height, width), np.inf, np.float32), np.zeros((height, width), dtype=np.uint8)
    signs = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, 8).T
    for box in range(len(scene.boxes)):
        corners = (signs * scene.half[box]) @ scene.axes[box].T + scene.center[box]
        seen = (corners - pose[:3, 3]) @ pose[:3, :3]
        left, top, right, bottom = 0, 0, width, height
        if (seen[:, 2] > 0.05).all():  # only the rays inside its outline can meet the box
            spots = seen[:, :2] / seen[:, 2:] * focal + [width / 2, height / 2]
            (left, top), (right, bottom) = spots.min(0).astype(int).clip(0), spots.max(0).astype(int).clip(0) + 1
        elif (seen[:, 2] < 0.05).all():
            continue
        area = (slice(top, bottom), slice(left, right))
        enter, leave = scene.cross(box, pose[:3, 3], rays[area])
        nearer = (enter < leave) & (enter > 0) & (enter < depth[area])
        depth[area][nearer], owner[area][nearer] = enter[nearer], box
    points = (pose[:3, 3] + depth[..., None] * rays).reshape(-1, 3)
    colour = np.zeros_like(points)
    for box in np.unique(owner):
        here = np.flatnonzero(owner == box)
        colour[here] = scene.colour(box, points[here])
    shown = colour.reshape(size[1], SUPERSAMPLE, size[0], SUPERSAMPLE, 3).clip(0).mean((1, 3))
    return ((1 - np.exp(-1.9 * shown)) ** (1 / 2.2) * 255).astype(np.uint8)


def paint(box: Box, local: np.ndarray, half: np.ndarray, axis: int) -> np.ndarray:
    """Return the colours [N, 3] of a face at points [N, 3] in metres from the middle of the box."""
    x, y, z = local.T
    base, texture = np.broadcast_to(box.colour, local.shape), box.texture
    u = y if axis == 0 else x
    front = axis == (0 if texture == "door" else 1)
    lines, factor = np.zeros(len(x), bool), np.ones(len(x))
    if texture == "tiles":
        factor = np.where((np.floor(x / 0.4) + np.floor(y / 0.4)) % 2, 1.0, 0.55)
        lines = (x % 0.4 < 0.012) | (y % 0.4 < 0.012)
    elif texture == "bricks":
        row = np.floor(z / 0.1)
        lines = (z > -0.4) & (z < 0.25) & ((z % 0.1 < 0.008) | ((x + row % 2 * 0.1) % 0.2 < 0.008))
    elif texture == "wood":
        factor = 0.85 + 0.15 * np.sin(70 * (y + 0.02 * np.sin(5 * x)) + 3 * np.sin(2.3 * x)) * np.sin(190 * y + x)
    elif texture in ("panels", "door") and front:
        side, tall = (half[0], half[2]) if texture == "panels" else (half[1], half[2] / 2)
        doors = max(round(side / 0.24), 1)
        place = (u + side) % (2 * side / doors)
        height = z if texture == "panels" else (z + 2 * tall) % (2 * tall) - tall
        edge = np.minimum(np.minimum(place, 2 * side / doors - place), tall - np.abs(height))
        lines = edge < 0.006
        factor = np.where((edge > 0.055) & (edge < 0.07), 0.55, np.where(edge > 0.07, 0.9, 1))
        if texture == "panels":
            base = np.where(((np.abs(place - 0.035) < 0.009) & (np.abs(z) < 0.09))[:, None], 0.75, base)
    elif texture == "fridge" and front:
        lines = np.abs(z - 0.16) < 0.008
    elif texture == "oven" and front:
        base = np.where(((np.abs(x) < 0.24) & (np.abs(z + 0.06) < 0.2))[:, None], (0.04, 0.04, 0.05), base)
        lines = (np.hypot((x + 0.32) % 0.16 - 0.08, z - 0.36) < 0.028) | (np.abs(z - 0.29) < 0.005)
    elif texture == "rings":
        radius = np.hypot(np.abs(x) - 0.15, np.abs(y) - 0.14)
        base = np.where(((radius < 0.11) & (radius > 0.085) | (radius < 0.03))[:, None], (0.25, 0.24, 0.24), base)
    elif texture == "drain":
        lines = np.hypot(x, y) < 0.045
    elif texture == "sky":
        hills = z < -0.2 + 0.06 * np.sin(5 * x) + 0.03 * np.sin(17 * x)
        base = np.where(hills[:, None], (0.25, 0.5, 0.15), np.stack([0.9 - 0.5 * z, 1.1 - 0.25 * z, 1.5 + 0 * z], -1))
    return base * (factor * np.where(lines, 0.3, 1))[:, None]
