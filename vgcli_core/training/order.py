"""In which order samples are trained on: a function of lengths, tags, the recipe's batch, the seed and the epoch alone.

A row is one sample; with `batch.questions` it is up to as many samples whose prompts begin alike, their frames
included, drawn anew in each epoch. Within each tag rows are shuffled, cut into pieces of fifty steps, sorted by length
inside a piece, and cut into steps; then the steps are shuffled. Nothing is dropped: the last step of a tag may be
smaller, and so may the last row of each beginning. (The reference drops the last group of each tag in every epoch.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from vgcli_core.data.draws import numpy_generator
from vgcli_core.data.mixture import TAGS, Mixture, length_together
from vgcli_core.training.recipe import Batch, Recipe

_STEPS_OF_A_PIECE = 50


@dataclass(frozen=True, slots=True)
class Step:
    """One update: micro-batches of positions in the mixture, in order."""

    micro_batches: tuple[tuple[int, ...], ...]


def steps_of_epoch(
    lengths: NDArray[np.int32],
    tags: NDArray[np.int8],
    batch: Batch,
    *,
    max_length: int,
    seed: int,
    epoch: int,
    beginnings: NDArray[np.int32] | None = None,
) -> list[Step]:
    """Return the steps of one epoch; every sample is in exactly one.

    The step with the longest row comes first, so that too little memory shows at once.

    Args:
        lengths: [N] estimated tokens of the samples.
        tags: [N] numbers; with `batch.by_tag` a step holds samples of one tag.
        batch: sizes and grouping.
        beginnings: [N] numbers, equal for samples that may share a row, below 0 for those that may not; needed with
            `batch.questions` above 1.
        max_length: estimated tokens of one micro-batch with `batch.packing`; a longer sample is alone.
        seed, epoch: what is drawn depends on both.
    """
    order = starts = np.arange(len(tags))
    if batch.questions > 1:
        if beginnings is None:
            raise ValueError("rows of several questions need beginnings")
        drawn = numpy_generator(seed, "questions", epoch).permutation(len(tags))
        order, starts = _rows(drawn, beginnings, tags, batch.questions)
        tags, lengths = tags[order[starts]], length_together(lengths[order], starts)
    rows = [tuple(row.tolist()) for row in np.split(order, starts[1:])]
    kinds = np.unique(tags).tolist() if batch.by_tag else [None]
    steps: list[NDArray[np.int64]] = []
    for kind in kinds:
        members = np.arange(len(tags)) if kind is None else np.flatnonzero(tags == kind)
        shuffled = numpy_generator(seed, "samples", epoch, kind).permutation(members)
        if batch.by_length:
            piece = _STEPS_OF_A_PIECE * batch.size
            shuffled = _sorted_by_length(shuffled, lengths, piece)
        steps += [shuffled[start : start + batch.size] for start in range(0, len(shuffled), batch.size)]
    if not steps:
        return []
    turns = numpy_generator(seed, "steps", epoch).permutation(len(steps)).tolist()
    longest = max(turns, key=lambda number: int(lengths[steps[number]].max()))
    turns.remove(longest)
    return [Step(_micro_batches(steps[number], rows, lengths, batch, max_length)) for number in (longest, *turns)]


def planned(mixture: Mixture, recipe: Recipe) -> list[tuple[int, Step]]:
    """Return every step of a run with its epoch (from 0), in order."""
    plan: list[tuple[int, Step]] = []
    for epoch in range(recipe.run.epochs):
        steps = steps_of_epoch(
            mixture.length,
            mixture.tag,
            recipe.batch,
            max_length=recipe.data.max_length,
            seed=recipe.seed,
            epoch=epoch,
            beginnings=mixture.beginning,
        )
        plan += [(epoch, step) for step in steps]
        if recipe.run.max_steps and len(plan) >= recipe.run.max_steps:
            return plan[: recipe.run.max_steps]
    return plan


def questions_of_a_row(mixture: Mixture, batch: Batch) -> float:
    """Return how many samples a row has on average; 1 without `batch.questions`."""
    if batch.questions == 1 or len(mixture) == 0:
        return 1.0
    _, starts = _rows(np.arange(len(mixture)), mixture.beginning, mixture.tag, batch.questions)
    return len(mixture) / len(starts)


def share_of(step: Step, rank: int, world: int) -> list[tuple[int, ...]]:
    """Return the micro-batches of one process: number `rank`, `rank + world`, and so on.

    Every process gets the same number of them; where none is left it gets (), so that all take part in every turn.
    At each turn the processes run neighbours, which are of similar length.
    """
    turns = -(-len(step.micro_batches) // world)
    mine = list(step.micro_batches[rank::world])
    return mine + [()] * (turns - len(mine))


def _rows(
    drawn: NDArray[np.int64], beginnings: NDArray[np.int32], tags: NDArray[np.int8], questions: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the samples in rows of at most `questions`, one row after the other, and where each row starts."""
    count = len(drawn)
    own = beginnings.max(initial=0) + 1 + np.arange(count)
    alike = np.where(beginnings < 0, own, beginnings) * len(TAGS) + tags
    order = drawn[np.argsort(alike[drawn], kind="stable")]
    _, firsts, sizes = np.unique(alike[order], return_index=True, return_counts=True)
    places = np.arange(count) - np.repeat(firsts, sizes)
    return order, np.flatnonzero(places % questions == 0)


def _sorted_by_length(members: NDArray[np.int64], lengths: NDArray[np.int32], piece: int) -> NDArray[np.int64]:
    """Sort each run of `piece` members, the longest first; equal ones keep their order."""
    pieces = np.arange(len(members)) // piece
    sorted_members: NDArray[np.int64] = members[np.lexsort((-lengths[members], pieces))]
    return sorted_members


def _micro_batches(
    members: NDArray[np.int64],
    rows: Sequence[tuple[int, ...]],
    lengths: NDArray[np.int32],
    batch: Batch,
    max_length: int,
) -> tuple[tuple[int, ...], ...]:
    numbers: Sequence[int] = members.tolist()
    if not batch.packing:
        cut = (numbers[start : start + batch.micro] for start in range(0, len(numbers), batch.micro))
        return tuple(tuple(chain.from_iterable(rows[number] for number in micro)) for micro in cut)
    packed: list[tuple[int, ...]] = []
    room = 0
    for number, length in zip(numbers, lengths[members].tolist(), strict=True):
        if not packed or length > room:
            packed.append(())
            room = max_length
        packed[-1] += rows[number]
        room -= length
    return tuple(packed)
