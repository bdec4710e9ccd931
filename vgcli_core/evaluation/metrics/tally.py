"""Scores as functions of sums over samples, and their bootstrap intervals.

Every score here is a function of sums: an accuracy of hits and samples, an F1 of three counts for each class, BLEU of
n-gram counts. A benchmark says what each sample adds ([N, K]) and how sums become scores ([..., K] -> [..., M]).
The point estimate takes the plain sum; a bootstrap replicate takes a weighted one, so intervals cost one matrix
product and hold for class means and corpus scores as well as for plain means.

Source: cluster bootstrap, percentile interval (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13):
whole groups (scenes, videos) are drawn with replacement, because samples of one scene are not independent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcli_core.geometry.boxes import Floats

REPLICATES = 1000
SEED = 0
_AT_ONCE = 100  # replicates held in memory together


class Metric(NamedTuple):
    """One score: its name, the class or question type it is of ("" for the whole benchmark), and its samples."""

    name: str
    of: str = ""
    n: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """What every sample adds, and how the sums become scores.

    Attributes:
        metrics: M names, in the order of `combine`'s last axis.
        sums: [N, K] what each sample adds.
        combine: [..., K] -> [..., M]; scores are fractions (CIDEr may exceed 1), NaN where undefined.
    """

    metrics: tuple[Metric, ...]
    sums: Floats
    combine: Callable[[Floats], Floats]

    def scores(self) -> Floats:
        """Return the scores [M] of all samples together."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.combine(self.sums.sum(axis=0))

    def intervals(self, groups: Sequence[str], *, replicates: int = REPLICATES, seed: int = SEED) -> Floats:
        """Return 95 % intervals [M, 2]; NaN where fewer than two groups leave nothing to draw from.

        Args:
            groups: for each sample, the scene or video it belongs to.
            replicates: how many times to draw.
            seed: of the draws; the same seed, samples and groups give the same intervals.
        """
        drawn = replicate(self, groups, replicates=replicates, seed=seed)
        return interval(drawn)


def replicate(tally: Tally, groups: Sequence[str], *, replicates: int = REPLICATES, seed: int = SEED) -> Floats:
    """Return bootstrap scores [replicates, M], or [0, M] with fewer than two groups."""
    # In sorted order, so that the draws do not depend on the order of samples.
    names = {name: number for number, name in enumerate(sorted(set(groups)))}
    members = np.array([names[name] for name in groups], dtype=np.intp)
    if len(names) < 2:
        return np.empty((0, len(tally.metrics)))
    by_group = np.zeros((len(names), tally.sums.shape[1]))
    np.add.at(by_group, members, tally.sums)
    generator = np.random.default_rng(seed)
    drawn = []
    for start in range(0, replicates, _AT_ONCE):
        size = min(_AT_ONCE, replicates - start)
        weights = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=size)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn.append(tally.combine(weights.astype(np.float64) @ by_group))
    return np.concatenate(drawn)


def interval(drawn: Floats) -> Floats:
    """Return the 2.5 % and 97.5 % points [M, 2] of bootstrap scores [B, M], over replicates where they are defined."""
    ends = np.full((drawn.shape[1], 2), np.nan)
    for column, values in enumerate(drawn.T):
        defined = values[np.isfinite(values)]
        if len(defined):
            ends[column] = np.percentile(defined, [2.5, 97.5])
    return ends


def label_sums(values: Floats, labels: Sequence[str], order: Sequence[str]) -> Floats:
    """Return [N, 2 L]: for each of the L labels of `order`, a sample's value and a 1 where the sample has that label.

    `label_means` is the other half. A sample whose label is not in `order` adds nothing.
    """
    place = {label: number for number, label in enumerate(order)}
    sums = np.zeros((len(values), 2 * len(order)))
    for row, (value, label) in enumerate(zip(values, labels, strict=True)):
        if label in place:
            sums[row, 2 * place[label]] = value
            sums[row, 2 * place[label] + 1] = 1
    return sums


def label_means(sums: Floats) -> Floats:
    """Return the mean of each label [..., L] from sums [..., 2 L] of `label_sums`; NaN for a label without samples."""
    return sums[..., 0::2] / sums[..., 1::2]


def means(name: str, values: Floats, labels: Sequence[str] | None = None) -> Tally:
    """Return the mean over all samples, and one for each label (in order of first appearance) where labels are given.

    Args:
        name: of the metric, for example "accuracy".
        values: [N].
        labels: for each sample, the class or question type; None for the overall mean alone.
    """
    order = list(dict.fromkeys(labels or ()))
    overall = np.column_stack([values, np.ones(len(values))]) if len(values) else np.empty((0, 2))
    sums = np.hstack([overall, label_sums(values, labels, order)]) if labels is not None else overall
    counted = [Metric(name, "", len(values))]
    counted += [Metric(name, label, list(labels or ()).count(label)) for label in order]
    return Tally(tuple(counted), sums, label_means)


def side_by_side(parts: Sequence[tuple[Tally, Sequence[int]]], total: int) -> Tally:
    """Return one tally of tallies that are each over some of N samples: a sample adds nothing to those it is not in.

    Args:
        parts: tallies, each with the places of its samples among all.
        total: N.
    """
    blocks, ends = [np.zeros((total, 0))], [0]
    for tally, places in parts:
        block = np.zeros((total, tally.sums.shape[1]))
        block[list(places)] = tally.sums
        blocks.append(block)
        ends.append(ends[-1] + block.shape[1])

    def combine(sums: Floats) -> Floats:
        spans = [sums[..., start:end] for start, end in pairwise(ends)]
        own = [tally.combine(span) for (tally, _), span in zip(parts, spans, strict=True)]
        return np.concatenate([np.zeros((*sums.shape[:-1], 0)), *own], axis=-1)

    return Tally(tuple(metric for tally, _ in parts for metric in tally.metrics), np.hstack(blocks), combine)


def median(
    name: str, values: Floats, *, step: float, largest: float, of: str = "", within: NDArray[np.bool_] | None = None
) -> Tally:
    """Return the median of values, the lower one of the two in the middle of an even number, to within one step.

    A median is no function of plain sums, but one of the histogram: what a sample adds is a 1 in the bin of its value.
    The samples of one bin count as evenly spread over it.

    Args:
        name: of the metric.
        values: [N], not negative; `largest` and more (infinity too) count as `largest`.
        step: width of a bin.
        largest: a multiple of `step`.
        of: what part of the samples it is of.
        within: [N] which samples are of that part; all when None.
    """
    chosen = np.ones(len(values), dtype=np.bool_) if within is None else within
    bins = round(largest / step)
    sums = np.zeros((len(values), bins + 1))
    places = np.minimum(np.minimum(values, largest) / step, bins).astype(np.intp)
    sums[np.arange(len(values)), places] = chosen

    def combine(counts: Floats) -> Floats:
        upto = counts.cumsum(axis=-1)
        rank = np.ceil(upto[..., -1:] / 2)  # of the median; with no samples 0
        place = (upto >= rank).argmax(axis=-1)[..., None]
        inside = np.take_along_axis(counts, place, axis=-1)
        before = np.take_along_axis(upto, place, axis=-1) - inside
        found = (place + (rank - before - 0.5) / inside) * step
        return np.where(rank > 0, np.minimum(found, largest), np.nan)  # the last bin has no width

    return Tally((Metric(name, of, int(chosen.sum())),), sums, combine)
