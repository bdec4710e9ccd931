"""Answers as one JSON in COCO's form: images, categories, annotations. Boxes in 3D stand beside COCO's keys.

An image is a frame: all frames of the video of `vgllm predict`; of `vgllm eval`, which knows no files, those that an
answer names, and the first of each answer. COCO's "bbox" (left, top, width, height; pixels) is there only where the
intrinsics are known and the box is in the picture.
"""

import json
from typing import Any

import numpy as np

from vgcli_core.export.answers import EULER_IN_WORDS, Answered, Answers, written_boxes
from vgcli_core.geometry.boxes import EulerConvention, as_array, corners
from vgcli_core.geometry.conventions import IN_WORDS
from vgcli_core.geometry.rectangles import rectangle

SCHEMA = "vgllm.coco/1"
UNLABELLED = "object"  # a grounding answer names no object


def as_coco(answers: Answers, angles: EulerConvention) -> str:
    """Return the JSON text: metres, radians in the convention `angles`, in the camera of the image's frame."""
    images = _images(answers)
    labels = sorted({placed.box.label or UNLABELLED for row in answers.rows for placed in row.boxes})
    categories = {label: number for number, label in enumerate(labels, start=1)}
    place = {(image["answer"], image["frame"]): image["id"] for image in images}
    annotations: list[dict[str, Any]] = []
    for row in answers.rows:
        for one in _annotations(row, answers, angles):
            key = (None if answers.pictures else row.id, one["frame"])
            label = one.pop("label")
            ids = {"id": len(annotations) + 1, "image_id": place[key], "category_id": categories[label]}
            annotations.append({**ids, **one})
    found = {
        "info": {
            "description": f"answers of {answers.source}",
            "schema": SCHEMA,
            "conventions": {
                **IN_WORDS,
                "euler": EULER_IN_WORDS[angles],
                "euler_convention": angles,
                "coordinate_frame": "camera of the image's frame",
                "corners": "[8, 3]: x0y0z0, x0y0z1, x0y1z1, x0y1z0, x1y0z0, x1y0z1, x1y1z1, x1y1z0 of the box's axes",
                "bbox": "left, top, width, height in pixels, cut at the border of the picture",
            },
            "counts": answers.counts(),
        },
        "images": [{key: value for key, value in image.items() if value is not None} for image in images],
        "categories": [{"id": number, "name": label, "supercategory": ""} for label, number in categories.items()],
        "annotations": annotations,
        "answers": [_summary(row) for row in answers.rows],
    }
    return json.dumps(found, indent=1, allow_nan=False) + "\n"


def _images(answers: Answers) -> list[dict[str, Any]]:
    """Return the images; "answer" is None where all answers are about one video."""
    if answers.pictures:
        height, width = answers.size or (None, None)
        intrinsics = None if answers.intrinsics is None else answers.intrinsics.tolist()
        return [
            {
                "id": number,
                "file_name": one.name or f"{answers.video}#{one.position}",
                "width": width,
                "height": height,
                "answer": None,
                "frame": one.position,
                "time": one.time,
                "intrinsics": intrinsics,
                "intrinsics_from": answers.intrinsics_from or None,
            }
            for number, one in enumerate(answers.pictures, start=1)
        ]
    keys = [(row.id, frame) for row in answers.rows for frame in sorted({0, *(one.frame for one in row.boxes)})]
    return [
        {"id": number, "file_name": f"{name}#{frame}", "answer": name, "frame": frame}
        for number, (name, frame) in enumerate(keys, start=1)
    ]


def _annotations(row: Answered, answers: Answers, angles: EulerConvention) -> list[dict[str, Any]]:
    rows = as_array([placed.box for placed in row.boxes])
    with np.errstate(all="ignore"):  # numbers near the end of float's range
        solids = corners(rows)
    found = []
    for box, solid, placed, numbers in zip(rows, solids, row.boxes, written_boxes(row, angles), strict=True):
        one: dict[str, Any] = {
            "label": placed.box.label or UNLABELLED,
            "iscrowd": 0,
            "bbox_3d": numbers,
            "frame": placed.frame,
            "answer": row.id,
        }
        if np.isfinite(solid).all():
            one["corners"] = solid.tolist()
        if answers.intrinsics is not None and answers.size is not None:
            height, width = answers.size
            around = rectangle(box, answers.intrinsics, width, height)
            if around is not None:
                one |= {"bbox": list(around), "area": around[2] * around[3]}
        found.append(one)
    return found


def _summary(row: Answered) -> dict[str, Any]:
    found = {"id": row.id, "task": row.task, "question": row.question, "status": row.status, "reason": row.reason}
    return {**found, "answer": row.value, "dropped": list(row.dropped), "text": row.text}
