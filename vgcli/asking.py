"""A loaded model as what `vgllm eval` asks: the frames read ahead, the cache, the wording that its weights know.

Evaluation does not know models, and models do not know benchmarks: they meet here.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import torch
from accelerate import PartialState

from vgcli_core.data.groups import frames_key
from vgcli_core.data.sample import Sample
from vgcli_core.errors import ConventionError, DataError, MediaError
from vgcli_core.evaluation.plan import Asked, Share
from vgcli_core.evaluation.run_folder import RunFolder
from vgcli_core.evaluation.runner import Generate, Watch, answer, missing
from vgcli_core.model.answer import Answerer
from vgcli_core.model.feature_cache import PREPROCESSING, FeatureCache
from vgcli_core.model.frames_ahead import FramesAhead, NobodyWaits
from vgcli_core.model.hub import checkpoint_folder
from vgcli_core.model.machine import code_version, device_name, source_of, versions
from vgcli_core.model.processor import SYSTEM
from vgcli_core.predict.loading import find_model, load
from vgcli_core.predict.pipeline import Predictor
from vgcli_core.text.prompts import MAX_NEW_TOKENS, PromptRevision, Task, in_revision

# One process may have a longer share, and the others wait for it.
_PATIENCE = timedelta(days=2)
# Answers of a run in half precision that are asked again.
_RECHECKED = 16


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
    first: bool = True,
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
        first: this process speaks for those that were started with it.
        world: processes that run together, for the record.
        retry_failed: ask samples that failed before again.
        watch: told how far it is.
        loading: told what takes a while before the first answer.
        listening: entered before the first question: from then on a signal waits for the end of a group.

    Raises:
        VgllmError: the model cannot be loaded, or does not say how it writes boxes.
    """
    todo = [one for one in asked if missing(one, folder, share, retry_failed=retry_failed)]
    again = unchecked(asked, how, folder.record() or {}) if share.index == 0 else []
    if not todo and not again:
        return
    loading("loading the model")
    predictor = load(**how.load)
    _check_convention(predictor, todo)
    model = predictor.model
    if first:
        for remark in folder.start(start_record(predictor, how, world)):
            watch.say(remark)
    for note in predictor.report.notes:
        watch.say(note)
    for one in todo:
        with ExitStack() as stack:
            if listening is not None:
                stack.enter_context(listening)
            groups = missing(one, folder, share, retry_failed=retry_failed)
            lists = {frames_key(members[0]): members[0] for members in reversed(groups)}
            frames = stack.enter_context(
                FramesAhead(
                    [(one.prepared.root, sample) for sample in reversed(lists.values())],
                    width=predictor.processor.frame_width,
                    workers=how.workers,
                    timeout=how.timeout,
                    cache=predictor.cache,
                    stop=watch.stop,
                )
            )
            answerer = _answerer(predictor, frames, how, cache=predictor.cache)
            stack.enter_context(suppress(NobodyWaits))
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
        recheck(asked, predictor, folder, how, share=share, say=watch.say)


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
        CheckpointError: there is no such folder, and none on the hub, or it holds no checkpoint.
    """
    offline = bool(load.get("offline"))
    name, folder = find_model(load.get("model"), offline=offline)
    if folder is None:
        return {"name": name, "seed": load.get("seed", 0)}
    found = source_of(name, folder)
    if load.get("geometry") is not None:
        found["geometry"] = source_of(str(load["geometry"]), checkpoint_folder(load["geometry"], offline=offline))
        found["seed"] = load.get("seed", 0)  # of what joins the two
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


def unchecked(asked: Sequence[Asked], how: How, record: Mapping[str, Any]) -> list[tuple[Asked, int]]:
    """Return the benchmarks of which some answers are still to be asked again one by one, and how many of each.

    Args:
        asked: the benchmarks.
        how: a number that is asked for holds; else a run in half precision has its answers checked, and no other.
        record: of the run.
    """
    half = any(start.get("dtype") != "float32" for start in record.get("starts", ()))
    wanted = (_RECHECKED if half else 0) if how.recheck is None else how.recheck
    checked = record.get("recheck", {}).get("of", {})
    counts = [wanted // len(asked) + (place < wanted % len(asked)) for place in range(len(asked))]
    done = {name for name, one in checked.items() if how.recheck in (None, one["wanted"])}
    pairs = zip(asked, counts, strict=True)
    return [(one, count) for one, count in pairs if count and one.benchmark.name not in done]


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
    record = folder.record() or {}
    found = dict(record.get("recheck", {}).get("of", {}))
    for one, count in unchecked(asked, how, record):
        lines = folder.lines(one.benchmark.name)
        known = [s for members in one.share(share) for s in members if s.id in lines and not lines[s.id].failed]
        most = min(count, len(known))
        chosen = [known[place * len(known) // most] for place in range(most)]
        with FramesAhead(
            [(one.prepared.root, sample) for sample in chosen],
            width=predictor.processor.frame_width,
            workers=min(how.workers, 1),
            timeout=how.timeout,
        ) as frames:
            alone = _answerer(predictor, frames, how, cache=None).one_by_one
            texts: dict[str, str] = {}
            for sample in chosen:
                with suppress(MediaError, DataError):  # gone meanwhile
                    (texts[sample.id],) = worded(alone, predictor.model.config.prompt_revision)([sample])
        different = sum(str(text) != json.loads(lines[key].row)["text"] for key, text in texts.items())
        wanted = count if how.recheck is None else how.recheck
        found[one.benchmark.name] = {"wanted": wanted, "asked": len(texts), "different": different}
    if found == record.get("recheck", {}).get("of", {}):
        return
    totals = {key: sum(one[key] for one in found.values()) for key in ("asked", "different")}
    folder.note(recheck={**totals, "dtype": predictor.info().dtype, "of": found})
    say(f"asked again one by one: {totals['different']} of {totals['asked']} answers differ")


def settings_of(how: How) -> dict[str, Any]:
    """Return what answers depend on beside model and data, for the run's record."""
    given = how.load
    return {
        "max_new_tokens": limits_of(how),
        "repetition_penalty": how.repetition_penalty or "the checkpoint's own",
        "decoding": "greedy",
        "system": SYSTEM,
        "preprocessing": PREPROCESSING,
        "euler_convention": given.get("euler_convention"),
        "prompt_revision": given.get("prompt_revision"),
    }


def limits_of(how: How) -> dict[Task, int]:
    """Return the most new tokens of an answer, by task."""
    return {task: how.limit or limit for task, limit in MAX_NEW_TOKENS.items()}


def _answerer(predictor: Predictor, frames: FramesAhead, how: How, *, cache: FeatureCache | None) -> Answerer:
    # The published evaluation ends an answer at this token alone, whatever a checkpoint's file says.
    stop = frozenset({predictor.processor.ids["<|im_end|>"]})
    decoding = {
        task: replace(predictor.decoding(limit, how.repetition_penalty), stop=stop)
        for task, limit in limits_of(how).items()
    }
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
