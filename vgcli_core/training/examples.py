"""From positions in the mixture to what the model reads; pictures stay bytes until the model takes them.

A sample that cannot be used becomes a `Bad`, which says why; no other sample takes its place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from vgcli_core.data.frame_store import read_images
from vgcli_core.data.frames_digest import frames_digest
from vgcli_core.data.mixture import Mixture
from vgcli_core.data.sample import IMAGE, Sample
from vgcli_core.errors import DataError, VgllmError
from vgcli_core.media.sampling import uniform
from vgcli_core.model.pixels import PATCH, fit_frames, grid_of, pixels_of
from vgcli_core.model.positions import multimodal_positions
from vgcli_core.model.processor import IGNORE, Encoded, Processor
from vgcli_core.model.vgllm import Features, ModelInputs
from vgcli_core.training.shortening import may_lose_frames, with_tags


class KnownFeatures(Protocol):
    """What is asked of a cache of features here: whether it has those of a list of frames, and their grid."""

    def key(self, digest: str) -> str:
        """Return the name under which features of these frames are kept."""

    def has(self, key: str) -> bool:
        """Return whether they are there."""

    def grid(self, key: str) -> Tensor:
        """Return [F, 3] patches in time, rows and columns of the frames."""


@dataclass(frozen=True, slots=True)
class Example:
    """One sample, ready for the model.

    Attributes:
        index: position in the mixture.
        id: of the sample.
        encoded: ids and labels.
        frames: [F, H, W, 3] uint8, fitted; None for text alone, and where the cache has the features.
        grid_thw: [F, 3] patches in time, rows and columns.
        key: of the features in the cache; "" where the frames are here instead.
        shortened: frames that were left out, so that the sample fits.
    """

    index: int
    id: str
    encoded: Encoded
    frames: Tensor | None
    grid_thw: Tensor
    key: str = ""
    shortened: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of its text and pictures."""
        return len(self.encoded.input_ids)

    @property
    def labelled(self) -> int:
        """Tokens that are learnt."""
        return _learnt(self.encoded)

    def __reduce__(self) -> tuple[Any, ...]:
        # Each tensor that leaves a worker costs an open file: small ones travel as bytes, a micro-batch may have many.
        small = (self.encoded.input_ids.numpy(), self.encoded.labels.numpy(), self.grid_thw.numpy())
        return _example, (self.index, self.id, self.frames, self.key, self.shortened, *small)


@dataclass(frozen=True, slots=True)
class Bad:
    """A sample that cannot be used: its position and id, its file and line, and what is wrong."""

    index: int
    id: str
    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """What one process runs at a time; without examples it is an empty turn."""

    examples: list[Example] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """Tokens without padding."""
        return sum(one.tokens for one in self.examples)

    @property
    def shortened(self) -> int:
        """Examples that lost frames."""
        return sum(one.shortened > 0 for one in self.examples)

    @property
    def labelled(self) -> int:
        """Tokens that are learnt."""
        return sum(one.labelled for one in self.examples)


class Examples(Dataset["Example | Bad"]):
    """The examples of a mixture, by position; may be copied to other processes."""

    def __init__(
        self,
        mixture: Mixture,
        processor: Processor,
        *,
        max_length: int,
        too_long: Literal["shorten", "refuse"] = "shorten",
        cache: KnownFeatures | None = None,
    ) -> None:
        self.mixture, self.processor = mixture, processor
        self.max_length, self.too_long, self.cache = max_length, too_long, cache

    def __len__(self) -> int:
        return len(self.mixture)

    def __getitem__(self, index: int) -> Example | Bad:
        """Read one sample; what cannot be used is returned as `Bad`, not raised."""
        name = ""
        try:
            sample = self.mixture.sample(index)
            name = sample.id
            example = self._cached(index, sample) or self._read(index, sample)
            if example.labelled == 0:
                raise DataError("nothing of it is learnt: it has no answer")
        except VgllmError as error:
            return Bad(index, name, self.mixture.where(index), f"{error.what} ({error.where})".removesuffix(" ()"))
        return example

    def _cached(self, index: int, sample: Sample) -> Example | None:
        """Return the example without its frames, where the cache knows them and the sample fits as it is."""
        if self.cache is None or not sample.frames:
            return None
        try:
            key = self.cache.key(frames_digest(sample, self.mixture.root(index)))
        except VgllmError:
            return None  # reading the frames says what is wrong with them
        if not self.cache.has(key):
            return None
        grid = self.cache.grid(key)
        encoded = self.processor.conversation(_turns(sample), grid)
        return Example(index, sample.id, encoded, None, grid, key) if self._excess(encoded) == 0 else None

    def _read(self, index: int, sample: Sample) -> Example:
        frames, grid = None, torch.empty(0, 3, dtype=torch.long)
        if sample.frames:
            images = read_images(sample, self.mixture.root(index))
            frames = fit_frames(images, width=self.processor.frame_width).frames
            grid = _grids(frames)
        encoded = self.processor.conversation(_turns(sample), grid)
        excess = self._excess(encoded)
        if excess == 0:
            return Example(index, sample.id, encoded, frames, grid)
        what = f"it has {len(encoded.input_ids)} tokens, and data.max_length allows {self.max_length}"
        if frames is None or self.too_long == "refuse" or not may_lose_frames(sample):
            raise DataError(what)
        # All frames of a sample are of one size, and each stands between two marks.
        kept = len(frames) - -(-excess // (self.processor.tokens_of(grid[0]) + 2))
        if kept < 1:
            raise DataError(f"{what}: its text alone is too long")
        # The first frame stays: the geometry encoder's coordinates are those of its camera.
        places = uniform(len(frames), kept)
        encoded = self.processor.conversation(_turns(with_tags(sample, kept)), grid[places])
        return Example(index, sample.id, encoded, frames[places], grid[places], shortened=len(frames) - kept)

    def _excess(self, encoded: Encoded) -> int:
        return max(len(encoded.input_ids) - self.max_length, 0)


def inputs_of(
    batch: MicroBatch,
    processor: Processor,
    device: torch.device,
    *,
    features: Callable[[Example], Features] | None,
    packing: bool,
) -> ModelInputs:
    """Return what the model reads of a micro-batch; an empty one is a `blank`, from which nothing is learnt.

    Args:
        batch: its examples are rows, padded on the right.
        processor: the one that made them.
        device: where frames become floats; text stays where it is, the model moves it.
        features: gives the encoders' output for an example with pictures, instead of its frames.
        packing: put all examples into one row, in which they do not see each other (`ModelInputs.segments`).
    """
    examples = batch.examples or [blank(processor)]
    inputs = (_packed if packing else _padded)(examples, processor)
    pictured = [one for one in examples if len(one.grid_thw)]
    if features is not None:
        return replace(inputs, features=[features(one) for one in pictured])
    pixels = [None if one.frames is None else pixels_of(one.frames.to(device)) for one in examples]
    seen = [one for one in pixels if one is not None]
    if len(seen) < len(pictured):
        raise ValueError("an example of the cache needs `features`")
    return replace(
        inputs,
        pixel_values=torch.cat([one.pixel_values for one in seen]) if seen else None,
        geometry_frames=[torch.empty(0, 3, 0, 0) if one is None else one.geometry_frames for one in pixels],
    )


def blank(processor: Processor) -> Example:
    """Return one small black frame without an answer: an empty turn that still runs every part."""
    frames = torch.zeros(1, 2 * PATCH, processor.frame_width, 3, dtype=torch.uint8)
    grid = _grids(frames)
    return Example(-1, "", processor.conversation([{"from": "human", "value": IMAGE}], grid), frames, grid)


def _padded(examples: Sequence[Example], processor: Processor) -> ModelInputs:
    return processor.rows([one.encoded for one in examples], [one.grid_thw for one in examples])


def _packed(examples: Sequence[Example], processor: Processor) -> ModelInputs:
    """Put the examples one after the other into one row; each has positions of its own. The system turn is not learnt,
    so no example's first token is scored by the end of the one before it."""
    ids = torch.cat([one.encoded.input_ids for one in examples])[None]
    token = processor.ids["<|image_pad|>"]
    positions = [multimodal_positions(one.encoded.input_ids.tolist(), one.grid_thw, token)[0] for one in examples]
    return ModelInputs(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        position_ids=torch.cat(positions, dim=1)[:, None],
        grid_thw=torch.cat([one.grid_thw for one in examples]),
        labels=torch.cat([one.encoded.labels for one in examples])[None],
        segments=torch.cat([torch.full_like(one.encoded.input_ids, at) for at, one in enumerate(examples)])[None],
    )


def _turns(sample: Sample) -> list[dict[str, str]]:
    return [{"from": turn.speaker, "value": turn.text} for turn in sample.conversations]


def _grids(frames: Tensor) -> Tensor:
    return torch.tensor([grid_of(*frames.shape[1:3])]).expand(len(frames), -1).contiguous()


def _learnt(encoded: Encoded) -> int:
    return int((encoded.labels[1:] != IGNORE).sum())


def _example(*values: Any) -> Example:
    index, name, frames, key, shortened, ids, labels, grid = values
    encoded = Encoded(torch.from_numpy(ids), torch.from_numpy(labels))
    return Example(index, name, encoded, frames, torch.from_numpy(grid), key, shortened)
