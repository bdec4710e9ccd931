"""From a model's text to an answer: boxes in our angle convention, a choice, a number; and what could not be used."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vgcli_core.geometry.boxes import EulerConvention, OrientedBox, as_array, to_intrinsic
from vgcli_core.predict.result import Answer, FoundBox, Status
from vgcli_core.text.answers import read_choice, read_detection, read_grounding, read_number
from vgcli_core.text.prompts import with_letters
from vgcli_core.text.questions import Plan


@dataclass(frozen=True, slots=True)
class Generated:
    """The text of one answer and how it ended."""

    text: str
    new_tokens: int
    complete: bool
    max_new_tokens: int


def read_answer(
    plan: Plan,
    generated: Generated,
    *,
    frames: Sequence[int],
    times: Sequence[float | None],
    convention: EulerConvention | None,
) -> Answer:
    """Read the text of one answer.

    Args:
        plan: the question as it was put.
        generated: what came back.
        frames: positions in the result of the frames that were sent, in order.
        times: their times in seconds.
        convention: how the model writes angles; must be known for boxes.
    """
    answer = Answer(
        id=plan.question.id,
        question=plan.question.text,
        task=plan.task,
        reason=plan.reason,
        prompt=plan.prompt.text,
        frame_names=plan.prompt.frame_names,
        text=generated.text,
        status="ok" if generated.text.strip() else "none",
        boxes=(),
        unusable=(),
        new_tokens=generated.new_tokens,
        complete=generated.complete,
        max_new_tokens=generated.max_new_tokens,
        frames=tuple(frames),
    )
    if plan.task == "ask":
        return _in_words(answer, plan)
    if plan.task == "caption" or convention is None:
        return answer
    grounding = plan.task == "ground"
    reading = read_grounding(generated.text, len(frames)) if grounding else read_detection(generated.text)
    place = reading.frame if grounding and reading.frame is not None else 0
    label = _label(plan) if grounding else ""
    boxes = tuple(
        FoundBox(replace(box, label=box.label or label), frames[place], times[place])
        for box in _converted(reading.boxes, convention)
    )
    status: Status = reading.status
    unusable = tuple(_explained(reason, len(frames)) for reason in reading.dropped)
    return replace(answer, status=status, boxes=boxes, unusable=unusable, remarks=reading.notes)


def _in_words(answer: Answer, plan: Plan) -> Answer:
    if not plan.question.options:
        return replace(answer, number=read_number(answer.text))
    letters = [option[0] for option in with_letters(plan.question.options)]
    choice = read_choice(answer.text, letters)
    status: Status = "ok" if choice else "none"
    remarks = () if choice else (f"no letter of {', '.join(letters)} in the answer",)
    return replace(answer, choice=choice, status=status, remarks=remarks)


def _converted(boxes: Sequence[OrientedBox], convention: EulerConvention) -> list[OrientedBox]:
    rows = to_intrinsic(as_array(boxes), convention).tolist()
    return [
        OrientedBox((r[0], r[1], r[2]), (r[3], r[4], r[5]), (r[6], r[7], r[8]), box.label)
        for r, box in zip(rows, boxes, strict=True)
    ]


def _label(plan: Plan) -> str:
    """A grounding answer names no object; the description that was sent does."""
    lines = plan.prompt.text.splitlines()
    texts = [line.removeprefix("Text: ") for line in lines if line.startswith("Text: ")]
    return texts[0].removesuffix(".") if texts else plan.question.text


def _explained(reason: str, num_frames: int) -> str:
    """Spell out the reasons that are single words in the parser."""
    return {
        "frame out of range": f"a box names a frame out of range: {num_frames} were sent, counted from 0",
        "length": "a box does not have exactly nine numbers",
    }.get(reason, reason)
