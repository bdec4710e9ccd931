"""Records of the annotation files that the VG-LLM authors publish, of both generations, as samples.

What a record is follows from its keys. The generation follows from the wording of its prompt, for nothing else in the
files says it: before 27 November 2025 prompts ask for "box_3d" and angles are extrinsic z-x-y. Boxes and truths of a
sample are always intrinsic Z-X-Y. With `rewrite`, texts of the first generation are brought to the second: the prompt's
key and names of angles, and the numbers of the answer; texts and boxes then agree, and old files can be mixed with new.

Source: formats of ScanRefer (4.5, 4.6), Scan2Cap, EmbodiedScan (4, 5), SQA3D, SPAR-7M (4), LLaVA-Hound and VLM-3R.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from vgcli_core.data.llava_hound import rows as llava_hound
from vgcli_core.data.raw.hub_media import is_plain
from vgcli_core.data.raw.rows import BadRow, optional_text, text, texts
from vgcli_core.data.sample import IMAGE, Cameras, FramedBox, Sample, Turn
from vgcli_core.data.spar.rows import parse_row, to_sample
from vgcli_core.geometry.boxes import EulerConvention, Floats, OrientedBox, as_boxes, to_intrinsic
from vgcli_core.geometry.camera import aligned
from vgcli_core.geometry.conventions import convention_of
from vgcli_core.text.answer_format import format_detection, format_grounding

Layout = Literal["scanrefer", "scan2cap", "scannet_det", "sqa3d", "spar", "llava_hound", "questions"]

# Keys that only records of one layout have, in the order they are looked for.
_KEYS: tuple[tuple[Layout, tuple[str, ...]], ...] = (
    ("scanrefer", ("target", "gt_bbox")),
    ("scan2cap", ("input_box", "iou")),
    ("scannet_det", ("boxes",)),
    ("sqa3d", ("situation", "answer")),
    ("spar", ("spar_info",)),
    ("llava_hound", ("video",)),
    ("questions", ("images",)),
)
# The paper spells the middle one with three l.
_OLD_ANGLES = re.compile(r"yaw, pitch, rol+\b")
_KINDS = ("unique", "multiple")


@dataclass(frozen=True, slots=True)
class Reading:
    """How records are read.

    Attributes:
        path: of the file, for messages.
        dataset: name that the samples carry.
        split: name that the samples carry; all but "train" have truths.
        declared: convention of the angles, where the user says it; None goes by the wording.
        rewrite: bring texts of the first generation to the second.
        cameras: keep the cameras of records that have them.
    """

    path: Path
    dataset: str
    split: str
    declared: EulerConvention | None = None
    rewrite: bool = True
    cameras: bool = True


def layout_of(record: object) -> Layout:
    """Return what a record is. Raises BadRow where it is none of the published ones."""
    if not isinstance(record, Mapping):
        raise BadRow("no record but another JSON value")
    for layout, keys in _KEYS:
        if "conversations" in record and all(key in record for key in keys):
            return layout
    raise BadRow("record of no published layout")


def scene_of(record: Mapping[str, Any]) -> str:
    """Return the scene or video that a record's frames are of, "" where it names none."""
    named = record.get("scene_name")
    if isinstance(named, str) and named:
        return named
    images = record.get("images")
    path = images[0] if isinstance(images, list) and images else record.get("video")
    if not isinstance(path, str):
        return ""
    parts = PurePosixPath(path).parts
    if parts[:1] == ("spar",) and len(parts) > 3:
        return parts[3]
    return parts[-1] if "video" in record else PurePosixPath(path).parent.name


def convention(record: Mapping[str, Any], reading: Reading) -> EulerConvention | None:
    """Return the convention of a record's angles; None where it has none.

    Raises:
        BadRow: the record is none of the published ones.
        ConventionError: nobody says it.
    """
    if layout_of(record) not in ("scanrefer", "scannet_det"):
        return None
    how = "--set convention=ZXY or --set convention=zxy"
    return convention_of(reading.declared, prompt=_turns(record)[0].text, where=str(reading.path), how=how)


def published_sample(record: Any, order: int, reading: Reading, frames: Sequence[str] | None = None) -> Sample:
    """Return the sample of a record.

    Args:
        record: the JSON value.
        order: its place in the file, which names the sample: ids of the files repeat.
        reading: see there.
        frames: of a video (LLaVA-Hound), chosen by the caller; other records name their own.

    Raises:
        BadRow: the record cannot be used.
        ConventionError: it has angles, and nobody says in which convention.
    """
    layout = layout_of(record)
    if layout == "spar":
        row = parse_row(record, "")
        if isinstance(row, str):
            raise BadRow(row)
        sample = to_sample(row, str(order))
        return _named(replace(sample, split=reading.split), order, layout, reading)
    names = tuple(frames) if frames is not None else texts(record, "images")
    turns = _video_turns(record, len(names)) if layout == "llava_hound" else _turns(record)
    if not names or not all(is_plain(name) for name in names):
        raise BadRow("no usable names of pictures")
    if turns[0].text.count(IMAGE) != len(names):
        raise BadRow("pictures and <image> tags differ")
    sample = Sample(
        id="",
        dataset="",
        split=reading.split,
        scene=scene_of(record),
        task="ask",
        frames=names,
        conversations=turns,
        question_type=_question_type(record),
        tag="2d" if layout == "llava_hound" else "3d",
    )
    try:
        sample = _with_task(sample, record, layout, reading)
        # A truth to ground against is in the aligned scan: without cameras no answer reaches it.
        if reading.cameras or (layout == "scanrefer" and sample.truth is not None):
            sample = replace(sample, cameras=_cameras(record, len(names)))
    except (KeyError, TypeError, ValueError) as error:
        raise BadRow("a value of the wrong form") from error
    return _named(sample, order, layout, reading)


def boxes_as_written(record: Mapping[str, Any]) -> Floats:
    """Return the detection boxes [N, 9] of a record with angles as they stand; N is 0 for other records.

    Raises:
        BadRow: a box is no nine finite numbers.
    """
    boxes = record.get("boxes", [])
    if not isinstance(boxes, list) or not all(isinstance(box, dict) for box in boxes):
        raise BadRow("boxes are no list of objects")
    return np.array([_nine(box.get("bbox_3d")) for box in boxes], dtype=np.float64).reshape(-1, 9)


def _with_task(sample: Sample, record: Mapping[str, Any], layout: Layout, reading: Reading) -> Sample:
    if layout == "scanrefer":
        return _grounded(sample, record, reading)
    if layout == "scannet_det":
        return _detected(sample, record, reading)
    if layout == "scan2cap":
        references = list(texts(record, "annotations"))
        truth = {"references": references, "iou": float(record["iou"]), "scene": sample.scene}
        info = {key: record[key] for key in ("input_box", "gt_box", "iou") if key in record}
        return replace(sample, task="caption", truth=truth if _evaluated(reading) and references else None, info=info)
    if layout == "sqa3d":
        truth = {"answer": text(record, "answer"), "question_type": sample.question_type, "scene": sample.scene}
        info = {key: record[key] for key in ("qid", "situation", "question", "answer") if key in record}
        return replace(sample, truth=truth if _evaluated(reading) else None, info=info)
    return sample


def _grounded(sample: Sample, record: Mapping[str, Any], reading: Reading) -> Sample:
    own = convention(record, reading) or "ZXY"
    target, turns = record["target"], sample.conversations
    boxes: tuple[FramedBox, ...] = ()
    if target is not None:
        frame = target["frame"]
        if isinstance(frame, bool) or not isinstance(frame, int) or not 0 <= frame < len(sample.frames):
            raise BadRow("target in no frame of the record")
        (box,) = _intrinsic([target["bbox_3d"]], [""], own)
        boxes = (FramedBox(box, frame),)
        if reading.rewrite and own == "zxy":
            turns = _answered(turns, format_grounding(frame, box))
    truth = None
    if _evaluated(reading):
        (true,) = _intrinsic([record["gt_bbox"]], [""], own)
        kind = {"kind": sample.question_type} if sample.question_type in _KINDS else {}
        truth = {"bbox_3d": _numbers(true), "euler_convention": "ZXY", "scene": sample.scene, **kind}
    return replace(
        sample,
        task="ground",
        conversations=_rewritten(turns, reading),
        boxes=boxes,
        truth=truth,
        # The frame of the answer is chosen among those that show the object.
        target_visible=True if boxes else None,
        info={"gt_bbox": record["gt_bbox"]},
    )


def _detected(sample: Sample, record: Mapping[str, Any], reading: Reading) -> Sample:
    own = convention(record, reading) or "ZXY"
    rows = boxes_as_written(record)
    labels = [text(box, "label") for box in record["boxes"]]
    boxes = as_boxes(to_intrinsic(rows, own), labels)
    turns = sample.conversations
    frame = len(sample.frames) - 1 if "of the last frame" in turns[0].text else 0
    if reading.rewrite and own == "zxy":
        turns = _answered(turns, format_detection(boxes))
    truth = {
        "boxes": [{"label": box.label, "bbox_3d": _numbers(box)} for box in boxes],
        "euler_convention": "ZXY",
        "scene": sample.scene,
    }
    return replace(
        sample,
        task="detect",
        conversations=_rewritten(turns, reading),
        boxes=tuple(FramedBox(box, frame) for box in boxes),
        truth=truth if _evaluated(reading) else None,
        info={"reference_frame": "last" if frame else "first"},
    )


def _rewritten(turns: tuple[Turn, ...], reading: Reading) -> tuple[Turn, ...]:
    """Bring the wording of a prompt to the second generation."""
    if not reading.rewrite:
        return turns
    asked = _OLD_ANGLES.sub("yaw, roll, pitch", turns[0].text.replace('"box_3d"', '"bbox_3d"'))
    return (Turn("human", asked), *turns[1:])


def _answered(turns: tuple[Turn, ...], answer: str) -> tuple[Turn, ...]:
    """Replace the answer where there is one; that of an evaluation record may be empty."""
    return tuple(Turn("gpt", answer) if turn.speaker == "gpt" and turn.text else turn for turn in turns)


def _named(sample: Sample, order: int, layout: Layout, reading: Reading) -> Sample:
    info = {"layout": layout, "order": order, **sample.info}
    return replace(sample, id=f"{order:07}", dataset=reading.dataset, info=info)


def _evaluated(reading: Reading) -> bool:
    return reading.split != "train"


def _question_type(record: Mapping[str, Any]) -> str:
    metadata = record.get("metadata")
    return optional_text(metadata if isinstance(metadata, Mapping) else record, "question_type")


def _turns(record: Mapping[str, Any]) -> tuple[Turn, ...]:
    talk = record["conversations"]
    if not isinstance(talk, list) or not all(isinstance(turn, Mapping) for turn in talk):
        raise BadRow("conversations are no list of turns")
    turns = []
    for turn in talk:
        speaker, said = turn.get("from"), turn.get("value")
        if speaker not in ("human", "gpt") or not isinstance(said, str):
            raise BadRow("a turn without a speaker or a text")
        turns.append(Turn("human" if speaker == "human" else "gpt", said))
    if not turns or turns[0].speaker != "human":
        raise BadRow("the first turn is not human")
    return tuple(turns)


def _video_turns(record: Mapping[str, Any], num_frames: int) -> tuple[Turn, ...]:
    found = llava_hound.parse_row(record)
    if found is None:
        raise BadRow(llava_hound.BAD_FORM)
    return llava_hound.with_frames(found.turns, num_frames)


def _cameras(record: Mapping[str, Any], count: int) -> Cameras | None:
    if not record.get("cam2global"):
        return None
    alignment = np.array(record["axis_align_matrix"], dtype=np.float64).reshape(4, 4)
    poses = np.array(record["cam2global"], dtype=np.float64).reshape(count, 4, 4)
    intrinsics = np.array(record["cam2img"], dtype=np.float64)
    return Cameras(intrinsics[:3, :3].reshape(3, 3), aligned(poses, alignment), alignment)


def _intrinsic(rows: Sequence[Any], labels: Sequence[str], own: EulerConvention) -> tuple[OrientedBox, ...]:
    return as_boxes(to_intrinsic(np.array([_nine(row) for row in rows]), own), labels)


def _nine(value: Any) -> list[float]:
    if not isinstance(value, list) or len(value) != 9:
        raise BadRow("a box of other than nine numbers")
    if not all(isinstance(one, int | float) and not isinstance(one, bool) and np.isfinite(one) for one in value):
        raise BadRow("a box with something else than finite numbers")
    return [float(one) for one in value]


def _numbers(box: OrientedBox) -> list[float]:
    return [*box.center, *box.size, *box.angles]
