"""Pre-training of a 2D tower and its connector: what each cell of a picture shows, and how far that object reaches.

Shapes: S scenes of F frames; a merged token stands for 2x2 patches, that is 4x4 cells; T merged tokens of all frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vgcli_core.data.mixture import Mixture
from vgcli_core.data.scene_truth import CELL
from vgcli_core.model.pixels import PATCH, grid_of, patchify
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.training.examples import MicroBatch
from vgcli_core.training.objectives.scenes import TOKEN_SIDE, SceneExample, Scenes, scenes_of, softened, stacked
from vgcli_core.training.recipe import Recipe

_REACH = 0.2  # weight of the error of an object's four edges, in merged tokens


@dataclass(frozen=True, slots=True)
class RegionBatch:
    """The frames of S scenes as the 2D tower reads them, with what they show.

    Attributes:
        pixel_values: [patches, 1176].
        grid_thw: [S * F, 3].
        labels: [T, 16] which label each cell of a token has: 0 for none, then those of the recipe, then any other.
        edges: [T, 4] left, top, right and bottom edge of the object that most of the token's cells show, as distances
            from the token's middle in merged tokens.
        on_object: [T] whether any cell of it shows an object.
        lists: what the mean losses count for: S, or 0 in an empty turn.
    """

    pixel_values: Tensor
    grid_thw: Tensor
    labels: Tensor
    edges: Tensor
    on_object: Tensor
    lists: int


class RegionLoss(nn.Module):
    """Mean losses of a list of frames, times the number of lists."""

    def __init__(self, model: VGLLM, labels: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.heads = nn.Sequential(
            nn.LayerNorm(model.backbone.hidden_size),
            nn.Linear(model.backbone.hidden_size, TOKEN_SIDE**2 * (len(labels) + 2) + 4),
        )
        self.last: dict[str, float] = {}

    def forward(self, batch: RegionBatch) -> Tensor:
        """Return a float32 scalar."""
        tokens = self.model.backbone.image_tokens(batch.pixel_values, batch.grid_thw)
        said = self.heads(tokens).float()
        scores = said[:, :-4].unflatten(1, (TOKEN_SIDE**2, -1))
        error = F.cross_entropy(scores.flatten(0, 1), batch.labels.flatten())
        off = F.smooth_l1_loss(said[:, -4:], batch.edges, reduction="none").mean(1)
        shown = batch.on_object.float()
        reach = (off * shown).sum() / shown.sum().clamp(min=1)
        right = (scores.argmax(-1) == batch.labels).float()
        objects = (batch.labels > 0).float()
        lists = float(batch.lists)
        measures = {
            "cells": right.mean(),
            "cells of objects": (right * objects).sum() / objects.sum().clamp(min=1),
            "edges": reach,
        }
        self.last = {name: float(value.detach()) * lists for name, value in measures.items()}
        return (error + _REACH * reach) * lists


class Regions:
    """See `Objective`."""

    measures: tuple[str, ...] = ("cells", "cells of objects", "edges")

    def __init__(self, recipe: Recipe, model: VGLLM, device: torch.device) -> None:
        self._loss = RegionLoss(model, recipe.objective.labels).to(device)
        self.module: nn.Module = self._loss
        self._recipe, self._device = recipe, device
        self._numbers = {label: number for number, label in enumerate(recipe.objective.labels, start=1)}

    def examples(self, mixture: Mixture) -> Scenes:
        """Return frames with their truth."""
        return Scenes(mixture, frame_width=self._recipe.start.frame_width)

    def inputs(self, batch: MicroBatch, seed: int) -> RegionBatch:
        """Return the frames, half of the lists softened, and what their cells show."""
        soften = seed if self._recipe.objective.augment and torch.is_grad_enabled() else None
        examples = scenes_of(batch)
        return region_batch(examples, self._numbers, self._device, learnt=bool(batch.examples), soften=soften)

    def measured(self) -> Mapping[str, float]:
        """Return shares of cells whose label is right, and the error of edges, of the last micro-batch."""
        return self._loss.last


def region_batch(
    examples: Sequence[SceneExample],
    numbers: Mapping[str, int],
    device: torch.device,
    *,
    learnt: bool = True,
    soften: int | None = None,
) -> RegionBatch:
    """Put examples of frame lists of one length and size together.

    Args:
        examples: of S scenes.
        numbers: of each label, from 1 on; all other labels are one more, which is learnt as "something else".
        device: where they go.
        learnt: False where their loss is to be 0.
        soften: seed of which are softened; None for none.
    """
    frames = stacked(examples, "frames", device).flatten(0, 1)
    _, rows, columns = grid_of(*frames.shape[1:3])
    pixels = frames.permute(0, 3, 1, 2)[:, :, : rows * PATCH, : columns * PATCH].float() / 255
    if soften is not None:
        pixels = softened(pixels, len(examples), soften)
    owner = stacked(examples, "owner", device).flatten(0, 1)[:, : rows * PATCH // CELL, : columns * PATCH // CELL]
    other = len(numbers) + 1
    tables = [[*(numbers.get(label, other) for label in one.labels), 0] for one in examples]
    # Nobody, -1, finds the 0 at the end.
    labels = torch.cat(
        [
            torch.tensor(table, device=device)[part.long()]
            for table, part in zip(tables, owner.chunk(len(examples)), strict=True)
        ]
    )
    edges, on_object = zip(*(_edges(picture) for picture in owner), strict=True)
    return RegionBatch(
        patchify(pixels),
        torch.tensor([[1, rows, columns]]).expand(len(frames), -1).contiguous(),
        _by_token(labels),
        torch.cat(edges),
        torch.cat(on_object),
        len(examples) * learnt,
    )


def _by_token(cells: Tensor) -> Tensor:
    """Return the cells [P, h, w] of pictures as [T, 16]: the merged tokens of each picture, row by row."""
    pictures, rows, columns = cells.shape
    blocks = cells.view(pictures, rows // TOKEN_SIDE, TOKEN_SIDE, columns // TOKEN_SIDE, TOKEN_SIDE)
    return blocks.transpose(2, 3).reshape(-1, TOKEN_SIDE**2)


def _edges(owner: Tensor) -> tuple[Tensor, Tensor]:
    """Return for the tokens of one picture [h, w] the edges [t, 4] of their objects, and whether they show any."""
    rows, columns = owner.shape
    tokens = _by_token(owner[None])
    here = torch.where(tokens >= 0, tokens, tokens.max(1, keepdim=True).values)  # where any, no cell votes for nobody
    main = here.mode(1).values
    bounds = torch.zeros(int(owner.max()) + 2, 4, device=owner.device)
    for number in torch.unique(owner).tolist():
        if number >= 0:
            y, x = torch.nonzero(owner == number, as_tuple=True)
            bounds[number] = torch.stack([x.min(), y.min(), x.max() + 1, y.max() + 1]).float() / TOKEN_SIDE
    y, x = torch.meshgrid(
        torch.arange(rows // TOKEN_SIDE) + 0.5, torch.arange(columns // TOKEN_SIDE) + 0.5, indexing="ij"
    )
    middle = torch.stack([x, y, x, y], dim=-1).flatten(0, 1).to(owner.device)
    return bounds[main.long()] - middle, main >= 0
