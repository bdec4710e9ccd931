"""What the benchmarks with one right answer share: marks of letters, and means of marks over kinds of questions."""

from collections.abc import Mapping, Sequence

import numpy as np

from vgcli_core.evaluation.metrics.tally import Metric, Tally, label_means, label_sums
from vgcli_core.geometry.boxes import Floats

LMMS_EVAL = "lmms-eval-0.7.3"  # the protocol that reads answers as this later version of the evaluation kit does
NO_LETTER = "no option letter"


def mark_letters(found: Sequence[str | None], answers: Sequence[str]) -> tuple[Floats, tuple[str, ...]]:
    """Return 1 for each letter that is the answer and 0 otherwise [N], and why an answer could not be read, "" if not.

    Args:
        found: [N] the letter that was read, None where there was none.
        answers: [N] the right letters.
    """
    values = np.array([letter == answer for letter, answer in zip(found, answers, strict=True)], dtype=np.float64)
    return values, tuple(NO_LETTER if letter is None else "" for letter in found)


def accuracies(values: Floats, groupings: Mapping[str, Sequence[str]], *, name: str = "accuracy") -> Tally:
    """Return the mean over all samples, and one for each label of each grouping, as "grouping: label".

    A label can be in two groupings ("Multilingual" is a domain and a sub-category of Video-MME), hence the long names.

    Args:
        values: [N] marks.
        groupings: name -> [N] labels.
        name: of the metric.
    """
    metrics = [Metric(name, "", len(values))]
    columns = [label_sums(values, [""] * len(values), [""])]
    for grouping, labels in groupings.items():
        order = sorted(set(labels))
        metrics += [Metric(name, f"{grouping}: {label}", list(labels).count(label)) for label in order]
        columns.append(label_sums(values, labels, order))
    return Tally(tuple(metrics), np.hstack(columns), label_means)


def group_means(means: Floats, order: Sequence[str], groups: Sequence[Sequence[str]]) -> Floats:
    """Return plain means over groups of means, [..., L] -> [..., G]: each kind of question weighs the same.

    Kinds without samples (NaN) are left out; a group of such kinds alone is NaN.

    Args:
        means: [..., L].
        order: the L kinds.
        groups: the kinds of each of the G groups.
    """
    defined = np.isfinite(means)
    known = np.where(defined, means, 0)
    places = [[order.index(kind) for kind in group] for group in groups]
    return np.stack([known[..., own].sum(axis=-1) / defined[..., own].sum(axis=-1) for own in places], axis=-1)


def keep_known(tally: Tally) -> Tally:
    """Return the tally without metrics that no sample is behind; the first one stays."""
    kept = [place for place, metric in enumerate(tally.metrics) if metric.n or not place]
    combine = tally.combine
    return Tally(tuple(tally.metrics[place] for place in kept), tally.sums, lambda sums: combine(sums)[..., kept])


def missing(kinds: Sequence[str], expected: Sequence[str]) -> tuple[str, ...]:
    """Return a note that names the expected kinds of questions that are not there, or none."""
    absent = [kind for kind in expected if kind not in set(kinds)]
    return (f"partial: no {', '.join(absent)}",) if absent else ()
