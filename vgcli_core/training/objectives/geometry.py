"""Pre-training of a geometry encoder: depth, points in the first camera, cameras, and which patches show one place.

VGGT's tokens are trained through small heads on depth, a point map and camera parameters, as its own training does.
Beside them one head of one global attention is told where in the first frame each patch is seen: without that, a small
encoder does not begin to learn the motion of the camera for a long time.

Shapes: as in `scene_batch`.
Source: VGGT, arXiv 2503.11651, section 3.3 (depth, points, cameras).
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from vgcli_core.data.draws import numpy_generator
from vgcli_core.data.mixture import Mixture
from vgcli_core.model.geometry_encoders.blocks import Block, scene_tables
from vgcli_core.model.geometry_encoders.vggt import VGGT
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.training.examples import MicroBatch
from vgcli_core.training.objectives.scene_batch import SceneBatch, matches, mirrored, points_of, reversed_, scene_batch
from vgcli_core.training.objectives.scenes import PATCH_SIDE, Scenes, scenes_of, softened
from vgcli_core.training.recipe import Losses, Recipe

_USUAL_DEPTH = 2.5  # metres: what an untrained head says
_HEADS = 2  # of attention, which are told what to look for


class Heads(nn.Module):
    """From tokens of width C to depth, points and cameras; forgotten after training."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.cells = nn.Linear(dim, 4 * PATCH_SIDE**2)
        self.camera = nn.Sequential(nn.LayerNorm(2 * dim), nn.Linear(2 * dim, dim), nn.GELU(), nn.Linear(dim, 13))

    def forward(self, tokens: Tensor, special: int, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Read tokens [S, F, special + N, C].

        Returns:
            Log depth [S, F, 2h, 2w]; points [S, F, 2h, 2w, 3] in the first camera, metres; camera to first camera
            [S, F, 3, 4]; log of the focal length as a share of the picture's width [S, F].
        """
        patches = self.norm(tokens[:, :, special:])
        cells = self.cells(patches).float().unflatten(-1, (PATCH_SIDE, PATCH_SIDE, 4)).unflatten(2, size)
        cells = cells.permute(0, 1, 2, 4, 3, 5, 6).flatten(4, 5).flatten(2, 3)  # [S, F, 2h, 2w, 4]
        depth = cells[..., 0] + math.log(_USUAL_DEPTH)
        camera = self.camera(torch.cat((tokens[:, :, 0], tokens[:, :, special:].mean(2)), dim=-1)).float()
        pose = camera[..., :12].unflatten(-1, (3, 4)) + torch.eye(4, device=camera.device)[:3]
        return depth, cells[..., 1:], pose, camera[..., 12]


class GeometryLoss(nn.Module):
    """The losses of `recipe.objective`, each a mean over its scene, added up over scenes."""

    def __init__(self, encoder: VGGT, losses: Losses) -> None:
        super().__init__()
        self.encoder, self.losses = encoder, losses
        self.heads = Heads(encoder.dim)
        # In the middle: places that are found there are used by the pairs after it.
        self._watched = (encoder.config.depth - 1) // 2
        self.last: dict[str, float] = {}

    def forward(self, batch: SceneBatch) -> Tensor:
        """Return a float32 scalar."""
        aggregator = self.encoder.aggregator
        compared: list[Tensor] = []
        block = self._block()
        watching = block.attn.register_forward_pre_hook(lambda _, given: compared.append(given[0]))
        try:
            tokens = aggregator.scenes(batch.frames)
        finally:
            watching.remove()
        special = 1 + aggregator.num_registers
        size = (batch.depth.shape[2] // PATCH_SIDE, batch.depth.shape[3] // PATCH_SIDE)
        log_depth, points, cameras, focal = self.heads(tokens, special, size)
        known = batch.depth > 0
        weight = known * torch.where(batch.on_object, self.losses.on_objects, 1.0)
        depth_error = (log_depth - batch.depth.clamp(min=1e-3).log()).abs()
        true_points = points_of(batch)
        point_error = (points - true_points).abs().mean(-1)
        moved = (cameras - batch.cameras[:, :, :3]).abs()
        share = batch.intrinsics[:, 0, 0] / batch.frames.shape[-1]
        focal_error = (focal - share.log()[:, None]).abs().mean(1)
        place_error, turn_error = moved[:, 1:, :, 3].mean((1, 2)), moved[:, 1:, :, :3].mean((1, 2, 3))
        camera_error = place_error + 2 * turn_error + 0.5 * focal_error
        matching, found = self._matching(compared[0], batch, true_points, size, special)
        total = (
            self.losses.depth * _mean(depth_error, weight)
            + self.losses.points * _mean(point_error, weight)
            + self.losses.cameras * camera_error
            + self.losses.matches * matching
        )
        shown = known & batch.on_object
        measures = {
            "depth": _mean(depth_error, known),
            "depth on objects": _mean(depth_error, shown),
            "points on objects": _mean((points - true_points).norm(dim=-1), shown),
            "camera place": place_error,
            "camera turn": turn_error,
            "focal length": focal_error,
            "matched": found,
        }
        self.last = {name: float(value.detach().sum()) * batch.learnt for name, value in measures.items()}
        loss: Tensor = total.sum() * batch.learnt
        return loss

    def _block(self) -> Block:
        found: Any = self.encoder.aggregator.global_blocks[self._watched]
        return cast(Block, found)

    def _matching(
        self, entering: Tensor, batch: SceneBatch, points: Tensor, size: tuple[int, int], special: int
    ) -> tuple[Tensor, Tensor]:
        """Return [S] the mean cross-entropy of two heads, and how often the first one's best match is within a patch.

        Head 0 looks for the place of a patch in the first frame, head 1 for it in all other frames.
        """
        aggregator = self.encoder.aggregator
        frames = batch.frames.shape[1]
        attention = self._block().attn
        _, across = scene_tables(frames, *size, special, aggregator.head_dim, device=entering.device)
        queries, keys, _ = attention.projected(entering, across)
        per_frame = (frames, special + size[0] * size[1])
        shares = matches(batch, points, size)  # [S, F, N, F, N]
        asked = queries[:, :_HEADS].unflatten(2, per_frame)[:, :, :, special:]  # type: ignore[no-untyped-call]
        scores = torch.einsum("shfnd,shmd->shfnm", asked.float(), keys[:, :_HEADS].float()) * aggregator.head_dim**-0.5
        likely = scores.log_softmax(-1).unflatten(-1, per_frame)[..., special:]  # [S, 2, F, N, F, N]
        first = torch.zeros_like(shares)
        first[:, :, :, 0] = shares[:, :, :, 0]
        errors = []
        for head, wanted in enumerate((first, shares)):
            total = wanted.sum((-2, -1), keepdim=True)
            error = -(wanted / total.clamp(min=1e-6) * likely[:, head]).sum((-2, -1))
            errors.append(_mean(error, total[..., 0, 0] > 0))
        seen = first[:, :, :, 0].sum(-1) > 0
        best, true = (value.flatten(-2).argmax(-1) for value in (likely[:, 0], first))
        # Frames follow each other: another frame is more than a patch away.
        near = ((best // size[1] - true // size[1]).abs() <= 1) & ((best % size[1] - true % size[1]).abs() <= 1)
        return sum(errors, torch.zeros(())) / _HEADS, _mean(near.float(), seen)


class Geometry:
    """See `Objective`."""

    measures: tuple[str, ...] = (
        "depth",
        "depth on objects",
        "points on objects",
        "camera place",
        "camera turn",
        "focal length",
        "matched",
    )

    def __init__(self, recipe: Recipe, model: VGLLM, device: torch.device) -> None:
        encoder = model.geometry_encoder
        if not isinstance(encoder, VGGT):
            raise TypeError("the recipe says vggt")
        self._loss = GeometryLoss(encoder, recipe.objective).to(device)
        self.module: nn.Module = self._loss
        self._recipe, self._device = recipe, device

    def examples(self, mixture: Mixture) -> Scenes:
        """Return frames with their truth; a camera moves between two of them."""
        return Scenes(mixture, frame_width=self._recipe.start.frame_width, fewest=2)

    def inputs(self, batch: MicroBatch, seed: int) -> SceneBatch:
        """Return a batch of scenes; half mirrored, half from the last frame to the first, half softened."""
        found = scene_batch(scenes_of(batch), self._device, learnt=bool(batch.examples))
        if not self._recipe.objective.augment or not torch.is_grad_enabled():
            return found
        draws = numpy_generator(seed, "augment").random((2, len(found.frames))) < 0.5
        mirror, reverse = torch.from_numpy(draws).to(self._device)
        changed = reversed_(mirrored(found, mirror), reverse)
        return replace(
            changed, frames=softened(changed.frames.flatten(0, 1), len(draws[0]), seed).view_as(found.frames)
        )

    def measured(self) -> Mapping[str, float]:
        """Return errors of the last micro-batch: log depth, metres, entries of rotations; added up over scenes."""
        return self._loss.last


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return [S] weighted means over everything but the scene; 0 where nothing counts."""
    weight = weight.to(values.dtype)
    mean: Tensor = (values * weight).flatten(1).sum(1) / weight.flatten(1).sum(1).clamp(min=1e-6)
    return mean
