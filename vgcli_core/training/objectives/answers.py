"""The text of answers: what the paper's stage of training learns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vgcli_core.data.mixture import Mixture
from vgcli_core.errors import UsageError
from vgcli_core.model.feature_cache import FeatureCache
from vgcli_core.model.processor import Processor
from vgcli_core.model.vgllm import VGLLM, Features, ModelInputs
from vgcli_core.training.examples import Example, Examples, MicroBatch
from vgcli_core.training.objectives.hinted import HintedLoss
from vgcli_core.training.objectives.hinted_inputs import HintedInputs, hinted_inputs
from vgcli_core.training.objectives.hints import Hints, NumberWords
from vgcli_core.training.recipe import Recipe
from vgcli_core.training.rows import blank, inputs_of, placed, rows_of


class LossOf(nn.Module):
    """The model as the loop calls it: inputs to the loss, added up over the labelled tokens."""

    def __init__(self, model: VGLLM) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: ModelInputs) -> Tensor:
        """Return a float32 scalar."""
        return self.model.loss_sum(inputs)


@dataclass(frozen=True)
class Cached:
    """What encoders gave before, and where to read it."""

    features: Callable[[Example], Features]
    cache: FeatureCache


class Answers:
    """See `Objective`. Raises UsageError where the tokenizer does not fit the losses."""

    measures: tuple[str, ...] = ()

    def __init__(
        self, recipe: Recipe, model: VGLLM, processor: Processor, device: torch.device, cached: Cached | None = None
    ) -> None:
        self._recipe, self._model, self._processor = recipe, model, processor
        self._device, self._cached = device, cached
        self.module: nn.Module = LossOf(model)
        self._words: NumberWords | None = None
        if recipe.objective.hinted:
            tokenizer = processor.tokenizer
            self._words = NumberWords.of(tokenizer)
            if not self._words.whole and (recipe.objective.pointing or recipe.objective.numbers):
                raise UsageError(
                    "objective.pointing and objective.numbers need a tokenizer whose numbers are a whole part with its "
                    "point, then single digits, and this one cuts them otherwise",
                    where=f"start.weights: {recipe.start.weights}",
                    fix="set both to 0, or start from `small`",
                )
            labels = [tokenizer.encode(f" {label}", add_special_tokens=False) for label in recipe.objective.labels]
            self._hinted = HintedLoss(model, recipe.objective, labels).to(device)
            self.module, self.measures = self._hinted, self._hinted.measures

    def examples(self, mixture: Mixture) -> Examples:
        """Return them as token ids with frames, or with the name of what the encoders made of these."""
        data = self._recipe.data
        cache = self._cached.cache if self._cached else None
        return Examples(
            mixture,
            self._processor,
            max_length=data.max_length,
            too_long=data.too_long,
            cache=cache,
            hints=Hints(self._words) if self._words else None,
        )

    def inputs(self, batch: MicroBatch, seed: int) -> ModelInputs | HintedInputs:
        """Return rows of tokens; nothing is drawn."""
        questions = self._recipe.batch.questions
        inputs = inputs_of(
            batch,
            self._processor,
            self._device,
            features=self._cached.features if self._cached else None,
            packing=self._recipe.batch.packing,
            questions=questions,
        )
        if self._words is None:
            return inputs
        rows = rows_of(batch.examples or [blank(self._processor)], self._processor, questions=questions)
        places = list(placed(rows, self._processor))
        vocabulary = self._model.backbone.vocabulary
        return hinted_inputs(inputs, places, self._recipe.objective, self._words, vocabulary).to(self._device)

    def measured(self) -> Mapping[str, float]:
        """Return what the hinted losses come to, each times the learnt tokens of the last micro-batch."""
        return self._hinted.last if self._words is not None else {}
