"""Read files of a scene with libraries that did not write them."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vgcli_core.drawing import views
from vgcli_core.drawing.scene import Scene
from vgcli_core.drawing.views import VIEWS

trimesh = pytest.importorskip("trimesh", reason="trimesh reads .glb and .ply back: pip install trimesh")
needs_rerun = pytest.mark.skipif(
    views.find_spec("rerun") is None, reason='rerun writes and reads .rrd: pip install "vgllm[viz]"'
)

Found = dict[tuple[int, int], np.ndarray]  # (position of the frame, place of the box in it) -> points [N, 3]


def written(what: Scene, folder: Path, ending: str) -> tuple[Path, ...]:
    return VIEWS[ending].write(what, folder / f"view{ending}")


def read_glb(paths, what: Scene) -> Found:
    read = trimesh.load(paths[0])
    nodes = {(one.position, k): f"box {k} of {one.name}: " for one in what.frames for k in range(len(one.boxes))}
    found: Found = {}
    for key, start in nodes.items():
        home = next(one.name for one in what.frames if one.position == key[0])
        clouds = []
        for node in read.graph.nodes_geometry:
            if node.startswith(start):
                pose, geometry = read.graph.get(node, frame_from=home)
                clouds.append(trimesh.transform_points(read.geometry[geometry].vertices, pose))
        if clouds:
            found[key] = np.vstack(clouds)
    return found


def read_ply(paths, what: Scene) -> Found:
    found: Found = {}
    for path in paths:
        mesh = trimesh.load(path, process=False)
        name = path.read_text(encoding="ascii").split("comment coordinate frame ")[1].splitlines()[0]
        position = next(one.position for one in what.frames if one.name == json.loads(name))
        box = mesh.metadata["_ply_raw"]["vertex"]["data"]["box"].ravel()
        found |= {(position, int(k)): mesh.vertices[box == k] for k in set(box.tolist()) - {-1}}
    return found


def read_json(paths, what: Scene) -> Found:
    plain = json.loads(paths[0].read_text(encoding="utf-8"))
    return {
        (one["position"], k): np.array(box["corners"])
        for one in plain["coordinate_frames"]
        for k, box in enumerate(one["boxes"])
    }


def columns(paths, entity: str) -> list[dict[str, object]]:
    """Return the rows of an entity of a recording: values by name of the column."""
    from rerun.chunk import RrdReader

    rows = []
    for chunk in RrdReader(str(paths[0])).stream():
        if chunk.entity_path == entity:
            batch = chunk.to_record_batch()
            keep = [name for name in batch.schema.names if name != "log_time"]
            rows += batch.select(keep).to_pylist()
    return rows


def read_rrd(paths, what: Scene) -> Found:
    found: Found = {}
    for kind in ("predicted", "true"):
        for row in columns(paths, f"/camera/boxes/{kind}"):
            if not row.get("Boxes3D:centers"):
                continue
            position = int(row["frame"])
            home = next(one for one in what.frames if one.position == position)
            places = [k for k, one in enumerate(home.boxes) if one.kind == kind]
            parts = (row[f"Boxes3D:{name}"] for name in ("centers", "half_sizes", "quaternions"))
            for k, center, half, turn in zip(places, *parts, strict=True):
                signs = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
                found[position, k] = (signs * half) @ Rotation.from_quat(turn).as_matrix().T + center
    return found


READERS = {".glb": read_glb, ".ply": read_ply, ".json": read_json, ".rrd": read_rrd}
