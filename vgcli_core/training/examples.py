"""From positions in the mixture to token ids and frames; `rows` makes what the model reads of them.

A sample that cannot be used becomes a `Bad`, which says why; no other sample takes its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from vgcli_core.data.frame_store import read_images
from vgcli_core.data.frames_digest import frames_digest
from vgcli_core.data.mixture import Mixture
from vgcli_core.data.sample import Sample
from vgcli_core.errors import DataError, VgllmError
from vgcli_core.media.sampling import uniform
from vgcli_core.model.pixels import fit_frames, grid_of
from vgcli_core.model.processor import IGNORE, Encoded, Processor
from vgcli_core.training.shortening import may_lose_frames, with_tags

if TYPE_CHECKING:
    from vgcli_core.training.objectives.hints import Hint, Hints


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
        shown: number of its list of frames in the mixture (`Mixture.frames`); -1 where that is not known.
        hint: what the losses use beside the answer (`objectives.hints`); None where there are no such losses.
    """

    index: int
    id: str
    encoded: Encoded
    frames: Tensor | None
    grid_thw: Tensor
    key: str = ""
    shortened: int = 0
    shown: int = -1
    hint: "Hint | None" = None

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
        rest = (self.index, self.id, self.frames, self.key, self.shortened, self.shown, self.hint)
        return _example, (*rest, *small)


@dataclass(frozen=True, slots=True)
class Bad:
    """A sample that cannot be used: its position and id, its file and line, and what is wrong."""

    index: int
    id: str
    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """What one process runs at a time; without examples it is an empty turn.

    Examples are what the objective's dataset gives: `Example`, or another kind with `id`, `tokens`, `labelled` and
    `shortened`.
    """

    examples: Sequence[Any] = field(default_factory=list)
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


class _Frames(NamedTuple):
    """Frames of a sample as in `Example`: themselves, or the key of their features."""

    frames: Tensor | None
    grid_thw: Tensor
    key: str = ""


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
        hints: "Hints | None" = None,
    ) -> None:
        self.mixture, self.processor = mixture, processor
        self.max_length, self.too_long, self.cache, self.hints = max_length, too_long, cache, hints

    def __len__(self) -> int:
        return len(self.mixture)

    def __getitem__(self, index: int) -> Example | Bad:
        """Read one sample; what cannot be used is returned as `Bad`, not raised."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Example | Bad]:
        """Read a micro-batch as `__getitem__` does each sample; frames that several of them show are read once."""
        known: dict[int, _Frames] = {}
        return [self._one(index, known) for index in indices]

    def _one(self, index: int, known: dict[int, _Frames]) -> Example | Bad:
        name = ""
        try:
            sample = self.mixture.sample(index)
            name = sample.id
            example = self._example(index, sample, known)
            if example.labelled == 0:
                raise DataError("nothing of it is learnt: it has no answer")
            if self.hints is not None and sample.frames:
                example = replace(example, hint=self.hints(sample, self.mixture.root(index), example))
        except VgllmError as error:
            return Bad(index, name, self.mixture.where(index), f"{error.what} ({error.where})".removesuffix(" ()"))
        return example

    def _example(self, index: int, sample: Sample, known: dict[int, _Frames]) -> Example:
        shown = int(self.mixture.frames[index])
        if shown not in known:
            known[shown] = self._frames(index, sample)
        frames, grid, key = known[shown]
        encoded = self.processor.conversation(_turns(sample), grid)
        excess = len(encoded.input_ids) - self.max_length
        if excess <= 0:
            return Example(index, sample.id, encoded, frames, grid, key, shown=shown)
        what = f"it has {len(encoded.input_ids)} tokens, and data.max_length allows {self.max_length}"
        if not sample.frames or self.too_long == "refuse" or not may_lose_frames(sample):
            raise DataError(what)
        # All frames of a sample are of one size, and each stands between two marks.
        kept = len(grid) - -(-excess // (self.processor.tokens_of(grid[0]) + 2))
        if kept < 1:
            raise DataError(f"{what}: its text alone is too long")
        # Features of fewer frames are other ones.
        whole = self._read(index, sample) if frames is None else frames
        # The first frame stays: the geometry encoder's coordinates are those of its camera.
        places = uniform(len(grid), kept)
        encoded = self.processor.conversation(_turns(with_tags(sample, kept)), grid[places])
        return Example(index, sample.id, encoded, whole[places], grid[places], "", len(grid) - kept, shown)

    def _frames(self, index: int, sample: Sample) -> _Frames:
        if not sample.frames:
            return _Frames(None, torch.empty(0, 3, dtype=torch.long))
        if cached := self._cached(index, sample):
            return cached
        frames = self._read(index, sample)
        return _Frames(frames, grids_of(frames))

    def _cached(self, index: int, sample: Sample) -> _Frames | None:
        """Return where the cache has what the encoders made of the sample's frames, if it does."""
        if self.cache is None:
            return None
        try:
            key = self.cache.key(frames_digest(sample, self.mixture.root(index)))
        except VgllmError:
            return None  # reading the frames says what is wrong with them
        return _Frames(None, self.cache.grid(key), key) if self.cache.has(key) else None

    def _read(self, index: int, sample: Sample) -> Tensor:
        images = read_images(sample, self.mixture.root(index))
        return fit_frames(images, width=self.processor.frame_width).frames


def grids_of(frames: Tensor) -> Tensor:
    """Return [F, 3] patches in time, rows and columns of fitted frames [F, H, W, 3]."""
    return torch.tensor([grid_of(*frames.shape[1:3])]).expand(len(frames), -1).contiguous()


def _turns(sample: Sample) -> list[dict[str, str]]:
    return [{"from": turn.speaker, "value": turn.text} for turn in sample.conversations]


def _learnt(encoded: Encoded) -> int:
    return int((encoded.labels[1:] != IGNORE).sum())


def _example(*values: Any) -> Example:
    index, name, frames, key, shortened, shown, hint, ids, labels, grid = values
    encoded = Encoded(torch.from_numpy(ids), torch.from_numpy(labels))
    return Example(index, name, encoded, frames, torch.from_numpy(grid), key, shortened, shown, hint)
