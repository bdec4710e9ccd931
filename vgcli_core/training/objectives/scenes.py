"""Lists of frames with what is known of them, as examples to pre-train an encoder on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from vgcli_core.data.draws import numpy_generator
from vgcli_core.data.frame_store import read_bytes, read_images
from vgcli_core.data.mixture import Mixture
from vgcli_core.data.sample import Sample
from vgcli_core.data.scene_truth import CELL, NOBODY, SceneTruth, from_bytes, truth_path
from vgcli_core.errors import DataError, VgllmError
from vgcli_core.model.pixels import MERGE, PATCH, fit_frames
from vgcli_core.training.examples import Bad, MicroBatch

PATCH_SIDE = PATCH // CELL  # cells of a patch, along one side
TOKEN_SIDE = MERGE * PATCH_SIDE  # of a merged token

_SOFTEST = 0.8  # share of the mean of 3x3 pixels in a softened picture, at most


@dataclass(frozen=True, slots=True)
class SceneExample:
    """One list of F frames of a scene.

    Attributes:
        index: position in the mixture.
        id: of the sample.
        frames: [F, H, W, 3] uint8.
        depth: [F, h, w] float32, metres; 0 where it is not known. h = H / CELL, w = W / CELL.
        owner: [F, h, w] int16, position in `labels`, or -1.
        labels: of the scene's objects.
        camera_to_world: [F, 4, 4] float32.
        intrinsics: [3, 3] float32, of these frames.
    """

    index: int
    id: str
    frames: Tensor
    depth: Tensor
    owner: Tensor
    labels: tuple[str, ...]
    camera_to_world: Tensor
    intrinsics: Tensor
    shortened: int = 0

    @property
    def tokens(self) -> int:
        """Patches of all frames."""
        return self.depth.numel() // PATCH_SIDE**2

    @property
    def labelled(self) -> int:
        """One: the loss is a mean over lists of frames."""
        return 1


class Scenes(Dataset["SceneExample | Bad"]):
    """The frame lists of a mixture, by position; may be copied to other processes."""

    def __init__(self, mixture: Mixture, *, frame_width: int, fewest: int = 1) -> None:
        self.mixture, self.frame_width, self.fewest = mixture, frame_width, fewest

    def __len__(self) -> int:
        return len(self.mixture)

    def __getitem__(self, index: int) -> "SceneExample | Bad":
        """Read one; what cannot be used is returned as `Bad`, not raised."""
        name = ""
        try:
            sample = self.mixture.sample(index)
            name = sample.id
            if len(sample.frames) < self.fewest:
                raise DataError(f"it has {len(sample.frames)} frames, and {self.fewest} are needed")
            root = self.mixture.root(index)
            frames = fit_frames(read_images(sample, root), width=self.frame_width).frames
            truth = truth_of(sample, root)
            if truth.depth.shape[1] != frames.shape[1] // CELL or truth.depth.shape[2] != frames.shape[2] // CELL:
                raise DataError(
                    f"its truth is of pictures {truth.depth.shape[2] * CELL} pixels wide, and start.frame_width is "
                    f"{self.frame_width}"
                )
        except VgllmError as error:
            return Bad(index, name, self.mixture.where(index), f"{error.what} ({error.where})".removesuffix(" ()"))
        return SceneExample(
            index,
            name,
            frames,
            torch.from_numpy(truth.depth),
            torch.from_numpy(truth.owner),
            truth.labels,
            torch.from_numpy(truth.camera_to_world.astype(np.float32)),
            torch.from_numpy(truth.intrinsics.astype(np.float32)),
        )


def truth_of(sample: Sample, root: Path) -> SceneTruth:
    """Return what is known of a sample's frames, in their order. Raises DataError."""
    name = truth_path(sample.frames[0])
    try:
        data = read_bytes(name, sample.pack, root)
    except DataError as error:
        raise DataError(
            "the truth of its scene is not in the set",
            where=error.where,
            fix="prepare the set with it: vgllm prepare rooms --set truth=true",
        ) from error
    truth = from_bytes(data, where=name)
    stems = [PurePosixPath(frame).stem for frame in sample.frames]
    # The truth lists all frames of the film, in order.
    positions = [int(stem) for stem in stems if stem.isdecimal() and int(stem) < len(truth.depth)]
    if len(positions) < len(stems):
        raise DataError(
            f"the truth of its scene has {len(truth.depth)} frames, and the sample shows {', '.join(stems)}",
            where=name,
            fix="prepare the set again",
        )
    return truth.at(positions)


def scenes_of(batch: MicroBatch) -> list[SceneExample]:
    """Return the examples of a micro-batch; of an empty turn, one black scene, which still runs every part.

    Raises:
        DataError: their frames are not of one number and size, and so cannot be put together.
    """
    if batch.examples:
        sizes = {_size(one): one.id for one in batch.examples}
        if len(sizes) > 1:
            raise DataError(
                f"lists of frames differ: {' and '.join(f'{size} ({id_})' for size, id_ in sizes.items())}",
                where=f"a micro-batch of {len(batch.examples)} samples",
                fix="name sets with one number of frames (data.sets.NAME.num_frames) and size, or --set batch.micro=1",
            )
        return list(batch.examples)
    side = 2 * PATCH
    return [
        SceneExample(
            -1,
            "",
            torch.zeros(2, side, side, 3, dtype=torch.uint8),
            torch.zeros(2, side // CELL, side // CELL),
            torch.full((2, side // CELL, side // CELL), NOBODY, dtype=torch.int16),
            (),
            torch.eye(4).expand(2, 4, 4),
            torch.eye(3),
        )
    ]


def softened(frames: Tensor, lists: int, seed: int) -> Tensor:
    """Blur half of the frame lists by drawn amounts: pictures that were scaled down from larger ones look so.

    Args:
        frames: [lists * F, 3, H, W] in [0, 1].
        lists: how many.
        seed: of what is drawn.
    """
    draw = numpy_generator(seed, "soften")
    amounts = draw.uniform(0, _SOFTEST, lists) * (draw.random(lists) < 0.5)
    share = torch.from_numpy(amounts.astype(np.float32)).to(frames.device)
    share = share.repeat_interleave(len(frames) // lists)[:, None, None, None]
    blurred = F.avg_pool2d(F.pad(frames, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return frames + share * (blurred - frames)


def stacked(examples: Sequence[SceneExample], name: str, device: torch.device) -> Tensor:
    """Return one attribute of several examples as one tensor [S, ...]. Frame lists must be equally long and large."""
    return torch.stack([getattr(one, name) for one in examples]).to(device)


def _size(example: SceneExample) -> str:
    count, height, width = example.frames.shape[:3]
    return f"{count} frames of {width}x{height} pixels"
