"""Scenes with their truth, put together: mirrored, reversed, as points, and which patches show one place.

Shapes: S scenes of F frames; h x w patches with 2x2 cells each; N = h * w patches of a frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vgcli_core.data.scene_truth import CELL
from vgcli_core.model.pixels import PATCH
from vgcli_core.training.objectives.scenes import PATCH_SIDE, SceneExample, stacked

_HIDDEN = 0.05  # a place is hidden from another camera where something is nearer by this share of its depth
_NEAREST = 0.05  # metres in front of a camera


@dataclass(frozen=True, slots=True)
class SceneBatch:
    """S scenes of F frames.

    Attributes:
        frames: [S, F, 3, H, W] in [0, 1].
        depth: [S, F, 2h, 2w] metres; 0 where it is not known.
        on_object: [S, F, 2h, 2w] whether a cell shows an object.
        cameras: [S, F, 4, 4] each camera to the first one's axes, metres.
        intrinsics: [S, 3, 3] pixels.
        learnt: False where their loss is 0: in an empty turn.
    """

    frames: Tensor
    depth: Tensor
    on_object: Tensor
    cameras: Tensor
    intrinsics: Tensor
    learnt: bool


def scene_batch(examples: Sequence[SceneExample], device: torch.device, *, learnt: bool = True) -> SceneBatch:
    """Put examples of frame lists of one length and size together; not `learnt`, their loss is 0."""
    cameras = stacked(examples, "camera_to_world", device)
    return SceneBatch(
        stacked(examples, "frames", device).permute(0, 1, 4, 2, 3).float() / 255,
        stacked(examples, "depth", device),
        stacked(examples, "owner", device) >= 0,
        _to_first(cameras),
        stacked(examples, "intrinsics", device),
        learnt,
    )


def mirrored(batch: SceneBatch, which: Tensor) -> SceneBatch:
    """Return the scenes with those of `which` [S] left-right reversed, as a mirror shows them."""
    flip = torch.diag(torch.tensor([-1.0, 1, 1, 1], device=which.device))
    middle = batch.intrinsics.clone()
    middle[:, 0, 2] = batch.frames.shape[-1] - middle[:, 0, 2]
    return SceneBatch(
        _where(which, batch.frames.flip(-1), batch.frames),
        _where(which, batch.depth.flip(-1), batch.depth),
        _where(which, batch.on_object.flip(-1), batch.on_object),
        _where(which, flip @ batch.cameras @ flip, batch.cameras),
        _where(which, middle, batch.intrinsics),
        batch.learnt,
    )


def reversed_(batch: SceneBatch, which: Tensor) -> SceneBatch:
    """Return the scenes with the frames of those of `which` [S] in the opposite order: the last one is the first."""
    return SceneBatch(
        _where(which, batch.frames.flip(1), batch.frames),
        _where(which, batch.depth.flip(1), batch.depth),
        _where(which, batch.on_object.flip(1), batch.on_object),
        _where(which, _to_first(batch.cameras.flip(1)), batch.cameras),
        batch.intrinsics,
        batch.learnt,
    )


def points_of(batch: SceneBatch) -> Tensor:
    """Return the points [S, F, 2h, 2w, 3] that the cells show, in the first camera, metres."""
    rows, columns = batch.depth.shape[2:]
    # The middle pixel of a cell, and its middle.
    y, x = (torch.arange(count, device=batch.depth.device) * CELL + CELL // 2 + 0.5 for count in (rows, columns))
    focal, middle = batch.intrinsics[:, [0, 1], [0, 1]], batch.intrinsics[:, :2, 2]
    across = (x - middle[:, :1]) / focal[:, :1]
    down = (y - middle[:, 1:]) / focal[:, 1:]
    rays = torch.stack(
        (
            across[:, None, :].expand(-1, rows, -1),
            down[:, :, None].expand(-1, -1, columns),
            torch.ones_like(batch.depth[:, 0]),
        ),
        dim=-1,
    )
    own = rays[:, None] * batch.depth[..., None]
    turned = torch.einsum("sfij,sfhwj->sfhwi", batch.cameras[:, :, :3, :3], own)
    return turned + batch.cameras[:, :, None, None, :3, 3]


def matches(batch: SceneBatch, points: Tensor, size: tuple[int, int]) -> Tensor:
    """Return which patches of other frames show the place of a patch.

    Args:
        batch: scenes.
        points: of `points_of`.
        size: rows and columns of patches.

    Returns:
        [S, F, N, F, N] for each frame and patch, shares of the patches of each frame: bilinear, adding up to 1 in a
        frame that shows the place, 0 in one that does not (it is outside the picture, or hidden) and in its own.
    """
    rows, columns = size
    frames = batch.depth.shape[1]
    # The middle of the lower right cell of a patch stands for it; half a cell is taken off where it is seen.
    place = points[:, :, 1::PATCH_SIDE, 1::PATCH_SIDE].flatten(2, 3)  # [S, F, N, 3]
    into = torch.linalg.inv(batch.cameras)
    there = torch.einsum("sgij,sfnj->sfgni", into[:, :, :3, :3], place) + into[:, None, :, None, :3, 3]
    z = there[..., 2]  # [S, F, F, N]
    focal, middle = batch.intrinsics[:, [0, 1], [0, 1]], batch.intrinsics[:, :2, 2]
    pixels = there[..., :2] / z.clamp(min=_NEAREST)[..., None] * focal[:, None, None, None]
    x, y = (pixels + middle[:, None, None, None]).unbind(-1)
    inside = (z > _NEAREST) & (x >= 0) & (y >= 0) & (x < columns * PATCH) & (y < rows * PATCH)
    wide, high = columns * PATCH_SIDE, rows * PATCH_SIDE
    cell = (y / CELL).long().clamp(0, high - 1) * wide + (x / CELL).long().clamp(0, wide - 1)
    depth = batch.depth[:, None].expand(-1, frames, -1, -1, -1).flatten(3).gather(3, cell)
    known = (batch.depth[:, :, 1::PATCH_SIDE, 1::PATCH_SIDE] > 0).flatten(2)[:, :, None]
    other = ~torch.eye(frames, dtype=torch.bool, device=z.device)[None, :, :, None]
    seen = inside & known & other & (depth > 0) & (z <= depth * (1 + _HIDDEN))
    down = _tent((y - CELL / 2) / PATCH - 0.5, rows) * seen[..., None]
    across = _tent((x - CELL / 2) / PATCH - 0.5, columns)
    shares: Tensor = (down[..., :, None] * across[..., None, :]).flatten(-2)  # [S, F, F, N, N]
    return shares.transpose(2, 3)


def _tent(position: Tensor, count: int) -> Tensor:
    """Return the shares [..., count] that linear interpolation gives the places 0 to count - 1."""
    places = torch.arange(count, device=position.device)
    return (1 - (position.clamp(0, count - 1)[..., None] - places).abs()).clamp(min=0)


def _to_first(cameras: Tensor) -> Tensor:
    relative: Tensor = torch.linalg.inv(cameras[:, :1]) @ cameras
    return relative


def _where(which: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(which.view(-1, *[1] * (no.dim() - 1)), yes, no)
