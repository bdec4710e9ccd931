"""Answer the questions of prepared samples, as they were trained: the tokens of the conversation up to its answer.

Each list of frames is encoded once, and each prompt layout read once by the language model, for all their questions.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vgcli_core.data.groups import frames_key, groups
from vgcli_core.data.sample import Sample
from vgcli_core.errors import CheckpointError, DataError, FusionError
from vgcli_core.media.images import Pixels
from vgcli_core.model.feature_cache import FeatureCache, digest_of
from vgcli_core.model.generate import Decoding, continue_from, prefill
from vgcli_core.model.pixels import fit_frames, pixels_of
from vgcli_core.model.processor import IGNORE, Processor
from vgcli_core.model.vgllm import VGLLM, Features
from vgcli_core.text.prompts import MAX_NEW_TOKENS, Task
from vgcli_core.text.written import Written


@dataclass(frozen=True, slots=True)
class Seen:
    """The frames of a sample, read.

    Attributes:
        frames: [F, H, W, 3] uint8, fitted; None where a cache holds their features.
        digest: what they are called in a cache (`data.frames_digest`); "" to name them by their pixels.
    """

    frames: Tensor | None
    digest: str = ""


Look = Callable[[Sample], Seen]


class Answerer:
    """Answers groups of samples; remembers what the encoders made of the last frames. The model is used as it stands.

    Args:
        model: of any precision; evaluation mode is up to the caller.
        processor: with the model's tokenizer.
        look: reads the frames of a sample.
        decoding: how an answer is generated, by task.
        batch_size: questions decoded together.
        cache: where features of frames are looked for, and kept.
    """

    def __init__(
        self,
        model: VGLLM,
        processor: Processor,
        look: Look,
        *,
        decoding: Mapping[Task, Decoding],
        batch_size: int = 8,
        cache: FeatureCache | None = None,
    ) -> None:
        self._model, self._processor, self._look = model, processor, look
        self._decoding, self._batch_size, self._cache = decoding, batch_size, cache
        self._last: tuple[Hashable, Tensor, Tensor] | None = None

    def __call__(self, samples: Sequence[Sample]) -> list[Written]:
        """Return an answer to the first question of each sample of one group (the same frames and prompt layout).

        Raises:
            MediaError, DataError: frames that cannot be read, a sample without frames.
            FusionError: `<image>` marks and frames differ in number.
            OutputError: the cache cannot be written.
        """
        return self._answer(samples, *self._fused(samples[0]))

    def one_by_one(self, samples: Sequence[Sample]) -> list[Written]:
        """Do the same with nothing shared: each sample's frames are read, encoded and prefilled for it alone."""
        found = []
        for sample in samples:
            seen = self._look(sample)
            if seen.frames is None:
                raise DataError("the frames were not read", where=sample.id, fix="ask without a cache of features")
            features = self._encode(seen.frames)
            found += self._answer([sample], self._fuse(features), features.grid_thw)
        return found

    def _answer(self, samples: Sequence[Sample], fused: Tensor, grid_thw: Tensor) -> list[Written]:
        prompts = [_prompt(self._processor, sample, grid_thw) for sample in samples]
        if any(prefix != prompts[0][0] for prefix, _ in prompts):
            raise FusionError("samples of one group begin differently", where=samples[0].id, fix="group them by layout")
        memory = prefill(self._model, prompts[0][0], fused, grid_thw)
        texts: list[Written] = []
        for start in range(0, len(samples), self._batch_size):
            here = slice(start, start + self._batch_size)
            decoding = [self._decoding[sample.task] for sample in samples[here]]
            found = continue_from(self._model, memory, [question for _, question in prompts[here]], decoding)
            for new, how in zip(found, decoding, strict=True):
                complete = bool(new) and new[-1] in how.stop
                texts.append(Written(self._processor.decode(new), tokens=len(new), complete=complete))
        return texts

    def _fused(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Return the fused tokens of a sample's frames and their grid."""
        if not sample.frames:
            raise DataError("a sample without frames", where=sample.id, fix="this model is asked about frames")
        key = frames_key(sample)
        if self._last is None or self._last[0] != key:
            self._last = None  # frees the memory of the old ones first
            features = self._features(self._look(sample), sample)
            self._last = (key, self._fuse(features), features.grid_thw)
        return self._last[1], self._last[2]

    def _features(self, seen: Seen, sample: Sample) -> Features:
        if self._cache is None:
            return self._encode(_read(seen, sample))
        key = self._cache.key(seen.digest or digest_of(_read(seen, sample)))
        if self._cache.has(key):
            return self._cache.read(key)
        self._cache.write(key, self._encode(_read(seen, sample)))
        return self._cache.read(key)

    def _encode(self, frames: Tensor) -> Features:
        pixels = pixels_of(frames.to(self._model.device))
        with torch.inference_mode():
            return self._model.encode(pixels.pixel_values, pixels.grid_thw, pixels.geometry_frames)

    def _fuse(self, features: Features) -> Tensor:
        with torch.inference_mode():
            return self._model.fuse([features])


def answers(
    model: VGLLM,
    processor: Processor,
    samples: Sequence[Sample],
    images: Callable[[Sample], Sequence[Pixels]],
    *,
    limits: Mapping[Task, int] = MAX_NEW_TOKENS,
    batch_size: int = 8,
    cache: FeatureCache | None = None,
) -> list[Written]:
    """Return a greedy answer to the first question of each sample, in order, whatever their groups.

    Args:
        model: of any precision, in evaluation mode.
        processor: with the model's tokenizer.
        samples: in any order.
        images: reads the frames of a sample, [H, W, 3] uint8 each.
        limits: new tokens of an answer, by task.
        batch_size: questions decoded together.
        cache: where features of frames are looked for, and kept.

    Raises:
        MediaError, DataError, FusionError, OutputError: see `Answerer`.
    """

    def look(sample: Sample) -> Seen:
        return Seen(fit_frames(images(sample), width=processor.frame_width, where=sample.id).frames)

    stop = frozenset({processor.ids["<|im_end|>"]})
    decoding = {task: Decoding(limit, stop) for task, limit in limits.items()}
    answerer = Answerer(model, processor, look, decoding=decoding, batch_size=batch_size, cache=cache)
    texts: dict[int, Written] = {}
    for members in groups(samples):
        texts |= zip(members, answerer([samples[place] for place in members]), strict=True)
    return [texts[place] for place in range(len(samples))]


def _read(seen: Seen, sample: Sample) -> Tensor:
    if seen.frames is None:
        raise CheckpointError(
            "features that were in the cache are gone",
            where=sample.id,
            fix="run again: they are computed anew; nothing else may remove files from the cache meanwhile",
        )
    return seen.frames


def _prompt(processor: Processor, sample: Sample, grid_thw: Tensor) -> tuple[list[int], list[int]]:
    """Return the ids up to the last frame, and those after it up to the opening of the answer."""
    human = next(turn for turn in sample.conversations if turn.speaker == "human")
    turns = [{"from": "human", "value": human.text}, {"from": "gpt", "value": ""}]
    encoded = processor.conversation(turns, grid_thw)
    # The first id that would be learnt is the first of the answer.
    ids = encoded.input_ids[: int((encoded.labels != IGNORE).nonzero()[0])].tolist()
    # Not the last one: a question may hold such a mark, which training reads as one too.
    ends = [place for place, token in enumerate(ids) if token == processor.ids["<|vision_end|>"]]
    cut = ends[len(grid_thw) - 1] + 1
    return ids[:cut], ids[cut:]
