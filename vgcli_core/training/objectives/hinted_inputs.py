"""What the losses of `hinted` know beside a micro-batch's rows: weights of tokens, soft digits, objects, and places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr
from torch import Tensor

from vgcli_core.model.pixels import MERGE
from vgcli_core.model.vgllm import ModelInputs
from vgcli_core.training.objectives.hints import BOX, NumberWords
from vgcli_core.training.recipe import Losses
from vgcli_core.training.rows import Placed

# How much the whole part and each decimal of a number count: of the box's middle, and of its size and angles.
_MIDDLE, _REST = (2.5, 2.0, 0.5), (1.0, 1.0, 0.25)
_FORMAT = 0.15  # how much whatever stands between numbers counts


@dataclass(frozen=True)
class HintedInputs:
    """What the model reads, and what the losses know.

    Attributes:
        inputs: rows of tokens.
        weights: [B, L] how much each learnt token counts, at its own place.
        soft: [K, V] shares of all tokens at the K places of `soft_at`.
        soft_at: [K, 2] row and place of the token that they are for.
        cells: [T, N] share of an image token's cells that show an object.
        boxes: [N, 9] in the first camera of their row, as answers name them.
        labels: [N] number of the label among those of the recipe, -1 for others.
        pointing: [P, 3] row and place of a token that reads its object, and the object.
    """

    inputs: ModelInputs
    weights: Tensor
    soft: Tensor
    soft_at: Tensor
    cells: Tensor
    boxes: Tensor
    labels: Tensor
    pointing: Tensor

    def to(self, device: torch.device) -> "HintedInputs":
        """Return it on a device; the model moves its own inputs."""
        moved = {one.name: getattr(self, one.name).to(device) for one in fields(self) if one.name != "inputs"}
        return HintedInputs(self.inputs, **moved)


def hinted_inputs(
    inputs: ModelInputs, places: Sequence[Placed], losses: Losses, words: NumberWords, vocabulary: int
) -> HintedInputs:
    """Put the hints of examples beside the rows that they stand in.

    Args:
        inputs: rows of tokens.
        places: of the examples.
        losses: of the recipe.
        words: of the tokenizer.
        vocabulary: V, as wide as scores are.
    """
    hinted = [one for one in places if one.example.hint is not None]
    cells, boxes, labels, first = _objects(places, losses.labels)
    readings = [reading for one in hinted for reading in _readings(one)]
    weights = torch.ones(inputs.input_ids.shape)
    soft = torch.zeros(0, vocabulary)
    soft_at: list[tuple[int, int]] = []
    if losses.numbers and readings:
        spread = _Spread(words, losses.numbers, vocabulary)
        for one in hinted:
            if one.example.hint.numbers:  # type: ignore[union-attr]
                weights[one.row, one.start + one.moved : len(one.example.encoded.input_ids) + one.moved] = _FORMAT
        for reading in readings:
            counts = _MIDDLE if reading.part < 3 else _REST
            weights[reading.row, reading.place] = counts[min(reading.level, 2)]
        soft = torch.stack([spread.of(reading.value, reading.level, reading.whole_id) for reading in readings])
        soft_at = [(reading.row, reading.place) for reading in readings]
    pointing = [(one.row, one.place - 1, first[one.row] + one.thing) for one in readings if one.thing >= 0]
    return HintedInputs(
        inputs,
        weights,
        soft,
        torch.tensor(soft_at, dtype=torch.long).view(-1, 2),
        cells,
        boxes,
        labels,
        torch.tensor(pointing, dtype=torch.long).view(-1, 3),
    )


class _Reading(NamedTuple):
    """One token of a number: its row and place; which of the nine numbers it is part of, and that number's value; 0 for
    the whole part, then its decimals; the token of the whole part; the object among those of its hint, or -1."""

    row: int
    place: int
    part: int
    value: float
    level: int
    whole_id: int
    thing: int


def _readings(one: Placed) -> Iterator[_Reading]:
    """Yield the tokens of the numbers that an example with a hint answers with."""
    example = one.example
    if example.hint is None:
        return
    for at, number in enumerate(example.hint.numbers):
        whole_id = int(example.encoded.input_ids[number.place])
        for level in range(number.decimals + 1):
            yield _Reading(
                one.row,
                number.place + one.moved + level,
                at % BOX,
                number.value,
                level,
                whole_id,
                example.hint.asked[at // BOX],
            )


def _objects(places: Sequence[Placed], names: Sequence[str]) -> tuple[Tensor, Tensor, Tensor, dict[int, int]]:
    """Return `cells`, `boxes` and `labels` of HintedInputs, and the position of each row's first object."""
    numbers = {label: number for number, label in enumerate(names)}
    first: dict[int, int] = {}
    cells: list[Tensor] = []
    boxes = [torch.zeros(0, BOX)]
    labels: list[int] = []
    for one in places:
        if one.row in first:
            continue  # the examples of a row show the same frames
        first[one.row] = len(labels)
        hint = one.example.hint
        if hint is None:
            tokens = int(one.example.grid_thw.prod(dim=1).sum()) // MERGE**2
            cells.append(torch.zeros(tokens, 0))
            continue
        cells.append(torch.from_numpy(hint.cells))
        boxes.append(torch.from_numpy(hint.boxes.astype(np.float32)))
        labels += [numbers.get(label, -1) for label in hint.labels]
    return _diagonal(cells), torch.cat(boxes), torch.tensor(labels, dtype=torch.long), first


class _Spread:
    """Shares of tokens around the right one: how likely a value off by a normal error would be written so."""

    def __init__(self, words: NumberWords, deviation: float, vocabulary: int) -> None:
        self._words, self._deviation, self._vocabulary = words, deviation, vocabulary
        self._kinds: dict[str, list[tuple[int, float, float]]] = {}
        for id_, (before, sign, whole) in words.whole.items():
            low, high = (whole, whole + 1) if sign > 0 else (-whole - 1, -whole)
            self._kinds.setdefault(before, []).append((id_, low, high))

    def of(self, value: float, level: int, whole_id: int) -> Tensor:
        """Return shares [V] of the whole part (level 0), of the tenth (1), the hundredth (2) ... of a number."""
        before = self._words.whole[whole_id][0]
        if level == 0:
            ids, low, high = (np.array(column) for column in zip(*self._kinds[before], strict=True))
            found = self._mass(value, low, high)
        else:
            size, step = abs(value), 10.0**-level
            # Half of the last decimal keeps 1.4 from being read as 1.3999.
            known = np.floor((size + step / 2e3) / (10 * step)) * 10 * step
            low = known + np.arange(10) * step
            ids, found = np.array(self._words.digits), self._mass(size + step / 2e3, low, low + step)
        shares = torch.zeros(self._vocabulary)
        shares[torch.from_numpy(ids)] = torch.from_numpy((found / found.sum()).astype(np.float32))
        return shares

    def _mass(self, value: float, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
        mass: NDArray[np.float64] = ndtr((high - value) / self._deviation) - ndtr((low - value) / self._deviation)
        return mass


def _diagonal(cells: Sequence[Tensor]) -> Tensor:
    """Return [T, N]: tokens of a row show objects of that row alone."""
    found: Tensor = torch.block_diag(*cells) if cells else torch.zeros(0, 0)  # type: ignore[no-untyped-call]
    return found
