"""A geometry encoder that a compact checkpoint does not hold: where it is, and the checksum by which it is known.

Published encoders are a billion weights that training leaves as they are. `elsewhere.json` beside the others' weights
names the encoder, the dtype that its weights were rounded to, and a checksum over what that gives.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from vgcli_core.errors import CheckpointError
from vgcli_core.model.accounting import Source
from vgcli_core.model.hub import checkpoint_folder
from vgcli_core.model.weights import add_to_digest, read_json

FILE = "elsewhere.json"
ENCODER = "geometry_encoder."  # how our names of its weights start


class Elsewhere(BaseModel):
    """Where the geometry encoder is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str = Field(min_length=1, description="hub name; or what its folder was called, which has no slash")
    dtype: Literal["float32", "bfloat16", "float16", "float64"] = Field(description="its weights are rounded to it")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="see `checksum_of`, of the rounded weights")
    parameters: int = Field(gt=0)

    @property
    def on_the_hub(self) -> bool:
        """Whether `name` can be fetched."""
        return self.name.count("/") == 1

    @property
    def torch_dtype(self) -> torch.dtype:
        """`dtype` as torch has it."""
        found: torch.dtype = getattr(torch, self.dtype)
        return found


def read_elsewhere(folder: Path) -> Elsewhere | None:
    """Return what a compact checkpoint says of its encoder, None for others. Raises CheckpointError."""
    if not (folder / FILE).is_file():
        return None
    try:
        return Elsewhere.model_validate(read_json(folder / FILE))
    except ValidationError as error:
        first = error.errors()[0]
        raise CheckpointError(
            f"{FILE}: {'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}",
            where=str(folder / FILE),
            fix="use the file that was written with the weights, or a newer vgllm",
        ) from error


def find_encoder(wanted: Elsewhere, folder: Path, *, offline: bool) -> Path:
    """Return the folder of the encoder that a compact checkpoint names, fetched where it must be.

    Args:
        wanted: what the checkpoint says.
        folder: the checkpoint's.
        offline: use only what is on this machine.

    Raises:
        CheckpointError: it cannot be found; says what is missing, and how to get it.
    """
    what = f"this checkpoint is compact: its geometry encoder, {wanted.name}, is not in it"
    give = "give the folder of its weights with --geometry (in a recipe: start.geometry_weights)"
    if not wanted.on_the_hub:
        raise CheckpointError(what, where=str(folder), fix=give)
    try:
        return checkpoint_folder(wanted.name, offline=offline)
    except CheckpointError as error:
        raise CheckpointError(
            f"{what}, and it cannot be fetched: {error.what}",
            where=str(folder),
            fix=f"{give}, or fetch it once while online: hf download {wanted.name}",
        ) from error


def checksum_of(names: Iterable[str], value: Callable[[str], Tensor]) -> str:
    """Return a SHA-256 over tensors, in the order of their names; one tensor is in memory at a time."""
    whole = hashlib.sha256()
    for name in sorted(names):
        add_to_digest(whole, name, value(name))
    return whole.hexdigest()


def verify(wanted: Elsewhere, sources: Mapping[str, Source], read: Callable[[Source], Tensor], *, where: Path) -> None:
    """Make sure that an encoder is the one that a compact checkpoint means; reads all of it.

    Args:
        wanted: what the checkpoint says.
        sources: of the model's weights, by our names; those of the encoder are rounded.
        read: gives a tensor.
        where: the encoder was found.

    Raises:
        CheckpointError: it is another one.
    """
    names = [name for name in sources if name.startswith(ENCODER)]
    if checksum_of(names, lambda name: read(sources[name])) != wanted.sha256:
        raise CheckpointError(
            f"this is not the geometry encoder of the checkpoint, {wanted.name}: the checksum of its weights differs",
            where=str(where),
            fix=f"give the weights of {wanted.name} that the checkpoint was made with; the sha256 of them as "
            f"{wanted.dtype} is {wanted.sha256}",
        )
