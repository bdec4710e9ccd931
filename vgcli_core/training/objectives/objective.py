"""What the loop needs of an objective: examples, inputs, a loss, and what else can be measured."""

from collections.abc import Mapping
from typing import Any, Protocol

from torch import nn
from torch.utils.data import Dataset

from vgcli_core.data.mixture import Mixture
from vgcli_core.training.examples import MicroBatch


class Objective(Protocol):
    """What a run learns.

    Attributes:
        module: maps what `inputs` gives to the loss, a float32 scalar, added up over what is learnt of a micro-batch
            (`MicroBatch.labelled`); its `heads`, if any, are trained with it and left out of the model.
        measures: names of what is measured on held-out samples, beside the loss.
    """

    module: nn.Module
    measures: tuple[str, ...]

    def examples(self, mixture: Mixture) -> Dataset[Any]:
        """Return the examples of a mixture, by position; may be copied to other processes."""

    def inputs(self, batch: MicroBatch, seed: int) -> Any:
        """Return what `module` is called with; whatever is drawn depends on the seed."""

    def measured(self) -> Mapping[str, float]:
        """Return the measures of the last micro-batch, each added up over what is learnt of it."""
