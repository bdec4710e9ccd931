"""Prompts, letter for letter as the published weights were trained and evaluated.

They are part of the data format: a changed word or newline is another input to the model. Two revisions exist. The
first belongs to weights and files from before 27 November 2025, the second to those since; only ground and detect
differ. No newline stands between the last frame and the text, because training removes the one after each image.

Source: the published annotation files (ground: ScanRefer, detect: EmbodiedScan, caption: Scan2Cap) and the VSI-Bench
prompts of the evaluation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Literal

from vgcli_core.geometry.boxes import Vec3

Task = Literal["ask", "ground", "detect", "caption"]
PromptRevision = Literal[1, 2]
ReferenceFrame = Literal["first", "last"]

# Room for the longest answer of the published evaluation; detection lists one line per object.
MAX_NEW_TOKENS: dict[Task, int] = {"ask": 16, "ground": 100, "detect": 2000, "caption": 100}

_OPENING = "These are frames of a video.\n"
_ASK_WORD = "\nPlease answer the question using a single word or phrase."
_ASK_LETTER = "\nAnswer with the option's letter from the given choices directly."

# The answers of both revisions say "bbox_3d"; the prompts of the first asked for "box_3d".
_BOX_KEY: Mapping[PromptRevision, str] = {1: "box_3d", 2: "bbox_3d"}
_ANGLE_NAMES: Mapping[PromptRevision, str] = {1: "yaw, pitch, roll", 2: "yaw, roll, pitch"}


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent beside the pixels: all `text` after the last frame, and whether "Frame-i: " precedes each frame."""

    task: Task
    text: str
    frame_names: bool


def ask_prompt(question: str, options: Sequence[str] = ()) -> Prompt:
    """Return the prompt for a question in words; with options the model answers by letter."""
    if not options:
        return Prompt("ask", f"{_OPENING}{question}{_ASK_WORD}", frame_names=False)
    listed = "\n".join(with_letters(options))
    return Prompt("ask", f"{_OPENING}{question}\nOptions:\n{listed}{_ASK_LETTER}", frame_names=False)


def ground_prompt(description: str, revision: PromptRevision) -> Prompt:
    """Return the prompt that asks for one described object's box, in the camera of a frame of the model's choice."""
    # capitalize() also lowers every other letter, as in the training data.
    text = (
        "Localize the first clear frame in the video showing the object described in the text.\n"
        f"Text: {description.capitalize()}\n"
        'Output a JSON dictionary with the frame index in "frame" and its 3D bounding box in '
        f'"{_BOX_KEY[revision]}" in the frame\'s coordinates.\n'
    )
    return Prompt("ground", text, frame_names=True)


def detect_prompt(revision: PromptRevision, *, reference_frame: ReferenceFrame = "first") -> Prompt:
    """Return the prompt that asks for the labelled boxes of all objects, in the camera of the first (or last) frame."""
    text = (
        f"Detect the 3D bounding boxes in the camera coordinate system of the {reference_frame} frame.\n"
        'Output a json list where each entry contains the object name in "label" and its 3D bounding box in '
        f'"{_BOX_KEY[revision]}".\n'
        "The 3D bounding box format should be [x_center, y_center, z_center, x_size, y_size, z_size, "
        f"{_ANGLE_NAMES[revision]}]."
    )
    return Prompt("detect", text, frame_names=False)


def caption_prompt(point: Vec3) -> Prompt:
    """Return the prompt that asks for a description of the object at `point`: metres, camera of the first frame."""
    place = [round(float(value), 2) for value in point]
    text = f"Carefully watch the video and describe the object located at {place} in detail."
    return Prompt("caption", text, frame_names=False)


def raw_prompt(text: str, task: Task = "ask") -> Prompt:
    """Return `text` untouched, with the frame layout of `task`."""
    return Prompt(task, text, frame_names=task == "ground")


def in_revision(text: str, revision: PromptRevision) -> str:
    """Return a prompt that asks for boxes, of either revision, in the words of `revision`; other text is unchanged."""
    other: PromptRevision = 1 if revision == 2 else 2
    key, angles = f'"{_BOX_KEY[other]}"', f"{_ANGLE_NAMES[other]}]."
    if key not in text:
        return text
    return text.replace(key, f'"{_BOX_KEY[revision]}"').replace(angles, f"{_ANGLE_NAMES[revision]}].")


def with_letters(options: Sequence[str]) -> tuple[str, ...]:
    """Return up to 26 options as "A. first", "B. second", ...; unchanged when they already carry their letters."""
    pairs = tuple(zip(ascii_uppercase, options, strict=False))
    if all(option.startswith((f"{letter}.", f"{letter})", f"({letter})")) for letter, option in pairs):
        return tuple(options)
    return tuple(f"{letter}. {option}" for letter, option in pairs)
