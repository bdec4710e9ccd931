"""Answer the questions of prepared samples, as they were trained: the tokens of the conversation up to its answer.

Each list of frames is encoded once, and each prompt layout read once by the language model, for all their questions.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from vgcli_core.data.sample import Sample
from vgcli_core.errors import DataError
from vgcli_core.media.images import Pixels
from vgcli_core.model.feature_cache import FeatureCache, encoded
from vgcli_core.model.generate import Decoding, continue_from, prefill
from vgcli_core.model.pixels import prepare_pixels
from vgcli_core.model.processor import IGNORE, Processor
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.text.prompts import MAX_NEW_TOKENS, Task


def answers(
    model: VGLLM,
    processor: Processor,
    samples: Sequence[Sample],
    images: Callable[[Sample], Sequence[Pixels]],
    *,
    limits: Mapping[Task, int] = MAX_NEW_TOKENS,
    batch_size: int = 8,
    cache: FeatureCache | None = None,
) -> list[str]:
    """Return a greedy answer to the first question of each sample, in order.

    The model is used as it stands: evaluation mode and precision are up to the caller.

    Args:
        model: of any precision.
        processor: with the model's tokenizer.
        samples: in any order.
        images: reads the frames of a sample, [H, W, 3] uint8 each.
        limits: new tokens of an answer, by task.
        batch_size: questions decoded together.
        cache: where features of frames are looked for, and kept.

    Raises:
        MediaError, DataError: frames that cannot be read, a sample without frames.
        FusionError: `<image>` marks and frames differ in number.
    """
    texts = [""] * len(samples)
    for members in group_by_frames(samples):
        first = samples[members[0]]
        if not first.frames:
            raise DataError("a sample without frames", where=first.id, fix="this model is asked about frames")
        pixels = prepare_pixels(images(first), width=processor.frame_width, where=first.id)
        with torch.inference_mode():
            fused = model.fuse([encoded(model, pixels, cache)])
        layouts: dict[tuple[int, ...], list[tuple[int, list[int]]]] = {}
        for place in members:
            prefix, question = _prompt(processor, samples[place], pixels.grid_thw)
            layouts.setdefault(tuple(prefix), []).append((place, question))
        for ids, asked in layouts.items():
            memory = prefill(model, ids, fused, pixels.grid_thw)
            for start in range(0, len(asked), batch_size):
                batch = asked[start : start + batch_size]
                decoding = [
                    Decoding(limits[samples[place].task], frozenset({processor.ids["<|im_end|>"]}))
                    for place, _ in batch
                ]
                found = continue_from(model, memory, [question for _, question in batch], decoding)
                for (place, _), new in zip(batch, found, strict=True):
                    texts[place] = processor.decode(new)
    return texts


def group_by_frames(samples: Sequence[Sample]) -> list[list[int]]:
    """Return the places of samples that show the model the same pictures, together; groups in order of appearance."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, sample in enumerate(samples):
        drawn = None if sample.markers is None else repr(sample.markers)
        groups.setdefault((sample.pack, sample.frames, sample.square, drawn), []).append(place)
    return list(groups.values())


def _prompt(processor: Processor, sample: Sample, grid_thw: Tensor) -> tuple[list[int], list[int]]:
    """Return the ids up to the last frame, and those after it up to the opening of the answer."""
    human = next(turn for turn in sample.conversations if turn.speaker == "human")
    turns = [{"from": "human", "value": human.text}, {"from": "gpt", "value": ""}]
    encoded = processor.conversation(turns, grid_thw)
    # The first id that would be learnt is the first of the answer.
    ids = encoded.input_ids[: int((encoded.labels != IGNORE).nonzero()[0])].tolist()
    cut = len(ids) - ids[::-1].index(processor.ids["<|vision_end|>"])
    return ids[:cut], ids[cut:]
