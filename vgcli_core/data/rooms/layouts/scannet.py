"""A room in ScanNet's raw layout: the recording, the mesh, its segments, the objects made of them, and the scan's text.

The vertices of an object are those of its parts, corners included, so its box along the walls is exactly
`between.axis_aligned`. Each part is one segment or two. Walls, floor and ceiling are objects too, as in ScanNet.

Source: formats of ScanNet, sections 1, 2, 4 and 5.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgcli_core.atomic import atomic_path
from vgcli_core.data import draws
from vgcli_core.data.raw.sens_write import SensFrame, write_sens
from vgcli_core.data.rooms.film import shots
from vgcli_core.data.rooms.layouts.files import write_json, write_lines
from vgcli_core.data.rooms.layouts.recording import Recording
from vgcli_core.data.rooms.scene import Part
from vgcli_core.geometry.boxes import Floats, corners

RATE = 30  # recorded frames per second

_DEPTH_SHARE = 0.5  # of the colour resolution, to either side
_GRID = 4  # vertices along an edge of a face
_SPLIT = 3  # every third part is two segments


@dataclass(frozen=True)
class Mesh:
    """Vertices of a room, and what they belong to.

    Attributes:
        points: [V, 3] in the room's world.
        colours: [V, 3] uint8.
        faces: [F, 3] positions of vertices.
        segments: [V] ids of segments, in no order.
        objects: label and segments of each object; the first ones are the room's things.
    """

    points: Floats
    colours: NDArray[np.uint8]
    faces: NDArray[np.int32]
    segments: NDArray[np.int64]
    objects: tuple[tuple[str, tuple[int, ...]], ...]

    def members(self, number: int) -> NDArray[np.bool_]:
        """Tell which vertices [V] belong to an object."""
        return np.isin(self.segments, self.objects[number][1])


def write_scannet(recording: Recording, raw: Path) -> list[Path]:
    """Write a scan below `raw`/scannet/scans; return the files."""
    folder = raw / "scannet" / "scans" / recording.scene
    mesh, stem = mesh_of(recording), folder / recording.scene
    sens = stem.with_suffix(".sens")
    count = _write_sens(recording, sens)
    ply = folder / f"{recording.scene}_vh_clean_2.ply"
    _write_ply(ply, recording, mesh)
    segments = folder / f"{recording.scene}_vh_clean_2.0.010000.segs.json"
    groups = [
        {"id": number, "objectId": number, "segments": list(parts), "label": label}
        for number, (label, parts) in enumerate(mesh.objects)
    ]
    scan_id = f"scannet.{recording.scene}"
    return [
        sens,
        ply,
        write_json(segments, {"params": {}, "sceneId": recording.scene, "segIndices": mesh.segments.tolist()}),
        write_json(
            stem.with_suffix(".aggregation.json"),
            {
                "sceneId": scan_id,
                "appId": "Aggregator.v2",
                "segGroups": groups,
                "segmentsFile": f"scannet.{segments.name}",
            },
        ),
        write_lines(stem.with_suffix(".txt"), _text(recording, count)),
    ]


def mesh_of(recording: Recording) -> Mesh:
    """Return the mesh of a room; ids of segments are drawn, so that nothing can count on their order."""
    room = recording.room
    things = [(thing.label, thing.parts) for thing in room.things]
    owners = things + _structure_objects(room.structure) + [("", room.clutter)]
    draw = draws.generator(0, "segments", recording.scene)
    total = 2 * sum(len(parts) for _, parts in owners)
    ids = iter(draw.sample(range(10 * total + 1), total))
    points, colours, faces, segments, objects, start = [], [], [], [], [], 0
    for label, parts in owners:
        own = []
        for number, part in enumerate(parts):
            surface, triangles = _surface(part)
            halves = np.zeros(len(surface), dtype=np.int64)
            if number % _SPLIT == 0:
                halves[len(surface) // 2 :] = 1
            pair = np.array([next(ids), next(ids)])
            segments.append(pair[halves])
            own += sorted({int(one) for one in pair[halves]})
            points.append(surface)
            colours.append(np.tile((255 * np.clip(part.colour, 0, 1)).astype(np.uint8), (len(surface), 1)))
            faces.append(triangles + start)
            start += len(surface)
        if label:  # clutter is in the mesh, and nobody annotated it
            objects.append((label, tuple(own)))
    return Mesh(
        np.concatenate(points),
        np.concatenate(colours),
        np.concatenate(faces).astype(np.int32),
        np.concatenate(segments),
        tuple(objects),
    )


def depth_size(recording: Recording) -> tuple[int, int]:
    """Return width and height of the depth frames, which are smaller than the colour frames."""
    room = recording.room
    return max(round(room.width * _DEPTH_SHARE), 1), max(round(room.height * _DEPTH_SHARE), 1)


def intrinsics(recording: Recording) -> tuple[Floats, Floats]:
    """Return the intrinsics [4, 4] of colour and of depth frames."""
    color, depth = np.eye(4), np.eye(4)
    color[:3, :3] = recording.room.intrinsics
    width, height = depth_size(recording)
    scale = np.diag([width / recording.room.width, height / recording.room.height, 1.0])
    depth[:3, :3] = scale @ recording.room.intrinsics
    return color, depth


def depth_frame(recording: Recording, depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return depth [H, W] in metres as a depth frame in millimetres: the value at the middle of each of its pixels."""
    width, height = depth_size(recording)
    rows = ((np.arange(height) + 0.5) * depth.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * depth.shape[1] / width).astype(int)
    return (1000 * depth[np.ix_(rows, columns)]).round().clip(0, 65535).astype(np.uint16)


def _structure_objects(structure: tuple[Part, ...]) -> list[tuple[str, tuple[Part, ...]]]:
    """Sort the parts of the room itself into ScanNet's objects: walls, floor, ceiling, and every door and window."""
    names: dict[str, list[Part]] = {"wall": [], "floor": [], "ceiling": []}
    openings: list[tuple[str, tuple[Part, ...]]] = []
    low = min(part.box[2] for part in structure) if structure else 0.0
    high = max(part.box[2] for part in structure) if structure else 0.0
    for part in structure:
        flat = part.box[5] < min(part.box[3], part.box[4]) / 4
        if part.texture in ("door", "window"):
            openings.append((part.texture, (part,)))
        elif flat and part.box[2] == low:
            names["floor"].append(part)
        elif flat and part.box[2] == high:
            names["ceiling"].append(part)
        else:
            names["wall"].append(part)
    return [(name, tuple(parts)) for name, parts in names.items() if parts] + openings


def _surface(part: Part) -> tuple[Floats, NDArray[np.int64]]:
    """Return a grid of vertices [V, 3] over a box's six faces, corners included, and triangles [F, 3]."""
    steps = np.linspace(0, 1, _GRID)
    across, along = (grid.ravel()[:, None] for grid in np.meshgrid(steps, steps, indexing="ij"))
    eight = corners(part.box[None])[0]
    cell = np.arange(_GRID - 1)[:, None] * _GRID + np.arange(_GRID - 1)
    first = cell.ravel()
    square = np.stack([first, first + 1, first + _GRID, first + 1, first + _GRID + 1, first + _GRID], axis=1)
    points, triangles = [], []
    for number, (a, b, c, d) in enumerate(_FACES):
        edge = (1 - across) * eight[a] + across * eight[b], (1 - across) * eight[d] + across * eight[c]
        points.append((1 - along) * edge[0] + along * edge[1])
        triangles.append(square.reshape(-1, 3) + number * _GRID * _GRID)
    return np.concatenate(points), np.concatenate(triangles)


_FACES = ((0, 1, 2, 3), (4, 7, 6, 5), (0, 4, 5, 1), (3, 2, 6, 7), (0, 3, 7, 4), (1, 5, 6, 2))


def _write_sens(recording: Recording, path: Path) -> int:
    color, depth = intrinsics(recording)
    room = recording.room

    def frames() -> Iterator[SensFrame]:
        recorded = recording.frames()
        frame = next(recorded, None)
        for shot in shots(room):
            shallow = depth_frame(recording, shot.view.depth)
            while frame is not None and frame.shows == shot.index:
                time = 1_000_000 * frame.number // RATE
                yield SensFrame(shot.jpeg, shallow, frame.camera_to_scan, (time, time))
                frame = next(recorded, None)

    size = (room.width, room.height)
    return write_sens(path, color, depth, frames(), color_size=size, depth_size=depth_size(recording))


def _write_ply(path: Path, recording: Recording, mesh: Mesh) -> None:
    vertex = np.dtype([("xyz", "<f4", 3), ("rgba", "u1", 4)])
    face = np.dtype([("count", "u1"), ("vertices", "<i4", 3)])
    vertices, faces = np.zeros(len(mesh.points), vertex), np.zeros(len(mesh.faces), face)
    turn = recording.world_to_scan
    vertices["xyz"] = mesh.points @ turn[:3, :3].T + turn[:3, 3]
    vertices["rgba"][:, :3], vertices["rgba"][:, 3] = mesh.colours, 255
    faces["count"], faces["vertices"] = 3, mesh.faces
    header = [
        *("ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"),
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {channel}" for channel in ("red", "green", "blue", "alpha")),
        *(f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"),
    ]
    with atomic_path(path) as temporary:
        text = "".join(f"{line}\n" for line in header).encode()
        temporary.write_bytes(text + vertices.tobytes() + faces.tobytes())


def _text(recording: Recording, num_frames: int) -> Iterator[str]:
    color, depth = intrinsics(recording)
    width, height = depth_size(recording)
    matrix = " ".join(f"{value:f}" for value in recording.alignment.ravel().tolist())
    yield f"axisAlignment = {matrix} "
    yield f"colorHeight = {recording.room.height}"
    yield "colorToDepthExtrinsics = 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"
    yield f"colorWidth = {recording.room.width}"
    yield f"depthHeight = {height}"
    yield f"depthWidth = {width}"
    for name, matrix_of in (("color", color), ("depth", depth)):
        for key, value in zip(("fx", "fy", "mx", "my"), matrix_of[[0, 1, 0, 1], [0, 1, 2, 2]], strict=True):
            yield f"{key}_{name} = {value:f}"
    yield f"numColorFrames = {num_frames}"
    yield f"numDepthFrames = {num_frames}"
    yield "numIMUmeasurements = 0"
    yield f"sceneType = {recording.room.kind or 'Living room / Lounge'}"
