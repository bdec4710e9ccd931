"""What lmms-eval asks, read into prompts over frames, and answered: equal visuals are encoded once.

A request is `(context, settings, doc_to_visual, doc_id, task, split)` in lmms-eval's simple form: the visuals, then the
context. In its chat form it is `(context, doc_to_messages, settings, doc_id, task, split)`: parts in the order of the
messages. The text is sent as the task wrote it. Visuals are asked for twice, to group the requests and to answer a
group, so that never all pictures of a benchmark are in memory.

Source: lmms-eval 0.7.3, `api/task.py` (construct_requests) and `protocol.py`.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vgcli_core.errors import MediaError, UsageError
from vgcli_core.media.frames import read_frames
from vgcli_core.media.images import Pixels, as_rgb
from vgcli_core.media.sampling import Sampling, uniform
from vgcli_core.model.feature_cache import digest_of, encoded
from vgcli_core.model.generate import Prefix, continue_from, prefill
from vgcli_core.model.pixels import prepare_pixels
from vgcli_core.model.processor import SYSTEM
from vgcli_core.predict.pipeline import Predictor

# What lmms-eval's own Qwen2.5-VL takes where a task states no limit.
MAX_NEW_TOKENS = 128
_GREEDY = "add --gen_kwargs temperature=0,do_sample=False,num_beams=1: answers of this model are greedy"
_KINDS = "give a video or picture file, a picture of Pillow, a uint8 array [H, W, 3] or [T, H, W, 3], a decord reader"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.

    Attributes:
        visuals: what tells the visuals from others: a path, or a checksum of frames.
        before: the text before each visual, "" for none.
        text: what comes after the last visual.
        system: the system prompt.
        limit: new tokens of the answer.
        penalty: of repetition; the checkpoint's own when None.
        until: the answer ends before the first of these.
        read: returns the visuals themselves.
        where: the task and document, for errors.
    """

    visuals: tuple[Hashable, ...]
    before: tuple[str, ...]
    text: str
    system: str
    limit: int
    penalty: float | None
    until: tuple[str, ...]
    read: Callable[[], list[Any]]
    where: str


def read_request(arguments: Sequence[Any], docs: Mapping[str, Any], num_frames: int, *, simple: bool) -> Asked:
    """Return what a request asks.

    Args:
        arguments: of lmms-eval's Instance, in the form that `simple` tells.
        docs: documents by task, split and number.
        num_frames: of a video.
        simple: whether the request has the simple form.

    Raises:
        UsageError: it wants what this model does not do: sampling, several turns, an answer without any visual.
        MediaError: visuals of a kind that is not known, or that cannot be read.
    """
    if simple:
        context, settings, give, doc_id, task, split = arguments
    else:
        context, give, settings, doc_id, task, split = arguments
    where = f"task {task}, split {split}, document {doc_id}"

    def parts() -> tuple[str, list[Any]]:
        found = give(docs[task][split][doc_id])
        return (SYSTEM, [*_flat(found), _Text(context)]) if simple else _of_messages(found, where)

    def read() -> list[Any]:
        return [part for part in parts()[1] if not isinstance(part, _Text)]

    system, turn = parts()
    before, seen, text = [], [], ""
    for part in turn:
        if isinstance(part, _Text):
            text += part
        else:
            before.append(text)
            seen.append(_identity(part, num_frames, where))
            text = ""
    if not seen:
        fix = "choose tasks with pictures or videos"
        raise UsageError("a question without any visual: this model is asked about frames", where=where, fix=fix)
    limit, penalty, until = _settings(settings, where)
    return Asked(tuple(seen), tuple(before), text, system, limit, penalty, until, read, where)


def answer_requests(
    predictor: Predictor,
    asked: Sequence[Asked],
    *,
    num_frames: int,
    batch_size: int,
    done: Callable[[int, str], None],
    say: Callable[[str], None],
) -> list[str]:
    """Return the answers, in order.

    Args:
        predictor: the model.
        asked: the requests, in any order.
        num_frames: of a video, evenly spaced.
        batch_size: questions about the same visuals that are decoded together.
        done: called with the place of each request and its answer, as they come.
        say: called with each remark on frames: what was cropped, turned or could not be decoded.

    Raises:
        MediaError, UsageError, OutputError: see their messages.
    """
    answers = [""] * len(asked)
    groups: dict[tuple[Hashable, ...], list[int]] = defaultdict(list)
    for place, one in enumerate(asked):
        groups[one.visuals].append(place)
    for members in groups.values():
        shown = _show(predictor, asked[members[0]], num_frames, say)
        layouts: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
        for place in members:
            layouts[asked[place].system, asked[place].before].append(place)
        for places in layouts.values():
            prefix = _read_into(predictor, shown, asked[places[0]])
            for start in range(0, len(places), batch_size):
                batch = places[start : start + batch_size]
                for place, answer in zip(batch, _answer(predictor, prefix, [asked[i] for i in batch]), strict=True):
                    answers[place] = answer
                    done(place, answer)
    return answers


@dataclass(frozen=True, slots=True)
class _Shown:
    """Encoded visuals: the frames of each, image tokens [T, D] and patches [F, 3] of all."""

    lengths: tuple[int, ...]
    fused: Tensor
    grid_thw: Tensor


def _show(predictor: Predictor, asked: Asked, num_frames: int, say: Callable[[str], None]) -> _Shown:
    """Encode the visuals of a request."""
    clips = [_frames(visual, num_frames, asked.where) for visual in asked.read()]
    images = [image for clip, _ in clips for image in clip]
    pixels = prepare_pixels(images, width=predictor.processor.frame_width, where=asked.where)
    for note in dict.fromkeys([*(note for _, notes in clips for note in notes), *pixels.notes]):
        say(note)
    with torch.inference_mode():
        fused = predictor.model.fuse([encoded(predictor.model, pixels, predictor.cache)])
    return _Shown(tuple(len(clip) for clip, _ in clips), fused, pixels.grid_thw)


def _read_into(predictor: Predictor, shown: _Shown, asked: Asked) -> Prefix:
    """Run the language model over a prompt up to its last frame; the text before a video stands before its first."""
    texts = [
        text if frame == 0 else ""
        for text, length in zip(asked.before, shown.lengths, strict=True)
        for frame in range(length)
    ]
    ids = predictor.processor.interleaved(texts, shown.grid_thw, system=asked.system)
    return prefill(predictor.model, ids, shown.fused, shown.grid_thw)


def _answer(predictor: Predictor, prefix: Prefix, asked: Sequence[Asked]) -> list[str]:
    processor = predictor.processor
    questions = [processor.question(one.text) for one in asked]
    decoding = [predictor.decoding(one.limit, one.penalty) for one in asked]
    found = continue_from(predictor.model, prefix, questions, decoding)
    return [_cut(processor.decode(new), one.until) for new, one in zip(found, asked, strict=True)]


class _Text(str):
    """A part of a prompt that is text; a plain str among visuals is a path."""


def _of_messages(messages: Sequence[Mapping[str, Any]], where: str) -> tuple[str, list[Any]]:
    """Return the system prompt and the parts of the one user turn."""
    system, turns = SYSTEM, []
    for message in messages:
        content = message["content"]
        parts = [_Text(content)] if isinstance(content, str) else [_part(part, where) for part in content]
        if message["role"] == "system":
            if not all(isinstance(part, _Text) for part in parts):
                raise UsageError("visuals in the system prompt", where=where, fix="choose another task")
            system = "".join(parts)
        else:
            turns.append((message["role"], parts))
    if [role for role, _ in turns] != ["user"]:
        fix = "set --num_fewshot 0, or choose another task"
        raise UsageError("more than one turn: this model answers one question at a time", where=where, fix=fix)
    return system, turns[0][1]


def _part(part: Mapping[str, Any], where: str) -> Any:
    kind = part["type"]
    if kind == "text":
        return _Text(part["text"])
    if kind not in ("image", "video"):
        raise MediaError(f"this model cannot take {kind}", where=where, fix="choose tasks with pictures or videos")
    if part.get("start_time") is not None or part.get("end_time") is not None:
        raise MediaError("parts of videos cannot be chosen", where=where, fix="cut the video, and name the new file")
    return part["url"]


def _flat(visuals: Any) -> list[Any]:
    """Return visuals in order, however lists of them are nested; none for None."""
    if visuals is None:
        return []
    return [one for part in visuals for one in _flat(part)] if isinstance(visuals, list | tuple) else [visuals]


def _identity(visual: Any, num_frames: int, where: str) -> Hashable:
    if isinstance(visual, str | Path):
        return str(visual)
    frames, _ = _frames(visual, num_frames, where)
    return tuple(digest_of(torch.from_numpy(frame)) for frame in frames)


def _frames(visual: Any, num_frames: int, where: str) -> tuple[Sequence[Pixels], Sequence[str]]:
    """Return the frames of one visual, [H, W, 3] each, and remarks on them."""
    if isinstance(visual, str | Path):
        if str(visual).startswith("data:"):
            raise MediaError("a picture in the place of an address cannot be read", where=where, fix=_KINDS)
        read = read_frames(visual, Sampling(num_frames=num_frames))
        return read.images, read.notes
    if isinstance(visual, Image.Image):
        try:
            return [as_rgb(visual)], ()
        except ValueError as error:
            raise MediaError(f"a picture cannot be used: {error}", where=where, fix=_KINDS) from error
    if isinstance(visual, np.ndarray):
        clip = visual[None] if visual.ndim == 3 else visual
        if clip.ndim == 4 and len(clip) and clip.shape[-1] == 3 and clip.dtype == np.uint8:
            return [np.ascontiguousarray(clip[index]) for index in uniform(len(clip), num_frames)], ()
        what = f"an array of shape {visual.shape} and type {visual.dtype} is neither a picture nor a video"
        raise MediaError(what, where=where, fix=_KINDS)
    if hasattr(visual, "get_batch") and len(visual):
        return list(visual.get_batch(uniform(len(visual), num_frames)).asnumpy()), ()
    raise MediaError(f"a visual of type {type(visual).__name__} cannot be used", where=where, fix=_KINDS)


def _settings(settings: Mapping[str, Any], where: str) -> tuple[int, float | None, tuple[str, ...]]:
    """Return limit, repetition penalty and stop texts; top_p and the like mean nothing to greedy answers."""
    temperature, sampling = settings.get("temperature"), settings.get("do_sample")
    drawn = bool(sampling) if temperature is None else temperature > 0
    # Tasks that state a temperature and do_sample: false mean greedy answers, as transformers does.
    if (drawn and sampling is not False) or (settings.get("num_beams") or 1) > 1:
        raise UsageError("the task asks for sampling or a beam search", where=where, fix=_GREEDY)
    until = settings.get("until") or []
    stops = [until] if isinstance(until, str) else until
    if not isinstance(stops, list | tuple) or not all(isinstance(stop, str) for stop in stops):
        raise UsageError(
            f"{until!r} is neither a text nor a list of texts to stop at", where=where, fix="check `until`"
        )
    limit = settings.get("max_new_tokens")
    penalty = settings.get("repetition_penalty")
    return MAX_NEW_TOKENS if limit is None else int(limit), penalty, tuple(stop for stop in stops if stop)


def _cut(text: str, until: Sequence[str]) -> str:
    for stop in until:
        text = text.split(stop, maxsplit=1)[0]
    return text
