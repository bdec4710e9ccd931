"""What a model in training answers to questions of a prepared set, scored as the benchmarks score.

Training does not know evaluation: it calls what is built here.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from vgcli_core.data import draws
from vgcli_core.data.frame_store import read_bytes, read_images
from vgcli_core.data.groups import by_frames
from vgcli_core.data.prepared import Prepared, open_prepared
from vgcli_core.data.sample import Sample, truth_of
from vgcli_core.errors import UsageError
from vgcli_core.evaluation.benchmark import AnyBenchmark, Extras, Item
from vgcli_core.evaluation.benchmarks import BENCHMARKS, rooms
from vgcli_core.model.answer import answers
from vgcli_core.model.processor import Processor
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.text.prompts import MAX_NEW_TOKENS, Task
from vgcli_core.training.progress import Validate
from vgcli_core.training.recipe import Recipe
from vgcli_core.training.trainer import evaluation_mode

Gather = Callable[[list[tuple[int, str]]], list[list[tuple[int, str]]]]


def build_validate(recipe: Recipe, data: Path, *, limits: Mapping[Task, int] = MAX_NEW_TOKENS) -> Validate | None:
    """Return what the trainer calls to validate, or None where the recipe asks for no questions.

    Args:
        recipe: `validation.generate` names the set.
        data: folder of the prepared sets.
        limits: new tokens of an answer, by task.

    Raises:
        UsageError: the model cannot be asked while its parameters are spread over processes (ZeRO-3).
        DataError: the set, its split or a frame of the chosen samples is missing.
    """
    wanted = recipe.validation
    if not wanted.generate or not wanted.every:
        return None
    if recipe.run.zero == 3:
        raise UsageError(
            "questions cannot be answered while ZeRO-3 spreads the parameters over the processes",
            where="validation.generate, run.zero",
            fix='--set validation.generate="" keeps the held-out loss; or --set run.zero=2',
        )
    prepared = open_prepared(data / wanted.generate)
    samples = choose(list(prepared.samples(wanted.generate_split)), wanted.generate_samples, recipe.seed)
    _check_frames(prepared, samples)
    half = recipe.run.precision == "bf16" and recipe.run.zero == 0

    def validate(model: VGLLM, processor: Processor, rank: int, world: int) -> Mapping[str, float]:
        def ask(share: Sequence[Sample]) -> Sequence[str]:
            with evaluation_mode(model), torch.autocast(model.device.type, torch.bfloat16, enabled=half):
                return answers(model, processor, share, lambda one: read_images(one, prepared.root), limits=limits)

        return scores(samples, answer_all(samples, ask, rank=rank, world=world))

    return validate


def choose(samples: Sequence[Sample], number: int, seed: int) -> list[Sample]:
    """Return `number` samples, or all, as equally spread over the tasks as can be; the same for the same seed."""
    queues: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        queues[sample.task].append(sample)
    for task, queue in queues.items():
        draws.generator(seed, "validation", task).shuffle(queue)
    turns = sorted((place, task) for task, queue in queues.items() for place in range(len(queue)))
    chosen = [queues[task][place] for place, task in turns[:number]]
    return sorted(chosen, key=lambda sample: sample.id)


def answer_all(
    samples: Sequence[Sample],
    generate: Callable[[Sequence[Sample]], Sequence[str]],
    *,
    rank: int,
    world: int,
    gather: Gather | None = None,
) -> list[str]:
    """Answer all samples, each process its share, and return all answers in every process.

    Args:
        samples: the same in every process.
        generate: answers samples, in order.
        rank, world: of this process, and how many there are.
        gather: returns what each process gave; torch's own where None.
    """
    # Samples of the same frames stay together, so that no frames are encoded twice.
    places = [place for group in by_frames(samples)[rank::world] for place in group]
    found = list(zip(places, generate([samples[place] for place in places]) if places else [], strict=True))
    texts = dict(pair for share in (gather or _gather)(found) for pair in share)
    return [texts[place] for place in range(len(samples))]


def scores(samples: Sequence[Sample], texts: Sequence[str]) -> dict[str, float]:
    """Return the headline scores of each task by the published rules, as fractions (CIDEr may exceed 1).

    Names are "ground/acc@0.25", "detect/f1", "ask/average" and so on; "exact" is the share of answers that equal the
    trained one, letter for letter, of the samples that have one; "unparsed" the share of scored answers that could not
    be read. What is undefined for these samples is left out.
    """
    measures: dict[str, float] = {}
    same = [text.strip() == sample.answer.strip() for sample, text in zip(samples, texts, strict=True) if sample.answer]
    if same:
        measures["exact"] = float(np.mean(same))
    groups: dict[tuple[str, str], list[Item[Any]]] = defaultdict(list)
    for sample, text in zip(samples, texts, strict=True):
        truth, benchmark = truth_of(sample), _benchmark(sample)
        if truth is not None and benchmark is not None:
            # Prepared boxes have intrinsic angles, so that is what a model in training learns to write.
            item = Item(sample.id, text, benchmark.truth.model_validate(truth), "ZXY")
            groups[sample.task, benchmark.name].append(item)
    unparsed: list[bool] = []
    for (task, name), items in sorted(groups.items()):
        benchmark = BENCHMARKS[name]
        outcome = next(iter(benchmark.protocols.values()))(items, Extras())
        unparsed += [bool(reason) for reason in outcome.unparsed]
        for metric, value in zip(outcome.tally.metrics, outcome.tally.scores().tolist(), strict=True):
            if metric.name in benchmark.headline and not metric.of and np.isfinite(value):
                measures[f"{task}/{metric.name}"] = value
    if unparsed:
        measures["unparsed"] = float(np.mean(unparsed))
    return measures


def _benchmark(sample: Sample) -> AnyBenchmark | None:
    return rooms.BY_TASK[sample.task] if sample.dataset == "rooms" else BENCHMARKS.get(sample.dataset)


def _check_frames(prepared: Prepared, samples: Sequence[Sample]) -> None:
    """Read the stored frames once: one that is missing would be met hours later."""
    for pack, name in dict.fromkeys((sample.pack, name) for sample in samples for name in sample.frames):
        read_bytes(name, pack, prepared.root)


def _gather(mine: list[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    if not (dist.is_available() and dist.is_initialized()):
        return [mine]
    shares: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(shares, mine)
    return shares
