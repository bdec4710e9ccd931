"""The weights of an export, one at a time: read from their files, adapters added, in the dtype that is asked for."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vgcli_core.errors import CheckpointError
from vgcli_core.model.accounting import Source
from vgcli_core.model.weights import FLOATS


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
            self.infinite[name] += int((converted.isinf() & tensor.isfinite()).sum())
            self.zero[name] += int(((converted == 0) & (tensor != 0)).sum())
        return converted


@dataclass(frozen=True, slots=True)
class Tensors:
    """Where each published tensor comes from, and what becomes of it.

    Attributes:
        sources: by published name.
        ours: what this package calls it, by published name.
        dtype: of all of them; None: each as it is.
        change: counts what is lost.
    """

    sources: Mapping[str, Source]
    ours: Mapping[str, str]
    dtype: torch.dtype | None
    change: Change = field(default_factory=Change)

    def sizes(self) -> dict[str, Tensor]:
        """Return tensors without memory, of the shapes and dtypes that `value` gives."""
        found = {}
        for name, source in self.sources.items():
            entry = source.files.entries[source.key]
            found[name] = torch.empty(entry.shape, dtype=self.dtype or FLOATS[entry.dtype], device="meta")
        return found

    def value(self, name: str, read: Callable[[Source], Tensor], add: Callable[[str, Tensor], Tensor]) -> Tensor:
        """Return a tensor by its published name.

        Args:
            name: published.
            read: gives the tensor of a source.
            add: gives a weight with its adapter, by our name and the weight.

        Raises:
            CheckpointError: values that the dtype cannot hold: the model would compute nothing but NaN.
        """
        source = self.sources[name]
        tensor = read(source)
        dtype = self.dtype or tensor.dtype
        converted = self.change.convert(name, add(self.ours[name], tensor), dtype)
        if self.change.infinite[name]:
            kind = str(dtype).removeprefix("torch.")
            raise CheckpointError(
                f"{self.change.infinite[name]:,} values of {name!r} are too large for {kind}",
                where=str(source.files.entries[source.key].file),
                fix="choose --dtype bfloat16, which holds as large numbers as float32",
            )
        return converted
