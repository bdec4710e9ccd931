"""Hints for a small model that learns to ground: which image tokens show which object, and what its box is.

Worked out for each sample from the truth of its scene, beside its tokens. They are used by losses of `hinted` and by
nothing else: a model that was trained with them answers like any other.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcli_core.data.sample import Sample
from vgcli_core.data.scene_truth import CELL, NOBODY, SceneTruth
from vgcli_core.errors import DataError
from vgcli_core.geometry.boxes import Floats, as_array, least_rotated, transform
from vgcli_core.media.sampling import uniform
from vgcli_core.model.pixels import MERGE, PATCH
from vgcli_core.training.examples import Example
from vgcli_core.training.objectives.scenes import TOKEN_SIDE, truth_of

BOX = 9  # numbers of a box
_SAME = 0.05  # metres between the middle of a box in an answer, which is rounded, and of the object
_WHOLE = re.compile(r"(?P<before>.*?)(?P<minus>-?)(?P<digits>\d+)\.", re.DOTALL)


@dataclass(frozen=True)
class NumberWords:
    """The tokens that numbers of boxes are made of: a whole part with its point, then single digits.

    Attributes:
        whole: id -> (what stands before the number in the same token, -1 or 1, the whole number).
        digits: ids of 0 to 9, in order.
    """

    whole: Mapping[int, tuple[str, int, int]]
    digits: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: Any) -> "NumberWords":
        """Read a tokenizer's vocabulary; it has no whole parts where numbers are cut otherwise."""
        words = {id_: tokenizer.decode([id_]) for id_ in range(len(tokenizer))}
        whole = {}
        for id_, word in words.items():
            if found := _WHOLE.fullmatch(word):
                whole[id_] = (found["before"], -1 if found["minus"] else 1, int(found["digits"]))
        by_word = {word: id_ for id_, word in words.items()}
        return cls(whole, tuple(by_word[str(digit)] for digit in range(10)))


@dataclass(frozen=True, slots=True)
class Number:
    """One number in the tokens of an answer: the place of its whole part, its decimals, and its value."""

    place: int
    decimals: int
    value: float


@dataclass(frozen=True)
class Hint:
    """What is known beside a sample's tokens. N objects; T merged image tokens of all frames.

    Attributes:
        cells: [T, N] share of a token's cells that show an object.
        boxes: [N, 9] of the objects in the first frame's camera, as answers name them; metres, radians.
        labels: of the objects.
        numbers: of the boxes in the answer, in order, nine for each.
        asked: the object of each box in the answer, or -1.
    """

    cells: NDArray[np.float32]
    boxes: Floats
    labels: tuple[str, ...]
    numbers: tuple[Number, ...] = ()
    asked: tuple[int, ...] = ()


class Hints:
    """Gives examples their hints; every scene needs its truth in the set. May be copied to other processes."""

    def __init__(self, words: NumberWords) -> None:
        self._words = words
        self._last: tuple[object, Hint] | None = None

    def __call__(self, sample: Sample, root: Path, example: Example) -> Hint:
        """Return the hint of a sample with frames. Raises DataError."""
        room = self._room(sample, root, example)
        ids, labels = example.encoded.input_ids.tolist(), example.encoded.labels.tolist()
        numbers = numbers_in(ids, labels, self._words)
        boxes = as_array([framed.box for framed in sample.boxes])
        if not len(boxes) or len(numbers) != BOX * len(boxes):
            return room
        return replace(room, numbers=numbers, asked=_objects_of(boxes, room.boxes))

    def _room(self, sample: Sample, root: Path, example: Example) -> Hint:
        """Return what holds for all samples with these frames; they follow each other."""
        key = (root, sample.pack, sample.frames, example.shortened)
        if self._last is None or self._last[0] != key:
            # A sample that was too long shows the frames that shortening kept.
            shown = uniform(len(sample.frames), len(sample.frames) - example.shortened)
            truth = truth_of(sample, root).at(shown)
            _, rows, columns = example.grid_thw[0].tolist()
            # A rest at the lower and right edge makes no image token.
            rest = np.subtract(truth.owner.shape[1:], (rows * PATCH // CELL, columns * PATCH // CELL))
            if rest.min() < 0 or rest.max() >= TOKEN_SIDE:
                raise DataError(
                    f"the truth of its scene is of pictures {truth.owner.shape[2] * CELL} pixels wide, and the model "
                    f"sees them {columns * PATCH} wide",
                    where=sample.frames[0],
                    fix="set start.frame_width to the width of the set's pictures",
                )
            self._last = (key, hint_of(truth, rows, columns))
        return self._last[1]


def numbers_in(ids: Sequence[int], labels: Sequence[int], words: NumberWords) -> tuple[Number, ...]:
    """Return the numbers with a point among the learnt tokens of a sample, in order."""
    digits = {id_: digit for digit, id_ in enumerate(words.digits)}
    found = []
    for place, id_ in enumerate(ids):
        if labels[place] != id_ or id_ not in words.whole:
            continue
        _, sign, whole = words.whole[id_]
        value, decimals = float(whole), 0
        for following in ids[place + 1 :]:
            if following not in digits:
                break
            decimals += 1
            value += digits[following] * 10.0**-decimals
        found.append(Number(place, decimals, sign * value))
    return tuple(found)


def hint_of(truth: SceneTruth, rows: int, columns: int) -> Hint:
    """Return what frames with rows x columns patches show, cell by cell, and the boxes of the objects."""
    owner = truth.owner[:, : rows * PATCH // CELL, : columns * PATCH // CELL].astype(np.int64)
    frames = len(owner)
    blocks = owner.reshape(frames, rows // MERGE, TOKEN_SIDE, columns // MERGE, TOKEN_SIDE).swapaxes(2, 3)
    blocks = blocks.reshape(-1, TOKEN_SIDE**2)
    cells = (blocks[:, :, None] == np.arange(len(truth.labels))).mean(1)
    boxes = transform(truth.boxes, np.linalg.inv(truth.camera_to_world[0]))
    return Hint(cells.astype(np.float32), least_rotated(boxes), truth.labels)


def _objects_of(boxes: Floats, objects: Floats) -> tuple[int, ...]:
    """Return the object at the middle of each box, or -1."""
    apart = np.linalg.norm(boxes[:, None, :3] - objects[None, :, :3], axis=-1)
    return tuple(int(row.argmin()) if row.min() < _SAME else NOBODY for row in apart)
