"""From frames of any size to the two encoders' tensors: one resize, one crop, no second resize.

1. Scale to the trained width (518), height to a whole number of 14-pixel patches, bicubic with antialiasing (Pillow).
2. `crop`: keep the middle 518 rows of taller pictures. `pad`: scale the longer side to 518 and pad to a white square.
3. The geometry encoder sees this picture, in [0, 1].
4. The 2D tower sees its top-left part, cut to an even number of patches, with CLIP's mean and deviation removed.

Source: training and evaluation of arXiv 2505.24625; the 2D tower's patch layout is that of Qwen2-VL's image processor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vgcli_core.errors import MediaError

Fit = Literal["crop", "pad"]
Picture = NDArray[np.uint8]

PATCH = 14
MERGE = 2
TEMPORAL = 2
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, slots=True)
class Pixels:
    """What both encoders read of one sample's frames.

    Attributes:
        pixel_values: [F * patches, 1176] float32 for the 2D tower.
        grid_thw: [F, 3] patches in time (1), rows and columns.
        geometry_frames: [F, 3, H, W] float32 in [0, 1], uncropped.
        notes: remarks for the user: how much was cut or padded.
    """

    pixel_values: Tensor
    grid_thw: Tensor
    geometry_frames: Tensor
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Frames after the one resize, before anything becomes a float: a twelfth of the bytes of `Pixels`.

    Attributes:
        frames: [F, H, W, 3] uint8, what the geometry encoder sees.
        notes: remarks for the user: how much was cut or padded.
    """

    frames: Tensor
    notes: tuple[str, ...] = ()


def prepare_pixels(images: Sequence[Picture], *, width: int = 518, fit: Fit = "crop", where: str = "") -> Pixels:
    """Resize, crop and cut frames [H, W, 3] of one sample, which end with one size.

    Raises:
        MediaError: a picture is so wide that nothing is left of its height, or so small that it has no patch.
    """
    fitted = fit_frames(images, width=width, fit=fit, where=where)
    return pixels_of(fitted.frames, notes=fitted.notes)


def fit_frames(images: Sequence[Picture], *, width: int = 518, fit: Fit = "crop", where: str = "") -> Fitted:
    """Do the one resize and crop: frames [H, W, 3] of one sample end with one size. Raises MediaError."""
    if not images:
        raise MediaError("there is no frame to look at", where=where)
    resized = [_fit(image, width, fit, where) for image in images]
    notes = _cut_notes(images, width, fit)
    rows = max(picture.shape[0] for picture in resized)
    if any(picture.shape[0] != rows for picture in resized):
        notes = (*notes, f"the pictures differ in shape: all are padded with white to {width}x{rows} pixels")
        resized = [_pad(picture, rows, width) for picture in resized]
    return Fitted(torch.from_numpy(np.stack(resized)), notes)


def grid_of(height: int, width: int) -> tuple[int, int, int]:
    """Return time, rows and columns in patches of a fitted frame, as the 2D tower sees it."""
    rows, columns = height // PATCH, width // PATCH
    return 1, rows - rows % MERGE, columns - columns % MERGE


def pixels_of(fitted: Tensor, *, notes: tuple[str, ...] = ()) -> Pixels:
    """Return both encoders' tensors of fitted frames [F, H, W, 3] uint8, on the device that these are on."""
    frames = fitted.permute(0, 3, 1, 2).float() / 255
    time, rows, columns = grid_of(*fitted.shape[1:3])
    grid = torch.tensor([[time, rows, columns]]).expand(len(fitted), -1).contiguous()
    return Pixels(patchify(frames[:, :, : rows * PATCH, : columns * PATCH]), grid, frames, notes)


def geometry_size(width: int, height: int, frame_width: int = 518) -> tuple[int, int]:
    """Return (height, width) of the picture the geometry encoder sees with `fit` crop.

    The height is computed in exactly this order in double precision: another order gives another size for some inputs.
    """
    scaled = round(height * (frame_width / width) / PATCH) * PATCH
    return min(scaled, frame_width), frame_width


def patchify(frames: Tensor) -> Tensor:
    """Turn frames [F, 3, H, W] in [0, 1], sides multiples of 28, into the 2D tower's patches [F * patches, 1176].

    Patches come in 2x2 blocks, so that four of a merged cell are neighbours; a frame fills both temporal slots.
    """
    count, channels, height, width = frames.shape
    mean, std = (
        torch.tensor(v, dtype=torch.float32, device=frames.device)[:, None, None] for v in (CLIP_MEAN, CLIP_STD)
    )
    normal = (frames - mean) / std
    rows, columns = height // (PATCH * MERGE), width // (PATCH * MERGE)
    blocks = normal.view(count, channels, rows, MERGE, PATCH, columns, MERGE, PATCH)
    patches = blocks.permute(0, 2, 5, 3, 6, 1, 4, 7)[:, :, :, :, :, :, None]
    patches = patches.expand(-1, -1, -1, -1, -1, -1, TEMPORAL, -1, -1)
    return patches.reshape(count * rows * columns * MERGE**2, channels * TEMPORAL * PATCH**2)


def _fit(image: Picture, frame_width: int, fit: Fit, where: str) -> Picture:
    height, width = image.shape[:2]
    if fit == "pad" and height > width:
        target = (max(round(width * (frame_width / height) / PATCH) * PATCH, PATCH), frame_width)
    else:
        target = (frame_width, round(height * (frame_width / width) / PATCH) * PATCH)
    if target[1] < PATCH * MERGE:
        raise MediaError(
            f"a picture of {width}x{height} pixels is too wide: scaled to {frame_width} pixels across, it is "
            f"{target[1]} high and {PATCH * MERGE} are needed",
            where=where,
            fix="crop it to at most about 18 times as wide as high" if frame_width == 518 else "crop it",
        )
    scaled = np.asarray(Image.fromarray(image).resize(target, Image.Resampling.BICUBIC))
    if fit == "pad":
        return _pad(scaled, frame_width, frame_width)
    top = max((scaled.shape[0] - frame_width) // 2, 0)
    return scaled[top : top + frame_width]


def _pad(picture: Picture, rows: int, columns: int) -> Picture:
    """Centre a picture on white; an odd pixel goes to the bottom or the right."""
    canvas = np.full((rows, columns, 3), 255, dtype=np.uint8)
    top, left = (rows - picture.shape[0]) // 2, (columns - picture.shape[1]) // 2
    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def _cut_notes(images: Sequence[Picture], width: int, fit: Fit) -> tuple[str, ...]:
    if fit == "pad":
        return ()
    shares = []
    for image in images:
        scaled = round(image.shape[0] * (width / image.shape[1]) / PATCH) * PATCH
        shares.append(max(1 - width / scaled, 0.0) if scaled else 0.0)
    if max(shares) == 0:
        return ()
    cut = sum(share > 0 for share in shares)
    which = "each frame" if cut == len(images) else f"{cut} of {len(images)} frames"
    return (
        f"portrait: the top and bottom {max(shares) / 2:.0%} of {which} are cut off, as in training "
        "(--fit pad keeps everything, at a smaller scale)",
    )
