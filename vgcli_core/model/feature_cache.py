"""What frozen encoders make of a list of frames, on disk: computed once, mapped into memory whenever it is needed.

A file's name is a checksum of the frames, in order, of the encoders' weights, and of how frames become pixels. So
nothing goes stale: other weights have other names, in a folder of their own. Training, evaluation and prediction share
one folder.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vgcli_core.atomic import atomic_path, output_errors, write_text
from vgcli_core.errors import CheckpointError
from vgcli_core.model.pixels import MERGE, Pixels, geometry_size, grid_of
from vgcli_core.model.vgllm import VGLLM, Features
from vgcli_core.model.weights import add_to_digest, write_tensors

# Raised whenever model/pixels.py gives other pixels for the same frames; a test pins one picture to it.
PREPROCESSING = 1
ABOUT = "about.json"
# What the shapes of the 2D tower's weights do not say. Other keys of its configuration differ between versions.
_TOWER = ("num_heads", "hidden_act", "window_size", "fullatt_block_indexes", "patch_size", "spatial_merge_size")


class FeatureCache:
    """The features of one model's encoders in `folder`; may be copied to other processes.

    Args:
        folder: of the cache; other models may have theirs in it too.
        fingerprint: see `encoders_fingerprint`.
    """

    def __init__(self, folder: Path, *, fingerprint: str) -> None:
        self.folder = folder / fingerprint[:16]
        self._fingerprint = fingerprint

    def key(self, digest: str) -> str:
        """Return the name of the features of frames with this checksum."""
        return hashlib.sha256(f"{PREPROCESSING} {self._fingerprint} {digest}".encode()).hexdigest()

    def path(self, key: str) -> Path:
        """Return the file that holds them, whether it is there or not."""
        return self.folder / key[:2] / f"{key}.safetensors"

    def has(self, key: str) -> bool:
        """Return whether they are there and whole; a damaged file counts as not there, and is written anew."""
        return self.grid_or_none(key) is not None

    def grid(self, key: str) -> Tensor:
        """Return [F, 3] patches in time, rows and columns. Raises CheckpointError where they are not there."""
        grid = self.grid_or_none(key)
        if grid is None:
            raise self._gone(key)
        return grid

    def grid_or_none(self, key: str) -> Tensor | None:
        """Return [F, 3], or None where the file is missing or damaged."""
        try:
            with safe_open(self.path(key), framework="pt") as file:  # which compares sizes with the file's
                shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
                # A copy: what is mapped would change with the file.
                grid: Tensor = file.get_tensor("grid_thw").clone()
        except (SafetensorError, OSError):
            return None
        return grid if _belong(grid, shapes) else None

    def read(self, key: str) -> Features:
        """Return features, mapped from the file and not copied. Raises CheckpointError where they are not there."""
        try:
            with safe_open(self.path(key), framework="pt") as file:
                geometry = file.get_tensor("geometry") if "geometry" in file.keys() else None  # noqa: SIM118
                return Features(file.get_tensor("image"), geometry, file.get_tensor("grid_thw"))
        except (SafetensorError, OSError) as error:
            raise self._gone(key) from error

    def write(self, key: str, features: Features) -> int:
        """Write features, whole or not at all; return the bytes. Raises OutputError."""
        found = {"image": features.image, "geometry": features.geometry, "grid_thw": features.grid_thw}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in found.items() if tensor is not None}
        with atomic_path(self.path(key)) as temporary:
            write_tensors(tensors, temporary)
            return temporary.stat().st_size

    def describe(self, model: VGLLM) -> None:
        """Write into the folder what its name stands for. Raises OutputError."""
        write_text(
            self.folder / ABOUT, json.dumps({"fingerprint": self._fingerprint, **_about(model)}, indent=1) + "\n"
        )

    def others(self) -> list[Path]:
        """Return the folders beside this one that hold features of other encoders; they are never used."""
        return sorted(file.parent for file in self.folder.parent.glob(f"*/{ABOUT}") if file.parent != self.folder)

    def _gone(self, key: str) -> CheckpointError:
        return CheckpointError(
            "cached features are missing or damaged",
            where=str(self.path(key)),
            fix="run again: they are computed anew; nothing else may remove files from this folder meanwhile",
        )


def encoders_fingerprint(model: VGLLM) -> str:
    """Return a SHA-256 over all that features depend on beside the frames: weights, sizes, order, width and dtype.

    Reads every weight of both encoders: 3 GB at the published sizes, a few seconds.
    """
    digest = hashlib.sha256(json.dumps(_about(model), sort_keys=True).encode())
    for name, part in (("2D", model.backbone.vision), ("3D", model.geometry_encoder)):
        for key, tensor in sorted(part.state_dict().items()):
            add_to_digest(digest, f"{name} {key}", tensor)
    return digest.hexdigest()


def encoded(model: VGLLM, pixels: Pixels, cache: FeatureCache | None) -> Features:
    """Return what the encoders make of one sample's frames: from the cache where it has them, else written to it.

    Raises:
        OutputError: the cache cannot be written.
    """
    if cache is None:
        return model.encode(pixels.pixel_values, pixels.grid_thw, pixels.geometry_frames)
    fitted = (pixels.geometry_frames * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    key = cache.key(digest_of(fitted))
    if not cache.has(key):
        cache.write(key, model.encode(pixels.pixel_values, pixels.grid_thw, pixels.geometry_frames))
    return cache.read(key)


def digest_of(frames: Tensor) -> str:
    """Return a checksum of fitted frames [F, H, W, 3] uint8 that no file of a prepared set holds."""
    digest = hashlib.sha256(f"pixels {tuple(frames.shape)}".encode())
    digest.update(frames.contiguous().numpy().data)
    return digest.hexdigest()


def feature_bytes(
    num_frames: int,
    height: int,
    width: int,
    *,
    frame_width: int = 518,
    image_dim: int,
    geometry_dim: int,
    dtype: torch.dtype = torch.bfloat16,
) -> int:
    """Return about how many bytes the features of frames of height x width pixels take; 0.17 GB for 32 at 4B."""
    _, rows, columns = grid_of(*geometry_size(width, height, frame_width))
    patches = rows * columns
    return num_frames * (patches // MERGE**2 * image_dim + patches * geometry_dim) * dtype.itemsize


def free_space(folder: Path) -> int:
    """Return the bytes that may still be written below `folder`, which is made. Raises OutputError."""
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return shutil.disk_usage(folder).free


def _about(model: VGLLM) -> dict[str, object]:
    config, tower = model.config, model.backbone.model.config.vision_config
    return {
        "preprocessing": PREPROCESSING,
        "frame_width": config.frame_width,
        "tower": {name: getattr(tower, name) for name in _TOWER},
        "geometry_encoder": config.geometry_encoder,
        "geometry": model.geometry_encoder.config.model_dump(mode="json"),
        "reference_frame": config.reference_frame,
        "dtype": str(model.feature_dtype),
        # Names of other models' features stay as they were.
        **({"blind": True} if config.blind else {}),
    }


def _belong(grid: Tensor, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Return whether tensors of these shapes are the features of frames with this grid."""
    if grid.dim() != 2 or len(grid) == 0 or grid.shape[1] != 3:
        return False
    frames, (_, rows, columns) = len(grid), grid[0].tolist()
    image, geometry = shapes.get("image", ()), shapes.get("geometry", (frames, rows, columns))
    return image[:1] == (frames * rows * columns // MERGE**2,) and geometry[:3] == (frames, rows, columns)
