"""A loaded model as what `vgllm eval` asks: the frames read ahead, the cache, the wording that its weights know.

Evaluation does not know models, and models do not know benchmarks: they meet here.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import torch
from accelerate import PartialState

from vgcli_core.data.groups import frames_key
from vgcli_core.data.sample import Sample
from vgcli_core.errors import ConventionError, VgllmError
from vgcli_core.evaluation.plan import Asked, Share
from vgcli_core.evaluation.run_folder import RunFolder
from vgcli_core.evaluation.runner import Generate, Watch, answer, missing
from vgcli_core.model.answer import Answerer
from vgcli_core.model.demo import NAME as DEMO
from vgcli_core.model.feature_cache import FeatureCache
from vgcli_core.model.frames_ahead import FramesAhead
from vgcli_core.model.hub import checkpoint_folder
from vgcli_core.model.machine import code_version, device_name, source_of, versions
from vgcli_core.predict.loading import load
from vgcli_core.predict.pipeline import Predictor
from vgcli_core.text.prompts import MAX_NEW_TOKENS, PromptRevision, Task, in_revision

# One process may have a longer share, and the others wait for it.
_PATIENCE = timedelta(days=2)


@dataclass(frozen=True)
class How:
    """How a model is loaded and asked; nothing here but `limit` and `repetition_penalty` changes what is asked.

    Attributes:
        load: arguments of `predict.loading.load`.
        limit: new tokens of an answer; None for the limit of each task.
        repetition_penalty: None for the checkpoint's own, which the published evaluation leaves in force.
        batch_size: questions decoded together.
        workers: processes that read frames ahead; 0 for none.
        timeout: seconds after which reading a list of frames is given up.
        recheck: how many answers are asked again one by one; None for 16 of a model in half precision, else none.
        command: what was typed, for the record.
    """

    load: Mapping[str, Any]
    limit: int | None = None
    repetition_penalty: float | None = None
    batch_size: int = 8
    workers: int = 2
    timeout: float = 300.0
    recheck: int | None = None
    command: str = ""


def ask(
    asked: Sequence[Asked],
    folder: RunFolder,
    how: How,
    *,
    share: Share,
    world: int = 1,
    retry_failed: bool = False,
    watch: Watch,
    loading: Callable[[str], None] = lambda text: None,
    listening: AbstractContextManager[object] | None = None,
) -> None:
    """Answer what is missing of a share of all benchmarks; load nothing where nothing is.

    Args:
        asked: the benchmarks.
        folder: opened, and held for this share.
        how: to load and to ask.
        share: of the groups of each benchmark.
        world: processes that run together, for the record.
        retry_failed: ask samples that failed before again.
        watch: told how far it is.
        loading: told what takes a while before the first answer.
        listening: entered before the first question: from then on a signal waits for the end of a group.

    Raises:
        VgllmError: the model cannot be loaded, or does not say how it writes boxes.
    """
    todo = [one for one in asked if missing(one, folder, share, retry_failed=retry_failed)]
    if not todo:
        return
    loading("loading the model")
    predictor = load(**how.load)
    _check_convention(predictor, todo)
    model = predictor.model
    if share.index == 0:
        for remark in folder.start(start_record(predictor, how, world)):
            watch.say(remark)
    for note in predictor.report.notes:
        watch.say(note)
    for one in todo:
        with ExitStack() as stack:
            if listening is not None:
                stack.enter_context(listening)
            groups = missing(one, folder, share, retry_failed=retry_failed)
            first = {frames_key(members[0]): members[0] for members in groups}
            frames = stack.enter_context(
                FramesAhead(
                    [(one.prepared.root, sample) for sample in first.values()],
                    width=predictor.processor.frame_width,
                    workers=how.workers,
                    timeout=how.timeout,
                    cache=predictor.cache,
                )
            )
            answerer = _answerer(predictor, frames, how, cache=predictor.cache)
            answer(
                one,
                worded(answerer, model.config.prompt_revision),
                folder,
                share=share,
                euler_convention=model.config.euler_convention,
                retry_failed=retry_failed,
                watch=watch,
            )
        if watch.stop():
            return
    if share.index == 0:
        recheck(todo, predictor, folder, how, share=share, say=watch.say)


@contextmanager
def joined_group(load: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Be one of several processes; yield on which device. All of them leave the block together."""
    cpu = load.get("device") == "cpu" or not torch.cuda.is_available()
    state = PartialState(cpu=cpu, timeout=_PATIENCE)
    try:
        yield {"device": str(state.device)}
        state.wait_for_everyone()
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        PartialState._reset_state()


def identity(load: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model is, by the names and checksums of its files; nothing of it is loaded.

    Raises:
        CheckpointError: there is no such folder, and none on the hub.
    """
    offline = bool(load.get("offline"))
    if load.get("model") is None:
        return {"name": DEMO, "seed": load.get("seed", 0)}
    found = source_of(str(load["model"]), checkpoint_folder(load["model"], offline=offline))
    if load.get("geometry") is not None:
        found["geometry"] = source_of(str(load["geometry"]), checkpoint_folder(load["geometry"], offline=offline))
    return found


def worded(generate: Generate, revision: PromptRevision | None) -> Generate:
    """Return `generate` for a model that was trained on box prompts of another revision than the prepared set's."""
    if revision is None:
        return generate
    return lambda samples: generate([_in_revision(sample, revision) for sample in samples])


def start_record(predictor: Predictor, how: How, world: int) -> dict[str, Any]:
    """Return the facts of this start: when, on what, with which code and settings that change no question."""
    model = predictor.model
    info = predictor.info()
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": how.command,
        "world": world,
        "device": device_name(model.device),
        "dtype": info.dtype,
        "attention": info.attention,
        "batch_size": how.batch_size,
        "model": asdict(info),
        "versions": versions(),
        "code": code_version(),
    }


def recheck(
    asked: Sequence[Asked],
    predictor: Predictor,
    folder: RunFolder,
    how: How,
    *,
    share: Share,
    say: Callable[[str], None],
) -> None:
    """Ask some answers again, one by one, and note in the record how many differ.

    In float32 none does. In half precision, batches and shared prefixes round differently, which may tip a choice.
    """
    half = predictor.model.backbone.model.dtype != torch.float32
    count = (16 if half else 0) if how.recheck is None else how.recheck
    if not count:
        return
    different = total = 0
    each = -(-count // len(asked))
    for one in asked:
        lines = folder.lines(one.benchmark.name)
        known = [s for members in one.share(share) for s in members if s.id in lines and not lines[s.id].failed]
        chosen = [known[place * len(known) // min(each, len(known))] for place in range(min(each, len(known)))]
        with FramesAhead(
            [(one.prepared.root, sample) for sample in chosen], width=predictor.processor.frame_width, workers=0
        ) as frames:
            alone = worded(
                _answerer(predictor, frames, how, cache=None).one_by_one, predictor.model.config.prompt_revision
            )
            for sample in chosen:
                try:
                    text = alone([sample])[0]
                except VgllmError:
                    continue
                total += 1
                different += str(text) != json.loads(lines[sample.id].row)["text"]
    folder.note(recheck={"asked": total, "different": different, "dtype": predictor.info().dtype})
    say(f"asked again one by one: {different} of {total} answers differ")


def settings_of(how: How) -> dict[str, Any]:
    """Return what answers depend on beside model and data, for the run's record."""
    given = how.load
    return {
        "max_new_tokens": limits_of(how),
        "repetition_penalty": how.repetition_penalty or "the checkpoint's own",
        "decoding": "greedy",
        "euler_convention": given.get("euler_convention"),
        "prompt_revision": given.get("prompt_revision"),
    }


def limits_of(how: How) -> dict[Task, int]:
    """Return the most new tokens of an answer, by task."""
    return {task: how.limit or limit for task, limit in MAX_NEW_TOKENS.items()}


def _answerer(predictor: Predictor, frames: FramesAhead, how: How, *, cache: FeatureCache | None) -> Answerer:
    decoding = {task: predictor.decoding(limit, how.repetition_penalty) for task, limit in limits_of(how).items()}
    return Answerer(
        predictor.model, predictor.processor, frames, decoding=decoding, batch_size=how.batch_size, cache=cache
    )


def _in_revision(sample: Sample, revision: PromptRevision) -> Sample:
    turns = tuple(replace(turn, text=in_revision(turn.text, revision)) for turn in sample.conversations)
    return replace(sample, conversations=turns)


def _check_convention(predictor: Predictor, asked: Sequence[Asked]) -> None:
    boxes = [one.benchmark.name for one in asked if one.benchmark.boxes_in_text]
    if boxes and predictor.model.config.euler_convention is None:
        raise ConventionError(
            f"nobody says how {predictor.name} writes the angles of boxes",
            where=", ".join(boxes),
            fix="state it with --euler-convention ZXY (data since 27 November 2025) or zxy (older data)",
        )
