"""The weights of an export, one at a time: read from their files, adapters added, in the dtype that is asked for."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vgcli_core.errors import CheckpointError
from vgcli_core.model.accounting import Source

_AT_ONCE = 1 << 22  # values compared at a time: an embedding's comparisons would take more memory than the embedding


@dataclass(slots=True)
class Change:
    """What a change of dtype did to values: how many became infinite, or 0, by published name; and of how many."""

    infinite: Counter[str] = field(default_factory=Counter)
    zero: Counter[str] = field(default_factory=Counter)
    values: int = 0

    def convert(self, name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        """Return a tensor in `dtype`, and count."""
        if tensor.dtype == dtype:
            return tensor
        converted = tensor.to(dtype)
        self.values += tensor.numel()
        if dtype.itemsize <= tensor.dtype.itemsize:
            flat, new = tensor.flatten(), converted.flatten()
            for start in range(0, len(flat), _AT_ONCE):
                before, after = flat[start : start + _AT_ONCE], new[start : start + _AT_ONCE]
                self.infinite[name] += int(torch.count_nonzero(after.isinf() & before.isfinite()))
                self.zero[name] += int(torch.count_nonzero((after == 0) & (before != 0)))
        return converted


@dataclass(frozen=True, slots=True)
class Weight:
    """One tensor to be written.

    Attributes:
        source: where it comes from.
        name: what this package calls it; "" for what no model of ours has.
        dtype: to write it in.
    """

    source: Source
    name: str
    dtype: torch.dtype

    def size(self) -> Tensor:
        """Return a tensor without memory, of the shape and dtype that is written."""
        return torch.empty(self.source.files.entries[self.source.key].shape, dtype=self.dtype, device="meta")


Weights = Mapping[str, Weight]
"""By published name."""


def value(
    key: str,
    weight: Weight,
    read: Callable[[Source], Tensor],
    add: Callable[[str, Tensor], Tensor],
    change: Change,
) -> Tensor:
    """Return what is to be written of a weight.

    Args:
        key: its published name.
        weight: where it comes from.
        read: gives the tensor of a source.
        add: gives a weight with its adapter, by our name and the weight.
        change: counts what is lost.

    Raises:
        CheckpointError: values that the dtype cannot hold: the model would compute nothing but NaN.
    """
    converted = change.convert(key, add(weight.name, read(weight.source)), weight.dtype)
    if change.infinite[key]:
        raise CheckpointError(
            f"{change.infinite[key]:,} values of {key!r} are too large for {str(weight.dtype).removeprefix('torch.')}",
            where=str(weight.source.files.entries[weight.source.key].file),
            fix="choose --dtype bfloat16, which holds as large numbers as float32",
        )
    return converted
