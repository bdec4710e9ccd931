"""One answer as a card: frames with the answered boxes in green and the true ones in blue, question, answer, truth."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vgcli_core.data.frame_store import FRAMES
from vgcli_core.data.sample import FramedBox, Sample
from vgcli_core.data.show_card import asked, counted, meaning, measured
from vgcli_core.data.show_marks import POINT, Marks, marks_of
from vgcli_core.data.show_views import views_of
from vgcli_core.drawing.boxes import PREDICTION, TRUTH
from vgcli_core.drawing.cards import Card, Key, Paragraph, Tag
from vgcli_core.evaluation.benchmark import AnyBenchmark, Item
from vgcli_core.evaluation.metrics.matching import THRESHOLD
from vgcli_core.evaluation.report import SampleScore
from vgcli_core.evaluation.results import Result
from vgcli_core.geometry.boxes import as_array, as_boxes, to_intrinsic
from vgcli_core.geometry.overlap import iou
from vgcli_core.text.answers import read_detection, read_grounding

PREDICTED, TRUE = "the model's box", "the true box"

WITH_BOXES = ("ground", "detect")


def answer_card(result: Result, score: SampleScore, width: int) -> Card:
    """Return the card of an answer.

    Args:
        result: the benchmark.
        score: of the answer.
        width: of all pictures together, in pixels.
    """
    sample, item = result.samples[score.id], result.items[score.id]
    known, answered = marks_of(sample), answered_boxes(sample, item)
    # What could not be read in time is not read again, and what is no file is not opened: this page would wait for it.
    if score.failed or _would_wait(result, sample):
        return Card(
            sample.id,
            tuple(_tags(sample, score)),
            (),
            leads=False,
            keys=(),
            paragraphs=(*asked(sample), *_answer(result.benchmark, sample, item)),
            remarks=("its frames are not shown, since they cannot be read",),
        )
    with np.errstate(all="ignore"):  # a model may write any number; what is not finite is not drawn
        views = views_of(result.prepared, sample, _marks(sample, known, answered), width)
    remarks = [*known.remarks, *views.remarks]
    if sample.task in WITH_BOXES and item.text and item.euler_convention is None:
        remarks.append("boxes of the answer not drawn: it does not declare the Euler convention of its angles")
    return Card(
        sample.id,
        tuple(_tags(sample, score)),
        views.pictures,
        views.leads,
        tuple(_keys(sample, known, answered)),
        (*asked(sample), *_answer(result.benchmark, sample, item)),
        tuple(remarks),
    )


def _would_wait(result: Result, sample: Sample) -> bool:
    """Tell whether a frame is there and no file: a pipe, from which reading may never end."""
    frames = result.prepared.root / FRAMES
    paths = [frames / name for name in ((sample.pack,) if sample.pack else sample.frames)]
    return any(path.exists() and not path.is_file() for path in paths)


def legend(tasks: Collection[str]) -> tuple[Key, ...]:
    """Return what colours mean on cards of samples of these tasks."""
    found: tuple[Key, ...] = ()
    if not set(tasks).isdisjoint(WITH_BOXES):
        found = (Key(PREDICTION, "boxes of the model; they cover true ones that coincide"), Key(TRUTH, "true boxes"))
    return (*found, Key(POINT, "the point that the question names")) if "caption" in tasks else found


def answered_boxes(sample: Sample, item: Item[Any]) -> tuple[FramedBox, ...]:
    """Return the boxes of an answer with intrinsic angles, each in the camera of its frame.

    They are read as tolerantly as can be, so that one that the rules refuse is seen as well. None where the answer does
    not declare the convention of its angles.
    """
    if item.euler_convention is None or sample.task not in WITH_BOXES:
        return ()
    grounding = sample.task == "ground"
    reading = read_grounding(item.text, len(sample.frames)) if grounding else read_detection(item.text)
    rows = to_intrinsic(as_array(reading.boxes), item.euler_convention)
    labels = ["predicted" if grounding else box.label for box in reading.boxes]
    return tuple(FramedBox(box, reading.frame or 0) for box in as_boxes(rows, labels))


def _marks(sample: Sample, known: Marks, answered: Sequence[FramedBox]) -> Marks:
    """Return answered boxes over the true ones; the frame whose camera the answer speaks of comes first."""
    labels = _labels(sample, known.boxes, answered)
    true = [replace(one, box=replace(one.box, label=label)) for one, label in zip(known.boxes, labels, strict=True)]
    return replace(
        known,
        boxes=(*true, *answered),
        colors=(*(TRUTH for _ in true), *(PREDICTION for _ in answered)),
        anchors=(answered[0].frame,) if answered else known.anchors[:1],
    )


def _labels(sample: Sample, true: Sequence[FramedBox], answered: Sequence[FramedBox]) -> list[str]:
    """Return labels of true boxes: none where an answered box covers one and shows the same label."""
    if sample.task != "detect":
        return ["truth"] * len(true)
    overlaps = iou(as_array([one.box for one in true]), as_array([one.box for one in answered]))
    return [
        ""
        if any(
            shared > THRESHOLD and other.box.label == one.box.label for shared, other in zip(row, answered, strict=True)
        )
        else one.box.label
        for one, row in zip(true, overlaps.tolist(), strict=True)
    ]


def _tags(sample: Sample, score: SampleScore) -> Iterator[Tag]:
    yield Tag(f"score {score.value:.2f}", "good" if score.value >= 0.5 else "bad")
    if score.failed:
        yield Tag(f"not asked: {score.failed}", "bad")
    elif score.unparsed:
        yield Tag(f"not read: {score.unparsed}", "bad")
    if sample.question_type:
        yield Tag(sample.question_type)
    yield Tag(f"scene {sample.scene}")
    yield Tag(f"{len(sample.frames)} frame{'s' * (len(sample.frames) != 1)}")
    if sample.target_visible is False:
        yield Tag("target in no frame", "bad")


def _keys(sample: Sample, known: Marks, answered: Sequence[FramedBox]) -> Iterator[Key]:
    if known.point is not None:
        yield Key(POINT, f"the point asked about, in frame {known.point_frame}")
    for color, who, boxes in ((PREDICTION, PREDICTED, answered), (TRUTH, TRUE, known.boxes)):
        if sample.task == "ground":
            yield from (Key(color, measured(who, one.box.size, one.frame)) for one in boxes)
        elif sample.task == "detect":
            counts = Counter(one.box.label for one in boxes)
            words = ", ".join(counted(label, count) for label, count in counts.most_common()) or "none"
            yield Key(color, f"{who}es: {words}")


def _answer(benchmark: AnyBenchmark, sample: Sample, item: Item[Any]) -> Iterator[Paragraph]:
    said = item.text + meaning(item.text.strip(" ()."), sample.options)
    yield Paragraph("Answer of the model", said if item.text.strip() else "(no text)")
    if sample.task not in WITH_BOXES:  # their truth is drawn, and named with its colour
        true = benchmark.perfect(item.truth)
        yield Paragraph("Truth", true + meaning(true.strip(" ()."), sample.options))
