"""The compact form: everything but the geometry encoder, which is named, with a checksum, where it is as published."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vgcli_core.errors import CheckpointError, UsageError
from vgcli_core.export.provenance import Provenance
from vgcli_core.model.accounting import Source
from vgcli_core.model.checkpoint import Opened
from vgcli_core.model.elsewhere import ENCODER, Elsewhere, checksum_of
from vgcli_core.model.layouts import only_encoder, recognise, recognise_encoder
from vgcli_core.model.weights import WeightFiles

_WHOLE = "--format vgllm, which holds the encoder too"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An encoder that an export names instead of holding it.

    Attributes:
        name: hub name, or what the folder is called.
        own: sources of the checkpoint's encoder, by our names.
        named: the same of the encoder that is named, rounded to the dtype of the checkpoint's.
    """

    name: str
    own: Mapping[str, Source]
    named: Mapping[str, Source]

    def settle(self, read: Callable[[Source], Tensor], progress: Callable[[str], None]) -> Elsewhere:
        """Compare the two, weight by weight; return what the export says of the encoder.

        Raises:
            CheckpointError: they differ, so the checkpoint's own was trained, or is of another origin.
        """
        different: list[str] = []

        def same(name: str) -> Tensor:
            progress("comparing the geometry encoders")
            tensor = read(self.own[name])
            if not torch.equal(tensor, read(self.named[name])):
                different.append(name)
            return tensor

        checksum = checksum_of(self.own, same)
        if different:
            raise CheckpointError(
                f"the geometry encoder of the checkpoint is not that of {self.name}: {len(different):,} of "
                f"{len(self.own):,} weights differ, {different[0]!r} is one",
                where=str(next(iter(self.own.values())).files.path),
                fix=_WHOLE,
            )
        first = next(iter(self.own.values()))
        return Elsewhere.model_validate(
            {
                "name": self.name,
                "dtype": str(first.found_dtype).removeprefix("torch."),
                "sha256": checksum,
                "parameters": sum(torch.Size(_shape(source)).numel() for source in self.own.values()),
            }
        )


def left_out(opened: Opened, geometry: Path | None, name: str) -> LeftOut:
    """Return the encoder that a compact export leaves out; names and shapes are looked at, and no weights.

    Args:
        opened: the checkpoint.
        geometry: folder or file of the encoder alone, or of a VG-LLM; None for a checkpoint that is compact already.
        name: to call it.

    Raises:
        CheckpointError: the checkpoint has none, or another one, or one in several number formats.
        UsageError: nobody says where the encoder is.
    """
    kind = opened.config.geometry_encoder
    own = {key: source for key, source in opened.account.sources.items() if key.startswith(ENCODER)}
    where = str(opened.files.path)
    if not own:
        raise CheckpointError("the checkpoint has no geometry encoder to leave out", where=where, fix="--format vgllm")
    if opened.elsewhere is not None:
        return LeftOut(opened.elsewhere.name, own, own)
    if geometry is None:
        fix = "--geometry facebook/VGGT-1B, or the folder that training took it from"
        raise UsageError("--format compact needs the encoder that it leaves out", where="--geometry", fix=fix)
    dtypes = {source.found_dtype for source in own.values()}
    if len(dtypes) > 1:
        what = f"the geometry encoder has weights of {len(dtypes)} number formats"
        raise CheckpointError(what, where=where, fix=f"export with --dtype first, or {_WHOLE}")
    files = WeightFiles(geometry)
    found, whole = recognise_encoder(files.entries, where=str(geometry)), recognise(files.entries)
    named = {
        ours: Source(files, key, *dtypes)
        for key in files.entries
        if found == kind and (ours := only_encoder(key, found, whole).name) is not None
    }
    shapes, others = ({key: _shape(source) for key, source in one.items()} for one in (own, named))
    if shapes != others:
        what = f"the checkpoint has {kind} of other sizes than what --geometry names ({found})"
        raise CheckpointError(what, where=str(geometry), fix=f"give the encoder that training took, or {_WHOLE}")
    return LeftOut(name, own, named)


def name_of(found: Provenance, given: str) -> str:
    """Return what to call an encoder: its hub name, as given or as records say; else the name of its folder."""
    part = found.part("geometry encoder")
    if not Path(given).exists():
        return given
    return part.name if part.identified else Path(given).resolve().name


def _shape(source: Source) -> tuple[int, ...]:
    return source.files.entries[source.key].shape
