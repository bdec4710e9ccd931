"""What a checkpoint's box angles and prompts mean: not in its weights, so it is worked out, stated, or asked for.

Until 27 November 2025 the published annotation files held angles as extrinsic zxy and their prompts said "box_3d"
(revision 1); since then they hold intrinsic ZXY and say "bbox_3d" (revision 2). Nothing in a weight file tells which.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

from vgcli_core.geometry.boxes import EulerConvention
from vgcli_core.model.layouts import Layout
from vgcli_core.text.prompts import PromptRevision


@dataclass(frozen=True, slots=True)
class Conventions:
    """The meaning of box angles and the wording of box prompts; None where nobody said. `source` says who did."""

    euler: EulerConvention | None
    revision: PromptRevision | None
    source: str


# Published checkpoints by the last part of their hub name. The second generation's files were replaced on the day the
# convention changed, under the same names.
_KNOWN: dict[tuple[str, Layout], Conventions] = {
    **{
        (name, "generation-1"): Conventions("zxy", 1, f"published checkpoint {name}")
        for name in ("vgllm_for_3d_scene_understanding_4b", "vgllm_for_spatial_reasoning_4b")
    },
    **{
        (name, "generation-2"): Conventions("ZXY", 2, f"published checkpoint {name}, files since 27 November 2025")
        for name in ("vgllm-3d-vggt-4b", "vgllm-3d-vggt-8b", "vgllm-qa-vggt-4b", "vgllm-qa-vggt-8b")
    },
}


def conventions_of(
    hub_name: str,
    layout: Layout,
    *,
    recorded: Conventions | None = None,
    euler: EulerConvention | None = None,
    revision: PromptRevision | None = None,
) -> tuple[Conventions, tuple[str, ...]]:
    """Work out a checkpoint's conventions and the remarks a user must see.

    The order: what the user states, what the checkpoint records, what is known of its hub name, what its layout
    implies. `hub_name` is empty for a folder or a pinned revision: files from before the change carry the same names.
    """
    known = _KNOWN.get((PurePosixPath(hub_name).name.lower(), layout))
    found = recorded or known or _implied(layout)
    notes: tuple[str, ...] = ()
    if found.source.startswith("assumed") and euler is None:
        notes = (
            "box angles are read as intrinsic ZXY (data since 27 November 2025); the checkpoint itself does not say. "
            "For one trained on older files use --euler-convention zxy --prompt-revision 1",
        )
    if euler is None and revision is None:
        return found, notes
    stated = Conventions(euler or found.euler, revision or found.revision, "stated by the user")
    if (recorded or known) and (stated.euler, stated.revision) != (found.euler, found.revision):
        notes = (
            f"boxes are read as {stated.euler}, prompts are of revision {stated.revision}, as you stated; "
            f"the checkpoint itself is {found.euler}, revision {found.revision} ({found.source})",
        )
    return stated, notes


def revision_with(euler: EulerConvention | None, revision: PromptRevision | None) -> PromptRevision | None:
    """Return the prompt revision that a user means: the one of the data of `euler`, where only that is stated."""
    return revision if euler is None or revision is not None else 1 if euler == "zxy" else 2


def _implied(layout: Layout) -> Conventions:
    if layout == "generation-1":
        return Conventions("zxy", 1, "implied by generation-1 weights")
    if layout == "generation-2":
        return Conventions("ZXY", 2, "assumed for generation-2 weights")
    return Conventions(None, None, "not known: a plain backbone was not trained on boxes")
