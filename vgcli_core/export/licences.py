"""Licences of what a checkpoint is made of, worked out from its parts and data; what is not known is said to be.

Only the weights that training commonly starts from are listed. Their owners' pages decide, not this table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vgcli_core.data.base import Request
from vgcli_core.data.sources import DATASETS
from vgcli_core.export.provenance import Part, Provenance, Run


@dataclass(frozen=True, slots=True)
class Licence:
    """The licence of published weights: its name, whether it allows commercial use, and what the hub calls it."""

    name: str
    commercial: bool
    hub: str = "other"


# By hub name, in lower case.
WEIGHTS = {
    "qwen/qwen2.5-vl-3b-instruct": Licence("Qwen Research License Agreement: no commercial use", False),
    "qwen/qwen2.5-vl-7b-instruct": Licence("Apache License 2.0", True, "apache-2.0"),
    "facebook/vggt-1b": Licence(
        "CC BY-NC 4.0: no commercial use (VGGT-1B-Commercial has another one)", False, "cc-by-nc-4.0"
    ),
    "facebook/vggt-1b-commercial": Licence(
        "VGGT's own licence for commercial use, with uses that it excludes; access is asked for", True
    ),
    "yyfz233/pi3": Licence("CC BY-NC 4.0 for the weights: no commercial use", False, "cc-by-nc-4.0"),
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What the owner of data asks for: what it is, who owns it, where, and in which words."""

    what: str
    owner: str
    url: str
    terms: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be done with the whole: in words, and as the hub calls it ("" where nothing of others is in it)."""

    words: str
    hub: str


def licence_of(part: Part) -> Licence | None:
    """Return the licence of a part's weights, None where it is not known."""
    return WEIGHTS.get(part.name.lower()) if part.identified else None


def url_of(name: str) -> str:
    """Return the page of a hub name."""
    return f"https://huggingface.co/{name}"


def data_terms(runs: Iterable[Run]) -> tuple[dict[str, tuple[Terms, ...]], tuple[str, ...]]:
    """Return the terms of the data of runs by dataset, empty where vgllm made it all, and datasets nobody knows."""
    used = {(one.dataset, one.split) for run in runs for one in run.data}
    found: dict[str, tuple[Terms, ...]] = {}
    for name, split in sorted(used):
        dataset = DATASETS.get(name)
        if dataset is None:
            continue
        splits = (split,) if split in dataset.splits else dataset.default_splits
        needs = dataset.needs(Request(Path(), splits, options=dataset.options_with({})))
        terms = (Terms(need.what.partition(":")[0], need.owner, need.url, need.terms) for need in needs)
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), *terms)))
    return found, tuple(sorted({name for name, _ in used} - DATASETS.keys()))


def verdict(found: Provenance, parts: Iterable[Part]) -> Verdict:
    """Work out what the licences of the parts allow together.

    Args:
        found: for a published checkpoint between the parts and this one, and for its data.
        parts: that are in the export.
    """
    whole = list(parts)
    unknown = [f"the {one.part}" for one in whole if not one.drawn and licence_of(one) is None]
    unknown += [f"what {found.published} adds to its parts"] if found.published else []
    known = [licence for one in whole if (licence := licence_of(one)) is not None]
    forbidding = [one.part for one in whole if (licence := licence_of(one)) is not None and not licence.commercial]
    terms, strangers = data_terms(found.runs)
    words = []
    if forbidding:
        which, verb = ("licences", "forbid") if forbidding[1:] else ("licence", "forbids")
        words.append(f"**No commercial use**: the {which} of the {' and the '.join(forbidding)} {verb} it.")
    if unknown:
        words.append(f"**Not known: {', '.join(unknown)}.** Ask before you use or share it.")
    if not words and known:
        words.append("The licences of all parts allow commercial use, under their terms.")
    if not words:
        words.append("No weights of others are in it.")
    if any(terms.values()) or strangers:
        words.append("The terms of the training data, below, may say more.")
    elif not found.runs:
        words.append("On what it was trained is not recorded; the terms of that data may say more.")
    if unknown:
        return Verdict(" ".join(words), "unknown" if not known else "other")
    names = {licence.hub for licence in known}
    return Verdict(" ".join(words), names.pop() if len(names) == 1 else "other" if names else "")
