"""Results for tests of pages: a small set of one room seen by one camera, answered as a test wants."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from vgcli_core.data.prepared import SCHEMA, Prepared
from vgcli_core.data.sample import Cameras, FramedBox, Sample, human_turn
from vgcli_core.evaluation.benchmark import Item
from vgcli_core.evaluation.benchmarks import BENCHMARKS
from vgcli_core.evaluation.report import score
from vgcli_core.evaluation.results import Result
from vgcli_core.geometry.boxes import OrientedBox

WALL = (96, 0, 96)
FOCAL, WIDTH, HEIGHT = 200.0, 320, 240
INTRINSICS = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
# The camera looks along the scan's y; its y points down, against the scan's z.
POSE = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], dtype=float)
# One metre wide, two metres before the camera; the same in the scan.
IN_CAMERA, IN_SCAN = (0.0, 0.0, 2.0), (0.0, 2.0, 0.0)


def grounded(key: str, *, scene: str = "room", frames: int = 2) -> Sample:
    """A question for the cube; the second camera stands where the first one does."""
    truth = {"bbox_3d": [*IN_SCAN, 1, 1, 1, 0, 0, 0], "euler_convention": "ZXY", "scene": scene}
    return Sample(
        key,
        "scanrefer",
        "val",
        scene,
        "ground",
        tuple(f"{scene}/{place}.jpg" for place in range(frames)),
        (human_turn("Where is the cube?", frames, names=0, newline="\n"),),
        cameras=Cameras(INTRINSICS, np.stack([POSE] * frames), np.eye(4), (WIDTH, HEIGHT)),
        truth=truth,
    )


def detected(key: str, *labels: str) -> Sample:
    """A question for cubes that stand one behind the other."""
    boxes = [OrientedBox((0, 0, 2.0 + 2 * place), (1, 1, 1), (0, 0, 0), label) for place, label in enumerate(labels)]
    rows = [{"label": box.label, "bbox_3d": [*box.center, *box.size, *box.angles]} for box in boxes]
    return Sample(
        key,
        "scannet_det",
        "val",
        "room",
        "detect",
        ("room/0.jpg",),
        (human_turn("What is there?", 1, newline="\n"),),
        boxes=tuple(FramedBox(box, 0) for box in boxes),
        cameras=Cameras(INTRINSICS, POSE[None], np.eye(4), (WIDTH, HEIGHT)),
        truth={"boxes": rows, "euler_convention": "ZXY", "scene": "room"},
    )


def asked(key: str, *, scene: str = "room", letter: str = "B") -> Sample:
    """A question with options."""
    truth = {"question_type": "route_planning", "ground_truth": letter, "dataset": "scannet", "scene_name": scene}
    return Sample(
        key,
        "vsi_bench",
        "test",
        scene,
        "ask",
        (f"{scene}/0.jpg",),
        (human_turn("Which way?", 1),),
        options=("left", "right", "back", "on"),
        truth=truth,
    )


def box_text(shift: float = 0.0, frame: int = 0) -> str:
    """An answer for the cube, so many metres too far to the right."""
    x, y, z = IN_CAMERA
    return json.dumps({"frame": frame, "bbox_3d": [x + shift, y, z, 1, 1, 1, 0, 0, 0]})


def result(
    root: Path, name: str, answers: dict[str, str], samples: list[Sample], *, frames: bool = True, **scoring
) -> Result:
    """A benchmark with these samples, answered by id; their frames are plain pictures."""
    benchmark = BENCHMARKS[name]
    buffer = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), WALL).save(buffer, "JPEG", quality=95)
    for frame in {frame for sample in samples for frame in sample.frames} if frames else ():
        path = root / "frames" / frame
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
    items = []
    for sample in samples:
        truth = dict(sample.truth)
        if sample.task == "ground":
            truth["camera_to_world"] = sample.cameras.camera_to_world.tolist()
        convention = "ZXY" if benchmark.boxes_in_text else None
        items.append(Item(sample.id, answers[sample.id], benchmark.truth.model_validate(truth), convention))
    report = score(benchmark, items, **scoring)
    prepared = Prepared(root, {"schema": SCHEMA, "splits": {}})
    return Result(benchmark, prepared, {one.id: one for one in samples}, {one.id: one for one in items}, report)
