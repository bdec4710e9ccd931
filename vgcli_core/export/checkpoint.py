"""Export a checkpoint: from its files to those of a folder that others can use, tensor by tensor.

No model is loaded. Everything that can be refused is refused before the first tensor is read (plan.py); the folder has
its name only when it is complete.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vgcli_core.export.card import FILE as CARD
from vgcli_core.export.card import Facts, card
from vgcli_core.export.companions import copy_files
from vgcli_core.export.plan import AS_IT_IS, Format, Plan, Wish, plan
from vgcli_core.export.scores import check_model
from vgcli_core.export.target import check_space, check_target, new_folder, write_record
from vgcli_core.export.tensors import Change, value
from vgcli_core.model.accounting import reading
from vgcli_core.model.elsewhere import FILE as ELSEWHERE
from vgcli_core.model.elsewhere import Elsewhere
from vgcli_core.model.machine import source_of, weights_in
from vgcli_core.model.save import write_shards
from vgcli_core.version import __version__


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        folder: that holds it.
        format: see Wish.
        parameters: in its files.
        size: of these files, in bytes.
        files: how many they are.
        dtypes: of the tensors, with how many have them.
        notes: what a user should know.
    """

    folder: Path
    format: Format
    parameters: int
    size: int
    files: int
    dtypes: dict[str, int]
    notes: tuple[str, ...]


def export_checkpoint(
    checkpoint: Path,
    out: Path,
    wish: Wish = AS_IT_IS,
    *,
    name: str = "",
    progress: Callable[[str], None] = lambda text: None,
) -> Exported:
    """Write a checkpoint as a folder of its own.

    Args:
        checkpoint: a folder with config.json and weights, in any form that `load_model` reads.
        out: a new folder, or that of an earlier export.
        wish: see Wish.
        name: the hub name that the checkpoint was fetched by; empty for a folder.
        progress: told what is being done, before each tensor.

    Raises:
        CheckpointError: the checkpoint or the adapters are damaged or incomplete, or the format cannot hold them.
        OutputError: `out` must not, or cannot, be written.
        PredictionsError: a report that cannot be read.
        UsageError: a dtype or size that cannot be read, a report on another model.
    """
    check_target(out, checkpoint, overwrite=wish.overwrite)
    what = plan(checkpoint, wish, name=name)
    sizes = {key: weight.size() for key, weight in what.weights.items()}
    size = sum(one.numel() * one.itemsize for one in sizes.values())
    change = Change()
    with new_folder(out, overwrite=wish.overwrite) as temporary:
        check_space(out, size, folder=temporary)
        elsewhere = _encoder(what, progress)
        files = _write_weights(what, sizes, temporary, change, progress)
        if what.scores:
            check_model(what.scores, *(weights_in(source_of("", one)) for one in (checkpoint, temporary)))
        done = Exported(
            out,
            wish.format,
            parameters=sum(one.numel() for one in sizes.values()),
            size=size,
            files=len(files),
            dtypes=dict(sorted(Counter(str(one.dtype).removeprefix("torch.") for one in sizes.values()).items())),
            notes=(*what.notes, *_change_notes(change)),
        )
        copy_files(what.beside, temporary)
        texts = {**what.texts, CARD: _card(done, what, elsewhere)}
        if elsewhere is not None:
            texts[ELSEWHERE] = elsewhere.model_dump_json(indent=2) + "\n"
        for file, text in texts.items():
            (temporary / file).write_text(text, encoding="utf-8", newline="\n")
        facts = {"format": wish.format, "vgllm": __version__, "name": name or checkpoint.resolve().name}
        write_record(temporary, {**facts, "provenance": what.found.model_dump(mode="json")})
    return done


def _encoder(what: Plan, progress: Callable[[str], None]) -> Elsewhere | None:
    """Verify the encoder of a compact checkpoint; return what a compact export says of the one that it leaves out."""
    sources = [*what.opened.account.sources.values(), *(what.left_out.named.values() if what.left_out else ())]
    with reading({source.files for source in sources}) as read:
        what.opened.verify_encoder(read)
        return None if what.left_out is None else what.left_out.settle(read, progress)


def _card(done: Exported, what: Plan, elsewhere: Elsewhere | None) -> str:
    return card(
        Facts(
            title=done.folder.resolve().name,
            format=done.format,
            model=what.opened.empty,
            dtypes=done.dtypes,
            size=done.size,
            found=what.found,
            elsewhere=elsewhere,
            scores=what.scores,
            notes=done.notes,
        )
    )


def _write_weights(
    what: Plan, sizes: dict[str, Tensor], folder: Path, change: Change, progress: Callable[[str], None]
) -> list[str]:
    """Write all weights; return the names of the files."""
    with ExitStack() as stack:
        read = stack.enter_context(reading({weight.source.files for weight in what.weights.values()}))
        add = _unchanged if what.adapter is None else stack.enter_context(what.adapter.reading())
        return write_shards(
            sizes,
            lambda key: value(key, what.weights[key], read, add, change),
            folder,
            max_shard_size=what.shard_size,
            progress=progress,
        )


def _unchanged(name: str, weight: Tensor) -> Tensor:
    return weight


def _change_notes(change: Change) -> tuple[str, ...]:
    if not change.values:
        return ()
    lost = change.zero.total()
    what = f"{lost:,} of {change.values:,} converted values became 0"
    return (f"{what}, most in {change.zero.most_common(1)[0][0]!r}" if lost else f"{what}, and none infinite",)
