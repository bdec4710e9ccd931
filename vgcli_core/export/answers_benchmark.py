"""Answers as JSON lines for the evaluation code of a benchmark's owners, or the published one for boxes and captions.

A line is a record of the benchmark, under its owners' names and as far as the truth of a prediction holds it, with what
the model wrote as "prediction": the pair that such code scores. The texts are untouched but for one thing: where the
angles inside are to be written in the other Euler convention, a text with usable boxes is written anew, in the layout
of the training files. Answers that cannot be read stay as they are, since the other code may judge them otherwise.

ScanRefer's two matrices become one: the poses of a prediction lead to the aligned scan already, so "axis_align_matrix"
is the identity.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vgcli_core.errors import PredictionsError, UsageError
from vgcli_core.export.answers import Answered, Answers, written_boxes
from vgcli_core.geometry.boxes import EulerConvention, Floats, as_boxes, to_extrinsic, to_intrinsic
from vgcli_core.geometry.conventions import convention_of
from vgcli_core.text.answer_format import format_detection, format_grounding


@dataclass(frozen=True, slots=True)
class Record:
    """A benchmark's record: the owners' key of its id, keys that a truth must hold, and those it may, as they stand."""

    id: str
    keys: tuple[str, ...]
    more: tuple[str, ...] = ()


_VIDEO_MME = Record("question_id", ("videoID", "duration", "domain", "sub_category", "task_type", "answer"))
RECORDS: Mapping[str, Record] = {
    "vsi_bench": Record("id", ("dataset", "scene_name", "question_type", "ground_truth"), ("options",)),
    "cv_bench": Record("idx", ("task", "source", "source_filename", "answer"), ("choices",)),
    "blink": Record("idx", ("sub_task", "answer"), ("choices",)),
    "video_mme": _VIDEO_MME,
    "video_mme_subtitles": _VIDEO_MME,
    "tempcompass": Record("id", ("task", "video_id", "dim", "answer"), ("question",)),
    "nextqa": Record("id", ("video", "type", "answer", "a0", "a1", "a2", "a3", "a4")),
    "nextqa_oe": Record("id", ("video", "type", "answer"), ("additional_ref_answer",)),
    "scan2cap": Record("id", ("iou",)),
    "scanrefer": Record("id", ()),
    "scannet_det": Record("id", ()),
    "scannet_det_6frames": Record("id", ()),
}
"""By the names of benchmarks here. SQA3D and rooms are missing: no file of predictions is documented for them."""

_HALF = re.compile(r"(?P<type>[23]D)_(?P<idx>.+)")
_WHOLE = re.compile(r"0|[1-9]\d{0,17}")


def as_benchmark(answers: Answers, angles: EulerConvention) -> str:
    """Return the lines.

    Args:
        answers: of `vgllm eval`, all of one benchmark.
        angles: that the other code expects: "zxy" for that of the first generation, "ZXY" since 27 November 2025.

    Raises:
        UsageError: the answers are of no benchmark with such a file, or of several.
        PredictionsError: a truth is not in its benchmark's form.
    """
    names = sorted({row.benchmark for row in answers.rows})
    if len(names) > 1 or names[0] not in RECORDS:
        what = f"no file of predictions is known for {' and '.join(names) or 'answers of vgllm predict'}"
        fix = f"--format coco or csv; the format benchmark exists for each of {', '.join(RECORDS)}"
        raise UsageError(what, where=answers.source, fix=fix)
    lines = []
    for row in answers.rows:
        try:
            lines.append(json.dumps(_line(row, angles, answers.source), allow_nan=False) + "\n")
        except (LookupError, TypeError, ValueError) as error:
            fix = f"vgllm eval {row.benchmark} --example shows the form"
            what = f"the truth of {row.id!r} is not in the form of {row.benchmark}"
            raise PredictionsError(what, where=answers.source, fix=fix) from error
    return "".join(lines)


def _line(row: Answered, angles: EulerConvention, source: str) -> dict[str, Any]:
    form, truth = RECORDS[row.benchmark], row.truth or {}
    found = _named(row, form)
    if row.task in ("ground", "detect"):
        found |= _true_boxes(row, truth, angles, f"{source}, {row.id}") | {"euler_convention": angles}
    elif row.task == "caption":
        found |= {"annotations": truth["references"]}
    found |= {key: truth[key] for key in form.keys} | {key: truth[key] for key in form.more if key in truth}
    return found | {"prediction": _text(row, angles)}


def _named(row: Answered, form: Record) -> dict[str, Any]:
    name, more = row.id, {}
    if row.benchmark == "cv_bench" and (half := _HALF.fullmatch(name)):
        # Prepared sets tell the two halves apart in the id.
        name, more = half["idx"], {"type": half["type"]}
    return {form.id: int(name) if form.id in ("id", "idx") and _WHOLE.fullmatch(name) else name, **more}


def _true_boxes(row: Answered, truth: Mapping[str, Any], angles: EulerConvention, where: str) -> dict[str, Any]:
    convention = convention_of(truth["euler_convention"], where=where)
    plain = [truth["bbox_3d"]] if row.task == "ground" else [box["bbox_3d"] for box in truth["boxes"]]
    rows = _in(np.array(plain, dtype=np.float64).reshape(-1, 9), convention, angles).tolist()
    if row.task == "ground":
        identity = np.eye(4).tolist()
        return {"gt_bbox": rows[0], "axis_align_matrix": identity, "cam2global": truth["camera_to_world"]}
    labels = [box["label"] for box in truth["boxes"]]
    return {"boxes": [{"bbox_3d": one, "label": label} for one, label in zip(rows, labels, strict=True)]}


def _in(boxes: Floats, convention: EulerConvention, angles: EulerConvention) -> Floats:
    """Return boxes [N, 9] in another convention; numbers that need not change do not."""
    if convention == angles:
        return boxes
    return to_intrinsic(boxes, "zxy") if angles == "ZXY" else to_extrinsic(boxes)


def _text(row: Answered, angles: EulerConvention) -> str:
    if not row.boxes or row.convention == angles:
        return row.text
    boxes = as_boxes(np.array(written_boxes(row, angles)), [placed.box.label for placed in row.boxes])
    if row.task == "ground":
        return format_grounding(row.boxes[0].frame, boxes[0], decimals=None)
    return format_detection(boxes, decimals=None)
