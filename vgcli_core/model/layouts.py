"""Names of weights: how each published layout calls a parameter, and what this package calls it.

A layout is recognised from the names in the files alone. Inside the package a name starts with `backbone.model.`
(transformers' own names follow), `geometry_encoder.`, `geometry_merger.`, `feature_fusion.`, or `patch_positions.`,
which no published file holds and which is called so in every layout.

| layout | geometry | merger | fusion | since |
|---|---|---|---|---|
| generation-1 | `vggt.*` | `merger.*` | - | May 2025 |
| generation-2 | `geometry_encoder.{vggt,pi3}.*` | `geometry_merger.*` | `feature_fusion.*` | August 2025; ours too |
| plain | - | - | - | any Qwen2.5-VL |
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vgcli_core.errors import CheckpointError
from vgcli_core.model.backbones.qwen2_5_vl import Qwen25VL
from vgcli_core.model.geometry_encoders import GEOMETRY_ENCODERS, get_geometry_encoder
from vgcli_core.model.geometry_encoders.pi3 import Pi3
from vgcli_core.model.patch_positions import POSITIONS

Layout = Literal["generation-1", "generation-2", "plain"]

# How this package's names start for everything that transformers builds, and the one weight that may be shared.
BACKBONE = "backbone.model."
OUTPUT_HEAD = "backbone.model.lm_head.weight"

# Heads of training variants that the published code can save and that no answer depends on.
_UNUSED_GENERATION_1 = ("classifier.", "decompresser.", "dpt_module.")
# Parts of an encoder that no feature depends on, and that a layout holds all the same: names within the encoder.
_HEADS: dict[tuple[Layout, str], tuple[str, ...]] = {
    ("generation-1", "vggt"): ("point_head.", "depth_head."),
    ("generation-2", "pi3"): Pi3.unused_prefixes,
}
_BACKBONE_ROOTS = ("visual.", "model.", "lm_head.")


@dataclass(frozen=True, slots=True)
class Named:
    """Where a parameter of a file goes: a name in this package, or None with the reason why it is left out."""

    name: str | None
    reason: str = ""


def recognise(keys: Iterable[str], *, where: str = "") -> Layout:
    """Return the layout of a checkpoint from its parameter names. Raises CheckpointError when they mix two."""
    names = list(keys)
    old = [k for k in names if k.startswith(("vggt.", "merger."))]
    new = [k for k in names if k.startswith(("geometry_encoder.", "geometry_merger.", "feature_fusion."))]
    if old and new:
        raise CheckpointError(
            f"names of both generations of weights: {old[0]!r} and {new[0]!r}",
            where=where,
            fix="keep the files of one checkpoint in a folder of their own",
        )
    return "generation-1" if old else "generation-2" if new else "plain"


def encoder_of(keys: Iterable[str], layout: Layout) -> str:
    """Return which geometry encoder the names belong to: a key of GEOMETRY_ENCODERS."""
    if layout == "generation-1":
        return "vggt"
    if layout == "generation-2":
        kinds = {key.split(".")[1] for key in keys if key.startswith("geometry_encoder.")}
        return kinds.pop() if len(kinds) == 1 else "none"
    return "none"


def to_ours(key: str, layout: Layout) -> Named:
    """Return what this package calls the parameter `key` of a file in `layout`.

    A name of None with a reason is left out on purpose; with an empty reason the key is not known.
    """
    if key.startswith(_BACKBONE_ROOTS):
        return Named(f"{BACKBONE}{Qwen25VL.inner_name(key)}")
    if key.startswith(POSITIONS):
        return Named(key)
    if layout == "generation-1" and key.startswith(_UNUSED_GENERATION_1):
        return Named(None, "head of a training variant")
    if layout == "generation-1":
        # The same parts under their later names.
        key = f"geometry_encoder.{key}" if key.startswith("vggt.") else f"geometry_{key}"
    if layout != "plain" and key.startswith("geometry_encoder."):
        kind, _, rest = key.removeprefix("geometry_encoder.").partition(".")
        return encoder_to_ours(rest, kind) if kind in GEOMETRY_ENCODERS else Named(None)
    return Named(key if layout != "plain" and key.startswith(("geometry_merger.", "feature_fusion.")) else None)


def only_encoder(key: str, encoder: str, layout: Layout) -> Named:
    """Return what this package calls the parameter `key` of files of which only the geometry encoder is wanted.

    Args:
        key: name in the files.
        encoder: of them, as `recognise_encoder` says.
        layout: of a whole checkpoint; "plain" for files of the encoder alone.
    """
    if layout == "plain":
        return encoder_to_ours(key, encoder)
    found = to_ours(key, layout)
    wanted = found.name is None or found.name.startswith("geometry_encoder.")
    return found if wanted else Named(None, "part of the other checkpoint, of which only the geometry encoder is used")


def encoder_to_ours(key: str, encoder: str) -> Named:
    """Return what this package calls the parameter `key` of a file of the geometry encoder alone."""
    if key.startswith(get_geometry_encoder(encoder).unused_prefixes):
        return Named(None, f"part of {encoder} that no feature depends on")
    return Named(f"geometry_encoder.{key}")


def recognise_encoder(keys: Iterable[str], *, where: str = "") -> str:
    """Return which encoder weights belong to: files of it alone, or a whole VG-LLM that has one.

    Raises CheckpointError when it is none.
    """
    names = list(keys)
    kind = encoder_of(names, recognise(names, where=where))
    if kind != "none":
        return kind
    if any(k.startswith("aggregator.") for k in names):
        return "vggt"
    if any(k.startswith("decoder.") for k in names) and any(k.startswith("encoder.") for k in names):
        return "pi3"
    raise CheckpointError(
        "these are not weights of a geometry encoder: no `aggregator.*` (VGGT), no `encoder.*` and `decoder.*` (Pi3)",
        where=where,
        fix="give the folder or file of facebook/VGGT-1B or of Pi3, or of a VG-LLM",
    )


def to_published(name: str, encoder: str, layout: Layout = "generation-2") -> str:
    """Return the published name of one of this package's parameters; our own files are written in generation 2."""
    if name.startswith(BACKBONE):
        return Qwen25VL.published_name(name.removeprefix(BACKBONE))
    if layout == "generation-1":
        return name.replace("geometry_encoder.", "vggt.", 1).replace("geometry_merger.", "merger.", 1)
    return name.replace("geometry_encoder.", f"geometry_encoder.{encoder}.", 1)


def heads(layout: Layout, encoder: str) -> tuple[str, ...]:
    """Return how the names start, within the encoder, of what a layout holds of it and no feature depends on."""
    return _HEADS.get((layout, encoder), ())


def within_encoder(key: str, encoder: str, layout: Layout) -> str | None:
    """Return the name within the geometry encoder of a parameter of a file, None for one of another part.

    Args:
        key: name in the file.
        encoder: its kind.
        layout: of the file; "plain" for one of the encoder alone.
    """
    prefix = {"generation-1": "vggt.", "generation-2": f"geometry_encoder.{encoder}.", "plain": ""}[layout]
    return key.removeprefix(prefix) if key.startswith(prefix) else None
