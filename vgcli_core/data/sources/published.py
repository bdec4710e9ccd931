"""Records in the published annotation layout: the parts that several datasets share."""

import math
from typing import Any

import numpy as np

from vgcli_core.data.sample import Cameras, Sample
from vgcli_core.geometry.boxes import OrientedBox


def turns(sample: Sample) -> list[dict[str, str]]:
    """Return the conversation."""
    return [{"from": turn.speaker, "value": turn.text} for turn in sample.conversations]


def metadata(sample: Sample) -> dict[str, Any]:
    """Return the ids of a sample on a described object."""
    ids = {key: sample.info.get(key) for key in ("ann_id", "object_id")}
    return {"dataset": sample.dataset, "question_type": sample.question_type, **ids}


def numbers(box: OrientedBox, decimals: int | None = None) -> list[float]:
    """Return a box's nine numbers."""
    nine = (*box.center, *box.size, *box.angles)
    return [number if decimals is None else round(number, decimals) for number in nine]


def camera_fields(cameras: Cameras | None) -> dict[str, Any]:
    """Return the fields on cameras: 4 x 4 intrinsics, poses of the scan as it was recorded, and its alignment.

    There are none without poses, as published.
    """
    if cameras is None or not len(cameras.camera_to_world):
        return {}
    intrinsics = np.eye(4)
    intrinsics[:3, :3] = cameras.intrinsics
    poses = np.linalg.inv(cameras.alignment) @ cameras.camera_to_world
    return {
        "cam2img": intrinsics.tolist(),
        "cam2global": poses.tolist(),
        "axis_align_matrix": cameras.alignment.tolist(),
    }


def published_order(count: int, workers: int) -> list[int]:
    """Return the order in which the published generator with several workers handles and writes `count` items.

    Worker w takes items w, w + workers, ...; what each made is written one after the other.
    """
    return [place for worker in range(max(workers, 1)) for place in range(worker, count, workers)]


def thousands(count: int) -> str:
    """Return a number of items as published file names have it: "205k"."""
    return f"{math.floor(count / 1000)}k"
