"""From a seed and a number to a furnished room and its film. Nothing is drawn here; `render` does that."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from vgcli_core.data.draws import numpy_generator
from vgcli_core.data.rooms.camera_path import aim, draw_walk
from vgcli_core.data.rooms.furnishing import furnish
from vgcli_core.data.rooms.kinds import KINDS
from vgcli_core.data.rooms.paint import FABRICS, LACQUERS, pick
from vgcli_core.data.rooms.pieces import block
from vgcli_core.data.rooms.placement import Footprint, Plan
from vgcli_core.data.rooms.scene import Part, Room, Thing
from vgcli_core.data.rooms.settings import RoomSettings
from vgcli_core.data.rooms.structure import build_structure, draw_lights, draw_openings
from vgcli_core.geometry.camera import intrinsics_from_fov

_USUAL = RoomSettings()
_SEVERAL = 3  # things of one label


def make_room(seed: int, number: int, settings: RoomSettings = _USUAL) -> Room:
    """Return room `number` of `seed`: the same one for the same settings, whatever was made before.

    The size and number of pictures change nothing but `width`, `height`, the intrinsics and how finely the path is
    sampled.
    """
    name = f"room_{number:06d}"
    rng = numpy_generator(seed, "rooms", number, "plan")
    size = (
        float(rng.uniform(*settings.room_side)),
        float(rng.uniform(*settings.room_side)),
        float(rng.uniform(*settings.room_height)),
    )
    kind = str(rng.choice(sorted(KINDS)))
    openings = draw_openings(rng, size)
    structure = build_structure(rng, size, kind, openings)
    lights = draw_lights(rng, size, openings)

    way = numpy_generator(seed, "rooms", number, "camera")
    walk = draw_walk(way, settings, size)
    fov = float(way.uniform(*settings.horizontal_fov))
    plan = Plan(size)
    for opening in openings:
        plan.keep_clear(opening)
    plan.taken += walk.spots()

    rng = numpy_generator(seed, "rooms", number, "things")
    wanted = int(rng.integers(settings.things[0], settings.things[1] + 1))
    things = furnish(
        rng,
        plan,
        kind,
        number=wanted,
        scale=settings.object_scale,
        categories=settings.categories,
        several=settings.several,
        mixed=settings.mixed,
    )
    rng = numpy_generator(seed, "rooms", number, "clutter")
    clutter = _clutter(rng, plan, int(rng.integers(settings.clutter[0], settings.clutter[1] + 1)))
    targets = np.array([thing.box[:3] for thing in _worth_seeing(things)]).reshape(-1, 3)
    return Room(
        name=name,
        size=size,
        structure=structure,
        clutter=clutter,
        things=things,
        intrinsics=intrinsics_from_fov(settings.width, settings.height, fov),
        width=settings.width,
        height=settings.height,
        cameras_to_world=aim(way, settings, walk, targets, fov),
        fps=settings.fps,
        kind=kind,
        lights=lights,
    )


def _worth_seeing(things: Sequence[Thing]) -> list[Thing]:
    """Return all things, and once more those of which there are several: a film that shows all of them counts them."""
    counts = Counter(thing.label for thing in things)
    return [*things, *(thing for thing in things if counts[thing.label] >= _SEVERAL)]


def _clutter(rng: np.random.Generator, plan: Plan, number: int) -> tuple[Part, ...]:
    """Return up to `number` plain boxes on the floor, at any yaw, where nothing else is."""
    parts: list[Part] = []
    for _ in range(12 * number):
        if len(parts) == number:
            break
        wide, deep, high = rng.uniform(0.2, 0.5), rng.uniform(0.2, 0.5), rng.uniform(0.25, 1.2)
        reach = np.array(plan.size[:2]) / 2 - 0.3
        (x, y), yaw = rng.uniform(-reach, reach).tolist(), float(rng.uniform(-np.pi, np.pi))
        spot = Footprint(x, y, wide / 2, deep / 2, float(np.cos(yaw)), float(np.sin(yaw)), 0.0, high)
        if plan.fits(spot):
            plan.taken.append(spot)
            parts.append(block((x, y), 0.0, (wide, deep, high), pick(rng, FABRICS + LACQUERS), "plain", yaw=yaw))
    return tuple(parts)
