"""Ask a model the samples of a benchmark and keep every answer; independent of what the model is.

`generate` takes the samples of one group (the same frames and prompt layout) and returns a text for each. Tests pass
functions; the command passes a model. A group is always asked whole, also where an interrupted run has answered some of
it, so that the same questions are decoded together, and the answers are the same to the letter.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vgcli_core.data.sample import Sample
from vgcli_core.errors import DataError, FusionError, MediaError, VgllmError
from vgcli_core.evaluation.benchmark import Item
from vgcli_core.evaluation.plan import WHOLE, Asked, Share
from vgcli_core.evaluation.predictions import line
from vgcli_core.evaluation.run_folder import Kept, RunFolder
from vgcli_core.geometry.boxes import EulerConvention
from vgcli_core.text.written import Written

Generate = Callable[[Sequence[Sample]], Sequence[str]]

# What one sample may be to blame for; everything else ends the run.
_OF_A_SAMPLE = (MediaError, DataError, FusionError)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one process stands in its share of a benchmark.

    Attributes:
        name: of the benchmark.
        done, total: samples of this share, those of earlier starts included.
        earlier: samples that were answered before this start.
        failed: samples that could not be asked.
    """

    name: str
    done: int
    total: int
    earlier: int
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Watch:
    """Where a run reports to.

    Attributes:
        step: after every group.
        say: one line about what is going on.
        stop: asked after every group whether to stop there.
    """

    step: Callable[[Progress], None] = lambda now: None
    say: Callable[[str], None] = lambda text: None
    stop: Callable[[], bool] = lambda: False


def missing(asked: Asked, folder: RunFolder, share: Share = WHOLE, *, retry_failed: bool = False) -> list[list[Sample]]:
    """Return the groups of a share that are still to be asked, in order.

    Args:
        asked: the benchmark.
        folder: of the run.
        share: of the groups.
        retry_failed: samples that could not be asked count as not answered.
    """
    known = _known(folder.lines(asked.benchmark.name), retry_failed=retry_failed)
    return [members for members in asked.share(share) if any(sample.id not in known for sample in members)]


def answer(
    asked: Asked,
    generate: Generate,
    folder: RunFolder,
    *,
    share: Share = WHOLE,
    euler_convention: EulerConvention | None = None,
    retry_failed: bool = False,
    watch: Watch | None = None,
) -> Progress:
    """Ask what is missing of a share, appending one line per sample; return where it stands at the end.

    Args:
        asked: the benchmark.
        generate: samples of one group -> texts, in order. A MediaError, DataError or FusionError fails its samples,
            whose lines say why; any other exception ends the run.
        folder: opened.
        share: of the groups, which nobody else answers meanwhile.
        euler_convention: of angles that the model writes; needed where answers hold boxes.
        retry_failed: ask samples that failed before again.
        watch: told how far it is.

    Raises:
        OutputError: the folder cannot be written.
        ValueError: `generate` returned another number of texts than it was given samples.
    """
    name, watch = asked.benchmark.name, watch or Watch()
    lines = folder.lines(name)
    known = _known(lines, retry_failed=retry_failed)
    groups = list(asked.share(share))
    ids = [sample.id for members in groups for sample in members]
    done = sum(one in known for one in ids)
    failed = sum(one in known and lines[one].failed for one in ids)
    now = Progress(name, done, len(ids), done, failed)
    truths = dict(zip((sample.id for sample in asked.samples), asked.truths, strict=True))
    convention = euler_convention if asked.benchmark.boxes_in_text else None
    watch.step(now)
    with folder.part(name, share) as part:
        for members in groups:
            new = [sample.id for sample in members if sample.id not in known]
            if not new:
                continue
            if watch.stop():
                break
            texts, problem = _ask(generate, members)
            found = dict(zip((sample.id for sample in members), texts, strict=True))
            part.append(_line(name, Item(one, found[one], truths[one], convention), problem) for one in new)
            now = replace(now, done=now.done + len(new), failed=now.failed + len(new) * (problem is not None))
            watch.step(now)
    return now


def _ask(generate: Generate, members: Sequence[Sample]) -> tuple[Sequence[str], VgllmError | None]:
    """Return the texts of a group, and why there are none."""
    try:
        return generate(members), None
    except _OF_A_SAMPLE as problem:
        return [""] * len(members), problem


def _line(name: str, item: Item[Any], problem: VgllmError | None) -> str:
    text = item.text
    if problem is not None:
        return line(name, item, failed=problem.what, info={"where": problem.where} if problem.where else {})
    if not isinstance(text, Written):
        return line(name, item)
    return line(name, item, cut_off=not text.complete, info={"tokens": text.tokens})


def _known(lines: Mapping[str, Kept], *, retry_failed: bool) -> set[str]:
    return {key for key, one in lines.items() if not (retry_failed and one.failed)}
