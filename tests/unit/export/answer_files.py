"""Small files of answers, for tests of what exports make of them."""

import json
from pathlib import Path

from tests.unit.cli.results import answer, result
from vgcli_core.geometry.boxes import OrientedBox
from vgcli_core.predict.result import FoundBox

POSE = [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]]
BOX = [0.5, -0.25, 3.0, 1.0, 2.0, 0.5, 0.3, -0.5, 1.1]
GROUND = {"bbox_3d": BOX, "euler_convention": "ZXY", "camera_to_world": [POSE, None, POSE], "scene": "scene0011_00"}
DETECT = {"boxes": [{"label": "chair", "bbox_3d": BOX}], "euler_convention": "ZXY", "scene": "scene0011_00"}
NUMBER = {"question_type": "object_counting", "ground_truth": "4", "dataset": "scannet", "scene_name": "scene0011_00"}


def boxes_line(name: str, truth: dict, found: object, *, convention: str | None = "ZXY", **more: object) -> dict:
    """A line whose text is an answer of a model with boxes, or other text."""
    text = found if isinstance(found, str) else f"```json\n{json.dumps(found)}\n```"
    stated = {} if convention is None else {"euler_convention": convention}
    benchmark = "scanrefer" if "camera_to_world" in truth else "scannet_det"
    return {"benchmark": benchmark, "id": name, "text": text, "truth": truth, **stated, **more}


def number_line(name: str, text: str, **more: object) -> dict:
    """A line of VSI-Bench."""
    return {"benchmark": "vsi_bench", "id": name, "text": text, "truth": NUMBER, **more}


def write_lines(path: Path, *lines: dict) -> Path:
    """Write a file of predictions."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def write_result(path: Path, *boxes: OrientedBox, source: str = "given", **changes: object) -> Path:
    """Write a result.json: one detection in frame 2 of 32 of 640x480, seen with a focal length of 500 pixels."""
    found = answer(
        "[]", task="detect", question="all chairs", boxes=tuple(FoundBox(box, 2, 0.5) for box in boxes), **changes
    )
    text = result(found).to_json()
    plain = json.loads(text)
    plain["intrinsics"] = {"fx": 500.0, "fy": 500.0, "cx": 320.0, "cy": 240.0, "source": source}
    path.write_text(json.dumps(plain), encoding="utf-8")
    return path
