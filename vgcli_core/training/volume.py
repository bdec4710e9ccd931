"""How much a run trains on: samples, frames and tokens, from prepared sets or, before these are there, as published."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vgcli_core.data.mixture import Mixture, estimated_length, mix
from vgcli_core.data.sources import DATASETS
from vgcli_core.errors import DataError
from vgcli_core.model.pixels import PATCH, geometry_size, grid_of
from vgcli_core.training.memory import Longest
from vgcli_core.training.objectives import chosen
from vgcli_core.training.order import planned, questions_of_a_row
from vgcli_core.training.recipe import DataSet, Recipe
from vgcli_core.training.sets import open_sets

# A token of text in an estimated length is a word; a word is about one and a half tokens.
_TOKENS_OF_A_WORD = 1.5
_TEMPLATE = 30  # system turn and the marks of turns
_MARKS = 8  # of a picture: its two marks, and where frames are numbered "Frame-0: "
_PICTURE = estimated_length(1, [])


@dataclass(frozen=True, slots=True)
class Kind:
    """Samples of one kind: how many, of each its frames, tokens of text with the answer's, those, and the most text."""

    count: int
    frames: int
    text: int
    labelled: int
    most: int


# Kinds of samples of the published training sets by share; formats in the datasets' own documents. Lengths of
# questions and answers are rough; frames None: as many as the recipe asks for.
_PUBLISHED: dict[str, tuple[int, tuple[tuple[float, int | None, int, int], ...]]] = {
    "spar": (234_056, ((0.321, 1, 150, 10), (0.488, 3, 150, 10), (0.191, 32, 150, 10))),
    "llava_hound": (63_750, ((1.0, 8, 180, 130),)),
    "scanrefer": (36_665, ((1.0, None, 170, 90),)),
    "scan2cap": (36_665, ((1.0, None, 90, 40),)),
    "scannet_det": (144_164, ((1.0, None, 700, 600),)),
}
_FRAMES = {"scannet_det": 4}
_USUAL_FRAMES = 32


@dataclass(frozen=True, slots=True)
class Volume:
    """What a run trains on.

    Attributes:
        kinds: of samples, one epoch.
        steps: of the whole run.
        samples: of one epoch.
        turns: micro-batches of one process in one step.
        questions: samples that share a row, on average (`batch.questions`).
        patches, cells: of a frame 4:3, for the geometry encoder and after merging.
        max_length: tokens that a sample may have.
        answers: whether answers are learnt; if not, an encoder sees all frames, and no text is there.
        notes: where the numbers are from.
    """

    kinds: tuple[Kind, ...]
    steps: int
    samples: int
    turns: int
    questions: float
    patches: int
    cells: int
    max_length: int
    answers: bool
    notes: tuple[str, ...]

    def fitted(self) -> Iterator[tuple[Kind, int, int]]:
        """Yield each kind with the frames and tokens of a usual row; of a sample is left what `max_length` allows."""
        for kind in self.kinds:
            frames, tokens = self._fitted(kind.frames, kind.text)
            yield kind, frames, tokens + round((self.questions - 1) * (tokens - frames * (self.cells + _MARKS)))

    def longest(self) -> Longest:
        """Return the longest sample, with as much text as any one has."""
        frames, tokens = max((self._fitted(kind.frames, kind.most) for kind in self.kinds), key=lambda one: one[1])
        text = min(max(kind.most for kind in self.kinds) + _TEMPLATE, tokens)
        return Longest(frames, tokens, text, self.patches, self.cells)

    def _fitted(self, frames: int, text: int) -> tuple[int, int]:
        if not self.answers:
            return frames, frames * self.patches
        each = self.cells + _MARKS
        room = max(self.max_length - text - _TEMPLATE, each)
        frames = min(frames, room // each)
        return frames, min(frames * each + text + _TEMPLATE, self.max_length)

    def rows_of_step(self, batch: int) -> float:
        """Return the rows of one step that should have `batch` of them."""
        return min(batch, self.samples / self.questions)

    def tokens_per_step(self, batch: int) -> float:
        """Return the mean number of tokens in one step of `batch` rows."""
        total = sum(kind.count * tokens for kind, _, tokens in self.fitted())
        return total / max(self.samples, 1) * self.rows_of_step(batch)


def volume_of(recipe: Recipe, data: Path | None, *, world: int) -> Volume:
    """Return what a recipe trains on.

    Args:
        recipe: its sets, batch and length.
        data: the folder of prepared sets; where it or a set is missing, published numbers are taken.
        world: processes.

    Raises:
        DataError: a set is neither there nor of a published size; it tells how to get it.
        UnknownName: no dataset is called so.
    """
    height, width = geometry_size(4, 3, recipe.start.frame_width)
    _, rows, columns = grid_of(height, width)
    cells = rows * columns // 4
    missing = DataError("no data folder was given", fix="name the folder of the prepared sets with --data")
    kinds: tuple[Kind, ...] | None = None
    steps, questions = 0, float(recipe.batch.questions)
    if data is not None:
        try:
            mixture = _mixture(recipe, data)
            kinds, steps = _found(mixture), len(planned(mixture, recipe))
            questions = questions_of_a_row(mixture, recipe.batch)
        except DataError as error:
            missing = error
    if kinds is None:
        kinds = tuple(_published(recipe, missing))
        rows = -(-sum(kind.count for kind in kinds) // recipe.batch.questions)
        steps = -(-rows // recipe.batch.size) * recipe.run.epochs
        notes: tuple[str, ...] = (f"samples and lengths are the published or usual ones: {missing.what}",)
        if recipe.batch.questions > 1:
            notes += (f"rows are taken to be full: {recipe.batch.questions} questions about the same frames in each",)
    else:
        notes = ("lengths are estimated from the prepared sets: words and pictures",)
    steps = min(steps, recipe.run.max_steps or steps)
    turns = -(-recipe.batch.size // (recipe.batch.micro * world))
    patches = (height // PATCH) * (width // PATCH)
    samples = sum(kind.count for kind in kinds)
    answers = recipe.objective.kind == "answers"
    return Volume(kinds, steps, samples, turns, questions, patches, cells, recipe.data.max_length, answers, notes)


def _mixture(recipe: Recipe, data: Path) -> Mixture:
    hold_out = recipe.validation.hold_out if recipe.validation.every else 0
    return chosen(mix(open_sets(recipe, data), seed=recipe.seed, hold_out=hold_out)[0], recipe)


def _found(mixture: Mixture) -> tuple[Kind, ...]:
    """Group samples by pictures; what an estimated length has beyond them is words, half of which may be an answer."""
    pictures, words = np.divmod(mixture.length, _PICTURE)
    kinds = []
    for frames in np.unique(pictures).tolist():
        own = words[pictures == frames]
        text = round(float(own.mean()) * _TOKENS_OF_A_WORD)
        most = round(float(own.max()) * _TOKENS_OF_A_WORD)
        kinds.append(Kind(len(own), int(frames), text, text // 2, most))
    return tuple(kinds)


def _published(recipe: Recipe, missing: DataError) -> Iterator[Kind]:
    """Yield the published kinds; raise what is wrong with the data where a set has none: of lists of frames none is."""
    for one in recipe.data.sets.values():
        if one.dataset not in _PUBLISHED or recipe.objective.kind != "answers":
            raise missing
        count, kinds = _PUBLISHED[one.dataset]
        yield from _shared(one, count, kinds)


def _shared(one: DataSet, count: int, kinds: Sequence[tuple[float, int | None, int, int]]) -> Iterator[Kind]:
    asked = one.num_frames or _FRAMES.get(one.dataset) or DATASETS[one.dataset].num_frames or _USUAL_FRAMES
    left = int(count * one.share)
    for part, frames, text, labelled in kinds[:-1]:
        own = round(count * one.share * part)
        left -= own
        yield Kind(own, frames or asked, text, labelled, text)
    _, frames, text, labelled = kinds[-1]
    yield Kind(left, frames or asked, text, labelled, text)
