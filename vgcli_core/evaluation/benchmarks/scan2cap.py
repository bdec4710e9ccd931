"""Scan2Cap: describe the object at a given place. CIDEr, BLEU-4, METEOR and ROUGE-L at IoU 0.5 (m@kIoU).

The object is given by a proposed box. Where that box overlaps the true one by less than k, the caption is replaced by
an empty one; the score is over all objects, so a bad proposal costs.

Source: Chen et al., Scan2Cap, CVPR 2021, section 5 (m@kIoU); VG-LLM, arXiv 2505.24625v3, Table 2 (k = 0.5).
"""

import re
from collections.abc import Callable, Sequence

import numpy as np
from pydantic import Field

from vgcli_core.evaluation.benchmark import (
    CORRECTED,
    PUBLISHED,
    Benchmark,
    Extras,
    Item,
    MeteorAligner,
    Outcome,
    Published,
    Range,
    Truth,
)
from vgcli_core.evaluation.metrics.bleu import bleu
from vgcli_core.evaluation.metrics.captions import (
    METRICS,
    WITH_METEOR,
    caption_scores,
    caption_sums,
    plain_words,
    sos_eos,
)
from vgcli_core.evaluation.metrics.cider import LARGEST
from vgcli_core.evaluation.metrics.tally import Metric, Tally
from vgcli_core.geometry.boxes import Floats

OBJECTS = 2068  # of the validation split
GATES = (0.5, 0.25, 0.0)  # k of m@kIoU, the published one first; 0 scores every caption
HEADLINE = ("CIDEr@0.5", "BLEU-4@0.5", "METEOR@0.5", "ROUGE-L@0.5")

_LINE_BREAK = re.compile(r"\r\n|[\r\n]")
_METEOR_MISSING = "METEOR is left out: it needs Java and its tables (pip install 'vgllm[meteor]')"
_PUBLISHED_4B = (0.786, 0.409, 0.286, 0.624)
_PUBLISHED_8B = (0.800, 0.415, 0.289, 0.626)


class Scan2CapTruth(Truth):
    """One object: its descriptions, and how well the box that the model was given fits it."""

    references: tuple[str, ...] = Field(min_length=1, description="all descriptions of the object")
    # An IoU of equal boxes may be one rounding step above 1.
    iou: float = Field(ge=0, le=1 + 1e-6, description="of the given box with the true box")
    scene: str

    def group(self) -> str:
        """Return the scene."""
        return self.scene


def published(items: Sequence[Item[Scan2CapTruth]], extras: Extras) -> Outcome:
    """Score as the paper's numbers were: between the markers "sos" and "eos", which an empty caption still matches."""
    return _score(items, extras, sos_eos)


def corrected(items: Sequence[Item[Scan2CapTruth]], extras: Extras) -> Outcome:
    """Score the words alone, so that a missed object scores nothing."""
    return _score(items, extras, plain_words)


def perfect(truth: Scan2CapTruth) -> str:
    """Return the first description."""
    return truth.references[0]


def score_range(truths: Sequence[Scan2CapTruth]) -> Range:
    """Return what can be stated without scoring: BLEU and ROUGE-L, and CIDEr of a silent model.

    The CIDEr of an oracle and the METEOR of both have no closed form: rarity among all references decides the one, the
    aligner's tables the other.
    """
    forms = [[sos_eos(_one_line(text)) for text in truth.references] for truth in truths]
    oracle: dict[str, float] = {}
    silent: dict[str, float] = {}
    for gate in GATES if truths else ():
        shown = [_whole(own[0]) if truth.iou >= gate else _empty(own) for truth, own in zip(truths, forms, strict=True)]
        oracle |= _named(gate, shown)
        silent |= _named(gate, [_empty(own) for own in forms])
        if not any(_says_nothing(form) for own in forms for form in own):
            silent[_name("CIDEr", gate)] = 0.0  # the markers are in every reference, so they weigh ln(1)
    return Range(oracle, silent)


BENCHMARK = Benchmark(
    name="scan2cap",
    title="Scan2Cap (validation)",
    dataset="scan2cap",
    split="val",
    truth=Scan2CapTruth,
    protocols={PUBLISHED: published, CORRECTED: corrected},
    headline=HEADLINE,
    published=tuple(
        Published(name, {"4B": small, "8B": large}, "arXiv 2505.24625v3, Table 2")
        for name, small, large in zip(HEADLINE, _PUBLISHED_4B, _PUBLISHED_8B, strict=True)
    ),
    example=Scan2CapTruth(
        references=("this is a brown chair. it is next to the desk.", "a wooden chair with four legs."),
        iou=0.83,
        scene="scene0011_00",
    ),
    perfect=perfect,
    range=score_range,
    differs={
        CORRECTED: "words alone are compared, without the markers sos and eos, punctuation and the empty words of "
        "double blanks, so a missed object scores 0"
    },
    needs={"meteor": "METEOR 1.5 and a Java runtime: pip install 'vgllm[meteor]'"},
)


def _score(items: Sequence[Item[Scan2CapTruth]], extras: Extras, form: Callable[[str], str]) -> Outcome:
    captions = [form(_one_line(item.text)) for item in items]
    references = [[form(_one_line(text)) for text in item.truth.references] for item in items]
    nothing = [form("")] * len(items)
    overlaps = np.array([item.truth.iou for item in items], dtype=np.float64)
    shown, missed = _statistics(extras.meteor, captions, nothing, references, overlaps)
    # What an item adds depends on its own caption only, so each gate picks rows from two scorings.
    answered = caption_sums(captions, references, shown)
    silent = caption_sums(nothing, references, missed)
    sums = [np.where(overlaps[:, None] >= gate, answered, silent) for gate in GATES]
    names = METRICS if shown is None else WITH_METEOR
    metrics = tuple(Metric(_name(name, gate), "", len(items)) for gate in GATES for name in names)
    return Outcome(
        Tally(metrics, np.hstack(sums), _combine),
        np.minimum(caption_scores(sums[0])[:, 0] / LARGEST, 1),  # CIDEr of each object, as a fraction of the largest
        tuple("" if item.text.strip() else "empty" for item in items),
        {
            "objects given a box under IoU 0.5": int((overlaps < GATES[0]).sum()),
            "captions with line breaks": sum(bool(_LINE_BREAK.search(item.text)) for item in items),
        },
        _notes(len(items), shown is None),
    )


def _statistics(
    align: MeteorAligner | None,
    captions: Sequence[str],
    nothing: Sequence[str],
    references: Sequence[Sequence[str]],
    overlaps: Floats,
) -> tuple[Floats | None, Floats | None]:
    """Return METEOR's statistics of the captions and of empty ones; these only for objects that some gate drops."""
    if align is None:
        return None, None
    shown = align(captions, references)
    missed = np.zeros_like(shown)
    dropped = np.flatnonzero(overlaps < max(GATES)).tolist()
    missed[dropped] = align([nothing[place] for place in dropped], [references[place] for place in dropped])
    return shown, missed


def _combine(sums: Floats) -> Floats:
    """Score each gate's columns."""
    by_gate = sums.reshape(*sums.shape[:-1], len(GATES), -1)
    return caption_scores(by_gate).reshape(*sums.shape[:-1], -1)


def _notes(items: int, without_meteor: bool) -> tuple[str, ...]:
    notes = []
    if items != OBJECTS:
        notes.append(
            f"CIDEr weighs words by their rarity among the references of the {items:,} scored objects; only scores of "
            f"all {OBJECTS:,} compare with published ones"
        )
    return (*notes, _METEOR_MISSING) if without_meteor else tuple(notes)


def _name(metric: str, gate: float) -> str:
    return f"{metric}@{gate:g}"


def _one_line(text: str) -> str:
    # METEOR takes one caption per line; a line break inside one ended the reference's run.
    return _LINE_BREAK.sub(" ", text)


def _named(gate: float, rows: Sequence[tuple[float, Sequence[int]]]) -> dict[str, float]:
    """Name the scores of items, each given by its ROUGE-L and the nine numbers that it adds to BLEU."""
    scores = {_name("ROUGE-L", gate): sum(rouge for rouge, _ in rows) / len(rows)}
    totals = np.array([counts for _, counts in rows], dtype=np.float64).sum(axis=0)
    return scores | {_name(f"BLEU-{n}", gate): float(score) for n, score in enumerate(bleu(totals), 1)}


def _whole(form: str) -> tuple[float, list[int]]:
    """A caption that equals a reference: every n-gram of its L words matches, and there are L - n + 1."""
    words = len(form.split())
    ngrams = [max(words - shorter, 0) for shorter in range(4)]
    return 1.0, [*ngrams, *ngrams, words]


def _empty(forms: Sequence[str]) -> tuple[float, list[int]]:
    """An empty caption, "sos  eos": two words, or three with the empty one between them that ROUGE-L sees."""
    bigram = int(any(_says_nothing(form) for form in forms))
    shortest = min(len(form.split()) for form in forms)  # the markers alone are never longer than a reference
    common = [3 if "  " in form else 2 for form in forms]
    precision = max(common) / 3
    recall = max(found / (form.count(" ") + 1) for found, form in zip(common, forms, strict=True))
    rouge = 2.44 * precision * recall / (recall + 1.44 * precision)  # beta 1.2, squared
    return rouge, [2, bigram, 0, 0, 2, 1, 0, 0, shortest]


def _says_nothing(form: str) -> bool:
    """Tell whether "sos" and "eos" are neighbours, as in an empty caption."""
    return " sos eos " in f" {' '.join(form.split())} "
