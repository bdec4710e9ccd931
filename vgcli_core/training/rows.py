"""From examples to the rows of tokens that the model reads: one in each, packed, or several on one beginning."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vgcli_core.data.sample import IMAGE
from vgcli_core.model.pixels import PATCH, pixels_of
from vgcli_core.model.positions import multimodal_positions
from vgcli_core.model.processor import IGNORE, Processor
from vgcli_core.model.vgllm import Features, ModelInputs
from vgcli_core.training.examples import Example, MicroBatch, grids_of

_PICTURE = "<|image_pad|>"


def inputs_of(
    batch: MicroBatch,
    processor: Processor,
    device: torch.device,
    *,
    features: Callable[[Example], Features] | None,
    packing: bool = False,
    questions: int = 1,
) -> ModelInputs:
    """Return what the model reads of a micro-batch; an empty one is a `blank`, from which nothing is learnt.

    Args:
        batch: its examples are rows, padded on the right.
        processor: the one that made them.
        device: where frames become floats; text stays where it is, the model moves it.
        features: gives the encoders' output for an example with pictures, instead of its frames; asked once for a row
            of several questions.
        packing: put all examples into one row, in which they do not see each other (`ModelInputs.segments`).
        questions: examples that may share a row, in which their frames stand once (`ModelInputs.branches`).
    """
    examples: Sequence[Example] = batch.examples or [blank(processor)]
    shown = examples
    if questions > 1:
        rows = rows_of(examples, processor, questions=questions)
        inputs, shown = _branching(rows, processor), [row[0] for row in rows]
    else:
        inputs = (_packed if packing else _padded)(examples, processor)
    pictured = [one for one in shown if len(one.grid_thw)]
    if features is not None:
        return replace(inputs, features=[features(one) for one in pictured])
    pixels = [None if one.frames is None else pixels_of(one.frames.to(device)) for one in shown]
    seen = [one for one in pixels if one is not None]
    if len(seen) < len(pictured):
        raise ValueError("an example of the cache needs `features`")
    return replace(
        inputs,
        pixel_values=torch.cat([one.pixel_values for one in seen]) if seen else None,
        geometry_frames=[torch.empty(0, 3, 0, 0) if one is None else one.geometry_frames for one in pixels],
    )


def rows_of(examples: Sequence[Example], processor: Processor, *, questions: int) -> list[list[Example]]:
    """Return the examples of each row, in order: at most `questions` whose tokens are equal up to their last picture.

    Text alone has a row of its own, as has an example that learns something before its last picture.
    """
    rows: list[list[Example]] = []
    open_rows: dict[tuple[int, int, bytes], list[Example]] = {}
    for one in examples:
        end = shared_length(one, processor)
        beginning = (one.shown, one.shortened, one.encoded.input_ids[:end].numpy().tobytes())
        row = open_rows.get(beginning)
        if row is not None and len(row) < questions:
            row.append(one)
            continue
        rows.append([one])
        if end and one.shown >= 0 and not bool((one.encoded.labels[:end] != IGNORE).any()):
            open_rows[beginning] = rows[-1]
    return rows


class Placed(NamedTuple):
    """Where an example stands: its row, and how far its tokens from `start` on are moved to the right there."""

    example: Example
    row: int
    start: int
    moved: int


def placed(rows: Sequence[Sequence[Example]], processor: Processor) -> Iterator[Placed]:
    """Yield the place of each example of rows that share their beginnings, or have one example each."""
    for number, row in enumerate(rows):
        start = shared_length(row[0], processor)
        moved = 0
        for one in row:
            yield Placed(one, number, start, moved)
            moved += len(one.encoded.input_ids) - start


def shared_length(example: Example, processor: Processor) -> int:
    """Return how many tokens of an example stand in a row once: all up to its last picture's last one."""
    places = (example.encoded.input_ids == processor.ids[_PICTURE]).nonzero()
    return int(places[-1]) + 1 if len(places) else 0


def blank(processor: Processor) -> Example:
    """Return one small black frame without an answer: an empty turn that still runs every part."""
    frames = torch.zeros(1, 2 * PATCH, processor.frame_width, 3, dtype=torch.uint8)
    grid = grids_of(frames)
    return Example(-1, "", processor.conversation([{"from": "human", "value": IMAGE}], grid), frames, grid)


def _padded(examples: Sequence[Example], processor: Processor) -> ModelInputs:
    return processor.rows([one.encoded for one in examples], [one.grid_thw for one in examples])


def _packed(examples: Sequence[Example], processor: Processor) -> ModelInputs:
    """Put the examples one after the other into one row; each has positions of its own. The system turn is not learnt,
    so no example's first token is scored by the end of the one before it."""
    ids = torch.cat([one.encoded.input_ids for one in examples])[None]
    token = processor.ids[_PICTURE]
    positions = [multimodal_positions(one.encoded.input_ids.tolist(), one.grid_thw, token)[0] for one in examples]
    return ModelInputs(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        position_ids=torch.cat(positions, dim=1)[:, None],
        grid_thw=torch.cat([one.grid_thw for one in examples]),
        labels=torch.cat([one.encoded.labels for one in examples])[None],
        segments=torch.cat([torch.full_like(one.encoded.input_ids, at) for at, one in enumerate(examples)])[None],
    )


def _branching(rows: Sequence[Sequence[Example]], processor: Processor) -> ModelInputs:
    """Put what a row's examples begin with, then what each goes on with, at the positions that it has by itself.

    The mark after a picture comes first in a branch and is not learnt, so nothing is scored by another one's end.
    """
    made = [_branching_row(row, processor) for row in rows]
    ids, labels, positions, branches = (list(column) for column in zip(*made, strict=True))
    grids = torch.cat([row[0].grid_thw for row in rows])
    padded = pad_sequence(ids, batch_first=True, padding_value=processor.pad_id)
    return ModelInputs(
        input_ids=padded,
        attention_mask=pad_sequence([torch.ones_like(one) for one in ids], batch_first=True),
        position_ids=pad_sequence(positions, batch_first=True, padding_value=1).permute(2, 0, 1),
        grid_thw=grids if len(grids) else None,
        labels=pad_sequence(labels, batch_first=True, padding_value=IGNORE),
        branches=pad_sequence(branches, batch_first=True),
    )


def _branching_row(row: Sequence[Example], processor: Processor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return ids, labels [L], positions [L, 3] and branches [L]."""
    first, end = row[0], shared_length(row[0], processor)
    beginning = first.encoded.input_ids[:end]
    positions, following = multimodal_positions(beginning.tolist(), first.grid_thw, processor.ids[_PICTURE])
    rests = [len(one.encoded.input_ids) - end for one in row]
    return (
        torch.cat([beginning, *(one.encoded.input_ids[end:] for one in row)]),
        torch.cat([first.encoded.labels[:end], *(one.encoded.labels[end:] for one in row)]),
        torch.cat([positions.T, *(torch.arange(following, following + size)[:, None].expand(-1, 3) for size in rests)]),
        torch.repeat_interleave(torch.arange(len(row) + 1), torch.tensor([end, *rests])),
    )
