"""Write boxes as the model was trained to write them: a code fence, a tab before each object, two decimals.

`answers.read_grounding` and `answers.read_detection` are the way back. Numbers are written as given: training files
since 27 November 2025 hold intrinsic Z-X-Y angles, older ones extrinsic (see `geometry/boxes.py`).

Source: the training layouts of ScanRefer and of video detection (assistant turns of the annotation files).
"""

import json
from collections.abc import Sequence
from typing import Any

from vgcli_core.geometry.boxes import OrientedBox

DECIMALS = 2


def format_grounding(frame: int, box: OrientedBox, *, decimals: int | None = DECIMALS, zeros: bool = False) -> str:
    """Return a grounding answer: the position of a frame, and a box in the coordinate frame of its camera.

    Args:
        frame: 0-based among the frames that the model sees.
        box: metres and radians; its label is not part of the answer.
        decimals: of the nine numbers; None writes them in full.
        zeros: all numbers have as many decimals: 0.50, where training files say 0.5.
    """
    answer = _json({"frame": frame, "bbox_3d": _numbers(box, decimals)}, decimals if zeros else None)
    return f"```json\n\t{answer}\n```"


def format_detection(boxes: Sequence[OrientedBox], *, decimals: int | None = DECIMALS, zeros: bool = False) -> str:
    """Return a detection answer: boxes with labels, in order, in the coordinate frame of the first frame's camera.

    Args:
        boxes: metres and radians.
        decimals: of the nine numbers; None writes them in full.
        zeros: see `format_grounding`.
    """
    rows: list[dict[str, Any]] = [{"label": box.label, "bbox_3d": _numbers(box, decimals)} for box in boxes]
    return "```json\n[\n\t" + ",\n\t".join(_json(row, decimals if zeros else None) for row in rows) + "\n]```"


def _json(row: dict[str, Any], decimals: int | None) -> str:
    """Return a row as JSON, the numbers of its box with so many decimals; None as short as they are."""
    if decimals is None:
        return json.dumps(row)
    # Adding 0 makes a negative zero positive.
    box = ", ".join(f"{number + 0.0:.{decimals}f}" for number in row["bbox_3d"])
    return json.dumps({**row, "bbox_3d": []})[:-2] + f"{box}]}}"


def _numbers(box: OrientedBox, decimals: int | None) -> list[float]:
    numbers = (*box.center, *box.size, *box.angles)
    return [float(number) if decimals is None else round(float(number), decimals) for number in numbers]
