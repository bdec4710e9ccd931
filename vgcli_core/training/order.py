"""In which order samples are trained on: a function of lengths, tags, the recipe's batch, the seed and the epoch alone.

Within each tag samples are shuffled, cut into pieces of fifty steps, sorted by length inside a piece, and cut into
steps; then the steps are shuffled. Nothing is dropped: the last step of a tag may be smaller. (The reference drops the
last group of each tag in every epoch.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vgcli_core.data.draws import numpy_generator
from vgcli_core.data.mixture import Mixture
from vgcli_core.training.recipe import Batch, Recipe

_STEPS_OF_A_PIECE = 50


@dataclass(frozen=True, slots=True)
class Step:
    """One update: micro-batches of positions in the mixture, in order."""

    micro_batches: tuple[tuple[int, ...], ...]


def steps_of_epoch(
    lengths: NDArray[np.int32], tags: NDArray[np.int8], batch: Batch, *, max_length: int, seed: int, epoch: int
) -> list[Step]:
    """Return the steps of one epoch; every sample is in exactly one.

    The step with the longest sample comes first, so that too little memory shows at once.

    Args:
        lengths: [N] estimated tokens of the samples.
        tags: [N] numbers; with `batch.by_tag` a step holds samples of one tag.
        batch: sizes and grouping.
        max_length: estimated tokens of one micro-batch with `batch.packing`; a longer sample is alone.
        seed, epoch: what is drawn depends on both.
    """
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
    order = numpy_generator(seed, "steps", epoch).permutation(len(steps)).tolist()
    longest = max(order, key=lambda number: int(lengths[steps[number]].max()))
    order.remove(longest)
    return [Step(_micro_batches(steps[number], lengths, batch, max_length)) for number in (longest, *order)]


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
        )
        plan += [(epoch, step) for step in steps]
        if recipe.run.max_steps and len(plan) >= recipe.run.max_steps:
            return plan[: recipe.run.max_steps]
    return plan


def share_of(step: Step, rank: int, world: int) -> list[tuple[int, ...]]:
    """Return the micro-batches of one process: number `rank`, `rank + world`, and so on.

    Every process gets the same number of them; where none is left it gets (), so that all take part in every turn.
    At each turn the processes run neighbours, which are of similar length.
    """
    turns = -(-len(step.micro_batches) // world)
    mine = list(step.micro_batches[rank::world])
    return mine + [()] * (turns - len(mine))


def _sorted_by_length(members: NDArray[np.int64], lengths: NDArray[np.int32], piece: int) -> NDArray[np.int64]:
    """Sort each run of `piece` members, the longest first; equal ones keep their order."""
    pieces = np.arange(len(members)) // piece
    sorted_members: NDArray[np.int64] = members[np.lexsort((-lengths[members], pieces))]
    return sorted_members


def _micro_batches(
    members: NDArray[np.int64], lengths: NDArray[np.int32], batch: Batch, max_length: int
) -> tuple[tuple[int, ...], ...]:
    positions: Sequence[int] = members.tolist()
    if not batch.packing:
        return tuple(tuple(positions[start : start + batch.micro]) for start in range(0, len(positions), batch.micro))
    rows: list[list[int]] = []
    room = 0
    for position, length in zip(positions, lengths[members].tolist(), strict=True):
        if not rows or length > room:
            rows.append([])
            room = max_length
        rows[-1].append(position)
        room -= length
    return tuple(map(tuple, rows))
